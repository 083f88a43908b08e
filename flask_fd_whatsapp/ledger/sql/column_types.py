"""The types of the tables' columns, for every database.

Times are UTC.  Ids compare byte for byte on every database: MariaDB's default collation would
treat ``a`` and ``A`` as equal.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, LargeBinary, String, Text
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeDecorator, TypeEngine


class UTCDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime with microseconds; naive UTC where a database has no time zones."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(DateTime(timezone=True))
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment if dialect.name == "postgresql" else moment.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def text(length: int) -> TypeEngine[str]:
    """Text of at most *length* characters, short enough to index."""
    mariadb = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_nopad_bin")
    return String(length).with_variant(mariadb, "mysql", "mariadb")


def long_text() -> TypeEngine[str]:
    """Text of any length that is accepted."""
    mariadb = mysql.MEDIUMTEXT(charset="utf8mb4", collation="utf8mb4_nopad_bin")
    return Text().with_variant(mariadb, "mysql", "mariadb")


def binary() -> TypeEngine[bytes]:
    """Bytes of any length that is accepted."""
    return LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")


def key() -> TypeEngine[int]:
    """A number that the database assigns."""
    return BigInteger().with_variant(Integer(), "sqlite")


def digest() -> TypeEngine[bytes]:
    """Sixteen bytes."""
    return LargeBinary(16).with_variant(mysql.BINARY(16), "mysql", "mariadb")
