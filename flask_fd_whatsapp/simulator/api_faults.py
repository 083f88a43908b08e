"""Faults that can be injected into an API call, by name."""

from __future__ import annotations

import random
import select
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from types import MappingProxyType
from typing import Any, Final

from flask import Response, jsonify, request

from .faults import UnknownFault

LONGEST: Final = 30.0
"""Real seconds before a slow answer is sent, if the client is still connected."""

DRIP: Final = 0.05
"""Real seconds between two bytes of an answer that trickles in."""

ODD_RETRY_AFTER: Final = (
    "-5",
    "1.5",
    "",
    "0",
    "99999999999",
    "Wed, 21 Oct 2015 07:28:00 GMT",
    "soon",
    None,
)

_HTML: Final = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"


@dataclass(frozen=True, slots=True)
class ApiFault:
    """A fault of a call.

    :param instead: answers in place of the API, which then does nothing.
    :param after: changes the API's answer.
    """

    name: str
    description: str
    instead: Callable[[], Response] | None = None
    after: Callable[[Response], Response] | None = None


def at_random(
    percent: float, faults: Iterable[str] | None = None, *, seed: int | str = 0
) -> Iterator[str | None]:
    """Draw a fault for this percentage of calls, reproducibly.

    :param faults: names; ``None`` for all.
    :raises UnknownFault: if one is unknown, with the list.
    """
    chance = random.Random(seed)  # noqa: S311 - reproducible
    names = [fault_named(name).name for name in (API_FAULTS if faults is None else faults)]
    return (chance.choice(names) if chance.random() * 100 < percent else None for _ in count())


def fault_named(name: str) -> ApiFault:
    """Return the fault with that name.

    :raises UnknownFault: if there is none, with the list.
    """
    if name not in API_FAULTS:
        raise UnknownFault(
            f"The API has no fault {name!r}. The faults are {', '.join(API_FAULTS)}."
        )
    return API_FAULTS[name]


def _client() -> socket.socket | None:
    """Return the connection, if the server exposes it, as werkzeug and gunicorn do."""
    return request.environ.get("werkzeug.socket") or request.environ.get("gunicorn.socket")


def _cut() -> None:
    """End the connection with a reset."""
    connection = _client()
    if connection is None:
        raise ConnectionResetError("This server does not show the connection: it cannot be cut.")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.shutdown(socket.SHUT_RDWR)


def _cut_at_once() -> Response:
    _cut()
    return Response()


def _cut_after(answer: Response) -> Response:
    _cut()
    return answer


def _cut_within(answer: Response) -> Response:
    """Send half of the body that the headers announce."""
    body = answer.get_data()

    def halved() -> Iterator[bytes]:
        yield body[: len(body) // 2]
        _cut()

    return _with_body(answer, halved(), len(body))


def _slow(answer: Response) -> Response:
    """Wait until the client has hung up, or for a long time."""
    connection = _client()
    select.select([] if connection is None else [connection], [], [], LONGEST)
    return answer


def _drip(answer: Response) -> Response:
    body = answer.get_data()

    def drops() -> Iterator[bytes]:
        for place in range(len(body)):
            time.sleep(DRIP)
            yield body[place : place + 1]

    return _with_body(answer, drops(), len(body))


def _with_body(answer: Response, body: Iterator[bytes], length: int) -> Response:
    answer.response = body
    answer.headers["Content-Length"] = str(length)
    return answer


def _halve(answer: Response) -> Response:
    body = answer.get_data()
    answer.set_data(body[: len(body) // 2])
    return answer


def _with_status(status: int) -> Callable[[Response], Response]:
    def change(answer: Response) -> Response:
        if answer.status_code == 201:
            answer.status_code = status
        return answer

    return change


def _fail(answer: Response) -> Response:
    return _error(500)()


def _page(status: int, title: str) -> Callable[[], Response]:
    return lambda: Response(_HTML.format(title), status, content_type="text/html; charset=utf-8")


def _error(status: int, code: str = "internal_error", **headers: str) -> Callable[[], Response]:
    def answer() -> Response:
        made = jsonify(code=code, message="Something went wrong.")
        made.status_code = status
        made.headers.update(headers)
        return made

    return answer


def _redirect() -> Response:
    return Response(status=307, headers={"Location": f"https://login.example.com{request.path}"})


def _limited() -> Response:
    answer = _error(429, "limit_exceeded")()
    value = random.choice(ODD_RETRY_AFTER)  # noqa: S311 - any will do
    if value is not None:
        answer.headers["Retry-After"] = value
    return answer


def _not_done() -> Response:
    return jsonify(success=False, description="The channel is not connected.")


def _other_status(answer: Response) -> Response:
    return _changed(answer, status="ACCEPTED")


def _other_message(answer: Response) -> Response:
    return _changed(answer, message_id="01KAB4HHTBE081898E432RCMA7")


def _changed(answer: Response, **fields: Any) -> Response:
    told = answer.get_json(silent=True)
    if request.method == "GET" and answer.status_code == 200 and isinstance(told, dict):
        answer.set_data(jsonify({**told, **fields}).get_data())
    return answer


_FAULTS: Final = (
    ApiFault(
        "slow", "The call succeeds; the answer comes after the client has given up.", after=_slow
    ),
    ApiFault("dripping", "The call succeeds; the answer comes byte by byte.", after=_drip),
    ApiFault("cut-before", "The connection is cut, and nothing happens.", instead=_cut_at_once),
    ApiFault("cut-after", "The call succeeds, and the connection is cut.", after=_cut_after),
    ApiFault("cut-within", "The call succeeds; only half of the answer comes.", after=_cut_within),
    ApiFault("half-json", "The call succeeds; the answer's JSON is cut off.", after=_halve),
    ApiFault("error-after", "The call succeeds, and the answer is a 500.", after=_fail),
    ApiFault("error", "A 500, and nothing happens.", instead=_error(500)),
    ApiFault(
        "unavailable",
        "A 503 with an HTML page, as from a gateway.",
        instead=_page(503, "Unavailable"),
    ),
    ApiFault("html", "A 200 with an HTML page.", instead=_page(200, "Welcome")),
    ApiFault(
        "wrong-domain",
        "A 404 with an HTML page, as for a domain that does not exist.",
        instead=_page(404, "There is no helpdesk here"),
    ),
    ApiFault("redirect", "A redirect to another server.", instead=_redirect),
    ApiFault("limited", "A 429, whose Retry-After may be malformed.", instead=_limited),
    ApiFault(
        "suspended", "A 403: the account is suspended.", instead=_error(403, "account_suspended")
    ),
    ApiFault("unsuccessful", "A 200 that says success: false.", instead=_not_done),
    ApiFault(
        "ok", "Accepted messages are answered with 200 instead of 201.", after=_with_status(200)
    ),
    ApiFault(
        "accepted",
        "Accepted messages are answered with 202 instead of 201.",
        after=_with_status(202),
    ),
    ApiFault("unknown-status", "A message has an undocumented status.", after=_other_status),
    ApiFault("other-message", "The answer is about another message.", after=_other_message),
)

API_FAULTS: Final[Mapping[str, ApiFault]] = MappingProxyType({f.name: f for f in _FAULTS})
