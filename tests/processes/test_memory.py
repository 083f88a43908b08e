from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ..conftest import SAMPLES
from .aftermath import prepare
from .burst import Client, Sent, make_event
from .server import Server, running

EVENTS = int(os.environ.get("FD_WHATSAPP_TEST_MANY", "3000"))
"""Set it to 100000 for the long form."""

WARM_UP = 1000
AT_ONCE = 10_000
MARGIN_KB = 1024
MAX_WAL_BYTES = 16 * 2**20

_MEMORY = Path("/dev/shm")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Use a RAM disk if possible: this is not about fsync."""
    if not os.access(_MEMORY, os.W_OK):
        yield tmp_path
        return
    with TemporaryDirectory(dir=_MEMORY) as name:
        yield Path(name)


def test_worker_needs_no_more_memory(folder: Path) -> None:
    """A worker's memory does not grow over thousands of events, and SQLite's WAL stays short."""
    url = f"sqlite:///{folder}/ledger.db"
    prepare(url)
    with running(Server(folder, {"LEDGER_URL": url}, workers=1)) as server:
        (worker,) = server.workers()
        post_all(server, 0, WARM_UP)
        before = memory_kb(worker)
        for first in range(WARM_UP, WARM_UP + EVENTS, AT_ONCE):
            post_all(server, first, min(AT_ONCE, WARM_UP + EVENTS - first))
        assert server.workers() == [worker]
        grown = memory_kb(worker) - before
    assert grown < MARGIN_KB, f"{grown} kB more after {EVENTS} events"
    assert (folder / "ledger.db-wal").stat().st_size < MAX_WAL_BYTES


def post_all(server: Server, first: int, count: int) -> None:
    def events() -> Iterator[Sent]:
        for number in range(first, first + count):
            yield make_event(f"M{number // 5}", SAMPLES[number % 5])

    with Client(server.port, list(events()), threads=4) as client:
        pass
    assert len(client.acknowledged) == count


def memory_kb(process: int) -> int:
    """A process's own memory, without mapped files."""
    found = re.search(r"RssAnon:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    assert found is not None
    return int(found[1])
