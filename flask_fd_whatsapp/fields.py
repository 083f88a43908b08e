"""marshmallow fields for the values of a payload; each rule is defined here, once.

The fields that identify an event are strict. All others are :class:`Lenient`: a detail of the wrong
shape never causes a status to be rejected.
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeGuard

from marshmallow import ValidationError, fields

from .events import EVENT_TYPE, STATUSES, is_message_event
from .log_fields import get_logger
from .throttle import Once

logger = get_logger(__name__)

_NOT_IN_IDENTIFIER: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LONGEST_IDENTIFIER: Final = 255

_RFC3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?"
    r"(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)

_UNIX_TIME: Final = re.compile(r"\d{1,20}", re.ASCII)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_FIRST_MILLISECONDS: Final = 10**11
"""Unix times from here on are in milliseconds; in seconds this would be the year 5138."""

_MOST_EXACT: Final = 2.0**53


class _Telling(fields.Field):  # type: ignore[type-arg]  # no generic in marshmallow 3
    """A field that logs something once, for each schema that contains it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._once = Once()

    def _bind_to_schema(self, field_name: str, parent: Any) -> None:
        super()._bind_to_schema(field_name, parent)
        self._once = Once()  # marshmallow copies fields together with their attributes

    @property
    def _path(self) -> str:
        return f"{getattr(self.parent, 'path', '')}{self.data_key or self.name}"


class Lenient(_Telling):
    """A detail: what the underlying field refuses becomes ``None``, with one warning."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return super()._deserialize(value, *args, **kwargs)
        except ValidationError:
            if self._once.admit("unusable"):
                logger.warning(
                    "The %s of an event cannot be used (%s): it is set to None; the payload keeps "
                    "it as sent. Logged once.",
                    self._path,
                    type(value).__name__,
                )
            return None


class Text(fields.String):
    """Text of any length and content.

    :param numbers: accept a JSON number as the text it is written as; ``131026.0`` is the whole
        number.
    """

    def __init__(self, *, numbers: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.numbers = numbers

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, str):
            return self.from_text(value)
        if self.numbers and _is_number(value):
            is_whole = type(value) is float and value.is_integer() and abs(value) < _MOST_EXACT
            return self.from_text(str(int(value) if is_whole else value))
        raise self.make_error("invalid")

    def from_text(self, text: str) -> Any:
        """Convert a text."""
        return text


class Identifier(Text):
    """An id: 1 to 255 characters without control characters or lone surrogates."""

    default_error_messages = {  # noqa: RUF012
        "identifier": "Must be 1 to 255 characters without control characters or surrogates."
    }

    def __init__(self, *, numbers: bool = True, **kwargs: Any) -> None:
        super().__init__(numbers=numbers, **kwargs)

    def from_text(self, text: str) -> str:
        # Nothing printable is refused, and checking that takes a quarter of the search's time.
        if 0 < len(text) <= _LONGEST_IDENTIFIER and (
            text.isprintable() or not _NOT_IN_IDENTIFIER.search(text)
        ):
            return text
        raise self.make_error("identifier")


class Reference(Text):
    """The host's own name for a message: any text; ``None`` if it is empty.

    A value that is not a text becomes its JSON text: a host that sent an object finds it by
    ``json.dumps``.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(numbers=True, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, (dict, list)):
            try:
                return json.dumps(value)
            except (TypeError, ValueError, RecursionError):
                raise self.make_error("invalid") from None
        return super()._deserialize(value, attr, data, **kwargs)

    def from_text(self, text: str) -> str | None:
        return text or None


class EventType(Text):
    """The documented event type, ignoring case and surrounding blanks."""

    default_error_messages = {  # noqa: RUF012
        "event_type": f"Must be equal to {EVENT_TYPE}."
    }

    def from_text(self, text: str) -> str:
        if text != EVENT_TYPE and not is_message_event(text):
            raise self.make_error("event_type")
        return EVENT_TYPE


class StatusField(_Telling, Identifier):
    """A :class:`Status`, in any ASCII case, or the text of an unknown one, without outer blanks."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(numbers=False, **kwargs)

    def from_text(self, text: str) -> str:
        if (known := STATUSES.get(text)) is not None:
            return known
        text = text.strip()
        if text.isascii():  # the upper case of U+017F (long s) is S
            known = STATUSES.get(text.upper())
        return known or self._unknown(super().from_text(text))

    def _unknown(self, status: str) -> str:
        if self._once.admit(status):
            logger.warning(
                "The status %s is not documented by Freshdesk: its events are kept, change no "
                "message's status and are sent by status_received only. Logged once.",
                status,
            )
        return status


class Timestamp(Text):
    """An RFC 3339 date-time with 0 to 9 fraction digits, as an aware UTC datetime.

    Digits beyond microseconds are cut off. Leap seconds and 24:00 are invalid. A blank may replace
    the ``T``. Unix time is accepted as a number or digits, in milliseconds from 10^11 on.
    """

    default_error_messages = {  # noqa: RUF012
        "timestamp": "Must be an RFC 3339 date-time, such as 2025-11-18T09:25:46.167422931Z."
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return self.from_text(value) if isinstance(value, str) else self._from_unix_time(value)

    def from_text(self, text: str) -> datetime:
        if not _RFC3339.fullmatch(text):
            return self._from_unix_time(int(text) if _UNIX_TIME.fullmatch(text) else None)
        try:
            moment = datetime.fromisoformat(text.upper())
            return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise self.make_error("timestamp") from error

    def _from_unix_time(self, number: Any) -> datetime:
        if not _is_number(number):
            raise self.make_error("timestamp")
        try:
            is_fine = abs(number) >= _FIRST_MILLISECONDS
            return _EPOCH + timedelta(**{"milliseconds" if is_fine else "seconds": number})
        except (ValueError, OverflowError) as error:
            raise self.make_error("timestamp") from error

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


class TextDetail(Lenient, Text):
    """Text of any length and content."""


class ReasonDetail(TextDetail):
    """The message of an error; ``None`` if it is blank, so that another event can supply it."""

    def from_text(self, text: str) -> str | None:
        return text if text.strip() else None


class ReferenceDetail(Lenient, Reference):
    """The host's own name for a message."""


class TimestampDetail(Lenient, Timestamp):
    """A time that an event may lack."""


class ActorField(Lenient, fields.Nested):
    """Who caused an event: an object, or a text, which is taken as the name."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        if value == "":
            return None
        part = {"name": value} if isinstance(value, str) else value
        return super()._deserialize(part, *args, **kwargs)


class ErrorField(Lenient, fields.Nested):
    """Why a message failed: an object; a list, of which the first entry is used; a text (the
    message); or a number (the code).
    """

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        part = value[0] if isinstance(value, list) and value else value
        if part is None or part == []:
            return None
        if isinstance(part, str):
            if not part.strip():
                return None
            part = {"message": part}
        elif _is_number(part):
            part = {"code": part}
        return super()._deserialize(part, *args, **kwargs)


def _is_number(value: Any) -> TypeGuard[int | float]:
    return type(value) is int or (type(value) is float and math.isfinite(value))
