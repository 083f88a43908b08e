"""What a request contains, as bytes and text: its body, of bounded size, and its headers."""

from __future__ import annotations

import importlib
import io
from collections.abc import Mapping
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Final

from werkzeug.exceptions import ClientDisconnected, HTTPException, RequestEntityTooLarge
from werkzeug.wrappers import Request
from werkzeug.wsgi import get_content_length, get_input_stream

_REMEDY: Final = (
    "The server did not hand over the body: there is no Content-Length, and nothing says where "
    "the body ends (wsgi.input_terminated). Let a proxy in front send a Content-Length, or use a "
    "server that marks the end of a chunked body, such as gunicorn or waitress."
)

_UWSGI_REMEDY: Final = (
    "uWSGI did not hand over the chunked body: start it with --http-chunked-input, or let a proxy "
    "in front send a Content-Length."
)


class BodyNotHandedOver(Exception):
    """There may be a body that the server has withheld; the message has the remedy."""


def read_body(request: Request, limit: int) -> bytes:
    """Read the body, of at most *limit* bytes.

    :raises RequestEntityTooLarge: if it is larger; nothing is read if its stated size is.
    :raises ClientDisconnected: if it did not arrive in full, or may have been consumed already.
    :raises BodyNotHandedOver: if the server says neither how long it is nor where it ends.
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
        elif "stream" in vars(request):  # a hook of the host has read it
            body = request.get_data(cache=False)
        elif length is None:
            # Chunked: one byte too many is enough.
            body = _read_up_to(limit + 1, get_input_stream(environ))
        else:
            body = _read_up_to(length, environ["wsgi.input"])
    except (HTTPException, BodyNotHandedOver):
        raise
    except Exception as error:
        # Each server has its own exceptions for chunks that are broken or cut off.
        raise ClientDisconnected from error
    if len(body) > limit:
        raise RequestEntityTooLarge
    if len(body) < (length or 0) or (not body and _may_have_had_one(request)):
        raise ClientDisconnected
    return body


def _read_without_end(environ: Mapping[str, Any], limit: int) -> bytes:
    """Read a body of unknown length; an empty one is accepted only in HTTP/1.x."""
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
    """Whether reading it is certain to end.

    hypercorn and asgiref have read the whole body before they call the application, and a2wsgi
    knows where it ends; another server's stream may be the connection itself.
    """
    return isinstance(stream, (io.BytesIO, SpooledTemporaryFile)) or type(
        stream
    ).__module__.startswith("a2wsgi.")


def _read_uwsgi_chunks(limit: int) -> bytes:
    uwsgi = importlib.import_module("uwsgi")  # which is present only in its own processes
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
    """Whether an empty body may have been consumed by a hook, or its length is not a number."""
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
    """Decode a header's value, which WSGI passes as Latin-1, as UTF-8 where possible."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value
