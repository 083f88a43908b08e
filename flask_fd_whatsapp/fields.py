"""marshmallow fields for the values of a payload.

Each overrides ``deserialize`` only to take the common case (an exact ``str``, no extra
validators) past marshmallow's per-field plumbing; the rule itself stands in ``_deserialize``.
"""

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


class _FastString(fields.String):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # pre_load and post_load came with marshmallow 4.3.
        steps = [getattr(self, name, None) for name in ("validators", "pre_load", "post_load")]
        self._is_plain = not any(steps)

    def deserialize(
        self, value: Any, attr: str | None = None, data: Any = None, **kwargs: Any
    ) -> Any:
        if type(value) is str and self._is_plain:
            return self._deserialize(value, attr, data, **kwargs)
        return super().deserialize(value, attr, data, **kwargs)


class Text(_FastString):
    """Text of any length and content.

    :param numbers: take a JSON number for the text it is written as.
    """

    def __init__(self, *, numbers: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.numbers = numbers

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, str):
            return value
        is_number = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
        if self.numbers and is_number and not isinstance(value, bool):
            return str(value)
        raise self.make_error("invalid")


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

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        if _IDENTIFIER.fullmatch(text):
            return text
        if self.blank_is_none and text == "":
            return None
        raise self.make_error("identifier")


class StatusField(Identifier):
    """A :class:`Status`, in any ASCII case, or the text of an unknown one, as sent."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(numbers=False, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        # ASCII alone: the upper case of U+017F (long s) is S.
        return (
            _STATUSES.get(text) or (_STATUSES.get(text.upper()) if text.isascii() else None) or text
        )


class Timestamp(_FastString):
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
