"""Transactions of PostgreSQL: a statement that commits by itself, or several together."""

from __future__ import annotations

from typing import Any

from ..transactions import Transaction


class Autocommit(Transaction):
    """Each statement commits by itself."""

    def _begin(self, connection: Any) -> Any:
        driver = connection.driver_connection
        self._did_before = driver.autocommit  # a kept one, or of an engine of the host's set to it
        if not self._did_before:
            driver.commit()  # what a listener of the host's began; else nothing is sent
            driver.autocommit = True
        return connection.cursor()

    def _commit(self, connection: Any) -> None:
        if not self._did_before:
            connection.driver_connection.autocommit = False


class Several(Autocommit):
    """Statements that commit together, at a level that is not left to the engine."""

    def _begin(self, connection: Any) -> Any:
        cursor = super()._begin(connection)
        cursor.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
        return cursor

    def _commit(self, connection: Any) -> None:
        connection.cursor().execute("COMMIT")
        super()._commit(connection)
