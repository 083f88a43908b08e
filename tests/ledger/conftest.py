from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Engine, create_engine, exists, literal, select, union_all

from flask_fd_whatsapp.ledger import Ledger
from flask_fd_whatsapp.ledger.sql import SQLLedger, metadata
from flask_fd_whatsapp.ledger.sql.migrate import revisions

from .databases import KINDS, fresh_database
from .entries import new_memory_ledger

LEDGERS = ("memory", *KINDS)
REVISIONS = revisions()

FULL_TABLES = union_all(
    *(select(literal(table.name)).where(exists(table.select())) for table in metadata.sorted_tables)
)

Shared = Callable[[str], SQLLedger]


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """The session's ledger in a kind of database, made when first asked for; it may be full."""
    ledgers: dict[str, SQLLedger] = {}
    with ExitStack() as stack:

        def ledger_of(kind: str) -> SQLLedger:
            if kind not in ledgers:
                directory = tmp_path_factory.mktemp("ledger")
                url = stack.enter_context(fresh_database(kind, directory))
                ledgers[kind] = SQLLedger.from_url(url, Flask("host"))
                stack.callback(ledgers[kind].engine.dispose)
                ledgers[kind].upgrade()
            wipe(ledgers[kind])
            return ledgers[kind]

        yield ledger_of


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of database."""
    return str(request.param)


@pytest.fixture
def sql_ledger(kind: str, shared: Shared) -> SQLLedger:
    """An empty ledger in each kind of database."""
    return shared(kind)


@pytest.fixture
def engine(sql_ledger: SQLLedger) -> Engine:
    return sql_ledger.engine


@pytest.fixture
def url(engine: Engine) -> str:
    """The URL of ``sql_ledger``'s database."""
    return engine.url.render_as_string(hide_password=False)


@pytest.fixture
def bare_url(kind: str, tmp_path: Path) -> Iterator[str]:
    """A database with nothing in it, not even tables."""
    with fresh_database(kind, tmp_path) as url:
        yield url


@pytest.fixture(params=LEDGERS)
def ledger(request: pytest.FixtureRequest, shared: Shared) -> Ledger:
    """An empty ledger of each kind."""
    return new_memory_ledger() if request.param == "memory" else shared(request.param)


@pytest.fixture
def bare(bare_url: str) -> Iterator[Engine]:
    """An engine of a database with nothing in it."""
    engine = create_engine(bare_url)
    yield engine
    engine.dispose()


def wipe(ledger: SQLLedger) -> None:
    """Remove whatever an earlier test left."""
    with ledger.database.writing() as connection:
        full = set(connection.scalars(FULL_TABLES))
        for table in reversed(metadata.sorted_tables):
            if table.name in full:
                connection.execute(table.delete())
