from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine, String, create_engine, event, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from flask_fd_whatsapp import FreshdeskWhatsApp, StatusEvent, current_ledger, status_changed
from flask_fd_whatsapp.exceptions import LedgerUnavailable
from flask_fd_whatsapp.ledger import State, Tried
from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.sql.dialects.registry import database_of
from flask_fd_whatsapp.receiving.write_behind import finish_writes

from ..answers import assert_problem, assert_result, client_of
from ..concurrency.threads import TIMEOUT
from ..conftest import TOKEN, URL, Payload
from .databases import SERVERS
from .entries import POLICY, claimed, entry, handle

PRAGMAS = {
    "journal_mode": "WAL",
    "synchronous": "FULL",
    "foreign_keys": "ON",
    "busy_timeout": "5000",
}


class Base(DeclarativeBase):
    pass


class Ticket(Base):
    """A table of the host's."""

    __tablename__ = "ticket"

    message_id: Mapped[str] = mapped_column(String(50), primary_key=True)
    status: Mapped[str] = mapped_column(String(50))


@pytest.fixture
def db() -> SQLAlchemy:
    return SQLAlchemy(model_class=Base)


@pytest.fixture
def app(db: SQLAlchemy, bare_url: str) -> Iterator[Flask]:
    """A host with Flask-SQLAlchemy that shares its engine with the ledger."""
    app = Flask("host")
    app.testing = True
    app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": TOKEN}
    app.config["SQLALCHEMY_DATABASE_URI"] = bare_url
    db.init_app(app)
    app.register_blueprint(FreshdeskWhatsApp(ledger=lambda app: SQLLedger(db.engine)))
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            event.listen(db.engine, "connect", set_pragmas)
        db.create_all()
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def set_pragmas(connection: Any, _: object) -> None:
    for name, value in PRAGMAS.items():
        connection.execute(f"PRAGMA {name} = {value}").close()


def ledger_of(app: Flask) -> SQLLedger:
    ledger: SQLLedger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    return ledger


def test_hosts_tables_follow_the_messages(app: Flask, db: SQLAlchemy, payload: Payload) -> None:
    """With the host's engine the host's tables follow the messages, once per event."""
    assert_problem(client_of(app).post(URL, json=payload("sent")), 503, "30")
    ledger_of(app).upgrade()
    assert ledger_of(app).check() == []
    fails = [True]

    @status_changed.connect_via(app)
    def follow(app: Flask, event: StatusEvent) -> None:
        with Session(bind=current_ledger.transaction) as session:
            session.merge(Ticket(message_id=event.message_id, status=event.status))
            session.commit()
        if fails:
            raise ValueError(fails.pop())

    client = client_of(app)
    assert client.post(URL, json=payload("sent")).status_code == 503
    with app.app_context():
        assert db.session.scalars(select(Ticket)).all() == []
    results = {"sent": "accepted", "read": "accepted", "queued": "accepted"}
    for name, result in [*results.items(), ("sent", "duplicate")]:
        assert_result(client.post(URL, json=payload(name)), result)
    with app.app_context():
        (ticket,) = db.session.scalars(select(Ticket)).all()
        assert ticket.status == "READ"


def test_failed_step_locks_nobody_out(app: Flask) -> None:
    """A step that fails leaves no lock behind, even while its error is being handled."""
    ledger = ledger_of(app)
    ledger.upgrade()
    handle(ledger)
    _, claim = claimed(ledger, "SENT")
    rename(ledger.engine, "fd_whatsapp_event", "away")
    with pytest.raises(LedgerUnavailable) as raised:
        claim.finish(Tried())
    rename(ledger.engine, "away", "fd_whatsapp_event")
    assert raised.value.__traceback__ is not None  # refers to the step's cursor
    assert claim.finish(Tried()) is State.DONE


def rename(engine: Engine, table: str, name: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO {name}"))


def test_own_session_in_handler(app: Flask, db: SQLAlchemy, payload: Payload) -> None:
    """The host's own session works in a handler that does not use the ledger's transaction."""
    ledger_of(app).upgrade()

    @status_changed.connect_via(app)
    def follow(app: Flask, event: StatusEvent) -> None:
        db.session.merge(Ticket(message_id=event.message_id, status=event.status))
        db.session.commit()

    for name in ("queued", "sent", "delivered"):
        assert_result(client_of(app).post(URL, json=payload(name)), "accepted")
    with app.app_context():
        (ticket,) = db.session.scalars(select(Ticket)).all()
        assert ticket.status == "DELIVERED"


def test_connections_go_back(app: Flask, db: SQLAlchemy, payload: Payload) -> None:
    """The host gets all of its connections back."""
    ledger_of(app).upgrade()
    for name in ("queued", "sent", "queued"):
        client_of(app).post(URL, json=payload(name))
    ledger_of(app).overview.backlog()
    finish_writes(TIMEOUT)
    with app.app_context():
        assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_not_upgraded_by_itself(app: Flask, payload: Payload) -> None:
    """No table is created unasked in the host's database, not even on SQLite."""
    for _ in range(2):
        assert_problem(client_of(app).post(URL, json=payload()), 503, "30")


@pytest.fixture
def engine_with(tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """A host's SQLite engine with pragmas of its own."""
    engines: list[Engine] = []

    def make(**pragmas: str) -> Engine:
        engine = create_engine(f"sqlite:///{tmp_path}/host.db")

        def set_them(connection: Any, _: object) -> None:
            for name, value in pragmas.items():
                connection.execute(f"PRAGMA {name} = {value}").close()

        event.listen(engine, "connect", set_them)
        engines.append(engine)
        return engine

    yield make
    for engine in engines:
        engine.dispose()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("journal_mode", "DELETE"),
        ("synchronous", "NORMAL"),
        ("synchronous", "OFF"),
        ("foreign_keys", "OFF"),
        ("busy_timeout", "10"),
    ],
)
def test_pragmas_that_are_not_durable_are_named(
    engine_with: Callable[..., Engine], name: str, value: str
) -> None:
    """Each of the host's pragmas that makes SQLite less than durable is named, with the remedy."""
    (doubt,) = database_of(engine_with(**{**PRAGMAS, name: value})).doubts()
    assert f"PRAGMA {name}" in doubt
    assert "set it to" in doubt


@pytest.mark.parametrize("synchronous", ["FULL", "EXTRA"])
def test_durable_pragmas_cause_no_warning(
    engine_with: Callable[..., Engine], synchronous: str
) -> None:
    """Durable pragmas cause no warning."""
    assert database_of(engine_with(**{**PRAGMAS, "synchronous": synchronous})).doubts() == []


def test_plain_engine(engine_with: Callable[..., Engine]) -> None:
    """SQLAlchemy's default engine works, with warnings about its durability."""
    ledger = SQLLedger(engine_with())
    ledger.upgrade()
    recorded = ledger.record(entry(), POLICY)
    assert ledger.record(entry(), POLICY).id == recorded.id
    doubts = " ".join(ledger.check())
    assert "journal_mode" in doubts
    assert "foreign_keys" in doubts


@pytest.mark.parametrize("kind", ["postgresql"])
def test_autocommit_engine(bare_url: str) -> None:
    """An autocommit engine still is one after the ledger has used its connection."""
    engine = create_engine(bare_url, isolation_level="AUTOCOMMIT", pool_size=1, max_overflow=0)
    ledger = SQLLedger(engine)
    ledger.upgrade()
    handle(ledger)
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE host (x INT)")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT * FROM host").all() == []
    engine.dispose()


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE", "AUTOCOMMIT"])
def test_tables_are_made_at_the_level_of_any_engine(bare_url: str, level: str) -> None:
    """The tables are created with any isolation level of the host's engine."""
    engine = create_engine(bare_url, isolation_level=level)
    ledger = SQLLedger(engine)
    ledger.upgrade()
    handle(ledger)
    engine.dispose()


@pytest.mark.parametrize("kind", ["postgresql"])
def test_listener_that_queries(bare_url: str) -> None:
    """An engine works with a listener that queries the database at every checkout."""
    engine = create_engine(bare_url)

    @event.listens_for(engine, "checkout")
    def set_timeout(connection: Any, *_: object) -> None:
        connection.execute("SET statement_timeout = 10000")

    ledger = SQLLedger(engine)
    ledger.upgrade()
    handle(ledger)
    assert [found.state for found in ledger.events()] == [State.DONE]
    engine.dispose()
