"""Links from a message to the host's own ticket: ``message_url``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

from ..exceptions import ConfigurationError
from ..ledger import Message
from ..log_fields import get_logger
from ..throttle import Throttle

logger = get_logger(__name__)

MessageURL = str | Callable[[Message], str | None]

FIELDS: Final = ("external_reference_id", "message_id", "account_id", "campaign")

_FIELD: Final = re.compile(r"\{(\w+)\}")

_LOG_SECONDS: Final = 60


class LinksOut:
    """Links to a message in the host's own system.

    :param pattern: a URL with ``{external_reference_id}``, ``{message_id}``, ``{account_id}`` or
        ``{campaign}`` in it, whose values are percent-encoded; or a callable that takes a
        :class:`Message` and returns a URL or ``None``; or ``None`` for no links.
    :param label: a link's text, with the same fields; ``None``: ``Open`` and the reference.
    :raises ConfigurationError: if the pattern names another field, or is neither http(s) nor
        relative.
    """

    def __init__(self, pattern: MessageURL | None, label: str | None = None) -> None:
        self._pattern = pattern
        self._label = label
        self._lines = Throttle(_LOG_SECONDS)
        for key, given in (("message_url", pattern), ("message_url_label", label)):
            for name in _FIELD.findall(given) if isinstance(given, str) else ():
                if name not in FIELDS:
                    raise ConfigurationError(
                        f"{key}: there is no field {{{name}}}: known are "
                        f"{', '.join(f'{{{one}}}' for one in FIELDS)}."
                    )
        if isinstance(pattern, str) and not is_safe(_FIELD.sub("0", pattern)):
            raise ConfigurationError(
                "message_url has to begin with http://, https:// or a single /, and the fields "
                "in it stand after the host's name."
            )

    def of(self, message: Message) -> str | None:
        """The URL; ``None`` if there is none, or it is not safe to follow."""
        if self._pattern is None:
            return None
        if isinstance(self._pattern, str):
            names = _FIELD.findall(self._pattern)
            values = {name: getattr(message, name) for name in names}
            if not all(values.values()):
                return None
            url = _filled(self._pattern, {key: quote(value, "") for key, value in values.items()})
            return url if is_safe(url) and ".." not in values.values() else None
        try:
            given: Any = self._pattern(message)
        except Exception:
            if self._lines.admit("raised") is not None:
                logger.exception("message_url raised: the pages show no link.")
            return None
        return given if isinstance(given, str) and is_safe(given) else None

    def label(self, message: Message) -> str:
        """The link's text."""
        if self._label is None:
            return f"Open {message.external_reference_id or message.message_id}"
        names = _FIELD.findall(self._label)
        return _filled(self._label, {name: getattr(message, name) or "" for name in names})


def is_safe(url: str) -> bool:
    """Whether *url* is http(s), or stays on the same host."""
    if not url or not url.isprintable() or "\\" in url or url != url.strip():
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if parts.scheme:
        return parts.scheme in ("http", "https") and bool(parts.netloc)
    return not url.startswith("//") and ":" not in url.partition("/")[0]


def _filled(pattern: str, values: Mapping[str, str]) -> str:
    return _FIELD.sub(lambda match: values[match[1]], pattern)
