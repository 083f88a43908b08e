"""The way in for a queue's worker: it goes on with a recorded event, of which it has the id."""

from __future__ import annotations

from typing import Any, Final

from flask import current_app

from ..exceptions import LedgerUnavailable
from ..ledger import Ledger
from ..ledger.context import EXTENSION
from ..log_fields import get_logger, log_fields
from .receiver import Receiver
from .responses import Result

logger = get_logger(__name__)

GONE: Final = "gone"
"""What became of an event that is not in the ledger, or not any more."""

_MAX_ID: Final = 2**63 - 1


def handle_event(receiver_name: str, event_id: Any) -> str:
    """Call the handlers that a recorded event still has to reach, in an application context.

    For the workers of any queue, to which ``FreshdeskWhatsApp(hand_over=...)`` takes the name and
    the id.  It is harmless twice, early, late, and for an event that is not there: the ledger
    knows what there is to do.  What it leaves unfinished is due for the sweep (``flask
    fd-whatsapp retry``).  While the ledger is down it raises, so that the queue may try again.

    :param receiver_name: the receiver that recorded the event.
    :param event_id: the id it has in the ledger; digits will do, for queues that carry text.
    :return: what became of it: ``accepted`` (all its handlers have succeeded), ``duplicate`` (they
        had before), ``dead``, ``unfinished``, ``postponed``, ``busy`` (another handles its message)
        or ``gone``.
    :raises LedgerUnavailable: if the ledger cannot be used.
    """
    receivers: dict[str, Receiver] = current_app.extensions.get(EXTENSION, {})
    receiver = receivers.get(receiver_name)
    if receiver is None:
        logger.error(
            "This worker's application has no receiver %r, only %s: the event is left to the "
            "sweep. Workers have to run the application that the requests come to.",
            receiver_name,
            ", ".join(receivers) or "none",
        )
        return GONE
    known_id = _id_of(event_id)
    if known_id is None:
        logger.error("%r is no event's id.", event_id, extra=log_fields(receiver=receiver.name))
        return GONE
    return _resume(receiver, known_id)


def _resume(receiver: Receiver, event_id: int) -> str:
    ledger = _ledger_of(receiver)
    try:
        outcome = receiver.resume(event_id, wait=receiver.wait_seconds)
        if outcome is not None and outcome.result is Result.BUSY:
            # For the next sweep, when its message is free.
            ledger.reservations.unreserve([event_id])
    except LedgerUnavailable:
        raise
    except Exception:
        logger.exception(
            "Event %s could not be tried.",
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
        raise LedgerUnavailable(f"It cannot be made: {type(error).__name__}.") from error


def _id_of(value: Any) -> int | None:
    """An event's id as ledgers give it; ``None`` for what none gives."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_ID:
        return None
    return value
