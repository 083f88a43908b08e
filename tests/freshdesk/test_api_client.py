"""The client of Freshdesk's API, against the double over HTTP."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from flask_fd_whatsapp import Status
from flask_fd_whatsapp.freshdesk import (
    FreshdeskClient,
    MessageNotFound,
    NotAllowed,
    TemplateMessage,
    Unreachable,
)
from flask_fd_whatsapp.freshdesk.ulid import ulid_time
from flask_fd_whatsapp.simulator import FreshdeskSimulator, create_api

from ..simulator.servers import serving

KEY = "k3yk3yk3y"
SENDER = "+14155550100"
TO = "+4930123456"
TEMPLATE = TemplateMessage("order_update", "en", body=["Ada"])


@pytest.fixture
def simulator() -> FreshdeskSimulator:
    return FreshdeskSimulator()


@pytest.fixture
def url(simulator: FreshdeskSimulator) -> Iterator[str]:
    """Where the double answers."""
    with serving(create_api(simulator, api_key=KEY)) as url:
        yield url


def client_of(url: str, key: str = KEY, **options: Any) -> FreshdeskClient:
    return FreshdeskClient(url, key, **{"sender": SENDER, **options})


def test_send_and_retrieve(url: str, simulator: FreshdeskSimulator) -> None:
    """A message is sent with its reference, and can then be retrieved."""
    client = client_of(url)
    sent = client.send(to=TO, template=TEMPLATE, external_reference_id="spring-00001")
    message = simulator.messages[sent.message_id]
    assert (message.recipient, message.external_reference_id) == (TO, "spring-00001")
    told = client.retrieve(sent.message_id)
    assert (told.message_id, told.status) == (sent.message_id, Status.QUEUED)
    assert told.external_reference_id == sent.external_reference_id == "spring-00001"
    assert told.created_at is not None
    assert told.created_at.timestamp() * 1000 == pytest.approx(message.sent_at // 1_000_000)
    assert told.error is None


def test_references_are_made(url: str, simulator: FreshdeskSimulator) -> None:
    """Without a reference each message gets its own, which sorts by time."""
    client = client_of(url)
    references = [client.send(to=TO, template=TEMPLATE).external_reference_id for _ in range(3)]
    assert len(set(references)) == 3
    times = [ulid_time(reference) for reference in references]
    assert times == sorted(times)
    sent = [message.external_reference_id for message in simulator.messages.values()]
    assert sent == references


def test_unknown_message(url: str) -> None:
    """A message that Freshdesk does not know is an error that names it."""
    with pytest.raises(MessageNotFound, match="01KAB4HHTBE081898E432RCMA7"):
        client_of(url).retrieve("01KAB4HHTBE081898E432RCMA7")


def test_wrong_key(url: str) -> None:
    """A rejected key is an error that says what to check."""
    with pytest.raises(NotAllowed, match="API key") as caught:
        client_of(url, "other").send(to=TO, template=TEMPLATE)
    assert caught.value.code == "invalid_credentials"


def test_nobody_listens() -> None:
    """Without a connection nothing was sent."""
    with serving(lambda environ, start: []) as url:
        pass
    with pytest.raises(Unreachable):
        client_of(url).send(to=TO, template=TEMPLATE)


def test_client_takes_what_is_documented() -> None:
    """The client takes what is documented, with the documented defaults."""
    wanted = {
        FreshdeskClient: "domain api_key sender=None calls_a_minute=600 timeout=10 retries=3",
        FreshdeskClient.send: "self to template sender=None external_reference_id=None "
        "campaign=None once=False wait=5 note_policy=None ticket_properties=None",
        FreshdeskClient.retrieve: "self message_id wait=60",
    }
    for function, text in wanted.items():
        parameters = inspect.signature(function).parameters.values()
        told = [p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in parameters]
        assert " ".join(told) == text


@pytest.mark.parametrize("option", [{"once": True}, {"campaign": "spring"}])
def test_what_needs_a_record(option: dict[str, Any]) -> None:
    """A client that records nothing refuses arguments that need a record, and says which client
    accepts them.
    """
    with pytest.raises(ValueError, match="current_client"):
        client_of("acme.freshdesk.com").send(to=TO, template=TEMPLATE, **option)


def test_no_sender() -> None:
    """Without a number to send from it says where to give one."""
    with pytest.raises(ValueError, match="FD_WHATSAPP_SENDER"):
        client_of("acme.freshdesk.com", sender=None).send(to=TO, template=TEMPLATE)
