"""PostgreSQL, MariaDB and RabbitMQ: where they are, and a database or queue of a benchmark's own.

``FD_WHATSAPP_TEST_POSTGRESQL_URL``, ``..._MARIADB_URL`` and ``..._RABBITMQ_URL`` say where, as they
do for the tests.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from .command import NotMeasured

_POSTGRESQL = "FD_WHATSAPP_TEST_POSTGRESQL_URL"
_MARIADB = "FD_WHATSAPP_TEST_MARIADB_URL"
_RABBITMQ = "FD_WHATSAPP_TEST_RABBITMQ_URL"
_DEFAULT_URLS = {
    _POSTGRESQL: "postgresql+psycopg://postgres@127.0.0.1/test",
    _MARIADB: "mariadb+pymysql://root@127.0.0.1/test",
    _RABBITMQ: "amqp://guest:guest@127.0.0.1//",
}
_TIMEOUT_SECONDS = 5

CeleryConfig = dict[str, Any]


def fresh_postgresql() -> AbstractContextManager[str]:
    """The URL of an empty database, dropped at the end.

    :raises NotMeasured: if there is no server.
    """
    return _fresh(_POSTGRESQL, "DROP DATABASE {name} WITH (FORCE)")


def fresh_mariadb() -> AbstractContextManager[str]:
    """Likewise on MariaDB."""
    return _fresh(_MARIADB, "DROP DATABASE {name}")


@contextmanager
def _fresh(variable: str, drop: str) -> Generator[str]:
    from sqlalchemy import make_url

    name = f"fd_whatsapp_{secrets.token_hex(8)}"
    with _administrator(variable) as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    try:
        url = make_url(_url(variable)).set(database=name)
        yield url.render_as_string(hide_password=False)
    finally:
        with _administrator(variable) as connection:
            connection.exec_driver_sql(drop.format(name=name))


def about_postgresql() -> str:
    """Its version, and how sure it is of what it has committed."""
    names = ("server_version", "fsync", "synchronous_commit")
    with _administrator(_POSTGRESQL) as connection:
        values = [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in names]
    version, *settings = values
    settled = ", ".join(f"{name} {value}" for name, value in zip(names[1:], settings, strict=True))
    return f"PostgreSQL {version}, {settled}"


@contextmanager
def fresh_rabbitmq() -> Generator[CeleryConfig]:
    """Celery's configuration for an empty queue, deleted at the end.

    :raises NotMeasured: if there is no broker.
    """
    try:
        from celery import Celery
        from kombu.exceptions import OperationalError
    except ImportError as error:
        raise NotMeasured("Celery is not installed: pip install -e '.[all]'") from error
    name, url = f"fd_whatsapp_{secrets.token_hex(8)}", _url(_RABBITMQ)
    broker = Celery(broker=url, set_as_current=False)
    with broker.connection_for_write(connect_timeout=_TIMEOUT_SECONDS) as connection:
        try:
            connection.ensure_connection(max_retries=1)
        except OperationalError as error:
            raise _missing("RabbitMQ", connection.as_uri(), _RABBITMQ, error) from error
    try:
        yield {
            "broker_url": url,
            "task_default_queue": name,
            "worker_enable_remote_control": False,
        }
    finally:
        with broker.connection_for_write() as connection:
            connection.default_channel.queue_delete(name)
            connection.default_channel.exchange_delete(name)


@contextmanager
def _administrator(variable: str) -> Generator[Any]:
    server = "PostgreSQL" if variable == _POSTGRESQL else "MariaDB"
    try:
        from sqlalchemy import create_engine
        from sqlalchemy.exc import SQLAlchemyError
        from sqlalchemy.pool import NullPool

        engine = create_engine(
            _url(variable),
            isolation_level="AUTOCOMMIT",
            poolclass=NullPool,
            connect_args={"connect_timeout": _TIMEOUT_SECONDS},
        )
    except ImportError as error:
        raise NotMeasured(f"{server}'s driver is not installed: pip install -e '.[all]'") from error
    try:
        connection = engine.connect()
    except SQLAlchemyError as error:
        raise _missing(server, str(engine.url), variable, error) from error
    with connection:
        yield connection


def _url(variable: str) -> str:
    return os.environ.get(variable) or _DEFAULT_URLS[variable]


def _missing(what: str, where: str, variable: str, error: Exception) -> NotMeasured:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return NotMeasured(f"no {what} at {where} ({variable} says where): {reason}")
