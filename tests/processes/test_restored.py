"""Restoring as in docs/backup.md."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, make_url

from ..ledger.databases import KINDS, fresh_database
from .aftermath import Aftermath, prepare, recorded, sweep_all
from .burst import Client, make_burst
from .server import Server, running
from .waiting import TIMEOUT

EVENTS = 200

TOOLS = {
    "sqlite": (),
    "postgresql": ("pg_dump", "pg_restore"),
    "mariadb": ("mariadb-dump", "mariadb"),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    for tool in TOOLS[request.param]:
        if shutil.which(tool) is None:
            reason = f"{tool} is not installed."
            pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    return str(request.param)


@pytest.fixture
def url(kind: str, tmp_path: Path) -> Iterator[str]:
    """The database that is backed up."""
    with fresh_database(kind, tmp_path) as url:
        yield url


@pytest.fixture
def new_url(kind: str, tmp_path: Path) -> Iterator[str]:
    """An empty one."""
    with fresh_database(kind, tmp_path) as url:
        yield url


def run(*command: str, **options: object) -> None:
    subprocess.run(command, check=True, timeout=TIMEOUT, **options)  # type: ignore[call-overload]


def login(url: URL) -> list[str]:
    options = {"--host": url.host, "--port": url.port, "--user": url.username}
    return [f"{name}={value}" for name, value in options.items() if value is not None]


def environment(url: URL) -> dict[str, str]:
    password = str(url.password or "")
    return {**os.environ, "PGPASSWORD": password, "MYSQL_PWD": password}


def back_up(server: Server, kind: str, url: str, file: Path) -> None:
    """With the command in the page's table."""
    made = make_url(url)
    if kind == "sqlite":
        done = server.flask("backup", str(file))
        assert done.returncode == 0, done.stderr
        return
    tool, options = {
        "postgresql": ("pg_dump", ["--format=custom", f"--file={file}"]),
        "mariadb": ("mariadb-dump", ["--single-transaction", f"--result-file={file}"]),
    }[kind]
    run(tool, *login(made), *options, str(made.database), env=environment(made))


def restore(kind: str, file: Path, url: str) -> None:
    """Restore into an empty database; for SQLite, into a missing file."""
    made = make_url(url)
    if kind == "sqlite":
        file.rename(str(made.database))
    elif kind == "postgresql":
        run(
            "pg_restore",
            *login(made),
            f"--dbname={made.database}",
            str(file),
            env=environment(made),
        )
    else:
        with file.open() as dump:
            run("mariadb", *login(made), str(made.database), stdin=dump, env=environment(made))


def test_backup_in_a_burst_is_restored(tmp_path: Path, kind: str, url: str, new_url: str) -> None:
    """A backup made during a burst has everything acknowledged before it, and can be used.

    What came after it comes again; what is in it is known.
    """
    prepare(url)
    file = tmp_path / "backup"
    events = make_burst(EVENTS, random.Random(3))
    server = Server(tmp_path, {"LEDGER_URL": url, "LEASE_SECONDS": 1})
    with running(server):
        with Client(server.port, events[: EVENTS // 2]) as client:
            client.wait_for_more(EVENTS // 8)
            before = set(client.acknowledged)
            back_up(server, kind, url, file)
        assert not client.refused
        with Client(server.port, events[EVENTS // 2 :]) as client:
            pass
        server.stop()
    restore(kind, file, new_url)
    restored = Server(tmp_path, {"LEDGER_URL": new_url, "LEASE_SECONDS": 1})
    for command in ("upgrade", "check"):
        done = restored.flask(command)
        assert done.returncode == 0, done.stdout + done.stderr
    known = recorded(new_url)
    assert before <= known
    assert client.acknowledged - known
    with running(restored):
        with Client(restored.port, events) as again:
            pass
        sweep_all(restored, new_url)
    assert recorded(new_url) == {one.key for one in events}
    Aftermath(new_url, tmp_path).verify(again.acknowledged)
