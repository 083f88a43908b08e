"""How many rows a database reads to answer a statement, according to itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Engine


def rows_read(engine: Engine, statement: str, parameters: Any) -> int:
    """Run a driver's statement, roll it back, and give the rows (or SQLite's steps) it took.

    :raises AssertionError: if it goes through a whole table that has no index for it.
    """
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        if engine.dialect.name == "sqlite":
            return _sqlite(connection.driver_connection, cursor, statement, parameters)
        if engine.dialect.name == "postgresql":
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
            return max(_postgresql(cursor.fetchone()[0][0]["Plan"]))
        cursor.execute(f"ANALYZE FORMAT=JSON {statement}", parameters)
        return max(_mariadb(json.loads(cursor.fetchone()[0])), default=0)
    finally:
        connection.rollback()
        connection.close()


def _sqlite(driver: Any, cursor: Any, statement: str, parameters: Any) -> int:
    cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
    plan = [(row[1], row[3]) for row in cursor.fetchall()]
    sorts = {parent for parent, line in plan if "TEMP B-TREE" in line}
    for parent, line in plan:
        # Without sorting, the table itself is the index, read from its end.
        if line.startswith("SCAN fd_whatsapp") and "INDEX" not in line:
            assert parent not in sorts, plan
    steps = [0]

    def count() -> None:
        steps[0] += 1

    driver.set_progress_handler(count, 1)
    cursor.execute(statement, parameters)
    cursor.fetchall()
    driver.set_progress_handler(None, 0)
    return steps[0] // 10  # about the size of a row


def _postgresql(node: dict[str, Any]) -> Iterator[int]:
    read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
    yield int(read * node["Actual Loops"])
    for part in node.get("Plans", []):
        yield from _postgresql(part)


def _mariadb(part: Any) -> Iterator[int]:
    if isinstance(part, dict):
        if "access_type" in part and part.get("r_rows") is not None:
            yield int(part["r_rows"] * part.get("r_loops", 1))
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from _mariadb(inner)
