"""The application whose events Celery workers handle, and the ``celery worker`` processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from celery import Celery, Task
from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp, StatusEvent, status_changed

from .requests import TOKEN
from .server import CELERY, LEDGER_URL, ROOT
from .services import CeleryConfig

TIMEOUT_SECONDS = 60

EMPTY = "benchmarks.empty"
"""The name of a task with the options of an event's, which only notes the time in a file."""

_WORKER = (sys.executable, "-m", "celery", "--app", "benchmarks.queue_worker", "worker")
_ONE_PROCESS = ("--pool=prefork", "--concurrency=1", "--loglevel=INFO")
_QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat")


def create_app(url: str, config: CeleryConfig) -> Flask:
    """An application with one handler, which does nothing and is called by workers.

    :param url: of the ledger.
    """
    app = Flask("queue")
    app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": TOKEN}
    app.config["FD_WHATSAPP_LEDGER_URL"] = url
    app.config["FD_WHATSAPP_DISPATCH"] = "celery"
    app.extensions["celery"] = make_celery(app, config)
    app.register_blueprint(FreshdeskWhatsApp())

    @status_changed.connect_via(app)
    def handler(app: Flask, event: StatusEvent) -> None:
        pass

    return app


def make_celery(app: Flask, config: CeleryConfig) -> Celery:
    """The Celery app of *app*, as Flask's documentation sets it up."""

    class FlaskTask(Task):
        def __call__(self, *args: object, **kwargs: object) -> object:
            with app.app_context():
                return self.run(*args, **kwargs)

    celery_app = Celery(app.name, task_cls=FlaskTask)
    celery_app.config_from_object(config)
    celery_app.set_default()

    @celery_app.task(
        name=EMPTY,
        bind=True,
        shared=False,  # not with the other apps of this process
        acks_late=True,
        reject_on_worker_lost=True,
        ignore_result=True,
    )
    def empty(task: Task, notes: str) -> None:
        with Path(notes).open("a") as file:
            file.write(f"{time.time()}\n")

    return celery_app


@contextmanager
def working(folder: Path, url: str, config: CeleryConfig, count: int) -> Generator[None]:
    """*count* workers of one process each, ready when the ``with`` block begins.

    :param folder: for their logs.
    :raises RuntimeError: with the end of its log, if one does not start.
    """
    variables = {LEDGER_URL: url, CELERY: json.dumps(config)}
    logs = [folder / f"worker-{number}.log" for number in range(count)]
    processes = [_start(log, variables) for log in logs]
    try:
        for process, log in zip(processes, logs, strict=True):
            _wait_until_ready(process, log)
        yield
    finally:
        for process in processes:
            _end(process)


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while " ready." not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"A worker does not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.1)


def _start(log: Path, variables: dict[str, str]) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(
            [*_WORKER, *_ONE_PROCESS, *_QUIET, f"--hostname={log.stem}@%h"],
            cwd=ROOT,
            env={**os.environ, **variables},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill it: a worker takes seconds to end by itself, and nothing that it held is needed."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
