"""``flask fd-whatsapp simulate``: mistakes, trouble and disagreement."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from flask import Flask, redirect, request

from flask_fd_whatsapp import StatusEvent, status_received

from ..conftest import TOKEN, URL, MakeApp
from ..simulator.servers import serving
from .conftest import RunCommand
from .test_simulate import FAST, noted, table

ROOT = Path(__file__).parents[2]


def test_given_headers_are_sent_besides_the_configured_ones(app: Flask, run: RunCommand) -> None:
    """A gateway's header does not replace the token."""
    with noted(app) as seen:
        result = run(app, "simulate", "--messages", "2", *FAST, "--header", "X-Key: a:b")
    assert result.exit_code == 0, result.output
    assert {(headers["X-Key"], headers["Authorization"]) for headers, _ in seen} == {("a:b", TOKEN)}


def test_a_given_header_replaces_the_configured_one(app: Flask, run: RunCommand) -> None:
    """Its name has no case; events refused for it are disagreements."""
    wrong = ("--header", "authorization: Bearer wrong", "--delays", "")
    with noted(app) as seen:
        result = run(app, "simulate", "--messages", "2", *FAST, *wrong)
    assert {headers["Authorization"] for headers, _ in seen} == {"Bearer wrong"}
    assert result.exit_code == 1
    shown = table(result.output)
    assert shown["Ledger"] == "0 of 2 agree"
    assert shown["Given up"] == shown["Answers 401"]
    assert "QUEUED is missing: given up after 1 attempts, answered with 401" in result.output


@pytest.mark.parametrize("is_over_http", [True, False])
def test_a_destination_that_redirects_is_named_with_where_to(
    make_app: MakeApp, run: RunCommand, is_over_http: bool
) -> None:
    """The address it redirects to is shown, with what to do about it; exit status 1."""
    app = make_app()
    app.before_request(lambda: redirect(f"https://www.example.com{request.path}", 308))
    options = ("simulate", "--messages", "1", "--delays", "", *FAST)
    with serving(app) as url:
        result = run(app, *options, *(["--url", url] if is_over_http else []))
    assert result.exit_code == 1
    target = f"https://www.example.com{URL}"
    assert table(result.output)["Redirected to"] == target
    assert f"redirects to {target}, but webhook posts do not follow redirects" in result.output


def test_simulate_names_disagreements(app: Flask, run: RunCommand) -> None:
    """A message on which the ledger disagrees is named, with exit status 1."""
    ledger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    known = ledger.messages
    ledger.messages = lambda **_: []
    result = run(app, "simulate", "--messages", "30", *FAST)
    ledger.messages = known
    assert result.exit_code == 1
    assert "0 of 30 agree" in result.output
    assert "QUEUED is missing, although it was acknowledged" in result.output
    assert "and 10 more" in result.output


def test_handlers_that_fail(app: Flask, run: RunCommand) -> None:
    """Events are retried after a handler failed at first, and everything agrees."""
    failed = set()

    @status_received.connect_via(app)
    def fail_once(app: Flask, event: StatusEvent) -> None:
        if event.key not in failed:
            failed.add(event.key)
            raise OSError("not now")

    result = run(app, "simulate", "--messages", "3", *FAST)
    assert result.exit_code == 0
    shown = table(result.output)
    assert shown["Retried"] == shown["Answers 503"] == shown["Events made"]


MISTAKES: dict[str, tuple[list[str], str]] = {
    "unknown fault": (["--fault", "typo"], "no fault 'typo'. The faults are skipped-delivered, "),
    "HTTP elsewhere": (["--url", "http://example.com/in"], "--url: Freshdesk posts to https://"),
    "no URL": (["--url", "example"], "--url: Freshdesk posts to https://"),
    "four headers": ([*("--header=A:1", "--header=B:1", "--header=C:1", "--header=D:1")], "most 3"),
    "three addresses": (["--alert-email=a@x.org"] * 3, "--alert-email: The form takes at most 2"),
    "header without a colon": (["--header", "secret"], "'Name: value'"),
    "no messages": (["--messages", "0"], "--messages"),
    "no rate": (["--rate", "0"], "--rate"),
    "no speed": (["--speed", "-1"], "--speed"),
    "no number": (["--speed", "inf"], "--speed"),
    "before 1970": (["--start", "1960-01-01"], "1970 or later"),
    "no delays": (["--delays", "5,soon"], "'--delays': '5,soon' is not a list of seconds"),
    "endless delay": (["--delays", "inf"], "'--delays': 'inf' is not a list of seconds"),
    "no SMTP server": (["--smtp", "mail"], "'--smtp': 'mail' is not HOST:PORT"),
    "no value": (["--header", "X-A:"], "--header: X-A needs a value"),
    "no address": (["--alert-email", "nobody"], "--alert-email: 'nobody' is not an e-mail"),
}


@pytest.mark.parametrize(("options", "message"), MISTAKES.values(), ids=MISTAKES)
def test_simulate_tells_of_mistakes(
    app: Flask, run: RunCommand, options: list[str], message: str
) -> None:
    """A mistake on the command line is reported, and nothing is posted."""
    with noted(app) as seen:
        result = run(app, "simulate", *options)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert not seen


def test_nobody_listens(app: Flask, run: RunCommand) -> None:
    """A URL that nobody listens at is reported after the first attempts."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    result = run(app, "simulate", "--messages", "1000", "--url", url, "--concurrency", "2")
    assert result.exit_code == 1
    assert f"Nobody answers at {url}{URL}, after " in result.output
    assert int(table(result.output)["Posted"]) < 10


HOST = """
from flask import Flask
from flask_fd_whatsapp import FreshdeskWhatsApp
app = Flask("host")
app.testing = True
app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": "Bearer s3cret"}
app.register_blueprint(FreshdeskWhatsApp())
"""


def test_interrupted_simulation_ends_with_its_table(app: Flask, tmp_path: Path) -> None:
    """Ctrl-C ends it with the table and without a traceback."""
    (tmp_path / "host.py").write_text(HOST)
    posted = threading.Event()
    app.after_request(lambda response: posted.set() or response)
    command = [sys.executable, "-m", "flask", "--app", "host", "fd-whatsapp", "simulate"]
    with serving(app) as url:
        process = subprocess.Popen(
            [*command, "--url", url, "--speed", "1", "--messages", "50"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert posted.wait(30)
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=30)
        finally:
            process.kill()
            process.communicate()
    assert process.returncode == 130
    shown = table(output)
    assert int(shown["Left when the run ended"]) > 0
    assert int(shown["Posted"]) >= int(shown["Acknowledged"])
    assert "interrupted" in errors
    assert "Traceback" not in errors
