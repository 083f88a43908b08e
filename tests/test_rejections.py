"""What is left of a request that was not accepted: lines in the log, and notes in the ledger."""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_fd_whatsapp import FreshdeskWhatsApp
from flask_fd_whatsapp.ledger import MemoryLedger, Rejection
from flask_fd_whatsapp.rejections import LOG_SECONDS, NOTE_SECONDS, Rejections
from flask_fd_whatsapp.signals import webhook_rejected

from .answers import OTHER_EVENT, UNUSABLE, assert_problem, client_of
from .concurrency.threads import Clock
from .conftest import TOKEN, URL, MakeApp, Payload
from .test_answers_in_trouble import BrokenLedger

KEPT = "`flask fd-whatsapp quarantine list`"


class Told(NamedTuple):
    """An application whose rejections go by a clock of the test's own."""

    app: Flask
    clock: Clock
    log: pytest.LogCaptureFixture

    @property
    def client(self) -> FlaskClient:
        return client_of(self.app)

    @property
    def ledger(self) -> Any:
        return self.app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger

    def lines(self) -> list[str]:
        """The lines logged since they were last asked for."""
        records = [record for record in self.log.records if record.name.endswith(".rejections")]
        self.log.clear()
        assert {record.levelno for record in records} <= {logging.WARNING}
        return [record.getMessage() for record in records]

    def noted(self) -> dict[str, int]:
        return {one.reason: one.status_code for one in self.ledger.rejections()}


@pytest.fixture
def told(make_app: MakeApp, caplog: pytest.LogCaptureFixture) -> Told:
    return timed(make_app(MAX_BODY_BYTES=2000, ACCOUNT_IDS=["7"]), caplog)


def timed(app: Flask, log: pytest.LogCaptureFixture) -> Told:
    clock = Clock()
    receiver = app.extensions["fd_whatsapp"]["fd_whatsapp"]
    rejections = Rejections(app, "fd_whatsapp", lambda: receiver.ledger, clock)
    receiver._rejections = receiver._intake._rejections = rejections
    return Told(app, clock, log)


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ({}, "Header Authorization is missing, X-Second is missing: see FD_WHATSAPP_HEADERS."),
        ({"Authorization": ""}, "Authorization is missing, X-Second is missing"),
        ({"Authorization": TOKEN}, "Header X-Second is missing"),
        ({"Authorization": "Bearer guess", "X-Second": "s3cond"}, "Authorization has a wrong valu"),
    ],
)
def test_headers(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, headers: dict[str, str], text: str
) -> None:
    """A 401 names the headers that are missing or wrong and the key, and no value."""
    told = timed(make_app(HEADERS={"Authorization": TOKEN, "X-Second": "s3cond"}), caplog)
    assert_problem(told.app.test_client().post(URL, headers=headers), 401)
    (line,) = told.lines()
    (note,) = told.ledger.rejections()
    assert "rejected (unauthenticated, answered with 401)" in line
    for said in (line, note.detail):
        assert text in said
        assert not any(value in said for value in headers.values() if value)


@pytest.mark.parametrize(
    ("limits", "key"),
    [
        ({}, "The body is larger than 2000 bytes. See FD_WHATSAPP_MAX_BODY_BYTES."),
        ({"MAX_CONTENT_LENGTH": 5}, "The body is larger than 5 bytes. See MAX_CONTENT_LENGTH."),
    ],
)
def test_too_large(told: Told, limits: dict[str, int], key: str) -> None:
    """A 413 names the limit that was passed, the receiver's or the application's own."""
    told.app.config.update(limits)
    assert_problem(told.client.post(URL, data=b"x" * 2001), 413)
    (line,) = told.lines()
    assert key in line
    assert KEPT not in line
    assert told.noted() == {"too_large": 413}


def test_account(told: Told, payload: Payload) -> None:
    """An account that is not listed is named with the key."""
    assert_problem(told.client.post(URL, json=payload(account_id="8")), 403)
    (line,) = told.lines()
    assert "Account 8 is not in FD_WHATSAPP_ACCOUNT_IDS." in line
    assert KEPT in line


@pytest.mark.parametrize("reason", UNUSABLE)
def test_kept(told: Told, reason: str) -> None:
    """What is kept in quarantine is logged with the command that shows it."""
    body, status = UNUSABLE[reason]
    assert_problem(told.client.post(URL, data=body), status)
    (line,) = told.lines()
    assert f"({reason}, answered with {status})" in line
    assert KEPT in line
    assert told.noted() == {reason: status}


def test_ignored(told: Told) -> None:
    """What is ignored is not rejected."""
    told.client.post(URL, data=OTHER_EVENT)
    told.client.post(URL, data=b"")
    assert (told.lines(), told.noted()) == ([], {})


def test_log_is_not_filled(told: Told) -> None:
    """Of a reason there is a line at once, then one a minute, with how many there were since."""
    stranger = told.app.test_client()
    lines = []
    for _ in range(3):
        for _ in range(20):
            stranger.post(URL)
        lines += told.lines()
        told.clock.now += LOG_SECONDS
    first, second, third = lines
    assert "since" not in first
    assert second.endswith(" 19 more since the last such line.")
    assert third.endswith(" 19 more since the last such line.")
    told.client.post(URL, data=b"{")
    assert len(told.lines()) == 1, "another reason has lines of its own"


def test_database_is_left_alone(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are rejected, of a reason one in ten seconds is noted."""
    noted: list[Rejection] = []
    monkeypatch.setattr(told.ledger, "note_rejection", noted.append)
    stranger = told.app.test_client()
    for _ in range(2):
        for _ in range(20):
            stranger.post(URL)
            told.client.post(URL, data=b"{")
        told.clock.now += NOTE_SECONDS
    assert [one.reason for one in noted] == ["unauthenticated", "not_json"] * 2


@pytest.mark.parametrize("error", BrokenLedger.errors, ids=repr)
def test_ledger_down(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, signals_seen: list[Any], error: Exception
) -> None:
    """A ledger that cannot take the note changes neither the answer nor who is told."""
    app = make_app(FreshdeskWhatsApp(ledger=BrokenLedger(error)), MAX_BODY_BYTES=5)
    told = timed(app, caplog)
    assert_problem(told.app.test_client().post(URL), 401)
    assert_problem(told.client.post(URL, data=b"123456"), 413)
    assert [arguments["status_code"] for _, arguments in signals_seen] == [401, 413]
    assert len([line for line in told.lines() if "could not be noted" in line]) == 2


def test_ledger_that_cannot_be_made(make_app: MakeApp, caplog: pytest.LogCaptureFixture) -> None:
    """Neither does one that cannot even be made."""

    def make_ledger(app: Flask) -> MemoryLedger:
        raise ConnectionError("down")

    told = timed(make_app(FreshdeskWhatsApp(ledger=make_ledger)), caplog)
    assert_problem(told.app.test_client().post(URL), 401)


def test_muted(told: Told) -> None:
    """Where the signal is muted, as by ``check``, nothing was rejected."""
    with webhook_rejected.muted():
        assert_problem(told.app.test_client().post(URL), 401)
    assert (told.lines(), told.noted()) == ([], {})
