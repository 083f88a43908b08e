from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from benchmarks import in_process
from benchmarks.requests import environ_of, new_bodies
from benchmarks.timing import measure
from benchmarks.variants import VARIANTS

FEW = ["--events", "3", "--blocks", "2"]


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    """A run prints a Markdown table with every variant, the machine and the versions."""
    in_process.main(FEW)
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith("| ")]
    assert [row[0].lstrip("| ") for row in rows] == ["variant", "---", *VARIANTS]
    assert len({len(row) for row in rows}) == 1
    assert rows[2][2] == "1.00"
    assert all(name in lines[-1] for name in ("cores", "CPython", "flask", "marshmallow"))


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json a run prints the same for programs, for the variants that were asked for."""
    in_process.main([*FEW, "--json", "--only", "memory"])
    printed = json.loads(capsys.readouterr().out)
    assert list(printed["results"]) == ["bare", "memory"]
    assert printed["results"]["memory"]["ratio"] > 0
    assert printed["versions"]["python"].endswith(".".join(map(str, sys.version_info[:3])))


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
    assert len({event.message_id for event in events}) == len(events) == 3 * (2 + 1)


def test_a_wrong_answer_stops_the_run() -> None:
    """An application that answers with an error is not timed."""

    def broken(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("500 INTERNAL SERVER ERROR", [])
        return [b""]

    with pytest.raises(RuntimeError, match="500"):
        measure({"broken": broken}, blocks=1, events=1)


def test_requests_serve_once_each() -> None:
    """Every environ has an input of its own, with one whole body."""
    bodies = new_bodies()
    first, second = next(bodies), next(bodies)
    assert first != second
    for body in (first, first, second):
        environ = environ_of(body)
        assert environ["wsgi.input"].read() == body
        assert environ["CONTENT_LENGTH"] == str(len(body))
