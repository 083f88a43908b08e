"""The services of an example's ``compose.yaml``, started on this machine with the same commands."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

EXAMPLES = Path(__file__).parents[2] / "examples"
EXAMPLES_OF_COMPOSE = sorted(file.parent.name for file in EXAMPLES.glob("*/compose.yaml"))
TIMEOUT = 60
INSIDE = "8000"
"""The port inside a container."""


class Composed:
    """An example.

    :param folder: where logs go.
    :param port: the port of this machine in place of a container's.
    :param changes: what stands in the environment in place of what names other containers.
    """

    def __init__(self, name: str, folder: Path, port: int, changes: Mapping[str, str]) -> None:
        self.services = services(name)
        self._place = EXAMPLES / name
        self._folder = folder
        self._port = str(port)
        self._changes = changes

    def environment(self, service: str) -> dict[str, str]:
        """The environment of a service's processes."""
        own = self.services[service]["environment"]
        return {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self._folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            **{key: plain(str(value)) for key, value in own.items()},
            **self._changes,
        }

    def run(self, service: str) -> None:
        """Run a service that exits by itself, which has to succeed."""
        done = subprocess.run(self._command(service), **self._options(service), check=False)
        assert done.returncode == 0, done.stdout

    def is_healthy(self, service: str) -> bool:
        """Whether the service's health check says so, within its own time-out."""
        check = self.services[service]["healthcheck"]
        command = health_command(check)
        options = self._options(service) | {"timeout": TIMEOUT}
        return subprocess.run(self._local(command), **options, check=False).returncode == 0

    def log(self, service: str) -> str:
        return (self._folder / f"{service}.log").read_text()

    @contextmanager
    def running(self, service: str) -> Generator[subprocess.Popen[str]]:
        """A service, started, and stopped as Compose does it."""
        with (self._folder / f"{service}.log").open("w") as log:
            options = self._options(service) | {"stdout": log}
            del options["timeout"]
            process = subprocess.Popen(self._command(service), **options, start_new_session=True)
            with process:
                try:
                    yield process
                finally:
                    process.send_signal(signal.SIGTERM)
                    try:
                        process.wait(TIMEOUT)
                    finally:
                        if process.returncode is None:
                            os.killpg(process.pid, signal.SIGKILL)

    def _command(self, service: str) -> list[str]:
        return self._local(shlex.split(plain(self.services[service]["command"])))

    def _local(self, command: list[str]) -> list[str]:
        texts = [one.replace(f"0.0.0.0:{INSIDE}", f"127.0.0.1:{INSIDE}") for one in command]
        return [one.replace(f":{INSIDE}", f":{self._port}") for one in texts]

    def _options(self, service: str) -> dict[str, Any]:
        return {
            "cwd": self._place,
            "env": self.environment(service),
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "text": True,
            "timeout": TIMEOUT,
        }


def services(name: str) -> dict[str, Any]:
    """What ``compose.yaml`` says of each service."""
    with (EXAMPLES / name / "compose.yaml").open() as file:
        found: dict[str, Any] = yaml.safe_load(file)["services"]
    return found


def own_services(name: str) -> dict[str, Any]:
    """Those that run the application."""
    return {key: one for key, one in services(name).items() if "build" in one}


def health_command(check: Mapping[str, Any]) -> list[str]:
    """As Compose takes it: a text is for the shell."""
    test = check["test"]
    if isinstance(test, str):
        return ["/bin/sh", "-c", plain(test)]
    assert test[0] == "CMD"
    return [plain(one) for one in test[1:]]


def plain(text: str) -> str:
    """A text with its variables at their defaults, and ``$`` for ``$$``."""
    with_defaults = re.sub(r"(?<!\$)\$\{\w+:-([^}]*)\}", r"\1", text)
    return with_defaults.replace("$$", "$")
