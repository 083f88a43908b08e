"""A process killed during a send leaves the documented state, at any point."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from flask_fd_whatsapp.freshdesk import AlreadySent

from ..concurrency.threads import TIMEOUT
from ..ledger.databases import KINDS, fresh_database
from ..ledger.test_sends import make_sends_older
from ..processes.waiting import wait_until
from . import dying_sender
from .catching_up import System, settings_of, system
from .forked import started

pytestmark = pytest.mark.slow  # each kills a process, on each database


@pytest.fixture(params=KINDS)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[System]:
    """A host with a ledger in a database."""
    with fresh_database(request.param, tmp_path) as url, system(ledger_url=url) as running:
        running.ledger.upgrade()
        yield running


def kill_at(host: System, point: str) -> None:
    """Let a process send R1, and be killed there."""
    process = started(dying_sender.main, settings_of(host), "R1", point)
    process.join(TIMEOUT)
    assert process.exitcode == -signal.SIGKILL


def states(host: System) -> list[tuple[str, str | None]]:
    return [(one.state, one.message_id) for one in reversed(host.ledger.sends())]


def told_again(host: System) -> tuple[str, str | None]:
    """The result of another attempt with the same reference."""
    with pytest.raises(AlreadySent) as caught:
        host.send("R1", once=True)
    return caught.value.send.state, caught.value.send.message_id


def test_killed_before_the_intent(host: System) -> None:
    """Nothing was sent and nothing is recorded: the next attempt sends it."""
    kill_at(host, "before the intent")
    assert (states(host), host.limit.calls) == ([], [])
    message_id = host.send("R1", once=True)
    assert states(host) == [("sent", message_id)]


def test_killed_after_the_intent(host: System) -> None:
    """Nothing was sent, but nobody can know: the send is unknown until it is closed."""
    kill_at(host, "intent committed")
    assert not host.limit.calls
    assert told_again(host) == ("sending", None)
    make_sends_older(host.ledger, timedelta(minutes=3))
    assert told_again(host) == ("unknown", None)
    (unknown,) = host.ledger.sends(state="unknown")
    assert unknown.candidates == ()
    assert host.ledger.send_record.close(unknown.id)
    host.send("R1", once=True)
    assert len(host.simulator.messages) == 1


@pytest.mark.parametrize("point", ["request out", "answer read"])
def test_killed_with_the_request_out(host: System, point: str) -> None:
    """It may have been sent: it is not sent again, and its webhook settles it."""
    kill_at(host, point)
    wait_until(lambda: len(host.simulator.messages) == 1, "it was sent")
    assert states(host) == [("sending", None)]
    (message,) = host.simulator.messages.values()
    host.receiver.receive(message.posts[0].body(), {})
    assert states(host) == [("sending", None)]
    make_sends_older(host.ledger, timedelta(minutes=3))
    assert told_again(host) == ("sent", message.id)
    assert states(host) == [("sent", message.id)]
    assert len(host.simulator.messages) == 1


@pytest.mark.parametrize("point", ["id stored", "host not committed"])
def test_killed_before_the_host_has_stored_the_id(host: System, point: str) -> None:
    """Another attempt gets the id, and can read the message's status."""
    kill_at(host, point)
    (message,) = host.simulator.messages.values()
    host.receiver.receive(message.posts[0].body(), {})
    assert told_again(host) == ("sent", message.id)
    found = host.ledger.message(message.id)
    assert found is not None
    assert found.status == "QUEUED"
    assert len(host.simulator.messages) == 1
