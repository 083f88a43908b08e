"""The last reconciliations of accounts that exist: one that was removed needs no attention."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, Protocol, TypeVar

from ..ledger.records import receiver_and_key
from ..receiving.account_lookup import AccountsUnavailable
from ..receiving.receiver import Receiver

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class _Run(Protocol):
    @property
    def receiver(self) -> str: ...
    @property
    def good_at(self) -> datetime | None: ...
    @property
    def is_good(self) -> bool: ...


R = TypeVar("R", bound=_Run)


def known_runs(receiver: Receiver, runs: Iterable[R]) -> list[R]:
    """Return *runs* without those of removed accounts; never reconciled first, then the oldest.

    Only those that may need attention are looked up, since the application is asked for each:
    failing ones, and good ones up to the first that is known.  If it cannot say, they stay.

    :param receiver: whose runs these are; if it is an account, all of them stay.
    """
    ordered = sorted(runs, key=lambda run: run.good_at or _NEVER)
    if receiver.account is not None:
        return ordered
    if receiver.accounts is None:
        return [run for run in ordered if run.receiver == receiver.name]
    found: list[R] = []
    is_answered, has_good = True, False
    for run in ordered:
        if is_answered and not (has_good and run.is_good):
            try:
                is_known = _is_known(receiver, run.receiver)
            except AccountsUnavailable:  # which is logged; the next one would have to wait, too
                is_answered, is_known = False, True
            if not is_known:
                continue
            has_good |= run.is_good
        found.append(run)
    return found


def _is_known(receiver: Receiver, name: str) -> bool:
    _, key = receiver_and_key(name)
    assert receiver.accounts is not None
    return not key or receiver.accounts.find(key) is not None
