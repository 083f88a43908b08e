"""What is different on MariaDB."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy import Engine, func, text

from .database import Database
from .statements import statements_for


class MariaDB(Database):
    """InnoDB, through PyMySQL or another driver that takes ``%(name)s``."""

    is_mariadb = True

    def __init__(self, engine: Engine, *, is_own: bool) -> None:
        super().__init__(engine, statements_for("mariadb"), is_own=is_own)

    def _insert_event(self, cursor: Any, values: Mapping[str, Any]) -> int | None:
        # There is no ON CONFLICT; InnoDB undoes only the statement that failed.
        with suppress(self.integrity_error):
            return super()._insert_event(cursor, values)
        return None

    def now(self, *, after: float = 0) -> Any:
        """The database's clock, for a query; or so many seconds later."""
        now = func.utc_timestamp(6)
        return func.timestampadd(text("SECOND"), after, now) if after else now
