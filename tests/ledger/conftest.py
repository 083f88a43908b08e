from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import Engine, create_engine

from flask_fd_whatsapp.ledger import Ledger
from flask_fd_whatsapp.ledger.sql import SQLLedger, metadata
from flask_fd_whatsapp.ledger.sql.migrate import upgrade

from .databases import KINDS, fresh_database
from .entries import new_memory_ledger

LEDGERS = ("memory", *KINDS)

Bases = Callable[[str], str]


@pytest.fixture(scope="session")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bases]:
    """The URL of the session's database of a kind, its tables there: made when first asked for."""
    urls: dict[str, str] = {}
    with ExitStack() as stack:

        def url_of(kind: str) -> str:
            if kind not in urls:
                directory = tmp_path_factory.mktemp("ledger")
                url = stack.enter_context(fresh_database(kind, directory))
                engine = create_engine(url)
                upgrade(engine)
                engine.dispose()
                urls[kind] = url
            return urls[kind]

        yield url_of


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of database."""
    return str(request.param)


@pytest.fixture
def url(kind: str, upgraded: Bases) -> str:
    """A database with the ledger's tables, and nothing in them."""
    url = upgraded(kind)
    engine = create_engine(url)
    wipe(engine)
    engine.dispose()
    return url


@pytest.fixture
def bare_url(kind: str, tmp_path: Path) -> Iterator[str]:
    """A database with nothing in it, not even tables."""
    with fresh_database(kind, tmp_path) as url:
        yield url


@pytest.fixture
def sql_ledger(url: str) -> Iterator[SQLLedger]:
    """An empty ledger in each kind of database."""
    ledger = SQLLedger.from_url(url, Flask("host"))
    yield ledger
    ledger.engine.dispose()


@pytest.fixture
def engine(sql_ledger: SQLLedger) -> Engine:
    return sql_ledger.engine


@pytest.fixture(params=LEDGERS)
def ledger(request: pytest.FixtureRequest, upgraded: Bases) -> Iterator[Ledger]:
    """An empty ledger of each kind."""
    if request.param == "memory":
        yield new_memory_ledger()
        return
    ledger = SQLLedger.from_url(upgraded(request.param), Flask("host"))
    wipe(ledger.engine)
    yield ledger
    ledger.engine.dispose()


def wipe(engine: Engine) -> None:
    """Take out whatever an earlier test left."""
    with engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
