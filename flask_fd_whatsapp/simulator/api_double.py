"""A double of the part of Freshdesk's API that sends messages and tells what became of them.

Paths, fields, errors and limits are those of a public copy of the API's documentation (January
2026), which does not show the code of the answer to a POST.
"""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

from flask import Flask, Response, g, jsonify, request
from flask.typing import ResponseReturnValue
from marshmallow import ValidationError

from .send_request import OutboundMessageRequest
from .simulated_message import SimulatedMessage
from .simulator import FreshdeskSimulator

URL: Final = "/api/v2/channels/outbound-messages"
WINDOW: Final = 60.0

PRO: Final = 1000
ENTERPRISE: Final = 2000
"""Calls a minute, by plan: the only two that can send."""


class RateLimit:
    """So many calls in each minute.

    :param now: real seconds, from any beginning.
    """

    def __init__(self, calls_a_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self._calls = calls_a_minute
        self._now = now
        self._lock = threading.Lock()
        self._ends = now()
        self._left = 0

    def count(self) -> tuple[int, int]:
        """Count a call: how many are left after it, and how many seconds to wait, if it is past."""
        with self._lock:
            now = self._now()
            if now >= self._ends:
                self._ends, self._left = now + WINDOW, self._calls
            if self._left:
                self._left -= 1
                return self._left, 0
            return 0, max(1, int(self._ends - now + 0.999))


def create_api(
    simulator: FreshdeskSimulator,
    *,
    api_key: str,
    calls_a_minute: int = PRO,
    now: Callable[[], float] = time.monotonic,
) -> Flask:
    """A WSGI application over the messages of *simulator*.

    :param api_key: user name of HTTP basic authentication; any password is taken.
    :param calls_a_minute: the account's limit, of sending and asking together: 1,000 on Pro, 2,000
        on Enterprise. Calls past it are a 429 with ``Retry-After``; refused ones count, too.
    :param now: real seconds, which the limit goes by.
    """
    if not api_key:
        raise ValueError("api_key is empty: anybody could send.")
    app = Flask("freshdesk_api")
    app.json.sort_keys = False  # type: ignore[attr-defined]
    limit = RateLimit(calls_a_minute, now)
    asked_for: dict[str, dict[str, Any]] = {}

    @app.before_request
    def admit() -> ResponseReturnValue | None:
        g.left, seconds = limit.count()
        given = request.authorization
        user = (given.username or "") if given is not None and given.type == "basic" else ""
        if not hmac.compare_digest(user.encode(), api_key.encode()):
            return _error(401, "invalid_credentials", "You have to be logged in.")
        if seconds:
            answer = _error(429, "limit_exceeded", "You have exceeded the limit of requests.")
            answer.headers["Retry-After"] = str(seconds)
            return answer
        return None

    @app.after_request
    def tell_limit(answer: Response) -> Response:
        answer.headers["X-RateLimit-Total"] = str(calls_a_minute)
        answer.headers["X-RateLimit-Remaining"] = str(g.left)
        answer.headers["X-RateLimit-Used-CurrentRequest"] = "1"
        return answer

    @app.get(f"{URL}/<message_id>")
    def show(message_id: str) -> ResponseReturnValue:
        message = simulator.messages.get(message_id)
        if message is None:
            return _error(404, "not_found", "There is no such message.")
        return jsonify(describe(message, asked_for.get(message_id)))

    @app.post(URL)
    def send() -> ResponseReturnValue:
        schema = OutboundMessageRequest()
        try:
            body = request.get_json(force=True, silent=True)
            if body is None:
                return _error(400, "invalid_json", "Request body has invalid json format.")
            asked = cast(dict[str, Any], schema.load(body))
        except ValidationError as error:
            errors = list(_field_errors(cast(Any, error).normalized_messages()))
            return jsonify(description="Validation failed", errors=errors), 400
        message = simulator.send(
            asked["external_reference_id"], to=asked["to"]["recipient_identifier"]
        )
        asked_for[message.id] = body
        sent = {"success": True, "message_id": message.id, "description": "Message accepted"}
        return jsonify(sent), 201

    return app


def describe(message: SimulatedMessage, sent: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A message as the API shows it, with its status of now: it tells no time of any status.

    :param sent: the body that it was sent with, if it was sent through the API.
    """
    status = message.status
    shown: dict[str, Any] = {
        "message_id": message.id,
        "created_on": message.sent_at // 1_000_000,  # milliseconds since 1970
        "status": str(status),
        "to": {"recipient_identifier": message.recipient},
        "channel_type": "WHATSAPP",
        "external_reference_id": message.external_reference_id,
        **{name: (sent or {})[name] for name in _SHOWN_AS_SENT if name in (sent or {})},
    }
    if status == "FAILED" and message.error is not None:
        shown["error_code"], shown["error_message"] = message.error
    return shown


_SHOWN_AS_SENT: Final = ("from", "message", "note_policy", "ticket_properties")


def _field_errors(messages: Mapping[Any, Any], path: str = "") -> Iterator[dict[str, str]]:
    """marshmallow's messages as the API has them: a list of fields."""
    for name, value in messages.items():
        field = f"{path}.{name}" if path else str(name)
        if isinstance(value, dict):
            yield from _field_errors(value, field)
            continue
        text = str(value[0])
        missing = "Missing data" in text
        yield {
            "field": field,
            "message": text,
            "code": "missing_field" if missing else "invalid_value",
        }


def _error(status: int, code: str, message: str) -> Response:
    answer = jsonify(code=code, message=message)
    answer.status_code = status
    return answer
