from __future__ import annotations

from flask import Flask

from .conftest import Post, RunCommand, RunJSON, Tickets, ledger_of


def test_forget_erases_quarantined_bodies_too(
    durable: Flask, run_json: RunJSON, post: Post, tickets: Tickets
) -> None:
    """Messages and bodies with the reference go, however JSON has written it; others stay."""
    post(durable, data__external_reference_id="Zoë", data__message_id="M1")
    post(durable, data__external_reference_id="T2", data__message_id="M2")
    for body in ('{"ref": "Zoë"}', '{"ref": "Zo\\u00eb"}', '{"ref": "T2"}'):
        post(durable, body.encode())
    done = run_json(durable, "forget", "--reference", "Zoë", "--yes")
    assert done == {"messages": 1, "sends": 0, "held": 0, "quarantined": 2}
    assert [one.message_id for one in ledger_of(durable).events()] == ["M2"]
    assert len(ledger_of(durable).quarantined()) == 1


def test_forget_asks_first(durable: Flask, run: RunCommand, post: Post, tickets: Tickets) -> None:
    """Nothing goes before somebody has said yes."""
    post(durable, data__message_id="M1")
    assert run(durable, "forget", "--message", "M1", input="n\n").exit_code == 1
    assert len(ledger_of(durable).events()) == 1
    result = run(durable, "forget", "--message", "M1", input="y\n")
    assert (result.exit_code, ledger_of(durable).events()) == (0, [])
    assert result.stdout.endswith("Erased 1 message, 0 sends without a message, 0 in quarantine.\n")


def test_forget_wants_one_of_both(durable: Flask, run: RunCommand) -> None:
    """Neither everything nor a mixture is erased by mistake."""
    assert run(durable, "forget").exit_code == 2
    assert run(durable, "forget", "--message", "M1", "--reference", "T1").exit_code == 2


def test_message_that_is_being_handled_has_to_wait(
    durable: Flask, run: RunCommand, post: Post, tickets: Tickets
) -> None:
    """A message whose handler runs is left, with exit status 1 and what to do."""
    results = []
    tickets.before = lambda: results.append(run(durable, "forget", "--message", "M1", "--yes"))
    post(durable, data__message_id="M1")
    (result,) = results
    assert (result.exit_code, "run it again" in result.stderr) == (1, True)
