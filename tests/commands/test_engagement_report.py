"""``flask fd-whatsapp report``, ``messages`` and ``campaigns``."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from flask_fd_whatsapp.commands.periods import beginning
from flask_fd_whatsapp.commands.report_text import bar, long, per_cent
from flask_fd_whatsapp.events import DeliveryError
from flask_fd_whatsapp.time_zones import zone_of

from ..conftest import MakeApp
from ..ledger.entries import POLICY, entry
from .conftest import Post, RunCommand, RunJSON

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def filled(make_durable: MakeApp, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """An application with two campaigns: nearly all of spring is read, and little of autumn."""
    monkeypatch.delenv("TZ", raising=False)
    app = make_durable(CAMPAIGN=r"^(\w+)-")
    ledger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger

    def send(number: int, campaign: str, statuses: str) -> None:
        for place, status in enumerate(statuses.split()):
            moment = NOW - timedelta(days=3) + HOUR * place
            error = DeliveryError("131026", "Not there.") if status == "FAILED" else None
            one = entry(
                status,
                message_id=f"{campaign}{number}",
                reference=f"{campaign}-{number}",
                campaign=campaign,
                timestamp=moment,
                error=error,
            )
            ledger.record(one, POLICY, claim=False)

    for number in range(8):
        send(number, "spring", "QUEUED SENT DELIVERED READ")
        send(number, "autumn", "SENT DELIVERED" if number < 4 else "SENT")
    send(8, "autumn", "FAILED")
    send(9, "autumn", "FAILED DELIVERED")
    return app


def test_a_report_for_people(filled: Flask, run: RunCommand) -> None:
    """Every rate has its denominator, interval and bar; failures say what to do."""
    told = run(filled, "report", "--since", "7d", "--by", "campaign").stdout
    assert "until now (UTC)" in told
    assert "READ depends on read receipts" in told
    assert "100% of 8" in told
    assert "Do not send to this recipient again." in told
    assert "█" in told
    assert "half within" in told


def test_a_report_for_programs(filled: Flask, run_json: RunJSON) -> None:
    """As JSON it is what ``engagement`` returns."""
    told = run_json(filled, "report", "--by", "campaign")
    assert told["total"]["known"] == 18
    assert {one["group"]: one["read"] for one in told["groups"]} == {"spring": 8, "autumn": 0}
    assert told["total"]["failed_but_arrived"] == 1
    assert told["alarms"] == []


def test_a_report_for_spreadsheets(filled: Flask, run: RunCommand) -> None:
    """As CSV it has a row for each group, and one for the total."""
    rows = list(csv.reader(io.StringIO(run(filled, "report", "--by", "campaign", "--csv").stdout)))
    assert [row[0] for row in rows] == ["campaign", "autumn", "spring", "total"]
    assert rows[3][rows[0].index("known")] == "18"


def test_a_report_as_markdown(filled: Flask, run: RunCommand) -> None:
    """As Markdown it is tables."""
    told = run(filled, "report", "--by", "failure", "--markdown").stdout
    assert told.startswith("## Messages sent")
    assert "| failed | 1 |" in told
    assert "| --- |" in told


def test_alarm_on_a_rate_past_its_bound(filled: Flask, run: RunCommand) -> None:
    """A rate beyond its bound, in any group, is reported with exit status 1; others are not."""
    result = run(filled, "report", "--by", "campaign", "--alarm", "read_rate<0.4")
    assert result.exit_code == 1
    assert "Alarm: read_rate of autumn is 0% of 5, < 40.0%." in result.stderr
    assert "of spring" not in result.stderr
    assert run(filled, "report", "--alarm", "failure_rate>50%").exit_code == 0
    wrong = run(filled, "report", "--alarm", "luck<1")
    assert wrong.exit_code == 2
    assert "failure_rate" in wrong.output


def test_two_campaigns_compared(filled: Flask, run: RunCommand, run_json: RunJSON) -> None:
    """Two campaigns are compared rate by rate, at equal age too, with intervals."""
    told = run(filled, "report", "--compare", "spring", "autumn").stdout
    assert "spring against autumn" in told
    assert "+100.0 points" in told
    compared = run_json(filled, "report", "--compare", "spring", "autumn")["comparison"]
    assert compared[1]["rate"] == "read_rate"
    assert compared[1]["low"] > 0
    wrong = run(filled, "report", "--compare", "spring", "winter")
    assert wrong.exit_code == 2
    assert "winter" in wrong.output


@pytest.mark.parametrize("by", ["day", "account", "template", "failure"])
def test_two_groups_of_any_kind_compared(filled: Flask, run_json: RunJSON, by: str) -> None:
    """Two groups of the report's dimension are compared by the names that it prints."""
    names = {
        "day": [(NOW - timedelta(days=ago)).strftime("%Y-%m-%d") for ago in (3, 2)],
        "account": ["1", "2"],
        "template": ["(no template)", "order_update"],
        "failure": ["(not failed)", "recipient: 131026"],
    }[by]
    ledger = filled.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    moment = NOW - timedelta(days=2)
    one = entry("SENT", account_id="2", message_id="another", timestamp=moment)
    ledger.record(one, POLICY, claim=False)
    ledger.expect("more", account_id="2", template="order_update", sent_at=moment)
    told = run_json(filled, "report", "--by", by, "--compare", *names)
    delivery, _, _, *at_age = told["comparison"]
    its = (delivery["a"]["denominator"], delivery["b"]["denominator"])
    assert its == {"day": (17, 1), "account": (17, 1), "template": (18, 0), "failure": (18, 0)}[by]
    assert [one["rate"] for one in at_age] == [
        "delivery_rate within 24 h",
        "read_rate within 24 h",
    ]


def test_compared_are_two_groups_of_one_kind(filled: Flask, run: RunCommand) -> None:
    """What would leave nothing to compare is an error that says so."""
    for more in (("--by", "day", "--by", "account"), ("--campaign", "spring")):
        wrong = run(filled, "report", "--compare", "spring", "autumn", *more)
        assert wrong.exit_code == 2
        assert "two groups" in wrong.output


def test_messages_for_people(filled: Flask, run: RunCommand) -> None:
    """Messages are listed with their status, failure, and whether they arrived."""
    result = run(filled, "messages", "--failure-class", "recipient")
    assert result.exit_code == 0, (result.output, result.exception)
    told = result.stdout
    assert "autumn-8" in told
    assert "recipient (131026), arrived all the same" in told
    assert "spring" not in told
    stuck = run(filled, "messages", "--stuck-for", "1d").stdout
    assert stuck.count("SENT") == 4
    assert run(filled, "messages", "--since", "today").stdout == "No messages.\n"


def test_a_table_that_is_cut_says_so(filled: Flask, run: RunCommand) -> None:
    """If there are more messages than rows in the table, it says how to get the rest."""
    told = run(filled, "messages", "--limit", "3").stdout.splitlines()
    assert len(told) == 5
    assert told[-1].startswith("The latest 3 of them:")
    assert len(run(filled, "messages", "--campaign", "spring").stdout.splitlines()) == 1 + 8


def test_messages_for_spreadsheets(
    filled: Flask, run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CSV has all messages, read page by page, and no formulas."""
    monkeypatch.setattr("flask_fd_whatsapp.commands.message_list.PAGE", 3)
    ledger = filled.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    ledger.record(entry("SENT", message_id="X", reference="=cmd|x", campaign="@x"), POLICY)
    rows = list(csv.DictReader(io.StringIO(run(filled, "messages", "--csv").stdout)))
    assert len(rows) == len({row["message"] for row in rows}) == 19
    (evil,) = [row for row in rows if row["message"] == "X"]
    assert (evil["reference"], evil["campaign"]) == ("'=cmd|x", "'@x")
    (arrived,) = [row for row in rows if row["message"] == "autumn9"]
    assert (arrived["arrived_all_the_same"], arrived["permanent"]) == ("yes", "yes")
    assert arrived["failure_class"] == "recipient"


def test_messages_for_programs(filled: Flask, run_json: RunJSON) -> None:
    """JSON has all messages too, or as many as requested."""
    assert len(run_json(filled, "messages")["messages"]) == 18
    (one,) = run_json(filled, "messages", "--limit", "1")["messages"]
    assert one["source"] == "webhook"


def test_campaigns_listed_tried_and_recomputed(
    filled: Flask, run: RunCommand, run_json: RunJSON
) -> None:
    """Campaigns are listed with their counts; a rule can be tried, and applied again."""
    told = run(filled, "campaigns").stdout
    assert "spring" in told
    assert "autumn" in told
    assert run(filled, "campaigns", "--try", "easter-1").stdout == "easter-1: campaign easter.\n"
    assert run(filled, "campaigns", "--try", "?").stdout == "?: no campaign.\n"
    ledger = filled.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    ledger.record(entry("SENT", message_id="X", reference="easter-1"), POLICY)
    assert "1 message with a reference match no rule." in run(filled, "campaigns").stdout
    done = run_json(filled, "campaigns", "--recompute")
    assert (done["seen"], done["changed"], done["after"]) == (19, 1, None)
    assert ledger.message("X").campaign == "easter"
    assert run_json(filled, "campaigns", "--recompute")["changed"] == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11", "2026-10-31T23:00:00+00:00"),
        ("2026-07", "2026-06-30T22:00:00+00:00"),
        ("2026-11-02", "2026-11-01T23:00:00+00:00"),
        ("2026-11-02T09:30", "2026-11-02T08:30:00+00:00"),
        ("2026-11-02T09:30Z", "2026-11-02T09:30:00+00:00"),
    ],
)
def test_periods_are_of_their_zone(text: str, expected: str) -> None:
    """Months, dates and times are those of the time zone."""
    moment = beginning(text, zone_of("Europe/Berlin"), "--since")
    assert moment is not None
    assert moment.isoformat() == expected


def test_today_and_yesterday() -> None:
    """Today begins at midnight of the zone, and yesterday a day before that."""
    zone = zone_of("Asia/Kolkata")
    today, yesterday = (beginning(word, zone, "--since") for word in ("today", "yesterday"))
    assert today is not None
    assert yesterday is not None
    assert today.astimezone(zone).hour == today.astimezone(zone).minute == 0 or today.minute == 30
    assert today - yesterday == timedelta(days=1)


def test_an_invalid_period_is_refused_with_an_example(filled: Flask, run: RunCommand) -> None:
    """An invalid period is an error that says how to write one."""
    result = run(filled, "report", "--since", "soon")
    assert result.exit_code == 2
    assert "yesterday" in result.output
    assert "Europe/Berlin" in run(filled, "report", "--tz", "Mars").output


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0%"), (1, "100%"), (0.0001, "<0.1%"), (0.9999, ">99.9%"), (0.25, "25.0%"), (None, "-")],
)
def test_shares_in_words(value: float | None, text: str) -> None:
    """0 % and 100 % are shown only if exact."""
    assert per_cent(value) == text


def test_bars_and_times_in_words() -> None:
    """A bar above zero is visible; durations have two units."""
    assert bar(0) == ""
    assert bar(0.0001) == "▏"
    assert bar(1) == "█" * 20
    assert bar(0.5) == "█" * 10
    assert [long(timedelta(seconds=one)) for one in (0.25, 39, 1380, 18180, 104400)] == [
        "0.25 s",
        "39 s",
        "23 min",
        "5 h 3 min",
        "1 d 5 h",
    ]


def test_a_code_of_any_length_leaves_the_tables_small(
    durable: Flask, run: RunCommand, run_json: RunJSON, post: Post
) -> None:
    """Tables cut it; JSON has all of it."""
    code, message = "2" * 5000, "y" * 5000
    post(durable, "failed", data__message_id="M1", data__error={"code": code, "message": message})
    for command in (
        ("report",),
        ("report", "--by", "failure"),
        ("report", "--markdown"),
        ("messages",),
        ("events",),
        ("message", "M1"),
    ):
        told = run(durable, *command).output
        assert "2" * 39 in told
        assert max(map(len, told.splitlines())) < 1000, command
    (failure,) = run_json(durable, "report")["total"]["failures"]
    assert failure["code"] == code
