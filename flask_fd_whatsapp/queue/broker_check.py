"""What ``flask fd-whatsapp check`` asks of the queue."""

from __future__ import annotations

from typing import Any

from celery import Task
from flask import Flask

from ..exceptions import ConfigurationError
from .broker import celery_of, connection_to, reason_of
from .tasks import HANDLE_EVENT


def broker_problem(app: Flask) -> str | None:
    """Why events cannot be handed to Celery, with the remedy; ``None`` if they can.

    It connects to the broker, and puts nothing into a queue.
    """
    try:
        celery_app = celery_of(app)
    except ConfigurationError as error:
        return str(error)
    task = celery_app.tasks[HANDLE_EVENT]
    if type(task).__call__ is Task.__call__:
        return (
            "Celery's tasks run outside the application context: give the Celery app a task class "
            "that provides it, as Flask's documentation does (Background Tasks with Celery)."
        )
    if celery_app.conf.task_always_eager:
        return (
            "task_always_eager is set: handlers run within the request, before its answer. It is "
            "for tests; leave it out."
        )
    return _connection_problem(celery_app)


def _connection_problem(celery_app: Any) -> str | None:
    try:
        connection = connection_to(celery_app)
    except Exception as error:
        return f"Celery's broker_url cannot be used: {reason_of(error)} Correct it."
    try:
        connection.default_channel  # noqa: B018  # connects
    except Exception as error:
        return (
            f"Celery's broker {connection.as_uri()} cannot be used: {reason_of(error)} Events are "
            "recorded, and wait for the sweep."
        )
    finally:
        connection.collect()
    return None
