"""Extra fields of log records that say which event a record is about.

A formatter, such as one that writes JSON, finds them as attributes of the
:class:`logging.LogRecord`; which ones are present depends on what is known.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar, Token
from typing import Any, Final

from .escaping import plain, plain_traceback
from .events import StatusEvent

LOG_FIELDS: Final = (
    "event_id",
    "receiver",
    "account_id",
    "message_id",
    "external_reference_id",
    "status",
    "handler",
    "attempt",
)
"""The fields that the package's log records may have, besides the standard ones."""


def log_fields(
    *,
    receiver: str | None = None,
    event: StatusEvent | None = None,
    event_id: Any = None,
    attempt: int | None = None,
    handler: str | None = None,
) -> dict[str, Any]:
    """Return the known fields, as a log call's ``extra``.

    :param receiver: the name of the receiver that recorded the event.
    :param event_id: the ledger's own id of *event*.
    :param attempt: the number of this attempt at the event, from 1.
    :param handler: the name of the handler that was called.
    """
    fields = {
        "event_id": event_id,
        "receiver": receiver,
        "handler": handler,
        "attempt": attempt,
    }
    if event is not None:
        fields["account_id"] = event.account_id
        fields["message_id"] = event.message_id
        fields["external_reference_id"] = event.external_reference_id
        fields["status"] = str(event.status)
    return {name: _plain(value) for name, value in fields.items() if value is not None}


class about:  # noqa: N801  # reads as contextlib's own; a generator costs thrice as much
    """Context manager: what this package logs in this thread is about one event.

    The parameters are those of :func:`log_fields`.
    """

    __slots__ = ("_known", "_token")

    _token: Token[tuple[Any, ...] | None]

    def __init__(
        self,
        receiver: str,
        event: StatusEvent | None,
        event_id: Any = None,
        attempt: int | None = None,
    ) -> None:
        self._known = (receiver, event, event_id, attempt)

    def __enter__(self) -> None:
        self._token = _about.set(self._known)

    def __exit__(self, *_: object) -> None:
        _about.reset(self._token)


_about: ContextVar[tuple[Any, ...] | None] = ContextVar("fd_whatsapp_about", default=None)


def now_about(receiver: str, event: StatusEvent, event_id: Any, attempt: int) -> None:
    """Add what is known about the event of the enclosing :class:`about`."""
    _about.set((receiver, event, event_id, attempt))


def current_receiver() -> str | None:
    """Return the name of the receiver whose event this thread is handling, else ``None``."""
    known = _about.get()
    return None if known is None else known[0]


def get_logger(name: str) -> logging.Logger:
    """Return the logger of that name, whose records say what they are :class:`about`.

    Text from outside is logged with escapes for characters that are not printable.
    """
    logger = logging.getLogger(name)
    logger.addFilter(_add_fields)
    logger.addFilter(_escape)
    return logger


def _add_fields(record: logging.LogRecord) -> bool:
    known = _about.get()
    if known is not None:
        receiver, event, event_id, attempt = known
        for name, value in log_fields(
            receiver=receiver, event=event, event_id=event_id, attempt=attempt
        ).items():
            record.__dict__.setdefault(name, value)  # the log call's own fields take precedence
    return True


def _escape(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(_plain(argument) for argument in record.args)
    if record.exc_info and record.exc_info[1] is not None and not record.exc_text:
        record.exc_text = plain_traceback(record.exc_info[1])  # formatters use it as it is
    return True


def _plain(value: Any) -> Any:
    """Return *value*, or its text with escapes if it contains unprintable characters."""
    try:
        text = value if isinstance(value, str) else str(value)
    except Exception:  # a log call must not fail
        return f"<{type(value).__name__}>"
    return value if text.isprintable() else plain(text)
