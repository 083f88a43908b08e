"""The in-memory ledger: bounded, per process, for development and hosts that need no more."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Never

from ...exceptions import FreshdeskWhatsAppError
from ..composed_ledger import ComposedLedger
from .memory_asking import MemoryAsking
from .memory_browser import MemoryBrowser
from .memory_campaigns import MemoryCampaigns
from .memory_dead_events import MemoryDeadEvents
from .memory_drift import MemoryDriftRecord
from .memory_gauges import MemoryGauges
from .memory_maintenance import MemoryMaintenance
from .memory_overview import MemoryOverview
from .memory_quarantine import MemoryQuarantine
from .memory_queries import MemoryQueries
from .memory_rates import MemoryRates
from .memory_recording import MemoryRecording
from .memory_rejection_notes import MemoryLastRejections, MemoryLastTokenUses
from .memory_reports import MemoryReports
from .memory_reservations import MemoryReplays, MemoryReservations
from .memory_send_record import MemorySendRecord
from .memory_sends import MemorySends
from .memory_store import MAX_EVENTS, MemoryStore


class MemoryLedger(ComposedLedger):
    """Keeps the newest events, in this process and for its lifetime.

    :param max_events: how many events are kept. At the limit the oldest finished message is
        evicted; if there is none, the ledger cannot be written.
    :param clock: a clock in seconds, for leases.
    :param config_prefix: the prefix of its receiver's keys, for error messages.
    """

    durable = False

    def __init__(
        self,
        *,
        max_events: int = MAX_EVENTS,
        clock: Callable[[], float] = time.monotonic,
        config_prefix: str = "FD_WHATSAPP",
    ) -> None:
        self._url_key = f"{config_prefix}_LEDGER_URL"
        store = MemoryStore(max_events=max_events, clock=clock, url_key=self._url_key)
        quarantine = MemoryQuarantine()
        sends = MemorySends(store)
        send_record = MemorySendRecord(store, sends)
        rejections = MemoryLastRejections()
        asking = MemoryAsking(store)
        drift = MemoryDriftRecord(store)
        super().__init__(
            recording=MemoryRecording(store),
            queries=MemoryQueries(store),
            quarantine=quarantine,
            rejections=rejections,
            token_uses=MemoryLastTokenUses(),
            reservations=MemoryReservations(store),
            replays=MemoryReplays(store),
            dead_events=MemoryDeadEvents(store),
            overview=MemoryOverview(store, quarantine),
            browser=MemoryBrowser(store),
            reports=MemoryReports(store),
            maintenance=MemoryMaintenance(store, sends, asking),
            send_record=send_record,
            rates=MemoryRates(store),
            asking=asking,
            campaigns=MemoryCampaigns(store),
            gauges=MemoryGauges(store, quarantine, rejections, send_record, asking, drift),
            drift=drift,
        )
        self.store = store

    @property
    def transaction(self) -> Never:
        """Not supported: a host's writes cannot commit together with memory."""
        raise FreshdeskWhatsAppError(
            "current_ledger.transaction needs a ledger in a database: set "
            f'{self._url_key}, such as "sqlite:///events.db".'
        )
