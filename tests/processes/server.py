"""gunicorn with the host application, in a killable process group."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from .waiting import TIMEOUT, wait_until

ROOT = Path(__file__).parents[2]
HOST = "tests.processes.host:create_app()"


class Server:
    """gunicorn on its own port, with a socket that outlives its processes.

    :param folder: where the host's files and the log go.
    :param settings: the ``FD_WHATSAPP_...`` settings, without the prefix.
    :param host: the application that gunicorn serves.
    :param prepare: called in each new process before gunicorn (or a command) takes its place.
    :param root: where the package and the host application are.
    """

    def __init__(
        self,
        folder: Path,
        settings: dict[str, object],
        *,
        workers: int = 2,
        threads: int = 4,
        worker_class: str = "gthread",
        ledger: str = "",
        host: str = HOST,
        prepare: Callable[[], None] | None = None,
        root: Path = ROOT,
    ) -> None:
        self.folder = folder
        self.root = root
        self.count = workers
        self.host = host
        self.prepare = prepare
        self.command = [sys.executable, "-m", "gunicorn", f"--worker-class={worker_class}"]
        self.command += [f"--workers={workers}", f"--threads={threads}"]
        if worker_class == "gthread":
            self.command += ["--preload"]  # gevent has to come before the application
        self.environment = {
            **os.environ,
            **{f"FLASK_FD_WHATSAPP_{key}": str(value) for key, value in settings.items()},
            "PYTHONPATH": str(root),
            "HOST_FOLDER": str(folder),
            "HOST_LEDGER": ledger,
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),  # for gunicorn's control socket
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = int(self.listener.getsockname()[1])
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        descriptor = self.listener.fileno()
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, f"--bind=fd://{descriptor}", self.host],
                cwd=self.root,
                env=self.environment,
                stdout=log,
                stderr=log,
                pass_fds=[descriptor],
                start_new_session=True,
                preexec_fn=self.prepare,
            )

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def workers(self) -> list[int]:
        """The process ids of the workers."""
        assert self.process is not None
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                name_end = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has ended meanwhile
            if int(name_end[1]) == self.process.pid and name_end[0] != "Z":
                found.append(int(stat.parent.name))
        return sorted(found)

    def kill_one(self, rng: random.Random) -> None:
        """SIGKILL one of the workers, if there is any."""
        workers = self.workers()
        if workers:
            with suppress(ProcessLookupError):
                os.kill(rng.choice(workers), signal.SIGKILL)

    def kill_all(self) -> None:
        """SIGKILL the master and its workers."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self) -> None:
        """Stop it gracefully, as an operator would."""
        assert self.process is not None
        wait_until(self.workers, "the server knows what to do on SIGTERM")
        self.process.terminate()
        code = self.process.wait(TIMEOUT)
        assert code == 0, f"exit status {code}\n{self.log}"

    def flask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``flask fd-whatsapp`` with the same settings, in the same conditions."""
        command = [sys.executable, "-m", "flask", "--app", "tests.processes.host"]
        return self.run(*command, "fd-whatsapp", *arguments)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
            preexec_fn=self.prepare,
        )


@contextmanager
def running(server: Server) -> Generator[Server]:
    """The server, started; nothing of it is left afterwards."""
    try:
        server.start()
        wait_until(lambda: len(server.workers()) == server.count, "there are its workers")
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            server.kill_all()
        server.listener.close()
