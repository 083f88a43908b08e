"""Makes a replay the only one of its handler, as long as its process lives."""

from __future__ import annotations

import secrets
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import datetime
from threading import Event, Thread
from typing import Final

import click

from ..exceptions import LedgerUnavailable
from ..receiving.receiver import Receiver
from .output import plain, when

LEASE_SECONDS: Final = 60.0
"""When the lease of a dead process's replay expires."""

RENEW_SECONDS: Final = 15.0


class ReplayLease:
    """The right to replay a handler.

    :param is_lost: whether another process has the lease, since this one was stopped for too long.
    """

    def __init__(self, receiver: Receiver, handler: str) -> None:
        self.is_lost = False
        self._ledger = receiver.ledger
        self._key = {
            "receiver": receiver.name,
            "handler": handler,
            "token": secrets.token_hex(16),
        }
        self._is_over = Event()

    def take(self) -> datetime | None:
        """Acquire or renew the lease: return ``None``, or when another replay's lease expires."""
        return self._ledger.replays.hold(**self._key, seconds=LEASE_SECONDS)

    def keep(self) -> None:
        """Renew the lease until it is released or lost."""
        while not self.is_lost and not self._is_over.wait(RENEW_SECONDS):
            with suppress(LedgerUnavailable):  # asked again soon
                self.is_lost = self.take() is not None

    def end(self) -> None:
        """Stop renewing it."""
        self._is_over.set()

    def give_back(self) -> None:
        """Release the lease, waiting for a renewal in progress, which would acquire it again."""
        with suppress(LedgerUnavailable):  # it ends on its own
            self._ledger.replays.end(**self._key)


@contextmanager
def only_replay(receiver: Receiver, handler: str) -> Generator[ReplayLease]:
    """Make this the only replay of *handler*, across processes.

    :raises click.ClickException: if another process replays it.
    """
    lease = ReplayLease(receiver, handler)
    until = lease.take()
    if until is not None:
        raise click.ClickException(
            f"{plain(handler)} is being replayed by another process: wait until that has ended. If "
            f"it has died, it can be replayed again from {when(until)}."
        )
    keeping = Thread(target=lease.keep, name="fd-whatsapp-replay", daemon=True)
    keeping.start()
    try:
        yield lease
    finally:
        lease.end()
        keeping.join()
        lease.give_back()
