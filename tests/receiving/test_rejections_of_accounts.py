"""Each account's rejections are reported separately, and strangers learn nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_fd_whatsapp import Account, FreshdeskWhatsApp
from flask_fd_whatsapp.monitoring.attention import limits_of, problems
from flask_fd_whatsapp.monitoring.standing import standing_of
from flask_fd_whatsapp.receiving.write_behind import finish_writes

from ..conftest import Payload

KEYS = ("acme", "other")


class Accounts:
    """An application with accounts, and the state of each in the ledger."""

    def __init__(self, folder: Path, payload: Payload, **settings: object) -> None:
        self.app = app = Flask("host", instance_path=str(folder))
        app.testing = True
        app.config["FD_WHATSAPP_LEDGER_URL"] = f"sqlite:///{folder / 'ledger.db'}"
        app.config.update({f"FD_WHATSAPP_{name}": value for name, value in settings.items()})
        self.accounts = {
            key: Account({"Authorization": f"Bearer {key}"}, [key], name=key.title())
            for key in KEYS
        }
        app.register_blueprint(FreshdeskWhatsApp(accounts=self.accounts))
        self.receiver = app.extensions["fd_whatsapp"]["fd_whatsapp"]
        self._payload = payload
        self._sent = 0

    def send(self, key: str, token: str | None = None, **changes: Any) -> int:
        self._sent += 1
        message_id = f"M{self._sent}"
        body = self._payload(**{"account_id": key, "data__message_id": message_id, **changes})
        headers = {"Authorization": f"Bearer {token or key}"}
        answer = self.app.test_client().post(
            f"/freshdesk/{key}/whatsapp", data=json.dumps(body), headers=headers
        )
        return answer.status_code

    def problems(self) -> list[str]:
        finish_writes(5)
        standing = standing_of(self.receiver, self.receiver.ledger)
        return problems(standing, limits_of(self.receiver))

    def rejected(self) -> dict[str, tuple[str, bool]]:
        finish_writes(5)
        found = self.receiver.ledger.rejections.last(receiver="fd_whatsapp")
        return {one.receiver: (one.reason, one.has_no_header) for one in found}


@pytest.fixture
def accounts(tmp_path: Path, payload: Payload, empty_ledger_file: Path) -> Iterator[Accounts]:
    (tmp_path / "ledger.db").write_bytes(empty_ledger_file.read_bytes())
    made = Accounts(tmp_path, payload)
    yield made
    made.receiver.ledger.engine.dispose()


def test_traffic_of_one_account_hides_no_wrong_token_of_another(accounts: Accounts) -> None:
    """An account whose last request was rejected needs attention, whatever other accounts send."""
    assert (accounts.send("acme"), accounts.send("other")) == (200, 200)
    assert accounts.problems() == []
    assert accounts.send("acme", "changed") == 401
    assert accounts.send("other") == 200
    (problem,) = accounts.problems()
    assert "the last request to fd_whatsapp/acme" in problem
    assert "(401 unauthenticated)" in problem
    assert "see the headers of the Account 'acme'" in problem
    assert accounts.send("other", "wrong", account_id="acme") == 401
    (problem,) = accounts.problems()
    assert "The same is true of 1 other account" in problem
    assert (accounts.send("acme"), accounts.send("other")) == (200, 200)
    assert accounts.problems() == []


def test_event_of_another_id_needs_attention(accounts: Accounts) -> None:
    """A form that posts another account's events is reported, although others' events arrive."""
    assert (accounts.send("acme", account_id="7"), accounts.send("other")) == (403, 200)
    (problem,) = accounts.problems()
    assert "(403 account)" in problem
    assert accounts.receiver.ledger.rejections.acknowledge(receiver="fd_whatsapp") == 1
    assert accounts.problems() == []


def test_what_the_api_tells_is_nothing_that_the_webhook_brought(accounts: Accounts) -> None:
    """A rejected account stays reported, even if its messages are asked about."""
    assert accounts.send("acme", "changed") == 401
    own = accounts.receiver.accounts.find("acme")
    body = json.dumps(accounts._payload(account_id="acme"))
    finish_writes(5)
    own.tell(body.encode())
    problems = accounts.problems()
    assert [problem for problem in problems if "last request to fd_whatsapp/acme" in problem]


def test_made_up_account_needs_no_attention(accounts: Accounts) -> None:
    """A scanner with headers for unknown accounts is one entry, for any number of keys."""
    for number in range(50):
        assert accounts.send(f"scan{number}", "guess") == 401
    assert accounts.problems() == []
    assert accounts.rejected() == {"fd_whatsapp": ("unauthenticated", True)}


def test_account_that_is_gone_needs_no_attention(accounts: Accounts) -> None:
    """Rejections of a removed account need no attention."""
    assert accounts.send("acme", "changed") == 401
    assert len(accounts.problems()) == 1
    del accounts.accounts["acme"]
    assert accounts.problems() == []


def test_each_account_has_lines_of_its_own(
    accounts: Accounts, caplog: pytest.LogCaptureFixture
) -> None:
    """Each account has its own log line a minute; made-up accounts share one."""
    for key in (*KEYS, "scan1", "scan2", *KEYS):
        assert accounts.send(key, "wrong") == 401
    finish_writes(5)
    lines = [one.getMessage().partition(":")[0] for one in caplog.records]
    assert sorted(lines) == ["fd_whatsapp", "fd_whatsapp/acme", "fd_whatsapp/other"]


def test_no_answer_to_a_stranger_waits(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Timing does not reveal whether an account exists: no 401 waits for a note."""
    from flask_fd_whatsapp.receiving import write_behind

    waits: list[float] = []
    put = write_behind.WriteBehind.put

    def watched(self: Any, kind: Any, write: Any, *, wait: float = 0) -> None:
        waits.append(wait)
        put(self, kind, write, wait=wait)

    monkeypatch.setattr(write_behind.WriteBehind, "put", watched)
    assert {accounts.send(key, "wrong") for key in (*KEYS, "nobody")} == {401}
    assert set(waits) == {0}
    assert len(waits) == 6, "a note and a line of each, beside the answer"


def test_quarantine_of_each_account_has_a_bound_of_its_own(
    tmp_path: Path, payload: Payload, empty_ledger_file: Path
) -> None:
    """One account's unusable bodies do not evict another's."""
    (tmp_path / "ledger.db").write_bytes(empty_ledger_file.read_bytes())
    made = Accounts(tmp_path, payload, QUARANTINE_MAX=2)
    for key in ("acme", "other", "other", "other"):
        assert made.send(key, account_id="7") == 403
    kept = [one.receiver for one in made.receiver.ledger.quarantined()]
    assert sorted(kept) == ["fd_whatsapp/acme", "fd_whatsapp/other", "fd_whatsapp/other"]
    made.receiver.ledger.engine.dispose()


def test_limit_of_rejections_holds_for_each_account(accounts: Accounts) -> None:
    """An account whose last event is not much older than its rejection is fine."""
    assert accounts.send("acme") == 200
    assert accounts.send("acme", "changed") == 401
    finish_writes(5)
    told = {
        limit: standing_of(
            accounts.receiver, accounts.receiver.ledger, max_rejected=limit
        ).turned_away
        for limit in (None, timedelta(), timedelta(hours=1))
    }
    away = frozenset({"fd_whatsapp/acme"})
    assert told == {None: away, timedelta(): away, timedelta(hours=1): frozenset()}
