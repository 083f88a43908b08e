"""A double of the part of Freshdesk's API that sends messages and tells what became of them.

Paths and fields are those of a public mirror of the API's documentation; the answer to a POST
is not described there.
"""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable
from typing import Any, Final, cast

from flask import Flask, Response, jsonify, request
from flask.typing import ResponseReturnValue
from marshmallow import ValidationError

from .messages import SimulatedMessage
from .requests import OutboundMessageRequest
from .simulator import FreshdeskSimulator

URL: Final = "/api/v2/channels/outbound-messages"
WINDOW: Final = 60.0


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

    def wait(self) -> int:
        """Count a call: 0 if it is within the limit, else whole seconds until calls are again."""
        with self._lock:
            now = self._now()
            if now >= self._ends:
                self._ends, self._left = now + WINDOW, self._calls
            if self._left:
                self._left -= 1
                return 0
            return max(1, int(self._ends - now + 0.999))


def create_api(
    simulator: FreshdeskSimulator,
    *,
    api_key: str,
    calls_a_minute: int = 700,
    now: Callable[[], float] = time.monotonic,
) -> Flask:
    """A WSGI application over the messages of *simulator*.

    :param api_key: user name of HTTP basic authentication; any password is taken.
    :param calls_a_minute: the account's limit; calls past it are a 429 with ``Retry-After``.
    :param now: real seconds, which the limit goes by.
    """
    if not api_key:
        raise ValueError("api_key is empty: anybody could send.")
    app = Flask("freshdesk_api")
    app.json.sort_keys = False  # type: ignore[attr-defined]
    limit = RateLimit(calls_a_minute, now)

    @app.before_request
    def admit() -> ResponseReturnValue | None:
        given = request.authorization
        user = (given.username or "") if given is not None and given.type == "basic" else ""
        if not hmac.compare_digest(user.encode(), api_key.encode()):
            return _error(401, "invalid_credentials", "You have to be logged in.")
        seconds = limit.wait()
        if seconds:
            answer = _error(429, "too_many_requests", "You have exceeded the limit of requests.")
            answer.headers["Retry-After"] = str(seconds)
            return answer
        return None

    @app.get(f"{URL}/<message_id>")
    def show(message_id: str) -> ResponseReturnValue:
        message = simulator.messages.get(message_id)
        if message is None:
            return _error(404, "not_found", "There is no such message.")
        return jsonify(describe(message))

    @app.post(URL)
    def send() -> ResponseReturnValue:
        schema = OutboundMessageRequest()
        try:
            body = request.get_json(force=True, silent=True) or {}
            asked = cast(dict[str, Any], schema.load(body))
        except ValidationError as error:
            return jsonify(description="Validation failed", errors=error.messages), 400
        message = simulator.send(
            asked["external_reference_id"], to=asked["to"]["recipient_identifier"]
        )
        return jsonify(describe(message)), 202

    return app


def describe(message: SimulatedMessage) -> dict[str, Any]:
    """A message as the API shows it, with its status of now."""
    status = message.status
    shown: dict[str, Any] = {
        "message_id": message.id,
        "status": str(status),
        "external_reference_id": message.external_reference_id,
    }
    if status == "FAILED" and message.error is not None:
        shown["error_code"], shown["error_message"] = message.error
    return shown


def _error(status: int, code: str, message: str) -> Response:
    answer = jsonify(code=code, message=message)
    answer.status_code = status
    return answer
