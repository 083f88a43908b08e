"""Processes that start quickly, since their imports are loaded, and that can be killed."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

from ..concurrency.threads import TIMEOUT

_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload(
    [f"{__package__}.{name}" for name in ("sending_worker", "served_host", "dying_sender")]
)


def started(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    """A process of its own that calls *target*."""
    process = _FORKING.Process(target=target, args=arguments)
    process.start()
    return process


def kill(process: BaseProcess) -> None:
    """End it with SIGKILL, whatever it is doing."""
    process.kill()
    process.join(TIMEOUT)
    assert process.exitcode in (0, -signal.SIGKILL)
