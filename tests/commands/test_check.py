"""What ``flask fd-whatsapp check`` lists, and what it finds doubtful or wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, Never

import pytest
from blinker import NamedSignal
from click.testing import Result
from flask import Flask, current_app

from flask_fd_whatsapp import (
    FreshdeskWhatsApp,
    handler_failed,
    handler_name,
    message_read,
    message_sent,
)
from flask_fd_whatsapp import status_changed as changed
from flask_fd_whatsapp.exceptions import LedgerUnavailable
from flask_fd_whatsapp.ledger import MemoryLedger
from flask_fd_whatsapp.monitoring.masking import masked_url, without_secrets
from flask_fd_whatsapp.signals import EVENT_SIGNALS, NOTICES

from ..conftest import TOKEN, URL, MakeApp
from .conftest import RunCommand

DATABASE = "postgresql+psycopg://freddy:pa55w%40rd@db.example/events?sslmode=require"
SECRETS = ("s3cret", "0ther", "pa55w")


class DownLedger(MemoryLedger):
    """A ledger whose database is away."""

    def check(self) -> Never:
        raise LedgerUnavailable("The database does not answer.")


def findings(result: Result) -> list[tuple[str, str]]:
    """Level and text of all that a ``--json`` run found."""
    report = json.loads(result.stdout)
    found = [finding for part in report["receivers"] for finding in part["findings"]]
    return [(finding["level"], finding["text"]) for finding in (*found, *report["findings"])]


@pytest.fixture
def find(run: RunCommand) -> Callable[..., tuple[int, list[tuple[str, str]]]]:
    """The exit status of a check and what it found."""

    def find(app: Flask, *arguments: str) -> tuple[int, list[tuple[str, str]]]:
        result = run(app, "check", "--json", *arguments)
        return result.exit_code, findings(result)

    return find


Find = Callable[..., tuple[int, list[tuple[str, str]]]]


@pytest.mark.usefixtures("sync_ticket")
def test_all_in_place(app: Flask, run: RunCommand) -> None:
    """Route, ledger, settings and each signal with its handlers' identities are listed."""
    result = run(app, "check")
    assert result.exit_code == 0
    assert f"POST {URL}\n" in result.output
    assert "Ledger: MemoryLedger (in memory)\n" in result.output
    assert "FD_WHATSAPP_MAX_ATTEMPTS = 20\n" in result.output
    for signal in (*EVENT_SIGNALS, *NOTICES):
        name = "status_changed:tests.commands.conftest.sync_ticket.<locals>.sync_ticket"
        assert f"  {signal.name}: {name if signal is changed else '-'}\n" in result.output
    assert result.output.endswith("All in place.\n")


@pytest.mark.usefixtures("sync_ticket")
def test_check_as_json(app: Flask, run: RunCommand) -> None:
    """--json prints the same as one JSON object."""
    report = json.loads(run(app, "check", "--json").stdout)
    (receiver,) = report["receivers"]
    assert (receiver["receiver"], receiver["url"]) == ("fd_whatsapp", URL)
    assert receiver["settings"]["FD_WHATSAPP_LEDGER_URL"] == "memory://"
    assert list(report["handlers"]) == [signal.name for signal in (*EVENT_SIGNALS, *NOTICES)]
    assert len(report["handlers"]["status_changed"]) == 1
    assert report["findings"] == receiver["findings"] == []


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_secrets_are_masked(make_app: MakeApp, run: RunCommand, form: tuple[str, ...]) -> None:
    """Neither header values nor passwords are shown, only where they are configured."""
    app = make_app(
        FreshdeskWhatsApp(ledger=MemoryLedger()),
        HEADERS={"Authorization": [TOKEN, "0ther"]},
        LEDGER_URL=DATABASE,
    )
    output = run(app, "check", *form).output
    assert not [secret for secret in SECRETS if secret in output]
    assert "postgresql+psycopg://freddy:********@db.example/events" in output
    assert output.count("********") == 3


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("memory://", "memory://"),
        ("sqlite:////var/lib/events.db", "sqlite:////var/lib/events.db"),
        ("mariadb+pymysql://host:3306/db", "mariadb+pymysql://host:3306/db"),
        ("mariadb+pymysql://me@host/db", "mariadb+pymysql://me@host/db"),
        ("mariadb+pymysql://me:pw/x:y@host:3306/db", "mariadb+pymysql://me:********@host:3306/db"),
        ("mariadb+pymysql://host/db?password=pw", "mariadb+pymysql://host/db"),
        (
            "mariadb+pymysql:///db?unix_socket=/run/x&a=b",
            "mariadb+pymysql:///db?unix_socket=/run/x",
        ),
        (
            "postgresql+psycopg://me:pw@/db?host=a:1&password=x&host=b",
            "postgresql+psycopg://me:********@/db?host=a:1&host=b",
        ),
        ("mariadb+pymysql://me:p@w@host/db", "mariadb+pymysql://********"),
        ("mariadb+pymysql://me:p?w@host/db", "mariadb+pymysql://********"),
    ],
)
def test_masked_url(url: str, shown: str) -> None:
    """A database's URL is shown without its password and without the query's parameters other than
    hosts, or not at all if in doubt.
    """
    assert masked_url(url) == shown


def _raises_with_url(app: Flask) -> Never:
    raise RuntimeError(f"cannot parse {DATABASE}: password is pa55w@rd, header {TOKEN}")


@pytest.mark.parametrize(
    ("ledger", "told"),
    [(DownLedger(), "The database does not answer."), (_raises_with_url, "cannot parse")],
)
def test_ledger_that_is_down(
    make_app: MakeApp, run: RunCommand, find: Find, ledger: Any, told: str
) -> None:
    """An unusable ledger is an error; everything else is checked nevertheless."""
    app = make_app(FreshdeskWhatsApp(ledger=ledger), LEDGER_URL=DATABASE)
    result = run(app, "check")
    assert result.exit_code == 1
    assert "Ledger: cannot be used\n" in result.output
    assert "FD_WHATSAPP_MAX_ATTEMPTS = 20\n" in result.output
    assert not [secret for secret in SECRETS if secret in result.output]
    _, found = find(app)
    assert [told in text for level, text in found if level == "error"] == [True]


@pytest.mark.parametrize("signal", [changed, handler_failed])
def test_coroutine_function_without_asgiref(
    app: Flask, find: Find, monkeypatch: pytest.MonkeyPatch, signal: NamedSignal
) -> None:
    """An ``async def`` handler is an error if Flask's extra for it is not installed."""

    @signal.connect
    @handler_name("asynchronous")
    async def asynchronous(app: Flask, **values: Any) -> None: ...

    changed.connect(lambda app, event: None, weak=False)
    assert find(app)[0] == 0
    monkeypatch.setitem(sys.modules, "asgiref.sync", None)
    status, found = find(app)
    assert status == 1
    (error,) = [text for level, text in found if level == "error"]
    assert error.startswith("Handler asynchronous is")
    assert "pip install 'flask[async]'" in error


@pytest.mark.parametrize(("signal", "is_of_events"), [(changed, True), (handler_failed, False)])
def test_connected_for_the_proxy(
    app: Flask, find: Find, signal: NamedSignal, is_of_events: bool
) -> None:
    """A handler connected for the proxy ``current_app`` is an error that says so."""
    with app.app_context():
        signal.connect_via(current_app)(handler_name("tickets")(lambda app, **_: None))
    status, ((level, text), *others) = find(app)
    assert (status, level) == (1, "error")
    assert "Handler tickets is connected for current_app and never called" in text
    assert "connect_via(app)" in text
    assert ["weakly" in text for _, text in others] == ([] if is_of_events else [True])


def test_connected_for_another_sender(app: Flask, find: Find) -> None:
    """A handler connected for another sender is a warning: it may belong to another application."""
    changed.connect_via("shop")(handler_name("tickets")(lambda app, **_: None))
    changed.connect_via(app)(lambda app, **_: None)
    status, ((level, text),) = find(app)
    assert (status, level) == (0, "warning")
    assert "Handler tickets is connected for a sender other than this application" in text


def test_a_receiver_without_handlers_is_explained(app: Flask, find: Find) -> None:
    """Without any handler, the check explains how handlers vanish; that is not an error."""

    def connect_in_vain() -> None:
        @changed.connect
        def vanishes(app: Flask, event: object) -> None: ...

    connect_in_vain()
    status, found = find(app)
    assert status == 0
    assert [(level, "connect_via(app)" in text) for level, text in found] == [("warning", True)]


def test_shared_identity(app: Flask, find: Find) -> None:
    """Handlers of one event that share an identity are named."""
    handlers = [handler_name("tickets")(lambda app, event: None) for _ in range(2)]
    changed.connect(handlers[0])
    message_sent.connect(handlers[1])
    status, found = find(app)
    assert status == 0
    assert [level for level, _ in found] == ["warning", "warning"]
    assert ["tickets#1/2 shares" in found[0][1], "tickets#2/2 shares" in found[1][1]] == [True] * 2


def test_one_name_for_several_statuses(app: Flask, find: Find) -> None:
    """A name shared only by handlers of different events needs no warning."""

    @message_read.connect
    @message_sent.connect
    @handler_name("tickets")
    def count(app: Flask, event: object) -> None: ...

    assert find(app) == (0, [])


@pytest.mark.usefixtures("sync_ticket")
@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"HEADERS": {}, "ALLOW_UNAUTHENTICATED": True}, "Anybody can post"),
        ({"DATA_HEADERS": ["X-A", "X-B", "X-C"]}, "more than 3 headers"),
    ],
)
def test_doubtful_settings(
    make_app: MakeApp, find: Find, settings: dict[str, Any], told: str
) -> None:
    """Settings that work, but probably not as intended, are warnings."""
    status, found = find(make_app(**settings))
    assert status == 0
    assert [(level, told in text) for level, text in found] == [("warning", True)]


@pytest.mark.usefixtures("sync_ticket")
def test_memory_outside_debug(
    make_app: MakeApp, find: Find, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The in-memory ledger is a warning, except in debug mode and tests."""
    app = make_app()
    app.testing = False
    status, found = find(app)
    assert status == 0
    assert [(level, "FD_WHATSAPP_LEDGER_URL" in text) for level, text in found] == [
        ("warning", True)
    ]
    monkeypatch.setenv("FLASK_DEBUG", "1")
    assert find(app) == (0, [])


def test_a_short_secret_leaves_texts_readable(make_app: MakeApp) -> None:
    """Secrets are masked inside texts unless they could be part of a word by chance."""
    app = make_app(HEADERS={"Authorization": ["a", "test", "test-and-more"]})
    receivers = app.extensions["fd_whatsapp"].values()
    text = "a latest test, test-and-more and xtest-and-morex"
    assert without_secrets(text, receivers) == "a latest ********, ******** and x********x"
