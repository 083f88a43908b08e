"""Freshdesk's form under Admin > Channels > WhatsApp > Manage Webhooks, and its rules."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from marshmallow import Schema, ValidationError, fields, validate, validates

from ..api_settings import is_loopback
from ..header_values import FORM_HEADERS, header_name, is_header_value

FORM_EMAILS = 2


def _check_url(value: str, *, allow_http: bool) -> None:
    try:
        url = urlsplit(value)
        host, _ = url.hostname, url.port
    except ValueError as error:
        raise ValidationError(f"Not a URL: {error}.") from None
    if url.scheme.lower() != "https":
        if url.scheme.lower() != "http" or not allow_http:
            raise ValidationError("Freshdesk posts to https:// URLs only.")
        if not is_loopback(host or ""):
            raise ValidationError(
                "Freshdesk posts to https:// URLs only; http:// is allowed for this machine "
                "(localhost, 127.0.0.1 or [::1])."
            )
    if not host or not value.isprintable() or " " in value:
        raise ValidationError(
            "Not a URL with a host, such as https://example.com/freshdesk/whatsapp."
        )
    if url.username is not None or url.fragment:
        raise ValidationError("Remove user, password and fragment: use a header to authenticate.")


def _header_name(value: Any) -> None:
    try:
        header_name(value)
    except ValueError as error:
        raise ValidationError(str(error)) from None


class WebhookForm(Schema):
    """The form's fields, validated like Freshdesk does (vendor's page, "Webhook Setup").

    :param allow_http: also accept an HTTP destination on this machine (loopback), which Freshdesk
        does not.
    :raises marshmallow.ValidationError: on ``load``: for a destination that is not HTTPS, more than
        three headers, more than two addresses, or an invalid address.
    """

    def __init__(self, *, allow_http: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._allow_http = allow_http

    destination_url = fields.String(required=True)
    headers = fields.Dict(
        keys=fields.String(validate=_header_name),
        values=fields.String(),
        load_default=dict,
        validate=validate.Length(
            max=FORM_HEADERS, error=f"The form takes at most {FORM_HEADERS} headers."
        ),
    )
    alert_emails = fields.List(
        fields.String(validate=validate.Email(error="{input!r} is not an e-mail address.")),
        load_default=list,
        validate=validate.Length(
            max=FORM_EMAILS, error=f"The form takes at most {FORM_EMAILS} alert addresses."
        ),
    )

    @validates("headers")
    def _check_header_values(self, headers: dict[str, str], **_: Any) -> None:
        for name, value in headers.items():
            if not is_header_value(value):  # which is a secret, so it is not repeated
                raise ValidationError(f"{name} needs a value: visible ASCII without outer spaces.")

    @validates("destination_url")
    def _check_destination(self, value: str, **_: Any) -> None:
        _check_url(value, allow_http=self._allow_http)
