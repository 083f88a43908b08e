"""From the bytes of a body to the JSON object in it."""

from __future__ import annotations

import codecs
import json
import zlib
from typing import Any, ClassVar, Final, Never

from .responses import Result

MAX_NESTING: Final = 500
"""The maximum nesting depth of brackets.

Python's JSON parser also counts its callers' stack frames: what is accepted has to be readable
wherever the event is handled later.
"""

# zlib's wbits: with gzip's header, with zlib's (RFC 9110), and with none, which many send.
_GZIP: Final = 31
_MOST_PARTS: Final = 100
_ENCODINGS: Final = {"gzip": (_GZIP,), "x-gzip": (_GZIP,), "deflate": (15, -15)}


class Unreadable(ValueError):
    """The body contains no JSON object; the message says why, and repeats none of it."""

    result: ClassVar[Result]


class NotJSON(Unreadable):
    """The body is not JSON; the message says where."""

    result = Result.NOT_JSON


class NotObject(Unreadable):
    """The body is JSON, but not an object."""

    result = Result.NOT_OBJECT


class UnknownEncoding(Unreadable):
    """The body has an unsupported encoding."""

    result = Result.ENCODED


class TooLarge(Unreadable):
    """The decompressed body is larger than allowed."""

    result = Result.TOO_LARGE


def decompressed(body: bytes, encoding: str, limit: int) -> bytes:
    """Undo the ``Content-Encoding`` of *body*.

    A body that claims to be compressed but begins like JSON was decompressed on the way.

    :param limit: the maximum number of bytes of the result.
    :raises UnknownEncoding: for encodings other than gzip and deflate.
    :raises TooLarge: beyond the limit, after decompressing at most one byte more.
    :raises NotJSON: if it is not compressed as stated, or is cut off.
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
    """Decompress *body*; gzip may have several members (RFC 1952, 2.2)."""
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
    raise zlib.error("extra data follows it")


def _refuse_constant(constant: str) -> Never:
    raise NotJSON(f"{constant} is not JSON (RFC 8259).")


_TOO_DEEP: Final = f"Brackets are nested too deeply: at most {MAX_NESTING} levels are read."

_decode: Final = json.JSONDecoder(parse_constant=_refuse_constant).decode


def decode(body: bytes) -> tuple[str, dict[str, Any]]:
    """Return the text and the object in *body*; a byte order mark is allowed, and removed.

    :raises NotJSON: for anything that is not UTF-8 or not JSON, for a number with more digits than
        Python converts, and for brackets nested deeper than :data:`MAX_NESTING`.
    :raises NotObject: for JSON that is not an object.
    """
    try:
        text = body.decode().removeprefix("\ufeff")  # the codec for that is written in Python
        payload = _decode(text)
        # Each level takes two bytes; counting them costs an eighth of parsing the body.
        if (
            len(body) > 2 * MAX_NESTING
            and body.count(b"{") + body.count(b"[") > MAX_NESTING
            and _is_too_deep(payload)
        ):
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
