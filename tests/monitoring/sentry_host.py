"""A host with the documented recipe for Sentry, whose handler fails with personal data at hand.

Run as ``python -m tests.monitoring.sentry_host RECIPE`` with ``SENTRY_DSN`` set.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp, StatusEvent, handler_name, status_received

from ..conftest import PAYLOADS, URL

AGENT = "Ada Lovelace"
RECIPIENT = "+4930123456"
SECRETS = {"Authorization": "Bearer s3cret", "X-Hook": "t0ken"}


def main(recipe: str) -> None:
    namespace: dict[str, Any] = {}
    exec(recipe, namespace)
    namespace["start_sentry"]()
    import sentry_sdk

    app = Flask("host")
    app.config["FD_WHATSAPP_HEADERS"] = SECRETS
    app.config["FD_WHATSAPP_DATA_HEADERS"] = ["X-Customer"]
    app.testing = True
    app.register_blueprint(FreshdeskWhatsApp())

    @status_received.connect
    @handler_name("tickets")
    def fails(app: Flask, event: StatusEvent) -> None:
        recipient, agent = RECIPIENT, event.actor and event.actor.name
        if recipient and agent:
            raise ValueError("no tickets")

    body = json.loads((PAYLOADS / "sent.json").read_text())
    body["actor"] = {"id": 1, "name": AGENT, "type": "agent"}
    body["data"]["recipient"] = RECIPIENT
    client = app.test_client()
    client.post(URL, json=body, headers={**SECRETS, "X-Customer": RECIPIENT})
    client.post(URL, json=body, headers={**SECRETS, "Authorization": "Bearer an0ther"})
    client.post(URL, data=json.dumps(body)[:-1], headers=SECRETS)
    sentry_sdk.flush(10)


if __name__ == "__main__":
    main(sys.argv[1])
