"""Arguments that no command can act on: each is refused in a line that names it."""

from __future__ import annotations

import pytest
from flask import Flask

from .conftest import RunCommand, Tickets

HUGE = "9" * 23


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("messages", "--limit", HUGE, "--json"), "--limit"),
        (("sends", "--limit", HUGE, "--json"), "--limit"),
        (("reconcile", "--limit", HUGE), "--limit"),
        (("events", "--limit", HUGE), "--limit"),
        (("simulate", "--messages", HUGE), "--messages"),
        (("campaigns", "--recompute", "--after", HUGE), "--after"),
        (("campaigns", "--recompute", "--after", "-1"), "--after"),
        (("messages", "--stuck-for", "999999999d"), "of up to 36500d"),
        (("reconcile", "--stuck-for", "999999999d"), "of up to 36500d"),
        (("report", "--since", "999999999d"), "--since"),
        (("report", "--since", "0001-01-01T00:00+00:00", "--tz", "America/New_York"), "--since"),
        (("report", "--until", "9999-12-31T23:59+00:00", "--tz", "Asia/Tokyo"), "--until"),
        (("events", "--since", "999999999d"), "--since"),
        (("trigger", "\udc80"), r"'\udc80' is not UTF-8"),
        (("events", "--campaign", "\udc80"), "is not UTF-8"),
        (("quarantine", "show", "\udc80"), "is not UTF-8"),
        (("replay", "--handler", "tickets", "--rate", "nan"), "--rate"),
        (("replay", "--handler", "tickets", "--rate", "inf"), "--rate"),
        (("simulate", "--speed", "nan"), "--speed"),
        (("report", "--alarm", "read_rate<2"), "more than 100%"),
        (("report", "--alarm", "read_rate<101%"), "more than 100%"),
        (("report", "--alarm", "read_rate<-0.1"), "--alarm"),
        (("messages", "--csv", "--json"), "--csv and --json are two formats"),
        (("report", "--json", "--csv"), "--csv and --json are two formats"),
        (("report", "--markdown", "--csv"), "--csv and --markdown are two formats"),
        (("sends", "--json", "--csv"), "--csv and --json are two formats"),
        (("backup", ""), "is empty"),
    ],
)
def test_is_a_usage_error(
    durable: Flask, run: RunCommand, arguments: tuple[str, ...], reason: str
) -> None:
    """Numbers out of range, moments outside the calendar and broken text are usage errors."""
    result = run(durable, *arguments)
    assert (result.exit_code, reason in result.stderr) == (2, True), result.output


@pytest.mark.parametrize(
    "command",
    [
        ("report",),
        ("messages",),
        ("campaigns",),
        ("events",),
        ("retry",),
        ("reconcile",),
        ("replay", "--handler", "tickets"),
    ],
)
def test_period_that_ends_before_it_begins_is_a_usage_error(
    durable: Flask, run: RunCommand, tickets: Tickets, command: tuple[str, ...]
) -> None:
    """Nothing can be in a reversed period, so it is a mistake."""
    result = run(durable, *command, "--since", "2026-11-02", "--until", "2026-11-01")
    assert (result.exit_code, "--until is before --since" in result.stderr) == (2, True), (
        result.output
    )


def test_largest_limit_lists_all(durable: Flask, run: RunCommand) -> None:
    """The largest number that is accepted works in a table, and in JSON."""
    for command in ("messages", "sends"):
        for form in ((), ("--json",)):
            result = run(durable, command, "--limit", str(2**63 - 2), *form)
            assert result.exit_code == 0, result.output
