from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_fd_whatsapp.exceptions import GiveUp
from flask_fd_whatsapp.signals import status_received
from flask_fd_whatsapp.testing import EventBuilder, WhatsAppClient

from .conftest import PAGES, MakePages, fill

NAME = "Ada Lovelace"


def references(client: FlaskClient, url: str) -> list[str]:
    text = client.get(url).text
    return re.findall(r'<th scope="row" role="rowheader">\s*<a[^>]*><bdi>([^<]*)</bdi>', text)


def test_pages_lead_forth_and_back(make_pages: MakePages) -> None:
    """The links of a list lead through all messages once, forwards and backwards."""
    app = make_pages()
    client, start = WhatsAppClient(app), datetime.now(UTC) - timedelta(hours=3)
    for number in range(60):
        moment = start + timedelta(seconds=number // 2)
        client.post(EventBuilder(external_reference_id=f"t-{number:02}", start=moment).queued())
    browser, url = app.test_client(), f"{PAGES}/messages?campaign=t"
    pages = [references(browser, url)]
    trail = [url]
    for rel in ("next", "next", "prev", "prev"):
        text = browser.get(trail[-1]).text
        (href,) = re.findall(rf'rel="{rel}" href="([^"]*)"', text)
        trail.append(href.replace("&amp;", "&"))
        pages.append(references(browser, trail[-1]))
    assert [len(one) for one in pages] == [25, 25, 10, 25, 25]
    assert pages[0] + pages[1] + pages[2] == [f"t-{number:02}" for number in range(59, -1, -1)]
    assert (pages[3], pages[4]) == (pages[1], pages[0])
    assert 'rel="prev"' not in browser.get(url).text
    assert 'rel="next"' not in browser.get(trail[2]).text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=spring-1", ["spring-1"]),
        ("q=spring", ["spring-6", "spring-1"]),
        ("q=SPRING", []),
        ("status=FAILED", ["spring-6"]),
        ("failure=recipient", ["spring-6"]),
        ("failure=transient", []),
        ("campaign=spring&status=READ", ["spring-1"]),
        ("without=campaign", []),
        ("stuck_for=1h&status=QUEUED", ["winter-3"]),
        ("since=2001-01-01&until=2001-02-01", []),
    ],
)
def test_filters_are_in_the_url(make_pages: MakePages, query: str, found: list[str]) -> None:
    """The list shows what matches the filters, and the CSV has the same."""
    app = make_pages()
    fill(app)
    client = app.test_client()
    assert references(client, f"{PAGES}/messages?{query}") == found
    rows = client.get(f"{PAGES}/messages.csv?{query}").text.splitlines()[1:]
    assert len(rows) == len(found)


def test_a_message_is_found_by_its_id_and_its_day(make_pages: MakePages) -> None:
    """A message is found by its full id, and by the days on which it was sent, both inclusive."""
    app = make_pages()
    message = fill(app)
    client = app.test_client()
    ledger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    day = ledger.message(message.message_id).times["QUEUED"].date()
    assert references(client, f"{PAGES}/messages?q={message.message_id}") == ["spring-1"]
    assert references(client, f"{PAGES}/messages?q={message.message_id[:-1]}") == []
    url = f"{PAGES}/messages?q=spring"
    assert references(client, f"{url}&since={day}&until={day}") == ["spring-1"]
    assert references(client, f"{url}&since={day + timedelta(days=1)}") == ["spring-6"]


def test_a_messages_page_tells_its_way(make_pages: MakePages) -> None:
    """Its events are listed with notes, and one sentence says whether it arrived."""
    app = make_pages(message_url="https://example.com/t/{external_reference_id}")
    message = fill(app)
    text = app.test_client().get(f"{PAGES}/message?id={message.message_id}").text
    assert "It arrived and was read." in text
    assert 'href="https://example.com/t/spring-1"' in text
    assert text.count('class="badge') >= 5


def test_stale_and_late_events_are_marked(make_pages: MakePages) -> None:
    """A failure after READ is stale, and a delivery after a day is late."""
    app = make_pages()
    message, client = EventBuilder(start=datetime.now(UTC) - timedelta(days=2)), WhatsAppClient(app)
    late = message.start + timedelta(days=1)
    client.post(message.sent())
    client.post(message.event("DELIVERED", timestamp=late, event_time=late))
    client.post(message.event("FAILED", error={"code": "131026", "message": "no"}))
    text = app.test_client().get(f"{PAGES}/message?id={message.message_id}").text
    assert 'class="mark late"' in text
    assert 'class="mark stale"' in text
    assert "A failure was reported too, and can be ignored." in text


def test_an_unknown_message_is_told_as_that(pages: FlaskClient) -> None:
    """The page says what an unknown id can mean; without an id there is no page."""
    assert "No message has this id" in pages.get(f"{PAGES}/message?id=M%2F%2F..").text
    assert pages.get(f"{PAGES}/message").status_code == 404


def test_an_id_of_two_accounts_is_asked_for(make_pages: MakePages) -> None:
    """The page leads to each account's message."""
    app = make_pages()
    for account in ("1", "2"):
        WhatsAppClient(app).post(EventBuilder(message_id="M//1", account_id=account).read())
    client = app.test_client()
    text = client.get(f"{PAGES}/message?id=M//1").text
    links = re.findall(r'href="([^"]*account=[12][^"]*)"', text)
    assert len(links) == 2
    assert "was read" in client.get(links[0].replace("&amp;", "&")).text


def with_a_failed_handler(app: Flask) -> EventBuilder:
    def gives_up(sender: Flask, event: object) -> None:
        raise GiveUp("secret reason of the handler")

    message = EventBuilder()
    actor = {"id": 1, "name": NAME, "type": "agent"}
    with status_received.connected_to(gives_up, sender=app):
        WhatsAppClient(app).post(message.event("QUEUED", actor=actor))
    WhatsAppClient(app).post({"actor": {"name": NAME}, "event_type": "outbound_message_event"})
    return message


@pytest.mark.parametrize("show_payloads", [False, True])
@pytest.mark.parametrize("show_actors", [False, True])
def test_names_and_payloads_are_shown_if_allowed(
    make_pages: MakePages, show_actors: bool, show_payloads: bool
) -> None:
    """Agents' names, payloads, quarantined bodies and errors are each shown only if allowed."""
    app = make_pages(show_actors=show_actors, show_payloads=show_payloads)
    message = with_a_failed_handler(app)
    client = app.test_client()
    text = client.get(f"{PAGES}/message?id={message.message_id}").text
    operations = client.get(f"{PAGES}/operations?entry=1").text
    assert (NAME in text) is show_actors
    assert (NAME in operations) is (show_actors and show_payloads)
    for shown in (text, operations):
        assert ("secret reason" in shown) is show_payloads
    assert ("outbound_message_event" in text) is show_payloads
    assert ("outbound_message_event" in operations) is show_payloads


def test_each_handlers_failed_attempts_are_shown(make_pages: MakePages) -> None:
    """It shows how often a handler failed, and if allowed with what error, even after a success."""
    app, answers = make_pages(show_payloads=True), iter([True, False])

    def fails_once(sender: Flask, event: object) -> None:
        if next(answers):
            raise OSError("mail server is full")

    message = EventBuilder()
    with status_received.connected_to(fails_once, sender=app):
        client = WhatsAppClient(app)
        for states in ("failed", "done"):
            client.post(message.queued())
            text = app.test_client().get(f"{PAGES}/message?id={message.message_id}").text
            (row,) = re.findall(
                r"<tr role=\"row\">(?:(?!</tr>).)*fails_once.*?</tr>", text, re.DOTALL
            )
            assert f"</svg> {states}" in row
            assert 'data-label="Failed attempts" class="n">1<' in row
            assert "OSError: mail server is full" in row
