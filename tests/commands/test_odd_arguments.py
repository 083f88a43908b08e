"""Arguments that no command can use: each is refused in a line that names it."""

from __future__ import annotations

import pytest
from flask import Flask

from ..conftest import MakeApp
from .conftest import Post, RunCommand, Tickets

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
        (("trigger", ""), "The documented statuses are QUEUED, SENT, DELIVERED, READ, FAILED."),
        (("trigger", " "), "Must be 1 to 255 characters"),
        (("trigger", "X" * 300), "Must be 1 to 255 characters"),
        (("trigger", "READ", "--message", ""), "Must be 1 to 255 characters"),
        (("trigger", "READ", "--message", "X" * 300), "Must be 1 to 255 characters"),
    ],
)
def test_is_a_usage_error(
    durable: Flask, run: RunCommand, arguments: tuple[str, ...], reason: str
) -> None:
    """Numbers out of range, moments outside the calendar and broken text are usage errors."""
    result = run(durable, *arguments)
    assert (result.exit_code, reason in " ".join(result.stderr.split())) == (2, True), result.output


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
    """A reversed period is a mistake."""
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


@pytest.mark.parametrize(
    "command",
    [
        ("retry",),
        ("replay", "--handler", "tickets"),
        ("events",),
        ("message", "M1"),
        ("messages",),
        ("campaigns",),
        ("sends",),
        ("report",),
        ("forget", "--message", "M2", "--yes"),
    ],
    ids=lambda command: command[0],
)
def test_unknown_account_is_refused_and_the_known_ones_named(
    durable: Flask, run: RunCommand, tickets: Tickets, post: Post, command: tuple[str, ...]
) -> None:
    """A mistyped account is an error, not an empty list."""
    post(durable, data__message_id="M1", account_id="11011399037")
    result = run(durable, *command, "--account", "1101139903")
    told = " ".join(result.stderr.split())
    assert (result.exit_code, "There is no account '1101139903'" in told) == (2, True), told
    assert "Known: 11011399037." in told
    assert run(durable, *command, "--account", "11011399037").exit_code == 0


def test_account_of_the_settings_is_known_before_its_first_message(
    make_durable: MakeApp, run: RunCommand
) -> None:
    """A report without a beginning works even before the first message."""
    app = make_durable(ACCOUNT_IDS=["7", "8"])
    assert run(app, "report", "--account", "7").exit_code == 0
    result = run(app, "report", "--account", "9")
    assert (result.exit_code, "Known: 7, 8." in result.stderr) == (2, True), result.stderr


def test_hundreds_of_known_accounts_are_not_all_named(
    make_durable: MakeApp, run: RunCommand
) -> None:
    """An error stays a few lines, however many accounts there are."""
    app = make_durable(ACCOUNT_IDS=[str(number) for number in range(1000, 1500)])
    told = " ".join(run(app, "events", "--account", "9").stderr.split())
    assert "1018, 1019 and 480 more." in told
    assert "1020" not in told


@pytest.mark.parametrize(
    "arguments",
    [
        ("message", "a\\b\u202e"),
        ("events", "--account", "a\\b\u202e"),
        ("events", "--since", "a\\b\u202e"),
        ("replay", "--handler", "a\\b\u202e"),
        ("status", "--receiver", "a\\b\u202e"),
    ],
    ids=lambda arguments: " ".join(arguments[:-1]),
)
def test_errors_escape_what_was_given_only_once(
    durable: Flask, run: RunCommand, arguments: tuple[str, ...]
) -> None:
    """A backslash stays one, and an invisible character has one before its number."""
    result = run(durable, *arguments)
    assert result.exit_code > 0
    assert "'a\\b\\u202e'" in result.stderr
