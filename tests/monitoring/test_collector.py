from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from flask_fd_whatsapp import FreshdeskWhatsApp
from flask_fd_whatsapp.ledger import Ledger, Rejection
from flask_fd_whatsapp.monitoring import LedgerCollector

from ..conftest import URL, MakeApp, Payload


def scraped(app: Flask) -> dict[tuple[str, tuple[str, ...]], float]:
    """The samples of a scrape, by name and values of labels."""
    text = generate_latest(LedgerCollector(app).registry).decode()
    return {
        (
            sample.name.removeprefix("fd_whatsapp_"),
            (sample.labels.pop("receiver"), *sample.labels.values()),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_scrape_tells_how_the_ledger_stands(
    app: Flask, client: FlaskClient, payload: Payload, ledger: Ledger
) -> None:
    """A scrape has accepted events with times, rejections with reasons, and messages by status."""
    client.post(URL, json=payload("read"))
    client.post(URL, data=b"[]")
    ledger.rejections.note(
        Rejection(
            receiver="fd_whatsapp",
            reason="unauthenticated",
            status_code=401,
            detail="Header Authorization is missing.",
            last_seen=datetime.now(UTC),
        )
    )
    found = scraped(app)
    now = datetime.now(UTC).timestamp()
    receiver = "fd_whatsapp"
    assert found["ledger_up", (receiver,)] == 1
    assert found["messages", (receiver, "READ")] == 1
    assert found["quarantined_bodies", (receiver,)] == 1
    assert abs(found["last_accepted_timestamp_seconds", (receiver,)] - now) < 300
    moment = found["last_rejected_timestamp_seconds", (receiver, "unauthenticated")]
    assert abs(moment - now) < 300
    assert found["rejections_total", (receiver, "unauthenticated")] == 1
    for name in ("pending_events", "dead_events", "unheard_sends", "unknown_sends"):
        assert found[name, (receiver,)] == 0
    assert ("oldest_pending_timestamp_seconds", (receiver,)) not in found


def test_ledger_that_is_down_is_told(
    make_app: MakeApp, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An unreadable ledger gives only ``ledger_up 0``, and one log line."""
    (tmp_path / "file").touch()
    app = make_app(LEDGER_URL=f"sqlite:///{tmp_path}/file/ledger.db")
    collector = LedgerCollector(app)
    for _ in range(3):
        text = generate_latest(collector.registry).decode()
        assert [line for line in text.splitlines() if not line.startswith("#")] == [
            'fd_whatsapp_ledger_up{receiver="fd_whatsapp"} 0.0'
        ]
    assert len([one for one in caplog.records if "metrics" in one.getMessage()]) == 1


def test_registering_reads_no_ledger(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Registering in the host's own registry opens no ledger, and describes the metrics."""
    app = make_app()
    monkeypatch.setattr(LedgerCollector, "collect", lambda self: pytest.fail("read"))
    registry = CollectorRegistry(auto_describe=True)
    registry.register(LedgerCollector(app))
    with pytest.raises(ValueError, match="Duplicated"):
        registry.register(LedgerCollector(app))


def test_receivers_that_share_a_ledger_are_read_together(
    make_app: MakeApp, payload: Payload
) -> None:
    """Each receiver has its own series, and a shared ledger is read once."""
    app = make_app(LEDGER_URL="sqlite:///shared.db")
    app.config["OTHER_HEADERS"] = {"X-Token": "x"}
    app.config["OTHER_LEDGER_URL"] = "sqlite:///shared.db"
    app.register_blueprint(FreshdeskWhatsApp("other", config_prefix="OTHER", url_prefix="/other"))
    receiver = app.extensions["fd_whatsapp"]["fd_whatsapp"]
    reads: list[Any] = []
    read = receiver.ledger.gauges.read
    receiver.ledger.gauges.read = lambda names: reads.append(names) or read(names)
    client = app.test_client()
    client.post("/other/whatsapp", json=payload("sent"), headers={"X-Token": "x"})
    found = scraped(app)
    assert reads == [["fd_whatsapp", "other"]]
    assert found["messages", ("other", "SENT")] == 1
    assert ("messages", ("fd_whatsapp", "SENT")) not in found
