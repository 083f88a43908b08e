"""``reconcile``: asks about what the webhook missed, once each, within the limits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from marshmallow import ValidationError, validates

from flask_fd_whatsapp import (
    Account,
    ConfigurationError,
    FreshdeskWhatsApp,
    OutboundMessageEventSchema,
)
from flask_fd_whatsapp.exceptions import NoSuchReceiver
from flask_fd_whatsapp.freshdesk import client_for, reconcile
from flask_fd_whatsapp.freshdesk.reconciler import Reconciler
from flask_fd_whatsapp.freshdesk.reconciliation import Told
from flask_fd_whatsapp.ledger.send_records import Expected

from ..ledger.databases import KINDS, fresh_database
from .catching_up import ACCOUNT, ALWAYS, KEY, TWO_DAYS, System, let_turns_come, system


def post(host: System, number: int, step: int = 0) -> Any:
    """Post a step of a message, as the webhook would."""
    message = list(host.simulator.messages.values())[number]
    return host.receiver.receive(message.posts[step].body(), {}).result.label


def test_what_the_webhook_did_not_tell(tmp_path: Path) -> None:
    """After an outage every message is asked about once, and handlers are called as usual."""
    with system() as host:
        for number in range(30):
            host.send(f"R{number}")
        post(host, 0)
        assert len(host.disagreeing()) == 29
        host.clock.skip(TWO_DAYS)
        done = reconcile(stuck_for=ALWAYS)
        assert (done.asked, done.problem, done.stopped) == (30, None, None)
        assert host.disagreeing() == {}
        assert len([one for one in host.limit.calls if one[0] == "GET"]) == 30
        told = [event for event in host.events if event.source == "api"]
        assert len(told) == done.counts[Told.CHANGED]
        assert all(event.is_time_estimated for event in told)
        assert _noted(host) == [(30, done.counts[Told.CHANGED], None, True)]
        assert reconcile(stuck_for=ALWAYS).asked == 0
        assert _noted(host) == [(0, 0, None, True)]


def _noted(host: System) -> list[tuple[int, int, str | None, bool]]:
    """What the ledger keeps of the last run."""
    runs = host.ledger.asking.runs(receiver="fd_whatsapp")
    return [(run.asked, run.changed, run.stopped, run.is_good) for run in runs]


def test_what_the_api_told_is_no_more_than_ids_and_status() -> None:
    """The payload has no recipient, nor what the message says; an error comes along."""
    with system() as host:
        for number in range(30):
            host.send(f"R{number}")
        host.clock.skip(TWO_DAYS)
        reconcile(stuck_for=ALWAYS)
        for event in host.events:
            assert event.payload.keys() == {"account_id", "event_type", "event_time", "data"}
            assert "Ada" not in str(event.payload)
            assert "4930123456" not in str(event.payload)
            assert (event.error is not None) == (event.status == "FAILED")
        assert "FAILED" in {event.status for event in host.events}


def test_a_later_webhook_is_a_duplicate_with_the_right_time() -> None:
    """A late webhook calls nobody, and its time replaces the estimate."""
    with system() as host:
        message_id = host.send("R1")
        host.clock.skip(TWO_DAYS)
        reconcile(stuck_for=ALWAYS)
        message = host.simulator.messages[message_id]
        step = next(n for n, one in enumerate(message.steps) if one.status == message.status)
        called = len(host.events)
        assert post(host, 0, step) == "duplicate"
        assert len(host.events) == called
        found = host.ledger.message(message_id)
        assert found is not None
        assert found.estimated == frozenset()
        assert found.times[message.status].year == 2025


def test_a_recheck_finds_the_reads_that_were_lost() -> None:
    """Only a recheck asks about DELIVERED and FAILED messages; READ needs no asking."""
    with system() as host:
        for number in range(30):
            host.send(f"R{number}")
        for message in host.simulator.messages.values():
            for number, step in enumerate(message.steps):
                if step.status in ("QUEUED", "SENT", "DELIVERED", "FAILED"):
                    host.receiver.receive(message.posts[number].body(), {})
        host.clock.skip(TWO_DAYS)
        reconcile(stuck_for=ALWAYS)
        assert {now for _, now in host.disagreeing().values()} == {"READ"}
        since = datetime.now(UTC) - timedelta(hours=1)
        assert reconcile(recheck=True, until=since).asked == 0
        assert reconcile(recheck=True, since=since).asked > 0
        assert host.disagreeing() == {}
        assert reconcile(recheck=True, since=since).asked == 0


def test_ids_of_a_host_that_registered_nothing() -> None:
    """Messages unknown to the ledger are asked about by their ids."""
    with system() as host:
        ids = [host.simulator.send(f"R{number}").id for number in range(3)]
        assert reconcile(ids=ids, dry_run=True).counts[Told.WOULD_ASK] == 3
        assert reconcile(ids=ids, dry_run=True, limit=2).counts[Told.WOULD_ASK] == 2
        assert reconcile(ids=ids, limit=2).asked == 2
        assert host.ledger.asking.find(ACCOUNT, ids[2]) is None
        assert reconcile(ids=ids).asked == 1
        assert host.disagreeing() == {}
        assert reconcile(ids=ids).asked == 0
        assert _noted(host) == []


def test_a_dry_run_asks_for_nothing() -> None:
    """A dry run counts what would be asked about, and takes no turn."""
    with system() as host:
        host.send("R1")
        calls = len(host.limit.calls)
        done = reconcile(stuck_for=ALWAYS, dry_run=True)
        assert (done.asked, done.counts[Told.WOULD_ASK]) == (0, 1)
        assert len(host.limit.calls) == calls
        assert _noted(host) == []
        assert reconcile(stuck_for=ALWAYS).asked == 1


def test_what_is_not_found_counts_only_where_something_is() -> None:
    """With a wrong domain no message is found, and none is given up."""
    with system() as host:
        for _ in range(4):
            host.ledger.send_record.expect(Expected(account_id=ACCOUNT, message_id="M404"))
            assert reconcile(ids=["M404"]).counts[Told.NOT_FOUND] == 1
            let_turns_come(host)
        asked = host.ledger.asking.find(ACCOUNT, "M404")
        assert asked is not None
        assert asked.not_found == 0
        message_id = host.send("R1")
        for _ in range(3):
            assert reconcile(ids=["M404", message_id]).counts[Told.NOT_FOUND] == 1
            let_turns_come(host)
        asked = host.ledger.asking.find(ACCOUNT, "M404")
        assert asked is not None
        assert asked.not_found == 3
        assert "M404" not in [
            one.message_id
            for one in host.ledger.asking.due(
                Reconciler(host.receiver, stuck_for=ALWAYS)._wanted, limit=10
            )
        ]


@pytest.mark.parametrize(
    ("key", "trouble"), [("wr0ngwr0ng", None), (KEY, "suspended")], ids=["401", "403"]
)
def test_a_call_that_is_not_allowed_stops_the_run(key: str, trouble: str | None) -> None:
    """401 and 403 stop the run with the remedy, and the turn is given back."""
    with system(API_KEY=key, trouble=[trouble]) as host:
        host.ledger.expect("M1")
        host.ledger.expect("M2")
        done = reconcile(stuck_for=ALWAYS)
        assert done.asked == 1
        assert done.problem is not None
        assert "FD_WHATSAPP_API_KEY" in done.problem
        assert _noted(host) == [(1, 0, done.problem, False)]
        assert len(host.ledger.asking.due(_all(host), limit=10)) == 2


def test_five_unreadable_answers_stop_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """It could not ask, and all the turns are given back."""
    monkeypatch.setattr("flask_fd_whatsapp.freshdesk.pace.Pace.rest", lambda *_: None)
    with system(trouble=["html"] * 100) as host:
        for number in range(8):
            host.ledger.expect(f"M{number}")
        done = reconcile(stuck_for=ALWAYS)
        assert done.counts[Told.NO_ANSWER] == 5
        assert done.problem is not None
        assert _noted(host) == [(5, 0, done.problem, False)]
        assert len(host.ledger.asking.due(_all(host), limit=10)) == 8


def test_a_run_without_any_answer_could_not_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with fewer than five due messages; a single answer is enough."""
    monkeypatch.setattr("flask_fd_whatsapp.freshdesk.pace.Pace.rest", lambda *_: None)
    four_calls = ["html"] * 4  # of each message
    with system(trouble=[None, *four_calls, *four_calls, None, *four_calls]) as host:
        host.ledger.expect("M1")
        message_id = host.send("R1")
        done = reconcile(stuck_for=ALWAYS)
        assert (done.counts[Told.NO_ANSWER], done.stopped) == (2, None)
        assert done.problem is not None
        assert "No message that was asked about got an answer" in done.problem
        assert _noted(host) == [(2, 0, done.problem, False)]
        done = reconcile(ids=[message_id, "M1"])
        assert (done.counts[Told.CHANGED], done.counts[Told.NO_ANSWER]) == (1, 1)
        assert done.problem is None


def test_a_run_that_gets_only_429_could_not_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rate-limited run ends early, and does not count as successful."""
    monkeypatch.setattr("flask_fd_whatsapp.freshdesk.reconciler.WAIT_SECONDS", 0)
    with system(trouble=[None, "limited"]) as host:
        host.send("R1")
        done = reconcile(stuck_for=ALWAYS)
        assert (done.counts[Told.NO_ANSWER], done.stopped is None) == (1, False)
        assert _noted(host) == [(1, 0, done.problem, False)]
        assert len(host.ledger.asking.due(_all(host), limit=10)) == 1


def test_a_run_that_is_asked_to_stop_does_not_wait_for_its_next_call() -> None:
    """A 429 may pause calls for minutes; the message keeps its turn."""
    with system() as host:
        host.send("R1")
        host.client.asking._pace.pause(120)
        answers = iter([False])  # before the first message
        run = Reconciler(host.receiver, stuck_for=ALWAYS, should_stop=lambda: next(answers, True))
        assert list(run.run()) == []
        assert (run.result.asked, run.result.problem) == (0, None)
        assert run.result.stopped == "it was asked to stop"
        assert [one[0] for one in host.limit.calls] == ["POST"]
        (due,) = host.ledger.asking.due(_all(host), limit=10)
        assert (due.ask_at, due.asks) == (None, 0)


def test_a_limit_says_that_there_is_more() -> None:
    """A run that ends at its limit has asked as it should, and says why it ended."""
    with system() as host:
        for number in range(3):
            host.send(f"R{number}")
        done = reconcile(stuck_for=ALWAYS, limit=2)
        assert (done.asked, done.problem) == (2, None)
        assert done.stopped == "the limit of 2 is reached"
        assert _noted(host) == [(2, 2, done.stopped, True)]
        assert reconcile(stuck_for=ALWAYS, limit=1).stopped is None


def test_what_the_schema_refuses_is_no_news() -> None:
    """An answer that the host's schema rejects is counted as such, and in quarantine."""

    class Fussy(OutboundMessageEventSchema):
        @validates("data")
        def refuse(self, *_: Any, **__: Any) -> None:
            raise ValidationError("not today")

    with system(schema=Fussy) as host:
        host.send("R1")
        done = reconcile(stuck_for=ALWAYS)
        assert (done.counts[Told.REFUSED], done.counts[Told.CHANGED]) == (1, 0)
        assert len(host.ledger.quarantined()) == 1
        assert _noted(host) == [(1, 0, None, True)]


def test_each_account_of_a_receiver_is_reconciled_by_itself() -> None:
    """An account's messages are asked about by its key, and its last run is recorded separately."""
    with system() as host:
        api = {"domain": host.client.domain, "sender": "+14155550100"}
        accounts = {
            "acme": Account({"X": "acme-s3cret"}, [ACCOUNT], api_key=KEY, **api),
            "globex": Account({"X": "globex-s3cret"}, ["22222222222"], api_key="wr0ngwr0ng", **api),
        }
        app = Flask("agency")
        app.testing = True
        app.register_blueprint(FreshdeskWhatsApp(accounts=accounts))
        with app.app_context():
            ledger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
            for key in accounts:
                ledger.expect(host.simulator.send().id, account_id=client_for(key).account_id)
            assert reconcile("acme", stuck_for=ALWAYS).problem is None
            assert reconcile("fd_whatsapp/globex", stuck_for=ALWAYS).problem is not None
            runs = ledger.asking.runs(receiver="fd_whatsapp")
            with pytest.raises(ConfigurationError, match="name one by its key"):
                reconcile()
        told = [(run.receiver, run.is_good) for run in runs]
        assert told == [("fd_whatsapp/globex", False), ("fd_whatsapp/acme", True)]


def _all(host: System) -> Any:
    return Reconciler(host.receiver, stuck_for=ALWAYS)._wanted


def test_a_webhook_of_another_account_stops_the_run() -> None:
    """The API's account has to be the one whose webhooks arrive."""
    with system() as host:
        host.send("R1")
        body = host.simulator.send("R2").posts[0].body().replace(ACCOUNT.encode(), b"22222222222")
        host.receiver.receive(body, {})
        done = reconcile(stuck_for=ALWAYS)
        assert done.asked == 0
        assert done.problem is not None
        assert "an account other than" in done.problem


def test_calls_run_low() -> None:
    """Below a fifth of the account's calls, the run ends and leaves the rest to the host."""
    with system(calls_a_minute=10, CALLS_A_MINUTE=1_000_000) as host:
        for number in range(20):
            host.ledger.expect(host.simulator.send(f"R{number}").id)
        done = reconcile(stuck_for=ALWAYS)
        assert (done.asked, done.problem) == (9, None)
        assert done.stopped is not None
        assert "1 of the account's 10 calls" in done.stopped


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.slow
def test_three_at_once_ask_once(kind: str, tmp_path: Path) -> None:
    """With several concurrent reconcilers, each message is asked about by one."""
    with fresh_database(kind, tmp_path) as url, system(ledger_url=url) as host:
        host.ledger.upgrade()
        for number in range(20):
            host.ledger.expect(host.simulator.send(f"R{number}").id)
        host.clock.skip(TWO_DAYS)

        def run(_: int) -> int:
            with host.app.app_context():
                return reconcile(stuck_for=ALWAYS).asked

        with ThreadPoolExecutor(3) as pool:
            assert sum(pool.map(run, range(3))) == 20
        assert len(host.limit.calls) == 20
        assert host.disagreeing() == {}


def test_an_unknown_receiver_or_one_without_a_key_is_an_error() -> None:
    """Without a key it is an error that names it, and an unknown receiver is one."""
    with system(API_KEY=None), pytest.raises(ConfigurationError, match="API_KEY"):
        reconcile()
    with system(), pytest.raises(NoSuchReceiver, match="fd_whatsapp"):
        reconcile("other")
