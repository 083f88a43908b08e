"""Servers with other settings: what the ledger works with, and what it says about the rest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.pool import NullPool

from flask_fd_whatsapp import ConfigurationError, FreshdeskWhatsApp
from flask_fd_whatsapp.exceptions import LedgerUnavailable
from flask_fd_whatsapp.ledger import State, Unusable
from flask_fd_whatsapp.ledger.sql import SQLLedger

from ..answers import assert_problem, assert_result, client_of
from ..conftest import SAMPLES, URL, MakeApp, Payload
from .databases import server_url
from .entries import RECEIVER

EMOJI = "Ada \N{PARTY POPPER}"


@pytest.fixture(params=["postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """PostgreSQL, unless a test chooses another."""
    return str(request.param)


@pytest.fixture
def administrator(bare_url: str) -> Iterator[Engine]:
    engine = create_engine(bare_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    yield engine
    engine.dispose()


def set_all(administrator: Engine, **settings: str) -> None:
    """Give each later session in the database these settings."""
    with administrator.connect() as connection:
        for name, value in settings.items():
            connection.exec_driver_sql(
                f"ALTER DATABASE {administrator.url.database} SET {name} TO {value}"
            )


def assert_works(app: Flask, payload: Payload) -> None:
    """Exercise events, duplicates, queries, quarantine and pruning."""
    ledger: SQLLedger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    ledger.upgrade()
    client = client_of(app)
    for name in SAMPLES:
        for result in ("accepted", "duplicate"):
            body = payload(name, actor={"name": EMOJI})
            assert_result(client.post(URL, json=body), result)
    for found in ledger.events():
        assert (found.state, found.timestamp.year) == (State.DONE, 2025)
        assert found.received_at.tzinfo is UTC
    unusable = Unusable(
        receiver=RECEIVER, body=b"\xff\\", reason="not_json", detail="'", headers={}
    )
    ledger.quarantine.keep(unusable, at_most=10)
    (kept,) = ledger.quarantined()
    assert ledger.quarantine.body(kept.id) == b"\xff\\"
    assert ledger.prune(before=datetime.max.replace(tzinfo=UTC), limit=10) > 0
    assert ledger.check() == []
    ledger.engine.dispose()


@pytest.mark.parametrize("of", ["own", "host"])
@pytest.mark.parametrize(
    "settings",
    [
        {"DateStyle": "'SQL, DMY'"},
        {"DateStyle": "'German'", "IntervalStyle": "'sql_standard'"},
        {"search_path": "events, public"},
        {"default_transaction_isolation": "'serializable'"},
        {"default_transaction_isolation": "'repeatable read'", "TimeZone": "'Asia/Kolkata'"},
        {"standard_conforming_strings": "off", "bytea_output": "'escape'"},
        {"client_encoding": "'LATIN1'"},
    ],
    ids=lambda settings: ",".join(settings),
)
def test_works_with_any_default_of_postgresql(
    bare_url: str,
    administrator: Engine,
    make_app: MakeApp,
    payload: Payload,
    settings: dict[str, str],
    of: str,
) -> None:
    """Everything works with any defaults of PostgreSQL, even on the host's engine."""
    with administrator.connect() as connection:
        connection.exec_driver_sql("CREATE SCHEMA events")
    set_all(administrator, **settings)
    if of == "own":
        app = make_app(LEDGER_URL=bare_url)
    elif "client_encoding" in settings:
        with pytest.raises(LedgerUnavailable, match=r"client_encoding is LATIN1.* set it to utf8"):
            SQLLedger(create_engine(bare_url, poolclass=NullPool)).upgrade()
        return
    else:
        app = make_app(FreshdeskWhatsApp(ledger=SQLLedger(create_engine(bare_url))))
    assert_works(app, payload)


@pytest.mark.parametrize("kind", ["mariadb"])
@pytest.mark.parametrize(
    "command",
    [
        "SET SESSION sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,STRICT_TRANS_TABLES'",
        "SET SESSION sql_mode = 'NO_BACKSLASH_ESCAPES'",
        "SET SESSION time_zone = '+05:30'",
        "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
    ],
)
def test_mariadb_settings(bare_url: str, make_app: MakeApp, payload: Payload, command: str) -> None:
    """Everything works with any defaults of MariaDB."""
    url = make_url(bare_url).update_query_dict({"init_command": command})
    assert_works(make_app(LEDGER_URL=url.render_as_string(hide_password=False)), payload)


def test_latin1_database(bare_url: str, administrator: Engine, make_app: MakeApp) -> None:
    """A database that lacks characters is an error with the remedy before anything is stored."""
    name = f"{make_url(bare_url).database}_latin1"
    with administrator.connect() as connection:
        connection.exec_driver_sql(
            f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
        )
    try:
        url = make_url(bare_url).set(database=name).render_as_string(hide_password=False)
        assert_refused(make_app(LEDGER_URL=url), "encoding is LATIN1", "ENCODING 'UTF8'")
    finally:
        with administrator.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("kind", ["mariadb"])
@pytest.mark.parametrize("mode", ["SIMULTANEOUS_ASSIGNMENT", "EMPTY_STRING_IS_NULL", "ORACLE"])
def test_mariadb_mode(bare_url: str, make_app: MakeApp, mode: str) -> None:
    """A mode with which the ledger's statements mean something else is an error with the remedy."""
    command = f"SET SESSION sql_mode = 'STRICT_TRANS_TABLES,{mode}'"
    url = make_url(bare_url).update_query_dict({"init_command": command})
    app = make_app(LEDGER_URL=url.render_as_string(hide_password=False))
    assert_refused(app, f"sql_mode contains {mode}", "init_command=SET SESSION sql_mode")


@pytest.mark.parametrize("kind", ["mariadb"])
def test_mariadb_charset(bare_url: str, make_app: MakeApp, payload: Payload) -> None:
    """A connection that lacks characters is an error with the remedy, and loses nothing."""
    right = make_app(LEDGER_URL=bare_url)
    ledger: SQLLedger = right.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    ledger.upgrade()
    for charset in ("utf8", "utf8mb3", "latin1"):
        url = make_url(bare_url).update_query_dict({"charset": charset})
        app = make_app(LEDGER_URL=url.render_as_string(hide_password=False))
        assert_refused(app, "character set is", "charset=utf8mb4")
    assert ledger.events() == []
    assert_result(client_of(right).post(URL, json=payload(actor={"name": EMOJI})), "accepted")
    ledger.engine.dispose()


def assert_refused(app: Flask, mistake: str, remedy: str) -> None:
    """First use, ``upgrade`` and ``check`` report the same."""
    ledger: SQLLedger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    for use in (ledger.upgrade, ledger.check, ledger.events):
        with pytest.raises(LedgerUnavailable) as caught:
            use()
        assert mistake in str(caught.value)
        assert remedy in str(caught.value)
    body = {"account_id": EMOJI}
    assert_problem(client_of(app).post(URL, json=body), 503, "30")
    ledger.engine.dispose()


@pytest.mark.parametrize(
    ("kind", "setting", "value"),
    [("postgresql", "synchronous_commit", "off")],
)
def test_forgetful_setting_is_a_doubt(
    bare_url: str, administrator: Engine, setting: str, value: str
) -> None:
    """A setting that can lose acknowledged events is a warning with the remedy."""
    set_all(administrator, **{setting: value})
    ledger = SQLLedger.from_url(bare_url, Flask("host"))
    ledger.upgrade()
    (doubt,) = ledger.check()
    assert f"{setting} is {value}: set it to on" in doubt
    ledger.engine.dispose()


@pytest.mark.parametrize("kind", ["postgresql"])
@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(hours=-1)])
def test_clock_that_differs_is_a_doubt(
    sql_ledger: SQLLedger, monkeypatch: pytest.MonkeyPatch, ahead: timedelta
) -> None:
    """A server whose clock is not this machine's is a warning with the remedy."""
    assert sql_ledger.check() == []
    of_server = sql_ledger.database.read_clock
    monkeypatch.setattr(sql_ledger.database, "read_clock", lambda here: of_server(here) + ahead)
    (doubt,) = sql_ledger.check()
    assert re.search(r"clock and this machine's differ by 3,(600|599) seconds: synchronise", doubt)


@pytest.mark.parametrize("url", ["mariadb+pymysql", "mysql+pymysql"])
@pytest.mark.parametrize("version", ["8.0.36", "10.5.23-MariaDB"])
@pytest.mark.parametrize("kind", ["mariadb"])
def test_not_mariadb(bare_url: str, url: str, version: str) -> None:
    """MySQL, and an old MariaDB, are refused with the requirement."""
    engine = create_engine(make_url(bare_url).set(drivername=url))

    @event.listens_for(engine, "before_cursor_execute", retval=True)
    def pretend(_: object, cursor: object, statement: str, values: object, *rest: object) -> object:
        return statement.replace("VERSION()", f"'{version}'"), values

    with pytest.raises(LedgerUnavailable, match=r"MariaDB 10\.6 or later") as caught:
        SQLLedger(engine).upgrade()
    assert version in str(caught.value)
    engine.dispose()


def test_unknown_dialect() -> None:
    """An engine for an unknown database is an error that names the known ones."""
    engine = create_engine(server_url("postgresql"))
    engine.dialect.name = "oracle"
    with pytest.raises(ConfigurationError, match=r"'oracle'.* sqlite, postgresql, mariadb, mysql"):
        SQLLedger(engine)
