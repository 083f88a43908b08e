"""What ``celery --app benchmarks.queue_worker`` runs, configured by variables."""

from __future__ import annotations

import json
import os

from celery import Celery

from .queue_app import create_app
from .server import CELERY, LEDGER_URL

app: Celery = create_app(os.environ[LEDGER_URL], json.loads(os.environ[CELERY])).extensions[
    "celery"
]
