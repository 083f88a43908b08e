"""Log records have fields that say which event they are about."""

from __future__ import annotations

import json
import logging
import logging.config
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

import flask_fd_whatsapp
from flask_fd_whatsapp import (
    RetryLater,
    StatusEvent,
    handler_failed,
    handler_name,
    status_received,
)
from flask_fd_whatsapp.escaping import plain_traceback
from flask_fd_whatsapp.ledger import Ledger
from flask_fd_whatsapp.log_fields import LOG_FIELDS, get_logger, log_fields
from flask_fd_whatsapp.receiving.resuming import resume

from .answers import assert_problem, client_of, make_due
from .conftest import URL, MakeApp, Payload


@pytest.fixture
def app(make_app: MakeApp, caplog: pytest.LogCaptureFixture) -> Flask:
    caplog.set_level(logging.DEBUG, "flask_fd_whatsapp")
    return make_app(MAX_ATTEMPTS=2, CAMPAIGN=lambda reference: 1 / 0)


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """The package's fields of a record, except the handler's name."""
    known = vars(record)
    return {name: known[name] for name in LOG_FIELDS if name in known and name != "handler"}


def test_a_failing_event(
    app: Flask, ledger: Ledger, payload: Payload, caplog: pytest.LogCaptureFixture
) -> None:
    """Every record about a failing event, inline and in a retry, has all known fields."""

    @status_received.connect
    @handler_name("tickets")
    def fails(app: Flask, event: object) -> None:
        raise ValueError("no tickets")

    @handler_failed.connect
    @handler_name("alarm")
    def fails_too(app: Flask, **_: object) -> None:
        raise ValueError("no alarm")

    body = payload("sent")
    of_message = {
        "receiver": "fd_whatsapp",
        "account_id": body["account_id"],
        "message_id": body["data"]["message_id"],
        "external_reference_id": body["data"]["external_reference_id"],
        "status": "SENT",
    }
    assert_problem(client_of(app).post(URL, json=body), 503, "30")
    (event,) = ledger.events()
    known = {**of_message, "event_id": event.id, "attempt": 1}
    logged = []
    for record in caplog.records:
        logged.append((record.module, vars(record).get("handler")))
        expected = of_message if record.module == "campaigns" else known
        assert fields_of(record) == expected, record.getMessage()
    assert logged == [("campaigns", None), ("attempt", "tickets"), ("notices", "alarm")]

    caplog.clear()
    make_due(app)
    resume(app.extensions["fd_whatsapp"]["fd_whatsapp"], event.id)
    died = [record for record in caplog.records if "is dead" in record.getMessage()]
    assert len(died) == 1
    for record in caplog.records:
        assert fields_of(record) == {**known, "attempt": 2}, record.getMessage()


def test_a_handler_that_asks_to_be_called_later(
    app: Flask, payload: Payload, caplog: pytest.LogCaptureFixture
) -> None:
    """Records about other things have the same fields."""

    @status_received.connect
    @handler_name("tickets")
    def waits(app: Flask, event: object) -> None:
        raise RetryLater(60)

    assert_problem(client_of(app).post(URL, json=payload()), 503, "60")
    (record,) = [record for record in caplog.records if record.module == "attempt"]
    assert {name for name in LOG_FIELDS if hasattr(record, name)} == set(LOG_FIELDS)
    assert record.__dict__["handler"] == "tickets"


def test_documented_configuration_writes_every_field(
    app: Flask, payload: Payload, caplog: pytest.LogCaptureFixture
) -> None:
    """The JSON lines of the documented formatter have every field of a failing handler's record."""

    @status_received.connect
    @handler_name("tickets")
    def fails(app: Flask, event: object) -> None:
        raise ValueError("no tickets")

    page = (Path(__file__).parents[1] / "docs/monitoring.md").read_text()
    (block,) = re.findall(
        r"^```python\n([^`]*JSONFormatter.*?)^```$", page, re.DOTALL | re.MULTILINE
    )
    documented: dict[str, Any] = {}
    exec(block, documented)
    assert documented["FIELDS"] == LOG_FIELDS
    client_of(app).post(URL, json=payload())
    (record,) = [record for record in caplog.records if record.module == "attempt"]
    configuration = documented["LOGGING"]
    configurator = logging.config.DictConfigurator(configuration)
    formatter = configurator.configure_formatter(configuration["formatters"]["json"])
    line = json.loads(formatter.format(record))
    assert set(LOG_FIELDS) <= set(line)
    assert (line["attempt"], line["handler"]) == (1, "tickets")
    assert "no tickets" in line["error"]


def test_every_logger_of_the_package_adds_the_fields() -> None:
    """Every module uses `get_logger`, without which records would lack the fields."""
    folder = Path(flask_fd_whatsapp.__file__).parent
    past = [path.name for path in folder.rglob("*.py") if "getLogger(__name__)" in path.read_text()]
    assert past == []


def test_a_rejected_request(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    """A record that is not about an event has the receiver, and nothing of an earlier event."""
    assert_problem(client_of(app).post(URL, data=b"{"), 400)
    assert_problem(app.test_client().post(URL), 401)
    assert len(caplog.records) == 2
    for record in caplog.records:
        assert fields_of(record) == {"receiver": "fd_whatsapp"}


def test_the_records_of_others_are_left_alone(
    app: Flask, payload: Payload, caplog: pytest.LogCaptureFixture
) -> None:
    """What a handler logs through a logger of its own has the fields it was given."""

    @status_received.connect
    def logs(app: Flask, event: object) -> None:
        logging.getLogger("host").warning("mine")

    client_of(app).post(URL, json=payload())
    (record,) = [record for record in caplog.records if record.name == "host"]
    assert not any(hasattr(record, name) for name in LOG_FIELDS)


@pytest.mark.parametrize("odd", ["\u202e", "\u2028", "\u2066", "\u200b", "\ufeff"], ids=ascii)
def test_ids_that_are_not_printable(
    app: Flask, payload: Payload, caplog: pytest.LogCaptureFixture, odd: str
) -> None:
    """No log line or field contains raw bidirectional or other invisible characters."""

    @status_received.connect
    def fails(app: Flask, event: object) -> None:
        raise ValueError("no tickets")

    body = payload(
        account_id=f"A{odd}",
        data__message_id=f"M{odd}",
        data__external_reference_id=f"R{odd}\r\nx",
        data__status=f"PLAY{odd}ED",
    )
    client = client_of(app)
    for _ in range(3):
        client.post(URL, json=body)
    client.post(URL, json={"event_type": f"x{odd}"})
    said = [record.getMessage() for record in caplog.records]
    assert any(f"M\\u{ord(odd):04x}" in line for line in said)
    for record in caplog.records:
        for text in (record.getMessage(), *map(str, fields_of(record).values())):
            assert text.isprintable(), text


def test_what_an_exception_says(
    app: Flask, payload: Payload, caplog: pytest.LogCaptureFixture
) -> None:
    """Text from outside in a handler's exception stays inside its traceback, without raw control
    characters, and cannot be mistaken for lines of the log.
    """

    @status_received.connect
    def fails(app: Flask, event: StatusEvent) -> None:
        raise ValueError(f"no ticket {event.external_reference_id}")

    reference = "R\u202e\x1b[31m\nCRITICAL forged\u2028\n  indented"
    client_of(app).post(URL, json=payload(data__external_reference_id=reference))
    (record,) = [record for record in caplog.records if record.exc_info]
    lines = logging.Formatter("%(message)s").format(record).split("\n")
    assert all(line.isprintable() for line in lines)
    said = lines.index(r"ValueError: no ticket R\u202e\u001b[31m")
    assert lines[said + 1 :] == [r"  CRITICAL forged\u2028", "  indented"]


def test_tracebacks_that_need_no_escapes(
    app: Flask, payload: Payload, caplog: pytest.LogCaptureFixture
) -> None:
    """An ordinary traceback is left to the host's formatter."""

    @status_received.connect
    def fails(app: Flask, event: StatusEvent) -> None:
        raise ValueError("no tickets") from KeyError(event.message_id)

    client_of(app).post(URL, json=payload())
    (record,) = [record for record in caplog.records if record.exc_info]
    assert record.exc_info
    assert record.exc_info[1]
    assert plain_traceback(record.exc_info[1]) is None


def test_what_has_no_text() -> None:
    """An object whose text cannot be obtained is logged by its type."""

    class Broken:
        def __str__(self) -> str:
            raise ValueError("no text")

    assert log_fields(receiver="main", event_id=Broken())["event_id"] == "<Broken>"
    record = logging.LogRecord("name", logging.INFO, "", 1, "About %s.", (Broken(),), None)
    assert get_logger("flask_fd_whatsapp.log_fields").filter(record)
    assert record.getMessage() == "About <Broken>."
