"""The webhook of an account: its saved form, its toggle, and the transport to its destination."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from ..exceptions import FreshdeskWhatsAppError
from ..freshdesk.form import WebhookForm
from .transport import Transport

MakeTransport = Callable[[str], Transport]


class FormNotSaved(FreshdeskWhatsAppError):
    """The webhook's form has to be saved first."""


class Webhook:
    """The destination of events, and whether they are posted.

    :param make_transport: creates one for the destination's URL.
    :param allow_http: also accept an HTTP destination on this machine (loopback).
    :param gateway_headers: added by something between Freshdesk and the receiver.
    """

    def __init__(
        self,
        make_transport: MakeTransport,
        *,
        allow_http: bool = False,
        gateway_headers: Mapping[str, str] | None = None,
    ) -> None:
        self._make_transport = make_transport
        self._allow_http = allow_http
        self._gateway_headers = dict(gateway_headers or {})
        self._form: dict[str, Any] | None = None
        self._transport: Transport | None = None
        self._lock = threading.RLock()
        self.is_enabled = False

    def save(
        self, destination_url: str, headers: Mapping[str, str], alert_emails: Iterable[str]
    ) -> None:
        """Validate and store the form.

        :raises marshmallow.ValidationError: for what Freshdesk's form refuses.
        """
        entered = {
            "destination_url": destination_url,
            "headers": dict(headers),
            "alert_emails": list(alert_emails),
        }
        form = WebhookForm(allow_http=self._allow_http).load(entered)
        with self._lock:
            self.close()
            self._form = cast(dict[str, Any], form)

    @property
    def form(self) -> dict[str, Any]:
        """The saved form.

        :raises FormNotSaved: if there is none.
        """
        if self._form is None:
            raise FormNotSaved("Save the webhook's form first: simulator.save(destination_url).")
        return copy.deepcopy(self._form)

    def enable(self) -> None:
        """Switch the toggle on.

        :raises FormNotSaved: if there is nothing to enable.
        """
        _ = self.form
        self.is_enabled = True

    def headers(self) -> dict[str, str] | None:
        """The headers of every post, ``None`` while disabled."""
        return self.all_headers() if self.is_enabled else None

    def all_headers(self) -> dict[str, str]:
        """The form's headers, and a gateway's."""
        return {**self._gateway_headers, **self.form["headers"]}

    def transport(self) -> Transport:
        """The transport to the destination, created when first needed."""
        with self._lock:
            if self._transport is None:
                self._transport = self._make_transport(self.form["destination_url"])
            return self._transport

    def close(self) -> None:
        """Close the connections, until they are needed again."""
        with self._lock:
            if self._transport is not None:
                self._transport.close()
                self._transport = None
