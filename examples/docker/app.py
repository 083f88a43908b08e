"""An application in a container, without a queue: see README.md."""

from __future__ import annotations

from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp, StatusEvent, status_changed
from flask_fd_whatsapp.monitoring import health_blueprint

app = Flask(__name__)
app.config.from_prefixed_env()  # FLASK_FD_WHATSAPP_HEADERS and the others: see compose.yaml
app.register_blueprint(FreshdeskWhatsApp())  # POST /freshdesk/whatsapp
app.register_blueprint(health_blueprint())


@status_changed.connect
def sync_ticket(app: Flask, event: StatusEvent) -> None:
    """A message moved forward: never called twice or backwards for one message."""
    before = event.previous_status or "new"
    print(f"{event.external_reference_id}: {before} -> {event.status}", flush=True)
