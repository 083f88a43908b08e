"""What ``celery -A tests.queue.worker`` runs."""

from __future__ import annotations

from celery import Celery

from .host import create_app

flask_app = create_app()
app: Celery = flask_app.extensions["celery"]

# No machine is so slow that a message is left to the sweep which was to be waited for.
flask_app.extensions["fd_whatsapp"]["fd_whatsapp"].wait_seconds = 20.0
