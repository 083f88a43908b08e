"""Transactions that handle events, on a driver's connection."""

from __future__ import annotations

from typing import Any, Protocol

from sqlalchemy.exc import SQLAlchemyError

from ...exceptions import LedgerUnavailable


class HasTransactions(Protocol):
    """What a transaction needs from its database."""

    driver_error: type[Exception]

    def connect(self) -> Any:
        """A connection, with the methods that a pool's has."""
        ...

    def translate(self, error: Exception, connection: Any = None) -> LedgerUnavailable:
        """The ledger's error for one of the driver's or SQLAlchemy's."""
        ...


class Transaction:
    """Committed at the end of the ``with`` block, rolled back if that raises.

    The driver's errors are raised as :class:`LedgerUnavailable`.  A class, since a generator
    costs more.
    """

    def __init__(self, database: HasTransactions) -> None:
        self._database = database

    def __enter__(self) -> Any:
        try:
            self._connection = self._database.connect()
        except (self._database.driver_error, SQLAlchemyError) as error:
            raise self._database.translate(error) from error
        try:
            return self._begin(self._connection)
        except BaseException as error:
            self._drop(error)
            raise

    def _begin(self, connection: Any) -> Any:
        return connection.cursor()

    def _commit(self, connection: Any) -> None:
        connection.commit()

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is None:
            try:
                self._commit(self._connection)
            except BaseException as failure:
                self._drop(failure)
                raise
            self._connection.close()
        else:
            self._drop(error)

    def _drop(self, error: BaseException) -> None:
        """Close the connection; raise a driver's error as the ledger's."""
        database, connection = self._database, self._connection
        try:
            if isinstance(error, database.driver_error):
                raise database.translate(error, connection.driver_connection) from error
        finally:
            connection.invalidate()
