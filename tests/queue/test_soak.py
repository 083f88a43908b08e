"""A small run of ``python -m benchmarks.soak``, and whether it would detect faults."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text

from benchmarks import requests, soak, soak_app, soak_watch
from benchmarks.soak_app import handled
from benchmarks.soak_checks import Check, check_events, check_processes
from benchmarks.soak_tables import check_table
from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.simulator import FreshdeskSimulator
from flask_fd_whatsapp.simulator.wsgi_transport import WSGITransport

from ..ledger.databases import require as require_database
from .brokers import require as require_broker

SMALL = ["--events", "1500", "--kill-every", "1", "--json"]


@pytest.mark.slow
def test_small_soak_loses_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """With processes killed throughout, no event is lost or duplicated and nothing is left
    behind.
    """
    pytest.importorskip("gunicorn")
    require_database("postgresql")
    require_broker("rabbitmq")
    soak.main(SMALL)  # exits if something does not hold
    run, processes, checks = json.loads(capsys.readouterr().out)["tables"]
    numbers = {row["what"]: row["number"] for row in run["rows"]}
    assert numbers["events"] >= 1500
    assert numbers["posts acknowledged"] == numbers["events"] + numbers["events posted twice"]
    assert numbers["killed: gunicorn, a worker"] > 0
    assert any(what.startswith("killed: Celery") for what in numbers)
    spared = [row["process"] for row in processes["rows"] if "killed" not in row["process"]]
    assert len(spared) == len(set(spared)) == 5
    assert {row["holds"] for row in checks["rows"]} == {"yes"}


class Played:
    """A campaign played against the application in this process, completely handled."""

    def __init__(self, folder: Path) -> None:
        config = {"broker_url": "memory://", "task_always_eager": True}
        app = soak_app.create_app(f"sqlite:///{folder}/ledger.db", config)
        self.ledger: SQLLedger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
        handled.create(self.ledger.engine)
        url = f"http://127.0.0.1{requests.URL}"
        self.simulator = FreshdeskSimulator(
            faults=soak.FAULTS,
            allow_http=True,
            concurrency=1,
            make_transport=lambda url: WSGITransport(app.wsgi_app, url),
        )
        self.simulator.save(url, {"Authorization": requests.TOKEN})
        self.simulator.enable()
        for number in range(5):
            self.simulator.send(str(number))
        self.simulator.run()

    def execute(self, statement: Any) -> None:
        with self.ledger.engine.begin() as connection:
            connection.execute(statement)

    def found(self) -> list[str]:
        """Return the failed checks."""
        return [c.what for c in check_events(self.simulator, self.ledger) if not c.holds]


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Played]:
    played = Played(tmp_path)
    assert played.found() == []
    yield played
    played.ledger.engine.dispose()


ONE = select(handled).limit(1)


def test_a_lost_row_is_detected(played: Played) -> None:
    """A missing row of the handler is detected."""
    with played.ledger.engine.connect() as connection:
        message_id, status = connection.execute(ONE).one()
    played.execute(
        delete(handled).where(handled.c.message_id == message_id, handled.c.status == status)
    )
    assert played.found() == ["events that the handler wrote no row of"]


def test_a_doubled_row_is_detected(played: Played) -> None:
    """An event handled twice is detected."""
    played.execute(insert(handled).from_select(["message_id", "status"], ONE))
    assert played.found() == ["events that it wrote too many rows of"]


def test_a_lost_status_is_detected(played: Played) -> None:
    """A lost status in the ledger is detected."""
    played.execute(text("UPDATE fd_whatsapp_message SET queued_at = NULL WHERE id = 1"))
    assert played.found() == ["disagreements of ledger and simulator"]


def test_a_pending_event_is_detected(played: Played) -> None:
    """A pending event is detected."""
    played.execute(text("UPDATE fd_whatsapp_event SET due_at = received_at WHERE id = 1"))
    assert played.found() == ["events that are pending"]


def process(*megabytes: int, files: int = 10, every: float = 60) -> soak_watch.Process:
    """A process with this much memory, minute by minute, and more open files at the end."""
    samples = [soak_watch.Sample(at * every, mb * 2**20, 10) for at, mb in enumerate(megabytes)]
    samples[-1] = samples[-1]._replace(files=files)
    return soak_watch.Process("any", samples)


def test_growing_process_is_noticed() -> None:
    """A growing process is detected, but not one that is still warming up."""
    warm, growing = process(20, 60, 61, 60, 62, 61, 61, 61), process(*range(20, 60, 2))
    assert all(check.holds for check in check_processes([warm]))
    memory, files = check_processes([warm, growing])
    assert (memory.holds, files.holds) == (False, True)
    memory, files = check_processes([warm, process(*[60] * 8, files=100)])
    assert (memory.holds, files.holds) == (True, False)
    assert all(check.holds for check in check_processes([process(*range(20, 60, 2), every=1)]))


def test_soak_ends_with_what_does_not_hold(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Failed checks are at the end of the run's output, with exit status 1."""
    checks = [Check("events that are dead", 2, examples=("one of them",)), Check("else", 0)]
    monkeypatch.setattr(soak, "measure", lambda options: [check_table(checks)])
    with pytest.raises(SystemExit) as exited:
        soak.main([])
    assert exited.value.code == "Not as it has to be: events that are dead: 2."
    printed = capsys.readouterr().out
    assert "| events that are dead | 2 | 0 | no |" in printed
    assert "events that are dead: one of them" in printed


def test_without_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no PostgreSQL, the error says where it was looked for."""
    url = "postgresql+psycopg://nobody@127.0.0.1:1/test"
    monkeypatch.setenv("FD_WHATSAPP_TEST_POSTGRESQL_URL", url)
    with pytest.raises(SystemExit, match=r"no PostgreSQL at .*127\.0\.0\.1:1.*_POSTGRESQL_URL"):
        soak.main([])
