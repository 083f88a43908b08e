"""``flask fd-whatsapp trigger``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from flask_fd_whatsapp import Account, FreshdeskWhatsApp, message_failed, message_read

from ..conftest import MakeApp
from .conftest import RunCommand, RunJSON, ledger_of, url_in


@pytest.fixture
def reads(durable: Flask) -> Iterator[list[str | None]]:
    """The references of the messages that were read."""
    seen: list[str | None] = []

    def note(app: Flask, event: object) -> None:
        seen.append(event.external_reference_id)  # type: ignore[attr-defined]

    with message_read.connected_to(note, sender=durable):
        yield seen


def test_one_event_of_a_message(durable: Flask, run: RunCommand, reads: list[str | None]) -> None:
    """One event is posted, and handlers are called with it."""
    result = run(durable, "trigger", "read", "--reference", "T1")
    assert (result.exit_code, reads) == (0, ["T1"]), result.output
    assert result.stdout.startswith("READ of message 01")
    assert result.stdout.endswith(": answered with 200.\n")


def test_events_with_one_reference_are_of_one_message(durable: Flask, run_json: RunJSON) -> None:
    """A message is taken further by its reference, or by its id."""
    first = run_json(durable, "trigger", "QUEUED", "--reference", "T1")["payload"]
    again = run_json(durable, "trigger", "READ", "--reference", "T1")["payload"]
    third = run_json(durable, "trigger", "SENT", "--message", first["data"]["message_id"])
    ids = {one["data"]["message_id"] for one in (first, again, third["payload"])}
    assert len(ids) == 1
    (message,) = ledger_of(durable).messages(external_reference_id="T1")
    assert (message.status, len(message.times)) == ("READ", 3)
    assert run_json(durable, "trigger", "READ")["payload"]["data"]["message_id"] not in ids


def test_failure_has_the_code_that_is_given(durable: Flask, run: RunCommand) -> None:
    """FAILED has an error with the chosen code."""
    codes: list[str | None] = []

    def note(app: Flask, event: object) -> None:
        codes.append(event.error.code)  # type: ignore[attr-defined]

    with message_failed.connected_to(note, sender=durable):
        assert run(durable, "trigger", "FAILED", "--error-code", "131047").exit_code == 0
    assert codes == ["131047"]


def test_event_of_an_account(tmp_path: Path, run: RunCommand, empty_ledger_file: Path) -> None:
    """With many accounts one is chosen, whose token and id the event has."""
    (tmp_path / "ledger.db").write_bytes(empty_ledger_file.read_bytes())
    app = Flask("host", instance_path=str(tmp_path))
    app.testing = True
    app.config["FD_WHATSAPP_LEDGER_URL"] = url_in(tmp_path)
    accounts = {key: Account({"X": f"{key}-s3cret"}, [key * 2]) for key in ("1", "2")}
    app.register_blueprint(FreshdeskWhatsApp(accounts=accounts))
    assert run(app, "trigger", "READ", "--account", "2").exit_code == 0
    assert [one.account_id for one in ledger_of(app).events()] == ["22"]
    assert run(app, "trigger", "READ").exit_code == 2
    ledger_of(app).engine.dispose()  # type: ignore[attr-defined]


def test_event_that_is_refused(make_durable: MakeApp, run: RunCommand) -> None:
    """A rejected event makes the command fail, and it says where to look."""
    app = make_durable()
    app.before_request(lambda: ("no entry", 418))
    result = run(app, "trigger", "READ")
    assert (result.exit_code, "answered with 418" in result.stdout) == (1, True)
    assert "flask fd-whatsapp check" in result.stderr
