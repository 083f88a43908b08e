"""What a request brings, as bytes and text: its body, of bounded size, and its headers."""

from __future__ import annotations

from typing import IO

from werkzeug.exceptions import ClientDisconnected, HTTPException, RequestEntityTooLarge
from werkzeug.wrappers import Request
from werkzeug.wsgi import get_content_length, get_input_stream


def read_body(request: Request, limit: int) -> bytes:
    """The body, of at most *limit* bytes.

    :raises RequestEntityTooLarge: if it is larger; of a body that says its size nothing is read.
    :raises ClientDisconnected: if it did not arrive whole, or may have been taken by another.
    """
    environ = request.environ
    limit = min(limit, request.max_content_length or limit)
    length = get_content_length(environ)
    if length is not None and length > limit:
        raise RequestEntityTooLarge
    try:
        if "stream" in vars(request):  # a hook of the host's has touched it
            body = request.get_data(cache=False)
        elif length is None:
            # Chunked: one byte too many is enough.
            body = _read_up_to(limit + 1, get_input_stream(environ))
        else:
            body = _read_up_to(length, environ["wsgi.input"])
    except HTTPException:
        raise
    except Exception as error:
        # Each server has exceptions of its own for chunks that are broken or cut off.
        raise ClientDisconnected from error
    if len(body) > limit:
        raise RequestEntityTooLarge
    if len(body) < (length or 0) or (not body and _may_have_had_one(request)):
        raise ClientDisconnected
    return body


def _may_have_had_one(request: Request) -> bool:
    """Whether an empty body may be one that was swallowed: by a hook, or by the server."""
    environ = request.environ
    if "HTTP_TRANSFER_ENCODING" in environ:
        return "stream" in vars(request) or "wsgi.input_terminated" not in environ
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
