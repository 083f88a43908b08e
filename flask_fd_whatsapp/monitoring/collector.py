"""Metrics for Prometheus, read from the ledger at each scrape.

The ledger is shared by all processes, so every process reports the same when scraped, and no
``PROMETHEUS_MULTIPROC_DIR`` is needed. No label has an id, a reference or a campaign.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from flask import Flask

from ..ledger import Ledger
from ..ledger.context import EXTENSION
from ..ledger.gauges import Gauges
from ..log_fields import get_logger
from ..receiving.receiver import Receiver
from ..throttle import Throttle

try:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
    from prometheus_client.registry import Collector
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "LedgerCollector needs prometheus_client: pip install 'flask_fd_whatsapp[prometheus]'",
        name=error.name,
    ) from error
from .known_runs import known_runs

logger = get_logger(__name__)

LOG_SECONDS: Final = 60

_NUMBERS: Final[Mapping[str, tuple[str, str]]] = {
    "pending": ("pending_events", "Events that are not handled yet."),
    "dead": ("dead_events", "Events that are dead, acknowledged or not."),
    "quarantined": ("quarantined_bodies", "Bodies in quarantine."),
    "unheard": (
        "unheard_sends",
        "Sends of the last 24 hours, older than 10 minutes, without an event.",
    ),
    "drift": (
        "unknown_in_payloads",
        "Unknown fields, types, statuses, versions and error codes of the last 24 hours.",
    ),
    "unknown": ("unknown_sends", "Sends whose outcome is unknown."),
    "failing_reconciliations": (
        "failing_reconciliations",
        "Accounts for which the last reconcile could not ask Freshdesk.",
    ),
}
_MOMENTS: Final[Mapping[str, tuple[str, str]]] = {
    "oldest_pending": (
        "oldest_pending_timestamp_seconds",
        "When the oldest pending event was recorded; absent if none is pending.",
    ),
    "last_accepted": (
        "last_accepted_timestamp_seconds",
        "When the last event was recorded; absent if none has been.",
    ),
    "last_reconciled": (
        "last_reconciliation_timestamp_seconds",
        "When a reconcile last ended that could ask; absent if none has.",
    ),
}


class LedgerCollector(Collector):
    """Collects the state of the receivers of *app*, in a registry of its own.

    A ledger that cannot be read is ``fd_whatsapp_ledger_up 0``, without other series.

    :ivar registry: pass it to ``generate_latest``, or *register* the collector in another one.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._lines = Throttle(LOG_SECONDS)
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def describe(self) -> Iterator[Metric]:
        """Return the metrics without samples, so that registering reads no ledger."""
        return iter(_Families().all())

    def collect(self) -> Iterator[Metric]:
        """Return the current metrics, with one query for each ledger."""
        families = _Families()
        receivers: Mapping[str, Receiver] = self._app.extensions.get(EXTENSION, {})
        groups: dict[int, tuple[Ledger, list[str]]] = {}
        for name, receiver in receivers.items():
            try:
                ledger = receiver.ledger
            except Exception as error:
                self._is_down([name], error, families)
            else:
                groups.setdefault(id(ledger), (ledger, []))[1].append(name)
        for ledger, names in groups.values():
            try:
                found = ledger.gauges.read(names)
            except Exception as error:
                self._is_down(names, error, families)
            else:
                for name, gauges in found.items():
                    gauges.runs = known_runs(receivers[name], gauges.runs)
                    families.add(name, gauges)
        return iter(families.all())

    def _is_down(self, names: list[str], error: Exception, families: _Families) -> None:
        for name in names:
            families.up.add_metric([name], 0)
        if self._lines.admit("down") is not None:
            logger.error(
                "The ledger of %s could not be read for metrics: %s.",
                ", ".join(names),
                type(error).__name__,
            )


class _Families:
    """The metrics of one scrape."""

    def __init__(self) -> None:
        self.up = _family("ledger_up", "Whether the ledger could be read.")
        self._numbers = {key: _family(*named) for key, named in _NUMBERS.items()}
        self._moments = {key: _family(*named) for key, named in _MOMENTS.items()}
        self._rejected = _family(
            "last_rejected_timestamp_seconds", "When a request was last rejected.", "reason"
        )
        self._rejections = CounterMetricFamily(
            "fd_whatsapp_rejections", "Requests that were rejected.", labels=["receiver", "reason"]
        )
        self._messages = _family("messages", "Messages first seen in the last 24 hours.", "status")

    def all(self) -> list[Metric]:
        return [
            self.up,
            *self._numbers.values(),
            *self._moments.values(),
            self._rejected,
            self._rejections,
            self._messages,
        ]

    def add(self, receiver: str, gauges: Gauges) -> None:
        self.up.add_metric([receiver], 1)
        for key, family in self._numbers.items():
            family.add_metric([receiver], getattr(gauges, key))
        for key, family in self._moments.items():
            moment: datetime | None = getattr(gauges, key)
            if moment is not None:
                family.add_metric([receiver], moment.timestamp())
        for reason, moment in gauges.rejected.items():
            self._rejected.add_metric([receiver, reason], moment.timestamp())
        for reason, count in gauges.rejections.items():
            self._rejections.add_metric([receiver, reason], count)
        for status, count in gauges.messages.items():
            self._messages.add_metric([receiver, status], count)


def _family(name: str, help_text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"fd_whatsapp_{name}", help_text, labels=["receiver", *labels])
