"""The smallest application: run it with ``flask run``, or see ``make demo``."""

from __future__ import annotations

from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp, StatusEvent, message_failed, status_changed

app = Flask(__name__)
app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": "Bearer s3cret"}
app.config.from_prefixed_env()  # FLASK_FD_WHATSAPP_LEDGER_URL, say
app.register_blueprint(FreshdeskWhatsApp())  # POST /freshdesk/whatsapp


@status_changed.connect
def sync_ticket(app: Flask, event: StatusEvent) -> None:
    """A message moved forward: never called twice or backwards for one message."""
    before = event.previous_status or "new"
    print(f"{event.external_reference_id}: {before} -> {event.status}", flush=True)


@message_failed.connect
def tell_the_agent(app: Flask, event: StatusEvent) -> None:
    """A message failed, possibly after it was delivered to another device."""
    if event.is_stale:
        print(
            f"{event.external_reference_id}: FAILED came after {event.previous_status}: "
            "it arrived, nothing to do",
            flush=True,
        )
        return
    reason = f"{event.error.code}: {event.error.message}" if event.error else "no reason given"
    print(f"{event.external_reference_id}: not delivered ({reason})", flush=True)
