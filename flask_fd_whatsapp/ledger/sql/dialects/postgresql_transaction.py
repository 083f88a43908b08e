"""Transactions of PostgreSQL: autocommit, or several statements together."""

from __future__ import annotations

from typing import Any

from ..transactions import Transaction


class Autocommit(Transaction):
    """Each statement in its own transaction."""

    def _begin(self, connection: Any) -> Any:
        driver = connection.driver_connection
        self._did_before = driver.autocommit  # a kept one, or one of the host's in that mode
        if not self._did_before:
            driver.commit()  # what a listener of the host began; else nothing is sent
            driver.autocommit = True
        return connection.cursor()

    def _commit(self, connection: Any) -> None:
        if not self._did_before:
            connection.driver_connection.autocommit = False


class Several(Autocommit):
    """Statements that commit together, at a level independent of the engine's."""

    def _begin(self, connection: Any) -> Any:
        cursor = super()._begin(connection)
        cursor.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
        return cursor

    def _commit(self, connection: Any) -> None:
        connection.cursor().execute("COMMIT")
        super()._commit(connection)
