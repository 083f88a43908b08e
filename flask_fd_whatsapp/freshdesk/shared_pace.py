"""The pace that all processes of a ledger share.

Sending gets three quarters of the calls and reconciling one quarter, so that neither starves the
other.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from ..ledger.api_parts import Rates
from ..ledger.pacing import PaceMoments
from .pace import Pace, Rate, RateState, RateStore

SENDING_SHARE: Final = 0.75

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_NAME: Final = 255

_LONGEST_WAIT: Final = 3600.0
"""How far ahead, in seconds, the next call can be due, unless the ledger's clock was set back."""


class LedgerRateStore:
    """Stores a pace's state in a ledger, using the ledger's clock.

    :param rates: returns the ledger's part for it, at first use.
    :param name: the state's name, the same in all processes.
    """

    def __init__(self, rates: Callable[[], Rates], name: str) -> None:
        self._rates = rates
        self._name = name

    def change(self, step: Callable[[RateState, float], RateState]) -> tuple[RateState, float]:
        """See :class:`~flask_fd_whatsapp.freshdesk.pace.RateStore`.

        :raises LedgerUnavailable: if the ledger cannot be used; no call may be made then.
        """
        rates = self._rates()
        while True:
            moments, moment = rates.read(self._name)
            before, now = _state(moments, moment), _seconds(moment)
            after = step(before, now)
            if after == before or rates.replace(self._name, moments, _moments(after)):
                return before, now


class Paces(NamedTuple):
    """The two paces of an account."""

    sending: Pace
    asking: Pace


def paces_of(rates: Callable[[], Rates], domain: str, calls_a_minute: int) -> Paces:
    """Return the paces of an account's calls; a pause of one pauses both."""
    sending = Rate(calls_a_minute * SENDING_SHARE)
    asking = Rate(calls_a_minute * (1 - SENDING_SHARE))
    send_store = LedgerRateStore(rates, _send_name(domain))
    ask_store = LedgerRateStore(rates, _ask_name(domain))
    return Paces(
        _TwinPace(sending, send_store, asking, ask_store),
        _TwinPace(asking, ask_store, sending, send_store),
    )


class Budget(NamedTuple):
    """The remaining calls of one of an account's paces.

    :param calls_a_minute: its share of the account's calls.
    :param free: how many calls may be made right now, out of *burst*.
    :param paused_for: how long the API wants no calls.
    """

    purpose: str
    calls_a_minute: int
    free: int
    burst: int
    paused_for: timedelta | None


def budgets_of(rates: Rates, domain: str, calls_a_minute: int) -> list[Budget]:
    """Return an account's remaining calls, without using any.

    :raises LedgerUnavailable: if the ledger cannot be used.
    """
    found = []
    for purpose, name, share in (
        ("sending", _send_name(domain), SENDING_SHARE),
        ("reconciling", _ask_name(domain), 1 - SENDING_SHARE),
    ):
        rate = Rate(calls_a_minute * share)
        moments, moment = rates.read(name)
        state, now = _state(moments, moment), _seconds(moment)
        pause = state.paused_until - now
        found.append(
            Budget(
                purpose,
                round(calls_a_minute * share),
                rate.free(state, now),
                rate.burst,
                timedelta(seconds=pause) if pause > 0 else None,
            )
        )
    return found


class _TwinPace(Pace):
    """A pace whose pauses also pause another."""

    def __init__(self, rate: Rate, store: RateStore, twin: Rate, twin_store: RateStore) -> None:
        super().__init__(rate, store)
        self._twin = Pace(twin, twin_store)

    def pause(self, seconds: float) -> None:
        """Stop all calls for this long, as the API demanded."""
        super().pause(seconds)
        self._twin.pause(seconds)


def _send_name(domain: str) -> str:
    return f"{domain}/send"[-_LONGEST_NAME:]


def _ask_name(domain: str) -> str:
    return f"{domain}/ask"[-_LONGEST_NAME:]


def _seconds(moment: datetime) -> float:
    return (moment - _EPOCH).total_seconds()


def _state(moments: PaceMoments | None, now: datetime) -> RateState:
    if moments is None or _seconds(moments.tat) > _seconds(now) + _LONGEST_WAIT:
        return RateState()
    paused = moments.paused_until
    return RateState(_seconds(moments.tat), 0.0 if paused is None else _seconds(paused))


def _moments(state: RateState) -> PaceMoments:
    paused = _EPOCH + timedelta(seconds=state.paused_until) if state.paused_until else None
    return PaceMoments(_EPOCH + timedelta(seconds=state.tat), paused)
