"""A double of the part of Freshdesk's API that sends messages and reports their status.

Paths, fields, errors and limits are those of a public copy of the API's documentation (January
2026), which does not show the status code of the answer to a POST.
"""

from __future__ import annotations

import hmac
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, Final, cast

from flask import Flask, Response, g, jsonify, request
from flask.typing import ResponseReturnValue
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from .api_faults import ApiFault, fault_named
from .call_limit import PRO, CallLimit
from .send_request import OutboundMessageRequest, field_errors
from .simulated_message import SimulatedMessage
from .simulator import FreshdeskSimulator

URL: Final = "/api/v2/channels/outbound-messages"
EXTENSION: Final = "freshdesk_api"
"""The key in ``app.extensions`` of the :class:`CallLimit`, which has all calls made."""


def create_api(
    simulator: FreshdeskSimulator,
    *,
    api_key: str,
    calls_a_minute: int = PRO,
    now: Callable[[], float] = time.monotonic,
    trouble: Iterable[str | None] = (),
) -> Flask:
    """Return a WSGI application that serves the messages of *simulator*.

    ``app.extensions["freshdesk_api"].most_in_a_minute`` is the number of calls in the busiest
    minute, including refused ones, and ``.calls`` lists them.

    :param api_key: user name of HTTP basic authentication; any password is accepted.
    :param calls_a_minute: the account's limit, for sends and reads together: 1,000 on Pro, 2,000 on
        Enterprise. Calls above it get a 429 with ``Retry-After``; refused ones count, too.
    :param now: returns real seconds, for the limit.
    :param trouble: for each call in turn the name of a fault (see ``API_FAULTS``), or ``None``;
        once they are used up, no call fails. :func:`at_random` draws them at random.
    :raises UnknownFault: for an unknown fault, with the list.
    """
    if not api_key:
        raise ValueError("api_key is empty: anybody could send.")
    if isinstance(trouble, Collection):
        trouble = [None if name is None else fault_named(name).name for name in trouble]
    app = Flask("freshdesk_api")
    app.json.sort_keys = False  # type: ignore[attr-defined]
    limit = app.extensions[EXTENSION] = CallLimit(calls_a_minute, now)
    gate = _Gate(limit, api_key, iter(trouble))
    app.before_request(gate.admit)
    app.after_request(gate.let_out)
    app.register_error_handler(HTTPException, _refuse)
    messages = _Messages(simulator)
    app.add_url_rule("/api/v2/account", view_func=messages.account)
    app.add_url_rule(f"{URL}/<message_id>", view_func=messages.show)
    app.add_url_rule(URL, view_func=messages.send, methods=["POST"])
    return app


class _Gate:
    """Counts and authenticates each call, and injects its fault, if any."""

    def __init__(self, limit: CallLimit, api_key: str, trouble: Iterator[str | None]) -> None:
        self._limit = limit
        self._api_key = api_key
        self._trouble = trouble
        self._lock = threading.Lock()

    def admit(self) -> Response | None:
        g.left, seconds = self._limit.count(request.method, request.path)
        fault = g.fault = self._next_fault()
        if fault is not None and fault.instead is not None:
            return fault.instead()
        given = request.authorization
        user = (given.username or "") if given is not None and given.type == "basic" else ""
        if not hmac.compare_digest(user.encode(), self._api_key.encode()):
            return _error(401, "invalid_credentials", "You have to be logged in.")
        if seconds:
            answer = _error(429, "limit_exceeded", "You have exceeded the limit of requests.")
            answer.headers["Retry-After"] = str(seconds)
            return answer
        return None

    def let_out(self, answer: Response) -> Response:
        if answer.mimetype == "application/json":
            answer.headers["X-RateLimit-Total"] = str(self._limit.calls_a_minute)
            answer.headers["X-RateLimit-Remaining"] = str(g.left)
            answer.headers["X-RateLimit-Used-CurrentRequest"] = "1"
        fault: ApiFault | None = g.fault
        return answer if fault is None or fault.after is None else fault.after(answer)

    def _next_fault(self) -> ApiFault | None:
        with self._lock:
            name = next(self._trouble, None)
        return None if name is None else fault_named(name)


class _Messages:
    """Sends and returns the simulator's messages, like the API."""

    def __init__(self, simulator: FreshdeskSimulator) -> None:
        self._simulator = simulator
        self._bodies: dict[str, dict[str, Any]] = {}

    def account(self) -> ResponseReturnValue:
        own = self._simulator.account
        number = int(own.id) if own.id.isdecimal() else own.id
        return jsonify(account_id=number, account_domain=own.domain)

    def show(self, message_id: str) -> ResponseReturnValue:
        message = self._simulator.messages.get(message_id)
        if message is None:
            return _error(404, "not_found", "There is no such message.")
        return jsonify(describe(message, self._bodies.get(message_id)))

    def send(self) -> ResponseReturnValue:
        if not request.is_json:
            return _error(415, "invalid_content_type", "Only application/json is taken.")
        body = request.get_json(silent=True)
        if body is None:
            return _error(400, "invalid_json", "Request body has invalid json format.")
        try:
            asked = cast(dict[str, Any], OutboundMessageRequest().load(body))
        except ValidationError as error:
            return jsonify(description="Validation failed", errors=field_errors(error)), 400
        message = self._simulator.send(
            asked.get("external_reference_id"), to=asked["to"]["recipient_identifier"]
        )
        self._bodies[message.id] = body
        told = {"success": True, "message_id": message.id, "description": "Message accepted"}
        return jsonify(told), 201


def describe(message: SimulatedMessage, sent: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a message as the API does, with its current status, but no time of any status.

    :param sent: the body with which it was sent, if through the API.
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


def _error(status: int, code: str, message: str) -> Response:
    answer = jsonify(code=code, message=message)
    answer.status_code = status
    return answer


def _refuse(error: HTTPException) -> Response:
    """Answer what Flask refuses like the API does: no such path, no such method."""
    code = (error.name or "error").lower().replace(" ", "_")
    answer = _error(error.code or 500, code, str(error.description))
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        answer.headers["Allow"] = ", ".join(error.valid_methods)
    return answer
