from __future__ import annotations

from typing import Any

import pytest
from flask import Config, Flask

from flask_fd_whatsapp import ConfigurationError, FreshdeskWhatsApp
from flask_fd_whatsapp.settings import KNOWN_KEYS, Settings

HEADERS = '{"Authorization": "Bearer s3cret"}'


@pytest.fixture
def from_environment(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Reads the settings of an environment; keywords are keys without their prefixes."""

    def read(**given: str) -> Settings:
        for key, value in ({"HEADERS": HEADERS} | given).items():
            monkeypatch.setenv(f"FLASK_FD_WHATSAPP_{key}", value)
        config = Config("/")
        config.from_prefixed_env()
        return Settings.from_config(config, "FD_WHATSAPP")

    return read


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("HEADERS", HEADERS, {"Authorization": ("Bearer s3cret",)}),
        ("HEADERS", '{"X-A": ["new", "old"]}', {"X-A": ("new", "old")}),
        ("HEADERS", '{"X-A": "123"}', {"X-A": ("123",)}),
        ("DATA_HEADERS", '["X-Team", "X-Region"]', ("X-Team", "X-Region")),
        ("DATA_HEADERS", "X-Team", ("X-Team",)),
        ("ALLOW_UNAUTHENTICATED", "true", True),
        ("ACCOUNT_IDS", "11011399037", frozenset({"11011399037"})),
        ("ACCOUNT_IDS", "[11011399037, 2]", frozenset({"11011399037", "2"})),
        ("ACCOUNT_IDS", '["11011399037", 2]', frozenset({"11011399037", "2"})),
        ("ACCOUNT_IDS", "null", None),
        ("MAX_BODY_BYTES", "1024", 1024),
        ("LEDGER_URL", "memory://", "memory://"),
        ("CAMPAIGN", "null", None),
        ("DISPATCH", "deferred", "deferred"),
        ("REJECT_INVALID", "false", False),
        ("REJECT_INVALID", "null", None),
        ("LEASE_SECONDS", "1.5", 1.5),
        ("MAX_ATTEMPTS", "3", 3),
        ("QUARANTINE_MAX", "5", 5),
        ("AGGREGATE_YEARS", "2", 2),
        ("TIME_ZONE", "UTC", "UTC"),
        ("RETENTION_DAYS", "40", 40),
    ],
)
def test_right_texts(from_environment: Any, key: str, text: str, expected: Any) -> None:
    """Every key can come from ``app.config.from_prefixed_env()``."""
    assert getattr(from_environment(**{key: text}), key.lower()) == expected


def test_a_campaign_pattern(from_environment: Any) -> None:
    """A regular expression can come from the environment."""
    campaign_of = from_environment(CAMPAIGN=r"^([a-z]+)-").campaign
    assert campaign_of("spring-7") == "spring"


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("ALLOW_UNAUTHENTICATED", "False", "not 'False' (in the environment: true or false)"),
        ("REJECT_INVALID", "True", "not 'True' (in the environment: true or false)"),
        ("REJECT_INVALID", "", "not '' (in the environment: true or false)"),
        ("HEADERS", '{"X-A": 123}', "quote it"),
        ("HEADERS", "Authorization=Bearer", "has to be a mapping"),
        ("HEADERS", "{'X-A': 'x'}", "has to be a mapping"),
        ("ACCOUNT_IDS", "1,2", 'use a list, such as ["123", "456"] (in the environment too)'),
        ("ACCOUNT_IDS", "[1.5]", "1.5 is not an account id"),
        ("ACCOUNT_IDS", "true", "True is not an account id"),
        ("LEASE_SECONDS", "Infinity", "not inf"),
        ("MAX_ATTEMPTS", "ten", "whole number, not 'ten'"),
        ("LEDGER_URL", "1", "has to be text"),
    ],
)
def test_wrong_texts(from_environment: Any, key: str, text: str, message: str) -> None:
    """A value that only looks right in the environment is refused with the key and the remedy."""
    with pytest.raises(ConfigurationError) as caught:
        from_environment(**{key: text})
    assert str(caught.value).startswith(f"FD_WHATSAPP_{key}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize("key", KNOWN_KEYS)
def test_quotes_that_a_docker_env_file_keeps_are_named(from_environment: Any, key: str) -> None:
    """The message says so for any key, and does not show the value."""
    with pytest.raises(
        ConfigurationError, match=f"^FD_WHATSAPP_{key}: .*quotes around it were"
    ) as e:
        from_environment(**{key: """'{"Authorization": "Bearer s3cret"}'"""})
    assert "s3cret" not in str(e.value)


def test_quotes_kept_around_one_header(monkeypatch: pytest.MonkeyPatch) -> None:
    """A header with a variable of its own would never match."""
    monkeypatch.setenv("FLASK_FD_WHATSAPP_HEADERS__Authorization", "'Bearer s3cret'")
    config = Config("/")
    config.from_prefixed_env()
    with pytest.raises(ConfigurationError, match=r"Authorization: .*quotes around it were kept"):
        Settings.from_config(config, "FD_WHATSAPP")


def test_a_campaign_pattern_may_look_for_quotes(from_environment: Any) -> None:
    """References may be JSON."""
    campaign_of = from_environment(CAMPAIGN=r'"c": "(\w+)"').campaign
    assert campaign_of('{"c": "spring"}') == "spring"


def test_headers_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A header may have an environment variable of its own, as Flask nests them."""
    monkeypatch.setenv("FLASK_FD_WHATSAPP_HEADERS__Authorization", "Bearer s3cret")
    config = Config("/")
    config.from_prefixed_env()
    settings = Settings.from_config(config, "FD_WHATSAPP")
    assert settings.headers == {"Authorization": ("Bearer s3cret",)}


def test_registration_reads_the_environments_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """An application configured by its environment alone registers the receiver."""
    monkeypatch.setenv("FLASK_FD_WHATSAPP_HEADERS", HEADERS)
    monkeypatch.setenv("FLASK_FD_WHATSAPP_ACCOUNT_IDS", "11011399037")
    app = Flask("host")
    app.config.from_prefixed_env()
    app.register_blueprint(FreshdeskWhatsApp())
    settings = app.extensions["fd_whatsapp"]["fd_whatsapp"].settings
    assert settings.account_ids == {"11011399037"}
