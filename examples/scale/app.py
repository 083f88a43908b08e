"""An application of many processes: receivers, Celery workers, one ledger in PostgreSQL.

The same module is what gunicorn serves, what the workers run and what beat schedules.
"""

from __future__ import annotations

from pathlib import Path

from celery import Celery, Task
from celery.signals import after_task_publish
from flask import Flask, abort
from flask.typing import ResponseReturnValue
from sqlalchemy import text

from flask_fd_whatsapp import FreshdeskWhatsApp, StatusEvent, current_ledger, status_changed
from flask_fd_whatsapp.monitoring import health_blueprint

SWEEP_SECONDS = 30
SWEEP = "flask_fd_whatsapp.sweep"

app = Flask(__name__)
app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": "Bearer s3cret"}
app.config["FD_WHATSAPP_DISPATCH"] = "celery"
app.config["FD_WHATSAPP_LEDGER_URL"] = "postgresql+psycopg://postgres@127.0.0.1/test"
app.config["CELERY"] = {
    "broker_url": "amqp://guest:guest@127.0.0.1//",
    "task_ignore_result": True,
    "beat_schedule": {
        # Picks up events that failed, were postponed, or were not handed over.
        "fd-whatsapp-sweep": {
            "task": SWEEP,
            "schedule": SWEEP_SECONDS,
            "options": {"expires": SWEEP_SECONDS},
        },
    },
}
app.config.from_prefixed_env()  # FLASK_CELERY__broker_url=... and the like


def init_celery(app: Flask) -> Celery:
    """The Celery app, as Flask's documentation sets it up."""

    class FlaskTask(Task):
        def __call__(self, *args: object, **kwargs: object) -> object:
            with app.app_context():
                return self.run(*args, **kwargs)

    celery_app = Celery(app.name, task_cls=FlaskTask)
    celery_app.config_from_object(app.config["CELERY"])
    celery_app.set_default()
    app.extensions["celery"] = celery_app
    return celery_app


celery_app = init_celery(app)
app.register_blueprint(FreshdeskWhatsApp())  # POST /freshdesk/whatsapp
app.register_blueprint(health_blueprint())


@after_task_publish.connect(sender=SWEEP)
def touch(**_: object) -> None:
    """Let a health check see that beat sends sweeps, and that the broker accepts them."""
    if "BEAT_FILE" in app.config:
        Path(app.config["BEAT_FILE"]).touch()


@app.cli.command("create-tables")
def create_tables() -> None:
    """Create the application's own tables, next to the ledger's."""
    with current_ledger.engine.begin() as connection:  # type: ignore[attr-defined]
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('scale_ticket'))"))
        connection.execute(
            text(
                "CREATE TABLE IF NOT EXISTS scale_ticket"
                " (reference text PRIMARY KEY, status text NOT NULL, changes integer NOT NULL)"
            )
        )


@status_changed.connect
def sync_ticket(app: Flask, event: StatusEvent) -> None:
    """Move a ticket along, exactly once for each event."""
    current_ledger.transaction.execute(
        text(
            "INSERT INTO scale_ticket VALUES (:reference, :status, 1)"
            " ON CONFLICT (reference) DO UPDATE"
            " SET status = excluded.status, changes = scale_ticket.changes + 1"
        ),
        {
            "reference": event.external_reference_id or event.message_id,
            "status": str(event.status),
        },
    )


@app.get("/tickets/<reference>")
def ticket(reference: str) -> ResponseReturnValue:
    """Show the status of a ticket's message, and how often it has changed."""
    query = text("SELECT status, changes FROM scale_ticket WHERE reference = :reference")
    with current_ledger.engine.connect() as connection:  # type: ignore[attr-defined]
        row = connection.execute(query, {"reference": reference}).one_or_none()
    return {"status": row.status, "changes": row.changes} if row else abort(404)
