"""``flask fd-whatsapp quarantine``."""

from __future__ import annotations

import json
import re
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from marshmallow import ValidationError
from sqlalchemy.event import listen

from flask_fd_whatsapp import FreshdeskWhatsApp, OutboundMessageEventSchema
from flask_fd_whatsapp.ledger import Unusable
from flask_fd_whatsapp.receiving.responses import Outcome, Result

from ..conftest import TOKEN, MakeApp, Payload
from ..processes.waiting import wait_until
from .conftest import Post, RunCommand, RunJSON, Tickets, ledger_of, receiver_of, states, url_in

BAD = b'{"a": "\x1b[31m", "b": "\xff"}'


@pytest.fixture
def filled(durable: Flask, post: Post) -> Flask:
    """An application with three entries in quarantine."""
    post(durable, BAD)
    post(durable, b"[1]")
    post(durable, event_type="another")
    return durable


def ids(app: Flask) -> list[int]:
    return [entry.id for entry in ledger_of(app).quarantined(after=0)]


def test_entries_are_listed_without_bodies(
    filled: Flask, run: RunCommand, run_json: RunJSON, post: Post
) -> None:
    """Entries are listed with reason, times and size, and without their bodies."""
    post(filled, BAD)
    entries = run_json(filled, "quarantine", "list")["quarantined"]
    listed = {entry["id"]: (entry["reason"], entry["count"], entry["bytes"]) for entry in entries}
    assert listed == {
        1: ("not_json", 2, len(BAD)),
        2: ("not_object", 1, 3),
        3: ("ignored", 1, entries[0]["bytes"]),
    }
    lines = run(filled, "quarantine", "list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["id", "3", "2", "1"]
    assert "body" not in entries[0]


def test_pages_list_every_entry_once(filled: Flask, run: RunCommand, run_json: RunJSON) -> None:
    """The pages list every entry once, and say where the next one begins."""
    seen: list[int] = []
    more: tuple[str, ...] = ()
    while True:
        page = run_json(filled, "quarantine", "list", "--limit", "2", *more)
        seen += [entry["id"] for entry in page["quarantined"]]
        if page["before"] is None:
            break
        more = ("--before", str(page["before"]))
    assert seen == [3, 2, 1]
    assert "--before 3" in run(filled, "quarantine", "list", "--limit", "1").stderr
    assert "--before" not in run(filled, "quarantine", "list", "--limit", "3").stderr


def test_bodies_stay_where_they_are(filled: Flask, run: RunCommand) -> None:
    """Listing entries, and showing the ledger's state, loads no bodies, which may be many."""
    statements: list[str] = []
    engine = ledger_of(filled).engine  # type: ignore[attr-defined]
    listen(engine, "before_cursor_execute", lambda *told: statements.append(told[2]))
    for command in (("quarantine", "list"), ("status", "--max-rejected", "off")):
        assert run(filled, *command).exit_code == 0
    assert [
        text for text in statements if re.search(r"[^(]fd_whatsapp_quarantine\.body", text)
    ] == []
    assert any("fd_whatsapp_quarantine" in text for text in statements)


def test_empty_quarantine_is_told(durable: Flask, run: RunCommand) -> None:
    """An empty quarantine is reported as such."""
    for arguments in (("list",), ("replay", "--all")):
        result = run(durable, "quarantine", *arguments)
        assert (result.exit_code, result.stdout) == (0, "The quarantine is empty.\n")


def test_entry_is_shown_with_its_body(
    make_durable: MakeApp, run: RunCommand, run_json: RunJSON
) -> None:
    """An entry is shown with its body, as text if possible, and its data headers."""
    app = make_durable(DATA_HEADERS=["X-Tenant"])
    headers = {"Authorization": TOKEN, "X-Tenant": "acme"}
    for body in (BAD, '{\n"a": "\u20ac\\ud800"}'.encode()):
        app.test_client().post("/freshdesk/whatsapp", data=body, headers=headers)
    first, second = (run_json(app, "quarantine", "show", number) for number in "12")
    assert (first["body"], first["body_base64"]) == (None, "eyJhIjogIhtbMzFtIiwgImIiOiAi/yJ9")
    assert (second["body"], second["body_base64"]) == ('{\n"a": "\u20ac\\ud800"}', None)
    assert first["headers"] == {"X-Tenant": "acme"}
    printed = run(app, "quarantine", "show", "1").stdout
    assert "X-Tenant: acme\n" in printed
    assert printed.endswith('\n\n{"a": "\\u001b[31m", "b": "\\xff"}\n')
    assert run(app, "quarantine", "show", "2").stdout.endswith('\n\n{\n"a": "\u20ac\\ud800"}\n')


@pytest.mark.parametrize("command", ["show", "replay", "discard"])
def test_unknown_entry_is_named(filled: Flask, run: RunCommand, command: str) -> None:
    """An unknown id is an error that names it."""
    result = run(filled, "quarantine", command, "99")
    assert (result.exit_code, "Not in quarantine: 99." in result.stderr) == (1, True)
    assert len(ids(filled)) == 3


def test_discarded_entry_is_gone(filled: Flask, run: RunCommand, run_json: RunJSON) -> None:
    """Discarded entries are gone, and an unknown id does not prevent that."""
    result = run(filled, "quarantine", "discard", "1", "99", "3")
    assert (result.exit_code, result.stdout) == (1, "2 discarded.\n")
    assert ids(filled) == [2]
    assert run_json(filled, "quarantine", "discard", "2") == {"discarded": [2], "unknown": []}


class PickySchema(OutboundMessageEventSchema):
    """Refuses messages whose id it is told to."""

    refused: tuple[str, ...] = ("M1", "M2")

    def load(self, data: Any, **options: Any) -> Any:
        if data["data"]["message_id"] in self.refused:
            raise ValidationError({"data": {"message_id": ["Not this one."]}})
        return super().load(data, **options)


@pytest.fixture
def picky() -> PickySchema:
    return PickySchema()


@pytest.fixture
def refusing(
    make_durable: MakeApp,
    post: Post,
    picky: PickySchema,
    tmp_path: Path,
    empty_ledger_file: Path,
) -> Flask:
    """An application whose schema has refused the events of M1 and M2."""
    shutil.copy(empty_ledger_file, tmp_path / "ledger.db")
    app = make_durable(FreshdeskWhatsApp(schema=picky), DATA_HEADERS=["X-Tenant"])
    for name in ("M1", "M2"):
        assert post(app, data__message_id=name) == "quarantined"
    return app


def test_replayed_body_is_handled_after_a_fix(
    refusing: Flask, picky: PickySchema, run: RunCommand, run_json: RunJSON, tickets: Tickets
) -> None:
    """After a fix, accepted entries are handled and leave; rejected ones stay."""
    picky.refused = ("M2",)
    outcome = run_json(refusing, "quarantine", "replay", "--all", status=1)
    assert outcome["results"] == {"accepted": 1, "quarantined": 1}
    (refused,) = outcome["refused"]
    assert (refused["id"], refused["reason"], refused["count"]) == (2, "invalid", 1)
    assert refused["detail"] == "data.message_id: Not this one."
    assert (tickets.calls, ids(refusing)) == (["M1"], [2])
    picky.refused = ()
    result = run(refusing, "quarantine", "replay", "2", "2")
    assert (result.exit_code, result.stdout) == (0, "1 accepted.\n")
    assert (tickets.calls, ids(refusing)) == (["M1", "M2"], [])


def test_replay_is_no_arrival(
    refusing: Flask,
    picky: PickySchema,
    make_durable: MakeApp,
    run: RunCommand,
    run_json: RunJSON,
    signals_seen: list[Any],
) -> None:
    """A replayed entry that is rejected again counts as no new rejection."""
    another_process = make_durable(FreshdeskWhatsApp(schema=picky))

    def told() -> Any:
        (standing,) = run_json(refusing, "status", "--max-rejected", "off")["receivers"]
        return run_json(refusing, "quarantine", "list"), standing["rejections"]

    # The last of several rejections within a second is written at the end of that second.
    wait_until(lambda: has_noted(*told()), "the last rejection is noted")
    before = told()
    assert run(another_process, "quarantine", "replay", "--all").exit_code == 1
    assert told() == before
    assert signals_seen == []


def has_noted(quarantined: Any, rejections: Any) -> bool:
    """Whether the last rejection is the one that is reported."""
    last = max(one["last_seen"] for one in quarantined["quarantined"])
    return bool(max(one["at"] for one in rejections) >= last)


def test_replay_in_batches(
    refusing: Flask, picky: PickySchema, run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More entries than one page are all replayed, each once, even if some stay."""
    module = import_module("flask_fd_whatsapp.commands.quarantined_bodies")
    monkeypatch.setattr(module, "BATCH", 1)
    picky.refused = ("M1",)
    assert "1 quarantined, 1 accepted.\n" in run(refusing, "quarantine", "replay", "--all").stdout
    assert ids(refusing) == [1]


def test_replay_of_one(refusing: Flask, picky: PickySchema, run: RunCommand) -> None:
    """Only the entries that are named are replayed."""
    picky.refused = ()
    assert run(refusing, "quarantine", "replay", "2").exit_code == 0
    assert (states(refusing), ids(refusing)) == ({"M2": "done"}, [1])


def test_replay_with_headers(
    durable: Flask, payload: Payload, run: RunCommand, signals_seen: list[Any]
) -> None:
    """An entry is replayed with the data headers that it came with."""
    unusable = Unusable(
        receiver="fd_whatsapp",
        body=json.dumps(payload()).encode(),
        reason="invalid",
        detail="-",
        headers={"X-Tenant": "acme"},
    )
    ledger_of(durable).quarantine.keep(unusable, at_most=10)
    assert run(durable, "quarantine", "replay", "1").exit_code == 0
    assert signals_seen[-1][1]["event"].headers == {"X-Tenant": "acme"}


def test_replay_whose_handler_fails(
    refusing: Flask, picky: PickySchema, run: RunCommand, tickets: Tickets
) -> None:
    """A recorded entry leaves the quarantine even if its handler failed: retry continues with
    it.
    """
    picky.refused, tickets.error = (), ValueError("no tickets")
    result = run(refusing, "quarantine", "replay", "--all")
    assert (result.exit_code, result.stdout) == (0, "2 unfinished.\n")
    assert (states(refusing), ids(refusing)) == ({"M1": "pending", "M2": "pending"}, [])


@pytest.mark.parametrize("result", Result)
def test_replay_keeps_what_is_not_known_to_be_recorded(
    refusing: Flask, run: RunCommand, monkeypatch: pytest.MonkeyPatch, result: Result
) -> None:
    """An entry leaves the quarantine only if its event is in the ledger."""
    monkeypatch.setattr(receiver_of(refusing), "receive", lambda *_, **__: Outcome(result))
    outcome = run(refusing, "quarantine", "replay", "1")
    recorded = ("accepted", "duplicate", "dead", "busy", "unfinished", "postponed")
    is_recorded = result.label in recorded
    assert ids(refusing) == ([2] if is_recorded else [1, 2])
    assert outcome.exit_code == (0 if is_recorded else 1)


def test_replay_of_another_receivers(
    refusing: Flask, picky: PickySchema, make_durable: MakeApp, run: RunCommand
) -> None:
    """An entry of a receiver that no longer exists stays, and the receiver is named."""
    picky.refused = ()
    other = make_durable(FreshdeskWhatsApp("renamed"))
    result = run(other, "quarantine", "replay", "--all")
    assert result.exit_code == 1
    assert result.stdout.count("stays in quarantine (no receiver fd_whatsapp)") == 2
    assert ids(refusing) == [1, 2]
    assert run(other, "quarantine", "list", "--receiver", "renamed").stdout.startswith(
        "The quarantine is empty"
    )


def test_replay_by_its_own_receiver(
    make_durable: MakeApp, picky: PickySchema, run: RunCommand, post: Post, tmp_path: Path
) -> None:
    """With two receivers on one ledger, an entry is replayed by the one that received it."""
    app = make_durable()
    app.config["B_HEADERS"] = {"Authorization": TOKEN}
    app.config["B_LEDGER_URL"] = url_in(tmp_path)
    app.register_blueprint(FreshdeskWhatsApp("b", config_prefix="B", url_prefix="/b", schema=picky))
    assert post(app, url="/b/whatsapp", data__message_id="M1") == "quarantined"
    picky.refused = ()
    replay = ("quarantine", "replay", "--all", "--receiver")
    assert run(app, *replay, "fd_whatsapp").stdout == "The quarantine is empty.\n"
    assert run(app, *replay, "b").stdout == "1 accepted.\n"
    assert [event.receiver for event in ledger_of(app, "b").events()] == ["b"]


@pytest.mark.parametrize("arguments", [(), ("1", "--all"), ("x",)])
def test_replaying_wants_ids_or_all(
    filled: Flask, run: RunCommand, arguments: tuple[str, ...]
) -> None:
    """Replaying needs ids or --all."""
    assert run(filled, "quarantine", "replay", *arguments).exit_code == 2
