"""The possible results of a request, independent of HTTP."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from enum import Enum
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from flask import Response

from ..handling.attempt import Attempt
from ..ledger import State
from .auth import CHALLENGE

RETRY_BUSY: Final = 5
RETRY_UNFINISHED: Final = 30
RETRY_UNAVAILABLE: Final = 30


_KEPT: Final = 1
_RECORDED: Final = 2
_SETTLED: Final = 3


class Result(Enum):
    """The name and HTTP status of every possible result of a request, and of its event.

    The flags are false unless stated, so that nothing relies on an unlisted result.

    :ivar is_kept: whether the request's content is in the ledger: as an event, or in quarantine.
    :ivar is_recorded: whether the event is certainly in the ledger and need not be kept elsewhere.
    :ivar is_settled: whether it is recorded, and done or dead: it will not be due again.
    """

    ACCEPTED = "accepted", HTTPStatus.OK, _SETTLED
    DUPLICATE = "duplicate", HTTPStatus.OK, _SETTLED
    DEAD = "dead", HTTPStatus.OK, _SETTLED
    EMPTY = "ignored", HTTPStatus.OK
    IGNORED = "ignored", HTTPStatus.OK, _KEPT
    QUARANTINED = "quarantined", HTTPStatus.OK, _KEPT
    UNAUTHENTICATED = "unauthenticated", HTTPStatus.UNAUTHORIZED
    ACCOUNT = "account", HTTPStatus.FORBIDDEN, _KEPT
    TOO_LARGE = "too_large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    CUT_OFF = "not_json", HTTPStatus.BAD_REQUEST
    NOT_JSON = "not_json", HTTPStatus.BAD_REQUEST, _KEPT
    ENCODED = "not_json", HTTPStatus.UNSUPPORTED_MEDIA_TYPE, _KEPT
    NOT_OBJECT = "not_object", HTTPStatus.BAD_REQUEST, _KEPT
    INVALID = "invalid", HTTPStatus.UNPROCESSABLE_ENTITY, _KEPT
    BUSY = "busy", HTTPStatus.SERVICE_UNAVAILABLE, _RECORDED
    UNFINISHED = "unfinished", HTTPStatus.SERVICE_UNAVAILABLE, _RECORDED
    POSTPONED = "postponed", HTTPStatus.SERVICE_UNAVAILABLE, _RECORDED
    UNREAD = "unread", HTTPStatus.SERVICE_UNAVAILABLE
    UNAVAILABLE = "unavailable", HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, label: str, status: HTTPStatus, standing: int = 0) -> None:
        self.label = label
        self.status = status
        self.is_kept = standing >= _KEPT
        self.is_recorded = standing >= _RECORDED
        self.is_settled = standing >= _SETTLED


class Outcome(NamedTuple):
    """The outcome of one request.

    :param result: one of the possible results.
    :param detail: what was wrong, for the sender; never a secret, never a value sent.
    :param errors: messages by field path, for :attr:`Result.INVALID`.
    :param retry_after: whole seconds after which to send again, for a 503.
    """

    result: Result
    detail: str = ""
    errors: Mapping[str, list[str]] = MappingProxyType({})
    retry_after: int | None = None


ACCEPTED: Final = Outcome(Result.ACCEPTED)

BUSY: Final = Outcome(
    Result.BUSY, "The message is being handled right now.", retry_after=RETRY_BUSY
)

UNFINISHED: Final = Outcome(
    Result.UNFINISHED,
    "The event is recorded, but not handled yet. Send it again.",
    retry_after=RETRY_UNFINISHED,
)

POSTPONED: Final = Outcome(
    Result.POSTPONED,
    "The event is recorded, and a handler asks to be called later. Send it again.",
    retry_after=RETRY_UNFINISHED,
)

UNAVAILABLE: Final = Outcome(
    Result.UNAVAILABLE,
    "The event could not be recorded. Send it again.",
    retry_after=RETRY_UNAVAILABLE,
)


def without_attempt(state: State) -> Outcome:
    """Return the outcome of an event in *state* whose handlers were not called."""
    if state is State.DONE:
        return Outcome(Result.DUPLICATE)
    if state is State.DEAD:
        return Outcome(Result.DEAD)
    return BUSY


def after_attempt(attempt: Attempt) -> Outcome:
    """Return the outcome once handlers were called."""
    if attempt.state is State.DONE:
        return ACCEPTED
    tried = attempt.tried
    if tried.retry_after is None:
        # No handler is left to call, so Freshdesk need not resend the event.
        return UNFINISHED if tried.failed else Outcome(Result.DEAD)
    unfinished = UNFINISHED if tried.failed else POSTPONED
    return unfinished._replace(retry_after=max(1, math.ceil(tried.retry_after)))


_ANSWERS = {
    result: json.dumps({"result": result.label}).encode() + b"\n"
    for result in Result
    if result.status is HTTPStatus.OK
}


class Answer(Response):
    """The answer to a request.

    :ivar result: the result of the request, for observers.
    """

    result: Result


def to_response(outcome: Outcome) -> Answer:
    """Create the HTTP answer, with ``Retry-After`` or ``WWW-Authenticate`` where needed."""
    body = _ANSWERS.get(outcome.result)
    if body is not None:
        answer = Answer(body, content_type="application/json")
        answer.result = outcome.result
        return answer
    response = Answer(
        json.dumps(_problem(outcome)) + "\n",
        status=outcome.result.status,
        content_type="application/problem+json",
    )
    response.result = outcome.result
    if outcome.retry_after is not None:
        response.headers["Retry-After"] = str(outcome.retry_after)
    if outcome.result is Result.UNAUTHENTICATED:
        response.headers["WWW-Authenticate"] = CHALLENGE
    return response


def _problem(outcome: Outcome) -> dict[str, Any]:
    status = outcome.result.status
    problem: dict[str, Any] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": outcome.detail,
    }
    if outcome.result is Result.INVALID:
        problem["errors"] = dict(outcome.errors)
    return problem
