from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp, StatusEvent, status_received
from flask_fd_whatsapp.events import DeliveryError
from flask_fd_whatsapp.ledger import Ledger, Tried
from flask_fd_whatsapp.receiving.resuming import replay, resume

from ..answers import assert_result, client_of
from ..conftest import URL, MakeApp, Payload
from .entries import POLICY, claimed, entry, handle, the_event, the_message

TEXTS = {
    "nul": "a\x00b",
    "lone surrogate": "a\ud83db",
    "emoji": "\U0001f44b\U0001f3fd\u200d\U0001f4bb",
    "right to left": "\u202eمرحب\u200f שלום",
    "quotes": "'\"`\\%s %(a)s :b ; --",
    "spaces": "  \t\r\n ",
    "long": "x\U0001f44b" * 6_000,
}


@pytest.fixture(params=TEXTS.values(), ids=TEXTS)
def text(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def is_like(stored: str | None, text: str) -> bool:
    """Whether *stored* is *text*, but for what a database would refuse."""
    refused = {"\x00", "\ud83d"}
    return (
        stored is not None
        and len(stored) == len(text)
        and all(
            one == other or (other in refused and one == "\ufffd")
            for one, other in zip(stored, text, strict=True)
        )
    )


def test_payload_comes_back_exactly(ledger: Ledger, text: str) -> None:
    """A payload comes back exactly as it was received, whatever text is in it."""
    body = json.dumps({"text": text, text[:100]: [text]}, ensure_ascii="\ud83d" in text)
    handle(ledger, body=body, headers={"X-Data": text})
    again = ledger.record(entry(body="other"), POLICY)
    assert (again.body, again.headers) == (body, {"X-Data": text})
    assert json.loads(again.body)["text"] == text


def test_error_and_campaign(ledger: Ledger, text: str) -> None:
    """Characters of an error or a campaign that cannot be stored are replaced."""
    error = DeliveryError(text, text)
    handle(ledger, "FAILED", error=error, campaign=text[:255])
    message = the_message(ledger)
    assert message.error is not None
    assert is_like(message.error.code, text) or message.error == error
    assert is_like(message.error.message, text) or message.error == error
    assert message.campaign is not None
    assert is_like(message.campaign, text[:255]) or message.campaign == text[:255]


def test_last_error(ledger: Ledger, text: str) -> None:
    """A handler's exception is kept, whatever text it has."""
    recorded, claim = claimed(ledger)
    claim.finish(Tried(failed={"handler": text}))
    told = the_event(ledger, recorded.id).last_error
    assert told == f"handler: {text}" or is_like(told, f"handler: {text}")


@pytest.mark.parametrize("text", [t for name, t in TEXTS.items() if name not in ("nul", "long")])
def test_ids_of_any_text_are_found(ledger: Ledger, text: str) -> None:
    """Ids of any allowed text round-trip, and can be searched for."""
    if "\ud83d" in text:
        text = text.replace("\ud83d", "\ufffd")
    fields = {"account_id": f"A{text}", "message_id": f"M{text}", "reference": f"R{text}"}
    handle(ledger, f"S{text}", campaign=f"C{text}", **fields)
    (event,) = ledger.events(
        status=f"S{text}",
        account_id=fields["account_id"],
        message_id=fields["message_id"],
        external_reference_id=fields["reference"],
        campaign=f"C{text}",
    )
    assert (event.status, event.campaign) == (f"S{text}", f"C{text}")
    message = the_message(ledger, fields["message_id"])
    assert ledger.messages(external_reference_id=fields["reference"]) == [message]
    assert message.account_id == fields["account_id"]
    assert set(message.times) == {f"S{text}"}


@pytest.mark.parametrize("text", ["\x00", "a\ud83d"], ids=["nul", "surrogate"])
def test_no_event_is_found_by_text_that_cannot_be_kept(ledger: Ledger, text: str) -> None:
    """Searching for text that no database accepts finds nothing, and is not an error."""
    handle(ledger, message_id="\ufffd", campaign="spring")
    assert ledger.message(text) is None
    assert ledger.message("\ufffd", text) is None
    for name in ("account_id", "message_id", "status", "receiver", "campaign"):
        wanted: Any = {name: text}
        assert ledger.events(**wanted) == [], name
    assert ledger.messages(external_reference_id=text) == []
    assert sum(ledger.counts(campaign=text).values()) == 0
    assert len(ledger.events(unhandled_by=text)) == 1


def test_campaign_is_found_by_what_was_replaced_in_it(ledger: Ledger) -> None:
    """A campaign with text that no database accepts is found by that text, on every ledger."""
    recorded, _ = claimed(ledger, campaign="a\x00b")
    (found,) = ledger.events(campaign="a\x00b")
    assert (found.campaign, recorded.campaign) == ("a\ufffdb", "a\ufffdb")
    assert ledger.counts(campaign="a\x00b")["QUEUED"] == 1


def test_longest_ids(ledger: Ledger) -> None:
    """Ids of 255 characters, of four bytes each, are stored whole."""
    longest = "\U0001f44b" * 255
    handle(ledger, longest, account_id=longest, message_id=longest, reference=longest)
    message = the_message(ledger, longest)
    assert (message.account_id, message.external_reference_id) == (longest, longest)
    assert set(message.times) == {longest}


def test_posted_text_is_retried_exactly(
    ledger: Ledger, make_app: MakeApp, payload: Payload, text: str
) -> None:
    """A posted event with any text in it is accepted, and retried with the same payload."""
    app: Flask = make_app(FreshdeskWhatsApp(ledger=ledger))
    seen: list[Any] = []

    @status_received.connect_via(app)
    def fails_at_first(app: Flask, event: StatusEvent) -> None:
        seen.append(event.payload)
        if len(seen) == 1:
            raise ValueError(text)

    body = payload("failed", actor__name=text, data__error__message=text)
    client = client_of(app)
    data = json.dumps(body, ensure_ascii=len(text) < 10_000)
    assert len(data.encode()) < 65_536
    assert client.post(URL, data=data).status_code == 503
    assert_result(client.post(URL, data=b"\xef\xbb\xbf" + data.encode()), "accepted")
    assert seen == [body, body]
    (event,) = ledger.events()
    receiver = app.extensions["fd_whatsapp"]["fd_whatsapp"]
    assert replay(receiver, event.id, "no such handler") is None
    assert resume(receiver, event.id).result.label == "duplicate"
