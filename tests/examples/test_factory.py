"""The application factory with two accounts, set up from the environment."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from examples.factory import create_app
from flask_fd_whatsapp import ConfigurationError
from flask_fd_whatsapp.testing import (
    WhatsAppClient,
    assert_same_in_every_order,
    assert_same_under_duplicates,
)

from ..conftest import Payload

MESSAGE_ID = "01KAB4HHTBE081898E432RCMA7"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the example's README exports."""
    for account in ("EUROPE", "AMERICA"):
        headers = json.dumps({"Authorization": f"Bearer {account.lower()}"})
        monkeypatch.setenv(f"FLASK_FD_WHATSAPP_{account}_HEADERS", headers)
    monkeypatch.setenv("FLASK_FD_WHATSAPP_EUROPE_ACCOUNT_IDS", "[11011399037]")


@pytest.fixture
def app() -> Flask:
    return create_app({"TESTING": True})


def post(app: Flask, payload: dict[str, Any], account: str = "europe") -> TestResponse:
    return app.test_client().post(
        f"/freshdesk/{account}/whatsapp",
        json=payload,
        headers={"Authorization": f"Bearer {account}"},
    )


def ticket(app: Flask, message_id: str = MESSAGE_ID) -> dict[str, str]:
    found: dict[str, str] = app.test_client().get(f"/tickets/{message_id}").get_json()
    return found


def test_factory_ticket_follows_its_message(app: Flask, payload: Payload) -> None:
    """A ticket follows its message, and a stale failure does not reopen it."""
    seen = []
    for name in ("queued", "sent", "delivered", "read", "failed"):
        assert post(app, payload(name)).get_json() == {"result": "accepted"}
        seen.append(ticket(app))
    assert seen == [{"status": s} for s in ("QUEUED", "SENT", "DELIVERED", "READ", "READ")]


def test_factory_failure_reopens_the_ticket(app: Flask, payload: Payload) -> None:
    """A failure reopens the ticket with its reason."""
    for name in ("sent", "failed"):
        post(app, payload(name))
    assert ticket(app) == {"status": "FAILED", "reopened_because": "FAILED"}


def test_failed_on_one_device(app: Flask, payload: Payload) -> None:
    """A message that arrives nevertheless removes the mark from its ticket."""
    for name in ("sent", "failed", "delivered"):
        post(app, payload(name))
    assert ticket(app) == {"status": "DELIVERED"}


@pytest.mark.parametrize("check", [assert_same_in_every_order, assert_same_under_duplicates])
def test_whatever_the_order(app: Flask, check: Callable[..., None]) -> None:
    """The ticket ends up the same for any order of events and any duplicates."""
    client = WhatsAppClient(app, "freshdesk_europe")
    check(client, lambda message: ticket(app, message.message_id))


def test_field_of_its_own(app: Flask, payload: Payload) -> None:
    """The schema's extra field reaches the handlers, and is checked like any other."""
    assert post(app, payload("sent", brand="Umbrella")).status_code == 200
    assert ticket(app) == {"status": "SENT", "brand": "Umbrella"}
    answer = post(app, payload("read", brand=7))
    assert answer.status_code == 422
    assert list(json.loads(answer.data)["errors"]) == ["brand"]


def test_accounts_are_apart(app: Flask, payload: Payload) -> None:
    """Each receiver has credentials, accounts and a ledger of its own."""
    client = app.test_client()
    headers = {"Authorization": "Bearer america"}
    assert client.post("/freshdesk/europe/whatsapp", headers=headers).status_code == 401
    other = payload("sent", account_id="42")
    assert post(app, other, "europe").status_code == 403
    assert post(app, other, "america").get_json() == {"result": "accepted"}
    assert post(app, payload("sent"), "europe").get_json() == {"result": "accepted"}


def test_two_applications(payload: Payload) -> None:
    """Two applications of one factory share no handlers and no events."""
    first, second = (create_app({"TESTING": True}) for _ in range(2))
    post(first, payload("sent"))
    assert ticket(first) == {"status": "SENT"}
    assert second.test_client().get(f"/tickets/{MESSAGE_ID}").status_code == 404


def test_missing_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an account's headers the factory fails and names the key."""
    monkeypatch.delenv("FLASK_FD_WHATSAPP_AMERICA_HEADERS")
    with pytest.raises(ConfigurationError, match="FD_WHATSAPP_AMERICA_HEADERS"):
        create_app()


@pytest.mark.parametrize(
    "arguments",
    [
        ("check",),
        (
            *("setup", "--receiver", "freshdesk_europe"),
            *("--url", "https://x.org/freshdesk/europe/whatsapp"),
        ),
    ],
)
def test_commands_work_for_a_factory(app: Flask, arguments: tuple[str, ...]) -> None:
    """The commands work for it."""
    result = app.test_cli_runner().invoke(args=["fd-whatsapp", *arguments])
    assert result.exit_code == 0, result.output
    assert "Warning" not in result.output
