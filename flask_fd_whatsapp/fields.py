"""marshmallow fields for the values of a payload: each rule stands here, once."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from marshmallow import fields

from .events import Status

_IDENTIFIER: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,255}")

_RFC3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?"
    r"(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)

_STATUSES: Final[Mapping[str, Status]] = {status.value: status for status in Status}


class Text(fields.String):
    """Text of any length and content.

    :param numbers: take a JSON number for the text it is written as.
    """

    def __init__(self, *, numbers: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.numbers = numbers

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, str):
            return self._from_text(value)
        is_number = type(value) is int or (type(value) is float and math.isfinite(value))
        if self.numbers and is_number:
            return self._from_text(str(value))
        raise self.make_error("invalid")

    def _from_text(self, text: str) -> Any:
        return text


class Identifier(Text):
    """An id: 1 to 255 characters without control characters or lone surrogates.

    :param blank_is_none: load the empty text as ``None``.
    """

    default_error_messages = {  # noqa: RUF012
        "identifier": "Must be 1 to 255 characters without control characters or surrogates."
    }

    def __init__(self, *, blank_is_none: bool = False, numbers: bool = True, **kwargs: Any) -> None:
        super().__init__(numbers=numbers, **kwargs)
        self.blank_is_none = blank_is_none

    def _from_text(self, text: str) -> str | None:
        if _IDENTIFIER.fullmatch(text):
            return text
        if self.blank_is_none and text == "":
            return None
        raise self.make_error("identifier")


class StatusField(Identifier):
    """A :class:`Status`, in any ASCII case, or the text of an unknown one, as sent."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(numbers=False, **kwargs)

    def _from_text(self, text: str) -> str | None:
        known = _STATUSES.get(text)
        if known is None and text.isascii():  # the upper case of U+017F (long s) is S
            known = _STATUSES.get(text.upper())
        return known or super()._from_text(text)


class Timestamp(fields.String):
    """An RFC 3339 date-time with 0 to 9 fraction digits, as an aware UTC datetime.

    Digits past the microsecond are cut off.  There is no leap second and no 24:00.
    """

    default_error_messages = {  # noqa: RUF012
        "timestamp": "Must be an RFC 3339 date-time, such as 2025-11-18T09:25:46.167422931Z."
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, str) or not _RFC3339.fullmatch(value):
            raise self.make_error("timestamp")
        try:
            moment = datetime.fromisoformat(value.upper())
            return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise self.make_error("timestamp") from error

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")
