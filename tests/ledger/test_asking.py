from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import update

from flask_fd_whatsapp.events import DeliveryError
from flask_fd_whatsapp.ledger import (
    Ledger,
    MemoryLedger,
    Rejection,
    State,
    Tried,
    Unusable,
)
from flask_fd_whatsapp.ledger.asking import (
    STEPS,
    AskCursor,
    Asked,
    AskFilter,
    is_due,
    step_after,
)
from flask_fd_whatsapp.ledger.gauges import Gauges
from flask_fd_whatsapp.ledger.pacing import PaceMoments
from flask_fd_whatsapp.ledger.records import OneAccount, name_of_account
from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.sql.tables import message as message_table
from flask_fd_whatsapp.ledger.sql.tables import reconciliation as run_table

from ..concurrency.threads import TIMEOUT
from .entries import MOMENT, POLICY, RECEIVER, entry, handle, the_message

STUCK = AskFilter(account_id="1")
RECHECK = replace(STUCK, is_recheck=True)
HOUR = timedelta(hours=1)


def make_messages(ledger: Ledger, **ages: timedelta) -> None:
    """Set times of every message to this long ago."""
    moments = {name: datetime.now(UTC) - age for name, age in ages.items()}
    if isinstance(ledger, SQLLedger):
        with ledger.engine.begin() as connection:
            connection.execute(update(message_table).values(moments))
    else:
        assert isinstance(ledger, MemoryLedger)
        for message in ledger.store.all_messages():
            for name, moment in moments.items():
                setattr(message, name, moment)


def due(ledger: Ledger, wanted: AskFilter = STUCK, **options: Any) -> list[str]:
    return [one.message_id for one in ledger.asking.due(wanted, limit=10, **options)]


def told(ledger: Ledger, status: str, **fields: Any) -> Any:
    """Record what the API reported."""
    given = entry(status, **fields)
    return ledger.record(given._replace(event=replace(given.event, source="api")), POLICY)


def test_what_is_stuck(ledger: Ledger) -> None:
    """Messages are asked about that have no status, or are QUEUED or SENT, without a recent
    event.
    """
    ledger.expect("M0", account_id="1")
    for number, status in enumerate(("QUEUED", "SENT", "DELIVERED", "READ", "FAILED", "PLAYED"), 1):
        handle(ledger, status, message_id=f"M{number}")
    handle(ledger, "SENT", message_id="M7", account_id="2")
    assert due(ledger) == []
    make_messages(ledger, last_seen=2 * HOUR)
    assert due(ledger) == ["M0", "M1", "M2", "M6"]
    assert due(ledger, replace(STUCK, stuck_for=3 * HOUR)) == []
    assert due(ledger, RECHECK) == ["M0", "M1", "M2", "M3", "M5", "M6"]
    make_messages(ledger, first_seen=timedelta(days=31))
    assert due(ledger) == due(ledger, RECHECK) == []


def test_windows_and_pages(ledger: Ledger) -> None:
    """The oldest come first, within a period, and a page continues where the last one ended."""
    for number in range(3):
        handle(ledger, "SENT", message_id=f"M{number}")
    make_messages(ledger, last_seen=2 * HOUR)
    found = ledger.asking.due(STUCK, limit=2)
    assert [one.message_id for one in found] == ["M0", "M1"]
    after = AskCursor(found[-1].first_seen, found[-1].key)
    assert due(ledger, after=after) == ["M2"]
    now = datetime.now(UTC)
    assert due(ledger, replace(STUCK, since=now)) == []
    assert due(ledger, replace(STUCK, until=now)) == ["M0", "M1", "M2"]
    assert due(ledger, replace(STUCK, since=found[1].first_seen)) == ["M1", "M2"]


def test_one_turn_for_one_process(ledger: Ledger) -> None:
    """Of several threads that claim a message at once, one succeeds."""
    handle(ledger, "SENT")
    make_messages(ledger, last_seen=2 * HOUR)
    (asked,) = ledger.asking.due(STUCK, limit=1)
    barrier = Barrier(4)

    def claim(_: int) -> bool:
        barrier.wait(TIMEOUT)
        return ledger.asking.claim(asked) is not None

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(claim, range(4))) == 1
    assert due(ledger) == []


def test_turns_come_again_later_each_time(ledger: Ledger) -> None:
    """A message is due again after 15 minutes, an hour, six hours, and then daily."""
    ledger.expect("M1", account_id="1")
    gaps = []
    for _ in range(6):
        asked = ledger.asking.find("1", "M1")
        assert asked is not None
        before = datetime.now(UTC)
        claimed = ledger.asking.claim(asked)
        assert claimed is not None
        assert claimed.ask_at is not None
        gaps.append(round((claimed.ask_at - before) / timedelta(minutes=15)))
        assert ledger.asking.find("1", "M1") == claimed
    assert gaps == [1, 4, 24, 96, 96, 96]


def test_a_turn_is_given_back(ledger: Ledger) -> None:
    """A claim without an answer is put back, unless another process has continued."""
    ledger.expect("M1", account_id="1")
    make_messages(ledger, last_seen=2 * HOUR)
    (asked,) = ledger.asking.due(STUCK, limit=1)
    claimed = ledger.asking.claim(asked)
    assert claimed is not None
    ledger.asking.put_back(claimed, asked)
    assert ledger.asking.due(STUCK, limit=1) == [asked]
    claimed = ledger.asking.claim(asked)
    assert claimed is not None
    again = ledger.asking.claim(claimed)
    ledger.asking.put_back(claimed, asked)
    assert ledger.asking.find("1", "M1") == again


@pytest.mark.parametrize("asks", range(1, 7))
def test_a_recheck_asks_once_in_the_shortest_step(ledger: Ledger, asks: int) -> None:
    """A recheck asks again about messages asked about a quarter of an hour ago, however often."""
    handle(ledger, "DELIVERED")
    asked = ledger.asking.find("1", "M1")
    for _ in range(asks):
        assert asked is not None
        asked = ledger.asking.claim(asked)
    assert due(ledger, RECHECK) == []
    make_messages(ledger, ask_at=timedelta(minutes=16) - step_after(asks))
    assert due(ledger, RECHECK) == ["M1"]
    make_messages(ledger, ask_at=timedelta(minutes=14) - step_after(asks))
    assert due(ledger, RECHECK) == []


def test_the_steps_of_the_rule_and_of_the_query_agree() -> None:
    """The query finds what the rule says, with and without a recheck."""
    now = datetime.now(UTC)
    asked = Asked(1, "1", "M1", "SENT", now + HOUR, 2, 0, now)
    assert not is_due(asked, STUCK, now)
    assert not is_due(asked, RECHECK, now)
    assert is_due(asked._replace(ask_at=now + HOUR - STEPS[0]), RECHECK, now)
    assert is_due(asked._replace(ask_at=None), STUCK, now)


def test_what_is_not_found_three_times_is_given_up(ledger: Ledger) -> None:
    """A message that Freshdesk did not find three times is no longer asked about."""
    ledger.expect("M1", account_id="1")
    make_messages(ledger, last_seen=2 * HOUR)
    (asked,) = ledger.asking.due(STUCK, limit=1)
    for _ in range(2):
        ledger.asking.found(asked, is_there=False)
    assert due(ledger) == ["M1"]
    ledger.asking.found(asked, is_there=False)
    assert due(ledger) == []
    ledger.asking.found(asked, is_there=True)
    assert due(ledger) == ["M1"]


def test_what_the_api_told_is_marked(ledger: Ledger) -> None:
    """An event from the API says so, and its time is not WhatsApp's."""
    handle(ledger, "QUEUED")
    recorded = told(ledger, "DELIVERED", timestamp=MOMENT)
    assert recorded.source == "api"
    assert recorded.claim is not None
    (event,) = ledger.events(source="api")
    assert (event.status, event.source) == ("DELIVERED", "api")
    assert [one.status for one in ledger.events(source="webhook")] == ["QUEUED"]
    assert the_message(ledger).status == "DELIVERED"
    assert the_message(ledger).estimated == {"DELIVERED"}
    yesterday = datetime.now(UTC) - timedelta(days=1)
    assert ledger.asking.told_since(yesterday, receiver=RECEIVER) == 1
    assert ledger.asking.told_since(yesterday, receiver="other") == 0
    assert ledger.asking.told_since(datetime.now(UTC) + HOUR, receiver=RECEIVER) == 0
    for ids, count in ((["1"], 1), (["2"], 0)):
        account = OneAccount(f"{RECEIVER}/acme", ids)
        assert ledger.asking.told_since(yesterday, receiver=RECEIVER, account=account) == count


def test_of_queued_the_api_tells_the_time(ledger: Ledger) -> None:
    """Only a time of asking counts as estimated: of QUEUED the API says when it was."""
    told(ledger, "QUEUED")
    told(ledger, "PLAYED")
    assert the_message(ledger).estimated == frozenset()
    assert len(ledger.events(source="api")) == 2


def test_a_later_webhook_replaces_what_the_api_told(ledger: Ledger) -> None:
    """A late webhook is a duplicate that supplies payload, time and source; a known error stays."""
    error = DeliveryError("131026", "undeliverable")
    recorded = told(ledger, "FAILED", error=error, timestamp=MOMENT, body='{"told": 1}')
    recorded.claim.finish(Tried())
    later = MOMENT - 2 * HOUR
    again = ledger.record(entry("FAILED", timestamp=later, body='{"webhook": 1}'), POLICY)
    assert (again.state, again.claim, again.source) == (State.DONE, None, "webhook")
    assert (again.body, again.error) == ('{"webhook": 1}', error)
    found = the_message(ledger)
    assert (found.times, found.estimated, found.error) == ({"FAILED": later}, frozenset(), error)
    assert ledger.events(source="api") == []
    third = ledger.record(entry("FAILED", timestamp=MOMENT, body='{"third": 1}'), POLICY)
    assert third.body == '{"webhook": 1}'
    assert the_message(ledger).times == {"FAILED": later}


def test_what_the_api_tells_again_changes_nothing(ledger: Ledger) -> None:
    """What a webhook reported stays, whatever the API reports later."""
    handle(ledger, "SENT", timestamp=MOMENT)
    again = told(ledger, "SENT", timestamp=MOMENT + HOUR, body='{"told": 1}')
    assert again.source == "webhook"
    assert the_message(ledger).times == {"SENT": MOMENT}
    assert the_message(ledger).estimated == frozenset()


def test_the_account_of_the_last_webhook(ledger: Ledger) -> None:
    """The last webhook is that of the last event not from the API."""
    assert ledger.asking.last_webhook(receiver=RECEIVER) is None
    handle(ledger, "SENT", account_id="1")
    handle(ledger, "SENT", account_id="2")
    told(ledger, "SENT", account_id="3")
    last = ledger.asking.last_webhook(receiver=RECEIVER)
    assert last is not None
    assert last[0] == "2"
    assert datetime.now(UTC) - last[1] < HOUR


def note(ledger: Ledger, name: str, *, is_good: bool = True) -> None:
    """Keep a run; one that is not good was stopped by a wrong key."""
    stopped = None if is_good else "a wrong key"
    ledger.asking.note(name, asked=3, changed=is_good, stopped=stopped, is_good=is_good)


def runs(ledger: Ledger, receiver: str = RECEIVER) -> list[str]:
    return [run.receiver for run in ledger.asking.runs(receiver=receiver)]


def test_the_last_reconciliation_of_each_receiver_is_kept(ledger: Ledger) -> None:
    """A later run replaces the previous one."""
    assert runs(ledger) == []
    ledger.asking.note(RECEIVER, asked=9, changed=9, stopped="few calls left", is_good=True)
    note(ledger, RECEIVER)
    note(ledger, "other", is_good=False)
    (last,) = ledger.asking.runs(receiver=RECEIVER)
    assert (last.asked, last.changed, last.stopped, last.is_good) == (3, 1, None, True)
    assert last.good_at == last.ended_at
    assert abs(last.ended_at - datetime.now(UTC)) < HOUR


def test_a_reconciliation_that_could_not_ask_leaves_the_time_of_the_last_good_one(
    ledger: Ledger,
) -> None:
    """A job that keeps failing does not look as if it had reconciled anything."""
    note(ledger, RECEIVER, is_good=False)
    (never,) = ledger.asking.runs(receiver=RECEIVER)
    assert (never.good_at, never.is_good, never.stopped) == (None, False, "a wrong key")
    note(ledger, RECEIVER)
    (good,) = ledger.asking.runs(receiver=RECEIVER)
    note(ledger, RECEIVER, is_good=False)
    (failed,) = ledger.asking.runs(receiver=RECEIVER)
    assert (failed.good_at, failed.is_good, failed.stopped) == (good.good_at, False, "a wrong key")
    assert failed.ended_at > good.ended_at


def test_reconciliations_of_accounts_are_kept_apart(ledger: Ledger) -> None:
    """Runs that never succeeded come first, then the longest ago."""
    keys = ["a", "b", "c"]
    for key in keys:
        note(ledger, name_of_account(RECEIVER, key), is_good=key != "c")
    note(ledger, name_of_account(f"{RECEIVER}_2", "d"))
    note(ledger, name_of_account(RECEIVER, "a"))
    assert runs(ledger) == [name_of_account(RECEIVER, key) for key in "cba"]


def test_runs_of_a_receiver_that_has_accounts_now_are_those_of_its_accounts(
    ledger: Ledger,
) -> None:
    """A receiver's former run does not look like one that is overdue."""
    note(ledger, RECEIVER, is_good=False)
    note(ledger, "other")
    note(ledger, name_of_account(RECEIVER, "acme"))
    assert runs(ledger) == [name_of_account(RECEIVER, "acme")]
    assert ledger.gauges.read([RECEIVER])[RECEIVER].failing_reconciliations == 0
    note(ledger, RECEIVER, is_good=False)
    assert runs(ledger) == [RECEIVER, name_of_account(RECEIVER, "acme")]
    assert ledger.gauges.read([RECEIVER])[RECEIVER].failing_reconciliations == 1


@pytest.mark.parametrize("good_before", [None, MOMENT])
def test_a_run_of_the_previous_version_is_good_unless_it_was_stopped(
    sql_ledger: SQLLedger, good_before: datetime | None
) -> None:
    """The previous version does not write the time of success, and runs beside this one during an
    upgrade.
    """
    note(sql_ledger, RECEIVER)
    with sql_ledger.engine.begin() as connection:
        connection.execute(update(run_table).values(good_at=good_before))
    (run,) = sql_ledger.asking.runs(receiver=RECEIVER)
    assert (run.is_good, run.good_at) == (True, run.ended_at)
    gauges = sql_ledger.gauges.read([RECEIVER])[RECEIVER]
    assert (gauges.failing_reconciliations, gauges.last_reconciled) == (0, run.ended_at)
    with sql_ledger.engine.begin() as connection:
        connection.execute(update(run_table).values(stopped="a wrong key"))
    (run,) = sql_ledger.asking.runs(receiver=RECEIVER)
    assert (run.is_good, run.good_at) == (False, good_before)
    assert sql_ledger.gauges.read([RECEIVER])[RECEIVER].failing_reconciliations == 1


def test_receivers_whose_names_differ_only_in_case_are_different(ledger: Ledger) -> None:
    """Nor does one forget what the other keeps."""
    name = name_of_account("EU", "acme")
    note(ledger, name)
    moment = datetime.now(UTC)
    ledger.rejections.note(
        Rejection(receiver=name, reason="account", status_code=403, detail="d", last_seen=moment)
    )
    ledger.quarantine.keep(
        Unusable(receiver=name, body=b"{", reason="not_json", detail="d", headers={}), at_most=9
    )
    assert runs(ledger, "eu") == []
    assert ledger.rejections.last(receiver="eu") == []
    assert ledger.rejections.acknowledge(receiver="eu") == 0
    assert ledger.quarantined(receiver="eu") == []
    assert ledger.gauges.read(["eu"]) == {"eu": Gauges()}
    ledger.prune(before=moment + HOUR, limit=9, receiver="eu")
    assert runs(ledger, "EU") == [name]
    assert [one.receiver for one in ledger.rejections.last(receiver="EU")] == [name]
    assert [one.receiver for one in ledger.quarantined(receiver="EU")] == [name]


@pytest.mark.parametrize("receiver", [None, RECEIVER])
def test_reconciliations_of_accounts_that_are_gone_are_pruned(
    ledger: Ledger, receiver: str | None
) -> None:
    """Runs are pruned by age: a removed account does not raise an alert for ever."""
    names = [name_of_account(RECEIVER, "gone"), RECEIVER, name_of_account("other", "acme")]
    for name in names:
        note(ledger, name)
    now = datetime.now(UTC)
    ledger.prune(before=now - HOUR, limit=9, receiver=receiver)
    assert runs(ledger) == names[:2]
    ledger.prune(before=now + HOUR, limit=9, receiver=receiver)
    assert runs(ledger) == [RECEIVER]
    assert runs(ledger, "other") == ([] if receiver is None else names[2:])


@pytest.mark.parametrize("receiver", [None, RECEIVER])
def test_what_a_receiver_kept_before_it_had_accounts_is_pruned(
    ledger: Ledger, receiver: str | None
) -> None:
    """Even with the last of its accounts, after which it would look like a new run."""
    note(ledger, RECEIVER, is_good=False)
    note(ledger, name_of_account(RECEIVER, "acme"))
    note(ledger, "other")
    ledger.prune(before=datetime.now(UTC) + HOUR, limit=9, receiver=receiver)
    assert runs(ledger) == []
    assert runs(ledger, "other") == ["other"]


def test_paces_are_compared_and_set(ledger: Ledger) -> None:
    """A pace's state is replaced only by compare-and-set, to the microsecond."""
    assert ledger.rates.read("a/send").moments is None
    first = PaceMoments(MOMENT)
    second = PaceMoments(MOMENT + timedelta(microseconds=1), MOMENT)
    assert ledger.rates.replace("a/send", None, first)
    assert not ledger.rates.replace("a/send", None, second)
    assert not ledger.rates.replace("a/send", second, first)
    assert ledger.rates.replace("a/send", first, second)
    read = ledger.rates.read("a/send")
    assert read.moments == second
    assert abs(read.now - datetime.now(UTC)) < HOUR
    assert ledger.rates.read("a/ask").moments is None
