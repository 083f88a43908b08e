"""The resources of the processes during a soak: memory, open files, connections."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import NamedTuple

from .soak_system import System

WARM_UP = 4
"""The first of so many parts of the run does not count; the second is compared with the last."""

WARM_SECONDS = 20
"""Until then a process may still be importing, and its threads have not all served anything."""


class Sample(NamedTuple):
    """The resources of one process at one moment.

    :param at: on the monotonic clock, in seconds.
    :param memory: its own, without what it maps from files, in bytes.
    :param files: how many it has open, sockets among them.
    """

    at: float
    memory: int
    files: int


@dataclass
class Process:
    """A process, with its samples from beginning to end."""

    kind: str
    samples: list[Sample] = field(default_factory=list)

    def parts(self) -> tuple[list[Sample], list[Sample]]:
        """The samples of its second part, when it was warm, and of its last."""
        quarter = max(1, len(self.samples) // WARM_UP)
        return self.samples[quarter : 2 * quarter], self.samples[-quarter:]

    def is_warm(self) -> bool:
        """Whether it has run for long enough to tell if it grows."""
        early, _ = self.parts()
        return bool(early) and early[0].at - self.samples[0].at >= WARM_SECONDS


class Watch:
    """Samples every process regularly.

    :param connections: how many the system has to its database right now.
    """

    def __init__(self, system: System, connections: Callable[[], int]) -> None:
        self._system = system
        self._connections = connections
        self.processes: dict[int, Process] = {}
        self.connections: list[int] = []

    def look(self) -> None:
        """Take a sample of each process that runs."""
        for pid, kind in self._system.members().items():
            sample = _sample(pid)
            if sample is not None:
                self.processes.setdefault(pid, Process(kind)).samples.append(sample)
        self.connections.append(self._connections())

    def spared(self) -> list[Process]:
        """The processes that lived as long as the run, one of each kind."""
        return [self.processes[pid] for pid in sorted(self._system.spared)]

    def killed(self, kind: str) -> list[Process]:
        """Those of a kind that were killed, in the order in which they were started."""
        found = [self.processes[pid] for pid in self._system.killed & self.processes.keys()]
        return sorted((p for p in found if p.kind == kind), key=lambda p: p.samples[0].at)

    def ended_by_themselves(self) -> int:
        """How many processes have ended although they were not killed."""
        gone = self.processes.keys() - self._system.members().keys() - self._system.killed
        return len(gone)


def megabytes(samples: Sequence[Sample]) -> float:
    """The memory in most of *samples*: their median."""
    return median(sample.memory for sample in samples) / 2**20


def open_files(samples: Sequence[Sample]) -> int:
    """The files that were open at most."""
    return max(sample.files for sample in samples)


def _sample(pid: int) -> Sample | None:
    """``None`` if it has ended."""
    try:
        found = re.search(r"RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        files = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return None
    return Sample(time.monotonic(), int(found[1]) * 1024, files) if found else None
