from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from flask_fd_whatsapp.simulator import Clock, FreshdeskSimulator, MailServer, Retries
from flask_fd_whatsapp.simulator.posts import Post

from ..conftest import TOKEN
from .servers import Destination, Mailbox, Respond, serving, smtp

FAST = 864_000.0
"""Ten days in a second."""

PLAIN = Retries(delays=(60, 60, 60), timeout=20)

MakeSimulator = Callable[..., FreshdeskSimulator]
MakeDestination = Callable[..., Destination]


def simulator_for(url: str, messages: int = 0, emails: Any = (), **options: Any) -> Any:
    """An enabled simulator, with messages sent but not yet posted."""
    options = {"clock": Clock(speed=FAST), "retries": PLAIN, "allow_http": True} | options
    simulator = FreshdeskSimulator(**options)
    simulator.save(url, {"Authorization": TOKEN}, emails)
    simulator.enable()
    for number in range(messages):
        simulator.send(f"MM-T1-{number:05d}")
    return simulator


@pytest.fixture
def make_simulator() -> MakeSimulator:
    return simulator_for


@pytest.fixture
def make_destination() -> Iterator[MakeDestination]:
    """Starts servers that record requests; a function or a status determines the answer."""
    with ExitStack() as stack:

        def make(respond: Respond | int = 200) -> Destination:
            answer = (lambda received: respond) if isinstance(respond, int) else respond
            destination = Destination(answer)
            destination.url = f"{stack.enter_context(serving(destination))}/in"
            return destination

        yield make


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def mail_server(mailbox: Mailbox) -> Iterator[MailServer]:
    """A real SMTP server that puts what it gets into ``mailbox``."""
    pytest.importorskip("aiosmtpd")
    with smtp(mailbox) as port:
        yield MailServer(port=port)


def posts_of(simulator: FreshdeskSimulator) -> list[Post]:
    """Everything that a simulator has posted or will post."""
    return [post for message in simulator.messages.values() for post in message.posts]
