"""The traces of a rejected request: log lines, and notes in the ledger."""

from __future__ import annotations

import logging
import time
from typing import Any, NamedTuple

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_fd_whatsapp import FreshdeskWhatsApp
from flask_fd_whatsapp.ledger import MemoryLedger, Rejection
from flask_fd_whatsapp.receiving.notes import INTERVAL_SECONDS, Notes
from flask_fd_whatsapp.receiving.rejections import LOG_SECONDS, Rejections
from flask_fd_whatsapp.signals import webhook_rejected

from ..answers import OTHER_EVENT, UNUSABLE, assert_problem, client_of
from ..concurrency.threads import Clock
from ..conftest import TOKEN, URL, MakeApp, Payload
from ..processes.waiting import wait_until
from .test_answers_in_trouble import BrokenLedger

KEPT = "`flask fd-whatsapp quarantine list`"


class Told(NamedTuple):
    """An application whose rejections use the test's clock."""

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
        """The lines logged since the last call."""
        records = [record for record in self.log.records if record.name.endswith(".rejections")]
        self.log.clear()
        assert {record.levelno for record in records} <= {logging.WARNING}
        return [record.getMessage() for record in records]

    def noted(self) -> dict[str, int]:
        return {one.reason: one.status_code for one in self.ledger.rejections.last()}


@pytest.fixture
def told(make_app: MakeApp, caplog: pytest.LogCaptureFixture) -> Told:
    return timed(make_app(MAX_BODY_BYTES=2000, ACCOUNT_IDS=["7"]), caplog)


def timed(app: Flask, log: pytest.LogCaptureFixture) -> Told:
    clock = Clock()
    receiver = app.extensions["fd_whatsapp"]["fd_whatsapp"]
    notes = Notes("fd_whatsapp", lambda: receiver.ledger)
    receiver.rejections = Rejections(
        app, "fd_whatsapp", "FD_WHATSAPP", receiver.settings, notes, clock
    )
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
def test_401_names_wrong_headers_and_no_value(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, headers: dict[str, str], text: str
) -> None:
    """A 401 names the headers that are missing or wrong and the key, and no value."""
    told = timed(make_app(HEADERS={"Authorization": TOKEN, "X-Second": "s3cond"}), caplog)
    assert_problem(told.app.test_client().post(URL, headers=headers), 401)
    (line,) = told.lines()
    (note,) = told.ledger.rejections.last()
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
def test_413_names_its_limit(told: Told, limits: dict[str, int], key: str) -> None:
    """A 413 names the limit that was passed, the receiver's or the application's own."""
    told.app.config.update(limits)
    assert_problem(told.client.post(URL, data=b"x" * 2001), 413)
    (line,) = told.lines()
    assert key in line
    assert KEPT not in line
    assert told.noted() == {"too_large": 413}


def test_unlisted_account_is_named(told: Told, payload: Payload) -> None:
    """An unlisted account is named with the key."""
    assert_problem(told.client.post(URL, json=payload(account_id="8")), 403)
    (line,) = told.lines()
    assert "Account 8 is not in FD_WHATSAPP_ACCOUNT_IDS." in line
    assert KEPT in line


@pytest.mark.parametrize("reason", UNUSABLE)
def test_quarantined_body_is_logged_with_its_command(told: Told, reason: str) -> None:
    """What is kept in quarantine is logged with the command that shows it."""
    body, status = UNUSABLE[reason]
    assert_problem(told.client.post(URL, data=body), status)
    (line,) = told.lines()
    assert f"({reason}, answered with {status})" in line
    assert KEPT in line
    assert told.noted() == {reason: status}


def test_wrong_fields_are_named(told: Told, payload: Payload) -> None:
    """The log line and the note of an invalid event say which fields are wrong, and why."""
    told.client.post(URL, json=payload(data__timestamp="soon\u202e"))
    (line,) = told.lines()
    (note,) = told.ledger.rejections.last()
    for said in (line, note.detail):
        assert "data.timestamp: Must be an RFC 3339 date-time" in said
        assert "soon" not in said


def test_ignored_is_not_rejected(told: Told) -> None:
    """Ignored requests are not rejections: they are logged once per type, and an empty one is
    noted.
    """
    for body in (OTHER_EVENT, OTHER_EVENT.replace(b"created", b"\\u202e"), b"") * 3:
        told.client.post(URL, data=body)
    lines = [record.getMessage() for record in told.log.records]
    assert len(lines) == 3
    assert "of type conversation_created was ignored" in lines[0]
    assert "of type conversation_\\u202e was ignored" in lines[1]
    assert "with an empty body was ignored" in lines[2]
    assert not any("rejected" in line for line in lines)
    assert told.noted() == {"ignored": 200}


def test_log_is_not_filled(told: Told) -> None:
    """Each reason is logged at once, then once a minute with the number since."""
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


def test_a_scanner_hides_no_wrong_token(told: Told) -> None:
    """A 401 without any of the headers is logged and recorded separately from one with a wrong
    header.
    """
    stranger = told.app.test_client()
    for _ in range(20):
        stranger.post(URL)
    told.lines()
    stranger.post(URL, headers={"Authorization": "Bearer old"})
    (line,) = told.lines()
    assert "Header Authorization has a wrong value" in line
    kept = {one.has_no_header: one for one in told.ledger.rejections.last()}
    assert {one.reason for one in kept.values()} == {"unauthenticated"}
    assert "is missing" in kept[True].detail
    assert "has a wrong value" in kept[False].detail


@pytest.mark.parametrize(
    ("headers", "has_no_header"),
    [
        ({}, True),
        ({"Authorization": ""}, True),
        ({"X-Other": "x"}, True),
        ({"Authorization": TOKEN}, False),
        ({"X-Second": "wrong"}, False),
    ],
)
def test_whose_headers_are_there(
    make_app: MakeApp,
    caplog: pytest.LogCaptureFixture,
    headers: dict[str, str],
    has_no_header: bool,
) -> None:
    """A sender of one of two headers, right or wrong, is not just a scanner."""
    told = timed(make_app(HEADERS={"Authorization": TOKEN, "X-Second": "s3cond"}), caplog)
    told.app.test_client().post(URL, headers=headers)
    (kept,) = told.ledger.rejections.last()
    assert kept.has_no_header is has_no_header


def test_database_is_left_alone(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many rejections few are written: the first at once, and the last of all."""
    told = timed(make_app(HEADERS={"Authorization": TOKEN, "X-Second": "s3cond"}), caplog)
    noted: list[Rejection] = []
    monkeypatch.setattr(told.ledger.rejections, "note", noted.append)
    scanner = told.app.test_client()
    begin = time.monotonic()
    for _ in range(200):
        scanner.post(URL, headers={"X-Second": "guess"})
    assert len(noted) <= (time.monotonic() - begin) / INTERVAL_SECONDS + 1
    assert "X-Second has a wrong value" in noted[0].detail
    scanner.post(URL, headers={"Authorization": "guess"})
    wait_until(lambda: "X-Second is missing" in noted[-1].detail, "the last is noted")


@pytest.mark.parametrize("error", BrokenLedger.errors, ids=repr)
def test_rejection_is_told_while_the_ledger_is_down(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, signals_seen: list[Any], error: Exception
) -> None:
    """A ledger that cannot store the note changes neither the answer nor the signal."""
    app = make_app(FreshdeskWhatsApp(ledger=BrokenLedger(error)), MAX_BODY_BYTES=5)
    told = timed(app, caplog)
    assert_problem(told.app.test_client().post(URL), 401)
    assert_problem(told.client.post(URL, data=b"123456"), 413)
    assert [arguments["status_code"] for _, arguments in signals_seen] == [401, 413]
    (line,) = [one for one in caplog.messages if "could not be written" in one]
    assert str(error) in line


def test_rejection_is_told_without_a_ledger(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """A ledger that cannot even be created changes neither."""

    def make_ledger(app: Flask) -> MemoryLedger:
        raise ConnectionError("down")

    told = timed(make_app(FreshdeskWhatsApp(ledger=make_ledger)), caplog)
    assert_problem(told.app.test_client().post(URL), 401)


def test_muted_rejection_is_not_told(told: Told) -> None:
    """While the signal is muted, as by ``check``, no rejection is recorded."""
    with webhook_rejected.muted():
        assert_problem(told.app.test_client().post(URL), 401)
    assert (told.lines(), told.noted()) == ([], {})
