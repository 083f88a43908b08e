"""The state of a receiver's ledger: what a monitor checks, read in one place."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ..exceptions import LedgerUnavailable
from ..ledger import Backlog, BeingHandled, Event, Ledger, Rejection, TokenUse
from ..ledger.asking import Reconciled
from ..ledger.protocol import find_event
from ..ledger.records import OneAccount, name_of_account, receiver_and_key
from ..ledger.send_records import NOTHING_SENT, SendStanding
from ..receiving.account_lookup import AccountsUnavailable
from ..receiving.receiver import Receiver
from .known_runs import known_runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The state of one receiver at one moment.

    :param receiver: the receiver's name, with a slash and its key for one of its accounts.
    :param as_of: that moment (UTC).
    :param unreadable: why the ledger cannot be read, ``None`` if it can; all that follows is then
        unknown.
    :param unwritable: why it cannot be written, ``None`` if it can.
    :param backlog: what has been received and what is pending.
    :param rejections: the last one for each reason, newest first; with many accounts, for each.
    :param turned_away: with many accounts, the names (as in ``rejections``) of those rejected and
        without an accepted event since.
    :param being_handled: the events that are being handled right now, longest first.
    :param most_postponed: the event that handlers have postponed most often.
    :param token_uses: when each entry of a header's list of values was last used.
    :param sends: the state of sends: unknown ones, and those without an event.
    :param reconciled: the last run of ``reconcile`` over its messages, or those of each of its
        accounts; first those never reconciled, then the oldest.
    :param told: how many events of the last 24 hours were reported by the API only.
    """

    receiver: str
    as_of: datetime
    unreadable: str | None = None
    unwritable: str | None = None
    backlog: Backlog | None = None
    rejections: Sequence[Rejection] = ()
    turned_away: Collection[str] = ()
    being_handled: Sequence[BeingHandled] = ()
    most_postponed: Event | None = None
    token_uses: Sequence[TokenUse] = ()
    sends: SendStanding = NOTHING_SENT
    told: int = 0
    reconciled: Sequence[Reconciled] = ()

    @classmethod
    def unknown(cls, receiver: str, error: Exception) -> Standing:
        """Return that of a receiver whose ledger cannot be read."""
        return cls(receiver=receiver, as_of=datetime.now(UTC), unreadable=str(error))

    def age(self, moment: datetime | None) -> timedelta | None:
        """How long ago that was, ``None`` for never."""
        return None if moment is None else max(self.as_of - moment, timedelta())

    def tokens(
        self, headers: Mapping[str, Sequence[str]]
    ) -> list[tuple[str, int, TokenUse | None]]:
        """Return each entry of headers' lists of values, with its last use; never a value.

        :param headers: those of the receiver's settings.
        """
        uses = {(use.header, use.position): use for use in self.token_uses}
        return [
            (header, position, uses.get((header, position)))
            for header, values in headers.items()
            if len(values) > 1
            for position in range(1, len(values) + 1)
        ]


def standing_of(
    receiver: Receiver,
    ledger: Ledger,
    *,
    tries_to_write: bool = True,
    max_rejected: timedelta | None = None,
) -> Standing:
    """Return the state of the ledger of *receiver*; never raises :class:`LedgerUnavailable`.

    :param receiver: or one of its accounts, for that one only.
    :param tries_to_write: whether to check that it can be written.
    :param max_rejected: how much newer than an account's last event its last rejection may be.
    """
    unwritable = None
    name, account = receiver.name, None
    if receiver.account is not None:
        name = name_of_account(name, receiver.account)
        account = OneAccount(name, receiver.settings.account_ids or ())
    try:
        backlog = ledger.overview.backlog(receiver=receiver.name, account=account)
        rejections = ledger.rejections.last(receiver=name)
        turned_away = frozenset(
            _turned_away(receiver, ledger, rejections, max_rejected or timedelta())
        )
        being_handled = ledger.overview.being_handled(receiver=receiver.name, account=account)
        most_postponed = find_event(ledger, backlog.most_postponed)
        token_uses = ledger.token_uses.last(receiver=name)
        sends = ledger.send_record.standing(receiver.name, account)
        told = ledger.asking.told_since(
            datetime.now(UTC) - timedelta(days=1), receiver=receiver.name, account=account
        )
        reconciled = known_runs(receiver, ledger.asking.runs(receiver=name))
    except LedgerUnavailable as error:
        return Standing.unknown(name, error)
    if tries_to_write:
        try:
            ledger.check()
        except LedgerUnavailable as error:
            unwritable = str(error)
    return Standing(
        receiver=name,
        as_of=datetime.now(UTC),
        unwritable=unwritable,
        backlog=backlog,
        rejections=rejections,
        turned_away=turned_away,
        being_handled=being_handled,
        most_postponed=most_postponed,
        token_uses=token_uses,
        sends=sends,
        told=told,
        reconciled=reconciled,
    )


def _turned_away(
    receiver: Receiver, ledger: Ledger, rejections: Iterable[Rejection], limit: timedelta
) -> Iterator[str]:
    """Yield the accounts without an accepted event since their last rejection; only known ones."""
    if receiver.accounts is None:
        return
    last: dict[str, datetime] = {}
    for one in rejections:
        if one.is_open and one.receiver != receiver.name:
            last.setdefault(one.receiver, one.last_seen)
    for name, moment in last.items():
        try:
            account = receiver.accounts.find(receiver_and_key(name)[1])
        except AccountsUnavailable:
            yield name  # it cannot be ruled out
            continue
        if account is not None and not ledger.overview.accepted_since(
            moment - limit, receiver=receiver.name, account_ids=account.settings.account_ids or ()
        ):
            yield name
