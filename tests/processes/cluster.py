"""A PostgreSQL server for one test, which can be stopped and started."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from ..ports import free_port
from .waiting import TIMEOUT

USERS = ("postgres", "nobody")
"""Whom it runs as where the tests run as root, which PostgreSQL refuses."""


class Cluster:
    """One that listens on a Unix socket in *folder*, and on a port of 127.0.0.1 if it has one."""

    def __init__(
        self, programs: Path, folder: Path, user: int | None, port: int | None = None
    ) -> None:
        self.url = f"postgresql+psycopg://postgres@/postgres?host={folder}"
        self.port = port
        self._programs = programs
        self._folder = folder
        self._user = user

    def create(self) -> None:
        self._run("initdb", "--auth=trust", "--username=postgres", "--no-sync")

    def create_standby_of(self, primary: Cluster) -> None:
        """Make it follow *primary*, which is running."""
        source = f"host=127.0.0.1 port={primary.port} user=postgres"
        self._run(
            "pg_basebackup", "--write-recovery-conf", "--checkpoint=fast", f"--dbname={source}"
        )

    def start(self, **settings: str) -> None:
        settings |= {"unix_socket_directories": str(self._folder), "listen_addresses": ""}
        if self.port is not None:
            settings |= {"port": str(self.port), "listen_addresses": "127.0.0.1"}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        self._run("pg_ctl", "start", "--wait", f"--log={self._folder}/log", f"--options={options}")

    def promote(self) -> None:
        """Let a standby take writes."""
        self._run("pg_ctl", "promote", "--wait")

    def stop(self, mode: str) -> None:
        """:param mode: ``fast``, or ``immediate`` for a crash."""
        self._run("pg_ctl", "stop", "--wait", f"--mode={mode}")

    def is_running(self) -> bool:
        return (self._folder / "data" / "postmaster.pid").exists()

    def _run(self, program: str, *arguments: str) -> None:
        command = [self._programs / program, f"--pgdata={self._folder}/data", *arguments]
        with (self._folder / "output").open("a+") as output:
            done = subprocess.run(
                command,
                cwd=self._folder,
                user=self._user,
                stdout=output,
                stderr=output,
                timeout=TIMEOUT,
                check=False,
            )
            output.seek(0)
            assert done.returncode == 0, output.read()


@contextmanager
def fresh_cluster() -> Generator[Cluster]:
    """A running cluster; skips the test where there can be none."""
    with _cluster() as cluster:
        cluster.create()
        cluster.start()
        yield cluster


@contextmanager
def fresh_pair() -> Generator[tuple[Cluster, Cluster]]:
    """A primary and its standby, with synchronous replication."""
    with _cluster(free_port()) as primary, _cluster(free_port()) as standby:
        primary.create()
        primary.start(wal_level="replica")
        standby.create_standby_of(primary)
        standby.start()
        primary.stop("fast")
        primary.start(synchronous_standby_names="*")
        yield primary, standby


@contextmanager
def _cluster(port: int | None = None) -> Generator[Cluster]:
    # Not in tmp_path: another user has to reach it, and a socket's path has to be short.
    with tempfile.TemporaryDirectory(prefix="fdw") as name:
        user = _user()
        if user is not None:
            os.chown(name, user, -1)
        cluster = Cluster(_programs(), Path(name), user, port)
        try:
            yield cluster
        finally:
            if cluster.is_running():
                cluster.stop("immediate")


def _programs() -> Path:
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for place in places:
        if (place / "initdb").exists() and (place / "pg_ctl").exists():
            return place
    return _give_up("PostgreSQL's initdb and pg_ctl are not installed here.")


def _user() -> int | None:
    if os.geteuid() != 0:
        return None
    for name in USERS:
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    return _give_up(f"PostgreSQL does not run as root, and there is no user {' or '.join(USERS)}.")


def _give_up(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} With CI=true this test is not skipped.")
    pytest.skip(reason)
