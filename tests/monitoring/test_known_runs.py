"""Which of the last reconciliations count: those of accounts that exist."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from prometheus_client import generate_latest

from flask_fd_whatsapp import Account, FreshdeskWhatsApp
from flask_fd_whatsapp.dashboard import Dashboard
from flask_fd_whatsapp.ledger.gauges import LastRun
from flask_fd_whatsapp.monitoring import LedgerCollector
from flask_fd_whatsapp.monitoring.known_runs import known_runs
from flask_fd_whatsapp.receiving.receiver import Receiver

NOW = datetime.now(UTC)


class Accounts:
    """An application's accounts, and which it was asked for."""

    def __init__(self, *keys: str) -> None:
        self.keys = set(keys)
        self.asked: list[str] = []
        self.is_down = False

    def __call__(self, key: str) -> Account | None:
        self.asked.append(key)
        if self.is_down:
            raise OSError("the database is down")
        known = Account({"X-Token": f"s3cret-{key}"}, [key.removeprefix("a")])
        return known if key in self.keys else None


def receiver_of(app: Flask) -> Receiver:
    receiver: Receiver = app.extensions["fd_whatsapp"]["fd_whatsapp"]
    return receiver


def app_with(accounts: Accounts | None) -> Flask:
    app = Flask("host")
    app.testing = True
    if accounts is None:
        app.config["FD_WHATSAPP_HEADERS"] = {"X-Token": "s3cret"}
    app.register_blueprint(FreshdeskWhatsApp(accounts=accounts))
    return app


def run_of(key: str | None, *, age: int, is_good: bool = True) -> LastRun:
    name = "fd_whatsapp" if key is None else f"fd_whatsapp/{key}"
    return LastRun(name, NOW - timedelta(days=age), is_good)


RUNS = [
    run_of("a1", age=1),
    run_of("a2", age=3),
    run_of("a3", age=2, is_good=False),
    run_of("a4", age=4),
    run_of("a5", age=0, is_good=False),
]


def keys_of(runs: list[LastRun]) -> list[str]:
    return [run.receiver.removeprefix("fd_whatsapp/") for run in runs]


def test_runs_of_removed_accounts_do_not_count_where_they_would_alarm() -> None:
    """Failing ones and the oldest are looked up; the others need no attention."""
    accounts = Accounts("a1", "a2", "a3")
    receiver = receiver_of(app_with(accounts))
    assert keys_of(known_runs(receiver, RUNS)) == ["a2", "a3", "a1"]
    assert accounts.asked == ["a4", "a2", "a3", "a5"]


def test_all_runs_count_while_accounts_cannot_be_looked_up() -> None:
    """None of them can be ruled out, and one lookup that fails is enough."""
    accounts = Accounts()
    accounts.is_down = True
    receiver = receiver_of(app_with(accounts))
    assert keys_of(known_runs(receiver, RUNS)) == ["a4", "a2", "a3", "a1", "a5"]
    assert accounts.asked == ["a4"]


def test_a_receiver_that_has_no_accounts_any_more_counts_its_own_run() -> None:
    """Those of the accounts that it had do not come again."""
    runs = [*RUNS, run_of(None, age=0)]
    assert known_runs(receiver_of(app_with(None)), runs) == runs[-1:]


@pytest.mark.parametrize("is_removed", [True, False])
def test_a_removed_account_is_not_reconciled_any_more_anywhere(is_removed: bool) -> None:
    """Neither a monitor, nor a scrape, nor the page has it."""
    accounts = Accounts("a1", "a2")
    app = app_with(accounts)
    app.register_blueprint(Dashboard(guard=lambda: True))
    note = receiver_of(app).ledger.asking.note
    note("fd_whatsapp/a2", asked=1, changed=0, stopped="a wrong key", is_good=False)
    note("fd_whatsapp/a1", asked=1, changed=0, stopped=None, is_good=True)
    if is_removed:
        accounts.keys.remove("a2")
    told = app.test_cli_runner().invoke(args=["fd-whatsapp", "status", "--json"]).stdout
    scraped = generate_latest(LedgerCollector(app).registry).decode()
    page = app.test_client().get("/freshdesk/whatsapp/dashboard/operations").text
    failing = 'fd_whatsapp_failing_reconciliations{receiver="fd_whatsapp"} '
    assert f"{failing}{0 if is_removed else 1}.0" in scraped
    for text in (told, page):
        assert ("fd_whatsapp/a2" in text, "fd_whatsapp/a1" in text) == (not is_removed, True)
