"""What is retried, when, with which body, and given up in the end."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest
from werkzeug import Response

from flask_fd_whatsapp.simulator import Clock, Retries
from flask_fd_whatsapp.simulator.clock import SECOND
from flask_fd_whatsapp.simulator.posts import Fate

from .conftest import MakeDestination, MakeSimulator, posts_of
from .servers import Received


def by_event(received: list[Received]) -> dict[tuple[str, str], list[Received]]:
    found = defaultdict(list)
    for request in received:
        data = json.loads(request.body)["data"]
        found[data["message_id"], data["status"]].append(request)
    return found


@pytest.mark.parametrize("status", [204, 299])
def test_any_2xx_is_an_acknowledgement(
    status: int, make_destination: MakeDestination, make_simulator: MakeSimulator
) -> None:
    """Any 2xx is an acknowledgement."""
    simulator = make_simulator(make_destination(status).url, messages=1)
    assert simulator.run().tried_again == 0


@pytest.mark.parametrize("status", [302, 400, 401, 404, 429, 500, 503])
def test_the_identical_body_is_retried_until_acknowledged(
    status: int, make_destination: MakeDestination, make_simulator: MakeSimulator
) -> None:
    """After any other answer the identical body is retried until acknowledged."""
    destination = make_destination(lambda received: 200 if received.number == 3 else status)
    simulator = make_simulator(destination.url, messages=2)
    report = simulator.run()
    assert report.acknowledged == report.events
    assert report.tried_again == 2 * report.events
    assert report.answers == {"200": report.events, str(status): 2 * report.events}
    for tries in by_event(destination.received).values():
        assert [request.number for request in tries] == [1, 2, 3]


def test_event_is_given_up_after_its_last_retry(
    make_destination: MakeDestination, make_simulator: MakeSimulator
) -> None:
    """After the last attempt an event is given up."""
    destination = make_destination(500)
    simulator = make_simulator(destination.url, messages=2)
    report = simulator.run()
    assert report.given_up == report.events
    assert (report.acknowledged, report.left) == (0, 0)
    assert all(len(tries) == 4 for tries in by_event(destination.received).values())
    assert {post.fate for post in posts_of(simulator)} == {Fate.GIVEN_UP}
    assert {post.problem for post in posts_of(simulator)} == {"answered with 500"}


def test_new_event_time(make_destination: MakeDestination, make_simulator: MakeSimulator) -> None:
    """On request each further attempt has a later event_time, and is otherwise the same."""
    destination = make_destination(500)
    retries = Retries(delays=(60, 60), renews_event_time=True)
    make_simulator(destination.url, messages=2, retries=retries).run()
    for tries in by_event(destination.received).values():
        payloads = [json.loads(request.body) for request in tries]
        times = [payload.pop("event_time") for payload in payloads]
        assert times == sorted(set(times))
        assert payloads == [payloads[0]] * 3


@pytest.mark.parametrize(
    ("delays", "honours", "least"), [((7200,), False, 7200), ((0,), True, 3600)]
)
def test_retry_waits_as_the_schedule_says(
    delays: tuple[float, ...],
    honours: bool,
    least: int,
    make_destination: MakeDestination,
    make_simulator: MakeSimulator,
) -> None:
    """Before a further attempt it waits as the schedule or Retry-After says."""
    times = defaultdict(list)

    def respond(received: Received) -> Response:
        times[received.body].append(simulator.clock.now())
        return Response(status=503, headers={"Retry-After": "3600"})

    destination = make_destination(respond)
    retries = Retries(delays=delays, honours_retry_after=honours)
    simulator = make_simulator(destination.url, messages=2, retries=retries)
    simulator.run()
    for first, second in times.values():
        assert second - first >= least * SECOND


def test_each_delay_comes_once() -> None:
    """Each delay is used once, real waits double, and Retry-After is used where honoured."""
    clock = Clock()  # stands still until it is started
    retries = Retries(delays=(10, 20))
    waits = [retries.due_again(tries, 99, clock) for tries in (1, 2, 3)]
    assert waits == [clock.begin + 10 * SECOND, clock.begin + 20 * SECOND, None]
    honouring = Retries(delays=(10, 20), honours_retry_after=True)
    assert honouring.due_again(1, 99, clock) == clock.begin + 99 * SECOND
    assert honouring.due_again(1, None, clock) == clock.begin + 10 * SECOND
    patient = Retries(delays=(10, 20), at_least=1)
    assert patient.due_again(2, None, clock) == clock.begin + 2 * 86_400 * SECOND


@pytest.mark.parametrize(
    "wrong", [{"timeout": 0}, {"delays": (-1,)}, {"at_least": -1}, {"delays": (float("nan"),)}]
)
def test_a_schedule_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    """A schedule that makes no sense is refused."""
    with pytest.raises(ValueError, match="0"):
        Retries(**wrong)
