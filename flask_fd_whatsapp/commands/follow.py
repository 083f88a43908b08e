"""``flask fd-whatsapp retry --follow``: dispatches what is due as it comes."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

import click

from ..exceptions import LedgerUnavailable
from ..ledger import Ledger
from ..log_fields import log_fields
from ..receiver import Receiver
from ..sweep import sweep
from .errors import ledger_of
from .stopping import Stop
from .tally import Tally

logger = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.5

TURN: Final = 100
"""How many events of one receiver are handled before it is the next one's turn."""


def follow(receivers: Sequence[Receiver], stop: Stop) -> Tally:
    """Sweep until asked to stop; a ledger that is down is waited for.

    :raises click.ClickException: if there is nothing that could be followed.
    """
    followers = [_Follower(receiver, stop) for receiver in receivers]
    tally = Tally()
    _echo_start(receivers)
    while not stop.is_asked():
        is_busy = [follower.take_turn(tally) for follower in followers]
        if not any(is_busy):
            stop.wait(POLL_SECONDS)
    tally.was_stopped = True
    return tally


def _echo_start(receivers: Iterable[Receiver]) -> None:
    names = ", ".join(receiver.name for receiver in receivers)
    click.echo(f"Following {names}: SIGTERM or Ctrl-C ends it.", err=True)


class _Follower:
    """Sweeps for one receiver, a turn at a time."""

    def __init__(self, receiver: Receiver, stop: Stop) -> None:
        self._receiver = receiver
        self._stop = stop
        self._is_down = False

    def take_turn(self, tally: Tally) -> bool:
        """Handle at most :data:`TURN` events; whether there may be more."""
        handled = 0
        try:
            _require_durable(ledger_of(self._receiver), self._receiver)
            for swept in islice(sweep(self._receiver, should_stop=self._stop.is_asked), TURN):
                tally.count(swept)
                handled += 1
        except LedgerUnavailable as error:
            self._tell_down(error)
            return False
        if self._is_down:
            self._is_down = False
            logger.warning(
                "The ledger of %s can be used again.",
                self._receiver.name,
                extra=log_fields(receiver=self._receiver.name),
            )
        return handled == TURN

    def _tell_down(self, error: LedgerUnavailable) -> None:
        if not self._is_down:
            self._is_down = True
            logger.critical(
                "The ledger of %s cannot be used, and is waited for: %s",
                self._receiver.name,
                error,
                extra=log_fields(receiver=self._receiver.name),
            )


def _require_durable(ledger: Ledger, receiver: Receiver) -> None:
    if not ledger.durable:
        raise click.ClickException(
            f"The ledger of {receiver.name} is in memory, and that of another process, such as "
            f"the server's, cannot be seen from here: set {receiver.prefix}_LEDGER_URL to a "
            "database, or choose another receiver with --receiver."
        )
