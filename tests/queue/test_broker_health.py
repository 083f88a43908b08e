"""What the health endpoints report about the broker."""

from __future__ import annotations

from pathlib import Path

from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp
from flask_fd_whatsapp.monitoring import health_blueprint

from .host import make_celery
from .proxy import Proxy


def test_broker_down_leaves_ready(tmp_path: Path) -> None:
    """A broker that is down is reported, and does not affect readiness: events are recorded."""
    app = Flask("host", instance_path=str(tmp_path))
    app.config["CELERY"] = {"broker_url": f"redis://127.0.0.1:{Proxy(None).port}/0"}
    make_celery(app)
    app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": "Bearer s3cret"}
    app.config["FD_WHATSAPP_LEDGER_URL"] = "sqlite:///ledger.db"
    app.config["FD_WHATSAPP_DISPATCH"] = "celery"
    app.register_blueprint(FreshdeskWhatsApp())
    app.register_blueprint(health_blueprint(guard=lambda: True))
    answer = app.test_client().get("/freshdesk/whatsapp/health/ready")
    assert answer.status_code == 200
    assert "refused" in answer.get_json()["broker"]
    app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger.engine.dispose()
