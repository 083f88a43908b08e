"""The parts of a ledger for reports, each with a small protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from types import EllipsisType
from typing import Any, Final, NamedTuple, Protocol

from ..engagement import Engagement, Feed
from ..engagement.report import ReportRules
from ..engagement.report_filter import ReportFilter

FEED_PERIOD: Final = timedelta(hours=24)
"""The default period of the feed."""


class Recomputed(NamedTuple):
    """The result of applying a campaign rule to some messages.

    :param last: the last of them, from which to continue; ``None`` if there are no more.
    """

    seen: int
    changed: int
    last: Any


class Campaigns(Protocol):
    """Applies the campaign rule to recorded messages."""

    def unmatched(self) -> int:
        """Return how many messages have a reference but no campaign."""
        ...

    def recompute(
        self, campaign_of: Callable[[str], str | None], *, receiver: str, after: Any, limit: int
    ) -> Recomputed:
        """Apply a rule to the next messages of a receiver; idempotent.

        :param after: the last message of the previous batch, 0 for the first.
        """
        ...


class Reports(Protocol):
    """Reports on engagement."""

    @property
    def rules(self) -> ReportRules:
        """The settings of the ledger's receivers that concern reports."""
        ...

    @rules.setter
    def rules(self, rules: ReportRules) -> None: ...

    def catch_up(self) -> None:
        """Determine when messages were sent that a process of the previous version recorded."""
        ...

    def breakdowns(
        self,
        wanted: ReportFilter,
        *,
        by: Sequence[str | Sequence[str] | None],
        tz: str,
        times: bool,
    ) -> list[Engagement]:
        """What became of the messages that were sent in a period, grouped in several ways.

        :param by: a dimension, a pair of them or ``None`` for each of the results, for which the
            messages are read once.
        :raises ValueError: for an unknown dimension or time zone.
        """
        ...

    def accounts(self, receiver: str | None) -> list[str]:
        """Return the accounts with messages, including pruned ones, in order.

        :param receiver: the receiver that first received an event of the messages; ``None``: any.
        """
        ...

    def feed(self, wanted: ReportFilter) -> Feed:
        """Return how webhooks arrived in a period, by when they were received.

        :param wanted: the period, whose beginning is required, and the receiver.
        """
        ...

    def count_duplicates(self, receiver: str, hour: datetime, count: int) -> None:
        """Count duplicates in an hour (UTC)."""
        ...


class Reporting(Protocol):
    """The host's interface to reports."""

    reports: Reports

    def engagement(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        by: str | Sequence[str] | None = None,
        tz: str = "UTC",
        campaign: str | EllipsisType | None = ...,
        account_id: str | None = None,
        receiver: str | None = None,
        template: str | None = None,
        times: bool = True,
    ) -> Engagement:
        """Return what became of the messages sent in a period: see ``docs/engagement.md``.

        :param since: sent at or after this (aware datetime).
        :param until: sent before this (aware datetime).
        :param by: the dimension of the groups: ``campaign``, ``day``, ``hour``, ``account``,
            ``template`` or ``failure``, or a pair of them.
        :param tz: the time zone of days and hours.
        :param campaign: of this campaign, ``None`` for those without, ``...`` for any.
        :param receiver: the receiver that first received an event of a message.
        :param times: whether to measure durations, which is much more expensive.
        :raises ValueError: for an unknown dimension or time zone, or a naive datetime.
        """
        wanted = ReportFilter(
            since=since,
            until=until,
            campaign=campaign,
            account_id=account_id,
            receiver=receiver,
            template=template,
        )
        self.reports.catch_up()
        (found,) = self.reports.breakdowns(wanted, by=[by], tz=tz, times=times)
        return found

    def feed(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        receiver: str | None = None,
    ) -> Feed:
        """Return how the webhooks arrived, by when they were received.

        :param since: received at or after this (aware datetime). [default: 24 hours ago]
        :param until: received before this (aware datetime).
        :raises ValueError: for a naive datetime.
        """
        since = datetime.now(UTC) - FEED_PERIOD if since is None else since
        return self.reports.feed(ReportFilter(since=since, until=until, receiver=receiver))
