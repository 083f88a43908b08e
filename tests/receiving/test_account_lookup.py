from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from flask import Flask, current_app, has_request_context
from werkzeug.test import TestResponse

from flask_fd_whatsapp import Account, ConfigurationError, FreshdeskWhatsApp, status_changed
from flask_fd_whatsapp.accounts import MOST_CHARACTERS, Accounts
from flask_fd_whatsapp.ledger import MemoryLedger
from flask_fd_whatsapp.receiving import account_lookup
from flask_fd_whatsapp.receiving.account_lookup import (
    CACHE_SECONDS,
    MOST_UNKNOWN,
    AccountLookup,
    AccountsUnavailable,
)
from flask_fd_whatsapp.receiving.receiver import Receiver

from ..conftest import Payload

ACME = Account({"Authorization": "Bearer acme"}, ["1"])
OTHER = Account({"X-Token": ["n3w-token", "0ld-token"]}, ["2", 3])


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Asked:
    """A callable for accounts, which records the keys it was called with."""

    def __init__(self, **accounts: Account) -> None:
        self.accounts = accounts
        self.keys: list[str] = []
        self.error: Exception | None = None

    def __call__(self, key: str) -> Account | None:
        self.keys.append(key)
        assert current_app
        if self.error is not None:
            raise self.error
        return self.accounts.get(key)


@pytest.fixture
def asked() -> Asked:
    return Asked(acme=ACME, other=OTHER)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def app_of(accounts: Accounts, clock: Clock | None = None, **options: Any) -> Flask:
    app = Flask("host")
    app.testing = True
    app.register_blueprint(FreshdeskWhatsApp(accounts=accounts, **options))
    if clock is not None:
        lookup_of(app)._clock = clock
    return app


def lookup_of(app: Flask) -> AccountLookup[Receiver]:
    lookup: AccountLookup[Receiver] = app.extensions["fd_whatsapp"]["fd_whatsapp"].accounts
    return lookup


def ledger_of(app: Flask) -> MemoryLedger:
    ledger: MemoryLedger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    return ledger


@pytest.fixture
def send(payload: Payload) -> Any:
    """Posts an event of an account id to an account's URL."""

    def send(app: Flask, key: str, account_id: str, **headers: str) -> TestResponse:
        body = json.dumps(payload("queued", account_id=account_id))
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return app.test_client().post(f"/freshdesk/{key}/whatsapp", data=body, headers=sent)

    return send


def test_account_is_added_without_a_restart(send: Any, asked: Asked, clock: Clock) -> None:
    """A new account is known within ten seconds, and a removed one unknown."""
    app = app_of(asked, clock)
    new = Account({"Authorization": "Bearer new"}, ["9"])
    assert send(app, "new", "9", Authorization="Bearer new").status_code == 401
    asked.accounts["new"] = new
    clock.now += CACHE_SECONDS
    assert send(app, "new", "9", Authorization="Bearer new").status_code == 200
    del asked.accounts["new"]
    clock.now += CACHE_SECONDS
    assert send(app, "new", "9", Authorization="Bearer new").status_code == 401


def test_mapping_is_looked_into_each_time(send: Any) -> None:
    """Changes of a mapping take effect at once."""
    accounts: dict[str, Account] = {}
    app = app_of(accounts)
    assert send(app, "acme", "1", Authorization="Bearer acme").status_code == 401
    accounts["acme"] = ACME
    assert send(app, "acme", "1", Authorization="Bearer acme").status_code == 200
    accounts["acme"] = Account({"Authorization": "Bearer changed"}, ["1"])
    assert send(app, "acme", "1", Authorization="Bearer acme").status_code == 401


def test_token_is_good_for_its_own_account(send: Any, asked: Asked) -> None:
    """A token is valid only for its own URL, and there only for events of its own ids."""
    app = app_of(asked)
    assert send(app, "other", "1", Authorization="Bearer acme").status_code == 401
    assert send(app, "acme", "2", Authorization="Bearer acme").status_code == 403
    assert ledger_of(app).events() == []
    assert send(app, "other", "2", X_Token="0ld-token").status_code == 200
    assert send(app, "other", "3", X_Token="n3w-token").status_code == 200
    assert [one.account_id for one in ledger_of(app).events()] == ["3", "2"]


def test_nobody_can_tell_which_accounts_exist(send: Any, asked: Asked) -> None:
    """An unknown account, a wrong token and none get the same answer, and so do probes."""
    app = app_of(asked)
    answers = {
        (answer.status_code, answer.data, tuple(sorted(answer.headers)))
        for key in ("acme", "other", "nobody", "x" * 1000, "%00", "%3Caccount%3E")
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"X_Token": "Bearer acme"})
        for answer in [send(app, key, "1", **headers)]
    }
    assert len(answers) == 1
    client = app.test_client()
    assert {client.get(f"/freshdesk/{key}/whatsapp").status_code for key in ("acme", "no")} == {204}
    assert client.post("/freshdesk/whatsapp").status_code == 404


def test_callable_is_asked_once_in_ten_seconds(send: Any, asked: Asked, clock: Clock) -> None:
    """An answer is cached for ten seconds, even ``None``; an impossible key is not looked up."""
    app = app_of(asked, clock)
    for _ in range(3):
        send(app, "acme", "1", Authorization="Bearer acme")
        send(app, "nobody", "1")
        send(app, "x" * (MOST_CHARACTERS + 1), "1")
        send(app, "%00", "1")
    assert asked.keys == ["acme", "nobody"]
    clock.now += CACHE_SECONDS - 0.1
    send(app, "acme", "1")
    assert len(asked.keys) == 2


def test_many_that_want_to_know_one_account_ask_once(asked: Asked, clock: Clock) -> None:
    """When a cached answer expires, one request asks, and the others wait for its answer."""
    lookup = lookup_of(app_of(asked, clock))
    begun, go_on = Event(), Event()

    def slow(key: str) -> Account | None:
        begun.set()
        assert go_on.wait(10)
        return asked(key)

    lookup._accounts = slow
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(lookup.find, "acme")
        assert begun.wait(10)
        others = [pool.submit(lookup.find, "acme") for _ in range(6)]
        assert lookup._questions.get().keys() == {"acme"}
        go_on.set()
        found = {id(one.result(10)) for one in (first, *others)}
    assert (asked.keys, len(found)) == (["acme"], 1)
    assert lookup._questions.get() == {}


def test_those_who_wait_fail_with_the_one_who_asks(asked: Asked, clock: Clock) -> None:
    """If the callable raises, waiting requests are answered with 503 and do not ask, too."""
    lookup = lookup_of(app_of(asked, clock))
    begun, go_on = Event(), Event()

    def broken(key: str) -> Account | None:
        begun.set()
        assert go_on.wait(10)
        asked.keys.append(key)
        raise RuntimeError("the database is down")

    def find(wait: bool) -> str:
        if wait:
            question = lookup._questions.get()["acme"]
            question.is_answered.wait = lambda _: go_on.set() or Event.wait(question.is_answered, 9)  # type: ignore[func-returns-value, method-assign]
        try:
            lookup.find("acme")
        except AccountsUnavailable as error:
            return type(error.__cause__).__name__
        return "found"

    lookup._accounts = broken
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(find, False)
        assert begun.wait(10)
        second = pool.submit(find, True)
        assert {first.result(10), second.result(10)} == {"RuntimeError"}
    assert asked.keys == ["acme"]


def test_nobody_waits_for_ever_for_another_that_asks(
    asked: Asked, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hanging callable delays the others for some seconds only."""
    monkeypatch.setattr(account_lookup, "WAIT_SECONDS", 0.01)
    lookup = lookup_of(app_of(asked, clock))

    def asks_itself(key: str) -> Account | None:
        lookup.find(key)
        raise AssertionError

    lookup._accounts = asks_itself
    with pytest.raises(AccountsUnavailable) as caught:
        lookup.find("acme")
    assert isinstance(caught.value.__cause__, AccountsUnavailable)
    assert isinstance(caught.value.__cause__.__cause__, TimeoutError)


def test_scanner_drives_no_account_out(asked: Asked, clock: Clock) -> None:
    """The cache of unknown keys is bounded and separate from known accounts."""
    lookup = lookup_of(app_of(asked, clock))
    acme = lookup.find("acme")
    for number in range(MOST_UNKNOWN + 10):
        assert lookup.find(f"scan{number}") is None
    assert len(lookup._unknown) == MOST_UNKNOWN
    assert lookup.find("acme") is acme
    assert asked.keys.count("acme") == 1


def test_accounts_that_cannot_be_found_out(
    send: Any, asked: Asked, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """A callable that raises, or returns something else, is a 503 and one line a minute."""
    app = app_of(asked, clock)
    asked.error = RuntimeError("the database is down")
    for key in ("acme", "nobody", "acme"):
        answer = send(app, key, "1", Authorization="Bearer acme")
        assert (answer.status_code, answer.headers["Retry-After"].isdigit()) == (503, True)
    assert [one.levelno for one in caplog.records] == [logging.ERROR]
    asked.error = None
    asked.accounts["text"] = "Bearer acme"  # type: ignore[assignment]
    assert send(app, "text", "1").status_code == 503
    assert send(app, "acme", "1", Authorization="Bearer acme").status_code == 200


def test_callable_has_an_application_context_of_its_own(send: Any) -> None:
    """What the callable leaves in ``g`` does not affect the request."""
    seen: list[object] = []

    def find(key: str) -> Account:
        from flask import g

        seen.append(getattr(g, "left", None))
        g.left = key
        return ACME

    app = app_of(find)
    lookup_of(app)._seconds = 0
    for _ in range(2):
        assert send(app, "acme", "1", Authorization="Bearer acme").status_code == 200
    assert seen == [None, None]


def test_handlers_get_the_events_of_all_accounts(send: Any, asked: Asked) -> None:
    """Events of all accounts go to the same handlers, outside the request."""
    app = app_of(asked)
    seen: list[tuple[str, bool]] = []

    def sync(app: Flask, event: Any) -> None:
        seen.append((event.account_id, has_request_context()))

    status_changed.connect(sync)
    send(app, "acme", "1", Authorization="Bearer acme")
    send(app, "other", "2", X_Token="n3w-token")
    assert seen == [("1", False), ("2", False)]


def test_body_that_is_refused_is_on_a_shelf_of_its_own(send: Any, asked: Asked) -> None:
    """An account's quarantined body belongs to its own URL, where it is replayed."""
    app = app_of(asked)
    assert send(app, "acme", "2", Authorization="Bearer acme").status_code == 403
    (kept,) = ledger_of(app).quarantined(receiver="fd_whatsapp")
    assert (kept.receiver, kept.reason) == ("fd_whatsapp/acme", "account")
    assert ledger_of(app).overview.backlog(receiver="fd_whatsapp").quarantined == 1
    assert ledger_of(app).quarantined(receiver="fd") == []
    result = app.test_cli_runner().invoke(args=["fd-whatsapp", "quarantine", "replay", "--all"])
    assert (result.exit_code, f"{kept.id} stays in quarantine (account)" in result.output) == (
        1,
        True,
    )
    assert ledger_of(app).events() == []


def test_keys_that_the_ledger_has_seen(send: Any, asked: Asked) -> None:
    """With a callable, commands know the accounts that have posted; with a mapping, all."""
    app = app_of(asked)
    assert lookup_of(app).keys(ledger_of(app)) == []
    send(app, "other", "2", X_Token="n3w-token")
    send(app, "acme", "1", Authorization="Bearer wrong")
    from flask_fd_whatsapp.receiving.write_behind import finish_writes

    finish_writes(5)
    assert lookup_of(app).keys(ledger_of(app)) == ["other"]
    assert lookup_of(app_of({"b": ACME, "a": OTHER})).keys(ledger_of(app)) == ["a", "b"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"HEADERS": {"Authorization": "x"}}, "FD_WHATSAPP_HEADERS is set together with accounts="),
        ({"ACCOUNT_IDS": ["1"]}, "FD_WHATSAPP_ACCOUNT_IDS is set"),
        ({"ALLOW_UNAUTHENTICATED": True}, "FD_WHATSAPP_ALLOW_UNAUTHENTICATED is set"),
    ],
)
def test_settings_of_one_account_are_refused(settings: dict[str, Any], said: str) -> None:
    """Settings of each account cannot also be set for all of them."""
    app = Flask("host")
    app.config.update({f"FD_WHATSAPP_{name}": value for name, value in settings.items()})
    with pytest.raises(ConfigurationError, match=said):
        app.register_blueprint(FreshdeskWhatsApp(accounts={}))


def test_name_that_no_ledger_keeps_is_refused() -> None:
    """Data of an account is stored under the receiver's name and its key: both have to fit."""
    app = Flask("host")
    app.testing = True
    app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": "x"}
    app.register_blueprint(FreshdeskWhatsApp("n" * 200))
    for name, accounts, most in (("n" * 201, None, 200), ("n" * 100, {}, 99), ("a/b", None, 200)):
        with pytest.raises(ConfigurationError, match=f"has up to {most} characters"):
            Flask("host").register_blueprint(FreshdeskWhatsApp(name, accounts=accounts))
    Flask("host").register_blueprint(FreshdeskWhatsApp("n" * 99, accounts={}))


def test_accounts_that_are_neither_mapping_nor_callable() -> None:
    """A list of accounts, say, is an error at once."""
    with pytest.raises(ConfigurationError, match="has to be a mapping from keys"):
        FreshdeskWhatsApp(accounts=[ACME])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("accounts", "problem"),
    [
        ({17: ACME}, "the key 17 cannot be part of a URL"),
        ({"a/b": ACME}, "'a/b' cannot be part"),
        ({"": ACME}, "'' cannot be part"),
        ({"a" * (MOST_CHARACTERS + 1): ACME}, "cannot be part"),
        ({"acme": {"headers": {}}}, "'acme' has to be an Account, not dict"),
    ],
    ids=["number", "slash", "empty", "long", "no account"],
)
def test_a_mapping_that_could_never_work_is_refused(accounts: Any, problem: str) -> None:
    """An impossible key, or a value that is not an Account, is an error at once."""
    with pytest.raises(ConfigurationError, match=problem):
        FreshdeskWhatsApp(accounts=accounts)
