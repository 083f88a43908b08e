"""The way of an event that is recorded already: resumed later, or replayed to one handler."""

from __future__ import annotations

from typing import Any

from ..exceptions import ClaimLost
from ..handling.dispatch import dispatch_one
from ..handling.enriched import enriched
from ..ledger import Recorded, State, Tried
from ..log_fields import about, get_logger, now_about
from .receiver import Receiver, claim_lost
from .responses import Outcome, without_attempt

logger = get_logger(__name__)


def resume(receiver: Receiver, event_id: Any, *, wait: float = 0) -> Outcome | None:
    """Resume a recorded event; return ``None`` if there is no such event (any more).

    :param wait: how many seconds to wait for another process that is handling its message.
    :raises LedgerUnavailable: if the ledger cannot be used.
    """
    recorded = receiver.ledger.claim(event_id, receiver.policy, wait=wait)
    if recorded is None:
        return None
    with about(receiver.name, None, recorded.id, recorded.attempt):
        event = receiver.reloaded(recorded)
        return _given_up(recorded) if event is None else receiver.handle(event, recorded)


def replay(receiver: Receiver, event_id: Any, handler_name: str) -> bool | None:
    """Call one handler with a settled event.

    :return: whether it succeeded; ``None`` if it was not called, since it has succeeded before,
        or the event has no such handler, or is pending or being handled.
    :raises LedgerUnavailable: if the ledger cannot be used.
    """
    recorded = receiver.ledger.claim(
        event_id, receiver.policy, wait=receiver.wait_seconds, settled=True
    )
    if recorded is None or recorded.claim is None:
        return None
    with about(receiver.name, None, recorded.id, recorded.attempt):
        try:
            event = receiver.reloaded(recorded)
            if event is None:
                recorded.claim.finish(Tried())
                return False
            event = enriched(event, recorded, receiver.settings.failure_classes)
            now_about(receiver.name, event, recorded.id, recorded.attempt)
            return dispatch_one(receiver.attempt(event, recorded), handler_name)
        except ClaimLost as error:
            claim_lost(error)
            return False


def _given_up(recorded: Recorded) -> Outcome:
    """Return the outcome of an event that the schema no longer accepts."""
    state, has_died = recorded.state, recorded.has_died
    if recorded.claim is not None:
        tried = Tried(failed={"schema": "no longer accepts the event"})
        try:
            state = recorded.claim.finish(tried)
        except ClaimLost as error:
            return claim_lost(error)
        has_died = state is State.DEAD
    if has_died:
        logger.error(
            "Event %s is now dead, and event_dead cannot be sent for it: fix the schema, then run "
            "`flask fd-whatsapp retry --dead`.",
            recorded.id,
        )
    return without_attempt(state)
