"""gunicorn, two Celery workers and beat, and which of them are killed."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from os import kill
from pathlib import Path
from random import Random
from signal import SIGKILL

from .command import NotMeasured
from .requests import URL
from .server import CELERY, LEDGER_URL
from .services import CeleryConfig
from .soak_processes import Command

RECEIVERS = 2
THREADS = 8
WORKERS = 2
POOL = 2

MASTER, RECEIVER, WORKER, POOL_PROCESS, BEAT = (
    "gunicorn, the master",
    "gunicorn, a worker",
    "Celery, a worker",
    "Celery, a process of a worker's pool",
    "Celery, beat",
)
"""The kinds of processes."""

CONNECTIONS = (RECEIVERS + 1) * THREADS + (WORKERS + 1) * POOL * 2
"""To PostgreSQL, at most: one for each thread of a receiver, two for each event in a worker; and
those of one receiver and one worker more, since PostgreSQL hears a moment later of a death."""

_SECONDS = 120

_GUNICORN = ("gunicorn", "--preload", "--worker-class=gthread", "--keep-alive=30")
_CELERY = ("celery", "--app", "benchmarks.soak_served:celery_app")
_WORKER = (*_CELERY, "worker", "--pool=prefork", f"--concurrency={POOL}", "--loglevel=INFO")
_QUIET = ("--without-gossip", "--without-mingle")


class System:
    """All processes that take part, and the port that the receivers answer at.

    One process of each kind is spared, so that it gets as old as the run.

    :param folder: an empty one, for the logs and what the processes keep.
    :param url: of the ledger.
    """

    def __init__(self, folder: Path, url: str, config: CeleryConfig) -> None:
        variables = {
            LEDGER_URL: url,
            CELERY: json.dumps(config),
            # gunicorn keeps a control socket in the home folder.
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
        }
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = int(self._listener.getsockname()[1])
        self._receivers = Command(
            folder / "receivers.log",
            variables,
            *_GUNICORN,
            f"--workers={RECEIVERS}",
            f"--threads={THREADS}",
            f"--bind=fd://{self._listener.fileno()}",
            "benchmarks.soak_served:app",
            listener=self._listener,
        )
        self._workers = [
            Command(
                folder / f"worker-{number}.log",
                variables,
                *_WORKER,
                *_QUIET,
                f"--hostname={number}@%h",
            )
            for number in range(WORKERS)
        ]
        schedule = f"--schedule={folder / 'schedule'}"
        self._beat = Command(
            folder / "beat.log", variables, *_CELERY, "beat", schedule, "--pidfile="
        )
        self.spared: set[int] = set()
        self.killed: set[int] = set()
        self.kills: Counter[str] = Counter()

    def start(self) -> None:
        """Start all of it, and wait until events are taken and handled.

        :raises NotMeasured: with the end of its log, if one does not start.
        """
        for command in (self._receivers, *self._workers, self._beat):
            command.start()
        _wait_until(lambda: len(self._receivers.children()) == RECEIVERS, "gunicorn has workers")
        _wait_until(self._answers, "gunicorn answers")
        _wait_until(lambda: self._ready() == self._workers, "the workers take tasks")
        first = self._workers[0]
        self.spared = {
            self._receivers.pid,
            self._receivers.children()[0],
            first.pid,
            first.children()[0],
            self._beat.pid,
        }

    def members(self) -> dict[int, str]:
        """The kind of each process that runs, by its id.

        :raises NotMeasured: if a command has ended that was not killed.
        """
        members = {self._receivers.pid: MASTER, self._beat.pid: BEAT}
        members |= dict.fromkeys(self._receivers.children(), RECEIVER)
        for worker in self._workers:
            members[worker.pid] = WORKER
            members |= dict.fromkeys(worker.children(), POOL_PROCESS)
        return members

    def strike(self, chance: Random) -> None:
        """Kill a receiver; and a process of a worker's pool or, once in four times, the whole of
        the worker that is not spared, which is then started again.
        """
        self._kill_one(RECEIVER, self._receivers.children(), chance)
        if chance.randrange(4):
            # One that is just starting its pool would end together with it.
            children = [child for worker in self._ready() for child in worker.children()]
            self._kill_one(POOL_PROCESS, children, chance)
        else:
            worker = self._workers[-1]
            self.killed |= {worker.pid, *worker.children()}
            self.kills[WORKER] += 1
            worker.kill()
            worker.start()

    def stop_beat(self) -> None:
        """Begin no further sweep."""
        self._beat.stop()

    def stop_workers(self) -> None:
        """Have the workers finish what they are doing and give back what they have not begun."""
        for worker in self._workers:
            worker.stop()

    def start_workers(self) -> None:
        """Start the workers again."""
        for worker in self._workers:
            worker.start()

    def close(self) -> None:
        """End all of it, in good order."""
        for command in (self._beat, *self._workers, self._receivers):
            command.stop()
        self._listener.close()

    def _ready(self) -> list[Command]:
        return [worker for worker in self._workers if worker.has_logged(" ready.")]

    def _kill_one(self, kind: str, children: list[int], chance: Random) -> None:
        victims = [child for child in children if child not in self.spared]
        if not victims:
            return  # those killed last have not been replaced yet
        victim = chance.choice(victims)
        self.killed.add(victim)
        self.kills[kind] += 1
        with suppress(ProcessLookupError):
            kill(victim, SIGKILL)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_SECONDS)
        with closing(connection), suppress(OSError):
            connection.request("HEAD", URL)
            connection.getresponse().read()
            return True
        return False


def _wait_until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise NotMeasured(f"Waited {_SECONDS} seconds in vain until {what}.")
        time.sleep(0.05)
