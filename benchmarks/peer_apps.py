"""Other packages' webhooks, each with a request of its own kind, signed as its vendor signs.

Each function makes an application with one handler connected, which calls ``note``, and the
requests to send it.
"""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from io import BytesIO
from itertools import count
from typing import Any

from flask import Flask
from werkzeug.test import create_environ

from .timing import Environ, Subject

Note = Callable[[], None]

_SECRET = "s3cret-of-a-realistic-length-0123456789"


def slackeventsapi(note: Note) -> Subject:
    """Slack's events: signature over time and body checked, no validation."""
    from slackeventsapi import SlackEventAdapter

    app = Flask("slackeventsapi")
    adapter = SlackEventAdapter(_SECRET, "/slack/events", app)

    @adapter.on("message")
    def handler(event: dict[str, Any]) -> None:
        note()

    def request(number: int) -> tuple[bytes, dict[str, str]]:
        event = {"type": "message", "channel": "C0123456789", "user": "U0123456789"}
        event |= {"text": "Hello", "ts": f"1700000000.{number:06d}"}
        body = _json({"type": "event_callback", "event_id": f"Ev{number:09d}", "event": event})
        now = str(int(time.time()))
        signature = "v0=" + _signature(b"v0:" + now.encode() + b":" + body)
        return body, {"X-Slack-Request-Timestamp": now, "X-Slack-Signature": signature}

    return Subject(app, _environs("/slack/events", request))


def pywa(note: Note) -> Subject:
    """WhatsApp's statuses: signature over the body checked, duplicates skipped, an object made."""
    from pywa import WhatsApp

    app = Flask("pywa")
    client = WhatsApp(
        phone_id="1234567890",
        token="a token",
        server=app,
        webhook_endpoint="/whatsapp",
        verify_token="another",
        app_secret=_SECRET,
    )

    @client.on_message_status
    def handler(client: WhatsApp, status: object) -> None:
        note()

    def request(number: int) -> tuple[bytes, dict[str, str]]:
        status = {"id": f"wamid.{number:032d}", "status": "delivered"}
        status |= {"timestamp": "1700000000", "recipient_id": "15550001111"}
        numbers = {"display_phone_number": "15550002222", "phone_number_id": "1234567890"}
        contacts = [{"profile": {"name": "Ann"}, "wa_id": "15550001111", "user_id": "US.1234"}]
        value = {"metadata": numbers, "contacts": contacts, "statuses": [status]}
        changes = [{"field": "messages", "value": value}]
        entry = [{"id": "102290129340398", "changes": changes}]
        body = _json({"object": "whatsapp_business_account", "entry": entry})
        return body, {"X-Hub-Signature-256": f"sha256={_signature(body)}"}

    return Subject(app, _environs("/whatsapp", request))


def anymail(note: Note) -> Subject:
    """Mailgun's tracking events through django-anymail: signature checked, an object made."""
    from django.conf import settings

    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["localhost"],
            ANYMAIL={"MAILGUN_WEBHOOK_SIGNING_KEY": _SECRET},
            INSTALLED_APPS=["anymail"],
            ROOT_URLCONF="anymail.urls",
        )
    from anymail.signals import tracking
    from django.core.wsgi import get_wsgi_application

    def handler(sender: object, event: object, esp_name: str, **_: object) -> None:
        note()

    tracking.connect(handler, weak=False, dispatch_uid="benchmark")

    def request(number: int) -> tuple[bytes, dict[str, str]]:
        now, token = "1700000000", f"{number:050d}"
        signature = {"timestamp": now, "token": token, "signature": _signature(f"{now}{token}")}
        event = {"event": "delivered", "timestamp": 1700000000.5, "recipient": "a@example.com"}
        event |= {"message": {"headers": {"message-id": f"{number}@example.com"}}}
        event |= {"delivery-status": {"code": 250, "message": "OK", "description": ""}}
        return _json({"signature": signature, "event-data": event}), {}

    return Subject(get_wsgi_application(), _environs("/mailgun/tracking/", request))


PEERS: dict[str, Callable[[Note], Subject]] = {
    "slackeventsapi": slackeventsapi,
    "pywa": pywa,
    "django-anymail": anymail,
}
"""All of them, by the name that they are installed with."""


def _environs(
    path: str, request: Callable[[int], tuple[bytes, dict[str, str]]]
) -> Iterator[Environ]:
    """Yield endless environs; *request* returns body and headers of the one with a number."""
    base = create_environ(path, method="POST", content_type="application/json")
    for number in count():
        body, headers = request(number)
        named = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
        yield {**base, **named, "CONTENT_LENGTH": str(len(body)), "wsgi.input": BytesIO(body)}


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _signature(signed: bytes | str) -> str:
    data = signed.encode() if isinstance(signed, str) else signed
    return hmac.new(_SECRET.encode(), data, sha256).hexdigest()
