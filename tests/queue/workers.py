"""Celery's processes, in process groups of their own that can be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..processes.waiting import TIMEOUT, wait_until
from .brokers import CeleryConfig

ROOT = Path(__file__).parents[2]
QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat")


class Process:
    """One ``celery`` process with the host application; it logs to a file.

    :param settings: keys of ``app.config``.
    :param arguments: the Celery command and its options.
    """

    def __init__(
        self, folder: Path, settings: dict[str, Any], config: CeleryConfig, *arguments: str
    ) -> None:
        number = len(list(folder.glob("celery-*.log")))
        self.log = folder / f"celery-{number}.log"
        environment = {
            **os.environ,
            **{f"FLASK_{key}": json.dumps(value) for key, value in settings.items()},
            "FLASK_CELERY": json.dumps(config),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "tests.queue.worker", *arguments],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """End all its processes with SIGKILL."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(TIMEOUT)

    def text(self) -> str:
        return self.log.read_text()


class Worker(Process):
    """``celery worker``."""

    def __init__(
        self,
        folder: Path,
        settings: dict[str, Any],
        config: CeleryConfig,
        pool: str = "solo",
        *arguments: str,
    ) -> None:
        options = (f"--pool={pool}", "--concurrency=2", "--loglevel=INFO", *QUIET)
        super().__init__(folder, settings, config, "worker", *options, *arguments)

    def is_ready(self) -> bool:
        """Whether it accepts tasks; fails if it has ended."""
        assert self.process.poll() is None, self.text()
        return " ready." in self.text()

    def wait_until_ready(self) -> None:
        wait_until(self.is_ready, "the worker takes tasks")
