"""Posts the same event from many threads of a process, in step with other processes."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Barrier
from pathlib import Path

from ..conftest import TOKEN, URL
from .burst import make_event
from .host import create_app

TIMEOUT = 30

_barriers: list[Barrier] = []


def set_up(barrier: Barrier) -> None:
    """Called in a new process: *barrier* is for the threads of all of them."""
    _barriers.append(barrier)


def post_at_once(url: str, folder: Path, message_id: str, threads: int) -> Counter[str]:
    """Post one event from *threads* threads, at the same moment as other processes.

    :return: how many got which result, or the status where it is none.
    """
    os.environ.update({"FLASK_FD_WHATSAPP_LEDGER_URL": url, "HOST_FOLDER": str(folder)})
    app = create_app()
    (barrier,) = _barriers

    def post(_: int) -> str:
        client = app.test_client()
        barrier.wait(TIMEOUT)
        body = make_event(message_id).body
        answer = client.post(URL, data=body, headers={"Authorization": TOKEN})
        return str((answer.get_json() or {}).get("result", answer.status_code))

    with ThreadPoolExecutor(threads) as pool:
        return Counter(pool.map(post, range(threads)))
