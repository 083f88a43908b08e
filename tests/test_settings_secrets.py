from __future__ import annotations

import logging
import traceback
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from flask_fd_whatsapp import ConfigurationError
from flask_fd_whatsapp.settings import Settings

SECRET = "s3cret-0123456789"


def read(**given: Any) -> Settings:
    config = {"HEADERS": {"Authorization": f"Bearer {SECRET}"}} | given
    return Settings.from_config({f"FD_WHATSAPP_{k}": v for k, v in config.items()}, "FD_WHATSAPP")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("HEADERS", SECRET),
        ("HEADERS", f"Authorization: {SECRET}"),
        ("HEADERS", [("Authorization", SECRET)]),
        ("HEADERS", {"Authorization": f" {SECRET}"}),
        ("HEADERS", {"Authorization": f"{SECRET}ß"}),
        ("HEADERS", {"Authorization": f"{SECRET}\r\nX-Other: x"}),
        ("HEADERS", {"Authorization": SECRET.encode()}),
        ("HEADERS", {"Authorization": {SECRET}}),
        ("HEADERS", {"Authorization": [[SECRET]]}),
        ("HEADERS", {"Authorization": [SECRET, ""]}),
        ("HEADERS", {"Authorization": {"token": SECRET}}),
        ("HEADERS", {f"Authorization: Bearer {SECRET}": ""}),
        ("HEADERS", {f"Bearer {SECRET}": "Authorization"}),
        ("HEADERS", {"Authorization": SECRET, "X_Token": SECRET}),
        ("HEADERS", {"Authorization": SECRET, "authorization": SECRET}),
        ("DATA_HEADERS", {"X-Team": SECRET}),
        ("DATA_HEADERS", ["Authorization"]),
        ("LEDGER_URL", f"postgres://user:{SECRET}@db/events"),
        ("LEDGER_URL", f"user:{SECRET}@db/events"),
        ("LEDGER_URL", f"memory://{SECRET}"),
        ("LEDGER_URL", f"postgresql+psycopg://user:p@{SECRET}@db/events"),
        ("LEDGER_URL", f"mariadb+pymysql://user:{SECRET}@{SECRET}@db:3306/events"),
        ("LEDGER_URL", f"sqlite://?key={SECRET}"),
        ("LEDGER_URL", [f"postgresql+psycopg://user:{SECRET}@db/events"]),
        ("API_KEY", f"{SECRET} "),
        ("API_KEY", SECRET.encode()),
        ("API_KEY", f'"{SECRET}"'),
        ("API_KEY", SECRET),
        ("SENDER", f" {SECRET}"),
        ("HEADRES", {"Authorization": SECRET}),
    ],
)
def test_errors_never_show_a_secret(key: str, value: Any) -> None:
    """No message, ``repr`` or traceback of a refused setting holds a secret."""
    with pytest.raises(ConfigurationError) as caught:
        read(**{key: value})
    shown = [str(caught.value), repr(caught.value), *traceback.format_exception(caught.value)]
    assert not any(SECRET in text for text in shown)


API = {"API_KEY": SECRET, "DOMAIN": "acme.freshdesk.com", "ACCOUNT_IDS": ["1"]}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"DOMAIN": None}, "FD_WHATSAPP_DOMAIN"),
        ({"ACCOUNT_IDS": None}, "FD_WHATSAPP_ACCOUNT_IDS with exactly one account"),
        ({"ACCOUNT_IDS": ["1", "2"]}, "exactly one account"),
        ({"DOMAIN": "http://acme.freshdesk.com"}, "FD_WHATSAPP_DOMAIN: begins with http://"),
        ({"CALLS_A_MINUTE": 0}, "FD_WHATSAPP_CALLS_A_MINUTE: has to be at least 1"),
        ({"SENDER": 4930123456}, "FD_WHATSAPP_SENDER: has to be text"),
    ],
)
def test_the_api_key_needs_a_domain_and_one_account(changes: dict[str, Any], told: str) -> None:
    """A key without its counterpart is an error that says what to set, without the key's value."""
    with pytest.raises(ConfigurationError, match=told) as caught:
        read(**{**API, **changes})
    assert SECRET not in str(caught.value)
    settings = read(**API, SENDER="+4930123456")
    assert (settings.api_key, settings.domain) == (SECRET, "acme.freshdesk.com")
    assert SECRET not in repr(settings)
    assert "4930123456" not in repr(settings)


def test_a_numeric_secret_is_not_shown_either() -> None:
    """The message that asks to quote a number does not repeat the number."""
    with pytest.raises(ConfigurationError, match="quote it") as caught:
        read(HEADERS={"X-Pin": 987654321})
    assert "987654321" not in str(caught.value)


def test_the_repr_of_settings_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither headers nor the ledger's URL are part of the ``repr`` of settings."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    settings = read(LEDGER_URL=f"postgresql+psycopg://user:{SECRET}@db/events")
    assert SECRET in settings.ledger_url
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings)


@pytest.mark.parametrize(
    ("headers", "data_headers", "is_warned"),
    [(3, 0, False), (2, 1, False), (4, 0, True), (1, 3, True), (0, 4, True)],
)
def test_more_headers_than_the_form_takes(
    headers: int, data_headers: int, is_warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """More than three headers in all is a warning, which shows no value, and no error."""
    read(
        HEADERS={f"X-{number}": SECRET for number in range(headers)},
        DATA_HEADERS=[f"X-Data-{number}" for number in range(data_headers)],
        ALLOW_UNAUTHENTICATED=True,
    )
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == is_warned
    assert SECRET not in caplog.text


def test_settings_do_not_change() -> None:
    """Settings are read once: neither they nor what they came from can change them later."""
    headers = {"X-A": [SECRET]}
    accounts = ["1"]
    settings = read(HEADERS=headers, ACCOUNT_IDS=accounts)
    headers["X-A"].append("other")
    headers["X-B"] = ["other"]
    accounts.append("2")
    assert settings.headers == {"X-A": (SECRET,)}
    assert settings.account_ids == {"1"}
    with pytest.raises(TypeError, match="does not support item assignment"):
        settings.headers["X-A"] = ()  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        settings.max_attempts = 3  # type: ignore[misc]
