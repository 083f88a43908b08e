"""Fails unless the installed package works with its core dependencies alone."""

from __future__ import annotations

import json
import sys
from importlib import metadata
from importlib.util import find_spec

from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp, status_changed

PAYLOAD = {
    "account_id": "1",
    "event_type": "outbound_message_event",
    "data": {"message_id": "M1", "status": "SENT", "timestamp": "2025-11-18T09:25:45.885Z"},
}
HEADERS = {"Authorization": "Bearer s3cret"}
OPTIONAL = ("sqlalchemy", "alembic", "celery", "psycopg", "pymysql", "asgiref", "apispec")

installed = [name for name in OPTIONAL if find_spec(name)]
assert not installed, f"not core: {installed}"

app = Flask(__name__)
app.testing = True
app.config["FD_WHATSAPP_HEADERS"] = HEADERS
app.register_blueprint(FreshdeskWhatsApp())
seen = []


@status_changed.connect
def note(app: Flask, event: object) -> None:
    seen.append(event)


client = app.test_client()
answers = [client.post("/freshdesk/whatsapp", json=PAYLOAD, headers=HEADERS) for _ in range(2)]
assert [json.loads(answer.data) for answer in answers] == [
    {"result": "accepted"},
    {"result": "duplicate"},
]
assert len(seen) == 1
assert client.post("/freshdesk/whatsapp", json=PAYLOAD).status_code == 401
assert app.test_cli_runner().invoke(args=["fd-whatsapp", "check"]).exit_code == 0
versions = [f"{name} {metadata.version(name)}" for name in ("flask_fd_whatsapp", "flask")]
print(f"{', '.join(versions)} on Python {sys.version.split()[0]}: works")  # noqa: T201
