"""``flask fd-whatsapp simulate``: what it posts, shows and compares."""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request

from flask_fd_whatsapp import FreshdeskWhatsApp
from flask_fd_whatsapp.ledger import Ledger
from flask_fd_whatsapp.simulator import FAULTS

from ..conftest import TOKEN, URL, MakeApp
from ..simulator.servers import Mailbox, serving, smtp
from .conftest import RunCommand

ROOT = Path(__file__).parents[2]
FAST = ("--speed", "8640000")


@contextmanager
def noted(app: Flask) -> Generator[list[Any]]:
    """The requests that reach the receiver."""
    seen: list[Any] = []
    app.before_request(lambda: seen.append((request.headers, request.get_data())))
    yield seen


def table(output: str) -> dict[str, str]:
    """The printed table."""
    rows = (re.split(r" {2,}", line, maxsplit=1) for line in output.splitlines())
    return {row[0]: row[1] for row in rows if len(row) == 2}


def test_without_a_url_the_application_itself_gets_the_events(
    app: Flask, ledger: Ledger, run: RunCommand
) -> None:
    """Without --url, events go through the application itself, whose ledger then agrees."""
    result = run(app, "simulate", "--messages", "20", "--campaign", "autumn", *FAST)
    assert result.exit_code == 0, result.output
    shown = table(result.output)
    assert shown["Messages sent"] == "20"
    assert shown["Events made"] == shown["Posted"] == shown["Acknowledged"]
    assert shown["Answers 200"] == shown["Posted"]
    assert (shown["Retried"], shown["Given up"]) == ("0", "0")
    assert {"Latency median", "Latency 95 %", "Latency 99 %"} <= shown.keys()
    assert shown["Ledger"] == "20 of 20 agree"
    assert ledger.messages(external_reference_id="autumn-00020")


def test_the_ledger_agrees_with_all_faults(app: Flask, run: RunCommand) -> None:
    """With all faults the ledger still agrees."""
    result = run(
        app, "simulate", "--messages", "40", "--fault", "all", "--json", "--speed", "864000"
    )
    assert result.exit_code == 0, result.output
    shown = json.loads(result.output)
    assert shown["ledger"] == "40 of 40 agree"
    assert shown["disagreements"] == []
    assert shown["given_up"] == shown["left"] == 0
    assert shown["acknowledged"] == shown["events"] + shown["copies"]
    assert shown["posted"] == sum(shown["answers"].values())
    assert shown["posted"] == shown["acknowledged"] + shown["garbled"] + shown["tried_again"]


def test_same_seed(make_app: MakeApp, run: RunCommand) -> None:
    """The same seed posts the same bodies, byte for byte; another seed does not."""

    def bodies(*options: str) -> list[bytes]:
        app = make_app()
        with noted(app) as seen:
            assert run(app, "simulate", "--messages", "5", *FAST, *options).exit_code == 0
        return sorted(body for _, body in seen)

    assert bodies("--seed", "7") == bodies("--seed", "7")
    assert bodies("--seed", "7") != bodies("--seed", "8")


def test_last_line_repeats_the_run(make_app: MakeApp, run: RunCommand) -> None:
    """The last line says how to repeat the same events."""
    app = make_app()
    with noted(app) as first:
        output = run(app, "simulate", "--messages", "3", *FAST).output
    match = re.search(r"events: (--seed \d+ --start \S+)", output)
    assert match
    other = make_app()
    with noted(other) as second:
        run(other, "simulate", "--messages", "3", *FAST, *match[1].split())
    assert sorted(body for _, body in first) == sorted(body for _, body in second)


def test_headers_of_the_configuration(make_app: MakeApp, run: RunCommand) -> None:
    """The configured headers are sent, with the first of several values, and data headers too."""
    app = make_app(
        HEADERS={"Authorization": [TOKEN, "Bearer old"], "X-A": "1", "X-B": "2"},
        DATA_HEADERS=["X-Tenant"],
        ACCOUNT_IDS=["42", "41"],
    )
    with noted(app) as seen:
        assert run(app, "simulate", "--messages", "2", *FAST).exit_code == 0
    for headers, body in seen:
        assert (headers["Authorization"], headers["X-A"], headers["X-B"]) == (TOKEN, "1", "2")
        assert headers["X-Tenant"] == "simulated"
        assert json.loads(body)["account_id"] == "41"


def test_with_a_url_the_events_are_posted_there(
    app: Flask, make_app: MakeApp, run: RunCommand
) -> None:
    """With --url, events go there, by default to the receiver's path."""
    with serving(make_app()) as url:
        for destination in (url, f"{url}/", f"{url}{URL}"):
            result = run(app, "simulate", "--messages", "3", "--url", destination, *FAST)
            assert result.exit_code == 0, result.output
            shown = table(result.output)
            assert shown["Answers 200"] == shown["Events made"]
            assert "in another process's memory" in shown["Ledger"]


def test_simulate_reads_a_durable_ledger(
    make_app: MakeApp, run: RunCommand, tmp_path: Path
) -> None:
    """A durable ledger is compared, wherever the application that writes it runs."""
    pytest.importorskip("sqlalchemy")
    apps = [make_app(LEDGER_URL=f"sqlite:///{tmp_path}/ledger.db") for _ in range(2)]
    ledgers = [app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger for app in apps]
    ledgers[0].upgrade()
    with serving(apps[0]) as url:
        result = run(apps[1], "simulate", "--messages", "5", "--url", url, *FAST)
    for ledger in ledgers:
        ledger.engine.dispose()
    assert result.exit_code == 0, result.output
    assert table(result.output)["Ledger"] == "5 of 5 agree"


def test_several_receivers(make_app: MakeApp, run: RunCommand) -> None:
    """Of several receivers one has to be named, and gets the events."""
    app = make_app()
    app.config["OTHER_HEADERS"] = {"X-Key": "other"}
    app.register_blueprint(FreshdeskWhatsApp("other", config_prefix="OTHER", url_prefix="/other"))
    assert run(app, "simulate").exit_code == 2
    with noted(app) as seen:
        run(app, "simulate", "--receiver", "other", "--messages", "1", *FAST)
    assert {headers["X-Key"] for headers, _ in seen} == {"other"}


def test_simulate_sends_alerts(app: Flask, run: RunCommand) -> None:
    """An e-mail reports events that were given up."""
    pytest.importorskip("aiosmtpd")
    mailbox = Mailbox()
    with smtp(mailbox) as port:
        run(
            app, "simulate", "--messages", "1", "--delays", "", *FAST,
            "--header", "Authorization: y",
            "--alert-email", "a@x.org", "--smtp", f"127.0.0.1:{port}",
        )  # fmt: skip
    assert mailbox.mails
    assert {tuple(recipients) for recipients, _ in mailbox.mails} == {("a@x.org",)}


def test_list_of_faults(app: Flask, run: RunCommand) -> None:
    """The faults are listed with what they do."""
    result = run(app, "simulate", "--list-faults")
    assert result.exit_code == 0
    for name, fault in FAULTS.items():
        assert re.search(rf"^{name} +{re.escape(fault.description)}$", result.output, re.MULTILINE)
