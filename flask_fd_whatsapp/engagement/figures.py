"""The figures of a report: frozen, each with its denominator."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any, Final

from ..failure_reasons import FailureClass
from .definitions import RATES
from .rates import Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """How many took longer than :attr:`above`, and at most :attr:`up_to`.

    :param above: ``None`` for the first bin, which includes durations of zero.
    :param up_to: ``None`` for the last bin.
    """

    above: timedelta | None
    up_to: timedelta | None
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long messages took from one status to a later one, by WhatsApp's clock.

    :param n: how many were measured: both times known, neither of them estimated.
    :param p50: half took at most this; ``None`` if there are none.
    :param p90: nine of ten took at most this.
    :param p99: 99 of 100 took at most this.
    :param left_out: how many reached the later status but are not in :attr:`n`.
    :param negative: how many have a later time before the earlier one, since clocks differ:
        included in :attr:`n`, as zero.
    :param histogram: how many took how long, between the ages of the curve.
    """

    n: int
    p50: timedelta | None
    p90: timedelta | None
    p99: timedelta | None
    left_out: int
    negative: int
    histogram: tuple[Bin, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """The state of the submitted messages at a certain age.

    :param age: the age.
    :param delivered: the share delivered within it.
    :param read: the share read within it.
    :param left_out: how many that old have estimated times, and are in neither share.
    """

    age: timedelta
    delivered: Rate
    read: Rate
    left_out: int

    @property
    def n(self) -> int:
        """How many are at least that old: the denominator of both shares."""
        return self.delivered.denominator


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """The share of deliveries that took longer than a threshold.

    :param than: the threshold.
    :param rate: out of ``time_to_deliver``'s ``n``.
    """

    than: timedelta
    rate: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureFigures:
    """How many messages failed for one reason.

    :param code: the error's code, ``None`` if there was none; :data:`OTHER_CODES` for pruned
        messages beyond the fifty codes that are kept apart.
    :param count: how many, out of all that failed.
    :param first: when the first failed (UTC), ``None`` if all are pruned.
    :param last: when the last did.
    :param text: Freshdesk's message about the last of them.
    :param example: the id of one of these messages.
    """

    failure_class: FailureClass
    code: str | None
    count: Rate
    first: datetime | None
    last: datetime | None
    text: str | None
    example: str | None

    @property
    def advice(self) -> str:
        """What to do about it, in one line."""
        return self.failure_class.advice

    @property
    def is_permanent(self) -> bool:
        """Whether the same message to the same recipient will fail again."""
        return self.failure_class.is_permanent

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**fields_of(self), "advice": self.advice, "is_permanent": self.is_permanent}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures for a set of messages; the definitions are in ``docs/engagement.md``.

    ``known`` is ``delivered + failed + pending``, always.

    :param failed_before: failed before submission to WhatsApp.
    :param failed_after: failed after.
    :param failed_but_arrived: failed but also delivered; not in :attr:`failed`.
    :param unheard: pending, without any event.
    :param awaiting: pending and submitted.
    :param queued: pending, neither of the above.
    :param young: sent in the last 24 hours: not final.
    :param returned: seen again after pruning; in no other figure.
    :param folded: how many of the known ones are pruned, and counted by their day.
    :param first_sent: when the first message that is not pruned was sent (UTC).
    :param last_sent: when the last message was sent.
    :param failures: by reason, most frequent first.
    :param curve: their state by age; ``None``, like the times, unless requested.
    """

    known: int
    submitted: int
    delivered: int
    read: int
    failed: int
    failed_before: int
    failed_after: int
    failed_but_arrived: int
    pending: int
    unheard: int
    awaiting: int
    queued: int
    young: int
    returned: int
    folded: int
    first_sent: datetime | None
    last_sent: datetime | None
    failures: tuple[FailureFigures, ...] = ()
    time_to_submit: Times | None = None
    time_to_deliver: Times | None = None
    time_to_read: Times | None = None
    sent_to_read: Times | None = None
    curve: tuple[CurvePoint, ...] | None = None
    late: tuple[Late, ...] | None = None

    @property
    def submission_rate(self) -> Rate:
        """Submitted out of known."""
        return Rate(self.submitted, self.known)

    @property
    def delivery_rate(self) -> Rate:
        """Delivered out of submitted."""
        return Rate(self.delivered, self.submitted)

    @property
    def of_settled(self) -> Rate:
        """Delivered out of delivered or failed."""
        return Rate(self.delivered, self.delivered + self.failed)

    @property
    def read_rate(self) -> Rate:
        """Read out of delivered: a lower bound, since recipients can switch read receipts off."""
        return Rate(self.read, self.delivered)

    @property
    def failure_rate(self) -> Rate:
        """Failed out of known."""
        return Rate(self.failed, self.known)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON: durations in seconds, moments in UTC, rates with their intervals."""
        rates = {name: getattr(self, name).to_dict() for name in RATES}
        return {**fields_of(self), **rates}


OTHER_CODES: Final = "other"
"""For pruned messages: the codes beyond those that are kept apart."""


def as_json(value: Any) -> Any:
    """Return a figure or a group's key as JSON: durations in seconds, moments in UTC."""
    match value:
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case tuple():
            return [as_json(one) for one in value]
        case Rate() | FailureFigures() | Figures():
            return value.to_dict()
        case Bin() | Times() | CurvePoint() | Late():
            return fields_of(value)
    return value


def fields_of(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass as JSON."""
    return {one.name: as_json(getattr(value, one.name)) for one in fields(value)}
