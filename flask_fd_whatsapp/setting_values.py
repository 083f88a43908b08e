"""Parses the values of settings.

Each function returns the parsed value of a key in ``app.config``, or raises :class:`ValueError`
with the mistake and the remedy.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, TypeVar, cast

from . import campaigns
from .durations import parse_duration
from .escaping import quoted
from .failure_reasons import FailureClass, code_key
from .time_zones import zone_of

T = TypeVar("T")

MAX_SECONDS: Final = 86_400
MAX_LONG_SECONDS: Final = 365 * 86_400

_ACCOUNT_ID: Final = re.compile(r"[^\s,;()\[\]{}'\"\x00-\x1f\x7f]{1,255}")
"""It excludes the characters of a list that was not parsed as one: ``['123']`` is not JSON."""


def without_kept_quotes(value: Any, quotes: str = "'\"") -> Any:
    """Return *value*; refuse text with the quotes of the file or shell that it came from."""
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] and value[0] in quotes:
        raise ValueError(
            f"the value begins and ends with {value[0]}: the quotes around it were kept. Docker's "
            "env-files use what follows the = unchanged: remove the quotes there."
        )
    return value


def boolean(value: Any) -> bool:
    """Check ``True`` or ``False``; values that only look like them are refused."""
    if not isinstance(value, bool):
        raise ValueError(
            f"has to be True or False, not {value!r} (in the environment: true or false)."
        )
    return value


def boolean_or_none(value: Any) -> bool | None:
    """Check a boolean, or ``None`` for the default."""
    _refuse_none_as_text(value)
    return None if value is None else boolean(value)


def or_none(parse: Callable[[Any], T]) -> Callable[[Any], T | None]:
    """Return a parser that accepts what *parse* accepts, or ``None``."""

    def parse_or_none(value: Any) -> T | None:
        _refuse_none_as_text(value)
        return None if value is None else parse(value)

    return parse_or_none


def account_ids(value: Any) -> frozenset[str] | None:
    """Parse account ids into text; numbers and a single id are accepted, too."""
    _refuse_none_as_text(value)
    if value is None:
        return None
    entries = [value] if isinstance(value, (str, int)) else value
    if not isinstance(entries, (Sequence, AbstractSet)) or isinstance(entries, (bytes, bytearray)):
        raise ValueError(f"has to be a list of account ids, not {kind_of(value)}.")
    if not entries:
        raise ValueError(
            "is empty, so that no event would be accepted: list the accounts, or remove the "
            "setting."
        )
    return frozenset(_account_id(entry) for entry in entries)


def _account_id(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError(f"{value!r} is not an account id: use text or a whole number.")
    text = str(value)
    if not _ACCOUNT_ID.fullmatch(text):
        raise ValueError(
            f'{text!r} is not an account id: use a list, such as ["123", "456"] (in the '
            "environment too), one id per entry."
        )
    return text


def whole_number(*, minimum: int, maximum: int, because: str = "") -> Callable[[Any], int]:
    """Return a parser of whole numbers from *minimum* to *maximum*.

    :param because: why smaller values are refused.
    """

    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"has to be a whole number, not {value!r}.")
        if value < minimum:
            reason = f" ({because})" if because else ""
            raise ValueError(f"has to be at least {minimum}, not {value}{reason}.")
        if value > maximum:
            raise ValueError(f"has to be at most {maximum}, but is larger.")
        return value

    return parse


def seconds(value: Any) -> float:
    """Check a duration in seconds, above zero."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"has to be a number of seconds, not {value!r}.")
    if not 0 < value <= MAX_SECONDS:
        raise ValueError(f"has to be more than 0 seconds and at most a day, not {value!r}.")
    return value


def seconds_or_none(value: Any) -> float | None:
    """Check a duration in seconds, above zero, or ``None`` for no limit."""
    _refuse_none_as_text(value)
    return None if value is None else seconds(value)


def long_duration(value: Any) -> float:
    """Parse a duration into seconds, from a number of them or text such as ``7d``."""
    length = parse_duration(value) if isinstance(value, str) else None
    number = length.total_seconds() if length is not None else value
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise ValueError(f'has to be a number of seconds or text such as "7d", not {value!r}.')
    if not 0 < number <= MAX_LONG_SECONDS:
        raise ValueError(f"has to be more than 0 seconds and at most 365 days, not {value!r}.")
    return float(number)


def dispatch(value: Any) -> str:
    """Check how recorded events are dispatched to the handlers."""
    if value not in ("inline", "deferred", "celery"):
        raise ValueError(f'has to be "inline", "deferred" or "celery", not {value!r}.')
    if value == "celery":
        require_installed('"celery"', "celery", ("celery",))
    return str(value)


def campaign(value: Any) -> campaigns.CampaignOf | None:
    """Parse a callable or a regular expression into a callable."""
    if value is None:
        return None
    if isinstance(value, (str, re.Pattern)):
        without_kept_quotes(value, "'")  # a pattern may legitimately contain double quotes
        try:
            pattern = re.compile(value)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"{quoted(value)} is not a regular expression: {error}.") from None
        if not isinstance(pattern.pattern, str):
            raise ValueError("has to be a regular expression for text, not for bytes.")
        return campaigns.from_pattern(pattern)
    if callable(value):
        return cast(campaigns.CampaignOf, value)
    raise ValueError(f"has to be a callable or a regular expression, not {kind_of(value)}.")


def failure_classes(value: Any) -> Mapping[str, FailureClass]:
    """Parse failure classes by error code; a class may be named by its value."""
    if not isinstance(value, Mapping):
        raise ValueError(
            f'has to be a mapping such as {{"131026": "recipient"}}, not {kind_of(value)}.'
        )
    classes: dict[str, FailureClass] = {}
    for code, given in value.items():
        key = _error_code(code)
        if key in classes:
            raise ValueError(f"{code!r} is listed twice (codes are case-insensitive): remove one.")
        classes[key] = _failure_class(code, given)
    return classes


def _error_code(code: Any) -> str:
    if isinstance(code, bool) or not isinstance(code, (str, int)) or not str(code).strip():
        raise ValueError(f"{code!r} is not an error code: use text or a whole number.")
    return code_key(str(code))


def _failure_class(code: Any, given: Any) -> FailureClass:
    name = given.replace("_", " ").lower() if isinstance(given, str) else given
    try:
        return FailureClass(name)
    except ValueError:
        known = ", ".join(f'"{one.value}"' for one in FailureClass)
        raise ValueError(
            f"{given!r} (of {code!r}) is not a failure class: use one of {known}."
        ) from None


def require_installed(what: str, extra: str, modules: Sequence[str]) -> None:
    """Refuse *what* unless the modules of its *extra* are installed."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(
            f"{what} needs {' and '.join(missing)}: install flask_fd_whatsapp[{extra}]."
        )


def _refuse_none_as_text(value: Any) -> None:
    if isinstance(value, str) and value.lower() == "none":
        raise ValueError(f"is the text {value!r}: in the environment, write null for None.")


def kind_of(value: Any) -> str:
    """Describe *value* for a message that may not show it."""
    return "None" if value is None else f"a value of type {type(value).__name__}"


def time_zone(value: Any) -> str:
    """Check the name of a time zone.

    :raises ValueError: if no such time zone is known here.
    """
    if not isinstance(value, str):
        raise ValueError(
            f"{value!r} is not the name of a time zone. Set it to one such as Europe/Berlin."
        )
    zone_of(value)
    return value
