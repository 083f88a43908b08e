from __future__ import annotations

import re
from typing import Any

import pytest

from flask_fd_whatsapp import ConfigurationError
from flask_fd_whatsapp.settings import KNOWN_KEYS, Settings

PREFIX = "FD_WHATSAPP"
HEADERS = {"Authorization": "Bearer s3cret"}

DEFAULTS: dict[str, Any] = {
    "data_headers": (),
    "allow_unauthenticated": False,
    "account_ids": None,
    "max_body_bytes": 65536,
    "ledger_url": "memory://",
    "campaign": None,
    "dispatch": "inline",
    "reject_invalid": None,
    "lease_seconds": 60,
    "max_attempts": 20,
    "give_up_after": 604800,
    "handler_seconds": 300,
    "failure_classes": {},
    "aggregate_years": 5,
    "time_zone": "UTC",
    "domain": None,
    "api_key": None,
    "sender": None,
    "store_actors": True,
    "calls_a_minute": 600,
    "quarantine_max": 10_000,
    "retention_days": 90,
}


def read(prefix: str = PREFIX, /, **given: Any) -> Settings:
    """The settings of a configuration with right headers and *given*."""
    config = {f"{prefix}_{key}": value for key, value in ({"HEADERS": HEADERS} | given).items()}
    return Settings.from_config(config, prefix)


def test_the_keys_are_the_documented_ones() -> None:
    """The known keys are those of the contract, no more and no fewer."""
    assert {key.lower() for key in KNOWN_KEYS} == {"headers", *DEFAULTS}


@pytest.mark.parametrize("name", DEFAULTS)
def test_unset_keys_have_their_defaults(name: str) -> None:
    """A key that is not set has its documented default."""
    value = getattr(read(), name)
    assert value == DEFAULTS[name]
    assert type(value) is type(DEFAULTS[name])


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("HEADERS", {"X-Token": "a b"}, {"X-Token": ("a b",)}),
        ("HEADERS", {"X-Token": ["new", "old"]}, {"X-Token": ("new", "old")}),
        ("HEADERS", {"X-Token": ("new", "old")}, {"X-Token": ("new", "old")}),
        ("DATA_HEADERS", ["X-Team", "X-Region"], ("X-Team", "X-Region")),
        ("DATA_HEADERS", ("X-Team",), ("X-Team",)),
        ("DATA_HEADERS", "X-Team", ("X-Team",)),
        ("ALLOW_UNAUTHENTICATED", True, True),
        ("ACCOUNT_IDS", ["1", 2], frozenset({"1", "2"})),
        ("ACCOUNT_IDS", {"1", "2"}, frozenset({"1", "2"})),
        ("ACCOUNT_IDS", ("1",), frozenset({"1"})),
        ("ACCOUNT_IDS", "11011399037", frozenset({"11011399037"})),
        ("ACCOUNT_IDS", 11011399037, frozenset({"11011399037"})),
        ("ACCOUNT_IDS", None, None),
        ("MAX_BODY_BYTES", 1, 1),
        ("LEDGER_URL", "memory://", "memory://"),
        ("CAMPAIGN", None, None),
        ("DISPATCH", "deferred", "deferred"),
        ("REJECT_INVALID", True, True),
        ("REJECT_INVALID", False, False),
        ("REJECT_INVALID", None, None),
        ("LEASE_SECONDS", 0.5, 0.5),
        ("LEASE_SECONDS", 1, 1),
        ("MAX_ATTEMPTS", 1, 1),
        ("GIVE_UP_AFTER", "7d", 604800),
        ("GIVE_UP_AFTER", "1d12h", 129600),
        ("GIVE_UP_AFTER", 90, 90),
        ("HANDLER_SECONDS", None, None),
        ("HANDLER_SECONDS", 1.5, 1.5),
        ("AGGREGATE_YEARS", 1, 1),
        ("TIME_ZONE", "Europe/Berlin", "Europe/Berlin"),
        ("QUARANTINE_MAX", 1, 1),
        ("RETENTION_DAYS", 37, 37),
    ],
)
def test_right_values(key: str, value: Any, expected: Any) -> None:
    """A valid value is accepted in each of its notations."""
    assert getattr(read(**{key: value}), key.lower()) == expected


SCHEMES = "memory://, sqlite://..., postgresql+psycopg://..., mariadb+pymysql://..."
NOT_WHOLE = [("10", "whole number"), (1.5, "whole number"), (True, "whole number"), (0, "least 1")]


@pytest.mark.parametrize(
    ("key", "value", "mistake", "remedy"),
    [
        ("HEADERS", "Authorization: x", "not a value of type str", 'mapping such as {"Authoriz'),
        ("HEADERS", "Bearer x", "In the environment write JSON", '{"Authorization": "Bearer <'),
        ("HANDLER_SECONDS", "none", "the text 'none'", "write null for None"),
        ("REJECT_INVALID", "None", "the text 'None'", "write null for None"),
        ("ACCOUNT_IDS", "none", "the text 'none'", "write null for None"),
        ("HEADERS", None, "not None", 'mapping such as {"Authoriz'),
        ("HEADERS", [("X-Token", "x")], "not a value of type list", 'mapping such as {"Authoriz'),
        (
            "HEADERS",
            {"X_Token": "x"},
            "'X_Token' is not a header name",
            "hyphens (WSGI servers drop",
        ),
        ("HEADERS", {"X Token": "x"}, "is not a header name", "letters, digits and hyphens"),
        ("HEADERS", {"": "x"}, "'' is not a header name", "letters, digits and hyphens"),
        ("HEADERS", {7: "x"}, "7 is not a header name", "letters, digits and hyphens"),
        ("HEADERS", {"X-A": "x", "x-a": "y"}, "x-a is listed twice", "case-insensitive"),
        ("HEADERS", {"X-A": ""}, "value of X-A is empty", "entered in Freshdesk's form"),
        ("HEADERS", {"X-A": ["x", ""]}, "value of X-A is empty", "entered in Freshdesk's form"),
        ("HEADERS", {"X-A": []}, "X-A has no value", "entered in Freshdesk's form"),
        ("HEADERS", {"X-A": 123}, "value of X-A is a number, but has to be text", "quote it"),
        (
            "HEADERS",
            {"X-A": ["x", 1.5]},
            "value of X-A is a number, but has to be text",
            "quote it",
        ),
        ("HEADERS", {"X-A": True}, "not a value of type bool", "text or a list of texts"),
        ("HEADERS", {"X-A": None}, "not None", "text or a list of texts"),
        ("HEADERS", {"X-A": b"x"}, "not a value of type bytes", "text or a list of texts"),
        ("HEADERS", {"X-A": "käse"}, "value of X-A", "visible ASCII without outer spaces"),
        ("HEADERS", {"X-A": "x\n"}, "value of X-A", "visible ASCII without outer spaces"),
        ("HEADERS", {"X-A": " x"}, "value of X-A", "visible ASCII without outer spaces"),
        ("DATA_HEADERS", {"X-A": "x"}, "not a value of type dict", "list of header names"),
        ("DATA_HEADERS", None, "not None", "list of header names"),
        ("DATA_HEADERS", ["X_A"], "'X_A' is not a header name", "letters, digits and hyphens"),
        ("DATA_HEADERS", ["X-A", "x-A"], "x-A is listed twice", "case-insensitive"),
        ("DATA_HEADERS", ["AUTHORIZATION"], "is also in FD_WHATSAPP_HEADERS", "from one of them"),
        ("ALLOW_UNAUTHENTICATED", "False", "not 'False'", "environment: true or false"),
        ("ALLOW_UNAUTHENTICATED", 1, "not 1", "has to be True or False"),
        ("ALLOW_UNAUTHENTICATED", None, "not None", "has to be True or False"),
        ("REJECT_INVALID", "False", "not 'False'", "environment: true or false"),
        ("REJECT_INVALID", 0, "not 0", "has to be True or False"),
        (
            "ACCOUNT_IDS",
            [],
            "is empty, so that no event would be accepted",
            "list the accounts, or",
        ),
        (
            "ACCOUNT_IDS",
            "1, 2",
            "'1, 2' is not an account id",
            'use a list, such as ["123", "456"]',
        ),
        ("ACCOUNT_IDS", [""], "'' is not an account id", "one id per entry"),
        ("ACCOUNT_IDS", "['123']", "is not an account id", "use a list, such as"),
        ("ACCOUNT_IDS", "1\0", "is not an account id", "use a list, such as"),
        ("MAX_BODY_BYTES", 10**400, "but is larger", "at most 8388608"),
        ("MAX_ATTEMPTS", 2**31, "but is larger", "at most 1000000"),
        ("AGGREGATE_YEARS", 101, "but is larger", "at most 100"),
        ("TIME_ZONE", "Mars/Base", "'Mars/Base' is not a time zone", "such as Europe/Berlin"),
        ("TIME_ZONE", 1, "1 is not the name", "such as Europe/Berlin"),
        ("QUARANTINE_MAX", 10**40, "but is larger", "at most 1000000000"),
        ("RETENTION_DAYS", 10**40, "but is larger", "at most 36500"),
        ("FAILURE_CLASSES", {"e7": "recipient", "E7": "unknown"}, "is listed twice", "remove one"),
        ("LEDGER_URL", "postgresql+psycopg://u:p@db:x/y", "a port that is not a number", "as %3A"),
        ("LEDGER_URL", "postgresql+psycopg://db:/y", "a port that is not a number", "as a number"),
        ("LEDGER_URL", "mariadb+pymysql://db:a:1/y", "a port that is not a number", "as %3A"),
        ("ACCOUNT_IDS", ["1" * 256], "is not an account id", "one id per entry"),
        ("ACCOUNT_IDS", [True], "True is not an account id", "text or a whole number"),
        ("ACCOUNT_IDS", True, "True is not an account id", "text or a whole number"),
        ("ACCOUNT_IDS", [1.0], "1.0 is not an account id", "text or a whole number"),
        ("ACCOUNT_IDS", 1.0, "not a value of type float", "list of account ids"),
        ("ACCOUNT_IDS", {"a": 1}, "not a value of type dict", "list of account ids"),
        ("ACCOUNT_IDS", b"12", "not a value of type bytes", "list of account ids"),
        ("LEDGER_URL", None, "not None", SCHEMES),
        ("LEDGER_URL", "", "is not a supported URL", SCHEMES),
        ("LEDGER_URL", "memory://x", "is not a supported URL", SCHEMES),
        ("LEDGER_URL", "sqlite", "is not a supported URL", SCHEMES),
        ("LEDGER_URL", "postgres://db/events", "is of postgres", "write postgresql+psycopg://"),
        (
            "LEDGER_URL",
            "postgresql://db/events",
            "does not name a supported driver",
            "postgresql+psycopg://",
        ),
        ("LEDGER_URL", "postgresql+asyncpg://db/x", "is of postgresql", "postgresql+psycopg://"),
        ("LEDGER_URL", "mysql://db/events", "is of mysql", "write mariadb+pymysql://"),
        ("LEDGER_URL", "mariadb://db/events", "is of mariadb", "write mariadb+pymysql://"),
        ("LEDGER_URL", "oracle://db/events", "is not a supported URL", SCHEMES),
        ("LEDGER_URL", "postgresql+psycopg://a:1,b:2/x", "several hosts", "?host=<one>:5432&host="),
        ("LEDGER_URL", "mariadb+pymysql://a,b/x", "several hosts", "a proxy in front of them"),
        ("LEDGER_URL", "postgresql+psycopg://u:p@s@db/x", "more than one @", "password as %40"),
        ("LEDGER_URL", "mariadb+pymysql://u:@@@db:3306/x?a=1", "more than one @", "as %40"),
        ("LEDGER_URL", "sqlite://", "names no file", "sqlite:///<path>, or memory://"),
        ("LEDGER_URL", "sqlite:///:memory:", "names no file", "sqlite:///<path>, or memory://"),
        ("CAMPAIGN", 7, "not a value of type int", "a callable or a regular expression"),
        ("CAMPAIGN", "(", "'(' is not a regular expression", "unterminated subpattern"),
        ("CAMPAIGN", r"(\d", r"'(\d' is not a regular expression", "unterminated subpattern"),
        ("CAMPAIGN", "a{9999999999999}", "is not a regular expression", "too large"),
        ("CAMPAIGN", re.compile(b"x"), "not for bytes", "regular expression for text"),
        ("DISPATCH", "later", "not 'later'", '"inline", "deferred" or "celery"'),
        ("DISPATCH", None, "not None", '"inline", "deferred" or "celery"'),
        ("DISPATCH", [], "not []", '"inline", "deferred" or "celery"'),
        ("LEASE_SECONDS", "60", "not '60'", "has to be a number of seconds"),
        ("LEASE_SECONDS", True, "not True", "has to be a number of seconds"),
        ("LEASE_SECONDS", 0, "not 0", "more than 0 seconds"),
        ("LEASE_SECONDS", -1.5, "not -1.5", "more than 0 seconds"),
        ("LEASE_SECONDS", float("nan"), "not nan", "more than 0 seconds"),
        ("LEASE_SECONDS", float("inf"), "not inf", "more than 0 seconds"),
        pytest.param("LEASE_SECONDS", 10**400, "not 1000", "seconds", id="LEASE_SECONDS-huge"),
        *(("MAX_BODY_BYTES", value, repr(value), remedy) for value, remedy in NOT_WHOLE),
        *(("MAX_ATTEMPTS", value, repr(value), remedy) for value, remedy in NOT_WHOLE),
        *(("GIVE_UP_AFTER", value, repr(value), 'such as "7d"') for value in ("7", "week", True)),
        *(("GIVE_UP_AFTER", value, repr(value), "at most 365 days") for value in (0, "9999d")),
        ("HANDLER_SECONDS", "5m", "'5m'", "number of seconds"),
        *(("QUARANTINE_MAX", value, repr(value), remedy) for value, remedy in NOT_WHOLE),
        ("RETENTION_DAYS", "90", "not '90'", "whole number"),
        ("RETENTION_DAYS", 36, "at least 37, not 36", "a duplicate would pass as new"),
    ],
)
def test_wrong_values(key: str, value: Any, mistake: str, remedy: str) -> None:
    """A wrong value is refused with its key, the mistake and the remedy."""
    with pytest.raises(ConfigurationError) as caught:
        read(**{key: value})
    message = str(caught.value)
    assert message.startswith(f"FD_WHATSAPP_{key}: ")
    assert mistake in message
    assert remedy in message


@pytest.mark.parametrize("given", [{}, {"HEADERS": {}}])
def test_headers_are_required(given: dict[str, Any]) -> None:
    """Without headers the application does not start, and the message gives both remedies."""
    config = {f"{PREFIX}_{key}": value for key, value in given.items()}
    with pytest.raises(ConfigurationError, match=r"^FD_WHATSAPP_HEADERS is not set") as caught:
        Settings.from_config(config, PREFIX)
    assert "`python -m flask_fd_whatsapp setup --url" in str(caught.value)
    assert "FD_WHATSAPP_ALLOW_UNAUTHENTICATED = True" in str(caught.value)


def test_headers_may_be_left_out_on_demand() -> None:
    """``ALLOW_UNAUTHENTICATED`` alone lets a receiver run without headers."""
    settings = Settings.from_config({"FD_WHATSAPP_ALLOW_UNAUTHENTICATED": True}, PREFIX)
    assert settings.headers == {}


@pytest.mark.parametrize(
    ("typo", "nearest"),
    [
        ("HEADER", "HEADERS"),
        ("LEDGER", "LEDGER_URL"),
        ("ACCOUNT_ID", "ACCOUNT_IDS"),
        ("MAX_BODY_SIZE", "MAX_BODY_BYTES"),
        ("LEASE", "LEASE_SECONDS"),
        ("RETENTION", "RETENTION_DAYS"),
        ("CAMPAIGNS", "CAMPAIGN"),
    ],
)
def test_an_unknown_key_is_refused(typo: str, nearest: str) -> None:
    """An unknown key with the prefix is refused with the nearest known one."""
    with pytest.raises(ConfigurationError) as caught:
        read(**{typo: 1})
    message = str(caught.value)
    assert message.startswith(f"FD_WHATSAPP_{typo} is not a known setting")
    assert f"Did you mean FD_WHATSAPP_{nearest}?" in message


def test_another_receivers_keys_are_not_unknown() -> None:
    """A longer prefix is another receiver's, and each reads its own keys alone."""
    config = {
        "FD_WHATSAPP_HEADERS": {"X-A": "one"},
        "FD_WHATSAPP_EU_HEADERS": {"X-A": "two"},
        "FD_WHATSAPP_EU_MAX_ATTEMPTS": 3,
        "FD_WHATSAPPX": "the host's own",
    }
    first = Settings.from_config(config, PREFIX)
    second = Settings.from_config(config, "FD_WHATSAPP_EU")
    assert (first.headers["X-A"], first.max_attempts) == (("one",), 20)
    assert (second.headers["X-A"], second.max_attempts) == (("two",), 3)


def test_an_empty_second_prefix_is_a_typo() -> None:
    """A doubled underscore belongs to no other receiver and is refused as unknown."""
    with pytest.raises(ConfigurationError, match="Did you mean FD_WHATSAPP_MAX_ATTEMPTS"):
        read(_MAX_ATTEMPTS=3)


def test_messages_name_the_receivers_own_prefix() -> None:
    """A message names the key with this receiver's prefix."""
    with pytest.raises(ConfigurationError, match=r"^SUPPORT_MAX_ATTEMPTS: "):
        read("SUPPORT", MAX_ATTEMPTS=0)
    with pytest.raises(ConfigurationError, match=r"^SUPPORT_HEADERS is not set"):
        Settings.from_config({"FD_WHATSAPP_HEADERS": HEADERS}, "SUPPORT")
    with pytest.raises(ConfigurationError, match="Did you mean SUPPORT_DISPATCH"):
        read("SUPPORT", DISPATH="inline")
