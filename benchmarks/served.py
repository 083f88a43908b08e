"""What gunicorn serves for a benchmark: ``benchmarks.served:create_app()``, configured by
variables.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from flask import Flask

from .durable import durable
from .server import CELERY, FOLDER, LEDGER_URL, PAGES, VARIANT
from .variants import VARIANTS


def create_app() -> Flask:
    """The package with the ledger at a URL (on Celery, or with the pages), or a variant."""
    url, config = os.environ.get(LEDGER_URL), os.environ.get(CELERY)
    if url and config:
        from .queue_app import create_app

        return create_app(url, json.loads(config))
    if url and os.environ.get(PAGES):
        from .pages import with_pages

        return with_pages(durable(url))
    return durable(url) if url else VARIANTS[os.environ[VARIANT]](Path(os.environ[FOLDER]))
