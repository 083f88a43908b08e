"""``flask fd-whatsapp message``."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask

from ..ledger.entries import POLICY, entry
from .conftest import Post, RunCommand, RunJSON, Tickets

ID = "01KAB4HHTBE081898E432RCMA7"
REFERENCE = "MM-T1-00001"


@pytest.fixture
def filled(durable: Flask, post: Post) -> Flask:
    """An application that has the samples, the last first."""
    for name in ("failed", "read", "delivered", "sent", "queued"):
        post(durable, name)
    return durable


@pytest.mark.parametrize("by", [ID, REFERENCE])
def test_timeline_of_a_message(filled: Flask, run_json: RunJSON, by: str) -> None:
    """A message is found by id or reference, with its statuses in order and their times."""
    (message,) = run_json(filled, "message", by)["messages"]
    assert (message["message_id"], message["status"]) == (ID, "READ")
    assert message["external_reference_id"] == REFERENCE
    timeline = message["timeline"]
    assert [entry["status"] for entry in timeline] == [
        "QUEUED",
        "SENT",
        "DELIVERED",
        "READ",
        "FAILED",
    ]
    assert timeline[3]["timestamp"] == "2025-11-18T09:26:43.919000Z"
    assert [entry["is_stale"] for entry in timeline] == [True, True, True, False, False]
    received = [entry["received_at"] for entry in timeline]
    assert received == sorted(received, reverse=True)
    assert {entry["state"] for entry in timeline} == {"done"}


def test_a_line_a_status(filled: Flask, run: RunCommand) -> None:
    """As text it has one line per status, the reason of the failure, and whether it arrived."""
    printed = run(filled, "message", ID).stdout
    assert printed.startswith(f"Message {ID} of account 11011399037\nReference: {REFERENCE}\n")
    assert "\nStatus: READ\n" in printed
    assert re.search(r"^READ +2025-11-18 09:26:43.919Z +60\.463 s ", printed, re.MULTILINE)
    assert "Failed: INVALID: FAILED\n  unknown: " in printed
    assert printed.endswith("Despite that, it is READ.\n")


@pytest.mark.parametrize(
    ("code", "kind", "advice"),
    [
        ("130429", "transient", "again later"),
        (131026, "recipient", "Do not send"),
        ("131049", "marketing cap", "a day or more"),
        ("132001", "content or window", "template"),
        ("131042", "account or configuration", "payment"),
        ("\x1b[31m", "unknown", "not known"),
        (None, "unknown", "not known"),
    ],
)
def test_failure_is_explained(
    durable: Flask,
    post: Post,
    run: RunCommand,
    run_json: RunJSON,
    code: Any,
    kind: str,
    advice: str,
) -> None:
    """A failure is explained by the class of its code, with what to do."""
    post(durable, "failed", data__error={"code": code, "message": "why"})
    (message,) = run_json(durable, "message", ID)["messages"]
    assert message["failure"]["message"] == "why"
    assert message["failure"]["class"] == kind
    assert advice in message["failure"]["advice"]
    printed = run(durable, "message", ID).stdout
    assert f"  {kind}: {message['failure']['advice']}\n" in printed
    assert "\x1b" not in printed
    assert "all the same" not in printed


def test_a_message_that_did_not_fail_is_shown_without_a_failure(
    durable: Flask, post: Post, run: RunCommand, run_json: RunJSON
) -> None:
    """A message that did not fail is shown without a failure, and with all else."""
    post(durable, "sent", data__external_reference_id=None)
    (message,) = run_json(durable, "message", ID)["messages"]
    assert (message["failure"], message["external_reference_id"]) == (None, None)
    assert "Failed" not in run(durable, "message", ID).stdout


def test_unfinished_handlers_are_told(
    durable: Flask, post: Post, run: RunCommand, tickets: Tickets
) -> None:
    """Unfinished events are shown with their last error."""
    tickets.error = ValueError("no tickets")
    post(durable, "sent")
    assert "is pending after 1 attempt" in run(durable, "message", ID).stdout
    assert "tickets: ValueError: no tickets\n" in run(durable, "message", ID).stdout


def test_shared_reference(durable: Flask, post: Post, run: RunCommand, run_json: RunJSON) -> None:
    """All messages of a reference are shown, or those of one account."""
    post(durable, data__message_id="M1", account_id="1")
    post(durable, data__message_id="M2", account_id="2")
    found = run_json(durable, "message", REFERENCE)["messages"]
    assert [message["message_id"] for message in found] == ["M1", "M2"]
    (found,) = run_json(durable, "message", REFERENCE, "--account", "2")["messages"]
    assert found["message_id"] == "M2"
    assert run(durable, "message", REFERENCE).stdout.count("\n\nMessage ") == 1


def test_shared_id(durable: Flask, post: Post, run: RunCommand, run_json: RunJSON) -> None:
    """If two accounts share an id, the accounts to choose from are named."""
    for account in ("8", "9"):
        post(durable, account_id=account)
    result = run(durable, "message", ID)
    assert result.exit_code == 2
    assert "--account (8, 9)" in result.output
    (message,) = run_json(durable, "message", ID, "--account", "9")["messages"]
    assert message["account_id"] == "9"
    assert len(message["timeline"]) == 1


@pytest.mark.parametrize("arguments", [("nothing",), ("nothing", "--account", "11011399037")])
def test_unknown_message_is_an_error(
    filled: Flask, run: RunCommand, arguments: tuple[str, ...]
) -> None:
    """An unknown message is a one-line error."""
    result = run(filled, "message", *arguments)
    assert (result.exit_code, result.output.count("\n")) == (1, 1)
    assert f"'{arguments[0]}'" in result.output


def test_a_try_that_has_not_ended(durable: Flask, run: RunCommand) -> None:
    """For an event whose process died, it does not claim that no handler failed."""
    ledger = durable.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    ledger.record(entry(message_id="M1"), POLICY)
    printed = run(durable, "message", "M1").stdout
    assert "pending after 1 attempt" in printed
    assert printed.endswith(": it is being handled, or its process died\n")
