from __future__ import annotations

import csv
import json
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from flask_fd_whatsapp import Account, FreshdeskWhatsApp, current_ledger
from flask_fd_whatsapp.commands import send_list
from flask_fd_whatsapp.commands.graceful_shutdown import Stop
from flask_fd_whatsapp.freshdesk import SendUnknown
from flask_fd_whatsapp.ledger.send_records import Send, SendIntent

from ..freshdesk.catching_up import ACCOUNT, KEY, System, system
from ..ledger.test_sends import make_sends_older

TWO_DAYS = timedelta(days=2)


def run(host: System, *arguments: str) -> Any:
    return host.app.test_cli_runner().invoke(args=["fd-whatsapp", *arguments])


def test_catching_up() -> None:
    """The command asks about stuck messages, and shows the result."""
    with system() as host:
        for number in range(3):
            host.send(f"R{number}")
        host.clock.skip(TWO_DAYS)
        assert (
            "Would ask about 3 messages."
            in run(host, "reconcile", "--stuck-for", "0s", "--dry-run").output
        )
        done = run(host, "reconcile", "--stuck-for", "0s")
        assert done.exit_code == 0
        assert "Asked about 3 messages: 3 changed" in done.output
        assert host.disagreeing() == {}
        found = json.loads(run(host, "reconcile", "--json").stdout)
        assert (found["asked"], found["problem"]) == (0, None)


def test_ids_from_a_file(tmp_path: Any) -> None:
    """Ids are read from a file, one a line."""
    with system() as host:
        path = tmp_path / "ids"
        path.write_text("".join(f"{host.simulator.send().id}\n\n" for _ in range(2)))
        assert "Asked about 2 messages" in run(host, "reconcile", "--ids", str(path)).output
        assert run(host, "reconcile", "--follow", "--ids", str(path)).exit_code == 2


def test_it_could_not_ask() -> None:
    """A wrong or missing key is exit status 1 with the remedy."""
    with system(API_KEY="wr0ngwr0ng") as host:
        host.ledger.expect("M1")
        done = run(host, "reconcile", "--stuck-for", "0s")
        assert done.exit_code == 1
        assert "FD_WHATSAPP_API_KEY" in done.output
        assert "wr0ngwr0ng" not in done.output


def test_the_list_of_sends() -> None:
    """Sends are listed for people, as CSV and as JSON; recipients are in none of them."""
    with system(trouble=["cut-before"]) as host:
        with pytest.raises(SendUnknown):
            host.send("=R1", campaign="spring")
        message_id = host.send("R2")
        shown = run(host, "sends")
        assert message_id in shown.output
        assert "no message seen yet" in shown.output
        assert message_id not in run(host, "sends", "--unknown").output
        assert [one["message_id"] for one in sends(host, "--unheard")] == [message_id]
        assert [one["state"] for one in sends(host, "--campaign", "spring")] == ["unknown"]
        assert "'=R1" in run(host, "sends", "--csv").output
        assert "4930123456" not in shown.output
        (unknown,) = sends(host, "--unknown")
        assert unknown["error"]


def not_sent(host: System, send_id: object, *arguments: str) -> tuple[int, str]:
    """Record that a send was not sent; return the exit code and the output."""
    done = run(host, "sends", "--not-sent", str(send_id), *arguments)
    return done.exit_code, done.output


def test_an_unknown_send_is_closed_by_hand() -> None:
    """It is then not sent, and its reference can be used again."""
    with system(trouble=["cut-before", "cut-before"]) as host:
        for reference in ("R1", "R2"):
            with pytest.raises(SendUnknown):
                host.send(reference, once=True)
        second, first = sends(host, "--unknown")
        code, said = not_sent(host, first["id"])
        assert (code, "its reference is free again" in said) == (0, True)
        done = run(host, "sends", "--not-sent", str(second["id"]), "--json")
        assert json.loads(done.stdout)["send"]["state"] == "unsent"
        host.send("R1", once=True)


def test_only_an_unknown_send_is_closed() -> None:
    """For any other send the error says its state; another receiver's send is unknown."""
    with system(trouble=["cut-after", "cut-before", None, None]) as host:
        with pytest.raises(SendUnknown):
            host.send("R1", once=True)
        with pytest.raises(SendUnknown):
            host.send("R2", once=True)
        (message,) = host.simulator.messages.values()
        host.receiver.receive(message.posts[0].body(), {})
        unsent, sent = sends(host)
        code, said = not_sent(host, sent["id"])
        assert code == 1
        assert f"It was sent. Its message is {message.id}." in said
        not_sent(host, unsent["id"])
        assert "recorded as not sent already" in not_sent(host, unsent["id"])[1]
        intent = SendIntent(receiver="fd_whatsapp", account_id="1", external_reference_id="R3")
        send_id = host.ledger.send_record.intend(intent)
        assert "counts as unknown after two minutes" in not_sent(host, send_id)[1]
        others = host.ledger.send_record.intend(replace(intent, receiver="other"))
        for wrong in (others, 4711):
            code, said = not_sent(host, wrong)
            assert (code, f"fd_whatsapp has no send {wrong}" in said) == (1, True)
        assert not_sent(host, "R1")[0] == not_sent(host, sent["id"], "--unknown")[0] == 2


def test_a_send_whose_message_has_come_is_settled_and_not_closed() -> None:
    """Closing a send that did go out does not lead to a second message."""
    with system(trouble=["cut-after"]) as host:
        with pytest.raises(SendUnknown):
            host.send("R1", once=True)
        (unknown,) = sends(host, "--unknown")
        (message,) = host.simulator.messages.values()
        host.receiver.receive(message.posts[0].body(), {})
        assert "It was sent." in not_sent(host, unknown["id"])[1]


def test_json_and_csv_have_every_send(monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON and CSV have everything that is known about a send, including candidates."""
    monkeypatch.setattr(send_list, "PAGE", 2)
    with system(trouble=[None] * 4 + ["cut-before"]) as host:
        for number in range(4):
            host.send(f"R{number}")
        with pytest.raises(SendUnknown):
            host.send("R3")
        for _ in range(2):
            host.receiver.receive(host.simulator.send("R3").posts[0].body(), {})
        found = sends(host)
        assert [one["external_reference_id"] for one in found] == ["R3", "R3", "R2", "R1", "R0"]
        assert found[0].keys() == {one.name for one in fields(Send)}
        assert len(found[0]["candidates"]) == 2
        assert len(sends(host, "--limit", "3")) == 3
        rows = list(csv.DictReader(run(host, "sends", "--csv").stdout.splitlines()))
        assert rows[0]["candidates"].split() == found[0]["candidates"]
        assert (rows[1]["account"], rows[0]["settled"]) == (ACCOUNT, "")
        assert rows[1]["settled"]
        assert run(host, "sends", "--csv", "--json").exit_code == 2


def test_csv_of_more_sends_than_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """CSV has every send, read a page at a time, unless a limit is given."""
    monkeypatch.setattr(send_list, "PAGE", 2)
    with system() as host:
        for number in range(5):
            host.send(f"R{number}")
        lines = run(host, "sends", "--csv").stdout.splitlines()
        assert lines[0].startswith("id,begun,state,message,reference,campaign,template,language,")
        assert [line.split(",")[4] for line in lines[1:]] == ["R4", "R3", "R2", "R1", "R0"]
        assert len(run(host, "sends", "--csv", "--limit", "3").stdout.splitlines()) == 4


def sends(host: System, *arguments: str) -> Any:
    return json.loads(run(host, "sends", "--json", *arguments).stdout)["sends"]


def test_status_tells_of_a_webhook_that_loses_events() -> None:
    """Events that had to be recovered raise an alert, and so does silence after a send."""
    with system() as host:
        host.send("R1")
        assert "no webhook has arrived since" in run(host, "status", "--max-unheard", "0s").output
        assert "no webhook has arrived since" not in run(host, "status").output
        run(host, "reconcile", "--stuck-for", "0s")
        told = run(host, "status")
        assert told.exit_code == 1
        assert "had to be recovered by" in told.output
        listed = json.loads(run(host, "events", "--source", "api", "--json").stdout)
        assert [one["source"] for one in listed["events"]] == ["api"]


def test_check_hides_the_key_and_tells_of_another_account() -> None:
    """The key is masked; a webhook from an account other than the API's is an error."""
    with system() as host:
        body = host.simulator.send("R1").posts[0].body()
        host.receiver.receive(body.replace(b"11011399037", b"22222222222"), {})
        shown = run(host, "check")
        assert shown.exit_code == 1
        assert "an account other than 11011399037" in shown.output
        assert KEY not in shown.output
        assert "4155550100" not in shown.output


def test_check_tells_of_a_webhook_that_is_probably_off() -> None:
    """A send ten minutes ago without a webhook since is a warning, as in status."""
    with system() as host:
        host.send("R1")
        assert "no webhook has arrived since" not in run(host, "check").output
        make_sends_older(host.ledger, timedelta(minutes=11))
        told = run(host, "check")
        assert told.exit_code == 0
        assert "Warning: fd_whatsapp: A message was sent 11m" in told.output
        assert "no webhook has arrived since" in told.output
        host.receiver.receive(host.simulator.send("R2").posts[0].body(), {})
        assert "no webhook has arrived since" not in run(host, "check").output


def test_status_tells_of_reconciliations_that_fail() -> None:
    """It shows when a run last could ask, and why the last run could not."""
    with system(API_KEY="wr0ngwr0ng") as host:
        host.ledger.expect("M1")
        assert "Reconciled" not in run(host, "status").output
        run(host, "reconcile", "--stuck-for", "0s")
        shown = run(host, "status").output
        assert "Reconciled: never\n" in shown
        assert (
            "The last run, 0s ago, could not ask Freshdesk: Freshdesk does not allow the call"
            in shown
        )
        host.ledger.asking.note("fd_whatsapp", asked=1, changed=0, stopped=None, is_good=True)
        assert "could not ask" not in run(host, "status").output
        (receiver,) = json.loads(run(host, "status", "--json").stdout)["receivers"]
        (told,) = receiver["reconciliations"]
        assert (told["good_at"], told["is_good"]) == (told["ended_at"], True)


def test_status_tells_of_the_account_that_was_reconciled_longest_ago() -> None:
    """With many accounts it shows one line, and a few of those that fail."""
    app = Flask("host")
    app.testing = True
    keys = [f"customer-{number}" for number in range(8)]
    accounts = {key: Account({"X-Token": f"s3cret-{key}"}, [key[-1]]) for key in keys}
    app.register_blueprint(FreshdeskWhatsApp(accounts=accounts))
    with app.app_context():
        note = current_ledger.asking.note
        for key in keys:
            is_good = key == "customer-0"
            note(f"fd_whatsapp/{key}", asked=1, changed=0, stopped="a wrong key", is_good=is_good)
        shown = app.test_cli_runner().invoke(args=["fd-whatsapp", "status"]).output
    assert "Reconciled: never, fd_whatsapp/customer-1\n" in shown
    assert "of 8 accounts, the one that was longest ago" in shown
    assert (
        "The last run of fd_whatsapp/customer-5, 0s ago, could not ask Freshdesk: a wrong" in shown
    )
    assert "customer-6" not in shown
    assert "and 2 more" in shown


def test_following_adds_up_its_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later pass that asks about nothing does not hide the results of earlier ones."""
    passes = 0

    def wait(stop: Stop, seconds: float) -> None:
        nonlocal passes
        passes += 1
        if passes == 3:
            stop.ask()

    monkeypatch.setattr(Stop, "wait", wait)
    monkeypatch.setattr("flask_fd_whatsapp.freshdesk.pace.Pace.rest", lambda *_: None)
    with system(trouble=[None, *["html"] * 4]) as host:
        host.send("R1")
        done = run(host, "reconcile", "--follow", "--stuck-for", "0s")
        assert passes == 3
        assert done.exit_code == 0
        assert "Asked about 2 messages: 1 changed, 0 unchanged, 0 not found, 1 without an" in (
            done.output
        )
        (last,) = host.ledger.asking.runs(receiver="fd_whatsapp")
        assert (last.asked, last.changed, last.is_good) == (2, 1, True)


def test_following_ends_if_the_key_is_refused() -> None:
    """It stops, since asking again is useless until somebody has fixed the cause."""
    with system(API_KEY="wr0ngwr0ng") as host:
        host.ledger.expect("M1")
        done = run(host, "reconcile", "--follow", "--stuck-for", "0s")
        assert done.exit_code == 1
        assert "Could not ask" in done.output
