"""The way in for a queue's worker: resumes a recorded event by its id."""

from __future__ import annotations

from typing import Any, Final

from flask import current_app

from ..exceptions import LedgerUnavailable
from ..ledger import Ledger
from ..ledger.context import EXTENSION
from ..log_fields import get_logger, log_fields
from .receiver import Receiver
from .responses import Result
from .resuming import resume

logger = get_logger(__name__)

GONE: Final = "gone"
"""The result for an event that is not in the ledger (any more)."""

_MAX_ID: Final = 2**63 - 1


def handle_event(receiver_name: str, event_id: Any) -> str:
    """Call the remaining handlers of a recorded event, in an application context.

    For the workers of any queue to which ``FreshdeskWhatsApp(hand_over=...)`` passes the name and
    the id. It is idempotent, and harmless if called early, late, or for an unknown event: the
    ledger knows what remains to be done. What it leaves unfinished is due for the sweep (``flask
    fd-whatsapp retry``). While the ledger is unavailable it raises, so that the queue can retry.

    :param receiver_name: the receiver that recorded the event.
    :param event_id: the event's id in the ledger; a string of digits is accepted, too.
    :return: the result: ``accepted`` (all its handlers have succeeded), ``duplicate`` (they had
        before), ``dead``, ``unfinished``, ``postponed``, ``busy`` (another process is handling its
        message) or ``gone``.
    :raises LedgerUnavailable: if the ledger cannot be used.
    """
    receivers: dict[str, Receiver] = current_app.extensions.get(EXTENSION, {})
    receiver = receivers.get(receiver_name)
    if receiver is None:
        logger.error(
            "This worker's application has no receiver %r, only %s: the event is left to the "
            "sweep. Run the workers with the application that receives the requests.",
            receiver_name,
            ", ".join(receivers) or "none",
        )
        return GONE
    known_id = _id_of(event_id)
    if known_id is None:
        logger.error("%r is not an event id.", event_id, extra=log_fields(receiver=receiver.name))
        return GONE
    return _resume(receiver, known_id)


def _resume(receiver: Receiver, event_id: int) -> str:
    ledger = _ledger_of(receiver)
    try:
        outcome = resume(receiver, event_id, wait=receiver.wait_seconds)
        if outcome is not None and outcome.result is Result.BUSY:
            # For the next sweep, when its message is no longer claimed.
            ledger.reservations.unreserve([event_id])
    except LedgerUnavailable:
        raise
    except Exception:
        logger.exception(
            "Event %s could not be handled.",
            event_id,
            extra=log_fields(receiver=receiver.name, event_id=event_id),
        )
        return Result.UNFINISHED.label
    return outcome.result.label if outcome else GONE


def _ledger_of(receiver: Receiver) -> Ledger:
    try:
        return receiver.ledger
    except LedgerUnavailable:
        raise
    except Exception as error:
        raise LedgerUnavailable(f"It cannot be created: {type(error).__name__}.") from error


def _id_of(value: Any) -> int | None:
    """Return an event id as ledgers assign them; ``None`` for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_ID:
        return None
    return value
