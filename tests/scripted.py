from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

from flask_fd_whatsapp import StatusEvent, handler_name

from .conftest import TOKEN


class Scripted:
    """A handler that raises what its script says, call by call, and then succeeds."""

    def __init__(self, name: str, *script: BaseException | None) -> None:
        self.name = name
        self.script = list(script)
        self.events: list[StatusEvent] = []
        handler_name(name)(self)

    def __call__(self, app: Flask, event: StatusEvent) -> None:
        self.events.append(event)
        error = self.script.pop(0) if self.script else None
        if error is not None:
            raise error

    @property
    def statuses(self) -> list[str]:
        return [event.status for event in self.events]


def authorized(app: Flask, token: str = TOKEN) -> FlaskClient:
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = token
    return client
