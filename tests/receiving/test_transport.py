"""Bodies that come in pieces, cut off, too large, or read by the host first."""

from __future__ import annotations

import codecs
import gzip
import io
import logging
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_fd_whatsapp import FreshdeskWhatsApp
from flask_fd_whatsapp.ledger import Ledger, MemoryLedger

from ..answers import assert_problem, assert_result, client_of
from ..bodies import SAMPLE, CountingBody, chunked, kept, with_length
from ..conftest import URL, MakeApp

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


def test_chunked_body_is_read_to_its_end(client: FlaskClient, ledger: Ledger) -> None:
    """A chunked body is read to its end."""
    assert_result(post(client, **chunked(SAMPLE)), "accepted")
    assert_result(post(client, **chunked(b"")), "ignored")
    assert has_it(ledger)


@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1, LARGE])
def test_large_chunked(client: FlaskClient, size: int) -> None:
    """At most one byte above the limit of a chunked body is read."""
    body = CountingBody(SAMPLE.ljust(size))
    answer = post(client, **chunked(body))
    if size > LIMIT:
        assert_problem(answer, 413)
    else:
        assert_result(answer, "accepted")
    assert body.bytes_read == min(size, LIMIT + 1)


def test_large_with_length(client: FlaskClient, ledger: Ledger) -> None:
    """Nothing is read of a body that states too large a length."""
    body = CountingBody(SAMPLE.ljust(LARGE))
    assert_problem(post(client, **with_length(body, LARGE)), 413)
    assert (body.bytes_read, has_it(ledger)) == (0, False)


@pytest.mark.parametrize("size", [0, 1, len(SAMPLE) - 1])
@pytest.mark.parametrize("terminated", [True, False])
def test_body_cut_off_is_not_empty(
    client: FlaskClient, ledger: Ledger, size: int, terminated: bool
) -> None:
    """A body that was cut off is a 400, and never treated as empty."""
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
    """A chunked body that the server cannot read is a 400, not an error of the host."""
    assert_problem(post(client, **chunked(CountingBody(SAMPLE[:size], error))), 400)
    assert not has_it(ledger)


HTTP_2 = {"SERVER_PROTOCOL": "HTTP/2"}
WITHOUT_END = [chunked(b"", terminated=False)["environ_overrides"], HTTP_2]


@pytest.mark.parametrize("environ", WITHOUT_END, ids=["chunked", "HTTP/2"])
def test_body_that_the_server_holds_whole(
    client: FlaskClient, ledger: Ledger, environ: dict[str, Any]
) -> None:
    """A body of unknown length is read if its stream ends by itself."""
    for size, status in ((len(SAMPLE), 200), (LIMIT, 200), (LIMIT + 1, 413)):
        stream = io.BytesIO(SAMPLE.ljust(size))
        answer = post(client, environ_overrides={**environ, "wsgi.input": stream})
        assert answer.status_code == status
    assert has_it(ledger)


@pytest.mark.parametrize("environ", WITHOUT_END, ids=["chunked", "HTTP/2"])
@pytest.mark.parametrize("stream", [CountingBody(SAMPLE), io.BytesIO(b"")], ids=["open", "empty"])
def test_body_that_is_not_handed_over(
    client: FlaskClient,
    ledger: Ledger,
    caplog: pytest.LogCaptureFixture,
    environ: dict[str, Any],
    stream: Any,
) -> None:
    """If the stream may not end, or is empty, the answer is a 503 with the remedy."""
    for _ in range(3):
        answer = post(client, environ_overrides={**environ, "wsgi.input": stream})
        assert_problem(answer, 503, "30")
        assert "Content-Length" in answer.get_json()["detail"]
    critical = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert ["wsgi.input_terminated" in record.getMessage() for record in critical] == [True]
    (note,) = ledger.rejections.last()
    assert (note.reason, note.status_code) == ("unread", 503)
    assert getattr(stream, "bytes_read", 0) == 0
    assert not has_it(ledger)


@pytest.mark.parametrize("protocol", ["HTTP/1.1", "HTTP/1.0"])
def test_no_length_in_http_1(client: FlaskClient, protocol: str) -> None:
    """A request of HTTP/1.x without Content-Length and Transfer-Encoding has no body."""
    stream = CountingBody(SAMPLE)
    environ = {"SERVER_PROTOCOL": protocol, "wsgi.input": stream}
    assert_result(post(client, environ_overrides=environ), "ignored")
    assert stream.bytes_read == 0


COMPRESSED = {
    "gzip": gzip.compress(SAMPLE),
    "x-gzip": gzip.compress(SAMPLE),
    " GZip ": gzip.compress(SAMPLE),
    "deflate": zlib.compress(SAMPLE),
    "Deflate": zlib.compress(SAMPLE, wbits=-15),
    "identity": SAMPLE,
    "gzip in parts": gzip.compress(SAMPLE[:9]) + gzip.compress(SAMPLE[9:]),
    "gzip by name only": codecs.BOM_UTF8 + SAMPLE,
}


@pytest.mark.parametrize(("encoding", "body"), COMPRESSED.items(), ids=COMPRESSED)
def test_compressed_body_is_decompressed(
    client: FlaskClient, ledger: Ledger, encoding: str, body: bytes
) -> None:
    """A compressed body is decompressed; one decompressed on the way is accepted as it is."""
    headers = {"Content-Encoding": "gzip" if encoding.startswith("gzip") else encoding}
    assert_result(post(client, data=body, headers=headers), "accepted")
    assert_result(post(client, data=SAMPLE, headers=headers), "duplicate")
    assert has_it(ledger)


@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1, 500 * LIMIT])
@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress])
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_limit_of_what_is_decompressed(
    client: FlaskClient, ledger: Ledger, size: int, compress: Any, encoding: str
) -> None:
    """The limit applies to the decompressed body."""
    body = compress(SAMPLE.ljust(size))
    answer = post(client, data=body, headers={"Content-Encoding": encoding})
    if (encoding == "gzip") is not (compress is gzip.compress):
        assert_problem(answer, 400)
    elif size > LIMIT:
        assert_problem(answer, 413)
        assert [note.reason for note in ledger.rejections.last()] == ["too_large"]
    else:
        assert_result(answer, "accepted")


@pytest.mark.parametrize(
    ("encoding", "more"),
    [
        ("gzip", b"\0\0"),
        ("deflate", zlib.compress(b" ")),
        pytest.param("gzip", 200 * gzip.compress(b""), id="many parts"),
    ],
)
def test_compressed_and_more(
    client: FlaskClient, ledger: Ledger, encoding: str, more: bytes
) -> None:
    """A compressed body followed by something else is a 400, and kept as received."""
    body = (gzip if encoding == "gzip" else zlib).compress(SAMPLE) + more
    assert_problem(post(client, data=body, headers={"Content-Encoding": encoding}), 400)
    assert kept(ledger) == [("not_json", body)]


@pytest.mark.parametrize("cut", [1, 10, 100])
def test_compressed_and_cut_off(client: FlaskClient, ledger: Ledger, cut: int) -> None:
    """A compressed body that was cut off is a 400, and kept as received."""
    body = gzip.compress(SAMPLE)[:-cut]
    assert_problem(post(client, data=body, headers={"Content-Encoding": "gzip"}), 400)
    assert kept(ledger) == [("not_json", body)]


def test_decompressed_body_is_kept(client: FlaskClient, ledger: Ledger) -> None:
    """An unusable body is kept decompressed, so that it can be replayed."""
    body = gzip.compress(b"[1]")
    assert_problem(post(client, data=body, headers={"Content-Encoding": "gzip"}), 400)
    assert kept(ledger) == [("not_object", b"[1]")]


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "compress"])
def test_other_encoding(make_app: MakeApp, signals_seen: list[Any], encoding: str) -> None:
    """Another encoding is a 415 and kept, or acknowledged as ``REJECT_INVALID`` says."""
    for rejects in (True, False):
        ledger = MemoryLedger()
        app = make_app(FreshdeskWhatsApp(ledger=ledger), REJECT_INVALID=rejects)
        answer = post(client_of(app), data=b"x", headers={"Content-Encoding": encoding})
        if rejects:
            assert_problem(answer, 415)
        else:
            assert_result(answer, "quarantined")
        assert kept(ledger) == [("not_json", b"x")]
    assert [told["status_code"] for _, told in signals_seen] == [415, 200]


@pytest.mark.parametrize("length", ["x", "-5", "1_0", "\u0661"])
def test_length_that_is_none(client: FlaskClient, ledger: Ledger, length: str) -> None:
    """A body with an unreadable length is refused, not treated as empty."""
    assert_problem(post(client, **with_length(SAMPLE, length)), 400)
    assert not has_it(ledger)


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", FORM, MULTIPART, ""])
@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
def test_host_that_reads_first(
    make_app: MakeApp, hook: Callable[[], object], is_chunked: bool, content_type: str
) -> None:
    """A body that the host left unread or cached is accepted; a consumed one is never a 200."""
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
    """The limit also applies to a body that the host has read."""
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
    """A lower MAX_CONTENT_LENGTH of the host applies, and the answer names no other limit."""
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
