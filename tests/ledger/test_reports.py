from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlalchemy.event import listen, remove

from flask_fd_whatsapp.engagement import elapsed
from flask_fd_whatsapp.engagement.report import ReportRules
from flask_fd_whatsapp.engagement.report_filter import ReportFilter
from flask_fd_whatsapp.events import DeliveryError
from flask_fd_whatsapp.ledger import Entry, Ledger, Tried
from flask_fd_whatsapp.ledger.send_records import Expected
from flask_fd_whatsapp.ledger.sql import SQLLedger, forgetting, sql_reports
from flask_fd_whatsapp.ledger.sql.tables import message as message_table

from ..concurrency.threads import TIMEOUT
from ..engagement.naive import Journey, figures_of, journeys, told
from ..processes.waiting import wait_until
from .databases import SERVERS
from .entries import POLICY, RECEIVER, entry, new_memory_ledger

WAITING = {
    "postgresql": (
        "SELECT 1 FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ),
    # innodb_trx would not do: it is refreshed at most ten times a second.
    "mariadb": (
        "SELECT 1 FROM information_schema.processlist"
        " WHERE db = DATABASE() AND time_ms > 50"
        " AND LOCATE('INSERT INTO fd_whatsapp_message', info) > 0 AND id <> CONNECTION_ID()"
    ),
}
"""Whether anybody waits for another's lock."""

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def record(ledger: Ledger, known: list[Journey], *, late: bool = False) -> None:
    """Record all events of the journeys, late ones in another order, some twice."""
    events: list[Entry | Expected] = [
        event_of(journey, status) for journey in known for status in journey.times
    ]
    events += [
        Expected(
            account_id=journey.account_id,
            message_id=journey.message_id,
            campaign=journey.campaign,
            template=journey.template,
            sent_at=journey.expected_at,
            receiver=RECEIVER,
        )
        for journey in known
        if journey.expected_at is not None
    ]
    if late:
        events = [*events[::-2], *events[::3], *events]
    for one in events:
        if isinstance(one, Entry):
            ledger.record(one, POLICY, claim=False)
        else:
            ledger.send_record.expect(one)


def event_of(journey: Journey, status: str) -> Entry:
    """An event of a journey: from the API if its time is estimated, else from a webhook."""
    moment = journey.times[status]
    made = entry(
        status,
        account_id=journey.account_id,
        message_id=journey.message_id,
        campaign=journey.campaign,
        timestamp=moment,
        error=DeliveryError(journey.code, "No.") if status == "FAILED" else None,
    )
    if status not in journey.estimated:
        return made
    return made._replace(event=replace(made.event, source="api", event_time=moment))


def sure(seed: int, count: int) -> list[Journey]:
    """Journeys reported by webhooks only."""
    known = journeys(seed, count, now=NOW)
    for journey in known:
        journey.estimated.clear()
        journey.expected_at = journey.template = None
    return [journey for journey in known if journey.times]


@pytest.fixture(autouse=True)
def _rules(request: pytest.FixtureRequest) -> None:
    """Tests do not share messages."""
    for name in {"ledger", "sql_ledger"} & set(request.fixturenames):
        request.getfixturevalue(name).reports.rules = ReportRules()


@pytest.fixture(autouse=True)
def _today(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports are as of :data:`NOW`."""

    class Today(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return NOW.astimezone(tz)

    for module in ("sql.sql_reports", "memory.memory_reports"):
        monkeypatch.setattr(f"flask_fd_whatsapp.ledger.{module}.datetime", Today)


@pytest.mark.parametrize("late", [False, True])
def test_all_figures_are_those_of_the_definitions(ledger: Ledger, late: bool) -> None:
    """Every figure is that of the journeys, for any order and duplicates of events."""
    known = [one for one in journeys(11 + late, 80, now=NOW) if one.times or one.expected_at]
    for journey in known:
        journey.template = journey.template if journey.expected_at else None
    record(ledger, known, late=late)
    total = ledger.engagement(receiver=RECEIVER).total
    assert told(total) == figures_of(known, NOW)
    for template in ("order_update", "other"):
        its = [one for one in known if one.template == template]
        assert told(ledger.engagement(template=template).total) == figures_of(its, NOW)
    assert total.known == total.delivered + total.failed + total.pending


def test_times_of_more_than_a_day_are_exact(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Durations are exact to the microsecond, despite a database's floats."""
    monkeypatch.setattr(elapsed, "_PIECE", 1)
    took = timedelta(days=20, microseconds=76_012_573_218)  # a sum of floats is above it
    sent = NOW - timedelta(days=25)
    for place, each in enumerate((took, took, took + timedelta(days=1))):
        record(ledger, [Journey(f"M{place}", times={"SENT": sent, "READ": sent + each})])
    times = ledger.engagement().total.sent_to_read
    assert times is not None
    assert (times.p50, times.p99) == (took, took + timedelta(days=1))


def test_windows_go_by_when_messages_were_sent(ledger: Ledger) -> None:
    """A message counts in a period that begins when it was sent, not in one that ends then."""
    at = datetime(2026, 10, 25, 1, tzinfo=UTC)
    record(ledger, [Journey("M", times={"SENT": at, "READ": at + timedelta(days=1)})])
    moment = timedelta(microseconds=1)
    assert ledger.engagement(since=at).total.known == 1
    assert ledger.engagement(since=at + moment).total.known == 0
    assert ledger.engagement(until=at).total.known == 0
    assert ledger.engagement(until=at + moment).total.read == 1


def test_a_late_event_corrects_the_past(ledger: Ledger) -> None:
    """A message moves to an earlier time of sending once an event reports it."""
    day = datetime(2026, 11, 1, tzinfo=UTC)
    record(ledger, [Journey("M", times={"READ": day + timedelta(days=2)})])
    assert list(ledger.engagement(by="day").groups) == [(day + timedelta(days=2)).date()]
    record(ledger, [Journey("M", times={"SENT": day + timedelta(days=1)})])
    assert list(ledger.engagement(by="day").groups) == [(day + timedelta(days=1)).date()]
    record(ledger, [Journey("M", times={"QUEUED": day})])
    assert list(ledger.engagement(by="day").groups) == [day.date()]


def test_a_time_of_asking_counts_only_where_there_is_no_other(ledger: Ledger) -> None:
    """A webhook's time of sending replaces the API's, even if later."""
    day = datetime(2026, 11, 1, tzinfo=UTC)
    times = {
        "SENT": day,
        "DELIVERED": day + timedelta(days=2),
        "READ": day + timedelta(days=1),
        "PLAYED": day + timedelta(days=3),
    }
    journey = Journey("M", times=times, estimated={"SENT", "DELIVERED"})

    def days_after(status: str, **changes: Any) -> Any:
        one = event_of(replace(journey, **changes), status)
        ledger.record(one, POLICY, claim=False)
        return [(key - day.date()).days for key in ledger.engagement(by="day").groups]

    assert days_after("DELIVERED") == [2]
    assert days_after("SENT") == [0]
    assert days_after("PLAYED") == [3]
    assert days_after("READ") == [1]
    assert days_after("PLAYED") == [1]
    webhook = {**times, "SENT": day + timedelta(hours=30), "DELIVERED": day + timedelta(hours=5)}
    assert days_after("SENT", estimated=set(), times=webhook) == [1]
    assert days_after("DELIVERED", estimated=set(), times=webhook) == [0]


def test_a_webhook_takes_the_place_of_a_time_of_asking(ledger: Ledger) -> None:
    """A late webhook for the same status corrects when the message was sent."""
    day = datetime(2026, 11, 1, tzinfo=UTC)
    for status in ("QUEUED", "SENT", "PLAYED"):
        asked = Journey(status, times={status: day}, estimated={status})
        told_late = Journey(status, times={status: day + timedelta(days=1)})
        for journey in (asked, asked, told_late, asked):
            ledger.record(event_of(journey, status), POLICY, claim=False)
    assert list(ledger.engagement(by="day").groups) == [(day + timedelta(days=1)).date()]


def test_filters_are_met_all_of_them(ledger: Ledger) -> None:
    """Messages are found by campaign, those without one, account and receiver."""
    known = sure(5, 30)
    record(ledger, known)
    for campaign in ("spring", None):
        its = [one for one in known if one.campaign == campaign]
        assert told(ledger.engagement(campaign=campaign).total) == figures_of(its, NOW)
    its = [one for one in known if one.account_id == "2" and one.campaign == "spring"]
    found = ledger.engagement(campaign="spring", account_id="2", receiver="fd_whatsapp").total
    assert told(found) == figures_of(its, NOW)
    assert ledger.engagement(campaign="x\0").total.known == 0
    assert ledger.engagement(receiver="another").total.known == 0


@pytest.mark.parametrize(
    "by", ["campaign", "day", "hour", "account", "failure", ("day", "failure"), ("hour", "day")]
)
@pytest.mark.parametrize("times", [False, True])
def test_groups_are_the_same_on_every_ledger(ledger: Ledger, by: Any, times: bool) -> None:
    """Groups partition the total, and equal those of the in-memory ledger."""

    known = sure(21, 80)
    record(ledger, known)
    memory = new_memory_ledger()
    record(memory, known)
    mine = ledger.engagement(by=by, tz="Australia/Lord_Howe", times=times)
    its = memory.engagement(by=by, tz="Australia/Lord_Howe", times=times)
    assert sum(one.known for one in mine.groups.values()) == mine.total.known == len(known)
    assert mine.groups == its.groups
    assert list(mine.groups) == list(its.groups)


@pytest.mark.parametrize("times", [False, True])
def test_what_freshdesk_says_of_a_failure_is_told_as_it_came(ledger: Ledger, times: bool) -> None:
    """Codes and campaigns of any characters are those that were recorded."""
    odd = 'a "quoted" \\ back\tslash\x1f\u2028 \U0001f600'
    record(ledger, [Journey("M", times={"FAILED": NOW}, code=odd, campaign=odd)])
    found = ledger.engagement(by="campaign", times=times)
    assert [*found.groups] == [odd]
    (failure,) = found.total.failures
    assert (failure.code, failure.text, failure.example) == (odd, "No.", "M")


@pytest.mark.parametrize("times", [False, True])
def test_failures_before_and_after_submission_count_together(ledger: Ledger, times: bool) -> None:
    """A reason's first and last failure are those of all its messages, by when they failed."""
    hours = [NOW - timedelta(hours=ago) for ago in range(6)]
    before = {
        "M1": {"QUEUED": hours[4], "FAILED": hours[2]},
        "M2": {"QUEUED": hours[3], "FAILED": hours[3]},
    }
    after = {
        "M3": {"QUEUED": hours[5], "SENT": hours[5], "FAILED": hours[1]},
        "M4": {"QUEUED": hours[4], "SENT": hours[4], "FAILED": hours[4]},
    }
    known = [Journey(name, times=its, code="1") for name, its in (before | after).items()]
    record(ledger, known)
    (failure,) = ledger.engagement(times=times).total.failures
    assert failure.count.numerator == len(known)
    assert (failure.first, failure.last, failure.example) == (hours[4], hours[1], "M3")


@pytest.mark.parametrize("times", [False, True])
@pytest.mark.parametrize("by", ["hour", ("day", "campaign")])
def test_groups_of_more_days_than_the_database_is_told(
    sql_ledger: SQLLedger, monkeypatch: pytest.MonkeyPatch, by: Any, times: bool
) -> None:
    """Figures for very many days or hours equal those for few."""
    record(sql_ledger, sure(22, 30))
    few = sql_ledger.engagement(by=by, tz="Asia/Kolkata", times=times)
    for module in ("report_aggregates", "report_counts"):
        monkeypatch.setattr(f"flask_fd_whatsapp.ledger.sql.{module}.MOST_SPANS", 2)
    many = sql_ledger.engagement(by=by, tz="Asia/Kolkata", times=times)
    assert len(few.groups) > 2
    assert many == few


@pytest.mark.parametrize("times", [False, True])
def test_several_groupings_read_the_messages_once_and_are_as_each_alone(
    ledger: Ledger, times: bool
) -> None:
    """Groupings computed together or separately have the same figures."""
    record(ledger, sure(23, 60))
    ways: list[str | tuple[str, str] | None] = [None, "campaign", "day", ("day", "failure")]
    wanted = ReportFilter(receiver="fd_whatsapp")
    together = ledger.reports.breakdowns(wanted, by=ways, tz="Asia/Kolkata", times=times)
    alone = [
        ledger.engagement(by=by, tz="Asia/Kolkata", receiver="fd_whatsapp", times=times)
        for by in ways
    ]
    assert together == alone


def test_accounts_are_listed_also_when_all_their_messages_are_pruned(ledger: Ledger) -> None:
    """The accounts are those of a receiver's messages, in order, pruned ones included."""
    old = NOW - timedelta(days=100)
    record(ledger, [Journey("M1", account_id="9", times={"SENT": old})])
    finish(ledger)
    assert prune(ledger, 10) == 1
    record(ledger, [Journey("M2", account_id="10", times={"SENT": NOW})])
    assert ledger.reports.accounts(None) == ["10", "9"]
    assert ledger.reports.accounts("fd_whatsapp") == ["10", "9"]
    assert ledger.reports.accounts("another") == []


@pytest.mark.parametrize(
    "moment",
    [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)],
    ids=["first", "last"],
)
@pytest.mark.parametrize("tz", ["UTC", "Pacific/Kiritimati", "America/New_York"])
def test_the_ends_of_the_calendar_have_their_day_and_hour(
    ledger: Ledger, moment: datetime, tz: str
) -> None:
    """A message at either end of the calendar counts in one day and hour, even pruned."""
    ledger.reports.rules.time_zone = tz
    record(ledger, [Journey("M1", times={"SENT": moment}), Journey("M2", times={"SENT": NOW})])
    for by in ("day", "hour", ("day", "failure")):
        assert [one.known for one in ledger.engagement(by=by, tz=tz).groups.values()] == [1, 1]
    finish(ledger)
    assert ledger.maintenance.erase(message_id="M1").messages == 1
    assert [one.known for one in ledger.engagement(by="day", tz=tz).groups.values()] == [1, 1]


def test_without_times(ledger: Ledger) -> None:
    """Without times the counts are the same."""
    known = sure(8, 20)
    record(ledger, known)
    counts, whole = ledger.engagement(times=False).total, ledger.engagement().total
    assert counts.failures == whole.failures
    assert (counts.known, counts.read, counts.young) == (whole.known, whole.read, whole.young)
    assert counts.time_to_read is None


def test_message_that_fails_while_it_is_counted_is_counted_once(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some databases read failed messages after they have counted the others."""
    ledger.record(entry("SENT"), POLICY, claim=False)
    read = sql_reports.pages_of_facts

    def fail_first(*arguments: Any) -> Any:
        ledger.record(entry("FAILED"), POLICY, claim=False)
        return read(*arguments)

    monkeypatch.setattr(sql_reports, "pages_of_facts", fail_first)
    assert ledger.engagement(times=False).total.known == 1
    monkeypatch.undo()
    ledger.record(entry("FAILED"), POLICY, claim=False)
    assert ledger.engagement(times=False).total.failed == 1


def test_what_is_asked_wrongly_is_an_error(ledger: Ledger) -> None:
    """The error says what can be requested."""
    with pytest.raises(ValueError, match="campaign, day, hour"):
        ledger.engagement(by="weather")
    with pytest.raises(ValueError, match="no time zone"):
        ledger.engagement(since=datetime(2026, 1, 1))
    with pytest.raises(ValueError, match="Mars"):
        ledger.engagement(tz="Mars/Base")
    with pytest.raises(ValueError, match="since"):
        ledger.feed(since=datetime(2026, 1, 1))


def test_rows_of_the_previous_version_are_filled(sql_ledger: SQLLedger) -> None:
    """The time of sending is found for messages of the previous version, however many."""
    known = sure(13, 20)
    record(sql_ledger, known)
    with sql_ledger.engine.begin() as connection:
        connection.execute(message_table.update().values(sent_on=None, receiver=None))
    found = sql_ledger.engagement(receiver="fd_whatsapp").total
    assert told(found) == figures_of(known, NOW)


def test_reports_of_many_pages(sql_ledger: SQLLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages have no gaps, even with equal times of sending."""
    monkeypatch.setattr("flask_fd_whatsapp.ledger.sql.report_rows.PAGE", 7)
    monkeypatch.setattr("flask_fd_whatsapp.ledger.sql.report_slices.MESSAGES", 7)
    known = sure(3, 30)
    for journey in known[:15]:
        journey.times = {"QUEUED": NOW - timedelta(days=3)}
    record(sql_ledger, known)
    assert told(sql_ledger.engagement().total) == figures_of(known, NOW)


@pytest.mark.parametrize("kind", ["mariadb"])
def test_a_server_that_cuts_long_texts_off(sql_ledger: SQLLedger) -> None:
    """Figures are whole although the server's limit is low, and the connection keeps that limit."""
    limit, left = "@@SESSION.group_concat_max_len", []

    def lower(connection: Any, *_: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET {limit} = 20")

    def note(connection: Any, *_: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {limit}")
            left.append(cursor.fetchone()[0])

    known = sure(4, 60)
    record(sql_ledger, known)
    listen(sql_ledger.engine, "checkout", lower)
    listen(sql_ledger.engine, "reset", note)
    try:
        assert told(sql_ledger.engagement().total) == figures_of(known, NOW)
    finally:
        remove(sql_ledger.engine, "checkout", lower)
        remove(sql_ledger.engine, "reset", note)
        sql_ledger.engine.dispose()
    assert {*left} == {20}


def test_the_feed(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The feed has the lag of events, how many were out of order, and how many were duplicates."""
    monkeypatch.setattr("flask_fd_whatsapp.ledger.sql.sql_reports.PAGE", 2)
    start = datetime.now(UTC)
    for status, ago in (("READ", 30), ("DELIVERED", 60), ("SENT", 600)):
        ledger.record(entry(status, timestamp=start - timedelta(seconds=ago)), POLICY, claim=False)
    hour = start.replace(minute=0, second=0, microsecond=0)
    for _ in range(2):
        ledger.reports.count_duplicates("fd_whatsapp", hour, 2)
    feed = ledger.feed(since=start - timedelta(hours=2))
    assert (feed.events, feed.out_of_order, feed.duplicates) == (3, 2, 4)
    assert feed.lag_p50 is not None
    assert feed.lag_p99 is not None
    assert timedelta(seconds=60) <= feed.lag_p50 < timedelta(seconds=90)
    assert timedelta(seconds=600) <= feed.lag_p99 < timedelta(seconds=630)
    other = ledger.feed(since=start - timedelta(hours=2), receiver="other")
    assert (other.events, other.lag_p50, other.duplicates) == (0, None, 0)


def finish(ledger: Ledger) -> None:
    """Complete every event, so that its message can be pruned."""
    for event in ledger.events(limit=10_000):
        recorded = ledger.claim(event.id, POLICY)
        if recorded is not None and recorded.claim is not None:
            recorded.claim.finish(Tried())


def prune(ledger: Ledger, limit: int) -> int:
    """Prune this many, whatever their age."""
    return ledger.prune(before=datetime.now(UTC) + timedelta(days=1), limit=limit)


def roughly(figures: Any) -> dict[str, Any]:
    """All figures except percentiles, examples, and those about pruning."""
    made = told(figures)
    for name in ("time_to_submit", "time_to_deliver", "time_to_read", "sent_to_read"):
        n, _, _, _, *rest = made[name]
        made[name] = (n, *rest)
    made["first_sent"], made["last_sent"] = figures.first_sent, figures.last_sent
    made["failures"] = {
        (one.code, one.first, one.last): one.count.numerator for one in figures.failures
    }
    return made


def assert_same(mine: Any, its: Any) -> None:
    """The same figures, percentiles within 5 % or a millisecond."""
    assert roughly(mine) == roughly(its)
    for name in ("time_to_submit", "time_to_deliver", "time_to_read", "sent_to_read"):
        for rank in ("p50", "p90", "p99"):
            one, other = getattr(getattr(mine, name), rank), getattr(getattr(its, name), rank)
            if other is not None:
                assert abs(one - other) <= max(other * 0.05, timedelta(milliseconds=1))


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
@pytest.mark.slow
def test_figures_stay_when_messages_are_pruned(ledger: Ledger, zone: str) -> None:
    """Pruning any part does not change the figures of whole days."""
    ledger.reports.rules.time_zone = zone
    old = NOW - timedelta(days=100)
    known = sure(31, 30)
    for journey in known:
        journey.times = {one: at - (NOW - old) for one, at in journey.times.items()}
    record(ledger, known)
    finish(ledger)
    asked: list[dict[str, Any]] = [
        {"by": by, "tz": zone}
        for by in ("campaign", "day", "account", "failure", ("day", "failure"), None)
    ]
    midnight = datetime(2026, 8, 10, tzinfo=ZoneInfo(zone))
    asked += [{"since": midnight}, {"until": midnight}, {"campaign": None}, {"account_id": "2"}]
    before = [ledger.engagement(**one) for one in asked]
    for limit in (7, 1, 12, 100):
        assert prune(ledger, limit)
        for one, then in zip(asked, before, strict=True):
            now = ledger.engagement(**one)
            assert_same(now.total, then.total)
            assert now.groups.keys() == then.groups.keys()
            for key, figures in now.groups.items():
                assert_same(figures, then.groups[key])
    assert now.total.folded == now.total.known
    assert ledger.engagement().folded_days
    by_hour = ledger.engagement(by="hour")
    assert (by_hour.total.known, by_hour.not_by_hour) == (0, len(known))
    assert ledger.engagement(times=False).total.known == len(known)


def test_a_message_that_returns_is_counted_once(ledger: Ledger) -> None:
    """A message seen again after pruning is counted as returned, and nowhere else."""
    old = NOW - timedelta(days=100)
    record(ledger, [Journey("M1", times={"SENT": old})])
    finish(ledger)
    assert prune(ledger, 10) == 1
    record(ledger, [Journey("M1", times={"READ": old}), Journey("M2", times={"READ": old})])
    total = ledger.engagement().total
    assert (total.known, total.returned, total.read) == (2, 1, 1)
    finish(ledger)
    assert prune(ledger, 10) == 2
    total = ledger.engagement().total
    assert (total.known, total.returned, total.read) == (2, 0, 1)


@pytest.mark.parametrize("kind", SERVERS)
def test_a_message_that_returns_while_it_is_pruned(
    sql_ledger: SQLLedger, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A message whose event waits for the row being pruned is recognised."""
    old = NOW - timedelta(days=100)
    record(sql_ledger, [Journey("M", times={"SENT": old})])
    finish(sql_ledger)
    read = event_of(Journey("M", times={"READ": old}), "READ")
    with ThreadPoolExecutor() as pool, sql_ledger.engine.connect() as observer:
        recording: list[Future[Any]] = []

        def delete_as_it_comes_again(*given: Any) -> None:
            recording.append(pool.submit(sql_ledger.record, read, POLICY, claim=False))
            wait_until(
                lambda: observer.exec_driver_sql(WAITING[kind]).first() or observer.rollback(),
                "the event waits for the row",
            )
            delete(*given)

        delete = forgetting._delete
        monkeypatch.setattr(forgetting, "_delete", delete_as_it_comes_again)
        assert prune(sql_ledger, 10) == 1
        recording[0].result(TIMEOUT)
    total = sql_ledger.engagement().total
    assert (total.known, total.folded, total.returned, total.read) == (1, 1, 1, 0)


def test_a_duplicate_with_an_earlier_time_changes_nothing(ledger: Ledger) -> None:
    """A message's time of sending comes from its recorded events, not from a copy."""
    day = datetime(2026, 11, 10, tzinfo=UTC)
    for status in ("SENT", "DELIVERED", "READ", "FAILED"):
        first = Journey(status, times={status: day}, code="1" if status == "FAILED" else None)
        again = replace(first, times={status: day - timedelta(days=2)})
        for journey in (first, again):
            ledger.record(event_of(journey, status), POLICY, claim=False)
    assert list(ledger.engagement(by="day").groups) == [day.date()]


def test_an_expected_message_that_was_pruned_is_counted_once(ledger: Ledger) -> None:
    """A message registered after it was pruned has returned."""
    old = NOW - timedelta(days=100)
    record(ledger, [Journey("M", times={"SENT": old})])
    finish(ledger)
    assert prune(ledger, 10) == 1
    record(ledger, [Journey("M", expected_at=old)])
    total = ledger.engagement().total
    assert (total.known, total.unheard, total.returned) == (1, 0, 1)


@pytest.mark.parametrize("kind", SERVERS)
def test_prune_waits_for_what_is_being_recorded(
    sql_ledger: SQLLedger, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events being recorded when the digests are kept are done before a message is deleted."""
    old = NOW - timedelta(days=100)
    record(sql_ledger, [Journey("M", times={"SENT": old}), Journey("other", times={"SENT": NOW})])
    finish(sql_ledger)
    with ThreadPoolExecutor() as pool, sql_ledger.engine.connect() as holder:
        holder.execute(select(message_table).with_for_update()).all()
        read = event_of(Journey("other", times={"READ": NOW}), "READ")
        recording = pool.submit(sql_ledger.record, read, POLICY, claim=False)
        with sql_ledger.engine.connect() as observer:
            wait_until(
                lambda: observer.exec_driver_sql(WAITING[kind]).first() or observer.rollback(),
                "the event waits for the row",
            )
        left: list[int] = []

        def let_go(_: float) -> None:
            left.append(len(sql_ledger.messages(message_ids=["M"])))
            holder.rollback()
            recording.result(TIMEOUT)

        monkeypatch.setattr(forgetting, "sleep", let_go)
        assert prune(sql_ledger, 10) == 1
    assert left == [1]


def test_bounds_of_what_is_kept(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limits, codes and campaigns are merged, and no message is lost."""
    monkeypatch.setattr("flask_fd_whatsapp.engagement.folding.CODES", 2)
    monkeypatch.setattr("flask_fd_whatsapp.engagement.folding.CAMPAIGNS", 2)
    old = NOW - timedelta(days=100)
    record(
        ledger,
        [
            Journey(f"M{n}{c}", times={"FAILED": old}, code=str(n), campaign=f"C{c}")
            for n in range(4)
            for c in range(4)
        ],
    )
    finish(ledger)
    while prune(ledger, 3):
        pass
    found = ledger.engagement(by="campaign", times=False)
    assert {key: one.known for key, one in found.groups.items()} == {"C0": 4, "C1": 4, "other": 8}
    codes = [len(one.failures) for one in found.groups.values()]
    assert codes == [3, 3, 3]
    assert found.total.failed == 16


def test_aggregates_end_after_their_years(sql_ledger: SQLLedger) -> None:
    """Aggregates past their retention are deleted, with their digests."""
    record(sql_ledger, [Journey("M", times={"SENT": NOW - timedelta(days=800)})])
    finish(sql_ledger)
    sql_ledger.reports.rules.aggregate_years = 3
    assert prune(sql_ledger, 10) == 1
    assert prune(sql_ledger, 10) == 0
    assert sql_ledger.engagement().total.known == 1
    sql_ledger.reports.rules.aggregate_years = 2
    assert prune(sql_ledger, 10) == 0
    assert sql_ledger.engagement().total.known == 0
