"""How events are posted and posted again, over real HTTP."""

from __future__ import annotations

import json
import socket
import threading

import pytest

from flask_fd_whatsapp.simulator import Clock, Retries, Unreachable
from flask_fd_whatsapp.simulator.clock import SECOND

from ..conftest import TOKEN
from .conftest import FAST, MakeDestination, MakeSimulator, posts_of
from .servers import Received


def test_every_event_is_posted_once(
    make_destination: MakeDestination, make_simulator: MakeSimulator
) -> None:
    """Every event is posted once as JSON with the form's headers, and acknowledged."""
    destination = make_destination()
    simulator = make_simulator(destination.url, messages=10)
    report = simulator.run()
    planned = [post.body() for post in posts_of(simulator)]
    assert sorted(planned) == sorted(received.body for received in destination.received)
    for received in destination.received:
        assert received.method == "POST"
        assert received.headers["Authorization"] == TOKEN
        assert received.headers["Content-Type"] == "application/json"
    assert report.acknowledged == report.posted == report.events == len(planned)
    assert (report.left, report.given_up, report.tried_again) == (0, 0, 0)
    assert report.answers == {"200": len(planned)}


def test_events_of_a_message_are_posted_one_after_the_other(
    make_destination: MakeDestination, make_simulator: MakeSimulator
) -> None:
    """A message's events are posted one after the other, even if all are due at once."""
    order: list[str] = []
    another = threading.Event()
    overlaps: list[bool] = []

    def respond(received: Received) -> int:
        order.append(json.loads(received.body)["data"]["status"])
        if len(order) == 1:
            overlaps.append(another.wait(0.3))
        another.set()
        return 200

    simulator = make_simulator(make_destination(respond).url, clock=Clock(speed=1e12))
    message = simulator.send()
    simulator.run()
    assert overlaps == [False]
    assert order == [step.status for step in message.steps]


def test_several_at_once(make_destination: MakeDestination, make_simulator: MakeSimulator) -> None:
    """No more posts than configured are in progress at once."""
    barrier = threading.Barrier(4)
    under_way: list[int] = []
    lock, count = threading.Lock(), 0

    def respond(received: Received) -> int:
        nonlocal count
        with lock:
            count += 1
            under_way.append(count)
        if len(destination.received) <= 4:
            barrier.wait(20)
        with lock:
            count -= 1
        return 200

    destination = make_destination(respond)
    simulator = make_simulator(destination.url, messages=8, faults=["burst"], concurrency=4)
    assert simulator.run().given_up == 0
    assert max(under_way) == 4


def test_slow_answer_is_none(
    make_destination: MakeDestination, make_simulator: MakeSimulator
) -> None:
    """An answer that takes too long counts as none, and the event is retried."""
    over = threading.Event()

    def respond(received: Received) -> int:
        if received.number == 1:
            over.wait(20)
        return 200

    destination = make_destination(respond)
    retries = Retries(delays=(1,) * 9, timeout=0.3)
    try:
        report = make_simulator(destination.url, messages=1, retries=retries).run()
    finally:
        over.set()
    assert report.answers["timeout"] >= report.events
    assert report.acknowledged == report.events


def test_broken_connection(make_simulator: MakeSimulator) -> None:
    """A connection closed without an answer is retried, and finally given up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            while True:
                connection, _ = listener.accept()
                with connection:
                    if connection.recv(65536) == b"over":
                        return

        thread = threading.Thread(target=hang_up)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        report = make_simulator(url, messages=2).run()
        with socket.create_connection(listener.getsockname()) as last:
            last.sendall(b"over")
        thread.join()
    assert report.answers == {"broken": 4 * report.events}
    assert report.given_up == report.events


def unused_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/in"


def test_nobody_listens(make_simulator: MakeSimulator) -> None:
    """If nobody listens, the run ends after the first attempts, and says so."""
    retries = Retries(delays=(60,) * 3, stop_if_unreachable=5)
    url = unused_url()
    simulator = make_simulator(url, messages=500, retries=retries, concurrency=4)
    with pytest.raises(Unreachable, match=f"Nobody answers at {url}, after .* refused"):
        simulator.run()
    assert simulator.report.posted < 10
    assert simulator.report.answers == {"unreachable": simulator.report.posted}


def test_nobody_listens_any_more(
    make_destination: MakeDestination, make_simulator: MakeSimulator
) -> None:
    """If a destination that has answered before is gone for long, events are given up."""
    retries = Retries(delays=(), stop_if_unreachable=5)
    simulator = make_simulator(make_destination().url, messages=1, retries=retries)
    simulator.run()
    simulator.save(unused_url())
    for _ in range(10):
        simulator.send()
    assert simulator.run().given_up > 5


@pytest.mark.parametrize(
    "fault", ["slow-sender", "cut-before-answer", "cut-after-answer", "wrong-token"]
)
def test_roughly_sent_bodies_arrive_whole(
    fault: str, make_destination: MakeDestination, make_simulator: MakeSimulator
) -> None:
    """However badly the first attempt is sent, everything is finally acknowledged and arrives
    whole.
    """
    destination = make_destination(
        lambda received: 200 if received.headers["Authorization"] == TOKEN else 401
    )
    simulator = make_simulator(destination.url, messages=40, faults=[fault])
    report = simulator.run()
    assert report.acknowledged == report.events
    assert {json.loads(received.body)["account_id"] for received in destination.received} == {
        "11011399037"
    }
    lost = report.answers["cut"] + report.answers["401"]
    assert report.tried_again == lost
    assert bool(lost) == (fault != "slow-sender")


def test_posts_keep_to_the_rate(
    make_destination: MakeDestination, make_simulator: MakeSimulator
) -> None:
    """Posts begin no closer together than the rate allows."""
    times: list[int] = []

    def respond(received: Received) -> int:
        times.append(simulator.clock.now())
        return 200

    simulator = make_simulator(make_destination(respond).url, messages=3, rate=50, concurrency=1)
    simulator.run()
    since_start = (times[-1] - simulator.clock.begin) / SECOND / FAST
    assert since_start >= (len(times) - 1) / 50
