"""The check of the queue for ``flask fd-whatsapp check``."""

from __future__ import annotations

from typing import Any

from celery import Task
from flask import Flask

from ..exceptions import ConfigurationError
from .broker import celery_of, connection_to, reason_of
from .tasks import HANDLE_EVENT


def broker_problem(app: Flask) -> str | None:
    """Return why events cannot be handed over to Celery, with the remedy; ``None`` if they can.

    It connects to the broker, and publishes nothing.
    """
    try:
        celery_app = celery_of(app)
    except ConfigurationError as error:
        return str(error)
    task = celery_app.tasks[HANDLE_EVENT]
    if type(task).__call__ is Task.__call__:
        return (
            "Celery's tasks run outside the application context: use a task class in the Celery "
            "app that provides it, as Flask's documentation does (Background Tasks with Celery)."
        )
    if celery_app.conf.task_always_eager:
        return (
            "task_always_eager is set: handlers run within the request, before its answer. It is "
            "for tests; remove it."
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
            "recorded, and the sweep handles them."
        )
    finally:
        connection.collect()
    return None
