"""The class of an error code, and what handlers see of it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_fd_whatsapp import (
    ConfigurationError,
    DeliveryError,
    FailureClass,
    FreshdeskWhatsApp,
    StatusEvent,
    message_failed,
    status_received,
)
from flask_fd_whatsapp.failure_reasons import Failure, classify
from flask_fd_whatsapp.receiving.resuming import resume

from .answers import DurableLedger, client_of
from .conftest import URL, MakeApp, Payload
from .scripted import Scripted

BY_CLASS = {
    FailureClass.TRANSIENT: "1 2 4 80007 130429 131000 131016 131048 131056 133004",
    FailureClass.RECIPIENT: "131026 131030 131050",
    FailureClass.MARKETING_CAP: "131049 130472",
    FailureClass.CONTENT_OR_WINDOW: (
        "131047 470 131051 131052 131053 100 131008 131009 132000 132001 132068 132999"
    ),
    FailureClass.ACCOUNT_OR_CONFIGURATION: (
        "0 3 10 190 200 250 299 368 131005 131031 131042 131045 133010"
    ),
    FailureClass.UNKNOWN: (
        "INVALID 5 199 300 131999 133000 -1 +1 1.0 0x1 \u0661 \u00b9 131026x " + "1" * 5000
    ),
}


@pytest.mark.parametrize(
    ("failure_class", "code"),
    [(kind, code) for kind, codes in BY_CLASS.items() for code in codes.split()],
    ids=lambda value: str(value)[:20],
)
def test_known_codes_have_a_class(failure_class: FailureClass, code: str) -> None:
    """Every number that is known has its class, and every other number is unknown."""
    assert classify(code) is failure_class


@pytest.mark.parametrize("code", [None, "", " "])
def test_no_code(code: str | None) -> None:
    """A failure without a code is unknown."""
    assert classify(code) is FailureClass.UNKNOWN


def test_spaces_around_a_code_mean_nothing() -> None:
    """Spaces around a code mean nothing."""
    assert classify(" 131026\n") is FailureClass.RECIPIENT


def test_every_class_has_its_advice() -> None:
    """Every class has its own advice, in one line."""
    advice = [kind.advice for kind in FailureClass]
    assert len(set(advice)) == len(FailureClass)
    assert all(text.endswith(".") and "\n" not in text for text in advice)


BY_WORDS = {
    FailureClass.TRANSIENT: "RATE_LIMIT_HIT timeout InTeRnAl-error RECIPIENT_TEMPORARILY_AWAY",
    FailureClass.RECIPIENT: "INVALID_RECIPIENT invalid-recipient RECIPIENT_NOT_ON_WHATSAPP",
    FailureClass.MARKETING_CAP: "MARKETING_LIMIT",
    FailureClass.CONTENT_OR_WINDOW: "TEMPLATE_NOT_FOUND INVALID_PARAMETER WINDOW_CLOSED",
    FailureClass.ACCOUNT_OR_CONFIGURATION: "ACCOUNT_SUSPENDED access_denied PAYMENT_MISSING",
    FailureClass.UNKNOWN: "INVALID FAILED ACCOUNTANT 131026RECIPIENTLY \u017fENDER " + "X" * 5000,
}


@pytest.mark.parametrize(
    ("failure_class", "code"),
    [(kind, code) for kind, codes in BY_WORDS.items() for code in codes.split()],
    ids=lambda value: ascii(value)[:25],
)
def test_words_are_sorted_by_what_they_say(failure_class: FailureClass, code: str) -> None:
    """A code in words is classified by its words, in any case; the rest is unknown."""
    assert classify(code) is failure_class


def test_permanent_is_what_no_waiting_helps() -> None:
    """Only failures that waiting cannot cure are permanent."""
    permanent = {kind for kind in FailureClass if kind.is_permanent}
    assert permanent == {FailureClass.RECIPIENT, FailureClass.CONTENT_OR_WINDOW}


def failure_of(client: FlaskClient, body: Any) -> Failure | None:
    """What a handler sees of the failure."""
    received = Scripted("received")
    status_received.connect(received)
    client.post(URL, json=body)
    (event,) = received.events
    failure: Failure | None = event.failure
    return failure


def test_handlers_get_the_failure(client: FlaskClient, payload: Payload) -> None:
    """The event of a failure has its class, what to do, and whether sending again is useless."""
    failure = failure_of(client, payload("failed", data__error={"code": "131026"}))
    assert failure is not None
    assert failure.failure_class is FailureClass.RECIPIENT
    assert (failure.advice, failure.is_permanent) == (FailureClass.RECIPIENT.advice, True)


@pytest.mark.parametrize("name", ["sent", "failed"])
def test_no_error_no_failure(client: FlaskClient, payload: Payload, name: str) -> None:
    """An event without an error has no failure."""
    assert failure_of(client, payload(name, data__error=None)) is None


def test_a_retry_gets_the_failure_that_came_with_another_copy(
    make_app: MakeApp, payload: Payload
) -> None:
    """A recorded event without its error is handled with that of its later copy."""
    app = make_app(FreshdeskWhatsApp(ledger=DurableLedger()), DISPATCH="deferred")
    received = Scripted("received")
    status_received.connect(received)
    client = client_of(app)
    client.post(URL, json=payload("failed", data__error=None))
    client.post(URL, json=payload("failed", data__error={"code": "131026", "message": "away"}))
    resume(app.extensions["fd_whatsapp"]["fd_whatsapp"], 1)
    (event,) = received.events
    assert event.error == DeliveryError("131026", "away")
    assert event.failure == Failure(FailureClass.RECIPIENT)


def test_failure_is_no_part_of_equality() -> None:
    """Fields filled in by the receiver do not affect equality."""
    fields = {field.name: field.compare for field in dataclasses.fields(StatusEvent)}
    assert fields["failure"] is False


@pytest.mark.parametrize(
    "classes",
    [
        {"invalid ": "recipient"},
        {"INVALID": FailureClass.RECIPIENT},
        {"INVALID": "RECIPIENT", 131026: "transient"},
    ],
)
def test_own_classes(make_app: MakeApp, payload: Payload, classes: Any) -> None:
    """The setting's class for a code takes precedence over all others."""
    client = client_of(make_app(FAILURE_CLASSES=classes))
    assert failure_of(client, payload("failed")) == Failure(FailureClass.RECIPIENT)
    if 131026 in classes:
        body = payload("failed", data__message_id="M2", data__error={"code": 131026})
        assert failure_of(client, body) == Failure(FailureClass.TRANSIENT)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (["131026"], "has to be a mapping"),
        ({"131026": "never"}, "'never' (of '131026') is not a failure class: use one of"),
        ({"131026": None}, "is not a failure class"),
        ({"131026": ["recipient"]}, "is not a failure class"),
        ({True: "recipient"}, "True is not an error code"),
        ({" ": "recipient"}, "' ' is not an error code"),
        (None, "has to be a mapping"),
    ],
)
def test_wrong_classes(make_app: MakeApp, value: Any, said: str) -> None:
    """A wrong class or code is an error that names the key, the mistake and the classes."""
    with pytest.raises(ConfigurationError) as caught:
        make_app(FAILURE_CLASSES=value)
    assert str(caught.value).startswith("FD_WHATSAPP_FAILURE_CLASSES: ")
    assert said in str(caught.value)


def test_every_status_may_have_an_error(app: Flask, client: FlaskClient, payload: Payload) -> None:
    """A failure is classified for any status; ``message_failed`` is one of its signals."""
    failed = Scripted("failed")
    message_failed.connect(failed)
    client.post(URL, json=payload("failed", data__error={"code": 470}))
    assert failed.events[0].failure == Failure(FailureClass.CONTENT_OR_WINDOW)
    body = payload("sent", data__error={"code": "INVALID_RECIPIENT"})
    assert failure_of(client, body) == Failure(FailureClass.RECIPIENT)
