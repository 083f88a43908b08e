from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from flask_fd_whatsapp.events import DeliveryError, Status
from flask_fd_whatsapp.ledger import Backlog, Ledger, Message, State, Tried
from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.sql.tables import event as event_table

from .entries import FAILED, MOMENT, POLICY, claimed, entry, exhaust, handle, the_event, the_message


@pytest.fixture
def names(ledger: Ledger) -> dict[Any, str]:
    """Seven events in every state, by their ids; the newest is g."""
    return {
        handle(ledger, "QUEUED", reference="R1", campaign="spring"): "a",
        handle(ledger, "SENT", receiver="other"): "b",
        handle(ledger, "SENT", account_id="2", reference="R1"): "c",
        handle(ledger, "PLAYED", account_id="2"): "d",
        exhaust(ledger, message_id="M2"): "e",
        ledger.record(entry("SENT", message_id="M2", campaign="autumn"), POLICY).id: "f",
        handle(ledger, "READ"): "g",
    }


FILTERS: list[tuple[dict[str, Any], str]] = [
    ({}, "gfedcba"),
    ({"status": "SENT"}, "fcb"),
    ({"status": "PLAYED"}, "d"),
    ({"status": "sent"}, ""),
    ({"account_id": "2"}, "dc"),
    ({"account_id": "1", "status": "SENT"}, "fb"),
    ({"campaign": "spring"}, "gba"),
    ({"campaign": "autumn"}, "fe"),
    ({"campaign": "Spring"}, ""),
    ({"external_reference_id": "R1"}, "gdcba"),
    ({"external_reference_id": "R1", "account_id": "1"}, "gba"),
    ({"message_id": "M2"}, "fe"),
    ({"message_id": "m2"}, ""),
    ({"state": State.PENDING}, "f"),
    ({"state": State.DEAD}, "e"),
    ({"state": State.DONE}, "gdcba"),
    ({"receiver": "other"}, "b"),
    ({"receiver": "fd_whatsapp", "state": State.DONE}, "gdca"),
    ({"limit": 2}, "gf"),
    ({"limit": 2, "status": "SENT"}, "fc"),
    ({"after": 0}, "abcdefg"),
    ({"after": 0, "limit": 3}, "abc"),
    ({"after": 0, "status": "SENT", "limit": 2}, "bc"),
]


def test_events_newest_first(ledger: Ledger, names: dict[Any, str]) -> None:
    """Events that meet all conditions are listed newest first."""
    for conditions, expected in FILTERS:
        found = ledger.events(**conditions)
        assert "".join(names[event.id] for event in found) == expected, conditions


def test_events_page_by_page(ledger: Ledger, names: dict[Any, str]) -> None:
    """The pages contain every event once, in both directions."""
    for key, start, expected in (("before", None, "gfedcba"), ("after", 0, "abcdefg")):
        seen, place = "", start
        while page := ledger.events(**{key: place}, limit=3):
            seen += "".join(names[event.id] for event in page)
            place = page[-1].id
        assert seen == expected
    middle = ledger.events()[3].id
    between = ledger.events(after=middle, before=ledger.events()[0].id)
    assert "".join(names[event.id] for event in between) == "ef"


def test_since_until(ledger: Ledger, names: dict[Any, str]) -> None:
    """Periods go by the time of recording; the beginning is inclusive, the end exclusive."""
    events = ledger.events()
    newest, middle = events[0], events[3]
    elsewhere = timezone(timedelta(hours=5, minutes=30))
    for moment in (middle.received_at, middle.received_at.astimezone(elsewhere)):
        since = [event for event in events if event.received_at >= moment]
        assert ledger.events(since=moment) == since
        assert ledger.events(until=moment) == [event for event in events if event not in since]
    assert middle.received_at < newest.received_at
    assert ledger.events(since=newest.received_at + timedelta(seconds=1)) == []


def test_paging_whatever_is_asked(ledger: Ledger, names: dict[Any, str]) -> None:
    """The pages contain every event that meets the conditions once, in one order."""
    newest, *_, oldest = ledger.events()
    for conditions in (
        {"status": "SENT"},
        {"account_id": "1"},
        {"campaign": "spring"},
        {"receiver": "fd_whatsapp"},
        {"since": oldest.received_at},
        {"until": newest.received_at},
        {"since": oldest.received_at, "until": newest.received_at, "account_id": "2"},
        {"unhandled_by": "tickets"},
        {"campaign": "spring", "receiver": "fd_whatsapp", "since": oldest.received_at},
    ):
        whole = [names[event.id] for event in ledger.events(**conditions)]
        assert len(whole) > 1
        for key, start, expected in (("before", None, whole), ("after", 0, whole[::-1])):
            seen, place = [], start
            while page := ledger.events(**conditions, **{key: place}, limit=1):
                seen += [names[event.id] for event in page]
                place = page[-1].id
            assert seen == expected, conditions


def test_paging_by_time_after_a_clock_was_set_back(ledger: Ledger, names: dict[Any, str]) -> None:
    """Events whose times are not in the order of their ids are each on one page."""
    if not isinstance(ledger, SQLLedger):
        pytest.skip("The in-memory ledger's times come from this process's clock.")
    first, *_, last = ledger.events(after=0)
    ahead = last.received_at + timedelta(hours=2)
    with ledger.database.writing() as connection:
        is_first = event_table.c.id == first.id
        connection.execute(event_table.update().where(is_first).values(received_at=ahead))
    seen, place = [], None
    while page := ledger.events(since=first.received_at, before=place, limit=2):
        seen += [names[event.id] for event in page]
        place = page[-1].id
    assert "".join(seen) == "agfedcb"


def test_paging_past_what_is_forgotten(ledger: Ledger, names: dict[Any, str]) -> None:
    """A page can begin after an event that no longer exists."""
    newest = ledger.events()[0]
    beyond = {"since": newest.received_at - timedelta(days=1), "receiver": "fd_whatsapp"}
    assert ledger.events(**beyond, before=newest.id + 1000) == ledger.events(**beyond)
    assert ledger.events(**beyond, after=newest.id + 1000) == []


def test_unhandled_by(ledger: Ledger) -> None:
    """Events are found by a handler that has not handled them, in any state."""
    for message_id, tried in (
        ("M1", Tried(succeeded="tickets")),
        ("M2", Tried(succeeded="mails")),
        ("M3", Tried(superseded=["tickets"])),
        ("M4", FAILED),
    ):
        claimed(ledger, message_id=message_id)[1].finish(tried)
    found = ledger.events(unhandled_by="tickets")
    assert [event.message_id for event in found] == ["M4", "M2"]
    assert [event.message_id for event in ledger.events(unhandled_by="mails", after=0)] == [
        "M1",
        "M3",
        "M4",
    ]


def test_unknown_condition(ledger: Ledger) -> None:
    """A misspelled condition is an error, not ignored."""
    with pytest.raises(TypeError, match=r"events.* keyword argument 'statsu'"):
        ledger.events(statsu="SENT")  # type: ignore[call-arg]


def test_no_condition(ledger: Ledger, names: dict[Any, str]) -> None:
    """A condition that is ``None`` is none."""
    conditions = dict.fromkeys(["status", "state", "receiver", "since", "before", "after"])
    assert ledger.events(**conditions) == ledger.events()


def test_superseded_event_is_told_from_a_late_one(ledger: Ledger) -> None:
    """A superseded event is distinguished from a late one."""
    for status in ("SENT", "READ", "DELIVERED"):
        handle(ledger, status)
    found = [(event.is_stale, event.is_superseded) for event in ledger.events(after=0)]
    assert found == [(False, True), (False, False), (True, True)]


def test_event_as_listed(ledger: Ledger) -> None:
    """A listed event has its own data, and what is known of its message by now."""
    now = datetime.now(UTC)
    event_id = handle(ledger, "PLAYED", account_id="7", receiver="other")
    handle(ledger, "SENT", account_id="7", reference="R1", campaign="spring")
    event = the_event(ledger, event_id)
    assert (event.account_id, event.message_id, event.status) == ("7", "M1", "PLAYED")
    assert (event.receiver, event.state, event.is_stale) == ("other", State.DONE, False)
    assert (event.timestamp, event.external_reference_id, event.campaign) == (
        MOMENT,
        "R1",
        "spring",
    )
    assert abs(event.received_at - now) < timedelta(minutes=1)
    assert event.received_at.tzinfo is not None
    assert (event.attempts, event.last_error, event.due_at) == (1, None, None)


def test_message_tells_its_furthest_status(ledger: Ledger) -> None:
    """A message has its furthest status, the time of each, and why it failed."""
    times = {
        status: MOMENT + timedelta(minutes=place, microseconds=place)
        for place, status in enumerate([*Status, "PLAYED"])
    }
    error = DeliveryError("131026", "Undeliverable \U0001f44b")
    for status, moment in times.items():
        handle(ledger, status, timestamp=moment, error=error, reference="R", campaign="c")
    assert the_message(ledger) == Message(
        account_id="1",
        message_id="M1",
        status=Status.READ,
        external_reference_id="R",
        campaign="c",
        times=times,
        error=error,
    )
    assert isinstance(the_message(ledger).status, Status)


@pytest.mark.parametrize(
    "moment",
    [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), MOMENT.replace(year=999)],
    ids=str,
)
def test_odd_times(ledger: Ledger, moment: datetime) -> None:
    """Any time that Python can represent is kept to the microsecond."""
    event_id = handle(ledger, timestamp=moment)
    assert the_event(ledger, event_id).timestamp == moment
    assert the_message(ledger).times == {"QUEUED": moment}


def test_messages_of_a_reference(ledger: Ledger) -> None:
    """The messages of a reference are in the order in which they were first seen."""
    for message_id, account_id in (("M3", "1"), ("M1", "1"), ("M3", "2"), ("M2", "1")):
        handle(ledger, message_id=message_id, account_id=account_id, reference="R1")
    handle(ledger, message_id="M9", reference="r1")
    found = ledger.messages(external_reference_id="R1")
    keys = [(message.message_id, message.account_id) for message in found]
    assert keys == [("M3", "1"), ("M1", "1"), ("M3", "2"), ("M2", "1")]
    assert ledger.messages(external_reference_id="R") == []


def test_messages_by_their_ids(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The known ids' messages of every account are returned once, in the order they were first
    seen.
    """
    monkeypatch.setattr("flask_fd_whatsapp.ledger.sql.queries.IDS", 2)
    for message_id, account_id in (("M3", "1"), ("M1", "1"), ("M3", "2"), ("M2", "1")):
        handle(ledger, "PLAYED", message_id=message_id, account_id=account_id, reference="R1")
    handle(ledger, message_id="M9", reference="R9")
    found = ledger.messages(message_ids=["M1", "m1", "M2", "M2", "M3", "M4", "M\0", "M9"])
    keys = [(message.message_id, message.account_id) for message in found]
    assert keys == [("M3", "1"), ("M1", "1"), ("M3", "2"), ("M2", "1"), ("M9", "1")]
    assert [sorted(message.times) for message in found] == [["PLAYED"]] * 4 + [["QUEUED"]]
    both = ledger.messages(external_reference_id="R1", message_ids=["M2", "M9"])
    assert [message.message_id for message in both] == ["M2"]
    assert ledger.messages(message_ids=[]) == []


def test_messages_without_a_condition(ledger: Ledger) -> None:
    """All messages, possibly millions, are not returned by mistake."""
    with pytest.raises(TypeError, match="external_reference_id or message_ids"):
        ledger.messages()


def test_messages_are_counted_by_status(ledger: Ledger) -> None:
    """Messages are counted by furthest status; unknown statuses are not counted."""
    start = datetime.now(UTC) - timedelta(minutes=1)
    assert ledger.counts() == dict.fromkeys(Status, 0)
    for number, statuses in enumerate(["SENT", "SENT", "QUEUED READ", "FAILED SENT", "PLAYED"]):
        for status in statuses.split():
            campaign = "spring" if number % 2 else None
            handle(ledger, status, message_id=f"M{number}", campaign=campaign)
    expected = {"QUEUED": 0, "SENT": 2, "DELIVERED": 0, "READ": 1, "FAILED": 1}
    assert ledger.counts() == expected
    assert ledger.counts(campaign="spring") == {**dict.fromkeys(Status, 0), "SENT": 1, "FAILED": 1}
    assert ledger.counts(since=start, until=start + timedelta(minutes=5)) == expected
    assert ledger.counts(since=start + timedelta(minutes=5)) == dict.fromkeys(Status, 0)
    assert ledger.counts(until=start) == dict.fromkeys(Status, 0)


def test_backlog_tells_pending_and_dead(ledger: Ledger, names: dict[Any, str]) -> None:
    """The backlog has the pending and dead events, and the newest and oldest times."""
    events = {names[event.id]: event for event in ledger.events()}
    backlog = Backlog(
        last_received=events["g"].received_at,
        pending=1,
        oldest_pending=events["f"].received_at,
        next_due=events["f"].due_at,
        oldest_due=None,  # its process is handling it
        dead=1,
        unacknowledged=1,
    )
    assert ledger.overview.backlog() == ledger.overview.backlog(receiver="fd_whatsapp") == backlog
    assert ledger.overview.backlog(receiver="other") == Backlog(
        last_received=events["b"].received_at
    )


@pytest.mark.parametrize("receiver", [None, "fd_whatsapp"])
def test_empty_backlog(ledger: Ledger, receiver: str | None) -> None:
    """An empty ledger has no times."""
    handle(ledger, receiver="other") if receiver else None
    assert ledger.overview.backlog(receiver=receiver) == Backlog()


def test_nothing_is_wrong(ledger: Ledger) -> None:
    """A new ledger has no warnings, and upgrading it again does no harm."""
    handle(ledger)
    ledger.upgrade()
    assert ledger.check() == []
    assert ledger.record(entry(), POLICY).state is State.DONE
    claimed(ledger, "SENT")[1].finish(Tried())
