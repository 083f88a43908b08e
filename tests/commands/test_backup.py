from __future__ import annotations

import errno
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.sql.dialects import sqlite_backup

from ..conftest import MakeApp
from .conftest import Post, RunCommand, RunJSON, ledger_of, states


def test_backup_has_what_was_acknowledged(
    durable: Flask, run_json: RunJSON, post: Post, make_app: MakeApp, tmp_path: Path
) -> None:
    """A backup has every event, even those still in the write-ahead log, and can be opened
    alone.
    """
    for number in range(5):
        post(durable, data__message_id=f"M{number}")
    made = run_json(durable, "backup", str(tmp_path / "backup.db"))
    size = (tmp_path / "backup.db").stat().st_size
    assert made == {"file": str(tmp_path / "backup.db"), "bytes": size}
    (tmp_path / "elsewhere").mkdir()
    shutil.move(tmp_path / "backup.db", tmp_path / "elsewhere")
    restored = make_app(LEDGER_URL=f"sqlite:///{tmp_path}/elsewhere/backup.db")
    assert states(restored) == states(durable) == {f"M{number}": "done" for number in range(5)}
    assert ledger_of(restored).check() == []
    ledger_of(restored).engine.dispose()  # type: ignore[attr-defined]


def test_backup_under_writes_is_of_one_moment(
    durable: Flask, run: RunCommand, post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events recorded while it copies do not wait, and are not in the backup."""
    post(durable, data__message_id="before")
    monkeypatch.setattr(sqlite_backup, "PAGES", 5)
    answers: list[str] = []
    real = sqlite_backup.write_backup

    def write(driver: Any, path: Path, tell: Any) -> None:
        def tell_and_post(done: int, total: int) -> None:
            thread = threading.Thread(
                target=lambda: answers.append(post(durable, data__message_id=f"M{done}"))
            )
            thread.start()
            thread.join()

        real(driver, path, tell_and_post)

    monkeypatch.setattr("flask_fd_whatsapp.ledger.sql.dialects.sqlite.write_backup", write)
    assert run(durable, "backup", str(tmp_path / "backup.db")).exit_code == 0
    assert len(answers) > 3
    assert set(answers) == {"accepted"}
    restored = SQLLedger.from_url(f"sqlite:///{tmp_path}/backup.db", durable)
    assert [one.message_id for one in restored.events()] == ["before"]
    restored.engine.dispose()


def test_file_that_exists_is_kept(durable: Flask, run: RunCommand, tmp_path: Path) -> None:
    """No file is overwritten, neither an older backup nor the ledger itself."""
    ledger_of(durable).events()
    before = (tmp_path / "ledger.db").read_bytes()
    result = run(durable, "backup", str(tmp_path / "ledger.db"))
    assert (result.exit_code, result.stderr.endswith("choose a file that does not.\n")) == (1, True)
    assert (tmp_path / "ledger.db").read_bytes() == before


def while_backing_up(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let *act* be called once the pages are being copied."""
    real = sqlite_backup.write_backup

    def write(driver: Any, path: Path, tell: Any) -> None:
        real(driver, path, lambda done, total: act() and None)

    monkeypatch.setattr("flask_fd_whatsapp.ledger.sql.dialects.sqlite.write_backup", write)


def test_file_that_comes_meanwhile_is_kept(
    durable: Flask, run: RunCommand, post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If two backups with one name run at once, the first to finish stays, and nothing is left
    over.
    """
    post(durable)
    folder = tmp_path / "backups"
    folder.mkdir()
    while_backing_up(monkeypatch, lambda: (folder / "one.db").write_text("another's"))
    result = run(durable, "backup", str(folder / "one.db"))
    assert (result.exit_code, "one.db exists" in result.stderr) == (1, True)
    assert [(one.name, one.read_text()) for one in folder.iterdir()] == [("one.db", "another's")]


def test_backup_is_on_disk_before_it_has_its_name(
    durable: Flask, run: RunCommand, post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is synced before it gets its name, and its folder afterwards."""
    post(durable)
    file, steps = tmp_path / "backups" / "one.db", []
    file.parent.mkdir()

    def note(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        steps.append(("folder" if is_folder else "file", file.exists()))

    monkeypatch.setattr("os.fsync", note)
    assert run(durable, "backup", str(file)).exit_code == 0
    assert steps == [("file", False), ("folder", True)]


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP])
def test_backup_on_a_share_without_hard_links(
    durable: Flask,
    run: RunCommand,
    post: Post,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    """A backup also works without hard links, and where a folder cannot be synced."""
    post(durable)
    fsync = os.fsync

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    def sync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        fsync(descriptor)

    monkeypatch.setattr("os.link", refuse)
    monkeypatch.setattr("os.fsync", sync)
    folder = tmp_path / "backups"
    folder.mkdir()
    result = run(durable, "backup", str(folder / "one.db"))
    assert (result.exit_code, result.stderr) == (0, "")
    (file,) = folder.iterdir()
    with closing(sqlite3.connect(file)) as copied:
        assert copied.execute("SELECT count(*) FROM fd_whatsapp_event").fetchone() == (1,)
    while_backing_up(monkeypatch, lambda: (folder / "two.db").write_text("another's"))
    assert run(durable, "backup", str(folder / "two.db")).exit_code == 1
    assert (folder / "two.db").read_text() == "another's"


def test_backup_that_is_killed_has_no_name(
    durable: Flask, run: RunCommand, post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backup that was killed half way leaves no file with its name, and can be repeated."""
    post(durable)
    file = tmp_path / "backups" / "one.db"
    file.parent.mkdir()
    code = """
import os, signal, sys
from pathlib import Path
import sqlite3
from flask_fd_whatsapp.ledger.sql.dialects.sqlite_backup import write_backup
driver = sqlite3.connect(sys.argv[1])
write_backup(driver, Path(sys.argv[2]), lambda *_: os.kill(os.getpid(), signal.SIGKILL))
"""
    command = [sys.executable, "-c", code, str(tmp_path / "ledger.db"), str(file)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    left = list(file.parent.iterdir())
    assert left
    assert all(one.name.startswith(".one.db-") for one in left)
    assert run(durable, "backup", str(file)).exit_code == 0


def test_only_its_owner_reads_a_backup(durable: Flask, run: RunCommand, tmp_path: Path) -> None:
    """A backup is readable by its owner only, and leaves nothing else behind."""
    (tmp_path / "backups").mkdir()
    run(durable, "backup", str(tmp_path / "backups" / "one.db"))
    (made,) = (tmp_path / "backups").iterdir()
    assert (made.name, stat.S_IMODE(made.stat().st_mode)) == ("one.db", 0o600)


def test_folder_that_is_not_there(durable: Flask, run: RunCommand, tmp_path: Path) -> None:
    """A file that cannot be written is one clear line."""
    result = run(durable, "backup", str(tmp_path / "none" / "one.db"))
    assert result.exit_code == 1
    assert "cannot be written: FileNotFoundError" in result.stderr


def test_ledger_in_memory(make_app: MakeApp, run: RunCommand, tmp_path: Path) -> None:
    """An in-memory ledger cannot be backed up, which is an error."""
    result = run(make_app(), "backup", str(tmp_path / "one.db"))
    assert (result.exit_code, "in memory" in result.stderr) == (1, True)
