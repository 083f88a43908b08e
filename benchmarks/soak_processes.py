"""The processes of a soak, each command in a group of its own that can be killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from .command import NotMeasured, say
from .server import ROOT

_GRACE_SECONDS = 20


class Command:
    """``python -m`` with these *arguments*, and the processes that it starts.

    :param log: where its output goes.
    :param variables: added to the environment.
    :param listener: a socket that it inherits.
    """

    def __init__(
        self,
        log: Path,
        variables: Mapping[str, str],
        *arguments: str,
        listener: socket.socket | None = None,
    ) -> None:
        self._log = log
        self._environment = {**os.environ, **variables}
        self._arguments = [sys.executable, "-m", *arguments]
        self._descriptors = [] if listener is None else [listener.fileno()]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._arguments,
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
                pass_fds=self._descriptors,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id of the command itself.

        :raises NotMeasured: with the end of its log, if it does not run.
        """
        if self._process is None or self._process.poll() is not None:
            end = self._log.read_text(errors="replace")[-2000:]
            raise NotMeasured(f"{self._log.stem} has ended by itself:\n{end}")
        return self._process.pid

    def has_logged(self, text: str) -> bool:
        """Whether *text* is in its log since it was started; fails like :attr:`pid`."""
        _ = self.pid
        return text in self._log.read_text(errors="replace")

    def children(self) -> list[int]:
        """The process ids of those that it has started, oldest first."""
        parent = self.pid
        return sorted(pid for pid, its_parent in _parents() if its_parent == parent)

    def kill(self) -> None:
        """End it and its children with SIGKILL."""
        if self._process is not None:
            _kill_group(self._process.pid)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Let it finish what it is doing, and end; kill it if it does not."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            say(f"{self._log.stem} did not end within {_GRACE_SECONDS} seconds, and is killed")
        self.kill()


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):  # all of them may have ended
        os.killpg(pid, signal.SIGKILL)


def _parents() -> Iterator[tuple[int, int]]:
    """Every process that has not ended, and its parent."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent, *_ = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        if state != "Z":
            yield int(stat.parent.name), int(parent)
