from __future__ import annotations

import pytest
from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp
from flask_fd_whatsapp.ledger import MemoryLedger

from ..conftest import TOKEN
from .conftest import Post, RunCommand, RunJSON, Tickets, ledger_of


def test_forget_erases_quarantined_bodies_too(
    durable: Flask, run_json: RunJSON, post: Post, tickets: Tickets
) -> None:
    """Messages and bodies with the reference are erased, however JSON escapes it; others stay."""
    post(durable, data__external_reference_id="Zoë", data__message_id="M1")
    post(durable, data__external_reference_id="T2", data__message_id="M2")
    for body in ('{"ref": "Zoë"}', '{"ref": "Zo\\u00eb"}', '{"ref": "T2"}'):
        post(durable, body.encode())
    done = run_json(durable, "forget", "--reference", "Zoë", "--yes")
    assert done == {"messages": 1, "sends": 0, "held": 0, "quarantined": 2}
    assert [one.message_id for one in ledger_of(durable).events()] == ["M2"]
    assert len(ledger_of(durable).quarantined()) == 1


def test_forget_asks_first(durable: Flask, run: RunCommand, post: Post, tickets: Tickets) -> None:
    """Nothing is erased without confirmation."""
    post(durable, data__message_id="M1")
    assert run(durable, "forget", "--message", "M1", input="n\n").exit_code == 1
    assert len(ledger_of(durable).events()) == 1
    result = run(durable, "forget", "--message", "M1", input="y\n")
    assert (result.exit_code, ledger_of(durable).events()) == (0, [])
    assert result.stdout.endswith("Erased 1 message, 0 sends without a message, 0 in quarantine.\n")


def test_forget_wants_one_of_both(durable: Flask, run: RunCommand) -> None:
    """Neither everything nor a combination is erased by mistake."""
    assert run(durable, "forget").exit_code == 2
    assert run(durable, "forget", "--message", "M1", "--reference", "T1").exit_code == 2


def test_message_that_is_being_handled_has_to_wait(
    durable: Flask, run: RunCommand, post: Post, tickets: Tickets
) -> None:
    """A message that is being handled stays, with exit status 1 and what to do."""
    results = []
    tickets.before = lambda: results.append(run(durable, "forget", "--message", "M1", "--yes"))
    post(durable, data__message_id="M1")
    (result,) = results
    assert (result.exit_code, "run the command again" in result.stderr) == (1, True)


@pytest.mark.parametrize("option", ["--reference", "--message", "--account"])
@pytest.mark.parametrize("value", ["", " "])
def test_empty_value_is_refused(
    durable: Flask, run: RunCommand, post: Post, option: str, value: str
) -> None:
    """An empty variable in a script matches nothing rather than everything."""
    post(durable, b"{")
    result = run(durable, "forget", option, value, "--yes")
    assert (result.exit_code, f"{option} is empty" in result.stderr) == (2, True)
    assert len(ledger_of(durable).quarantined()) == 1


def test_bodies_of_other_accounts_stay(durable: Flask, run_json: RunJSON, post: Post) -> None:
    """With --account, bodies of other or unknown accounts stay."""
    for body in (
        b'{"account_id": "1", "ref": "T1"}',
        b'{"account_id": 1, "ref": "T1"}',
        b'{"account_id": "2", "ref": "T1"}',
        b'{"ref": "T1", "of": {"account_id": "1"}}',
        b'["account_id", "1", "T1"]',
        b'{"account_id": "1", "ref": "T1"',
    ):
        post(durable, body)
    done = run_json(durable, "forget", "--reference", "T1", "--account", "1", "--yes")
    assert done["quarantined"] == 2
    assert len(ledger_of(durable).quarantined()) == 4


def test_receiver_chooses_the_ledger(run_json: RunJSON, post: Post) -> None:
    """In a ledger shared by receivers, everything is erased, messages and bodies alike."""
    app, ledger = Flask("host"), MemoryLedger()
    for name in ("one", "two"):
        app.config[f"{name.upper()}_HEADERS"] = {"Authorization": TOKEN}
        prefix = name.upper()
        app.register_blueprint(
            FreshdeskWhatsApp(name, config_prefix=prefix, url_prefix=f"/{name}", ledger=ledger)
        )
    for name in ("one", "two"):
        post(app, b'{"ref": "T1"}', f"/{name}/whatsapp")
        changes = {"data__external_reference_id": "T1", "data__message_id": name}
        post(app, "queued", f"/{name}/whatsapp", **changes)
    done = run_json(app, "forget", "--reference", "T1", "--receiver", "one", "--yes")
    assert done == {"messages": 2, "sends": 0, "held": 0, "quarantined": 2}


def test_account_that_nobody_knows_is_a_usage_error(
    durable: Flask, run: RunCommand, post: Post
) -> None:
    """A mistyped account is an error; a recorded one is accepted."""
    post(durable, data__message_id="M1")
    (event,) = ledger_of(durable).events()
    result = run(durable, "forget", "--message", "M1", "--account", "nope", "--yes")
    assert (result.exit_code, "There is no account 'nope'" in result.stderr) == (2, True)
    assert len(ledger_of(durable).events()) == 1
    for message_id in ("M2", "M1", "M1"):
        result = run(
            durable, "forget", "--message", message_id, "--account", event.account_id, "--yes"
        )
        assert result.exit_code == 0, result.output
