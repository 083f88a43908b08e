"""The pace that all processes of a ledger share: three quarters of the calls for sending, and one
for catching up, so that neither starves the other.
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


class LedgerRateStore:
    """Keeps a pace's state in a ledger, by the ledger's clock.

    :param rates: gives the ledger's part for it, when it is first needed.
    :param name: the state's, the same in all processes.
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
            before, now = _state(moments), _seconds(moment)
            after = step(before, now)
            if after == before or rates.replace(self._name, moments, _moments(after)):
                return before, now


class Paces(NamedTuple):
    """The two paces of an account."""

    sending: Pace
    asking: Pace


def paces_of(rates: Callable[[], Rates], domain: str, calls_a_minute: int) -> Paces:
    """The paces of an account's calls; what pauses one of them pauses both."""
    sending = Rate(calls_a_minute * SENDING_SHARE)
    asking = Rate(calls_a_minute * (1 - SENDING_SHARE))
    send_store = LedgerRateStore(rates, _send_name(domain))
    ask_store = LedgerRateStore(rates, _ask_name(domain))
    return Paces(
        _TwinPace(sending, send_store, asking, ask_store),
        _TwinPace(asking, ask_store, sending, send_store),
    )


class Budget(NamedTuple):
    """The calls that are left of one of an account's paces.

    :param calls_a_minute: how many it gets, of those of the account.
    :param free: how many may be made at once just now, of *burst*.
    :param paused_for: for how long the API wants no calls.
    """

    purpose: str
    calls_a_minute: int
    free: int
    burst: int
    paused_for: timedelta | None


def budgets_of(rates: Rates, domain: str, calls_a_minute: int) -> list[Budget]:
    """What is left of an account's calls; takes none of them.

    :raises LedgerUnavailable: if the ledger cannot be used.
    """
    found = []
    for purpose, name, share in (
        ("sending", _send_name(domain), SENDING_SHARE),
        ("reconciling", _ask_name(domain), 1 - SENDING_SHARE),
    ):
        rate = Rate(calls_a_minute * share)
        moments, moment = rates.read(name)
        state, now = _state(moments), _seconds(moment)
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
    """A pace whose pauses are another's, too."""

    def __init__(self, rate: Rate, store: RateStore, twin: Rate, twin_store: RateStore) -> None:
        super().__init__(rate, store)
        self._twin = Pace(twin, twin_store)

    def pause(self, seconds: float) -> None:
        """Let nobody call for so long, since the API has said so."""
        super().pause(seconds)
        self._twin.pause(seconds)


def _send_name(domain: str) -> str:
    return f"{domain}/send"[-_LONGEST_NAME:]


def _ask_name(domain: str) -> str:
    return f"{domain}/ask"[-_LONGEST_NAME:]


def _seconds(moment: datetime) -> float:
    return (moment - _EPOCH).total_seconds()


def _state(moments: PaceMoments | None) -> RateState:
    if moments is None:
        return RateState()
    paused = moments.paused_until
    return RateState(_seconds(moments.tat), 0.0 if paused is None else _seconds(paused))


def _moments(state: RateState) -> PaceMoments:
    paused = _EPOCH + timedelta(seconds=state.paused_until) if state.paused_until else None
    return PaceMoments(_EPOCH + timedelta(seconds=state.tat), paused)
