"""Freshdesk's form, as the vendor's page describes it."""

from __future__ import annotations

from typing import Any

import pytest
from marshmallow import ValidationError

from flask_fd_whatsapp.simulator import WebhookForm

URL = "https://example.com/freshdesk/whatsapp"


def errors(**fields: Any) -> dict[str, Any]:
    return WebhookForm().validate({"destination_url": URL} | fields)


def test_only_the_destination_is_mandatory() -> None:
    """Headers and alert addresses may be left out."""
    assert WebhookForm().load({"destination_url": URL}) == {
        "destination_url": URL,
        "headers": {},
        "alert_emails": [],
    }
    with pytest.raises(ValidationError) as caught:
        WebhookForm().load({})
    assert list(caught.value.messages_dict) == ["destination_url"]


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "HTTPS://EXAMPLE.COM/",
        "https://example.com",
        "https://example.com:8443/in?account=1",
        "https://[2001:db8::1]/in",
        "https://127.0.0.1/in",
    ],
)
def test_any_https_url_is_a_destination(url: str) -> None:
    """Any HTTPS URL with a host is a destination."""
    assert errors(destination_url=url) == {}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https",
        "https://",
        "https:///in",
        "https://:443/in",
        "http://example.com/in",
        "ftp://example.com/in",
        "//example.com/in",
        "example.com/in",
        "https://example.com:99999/in",
        "https://example.com:port/in",
        "https://[2001:db8::1/in",
        "https://exa mple.com/in",
        " https://example.com/in",
        "https://example.com/in\n",
        "https://user:password@example.com/in",
        "https://user@example.com/in",
        "https://example.com/in#here",
        None,
        7,
    ],
)
def test_no_destination(url: object) -> None:
    """Anything but an HTTPS URL with a host and without credentials is refused."""
    assert list(errors(destination_url=url)) == ["destination_url"]


def test_the_form_has_room_for_three_headers() -> None:
    """The form has room for three headers and no more."""
    headers = {"Authorization": "Bearer x", "X-A": "1", "X-B": "2"}
    assert errors(headers=headers) == {}
    assert errors(headers=headers | {"X-C": "3"}) == {
        "headers": ["The form takes at most 3 headers."]
    }


@pytest.mark.parametrize(
    "header",
    [
        {"": "x"},
        {"X_A": "x"},
        {"X A": "x"},
        {"X-A": ""},
        {"X-A": 7},
        {"X:": "x"},
        {"X-A": " x"},
        {"X-A": "a\nb"},
        {"X-A": "é"},
    ],
)
def test_a_header_that_would_not_arrive_is_refused(header: dict[str, Any]) -> None:
    """A header without a value, or with a name that does not arrive, is refused."""
    assert list(errors(headers=header)) == ["headers"]


def test_header_value() -> None:
    """An invalid value is refused by its header's name, and not repeated."""
    headers = {"X-A": "1", "X-B": "s3cret\n"}
    assert errors(headers=headers) == {
        "headers": ["X-B needs a value: visible ASCII without outer spaces."]
    }


def test_two_alert_addresses() -> None:
    """The form has room for two addresses, which have to look like such."""
    both = ["a@x.org", "b@x.org"]
    assert errors(alert_emails=both) == {}
    assert errors(alert_emails=[*both, "c@x.org"]) == {
        "alert_emails": ["The form takes at most 2 alert addresses."]
    }
    assert errors(alert_emails=["a@x.org", "nobody"]) == {
        "alert_emails": {1: ["'nobody' is not an e-mail address."]}
    }
    assert errors(alert_emails=[7]) == {"alert_emails": {0: ["Not a valid string."]}}
