"""Whether an account's webhook has brought an event since a moment, in every ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from flask_fd_whatsapp.events import API
from flask_fd_whatsapp.ledger import Ledger

from .entries import POLICY, entry, handle


def test_whether_an_account_was_heard_of_since(ledger: Ledger) -> None:
    """An event counts if it is for one of the account's ids, reached the receiver, and is later."""
    handle(ledger, message_id="M1", account_id="1", receiver="a")
    handle(ledger, message_id="M2", account_id="2", receiver="b")
    (first,) = ledger.events(message_id="M1")
    earlier = first.received_at - timedelta(seconds=1)
    since = ledger.overview.accepted_since
    assert since(earlier, receiver="a", account_ids=["9", "1"])
    assert not since(first.received_at, receiver="a", account_ids=["1"])
    assert not since(earlier, receiver="b", account_ids=["1"])
    assert not since(earlier, receiver="a", account_ids=["2"])
    handle(ledger, "SENT", message_id="M1", account_id="1", receiver="a")
    assert since(first.received_at, receiver="a", account_ids=["1"])


def test_what_the_api_told_is_not_the_webhooks(ledger: Ledger) -> None:
    """A message that was asked about, or sent, says nothing about the account's webhook."""
    of_webhook = entry(message_id="M1", account_id="1", receiver="a")
    ledger.record(of_webhook._replace(event=replace(of_webhook.event, source=API)), POLICY)
    ledger.expect("M2", account_id="1")
    (told,) = ledger.events(message_id="M1")
    earlier = told.received_at - timedelta(seconds=1)
    assert not ledger.overview.accepted_since(earlier, receiver="a", account_ids=["1"])
