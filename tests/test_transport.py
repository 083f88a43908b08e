"""Bodies that come in pieces, cut off, too large, or read by the host first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_fd_whatsapp import FreshdeskWhatsApp
from flask_fd_whatsapp.ledger import Ledger, MemoryLedger

from .answers import assert_problem, assert_result, client_of
from .bodies import SAMPLE, CountingBody, chunked, with_length
from .conftest import URL, MakeApp

LIMIT = 65536
LARGE = 10_000_000
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"

HOOKS: dict[str, Callable[[], object]] = {
    "get_data": lambda: request.get_data(),
    "get_data without cache": lambda: request.get_data(cache=False),
    "get_data with form": lambda: request.get_data(parse_form_data=True),
    "form": lambda: request.form,
    "values": lambda: request.values,
    "json": lambda: request.get_json(silent=True),
    "stream": lambda: request.stream.read(),
    "a part of the stream": lambda: request.stream.read(10),
}


def post(client: FlaskClient, **options: Any) -> TestResponse:
    options.setdefault("content_type", "application/json")
    return client.post(URL, **options)


def has_it(ledger: Ledger) -> bool:
    return bool(ledger.messages(external_reference_id="MM-T1-00001"))


def test_chunked(client: FlaskClient, ledger: Ledger) -> None:
    """A chunked body is read to its end."""
    assert_result(post(client, **chunked(SAMPLE)), "accepted")
    assert_result(post(client, **chunked(b"")), "ignored")
    assert has_it(ledger)


@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1, LARGE])
def test_large_chunked(client: FlaskClient, size: int) -> None:
    """Of a chunked body no more than one byte above the limit is read."""
    body = CountingBody(SAMPLE.ljust(size))
    answer = post(client, **chunked(body))
    if size > LIMIT:
        assert_problem(answer, 413)
    else:
        assert_result(answer, "accepted")
    assert body.bytes_read == min(size, LIMIT + 1)


def test_large_with_length(client: FlaskClient, ledger: Ledger) -> None:
    """Of a body that says it is too large nothing is read."""
    body = CountingBody(SAMPLE.ljust(LARGE))
    assert_problem(post(client, **with_length(body, LARGE)), 413)
    assert (body.bytes_read, has_it(ledger)) == (0, False)


@pytest.mark.parametrize("size", [0, 1, len(SAMPLE) - 1])
@pytest.mark.parametrize("terminated", [True, False])
def test_shorter_than_its_length(
    client: FlaskClient, ledger: Ledger, size: int, terminated: bool
) -> None:
    """A body that was cut off is a 400 and never taken for an empty one."""
    options = with_length(SAMPLE[:size], len(SAMPLE))
    if terminated:
        options["environ_overrides"]["wsgi.input_terminated"] = True
    assert_problem(post(client, **options), 400)
    assert not has_it(ledger)


@pytest.mark.parametrize("error", [OSError("reset"), TimeoutError(), ValueError("bad chunk")])
@pytest.mark.parametrize("size", [0, 100])
def test_chunks_that_break_off(
    client: FlaskClient, ledger: Ledger, size: int, error: Exception
) -> None:
    """A chunked body that the server cannot read on is a 400, not an error of the host's."""
    assert_problem(post(client, **chunked(CountingBody(SAMPLE[:size], error))), 400)
    assert not has_it(ledger)


def test_chunks_behind_a_server_that_does_not_end_them(client: FlaskClient, ledger: Ledger) -> None:
    """A chunked body that the server does not give out is refused, not taken for an empty one."""
    assert_problem(post(client, **chunked(SAMPLE, terminated=False)), 400)
    assert not has_it(ledger)


@pytest.mark.parametrize("length", ["x", "-5", "1_0", "\u0661"])
def test_length_that_is_none(client: FlaskClient, ledger: Ledger, length: str) -> None:
    """A body whose length cannot be read is refused, not taken for an empty one."""
    assert_problem(post(client, **with_length(SAMPLE, length)), 400)
    assert not has_it(ledger)


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", FORM, MULTIPART, ""])
@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
def test_host_that_reads_first(
    make_app: MakeApp, hook: Callable[[], object], is_chunked: bool, content_type: str
) -> None:
    """What the host left unread or cached is taken; what it swallowed is never a 200."""
    ledger = MemoryLedger()
    app = make_app(FreshdeskWhatsApp(ledger=ledger))
    app.before_request_funcs[None] = [lambda: (hook(), None)[1]]
    options = chunked(SAMPLE) if is_chunked else with_length(SAMPLE, len(SAMPLE))
    answer = post(client_of(app), content_type=content_type, **options)
    if has_it(ledger):
        assert_result(answer, "accepted")
    else:
        assert_problem(answer, 400)
    if hook in (HOOKS["get_data"], HOOKS["json"]) or (
        content_type not in (FORM, MULTIPART) and hook in (HOOKS["form"], HOOKS["values"])
    ):
        assert has_it(ledger)


@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
def test_host_that_reads_an_empty_body(make_app: MakeApp, hook: Callable[[], object]) -> None:
    """An authenticated empty body is ignored, whatever the host did with it."""
    app = make_app()
    app.before_request_funcs[None] = [lambda: (hook(), None)[1]]
    assert_result(post(client_of(app), data=b""), "ignored")


@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("hook", [HOOKS["get_data"], HOOKS["form"]], ids=["get_data", "form"])
def test_large_body_read_by_the_host(
    make_app: MakeApp, hook: Callable[[], object], is_chunked: bool
) -> None:
    """The limit holds for what the host has read too."""
    app = make_app()
    app.before_request_funcs[None] = [lambda: (hook(), None)[1]]
    body = SAMPLE.ljust(LIMIT + 1)
    options = chunked(body) if is_chunked else with_length(body, len(body))
    assert_problem(post(client_of(app), **options), 413)


def limited_by_host(make_app: MakeApp, limit: int) -> Flask:
    app = make_app()
    app.config["MAX_CONTENT_LENGTH"] = limit
    return app


def test_lower_limit_of_the_host(make_app: MakeApp) -> None:
    """A lower MAX_CONTENT_LENGTH of the host's holds, and the answer does not name another."""
    client = client_of(limited_by_host(make_app, 100))
    answer = post(client, **with_length(SAMPLE, len(SAMPLE)))
    assert_problem(answer, 413)
    assert str(LIMIT) not in answer.get_json()["detail"]


@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
def test_higher_limit_of_the_host(make_app: MakeApp, is_chunked: bool) -> None:
    """A higher MAX_CONTENT_LENGTH of the host's does not raise the receiver's limit."""
    client = client_of(limited_by_host(make_app, LARGE))
    body = SAMPLE.ljust(LIMIT + 1)
    options = chunked(body) if is_chunked else with_length(body, len(body))
    assert_problem(post(client, **options), 413)
    assert_result(post(client, data=SAMPLE), "accepted")
