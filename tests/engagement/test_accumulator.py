from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from flask_fd_whatsapp.engagement.accumulator import Accumulator
from flask_fd_whatsapp.engagement.facts import TimeFormat
from flask_fd_whatsapp.engagement.tally import Tally
from flask_fd_whatsapp.failure_reasons import FailureClass, classify
from flask_fd_whatsapp.time_zones import zone_of

from .naive import NOW, Journey, figures_of, journeys, told


def read(moment: datetime) -> datetime:
    return moment


def text_of(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(" ", "microseconds")[:26]


AS_TEXT = TimeFormat(read=datetime.fromisoformat, write=text_of)


def accumulate(known: list[Journey], **options: Any) -> Accumulator:
    """Journeys, accumulated."""
    made = Accumulator(
        **{"by": (), "zone": UTC, "as_of": NOW, "times": True, "own_classes": {}, **options}
    )
    made.add([journey.facts for journey in known])
    return made


@pytest.mark.parametrize("seed", range(20))
def test_all_figures_are_those_of_the_definitions(seed: int) -> None:
    """Every figure equals what is counted one by one from the journeys themselves."""
    known = journeys(seed, 1 + seed * 20)
    figures = accumulate(known).tally(None).figures(read)
    assert told(figures) == figures_of(known)
    assert figures.known == figures.delivered + figures.failed + figures.pending
    assert figures.failed == figures.failed_before + figures.failed_after
    assert figures.pending == figures.unheard + figures.awaiting + figures.queued


def test_of_many_thousand_too() -> None:
    """The same holds if durations are sorted in several runs."""
    known = journeys(1, 5_000)
    assert told(accumulate(known).tally(None).figures(read)) == figures_of(known)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe"])
@pytest.mark.parametrize(
    "by", ["campaign", "day", "hour", "account", "template", "failure", "day failure"]
)
def test_groups_partition_the_total(zone: str, by: str) -> None:
    """Each group has the figures of its own messages, and together they are the total."""
    known = journeys(7, 150)
    local = ZoneInfo(zone)

    def key(journey: Journey) -> Any:
        sent_on = journey.sent_on
        assert sent_on is not None
        moment = sent_on.astimezone(local)
        failed = "FAILED" in journey.times and not {"DELIVERED", "READ"} & set(journey.times)
        keys = {
            "campaign": journey.campaign,
            "account": journey.account_id,
            "template": journey.template,
            "day": moment.date(),
            "hour": moment.strftime("%Y-%m-%d %H %z"),
            "failure": (classify(journey.code), journey.code) if failed else None,
        }
        wanted = [keys[one] for one in by.split()]
        return wanted[0] if len(wanted) == 1 else tuple(wanted)

    naive = defaultdict(list)
    for journey in known:
        naive[key(journey)].append(journey)
    made = accumulate(known, by=tuple(by.split()), zone=zone_of(zone))
    groups = {
        key.strftime("%Y-%m-%d %H %z") if isinstance(key, datetime) else key: tally
        for key, tally in made.groups.items()
    }
    assert {k: told(t.figures(read)) for k, t in groups.items()} == {
        k: figures_of(ones) for k, ones in naive.items()
    }
    total = Tally(times=True)
    for tally in made.groups.values():
        total.merge(tally)
    assert told(total.figures(read)) == figures_of(known)


def test_times_as_text_give_the_same() -> None:
    """A driver's texts, naive and in UTC, give the figures that aware datetimes give."""
    known = journeys(3, 300)
    made = accumulate([], by=("day",), format=AS_TEXT)
    for journey in known:
        facts = journey.facts
        times = {
            name: None if value is None else text_of(value)
            for name, value in facts._asdict().items()
            if name.endswith(("_on", "_at"))
        }
        made.add([facts._replace(**times)])
    expected = accumulate(known, by=("day",))
    assert {key: tally.figures(datetime.fromisoformat) for key, tally in made.groups.items()} == {
        key: tally.figures(read) for key, tally in expected.groups.items()
    }


def test_what_returned_is_counted_nowhere_else() -> None:
    """A returned message is in one figure only."""
    known = journeys(5, 50)
    back = Journey("M", times={"SENT": NOW, "FAILED": NOW}, code="131026", is_returned=True)
    figures = accumulate([*known, back]).tally(None).figures(read)
    assert figures.returned == 1
    assert told(figures) == figures_of(known)


def test_the_hosts_own_classes_count() -> None:
    """A code that the host has a class for is in that class."""
    known = [Journey("M", times={"FAILED": NOW}, code="X-1")]
    made = accumulate(known, own_classes={"X-1": FailureClass.RECIPIENT})
    (failure,) = made.tally(None).figures(read).failures
    assert (failure.failure_class, failure.code) == (FailureClass.RECIPIENT, "X-1")
    assert failure.is_permanent
    assert (failure.first, failure.last, failure.example) == (NOW, NOW, "M")


def test_without_times_there_are_none() -> None:
    """Counts are the same without times, which are then absent."""
    known = journeys(9, 100)
    figures = accumulate(known, times=False).tally(None).figures(read)
    expected = accumulate(known).tally(None).figures(read)
    assert figures.curve is figures.late is figures.time_to_read is None
    assert figures.read_rate == expected.read_rate
    assert figures.failures == expected.failures


def test_figures_are_json() -> None:
    """Figures as a dict are JSON, with each rate's interval."""
    figures = accumulate(journeys(2, 100)).tally(None).figures(read).to_dict()
    assert json.loads(json.dumps(figures)) == figures
    assert figures["read_rate"]["denominator"] == figures["delivered"]
    assert figures["curve"][0]["age"] == timedelta(minutes=1).total_seconds()
