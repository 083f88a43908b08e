"""The values that say which account's API is called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flask_fd_whatsapp.api_settings import api_domain, api_key, phone_number

DOMAINS = {
    "acme.freshdesk.com": "acme.freshdesk.com",
    "Acme.Freshdesk.com": "acme.freshdesk.com",
    "https://acme.freshdesk.com/": "acme.freshdesk.com",
    "acme.freshdesk.com:8443": "acme.freshdesk.com:8443",
    "http://127.0.0.1:5000": "http://127.0.0.1:5000",
    "HTTP://localhost/": "http://localhost",
    "http://[::1]:5000": "http://[::1]:5000",
}


@pytest.mark.parametrize(("given", "taken"), DOMAINS.items())
def test_domain_is_taken_as_copied(given: str, taken: str) -> None:
    """A domain is accepted as copied from a browser; HTTP only on this machine."""
    assert api_domain(given) == taken


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (7, "text"),
        ("", "not a host"),
        ("acme.freshdesk.com/a/tickets", "not a host"),
        ("user:key@acme.freshdesk.com", "not a host"),
        ("acme.freshdesk.com:port", "not a host"),
        ("acme.freshdesk.com:99999", "not a host"),
        ("acme freshdesk.com", "not a host"),
        ("bücher.freshdesk.com", "not a host"),
        ("acme.freshdesk.com?x", "not a host"),
        ("http://acme.freshdesk.com", "this machine"),
        ("ftp://acme.freshdesk.com", "a scheme other than"),
        ("'acme.freshdesk.com'", "quotes"),
        ("[::1", "not a host"),
    ],
)
def test_anything_but_a_host_is_refused_as_a_domain(given: Any, said: str) -> None:
    """Anything but a host, with a port or not, is an error that says what to give."""
    with pytest.raises(ValueError, match=said):
        api_domain(given)


@pytest.mark.parametrize("given", [7, None, "", "k3y:X", "k3y k3y", "k3y\n", "ke\xfd", "'k3y'"])
def test_what_cannot_be_a_key_is_refused_and_not_repeated(given: Any) -> None:
    """A key that cannot be one is an error, which does not repeat it."""
    with pytest.raises(ValueError, match=r"\.$|quotes|text") as caught:
        api_key(given)
    assert "k3y" not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        4930123456,
        None,
        "",
        "+",
        "4930123456",
        "004930123456",
        "+04930123456",
        " +4930123456",
        "+4930123456\n",
        "+49 30 123456",
        "+49-30-123456",
        "+4930123456x",
        "+\u0664\u0669\u0663\u0660123456",
        "+4930123456789012",
    ],
)
def test_what_cannot_be_a_number_is_refused_and_not_repeated(given: Any) -> None:
    """A number that cannot be one is an error, which does not repeat it."""
    with pytest.raises(ValueError, match="\\+4930123456") as caught:
        phone_number(given)
    assert not given or str(given) not in str(caught.value).replace("+4930123456", "")


@pytest.mark.parametrize(
    ("check", "given"),
    [(api_key, "aB3-_.~x"), (phone_number, "+4930123456"), (phone_number, "+14155550100")],
)
def test_keys_are_taken_as_freshdesk_shows_them(check: Callable[[object], str], given: str) -> None:
    """Keys and numbers are accepted as Freshdesk shows them."""
    assert check(given) == given
