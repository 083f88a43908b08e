"""A request's body as JSON: strict UTF-8, an object, no NaN."""

from __future__ import annotations

import json
from typing import Any, Final, Never


class NotJSON(ValueError):
    """The body is not JSON; the message says where, without repeating any of it."""


class NotObject(ValueError):
    """The body is JSON, but not an object."""


def _refuse_constant(constant: str) -> Never:
    raise NotJSON(f"{constant} is not JSON (RFC 8259).")


_decoder: Final = json.JSONDecoder(parse_constant=_refuse_constant)


def decode(body: bytes) -> tuple[str, dict[str, Any]]:
    """The text and the object in *body*; a byte order mark is allowed and not part of the text.

    :raises NotJSON: for anything that is not UTF-8 or not JSON, for a number of more digits
        than Python converts, and for brackets nested deeper than it follows.
    :raises NotObject: for JSON that is not an object.
    """
    try:
        text = body.decode("utf-8-sig")
        payload = _decoder.decode(text)
    except NotJSON:
        raise
    except UnicodeDecodeError as error:
        raise NotJSON(f"The body is not UTF-8: {error.reason} at byte {error.start}.") from None
    except json.JSONDecodeError as error:
        raise NotJSON(f"{error.msg} (line {error.lineno}, column {error.colno}).") from None
    except ValueError:
        raise NotJSON("A number has more digits than can be read.") from None
    except RecursionError:
        raise NotJSON("Brackets are nested too deeply.") from None
    if not isinstance(payload, dict):
        raise NotObject(f"The body is JSON, but not an object: {type(payload).__name__}.")
    return text, payload
