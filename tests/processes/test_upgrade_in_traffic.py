from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from flask_fd_whatsapp.ledger.sql.migrate import revisions, upgrade
from flask_fd_whatsapp.ledger.sql.schema_version import HEAD, revision

from ..conftest import SAMPLES
from .aftermath import Aftermath
from .burst import Client, make_event, post_once
from .host import metadata
from .server import ROOT, Server, running
from .waiting import TIMEOUT

PREVIOUS = revisions()[-2]
EVENTS = 400


@pytest.fixture(scope="module")
def previous_version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package and its host application as they were before the newest revision."""
    introduced = git("log", "--reverse", "--format=%H", f'-SHEAD: Final = "{HEAD}"').split()
    if not introduced:
        give_up(f"The history goes back no further than revision {HEAD}.")
    folder = tmp_path_factory.mktemp("previous")
    archive = git_bytes("archive", f"{introduced[0]}^", "flask_fd_whatsapp", "tests")
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return folder


def git_bytes(*arguments: str) -> bytes:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("The previous version is in the repository's history, which is not here.")
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, timeout=TIMEOUT, check=False
    )
    if done.returncode:
        give_up(f"git {arguments[0]}: {done.stderr.decode()}")
    return done.stdout


def git(*arguments: str) -> str:
    return git_bytes(*arguments).decode()


def give_up(reason: str) -> None:
    if os.environ.get("CI") == "true" and (ROOT / ".git" / "shallow").exists():
        pytest.fail(f"{reason} With CI=true fetch the whole history (fetch-depth: 0).")
    pytest.skip(reason)


def test_the_previous_version_records_events_while_its_tables_are_upgraded(
    url: str, tmp_path: Path, previous_version: Path
) -> None:
    """No post is refused, no event is lost, and processes of the previous version can start."""
    engine = create_engine(url, poolclass=NullPool)
    upgrade(engine, PREVIOUS)
    metadata.create_all(engine)
    settings: dict[str, object] = {"LEDGER_URL": url}
    old = Server(tmp_path, settings, root=previous_version)
    new = Server(tmp_path, settings)
    # Of different messages: two concurrent ones of one message would get a 503.
    events = [make_event(f"M{number}", SAMPLES[number % 5]) for number in range(EVENTS)]
    with running(old):
        with Client(old.port, events, threads=4) as client:
            client.wait_for_more(EVENTS // 4)
            done = new.flask("upgrade")
            assert f"from revision {PREVIOUS} to {HEAD}" in done.stdout, done.stderr
        assert (client.refused, client.broken_connections) == ([], 0)
        old.stop()
        old.start()
        assert post_once(old.port, make_event("afterwards")).status == 200
        old.stop()
    new.listener.close()
    assert revision(engine) == HEAD
    last = ("afterwards", "QUEUED")
    Aftermath(url, tmp_path).verify({*client.acknowledged, last})
