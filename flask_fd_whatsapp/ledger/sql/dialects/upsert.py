"""Insert a row or update the one that is there, in one statement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Insert, Table
from sqlalchemy.dialects import mysql, postgresql, sqlite

from .base import Database


def upsert(
    database: Database,
    table: Table,
    key: Mapping[str, Any],
    first: Mapping[str, Any],
    again: Mapping[str, Any],
) -> Insert:
    """One statement: of two processes with the same key at once none may fail.

    :param key: the columns of a unique constraint.
    :param first: the other columns where there is no such row yet.
    :param again: what is set where there is.
    """
    if database.is_mariadb:
        return mysql.insert(table).values(**key, **first).on_duplicate_key_update(dict(again))
    make = sqlite.insert if database.is_sqlite else postgresql.insert
    statement = make(table).values(**key, **first)
    return statement.on_conflict_do_update(index_elements=list(key), set_=dict(again))
