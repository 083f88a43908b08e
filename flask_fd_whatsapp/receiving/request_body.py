"""What a request brings, as bytes and text: its body, of bounded size, and its headers."""

from __future__ import annotations

import codecs
import importlib
import io
import json
import zlib
from collections.abc import Mapping
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Final, Never

from werkzeug.exceptions import ClientDisconnected, HTTPException, RequestEntityTooLarge
from werkzeug.wrappers import Request
from werkzeug.wsgi import get_content_length, get_input_stream

_REMEDY: Final = (
    "The server did not hand over the body: there is no Content-Length, and nothing says where it "
    "ends (wsgi.input_terminated). Have a proxy in front send a Content-Length, or use a server "
    "that says where a chunked body ends, such as gunicorn or waitress."
)

_UWSGI_REMEDY: Final = (
    "uWSGI did not hand over the chunked body: start it with --http-chunked-input, or have a proxy "
    "in front send a Content-Length."
)


class BodyNotHandedOver(Exception):
    """There may be a body that the server has kept; the message names the remedy."""


def read_body(request: Request, limit: int) -> bytes:
    """The body, of at most *limit* bytes.

    :raises RequestEntityTooLarge: if it is larger; of a body that says its size nothing is read.
    :raises ClientDisconnected: if it did not arrive whole, or may have been taken by another.
    :raises BodyNotHandedOver: if the server does not say how long it is or where it ends.
    """
    environ = request.environ
    limit = min(limit, request.max_content_length or limit)
    length = get_content_length(environ)
    if length is not None and length > limit:
        raise RequestEntityTooLarge
    is_terminated = "wsgi.input_terminated" in environ
    try:
        if length is None and not is_terminated:
            body = _read_without_end(environ, limit)
        elif "stream" in vars(request):  # a hook of the host's has touched it
            body = request.get_data(cache=False)
        elif length is None:
            # Chunked: one byte too many is enough.
            body = _read_up_to(limit + 1, get_input_stream(environ))
        else:
            body = _read_up_to(length, environ["wsgi.input"])
    except (HTTPException, BodyNotHandedOver):
        raise
    except Exception as error:
        # Each server has exceptions of its own for chunks that are broken or cut off.
        raise ClientDisconnected from error
    if len(body) > limit:
        raise RequestEntityTooLarge
    if len(body) < (length or 0) or (not body and _may_have_had_one(request)):
        raise ClientDisconnected
    return body


def _read_without_end(environ: Mapping[str, Any], limit: int) -> bytes:
    """A body of which nothing says where it ends; an empty one is only believed in HTTP/1.x."""
    is_chunked = "HTTP_TRANSFER_ENCODING" in environ
    if not is_chunked and environ.get("SERVER_PROTOCOL", "HTTP/1.1").startswith("HTTP/1"):
        return b""  # RFC 9112, section 6.3
    if "uwsgi.version" in environ:
        return _read_uwsgi_chunks(limit)
    stream = environ["wsgi.input"]
    body = _read_up_to(limit + 1, stream) if _ends_by_itself(stream) else b""
    if not body:
        raise BodyNotHandedOver(_REMEDY)
    return body


def _ends_by_itself(stream: Any) -> bool:
    """Whether reading it cannot wait for what never comes.

    hypercorn and asgiref have read the whole body before they call the application, and a2wsgi
    knows where it ends; another server's stream may be the connection itself.
    """
    return isinstance(stream, (io.BytesIO, SpooledTemporaryFile)) or type(
        stream
    ).__module__.startswith("a2wsgi.")


def _read_uwsgi_chunks(limit: int) -> bytes:
    uwsgi = importlib.import_module("uwsgi")  # which is there in its own processes alone
    body = b""
    try:
        while len(body) <= limit and (part := uwsgi.chunked_read()):
            body += part
    except OSError as error:
        if body:
            raise
        raise BodyNotHandedOver(_UWSGI_REMEDY) from error
    return body


def _may_have_had_one(request: Request) -> bool:
    """Whether an empty body may be one that a hook has swallowed, or whose length is no number."""
    environ = request.environ
    if "HTTP_TRANSFER_ENCODING" in environ:
        return "stream" in vars(request)
    declared = environ.get("CONTENT_LENGTH") or "0"
    return not (declared.isascii() and declared.isdigit())


def _read_up_to(size: int, stream: IO[bytes]) -> bytes:
    parts: list[bytes] = []
    while size > 0 and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def header_text(value: str) -> str:
    """A header's value, which WSGI gives as Latin-1, as the UTF-8 it may be."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


MAX_NESTING: Final = 500
"""How deep brackets may be nested.

Python's reader of JSON counts what it is called from, too: what is accepted has to be readable
again wherever the event is handled later.
"""

# zlib's wbits: with gzip's header, with zlib's (RFC 9110), and with none, which many send.
_GZIP: Final = 31
_MOST_PARTS: Final = 100
_ENCODINGS: Final = {"gzip": (_GZIP,), "x-gzip": (_GZIP,), "deflate": (15, -15)}


class NotJSON(ValueError):
    """The body is not JSON; the message says where, without repeating any of it."""


class NotObject(ValueError):
    """The body is JSON, but not an object."""


class UnknownEncoding(ValueError):
    """The body is encoded in a way that cannot be undone here."""


class TooLarge(ValueError):
    """The body is larger, once it is decompressed, than what is read."""


def decompressed(body: bytes, encoding: str, limit: int) -> bytes:
    """*body* without its ``Content-Encoding``.

    What says that it is compressed, but begins as JSON does, has been decompressed on the way.

    :param limit: how many bytes it may come to.
    :raises UnknownEncoding: for another encoding than gzip and deflate.
    :raises TooLarge: past the limit, of which no more than a byte is decompressed.
    :raises NotJSON: if it is not compressed in that way, or cut off.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return body
    if name not in _ENCODINGS:
        raise UnknownEncoding("The body's Content-Encoding is neither gzip nor deflate.")
    for wbits in _ENCODINGS[name]:
        try:
            return _inflated(body, wbits, limit)
        except zlib.error:
            continue
    if body.removeprefix(codecs.BOM_UTF8).lstrip()[:1] in (b"{", b"["):
        return body
    raise NotJSON(f"The body is not {name}, as its Content-Encoding says, or was cut off.")


def _inflated(body: bytes, wbits: int, limit: int) -> bytes:
    """*body* decompressed; of gzip there may be several one after the other (RFC 1952, 2.2)."""
    inflated = b""
    for _ in range(_MOST_PARTS):
        inflating = zlib.decompressobj(wbits)
        inflated += inflating.decompress(body, limit + 1 - len(inflated))
        if len(inflated) > limit:
            raise TooLarge(f"The body is larger than {limit} bytes once it is decompressed.")
        if not inflating.eof:
            raise zlib.error("cut off")
        body = inflating.unused_data
        if not body:
            return inflated
        if wbits != _GZIP:
            break
    raise zlib.error("something comes after it")


def _refuse_constant(constant: str) -> Never:
    raise NotJSON(f"{constant} is not JSON (RFC 8259).")


_TOO_DEEP: Final = f"Brackets are nested too deeply: {MAX_NESTING} levels are read."

_decode: Final = json.JSONDecoder(parse_constant=_refuse_constant).decode


def decode(body: bytes) -> tuple[str, dict[str, Any]]:
    """The text and the object in *body*; a byte order mark is allowed and not part of the text.

    :raises NotJSON: for anything that is not UTF-8 or not JSON, for a number of more digits
        than Python converts, and for brackets nested deeper than :data:`MAX_NESTING`.
    :raises NotObject: for JSON that is not an object.
    """
    try:
        text = body.decode().removeprefix("\ufeff")  # the codec for that is written in Python
        payload = _decode(text)
        if body.count(b"{") + body.count(b"[") > MAX_NESTING and _is_too_deep(payload):
            raise NotJSON(_TOO_DEEP)
    except NotJSON:
        raise
    except UnicodeDecodeError as error:
        raise NotJSON(f"The body is not UTF-8: {error.reason} at byte {error.start}.") from None
    except json.JSONDecodeError as error:
        raise NotJSON(f"{error.msg} (line {error.lineno}, column {error.colno}).") from None
    except ValueError:
        raise NotJSON("A number has more digits than can be read.") from None
    except RecursionError:
        raise NotJSON(_TOO_DEEP) from None
    if not isinstance(payload, dict):
        raise NotObject(f"The body is JSON, but not an object: {type(payload).__name__}.")
    return text, payload


def _is_too_deep(payload: Any) -> bool:
    level = [payload] if isinstance(payload, (dict, list)) else []
    for _ in range(MAX_NESTING):
        level = [
            part
            for whole in level
            for part in (whole.values() if isinstance(whole, dict) else whole)
            if isinstance(part, (dict, list))
        ]
        if not level:
            return False
    return True
