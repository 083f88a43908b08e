from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import fields

import pytest

from flask_fd_whatsapp.ledger.sql.dialects.postgresql_statements import single_statements
from flask_fd_whatsapp.ledger.sql.statement_parameters import by_name, by_position

KEPT_BY_PSYCOPG = 4096


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("SELECT :first", (1,)),
        ("SELECT :second, :first, :second", (2, 1, 2)),
    ],
    ids=["one", "one twice"],
)
def test_by_position(text: str, row: tuple[int, ...]) -> None:
    """SQLite gets each parameter by position, as often as its name occurs."""
    with closing(sqlite3.connect(":memory:")) as connection:
        cursor = connection.cursor()
        by_position(text).execute(cursor, {"first": 1, "second": 2, "third": 3})
        assert cursor.fetchone() == row


def test_by_name() -> None:
    """The other drivers get the names in their own style, and the parameters as they are."""
    statement = by_name("SELECT :first, :second")
    values = {"first": 1, "second": 2}
    assert statement.text == "SELECT %(first)s, %(second)s"
    assert statement.ordered(values) is values


def test_statements_are_short_enough_for_psycopg() -> None:
    """No statement is so long that psycopg would parse its text each time."""
    statements = single_statements()
    texts = [getattr(statements, field.name).text for field in fields(statements)]
    assert max(map(len, texts)) < KEPT_BY_PSYCOPG
