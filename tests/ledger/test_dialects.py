"""Differences between databases are in each database's module, and nowhere else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.ddl.sqlite import SQLiteImpl
from flask import Flask
from sqlalchemy import create_engine
from sqlalchemy.dialects import registry as installed
from sqlalchemy.dialects.sqlite.base import SQLiteTypeCompiler
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

import flask_fd_whatsapp
from flask_fd_whatsapp import ConfigurationError
from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.sql.dialects import registry
from flask_fd_whatsapp.ledger.sql.dialects.sqlite import SQLite
from flask_fd_whatsapp.ledger.sql.migrate import upgrade

from .databases import KINDS
from .entries import POLICY, entry

FOLDER = Path(flask_fd_whatsapp.__file__).parent
NAMES = ("sqlite", "postgres", "mariadb", "mysql", "psycopg")

MAY_NAME = {
    "ledger/sql/column_types.py",  # how each has a type
    "ledger/sql/tables/table_metadata.py",  # and a partial index
    "ledger/sql/dialects/registry.py",
    "ledger_urls.py",  # the URLs, which are read before SQLAlchemy is imported
}
OWN = ("mariadb", "postgresql", "psycopg", "sqlite")


class Types(SQLiteTypeCompiler):
    """Its keys count up by themselves if they are of this type."""

    def visit_BIGINT(self, type_: object, **_: object) -> str:  # noqa: N802 - SQLAlchemy's name
        return "INTEGER"


class MadeUp(SQLiteDialect_pysqlite):
    """A made-up database, which understands what SQLite does."""

    name = "made_up"
    supports_statement_cache = True
    type_compiler_cls = Types


class AlembicsPart(SQLiteImpl):
    """What Alembic has for each dialect."""

    __dialect__ = "made_up"


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its dialect is installed."""
    monkeypatch.setitem(installed.impls, "made_up", lambda: MadeUp)


def test_an_unknown_dialect_is_refused_and_the_known_ones_are_named(tmp_path: Path) -> None:
    """An engine for another database is an error that lists the known ones."""
    engine = create_engine(f"made_up:///{tmp_path}/ledger.db")
    with pytest.raises(ConfigurationError) as raised:
        SQLLedger(engine)
    text = str(raised.value)
    assert "'made_up'" in text
    assert "SQLite, PostgreSQL or MariaDB" in text
    assert all(name in text for name in (*KINDS, "mysql"))


def test_an_upgrade_of_an_unknown_dialect_is_refused(tmp_path: Path) -> None:
    """Nothing is created in an unsuitable database."""
    with pytest.raises(ConfigurationError, match="made_up"):
        upgrade(create_engine(f"made_up:///{tmp_path}/ledger.db"))


def test_a_new_database_is_one_class_and_its_name_in_the_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its class registered, a ledger is kept in it: nothing else asks for a name."""

    class Another(SQLite):
        dialects = ("made_up",)

    monkeypatch.setattr(registry, "_BY_DIALECT", {"made_up": Another})
    ledger = SQLLedger.from_url(f"made_up:///{tmp_path}/ledger.db", Flask("host"))
    assert isinstance(ledger.database, Another)
    claim = ledger.record(entry(), POLICY).claim
    assert claim is not None
    claim.succeeded("handler")
    assert ledger.message(entry().event.message_id) is not None
    ledger.engine.dispose()


def names_in(path: Path) -> Iterator[str]:
    """The places where code, not messages, depends on the database.

    That is an identifier with a database's name in it, or a text that is one.
    """
    for node in ast.walk(ast.parse(path.read_text())):
        found: list[str] = []
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found = [node.value] if " " not in node.value and "://" not in node.value else []
        elif isinstance(node, ast.Name):
            found = [node.id]
        elif isinstance(node, ast.Attribute):
            found = [node.attr]
        elif isinstance(node, ast.keyword | ast.arg):
            found = [node.arg or ""]
        elif isinstance(node, ast.ImportFrom | ast.Import):
            found = [alias.name for alias in node.names]
            found += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        yield from (one for one in found if any(name in one.lower() for name in NAMES))


def test_no_other_module_depends_on_which_database_it_is() -> None:
    """A database's name appears in its own modules, the registry, and column types only."""
    for path in FOLDER.rglob("*.py"):
        place = path.relative_to(FOLDER).as_posix()
        is_own = place.startswith("ledger/sql/dialects/") and path.name.startswith(OWN)
        is_migration = place.startswith("ledger/sql/migrations/versions/")
        if not (is_own or is_migration or place in MAY_NAME):
            assert not list(names_in(path)), place


def test_names_of_databases_are_found(tmp_path: Path) -> None:
    """The search finds a name that is compared with, imported, or part of an identifier."""
    path = tmp_path / "module.py"
    path.write_text(
        "from sqlalchemy.dialects import mysql\n"
        "if dialect.name == 'postgresql' or database.is_sqlite:\n"
        "    raise ValueError('Use MariaDB, as in sqlite:///ledger.db.')\n"
    )
    assert sorted(names_in(path)) == ["is_sqlite", "mysql", "postgresql"]
