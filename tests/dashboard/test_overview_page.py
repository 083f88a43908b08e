from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask

from flask_fd_whatsapp.dashboard import shared_figures
from flask_fd_whatsapp.exceptions import GiveUp
from flask_fd_whatsapp.monitoring.attention import limits_of, problems
from flask_fd_whatsapp.monitoring.standing import standing_of
from flask_fd_whatsapp.signals import message_read
from flask_fd_whatsapp.testing import WhatsAppClient

from .conftest import PAGES, MakePages, fill


def test_nothing_needs_attention_where_status_is_content(make_pages: MakePages) -> None:
    """A healthy feed is reported as such, with figures and their denominators."""
    app = make_pages()
    fill(app)
    text = app.test_client().get(f"{PAGES}/").text
    assert "Nothing needs attention" in text
    assert "What became of 6 messages" in text
    assert re.search(r"[\d.]+% of 6 known", text) or "of 6" in text


def test_what_needs_attention_is_what_status_says(make_pages: MakePages) -> None:
    """The page has each problem of ``status`` with its remedy, and no other."""
    app = make_pages()

    def gives_up(sender: Flask, event: object) -> None:
        raise GiveUp("never")

    with message_read.connected_to(gives_up, sender=app):
        fill(app)
    WhatsAppClient(app).post("{}", headers={"Authorization": "Bearer wrong"})
    receiver = app.extensions["fd_whatsapp"]["fd_whatsapp"]
    told = problems(standing_of(receiver, receiver.ledger), limits_of(receiver))
    assert len(told) == 2
    text = app.test_client().get(f"{PAGES}/").text
    assert "2 things need attention" in text
    assert "1 dead event that nobody has acknowledged" in text
    assert "was rejected (401 unauthenticated)" in text
    assert f'href="{PAGES}/operations#dead"' in text
    assert text.count("<div><h3>") == 2


def test_times_of_many_messages_are_worked_out_when_asked(
    make_pages: MakePages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counts are shown first; a link requests the times."""
    monkeypatch.setattr(shared_figures, "MOST_TIMED", 3)
    app = make_pages()
    fill(app)
    client = app.test_client()
    assert "Work it out" in client.get(f"{PAGES}/").text
    assert "half within" in client.get(f"{PAGES}/?times=yes").text
    assert "Work it out" in client.get(f"{PAGES}/campaign?campaign=winter").text


def test_a_minutes_visitors_share_one_computation(
    make_pages: MakePages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The messages are read once for all pages, and each page says when."""
    app = make_pages()
    fill(app)
    ledger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    asked: list[object] = []
    breakdowns = ledger.reports.breakdowns

    def counted(*given: object, **wanted: object) -> object:
        if not wanted["times"]:
            asked.append(wanted)
        return breakdowns(*given, **wanted)

    monkeypatch.setattr(ledger.reports, "breakdowns", counted)
    client = app.test_client()
    client.get(f"{PAGES}/")
    assert len(asked) == 1
    assert "as of" in client.get(f"{PAGES}/").text
    assert client.get(f"{PAGES}/campaigns").status_code == 200
    assert client.get(f"{PAGES}/failures").status_code == 200
    assert len(asked) == 1


@pytest.mark.parametrize("view", ["/", "/failures", "/failures?class=recipient"])
def test_a_list_of_failures_is_shared_too(
    make_pages: MakePages, monkeypatch: pytest.MonkeyPatch, view: str
) -> None:
    """If few messages failed, a whole period is scanned: at most once a minute."""
    app = make_pages()
    fill(app)
    browser = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger.browser
    asked: list[object] = []
    page = browser.page

    def counted(*given: Any, **wanted: Any) -> Any:
        asked.append(given)
        return page(*given, **wanted)

    monkeypatch.setattr(browser, "page", counted)
    client = app.test_client()
    first = client.get(f"{PAGES}{view}").text
    assert "spring-6" in first
    assert client.get(f"{PAGES}{view}").status_code == 200
    assert len(asked) == 1
    assert client.get(f"{PAGES}/failures?code=131026").status_code == 200
    assert len(asked) == 2


def test_campaigns_are_sorted_and_found(make_pages: MakePages) -> None:
    """Each column sorts both ways, and a part of a name narrows the table."""
    app = make_pages()
    fill(app)
    client = app.test_client()

    def names(query: str) -> list[str]:
        text = client.get(f"{PAGES}/campaigns?{query}").text
        return re.findall(r'href="[^"]*/campaign\?campaign=(\w+)', text)

    assert names("") == ["winter", "spring"]
    assert names("sort=messages") == ["spring", "winter"]
    assert names("sort=campaign") == ["spring", "winter"]
    assert names("sort=-failure_rate") == ["spring", "winter"]
    assert names("name=WIN") == ["winter"]


@pytest.mark.parametrize(
    ("column", "least"),
    [
        ("campaign", "spring"),
        ("messages", "spring"),
        ("delivery_rate", "winter"),
        ("read_rate", "winter"),
        ("failure_rate", "winter"),
        ("pending", "spring"),
        ("time_to_read", "winter"),
        ("last", "winter"),
    ],
)
def test_every_column_of_campaigns_sorts_both_ways(
    make_pages: MakePages, column: str, least: str
) -> None:
    """The sorted column's heading shows the direction, and links to the reverse."""
    app = make_pages()
    fill(app)
    client = app.test_client()
    for sign, said, other, place in (("", "ascending", "-", 0), ("-", "descending", "", 1)):
        text = client.get(f"{PAGES}/campaigns?sort={sign}{column}").text
        (link,) = re.findall(rf'aria-sort="{said}"><a href="([^"]*)"', text)
        assert link.endswith(f"sort={other}{column}")
        names = re.findall(r'href="[^"]*/campaign\?campaign=(\w+)', text)
        assert names[place] == least


def test_two_campaigns_are_compared(make_pages: MakePages) -> None:
    """The page says which campaign did better, and whether it may be chance."""
    app = make_pages()
    fill(app)
    client = app.test_client()
    for age in ("24h", "7d", "now"):
        text = client.get(f"{PAGES}/campaigns?a=spring&b=winter&age={age}").text
        assert re.search("may be chance|was read more|nothing to compare", text)
    assert "that are not the same" in client.get(f"{PAGES}/campaigns?a=spring&b=spring").text
    assert "No message of" in client.get(f"{PAGES}/campaigns?a=spring&b=autumn").text
