"""The parts of a ledger that say what the statuses say, with a small protocol each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from types import EllipsisType
from typing import Any, Final, NamedTuple, Protocol

from ..engagement import Engagement, Feed
from ..engagement.report import ReportRules
from ..engagement.report_filter import ReportFilter

FEED_PERIOD: Final = timedelta(hours=24)
"""Of the feed where none is given."""


class Recomputed(NamedTuple):
    """What applying a campaign rule to some messages did.

    :param last: the last of them, behind which to go on; ``None`` if there are no more.
    """

    seen: int
    changed: int
    last: Any


class Campaigns(Protocol):
    """Applies the campaign rule to what is recorded."""

    def unmatched(self) -> int:
        """How many messages have a reference and no campaign."""
        ...

    def recompute(
        self, campaign_of: Callable[[str], str | None], *, receiver: str, after: Any, limit: int
    ) -> Recomputed:
        """Apply a rule to the next messages of a receiver, which may be done again.

        :param after: the last one of the batch before, 0 for the first.
        """
        ...


class Reports(Protocol):
    """Says what the statuses say."""

    @property
    def rules(self) -> ReportRules:
        """What the settings of the ledger's receivers say about reports."""
        ...

    @rules.setter
    def rules(self, rules: ReportRules) -> None: ...

    def catch_up(self) -> None:
        """Find out when messages were sent that a process of the previous version recorded."""
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
        :raises ValueError: if there is no such dimension or zone.
        """
        ...

    def accounts(self, receiver: str | None) -> list[str]:
        """The accounts with messages, pruned ones included, in order.

        :param receiver: the receiver that first heard of the messages; ``None``: any.
        """
        ...

    def feed(self, wanted: ReportFilter) -> Feed:
        """How the webhooks came in a period, by when they were received.

        :param wanted: its period, which has a beginning, and its receiver.
        """
        ...

    def count_duplicates(self, receiver: str, hour: datetime, count: int) -> None:
        """Count that events came again in an hour (UTC)."""
        ...


class Reporting(Protocol):
    """What hosts ask a ledger's reports."""

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
        """What became of the messages that were sent in a period: see ``docs/engagement.md``.

        :param since: sent at or after this (aware datetime).
        :param until: sent before this (aware datetime).
        :param by: ``campaign``, ``day``, ``hour``, ``account``, ``template`` or ``failure``, or a
            pair of them: what the groups are.
        :param tz: the time zone of days and hours.
        :param campaign: of this campaign, ``None`` for those without, ``...`` for any.
        :param receiver: the receiver that first heard of a message.
        :param times: whether to measure how long things took, which is much dearer.
        :raises ValueError: if there is no such dimension or zone, or a moment is not aware.
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
        """How the webhooks themselves came, by when they were received.

        :param since: received at or after this (aware datetime); 24 hours ago unless told.
        :param until: received before this (aware datetime).
        :raises ValueError: if a moment is not aware.
        """
        since = datetime.now(UTC) - FEED_PERIOD if since is None else since
        return self.reports.feed(ReportFilter(since=since, until=until, receiver=receiver))
