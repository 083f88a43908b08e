"""Reports on statuses, from memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from ...engagement import Engagement, Feed
from ...engagement.elapsed import Elapsed
from ...engagement.report import Report, ReportRules
from ...engagement.report_filter import ReportFilter
from ...events import WEBHOOK
from .memory_store import MemoryStore


class MemoryReports:
    """Reports on statuses, for :class:`MemoryLedger`."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._duplicates: Counter[tuple[str, datetime]] = Counter()

    @property
    def rules(self) -> ReportRules:
        """The settings of the ledger's receivers that concern reports."""
        return self._store.folds.rules

    @rules.setter
    def rules(self, rules: ReportRules) -> None:
        self._store.folds.rules = rules

    def catch_up(self) -> None:
        """Nothing: no process of another version records here."""

    def breakdowns(
        self,
        wanted: ReportFilter,
        *,
        by: Sequence[str | Sequence[str] | None],
        tz: str,
        times: bool,
    ) -> list[Engagement]:
        """What became of the messages that were sent in a period, grouped in several ways."""
        as_of = datetime.now(UTC)
        reports = [
            Report(wanted, by=one, tz=tz, times=times, as_of=as_of, rules=self.rules) for one in by
        ]
        with self._store.lock:
            facts = [message.facts for message in self._store.all_messages()]
            folded = self._store.folds.kept()
        admitted = [
            one
            for one in facts
            if wanted.admits_moment(one.sent_on)
            and wanted.admits(
                account_id=one.account_id,
                receiver=one.receiver,
                campaign=one.campaign,
                template=one.template,
            )
        ]
        for report in reports:
            report.add(admitted)
            for key, counts, figures in folded:
                report.add_folded(key, counts, figures)
        return [report.result() for report in reports]

    def accounts(self, receiver: str | None) -> list[str]:
        """The accounts with messages, pruned ones included, in order."""
        with self._store.lock:
            facts = [message.facts for message in self._store.all_messages()]
            folded = [key for key, _, _ in self._store.folds.kept()]
        found = {(one.account_id, one.receiver) for one in facts}
        found |= {(key.account, key.receiver or None) for key in folded}
        return sorted({account for account, its in found if receiver in (None, its)})

    def feed(self, wanted: ReportFilter) -> Feed:
        """How webhooks arrived in a period, by when they were received."""
        since, receiver = wanted.since, wanted.receiver
        assert since is not None
        lags, events, out_of_order = Elapsed(), 0, 0
        with self._store.lock:
            for _, event in self._store.events.values():
                its = event.source == WEBHOOK and receiver in (None, event.receiver)
                if its and wanted.admits_moment(event.received_at):
                    lags.add((event.received_at - event.timestamp).total_seconds())
                    events += 1
                    out_of_order += event.is_stale
            duplicates = sum(
                count
                for (name, hour), count in self._duplicates.items()
                if wanted.admits_moment(hour) and receiver in (None, name)
            )
        times = lags.times()
        return Feed(
            since=since,
            until=wanted.until,
            receiver=receiver,
            events=events,
            lag_p50=times.p50,
            lag_p99=times.p99,
            out_of_order=out_of_order,
            duplicates=duplicates,
        )

    def count_duplicates(self, receiver: str, hour: datetime, count: int) -> None:
        """Count duplicate events in an hour."""
        with self._store.lock:
            self._duplicates[receiver, hour] += count
