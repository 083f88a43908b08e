"""What ``celery -A tests.queue.worker`` runs."""

from __future__ import annotations

from celery import Celery

from .host import create_app

flask_app = create_app()
app: Celery = flask_app.extensions["celery"]

# Long enough for any machine: no message is left to the sweep.
flask_app.extensions["fd_whatsapp"]["fd_whatsapp"].wait_seconds = 20.0
