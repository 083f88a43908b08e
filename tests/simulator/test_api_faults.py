"""What can go wrong with the API's double, over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse

import pytest

from flask_fd_whatsapp.simulator import (
    API_FAULTS,
    FreshdeskSimulator,
    UnknownFault,
    at_random,
    create_api,
)
from flask_fd_whatsapp.simulator.api_faults import ODD_RETRY_AFTER

from .servers import serving
from .test_api_double import KEY, REQUEST, URL

BASIC = {"Authorization": "Basic azN5Olg=", "Content-Type": "application/json"}


@contextmanager
def double(simulator: FreshdeskSimulator, *trouble: str | None) -> Generator[HTTPConnection]:
    """A connection to a double whose calls go wrong in turn."""
    with serving(create_api(simulator, api_key=KEY, trouble=trouble)) as url:
        connection = HTTPConnection(url.removeprefix("http://"), timeout=30)
        try:
            yield connection
        finally:
            connection.close()


def post(connection: HTTPConnection) -> HTTPResponse:
    connection.request("POST", URL, json.dumps(REQUEST), BASIC)
    return connection.getresponse()


@pytest.fixture
def simulator() -> FreshdeskSimulator:
    return FreshdeskSimulator()


ANSWERS: dict[str, tuple[int, int]] = {
    "half-json": (201, 1),
    "error-after": (500, 1),
    "error": (500, 0),
    "unavailable": (503, 0),
    "html": (200, 0),
    "wrong-domain": (404, 0),
    "redirect": (307, 0),
    "limited": (429, 0),
    "suspended": (403, 0),
    "unsuccessful": (200, 0),
    "ok": (200, 1),
    "accepted": (202, 1),
    "unknown-status": (201, 1),
    "other-message": (201, 1),
}


@pytest.mark.parametrize(("name", "status", "made"), [(n, *a) for n, a in ANSWERS.items()])
def test_fault_answers_as_it_says(
    name: str, status: int, made: int, simulator: FreshdeskSimulator
) -> None:
    """Each fault answers as described, and does or does not do what was requested."""
    with double(simulator, name) as connection:
        assert post(connection).status == status
    assert len(simulator.messages) == made


@pytest.mark.parametrize(("name", "made"), [("cut-before", 0), ("cut-after", 1), ("cut-within", 1)])
def test_connection_is_cut_before_or_after_it_is_done(
    name: str, made: int, simulator: FreshdeskSimulator
) -> None:
    """A connection is cut before anything was done, or after that."""
    with double(simulator, name) as connection, pytest.raises((OSError, HTTPException)):
        post(connection).read()
    assert len(simulator.messages) == made


def test_slow_answer_comes_too_late(simulator: FreshdeskSimulator) -> None:
    """A slow answer arrives after the client has given up."""
    with double(simulator, "slow") as connection:
        connection.timeout = 0.2
        with pytest.raises(TimeoutError):
            post(connection)
    assert len(simulator.messages) == 1


def test_dripping_answer_begins(simulator: FreshdeskSimulator) -> None:
    """A trickling answer begins, and takes longer than the time-out."""
    with double(simulator, "dripping") as connection:
        answer = post(connection)
        assert answer.read(1) == b"{"
        assert answer.length  # there is more to come


@pytest.mark.parametrize(
    ("name", "changed"),
    [("unknown-status", "status"), ("other-message", "message_id")],
)
def test_message_is_told_wrongly(name: str, changed: str, simulator: FreshdeskSimulator) -> None:
    """A message is reported wrongly."""
    message = simulator.send("T1")
    api = create_api(simulator, api_key=KEY, trouble=[name]).test_client()
    wrong, right = (api.get(f"{URL}/{message.id}", auth=(KEY, "X")).json for _ in range(2))
    assert {key for key in right if right[key] != wrong[key]} == {changed}


def test_limited_may_say_an_odd_pause(simulator: FreshdeskSimulator) -> None:
    """A 429 may have a malformed pause, or none."""
    api = create_api(simulator, api_key=KEY, trouble=["limited"] * 100).test_client()
    told = {api.get(f"{URL}/x").headers.get("Retry-After") for _ in range(100)}
    assert told <= set(ODD_RETRY_AFTER)
    assert len(told) > 3


def test_faults_by_chance_can_be_repeated() -> None:
    """A fault strikes a percentage of calls at random; the same seed gives the same ones."""
    faults = [
        next(calls) for calls in [at_random(20, ["error", "slow"], seed=7)] for _ in range(500)
    ]
    again = at_random(20, ["error", "slow"], seed=7)
    assert faults == [next(again) for _ in range(500)]
    assert 60 < sum(fault is not None for fault in faults) < 140
    assert set(faults) == {None, "error", "slow"}
    assert next(at_random(100, seed=1)) in API_FAULTS


def test_faults_strike_calls_in_turn(simulator: FreshdeskSimulator) -> None:
    """Each call has its fault; once they are used up, all calls succeed, for all threads."""
    app = create_api(simulator, api_key=KEY, trouble=["error", None, "error"])
    statuses: list[int] = []

    def call() -> None:
        statuses.append(app.test_client().get(f"{URL}/x", auth=(KEY, "X")).status_code)

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [404] * 6 + [500] * 2


def test_unknown_api_fault_lists_the_known(simulator: FreshdeskSimulator) -> None:
    """An unknown fault is an error at once that lists the known ones."""
    with pytest.raises(UnknownFault, match="cut-before"):
        create_api(simulator, api_key=KEY, trouble=["error", None, "nonsense"])
    with pytest.raises(UnknownFault, match="cut-before"):
        at_random(5, ["error", "nonsense"])


def test_api_faults_are_described() -> None:
    """Every fault says in a sentence what it does."""
    for name, fault in API_FAULTS.items():
        assert fault.name == name
        assert fault.description.endswith(".")
