"""Outcomes as HTTP answers: JSON, errors as ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from flask import Response

from .auth import CHALLENGE
from .outcomes import Outcome, Result

_ANSWERS = {
    result: json.dumps({"result": result.label}).encode() + b"\n"
    for result in Result
    if result.status is HTTPStatus.OK
}


def to_response(outcome: Outcome) -> Response:
    """The answer to a request, with ``Retry-After`` or ``WWW-Authenticate`` where it wants one."""
    body = _ANSWERS.get(outcome.result)
    if body is not None:
        return Response(body, content_type="application/json")
    response = Response(
        json.dumps(_problem(outcome)) + "\n",
        status=outcome.result.status,
        content_type="application/problem+json",
    )
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
