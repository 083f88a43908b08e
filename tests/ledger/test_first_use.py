from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from flask_fd_whatsapp import FreshdeskWhatsApp
from flask_fd_whatsapp.exceptions import LedgerUnavailable
from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.sql.dialects.registry import engine_from_url
from flask_fd_whatsapp.ledger.sql.migrate import upgrade
from flask_fd_whatsapp.ledger.sql.schema_version import HEAD, VERSION_TABLE, revision

from ..answers import assert_problem, assert_result, client_of
from ..concurrency.threads import TIMEOUT
from ..conftest import URL, MakeApp, Payload
from .conftest import REVISIONS
from .databases import SERVERS
from .entries import POLICY, entry


@pytest.mark.parametrize("kind", SERVERS)
def test_not_upgraded(
    bare_url: str,
    make_app: MakeApp,
    payload: Payload,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A server's ledger without tables is a 503, and a CRITICAL line names the command, which
    helps.
    """
    app = make_app(LEDGER_URL=bare_url)
    client = client_of(app)
    assert_problem(client.post(URL, json=payload()), 503, "30")
    (record,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert "flask fd-whatsapp upgrade" in record.getMessage()
    ledger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    with pytest.raises(LedgerUnavailable, match=r"flask fd-whatsapp upgrade"):
        ledger.check()
    ledger.upgrade()
    assert ledger.check() == []
    assert_result(client.post(URL, json=payload()), "accepted")
    ledger.engine.dispose()


def be_newer(engine: Engine, oldest: str) -> None:
    """Mark the tables as upgraded by a later version, for code from *oldest* on."""
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
        connection.execute(
            text(f"UPDATE fd_whatsapp_compatibility SET oldest_revision = '{oldest}'")
        )


@pytest.mark.parametrize("upgrades", [False, True])
def test_newer_tables_that_this_code_works_with_are_used(bare: Engine, upgrades: bool) -> None:
    """Processes of the old version that start during a rolling deploy, or after, record events."""
    upgrade(bare)
    be_newer(bare, oldest=HEAD)
    ledger = SQLLedger(bare, upgrades=upgrades)
    assert ledger.record(entry(), POLICY).claim is not None
    assert ledger.check() == SQLLedger(bare, migrated_by_host=True).check()
    ledger.upgrade()
    assert revision(bare) == "9999"


@pytest.mark.parametrize("upgrades", [False, True])
def test_newer_tables_that_this_code_does_not_work_with_say_so(
    bare: Engine, upgrades: bool
) -> None:
    """Incompatible tables of a later version are not used, and the message says so."""
    upgrade(bare)
    be_newer(bare, oldest="9999")
    ledger = SQLLedger(bare, upgrades=upgrades)
    for use in (ledger.upgrade, ledger.check, lambda: ledger.record(entry(), POLICY)):
        with pytest.raises(LedgerUnavailable, match=f"newer than this version.*9999.*{HEAD}"):
            use()


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize("start", ["base", *REVISIONS])
def test_own_file_at_first_use(
    bare_url: str, bare: Engine, make_app: MakeApp, payload: Payload, start: str
) -> None:
    """The blueprint's own SQLite file is created, or upgraded, by the first event."""
    if start != "base":
        upgrade(bare, start)
    app = make_app(LEDGER_URL=bare_url)
    assert_result(client_of(app).post(URL, json=payload()), "accepted")
    app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger.engine.dispose()
    assert revision(bare) == HEAD


@pytest.mark.parametrize("is_absolute", [True, False])
def test_sqlite_path_is_relative_to_the_instance(
    tmp_path: Path, payload: Payload, is_absolute: bool
) -> None:
    """A SQLite path is relative to the instance folder, and nothing is created before first use."""
    instance = tmp_path / "instance"
    app = Flask("host", instance_path=str(instance))
    path = tmp_path / "elsewhere" / "l.db" if is_absolute else Path("ledger") / "l.db"
    app.config["FD_WHATSAPP_LEDGER_URL"] = f"sqlite:///{path}"
    app.config["FD_WHATSAPP_ALLOW_UNAUTHENTICATED"] = True
    app.register_blueprint(FreshdeskWhatsApp())
    assert list(tmp_path.iterdir()) == []
    assert_result(app.test_client().post(URL, json=payload()), "accepted")
    app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger.engine.dispose()
    files = {file for file in tmp_path.rglob("*") if file.is_file()}
    assert files == {instance / path, instance / f"{path}-turn"}


def test_new_file_that_several_use_at_once_refuses_none(tmp_path: Path) -> None:
    """Several processes can use a new SQLite file at once."""
    barrier = Barrier(4)
    app = Flask("host")  # not in the threads: Python 3.11's ast.parse, which it needs, has races

    def use(path: Path) -> None:
        engine = engine_from_url(f"sqlite:///{path}", app)
        barrier.wait(TIMEOUT)
        engine.connect().close()
        engine.dispose()

    with ThreadPoolExecutor(4) as pool:
        for number in range(100):
            using = [pool.submit(use, tmp_path / f"{number}.db") for _ in range(4)]
            for one in using:
                one.result(TIMEOUT)
