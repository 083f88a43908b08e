from __future__ import annotations

import re
from datetime import timedelta
from types import SimpleNamespace

import pytest

from flask_fd_whatsapp.ledger.pacing import PaceMoments
from flask_fd_whatsapp.testing import WhatsAppClient

from .conftest import PAGES, MakePages, fill

API = {
    "FD_WHATSAPP_ACCOUNT_IDS": ["2345678"],
    "FD_WHATSAPP_DOMAIN": "acme.freshdesk.com",
    "FD_WHATSAPP_API_KEY": "k3yk3yk3y",
}


def section(text: str, name: str) -> str:
    """The text of a section of the page."""
    found = re.search(rf'<section id="{name}".*?</section>', text, re.DOTALL)
    assert found is not None
    return " ".join(re.sub(r"<[^>]*>", " ", found[0]).split())


def test_the_calls_that_are_left_are_told(make_pages: MakePages) -> None:
    """It shows how many calls are free for each purpose, and whether reconcile has ever run."""
    app = make_pages(API)
    text = app.test_client().get(f"{PAGES}/operations").text
    told = section(text, "api")
    assert "never" in told
    assert "45 free of 45 at once, 450 a minute" in told
    assert "15 free of 15 at once, 150 a minute" in told
    assert "k3yk3yk3y" not in text


def test_the_last_reconciliation_is_told(make_pages: MakePages) -> None:
    """It shows the result of the last run, why it ended early, and how long the API has asked to
    pause.
    """
    app = make_pages(API)
    ledger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    ledger.asking.note("fd_whatsapp", asked=12, changed=3, stopped="a 429", is_good=True)
    now = ledger.rates.read("any").now
    paused = PaceMoments(now, now + timedelta(minutes=5))
    ledger.rates.replace("acme.freshdesk.com/ask", None, paused)
    told = section(app.test_client().get(f"{PAGES}/operations").text, "api")
    assert "3 changed of 12 messages asked about; it ended early: a 429" in told
    assert "paused for" in told


def test_a_reconciliation_that_could_not_ask_is_told(make_pages: MakePages) -> None:
    """A failed run is shown next to the time of the last successful one."""
    app = make_pages(API)
    note = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger.asking.note
    note("fd_whatsapp", asked=3, changed=3, stopped=None, is_good=True)
    note("fd_whatsapp", asked=1, changed=0, stopped="a wrong key", is_good=False)
    told = section(app.test_client().get(f"{PAGES}/operations").text, "api")
    assert "never" not in told
    assert "it could not ask Freshdesk a wrong key" in told


def test_each_accounts_reconciliation_is_told(
    make_pages: MakePages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each account of a receiver has a row: when it was last reconciled, or why not."""
    app = make_pages(API)
    receiver = app.extensions["fd_whatsapp"]["fd_whatsapp"]
    monkeypatch.setattr(receiver, "accounts", SimpleNamespace(find=lambda key: receiver))
    note = receiver.ledger.asking.note
    note("fd_whatsapp/acme", asked=2, changed=1, stopped=None, is_good=True)
    note("fd_whatsapp/globex", asked=1, changed=0, stopped="a wrong key", is_good=False)
    told = section(app.test_client().get(f"{PAGES}/operations").text, "api")
    assert "1 changed of 2 messages asked about" in told
    assert told.index("fd_whatsapp/globex never") < told.index("fd_whatsapp/acme")


def test_entries_of_a_token_list_that_nobody_used_are_told(make_pages: MakePages) -> None:
    """The page shows which entry of a rotated token is still used, without values."""
    app = make_pages({"FD_WHATSAPP_HEADERS": {"Authorization": ["Bearer s3cret", "Bearer 0ld"]}})
    fill(app)
    told = section(app.test_client().get(f"{PAGES}/operations").text, "settings")
    assert "entry 2 of its list never used" in told
    assert "0ld" not in told


def test_without_a_key_the_page_says_what_cannot_be_asked_for(make_pages: MakePages) -> None:
    """The setting that is missing is named."""
    app = make_pages()
    WhatsAppClient(app).post("{}")
    told = section(app.test_client().get(f"{PAGES}/operations").text, "api")
    assert "FD_WHATSAPP_API_KEY" in told
