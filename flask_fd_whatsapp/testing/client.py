"""Posts to the application under test, as Freshdesk would."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any

from flask import Flask
from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse

from ..events import StatusEvent
from ..exceptions import NoSuchReceiver
from ..ledger.context import EXTENSION
from ..receiving.receiver import Receiver
from ..receiving.responses import Result
from ..receiving.sweep import sweep
from ..signals import handler_failed

_TAKEN = (Result.ACCEPTED.label, Result.DUPLICATE.label)

_Failure = tuple[str, BaseException]


class WhatsAppClient:
    """Posts events to a receiver of *app*, with its configured headers.

    :param app: the application under test.
    :param name: which receiver, if there are several; see :meth:`to`.
    :param account: which of its accounts, if it has several.
    """

    def __init__(self, app: Flask, name: str | None = None, account: str | None = None) -> None:
        self.app = app
        self._name = name
        self._account = account

    def to(self, name: str | None = None, *, account: str | None = None) -> WhatsAppClient:
        """Return a client for the receiver with that name, as in ``app.blueprints``.

        :param account: the key of the account, if the receiver has several.
        """
        return WhatsAppClient(self.app, name, account)

    @property
    def receiver(self) -> Receiver:
        """The receiver that is posted to.

        :raises NoSuchReceiver: if there is none, none with that name, or a choice of several.
        """
        known: Mapping[str, Receiver] = self.app.extensions.get(EXTENSION, {})
        if not known:
            raise NoSuchReceiver(
                f"No FreshdeskWhatsApp blueprint is registered on {self.app!r}, the application of "
                "the fixture app."
            )
        if self._name is None and len(known) > 1:
            raise NoSuchReceiver(
                "There are several receivers: choose one with fd_whatsapp_client.to(name), out of "
                f"{', '.join(known)}."
            )
        name = next(iter(known)) if self._name is None else self._name
        if name not in known:
            raise NoSuchReceiver(f"There is no receiver {name!r}: known are {', '.join(known)}.")
        if self._account is None:
            return known[name]
        lookup = known[name].accounts
        found = None if lookup is None else lookup.find(self._account)
        if found is None:
            raise NoSuchReceiver(f"The receiver {name!r} has no account {self._account!r}.")
        return found

    def post(
        self,
        payload: Mapping[str, Any] | bytes | str,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> TestResponse:
        """Post one event and return the answer, whatever it is.

        :param payload: an object, sent as JSON with its keys in order, or a body, sent unchanged.
        :param headers: additional headers, such as data headers, or replacements of the configured
            ones.
        """
        receiver, app = self.receiver, self.app
        body = payload if isinstance(payload, (bytes, str)) else json.dumps(payload)
        sent = Headers({name: values[0] for name, values in receiver.settings.headers.items()})
        for name, value in (headers or {}).items():
            sent[name] = value
        trusted = app.config.get("TRUSTED_HOSTS")
        is_named = app.config["SERVER_NAME"] is not None
        return app.test_client(use_cookies=False).post(
            receiver.url,
            subdomain=receiver.subdomain,
            url_scheme="https",
            data=body,
            content_type="application/json",
            headers=sent,
            environ_overrides=(
                {"HTTP_HOST": trusted[0].lstrip(".")} if trusted and not is_named else {}
            ),
        )

    def play(self, payloads: Iterable[Mapping[str, Any]]) -> list[str]:
        """Post events one after the other; each has to be accepted, and its handlers to succeed.

        If dispatch is not inline, due events are dispatched after each post.

        :return: the results, ``"accepted"`` or ``"duplicate"``.
        :raises AssertionError: if one is not accepted, with the answer, or if a handler fails, with
            its exception as the cause.
        """
        return [self._play_one(payload) for payload in payloads]

    def dispatch_due(self) -> list[Result]:
        """Call the handlers of recorded events that are due, as ``flask fd-whatsapp retry`` does.

        :return: the result of each event.
        """
        return [swept.result for swept in sweep(self.receiver)]

    def _play_one(self, payload: Mapping[str, Any]) -> str:
        with self._failures() as failures:
            answer = self.post(payload)
            swept = [] if self.receiver.settings.dispatch == "inline" else self.dispatch_due()
        if failures:
            handler, exception = failures[0]
            raise AssertionError(
                f"{_title(payload)}: the handler {handler} raised "
                f"{type(exception).__name__}: {exception}"
            ) from exception
        result = (answer.get_json(silent=True) or {}).get("result")
        if answer.status_code != 200 or result not in _TAKEN:
            raise AssertionError(f"{_title(payload)} was answered with {_explain(answer)}")
        if Result.DEAD in swept:
            raise AssertionError(f"{_title(payload)} is dead: a handler gave up.")
        if not {Result.UNFINISHED, Result.POSTPONED}.isdisjoint(swept):
            raise AssertionError(f"{_title(payload)}: a handler asks to be called again later.")
        return str(result)

    @contextmanager
    def _failures(self) -> Generator[list[_Failure]]:
        failures: list[_Failure] = []

        def note(app: Flask, event: StatusEvent, handler: str, exception: BaseException) -> None:
            failures.append((handler, exception))

        with handler_failed.connected_to(note, sender=self.app):
            yield failures


def _title(payload: Mapping[str, Any]) -> str:
    data = payload.get("data")
    data = data if isinstance(data, Mapping) else {}
    return f"{data.get('status')} of message {data.get('message_id')}"


def _explain(answer: TestResponse) -> str:
    found = answer.get_json(force=True, silent=True)
    problem = found if isinstance(found, dict) else {}
    parts = [answer.status]
    if "result" in problem:
        parts.append(f"({problem['result']})")
    if "Location" in answer.headers:
        parts.append(f"to {answer.headers['Location']}")
    if "detail" in problem:
        parts.append(f"- {problem['detail']}")
    parts += [f"{path}: {' '.join(texts)}" for path, texts in problem.get("errors", {}).items()]
    if answer.status_code == 403 and problem:
        parts.append("Set the builder's account to one that is: EventBuilder(account_id=...).")
    if answer.status_code == 503 and problem:
        parts.append(
            f"A handler asks to be called again (Retry-After: {answer.headers['Retry-After']}), "
            "or the log says what is wrong with the ledger."
        )
    if not problem:
        parts.append("- not by the receiver: `flask fd-whatsapp check` names what is in the way.")
    return " ".join(parts)
