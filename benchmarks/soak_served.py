"""What gunicorn serves, the workers run and beat schedules in a soak, told by variables."""

from __future__ import annotations

import json
import logging
import os

from celery import Celery
from flask import Flask

from .server import CELERY, LEDGER_URL
from .soak_app import create_app

app: Flask = create_app(os.environ[LEDGER_URL], json.loads(os.environ[CELERY]))
celery_app: Celery = app.extensions["celery"]

for name in ("celery.app.trace", "celery.worker.strategy"):  # one or more lines per task
    logging.getLogger(name).setLevel(logging.WARNING)
