"""Creates and upgrades the tables with the packaged Alembic migrations.

One revision after the other, each with transactions of its own, while events are recorded by
processes of the previous version.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, Engine, text

from ...escaping import quoted
from ...exceptions import FreshdeskWhatsAppError, LedgerUnavailable
from ...log_fields import get_logger
from ..views import Upgraded
from .dialects.registry import kind_of
from .dialects.timeouts import patient
from .schema_version import HEAD, is_behind, require_usable, revision

if TYPE_CHECKING:
    from alembic.config import Config

logger = get_logger(__name__)

PATIENCE_SECONDS: Final = 120.0
"""How long to retry a lock that others hold."""

OTHER_SECONDS: Final = 600.0
"""How long to wait for another process that is upgrading."""

_MIGRATIONS: Final = Path(__file__).parent / "migrations"

_NOISY: Final = ("alembic.runtime.migration", "alembic.runtime.plugins")

# Alembic keeps its state in a module, so that two threads would interfere with each other.
_alembic: Final = threading.Lock()

Tell = Callable[[str], None]


def _say_nothing(_: str) -> None: ...


def upgrade(
    engine: Engine,
    to: str | None = None,
    *,
    tell: Tell | None = None,
    patience: float = PATIENCE_SECONDS,
) -> Upgraded:
    """Bring the tables to revision *to*, or the newest; of several processes at once, one does it.

    The others wait.  Tables at a later revision stay as they are.

    :param tell: called with each step, from several threads.
    :param patience: for how many seconds to retry locks that others hold.
    :raises FreshdeskWhatsAppError: if there is no such revision.
    :raises LedgerUnavailable: if a lock could not be obtained, or the tables are too new for
        this version of the package to work with.
    """
    if not _alembic.acquire(timeout=OTHER_SECONDS):
        raise LedgerUnavailable(_waited("Another thread", OTHER_SECONDS))
    try:
        with _without_alembics_lines():
            done = _upgrade(engine, to, tell or _say_nothing, patience)
    finally:
        _alembic.release()
    if done.before is None:
        logger.info("The ledger was created at revision %s.", done.after)
    elif done.before != done.after:
        logger.info("The ledger was upgraded from revision %s to %s.", done.before, done.after)
    if to is None and not is_behind(done.after):
        require_usable(engine)
    return done


def _upgrade(engine: Engine, to: str | None, tell: Tell, patience: float) -> Upgraded:
    from alembic import command

    known = revisions()
    if to is not None and to not in known:
        raise FreshdeskWhatsAppError(
            f"There is no revision {quoted(to)}: this version of the package knows "
            f"{', '.join(known)}."
        )
    with _alone(engine, tell, patience):
        before = revision(engine)
        if before is None:
            tell(f"creating the tables of revision {to or HEAD} ...")
            tell = _say_nothing  # empty tables are soon changed
        for step in known:
            if (before is None or before < step) and step <= (to or HEAD):
                tell(f"revision {step} ...")
                with _connected(engine, patience) as connection:
                    command.upgrade(config(connection, tell, patience), step)
        after = revision(engine) or ""
    return Upgraded(before=before, after=after, is_newer=after > HEAD)


def revisions() -> list[str]:
    """The known revisions, oldest first."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(config()).walk_revisions()
    return sorted(script.revision for script in scripts)


def config(
    connection: Connection | None = None,
    tell: Tell = _say_nothing,
    patience: float = PATIENCE_SECONDS,
) -> Config:
    """Alembic's configuration."""
    from alembic.config import Config

    made = Config()
    made.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    made.attributes.update(connection=connection, tell=tell, patience=patience)
    return made


@contextmanager
def _connected(engine: Engine, patience: float) -> Generator[Connection]:
    """A connection for one revision, with the lock that keeps others from writing if it uses one.

    The driver's time-out for answers is meant for requests, not for building an index.
    """
    from .migrations.online_ddl import patiently

    kind = kind_of(engine.dialect.name)
    lock = kind.changes.revision_lock
    with engine.connect() as connection, patient(connection, kind.time_out_attribute):
        if lock is not None:
            patiently(
                f"taking {kind.__name__}'s lock",
                lambda: connection.exec_driver_sql(lock),
                patience,
                kind,
            )
        yield connection
        connection.commit()


@contextmanager
def _alone(engine: Engine, tell: Tell, patience: float) -> Generator[None]:
    """Let one process upgrade at a time, unless each revision has a lock of its own anyway."""
    changes = kind_of(engine.dialect.name).changes
    lock = changes.upgrade_lock
    if lock is None:
        yield
        return
    # A separate connection, since a pooler runs transactions on whatever connection is free.
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        changes.before_upgrade_lock(connection)
        connection.detach()  # the host's pool may have room for only one
        if changes.keep_lock is not None:
            connection.execute(text(changes.keep_lock))
        deadline = time.monotonic() + OTHER_SECONDS
        is_told = False
        while not connection.scalar(text(lock)):
            if not is_told:
                tell("another process is upgrading the ledger: waiting for it ...")
                is_told = True
            if time.monotonic() >= deadline:
                raise LedgerUnavailable(_waited("Another process", OTHER_SECONDS))
            time.sleep(random.uniform(0.1, 0.5))  # noqa: S311 - no secret
        try:
            yield
        finally:
            connection.invalidate()
            with suppress(engine.dialect.loaded_dbapi.Error):
                driver.close()  # which also drops lock and settings


def _waited(who: str, seconds: float) -> str:
    return (
        f"{who} has been upgrading the ledger for {seconds:g} seconds: run `flask fd-whatsapp "
        "upgrade` again when it is done."
    )


@contextmanager
def _without_alembics_lines() -> Generator[None]:
    """Keep Alembic's messages about this thread's work out of the log."""
    me = threading.get_ident()

    def is_anothers(record: logging.LogRecord) -> bool:
        return record.thread != me

    loggers = [logging.getLogger(name) for name in _NOISY]
    for one in loggers:
        one.addFilter(is_anothers)
    try:
        yield
    finally:
        for one in loggers:
            one.removeFilter(is_anothers)
