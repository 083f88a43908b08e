"""``flask fd-whatsapp retry --follow``: dispatches due events continuously."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Final

import click

from ..exceptions import LedgerUnavailable
from ..ledger import Ledger
from ..log_fields import get_logger, log_fields
from ..receiving.receiver import Receiver
from ..receiving.sweep import Sweep
from .errors import ledger_of
from .graceful_shutdown import Stop
from .retry_report import Tally

logger = get_logger(__name__)

POLL_SECONDS: Final = 0.5

ROUND_SECONDS: Final = 1.0
"""The approximate time in which every receiver with due events gets a turn."""

LEAST_TURN_SECONDS: Final = 0.1

COST_FACTOR: Final = 10
"""A receiver with nothing due is checked again after this many times the duration of the check,
which may be long if another receiver's backlog has to be scanned."""


def follow(receivers: Sequence[Receiver], stop: Stop) -> Tally:
    """Sweep until asked to stop; wait while a ledger is unavailable.

    :raises click.ClickException: if there is nothing to follow.
    """
    followers = [_Follower(receiver, stop) for receiver in receivers]
    tally = Tally()
    _echo_start(receivers)
    busy = 1
    while not stop.is_asked():
        seconds = max(LEAST_TURN_SECONDS, ROUND_SECONDS / max(1, busy))
        has_work: dict[int, bool] = {}
        busy = sum([follower.take_turn(seconds, has_work, tally) for follower in followers])
        if not busy:
            stop.wait(POLL_SECONDS)
    tally.was_stopped = True
    return tally


def _echo_start(receivers: Iterable[Receiver]) -> None:
    names = ", ".join(receiver.name for receiver in receivers)
    click.echo(f"Following {names}: stop with SIGTERM or Ctrl-C.", err=True)


class _Follower:
    """Sweeps for one receiver, one turn at a time."""

    def __init__(self, receiver: Receiver, stop: Stop) -> None:
        self._receiver = receiver
        self._stop = stop
        self._sweep = Sweep(receiver)
        self._is_down = False
        self._again_at = 0.0

    def take_turn(self, seconds: float, has_work: dict[int, bool], tally: Tally) -> bool:
        """Handle due events for about this long; return whether there may be more.

        :param has_work: whether each ledger, by its ``id``, has anything due for any receiver, as
            found in this round, so that many idle receivers cost one query.
        """
        try:
            ledger = ledger_of(self._receiver)
            _require_durable(ledger, self._receiver)
            if id(ledger) not in has_work:
                has_work[id(ledger)] = bool(ledger.reservations.due(limit=1))
            has_more = has_work[id(ledger)] and self._handle(seconds, tally)
        except LedgerUnavailable as error:
            self._tell_down(error)
            return False
        if self._is_down:
            self._is_down = False
            logger.warning(
                "The ledger of %s is available again.",
                self._receiver.name,
                extra=log_fields(receiver=self._receiver.name),
            )
        return has_more

    def _handle(self, seconds: float, tally: Tally) -> bool:
        start = time.monotonic()
        if start < self._again_at:
            return False

        handled = 0

        def is_over() -> bool:
            return handled > 0 and time.monotonic() - start >= seconds

        for swept in self._sweep.run(should_stop=self._stop.is_asked, is_over=is_over):
            tally.count(swept)
            handled += 1
        if not handled:
            now = time.monotonic()
            self._again_at = now + COST_FACTOR * (now - start)
        return is_over() or self._stop.is_asked()

    def _tell_down(self, error: LedgerUnavailable) -> None:
        if not self._is_down:
            self._is_down = True
            logger.critical(
                "The ledger of %s is unavailable; waiting for it: %s",
                self._receiver.name,
                error,
                extra=log_fields(receiver=self._receiver.name),
            )


def _require_durable(ledger: Ledger, receiver: Receiver) -> None:
    if not ledger.durable:
        raise click.ClickException(
            f"The ledger of {receiver.name} is in memory, so events recorded by another process, "
            f"such as the server, cannot be seen from here: set {receiver.prefix}_LEDGER_URL to a "
            "database, or choose another receiver with --receiver."
        )
