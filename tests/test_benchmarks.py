from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import islice
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import text

from benchmarks import __main__ as everything
from benchmarks import backlog, growth, in_process, peers, pooling, queue, reports, soak, sockets
from benchmarks.durable import durable
from benchmarks.filling import fill
from benchmarks.load import Load, send
from benchmarks.peer_apps import PEERS
from benchmarks.requests import environ_of, message_id, new_bodies, new_environs, new_requests
from benchmarks.timing import Subject, measure, of_samples, post
from benchmarks.variants import VARIANTS
from flask_fd_whatsapp import current_ledger
from flask_fd_whatsapp.ledger import State

from .ledger.databases import fresh_database, require
from .queue.brokers import require as require_broker

FEW = ["--events", "3", "--blocks", "2"]
BENCHMARKS = (in_process, peers, sockets, pooling, growth, reports, backlog, queue, soak)


def rows_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The rows of the only table that was printed as JSON."""
    (table,) = json.loads(capsys.readouterr().out)["tables"]
    rows: list[dict[str, Any]] = table["rows"]
    return rows


def test_run_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    """A run prints the machine, the versions and a Markdown table with every variant."""
    in_process.main(FEW)
    lines = capsys.readouterr().out.splitlines()
    cells = [line.split(" | ") for line in lines if line.startswith("| ")]
    assert [row[0].lstrip("| ") for row in cells] == ["variant", "---", *VARIANTS]
    assert len({len(row) for row in cells}) == 1
    assert cells[2][2].startswith("1.00 ")
    assert "cores" in lines[0]
    assert all(name in lines[1] for name in ("CPython", "flask", "marshmallow"))


def test_run_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json a run prints the same for programs, for the variants that were asked for."""
    in_process.main([*FEW, "--json", "--only", "memory"])
    printed = json.loads(capsys.readouterr().out)
    rows = printed["tables"][0]["rows"]
    assert [row["variant"] for row in rows] == ["bare", "memory"]
    assert rows[1]["of bare"]["low"] <= rows[1]["of bare"]["median"]
    assert printed["versions"]["CPython"] == ".".join(map(str, sys.version_info[:3]))


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_help_has_an_example(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Every benchmark's help has an example, whose options it takes."""
    with pytest.raises(SystemExit) as exited:
        benchmark.main(["--help"])
    assert exited.value.code == 0
    command = f"python -m {benchmark.__name__} "
    example = capsys.readouterr().out.split("example:\n")[1].strip()
    assert example.startswith(command)
    benchmark.parser().parse_args(example.removeprefix(command).split())


@pytest.mark.parametrize("option", ["--events", "--blocks"])
@pytest.mark.parametrize("number", ["0", "-1", "some"])
def test_counts_are_positive(option: str, number: str) -> None:
    """A count that is not a positive number is refused."""
    with pytest.raises(SystemExit):
        in_process.main([option, number])


def test_every_event_is_new(signals_seen: list[tuple[str, dict[str, Any]]]) -> None:
    """Each request moves a message of its own forward, in the block that warms up too."""
    in_process.main([*FEW, "--only", "memory"])
    events = [seen["event"] for name, seen in signals_seen if name == "status_changed"]
    ids = {event.message_id for event in events}
    assert ids == {message_id(number) for number in range(3 * (2 + 1))}
    assert len(events) == len(ids)


def test_a_wrong_answer_stops_the_run() -> None:
    """An application that answers with an error is not timed."""

    def broken(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("500 INTERNAL SERVER ERROR", [])
        return [b""]

    with pytest.raises(RuntimeError, match="500"):
        measure({"broken": of_samples(broken)}, blocks=1, events=1)


def test_requests_serve_once_each() -> None:
    """Every environ has an input of its own, with one whole body."""
    bodies = new_bodies()
    first, second = next(bodies), next(bodies)
    assert first != second
    for body in (first, first, second):
        environ = environ_of(body)
        assert environ["wsgi.input"].read() == body
        assert environ["CONTENT_LENGTH"] == str(len(body))


def test_missing_peers_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    """An installed package is measured; another is named as not installed."""
    peers.main([*FEW, "--json"])
    (table,) = json.loads(capsys.readouterr().out)["tables"]
    measured = {row["package"] for row in table["rows"]}
    not_measured = {note.partition(":")[0] for note in table["notes"] if "not installed" in note}
    assert measured - not_measured == {"bare", "memory"} | (PEERS.keys() - not_measured)
    assert not measured & not_measured


def test_peers_that_call_no_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package whose handler is not called has not been measured."""

    def silent(note: object) -> Subject:
        return of_samples(lambda environ, start_response: start_response("200 OK", []) or [])

    monkeypatch.setitem(PEERS, "silent", silent)
    with pytest.raises(RuntimeError, match="silent called its handler 0 times, not 9"):
        peers.main(FEW)


class Answering(BaseHTTPRequestHandler):
    """Answers as the server's list of answers says, in turn, and notes the connections."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server: Any = self.server
        self.rfile.read(int(self.headers["Content-Length"]))
        server.clients.append(self.client_address)
        answer = server.answers.pop(0)
        if answer == "none":
            self.close_connection = True
            return
        status = int(answer.removesuffix(" and close"))
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", "4")
        if answer.endswith("close"):
            self.send_header("Connection", "close")
        self.end_headers()
        if status != 204:
            self.wfile.write(b"te")  # in parts, as servers do
            self.wfile.flush()
            self.wfile.write(b"xt")

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def answering() -> Iterator[Any]:
    """A server for one connection at a time."""
    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        server.clients, server.answers = [], []  # type: ignore[attr-defined]
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def send_some(answering: Any, *answers: str) -> Load:
    """The result of as many requests as there are *answers*."""
    answering.answers = list(answers)
    requests = islice(new_requests(), len(answers))
    return send(answering.server_port, requests, connections=1, seconds=60)


def test_load_keeps_its_connection(answering: Any) -> None:
    """Requests on a connection follow each other, each after the complete previous answer."""
    load = send_some(answering, "200", "204", "200")
    assert (load.answers, load.errors) == ({200: 2, 204: 1}, 0)
    assert len(answering.clients) == 3
    assert len(set(answering.clients)) == 1


def test_load_measures_what_follows(answering: Any) -> None:
    """Each connection's first request is counted, but not measured."""
    load = send_some(answering, "200", "204", "200")
    assert (load.answers.total(), len(load.waits)) == (3, 2)
    assert load.rate == 2 / load.seconds


def test_load_connects_again(answering: Any) -> None:
    """If the server closes the connection, another is opened without an error."""
    load = send_some(answering, "200 and close", "204 and close", "200")
    assert (load.answers.total(), load.errors) == (3, 0)
    assert len(set(answering.clients)) == 3


def test_load_counts_errors(answering: Any) -> None:
    """Anything but an answer with 2xx is an error."""
    load = send_some(answering, "503", "none", "401 and close", "200")
    assert load.answers == {503: 1, 0: 1, 401: 1, 200: 1}
    assert load.errors == 3


@pytest.mark.slow
@pytest.mark.parametrize("app", sockets.APPS[2:])
@pytest.mark.parametrize("worker_class", sockets.WORKER_CLASSES)
def test_events_over_sockets_are_recorded(
    app: str, worker_class: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over sockets every acknowledged event is in the ledger, and none is an error."""
    require("sqlite" if app == "sqlite" else "postgresql")
    if app == "celery":
        require_broker("rabbitmq")
    few = ["--seconds", "0.1", "--blocks", "1", "--connections", "4", "--workers", "1"]
    sockets.main([*few, "--classes", worker_class, "--only", app, "--json"])
    bare, measured = rows_of(capsys)
    assert (bare["application"], measured["application"]) == ("bare", app)
    assert bare["errors"] == measured["errors"] == 0
    assert measured["recorded"] == measured["acknowledged"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("database", growth.DATABASES)
def test_empty_and_full_ledgers_are_compared(
    database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Recording events, and each query, is compared for an empty and a full ledger."""
    require(database)
    few = ["--events", "40", "--blocks", "2", "--posts", "2", "--only", database]
    growth.main([*few, "--json"])
    rows = rows_of(capsys)
    assert [row["what"] for row in rows][:2] == ["POST", "backlog()"]
    assert all(row["full to empty"]["median"] > 0 for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize("database", reports.DATABASES)
def test_reports_are_measured(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each report is timed, posts meanwhile, and a period with and without the rest."""
    require(database)
    few = ["--messages", "400", "--rounds", "1", "--posts", "2", "--only", database]
    reports.main([*few, "--json"])
    rows = rows_of(capsys)
    assert [row["what"] for row in rows][-2:] == [
        "POST meanwhile",
        "every figure of the last 6 days",
    ]
    assert all(row["seconds"] > 0 for row in rows)


@pytest.mark.parametrize("database", growth.DATABASES)
def test_filled_ledger_has_what_was_asked_for(database: str, tmp_path: Path) -> None:
    """A filled ledger has the requested number of handled events, and accepts new ones."""
    with ExitStack() as stack:
        app = durable(stack.enter_context(fresh_database(database, tmp_path)))
        ledger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
        stack.callback(ledger.engine.dispose)
        ledger.upgrade()
        fill(ledger.engine, 40)
        statuses: list[str] = []
        post(app, next(new_environs()), statuses)
        assert statuses == ["200 OK"]
        events = ledger.events()
        assert {event.state for event in events} == {State.DONE}
        assert len(events) == 41
        with app.app_context():
            message = current_ledger.message(events[1].message_id)
        assert message.status == "READ"
        with ledger.engine.connect() as connection:
            handled = connection.scalar(text("SELECT count(*) FROM fd_whatsapp_handling"))
        assert handled == 41


@pytest.mark.slow
@pytest.mark.parametrize("database", backlog.DATABASES)
def test_backlog_is_worked_off_by_four(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A backlog is worked off by one process and by four, with a quick handler and a slow one."""
    require(database)
    backlog.main(["--events", "16", "--rounds", "1", "--only", database, "--json"])
    rows = rows_of(capsys)
    assert [row["handler"] for row in rows] == ["nothing", "20 ms"]
    assert all(row["one"] > 0 and row["four"] > 0 for row in rows)


@pytest.mark.slow
def test_worker_of_a_broker_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """A worker of a real broker is measured with a full queue and at an account's rate."""
    require("postgresql")
    require_broker("rabbitmq")
    few = ["--events", "8", "--rounds", "1", "--seconds", "0.1", "--workers", "1"]
    queue.main([*few, "--json"])
    (row,) = rows_of(capsys)
    assert row["workers"] == 1
    assert min(row["events/s"], row["empty/s"], row["statements/s"]) > 0
    assert row["p99 ms"] >= row["median ms"] > 0


@pytest.fixture
def nowhere() -> Iterator[str]:
    """User, password and an address where nobody listens, for a URL."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"me:s3cret@127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture
def _no_postgresql(nowhere: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"postgresql+psycopg://{nowhere}/test"
    monkeypatch.setenv("FD_WHATSAPP_TEST_POSTGRESQL_URL", url)


@pytest.mark.usefixtures("_no_postgresql")
@pytest.mark.parametrize("benchmark", [sockets, growth, reports, backlog])
def test_without_postgresql(benchmark: Any) -> None:
    """Where there is no PostgreSQL, the error says where it was looked for, without passwords."""
    with pytest.raises(SystemExit) as exited:
        benchmark.main(["--only", "postgresql"])
    assert "no PostgreSQL at postgresql+psycopg://me:***@127.0.0.1:" in str(exited.value)
    assert "FD_WHATSAPP_TEST_POSTGRESQL_URL" in str(exited.value)
    assert "s3cret" not in str(exited.value)


def test_without_rabbitmq(nowhere: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no RabbitMQ, likewise."""
    require("postgresql")
    monkeypatch.setenv("FD_WHATSAPP_TEST_RABBITMQ_URL", f"amqp://{nowhere}//")
    with pytest.raises(SystemExit) as exited:
        queue.main([])
    assert "no RabbitMQ at amqp://me:**@127.0.0.1:" in str(exited.value)
    assert "FD_WHATSAPP_TEST_RABBITMQ_URL" in str(exited.value)
    assert "s3cret" not in str(exited.value)


@pytest.mark.slow
@pytest.mark.usefixtures("_no_postgresql")
def test_benchmarks_write_one_page(tmp_path: Path) -> None:
    """All benchmarks write one page, which says what could not be measured and why."""
    page = tmp_path / "RESULTS.md"
    everything.main(["--quick", "--only", "in_process", "growth", "queue", "--output", str(page)])
    written = page.read_text()
    assert written.startswith("# Results\n")
    assert "| sqlite |" in written
    assert "postgresql: not measured, no PostgreSQL at " in written
    assert "`benchmarks.queue` was not measured: no PostgreSQL at " in written
    assert "s3cret" not in written
