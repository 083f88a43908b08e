from __future__ import annotations

from dataclasses import replace

import pytest

from flask_fd_whatsapp.dashboard.links_out import LinksOut, is_safe
from flask_fd_whatsapp.ledger import Message

MESSAGE = Message(
    account_id="1",
    message_id="M1",
    status=None,
    external_reference_id="a/b?c=1&d#e é",
    campaign=None,
    times={},
    error=None,
)


def test_fields_are_percent_encoded() -> None:
    """A reference cannot escape its place in the URL."""
    links = LinksOut("https://example.com/t/{external_reference_id}?m={message_id}")
    assert links.of(MESSAGE) == "https://example.com/t/a%2Fb%3Fc%3D1%26d%23e%20%C3%A9?m=M1"


@pytest.mark.parametrize("reference", [None, "", "."[:0], ".."])
def test_what_makes_no_url_is_no_link(reference: str | None) -> None:
    """Without a reference, or with one that would leave its folder, there is no link."""
    links = LinksOut("/tickets/{external_reference_id}")
    assert links.of(replace(MESSAGE, external_reference_id=reference)) is None


@pytest.mark.parametrize(
    ("url", "is_taken"),
    [
        ("https://example.com/1", True),
        ("http://10.0.0.1:8080/x", True),
        ("/tickets/1", True),
        ("tickets/1", True),
        ("javascript:alert(1)", False),
        ("JavaScript:alert(1)", False),
        (" javascript:alert(1)", False),
        ("java\nscript:alert(1)", False),
        ("data:text/html,x", False),
        ("//evil.example", False),
        ("/\\evil.example", False),
        ("https:evil.example", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_only_safe_urls_are_linked(url: str, is_taken: bool) -> None:
    """Only http, https and relative URLs are allowed: no scripts, and no disguised host."""
    assert is_safe(url) is is_taken
    assert (LinksOut(lambda _: url).of(MESSAGE) == url) is is_taken


def test_a_callable_that_raises_costs_its_link_alone(caplog: pytest.LogCaptureFixture) -> None:
    """The page is shown without the link, and the log has the reason."""

    def fails(message: Message) -> str:
        raise KeyError(message.message_id)

    assert LinksOut(fails).of(MESSAGE) is None
    assert "message_url raised" in caplog.text


def test_labels_take_the_fields_too() -> None:
    """A label shows the reference, or the host's text."""
    assert LinksOut("/{message_id}").label(MESSAGE) == "Open a/b?c=1&d#e é"
    assert LinksOut("/{message_id}", "Ticket {message_id}").label(MESSAGE) == "Ticket M1"
