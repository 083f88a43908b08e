from __future__ import annotations

import random
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from .aftermath import Aftermath, prepare
from .burst import Sent, make_event, post_once
from .hardship import fill, limit_file_size, obey_file_modes, small_disk
from .server import Server, running
from .waiting import wait_until

FIRST, SECOND = make_event("M1", "sent"), make_event("M1", "read")


@contextmanager
def serving(folder: Path, disk: Path, *, workers: int = 2) -> Generator[tuple[Server, Path]]:
    """A server whose ledger is on *disk*, and its file; checks the file in the end."""
    file = disk / "ledger.db"
    url = f"sqlite:///{file}"
    prepare(url)
    # A busy time-out much shorter than the default's five seconds.
    settings = {"LEDGER_URL": f"{url}?timeout=0.3"}
    with running(Server(folder, settings, workers=workers, prepare=obey_file_modes)) as server:
        yield server, file
        server.stop()
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    Aftermath(url, folder).verify({FIRST.key, SECOND.key})


@contextmanager
def kept_open(file: Path) -> Generator[None]:
    """Keep the WAL: closing a database last removes it, and could free space by chance."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("SELECT count(*) FROM fd_whatsapp_event").fetchone()
        yield


def accept(server: Server, *events: Sent) -> None:
    for event in events:
        assert post_once(server.port, event).body == {"result": "accepted"}


def refuse(server: Server, file: Path, reason: str) -> None:
    """The second event is answered with 503, logged, and leaves no trace."""
    before = contents(file)
    answer = post_once(server.port, SECOND)
    assert (answer.status, answer.retry_after) == (503, "30")
    lines = [line for line in server.log.splitlines() if "answered with 503" in line]
    assert lines
    assert all(line.startswith("The ledger cannot be used") for line in lines)
    assert all(reason in line for line in lines)
    assert "Traceback" not in server.log
    assert contents(file) == before


def contents(file: Path) -> list[str]:
    """All that is in the database, read without touching it."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return list(connection.iterdump())


def check_names(server: Server, reason: str) -> None:
    done = server.flask("check")
    assert done.returncode == 1, done.stdout
    errors = [line for line in done.stdout.splitlines() if line.startswith("Error: ")]
    assert [reason in error for error in errors] == [True], errors


def test_locked_file_is_503(tmp_path: Path) -> None:
    """A file locked by another process for too long is a 503, until it is released."""
    with serving(tmp_path, tmp_path) as (server, file):
        accept(server, FIRST)
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            refuse(server, file, "database is locked")
            check_names(server, "database is locked")
        accept(server, SECOND)


def test_used_up_quota_is_503(tmp_path: Path) -> None:
    """An exhausted quota is a 503, until it is raised."""
    with serving(tmp_path, tmp_path) as (server, file):
        accept(server, FIRST)
        with kept_open(file):
            used = Path(f"{file}-wal").stat().st_size
            for worker in server.workers():
                limit_file_size(worker, used)
            refuse(server, file, "disk I/O error")
            server.prepare = partial(limit_file_size, 0, used)
            check_names(server, "disk I/O error")
        for worker in server.workers():
            limit_file_size(worker, None)
        accept(server, SECOND)


def test_full_disk(tmp_path: Path) -> None:
    """A full disk is a 503, until there is room again."""
    with small_disk(tmp_path, megabytes=2) as disk, serving(tmp_path, disk) as (server, file):
        accept(server, FIRST)
        with kept_open(file):
            filler = fill(disk)
            refuse(server, file, "database or disk is full")
            check_names(server, "database or disk is full")
        filler.unlink()
        accept(server, SECOND)


@pytest.mark.parametrize("is_folder_too", [False, True], ids=["file", "folder"])
def test_read_only(tmp_path: Path, is_folder_too: bool) -> None:
    """An unwritable file is a 503, until it is writable; the server continues meanwhile."""
    disk = tmp_path / "disk"
    disk.mkdir()
    with serving(tmp_path, disk) as (server, file):
        file.chmod(0o444)
        if is_folder_too:
            disk.chmod(0o555)
        refuse(server, file, "attempt to write a readonly database")
        check_names(server, "attempt to write a readonly database")
        disk.chmod(0o755)
        file.chmod(0o644)
        accept(server, FIRST, SECOND)


def test_removed_file_is_not_made_anew(tmp_path: Path) -> None:
    """While the file is missing nothing is accepted and no new one created; once it is back, the
    server continues.
    """
    with serving(tmp_path, tmp_path, workers=1) as (server, file):
        accept(server, FIRST)
        remove(file)
        for _ in range(4):
            assert post_once(server.port, FIRST).status == 503
            assert not file.exists()
        assert f"The ledger's file {file} was removed while it was in use." in server.log
        assert server.flask("upgrade").returncode == 0
        prepare(f"sqlite:///{file}")
        accept_in_the_end(server, FIRST, SECOND)


@pytest.mark.parametrize("command", ["status", "check", "events", "retry", "prune", "upgrade"])
def test_moved_away(tmp_path: Path, command: str) -> None:
    """No command creates a new file while it is missing; put back, it has all accepted events."""
    with serving(tmp_path, tmp_path, workers=1) as (server, file):
        accept(server, FIRST)
        away, log = tmp_path / "away.db", Path(f"{file}-wal")
        logged = log.read_bytes()
        assert logged
        file.rename(away)
        assert post_once(server.port, SECOND).status == 503
        done = server.flask(command)
        assert done.returncode == 1
        told = done.stdout + done.stderr
        assert f"The ledger's file {file} was removed while it was in use." in told
        assert f"move {log.name} and {file.name}-shm away" in told
        assert not file.exists()
        assert log.read_bytes() == logged
        away.rename(file)
        accept(server, SECOND)


def test_moved_away_from_a_new_worker(tmp_path: Path) -> None:
    """A worker that starts while the file is missing creates no new one either."""
    with serving(tmp_path, tmp_path, workers=1) as (server, file), kept_open(file):
        accept(server, FIRST)
        away = tmp_path / "away.db"
        file.rename(away)
        (first,) = server.workers()
        server.kill_one(random.Random(0))
        wait_until(lambda: server.workers() not in ([], [first]), "there is another worker")
        assert post_once(server.port, SECOND).status == 503
        assert not file.exists()
        away.rename(file)
        accept(server, SECOND)


def test_emptied_file_is_not_taken_for_a_new_one(tmp_path: Path) -> None:
    """An empty file in its place, whose log SQLite would remove, is not accepted as a new one."""
    with serving(tmp_path, tmp_path, workers=1) as (server, file):
        accept(server, FIRST)
        away = tmp_path / "away.db"
        file.rename(away)
        file.touch()
        assert "was removed while it was in use" in server.flask("check").stdout
        assert Path(f"{file}-wal").stat().st_size
        away.rename(file)
        accept(server, SECOND)


def test_restored_file_is_written_to(tmp_path: Path) -> None:
    """After a restore under the running server, events go to the new file, even known ones."""
    with serving(tmp_path, tmp_path, workers=1) as (server, file):
        accept(server, FIRST)
        backup = tmp_path / "backup.db"
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("VACUUM INTO ?", (str(backup),))
        accept(server, SECOND)
        remove(file)
        backup.rename(file)
        accept_in_the_end(server, SECOND)
        assert f"The ledger's file {file} was replaced while it was in use." in server.log


@pytest.mark.parametrize(
    ("is_put_back", "result"), [(True, "duplicate"), (False, "accepted")], ids=["put back", "moved"]
)
def test_restored_beside_the_log_of_another(tmp_path: Path, is_put_back: bool, result: str) -> None:
    """A backup that is put beside the previous file's log is not used, and so stays whole."""
    with serving(tmp_path, tmp_path, workers=1) as (server, file):
        accept(server, FIRST)
        backup, away = tmp_path / "backup.db", tmp_path / "away.db"
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("VACUUM INTO ?", (str(backup),))
        accept(server, SECOND)
        whole = backup.read_bytes()
        file.rename(away)
        backup.rename(file)
        done = server.flask("retry")
        assert done.returncode == 1
        assert "ledger.db-wal beside it belongs to the previous file" in done.stdout + done.stderr
        assert [post_once(server.port, SECOND).status for _ in range(3)] == [503] * 3
        assert file.read_bytes() == whole
        if is_put_back:
            away.rename(file)
        else:
            Path(f"{file}-wal").unlink()
            Path(f"{file}-shm").unlink()
        assert answer_in_the_end(server, SECOND) == {"result": result}


def remove(file: Path) -> None:
    for path in (file, Path(f"{file}-wal"), Path(f"{file}-shm")):
        path.unlink(missing_ok=True)


def accept_in_the_end(server: Server, *events: Sent) -> None:
    for event in events:
        assert answer_in_the_end(server, event) == {"result": "accepted"}


def answer_in_the_end(server: Server, event: Sent) -> dict[str, Any]:
    """The body of the first 200: the worker may refuse an event as it notices."""
    answers = [post_once(server.port, event)]
    wait_until(
        lambda: answers[-1].status == 200 or answers.append(post_once(server.port, event)),
        "the event is answered with 200",
    )
    return answers[-1].body
