"""A host application with a Celery app, set up as Flask's documentation does.

What its handlers do depends on the message's id, whose first word is one of ``ok``, ``fail``
(once), ``later`` (once), ``kill`` (once: the process kills itself) and ``hold`` (until a file is
there).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from celery import Celery, Task
from flask import Flask, current_app

from flask_fd_whatsapp import (
    FreshdeskWhatsApp,
    RetryLater,
    StatusEvent,
    message_queued,
    status_received,
)

from ..conftest import TOKEN
from ..processes.waiting import wait_until


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """The application, set up by ``FLASK_...`` variables and *config*."""
    app = Flask(__name__)
    app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": TOKEN}
    app.config["FD_WHATSAPP_DISPATCH"] = "celery"
    app.config.from_prefixed_env()
    app.config.from_mapping(config or {})
    make_celery(app)
    app.register_blueprint(FreshdeskWhatsApp())
    connect_handlers(app)
    if "HOST_SPANS" in app.config:
        trace_into(app, Path(app.config["HOST_SPANS"]))
    return app


def trace_into(app: Flask, file: Path) -> None:
    """Write each span as a line of JSON."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

    from flask_fd_whatsapp.monitoring import instrument

    tracers = TracerProvider(shutdown_on_exit=False)
    exporter = ConsoleSpanExporter(
        out=file.open("a", encoding="utf-8"),
        formatter=lambda span: f"{span.to_json(indent=None)}\n",
    )
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    instrument(app, tracer_provider=tracers)


def make_celery(app: Flask) -> Celery:
    class FlaskTask(Task):  # type: ignore[misc]
        def __call__(self, *args: object, **kwargs: object) -> object:
            with app.app_context():
                return self.run(*args, **kwargs)

    celery_app = Celery(app.name, task_cls=FlaskTask)
    celery_app.config_from_object(app.config["CELERY"])
    celery_app.set_default()
    app.extensions["celery"] = celery_app
    return celery_app


def connect_handlers(app: Flask) -> None:
    folder = Path(app.config["HOST_FOLDER"])

    @status_received.connect_via(app)
    def note(app: Flask, event: StatusEvent) -> None:
        write(folder, "note", event)

    @message_queued.connect_via(app)
    def act(app: Flask, event: StatusEvent) -> None:
        write(folder, "act", event)
        act_on(event.message_id, folder)
        write(folder, "acted", event)


def act_on(message_id: str, folder: Path) -> None:
    word = message_id.partition("-")[0]
    marker = folder / message_id
    if word == "hold":
        wait_until((folder / f"release-{message_id}").exists, "the handler is released")
    if word == "ok" or marker.exists():
        return
    marker.touch()
    if word == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "fail":
        raise OSError("not this time")
    if word == "later":
        raise RetryLater(0)


def write(folder: Path, handler: str, event: StatusEvent) -> None:
    """Add a line in one write, so that processes do not mix theirs."""
    assert current_app.name == __name__
    line = f"{handler} {event.message_id} {event.status} {os.getpid()}\n"
    with (folder / "calls").open("ab", buffering=0) as calls:
        calls.write(line.encode())
