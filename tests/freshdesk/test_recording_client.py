"""``current_client``: every point at which a send can end has its promised state."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_fd_whatsapp import (
    Account,
    ConfigurationError,
    FreshdeskWhatsApp,
    FreshdeskWhatsAppError,
    StatusEvent,
    current_ledger,
    status_changed,
)
from flask_fd_whatsapp.exceptions import LedgerUnavailable, NoSuchReceiver
from flask_fd_whatsapp.freshdesk import (
    AlreadySent,
    NotAllowed,
    RateLimited,
    Refused,
    SendUnknown,
    Unreachable,
    client_for,
    current_client,
)

from .catching_up import ACCOUNT, KEY, TEMPLATE, TO, System, system


@pytest.fixture
def host() -> Iterator[System]:
    with system() as running:
        yield running


def states(host: System) -> list[tuple[str, str | None]]:
    return [(one.state, one.message_id) for one in reversed(host.ledger.sends())]


def test_send_store_and_read(host: System) -> None:
    """A sent message is recorded with its id and campaign before any webhook."""
    sent = current_client.send(
        to=TO, template=TEMPLATE, external_reference_id="R1", campaign="spring"
    )
    found = current_ledger.message(sent.message_id)
    assert found is not None
    assert (found.status, found.account_id, found.campaign) == (None, ACCOUNT, "spring")
    assert (found.template, found.language) == ("order_update", "en")
    assert states(host) == [("sent", sent.message_id)]
    assert current_client.retrieve(sent.message_id).status == "QUEUED"


def test_the_campaign_is_that_of_the_reference() -> None:
    """Without a campaign, ``FD_WHATSAPP_CAMPAIGN`` extracts it from the reference."""
    with system(CAMPAIGN=r"^\w+") as host:
        host.send("spring-0001")
        assert [one.campaign for one in host.ledger.sends(campaign="spring")] == ["spring"]


def test_once_sends_with_a_reference_once(host: System) -> None:
    """With ``once`` a reference is used once, and the error has the earlier send."""
    message_id = host.send("R1", once=True)
    with pytest.raises(AlreadySent) as caught:
        host.send("R1", once=True)
    assert (caught.value.send.message_id, caught.value.send.state) == (message_id, "sent")
    assert len(host.simulator.messages) == 1


@pytest.mark.parametrize(
    ("trouble", "error", "state"),
    [
        ("cut-before", SendUnknown, "unknown"),
        ("cut-after", SendUnknown, "unknown"),
        ("half-json", SendUnknown, "unknown"),
        ("error-after", SendUnknown, "unknown"),
        ("redirect", Refused, "refused"),
    ],
)
def test_what_goes_wrong_is_kept(trouble: str, error: type[Exception], state: str) -> None:
    """Each way in which a call can fail leaves the state that says what is known."""
    with system(trouble=[trouble]) as host:
        with pytest.raises(error):
            host.send("R1", once=True)
        (send,) = host.ledger.sends()
        assert (send.state, send.message_id) == (state, None)
        assert send.error
        assert TO not in send.error
        assert KEY not in send.error


def test_a_wrong_key_is_refused(host: System) -> None:
    """A rejected key refuses the send, which can be repeated."""
    with system(API_KEY="wr0ngwr0ng") as other:
        with pytest.raises(NotAllowed):
            other.send("R1", once=True)
        assert states(other) == [("refused", None)]


def test_nobody_there_is_not_sent() -> None:
    """Without a connection nothing was sent, and the reference is free again."""
    with system(DOMAIN="http://127.0.0.1:9") as host:
        for _ in range(2):
            with pytest.raises(Unreachable):
                host.send("R1", once=True)
        assert states(host) == [("unsent", None), ("unsent", None)]


def test_an_unknown_send_is_settled_by_its_webhook() -> None:
    """The message of a send whose answer was lost is known by its reference."""
    with system(trouble=["cut-after"]) as host:
        with pytest.raises(SendUnknown):
            host.send("R1", once=True)
        (message,) = host.simulator.messages.values()
        receiver = host.app.extensions["fd_whatsapp"]["fd_whatsapp"]
        receiver.receive(message.posts[0].body(), {})
        assert states(host) == [("sent", message.id)]
        with pytest.raises(AlreadySent) as caught:
            host.send("R1", once=True)
        assert caught.value.send.message_id == message.id


def test_before_the_intent_nothing_is_posted(host: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the intent cannot be recorded, nothing is sent."""
    monkeypatch.setattr(host.ledger.send_record, "intend", failing)
    with pytest.raises(LedgerUnavailable, match="Nothing was sent"):
        host.send("R1")
    assert not host.limit.calls


def test_a_host_with_an_open_transaction_sends_nothing_on_sqlite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An open transaction blocks the intent, and the error says what to do."""
    file = tmp_path / "ledger.db"
    with system(ledger_url=f"sqlite:///{file}?timeout=0.05") as host:
        host.ledger.upgrade()
        with closing(sqlite3.connect(file, isolation_level=None)) as hosts_own:
            hosts_own.execute("CREATE TABLE ticket (id INTEGER)")
            hosts_own.execute("BEGIN IMMEDIATE")
            with pytest.raises(LedgerUnavailable, match="commit or roll back before sending"):
                host.send("R1")
        assert (host.ledger.sends(), host.limit.calls) == ([], [])


def test_a_host_that_has_begun_to_read_cannot_write_after_a_send_on_sqlite(tmp_path: Path) -> None:
    """This is why sending needs no open transaction: what was sent is recorded nevertheless."""
    file = tmp_path / "ledger.db"
    with system(ledger_url=f"sqlite:///{file}") as host:
        host.ledger.upgrade()
        with closing(sqlite3.connect(file, isolation_level=None)) as hosts_own:
            hosts_own.execute("CREATE TABLE ticket (id INTEGER)")
            hosts_own.execute("BEGIN")
            hosts_own.execute("SELECT * FROM ticket").fetchall()
            message_id = host.send("R1")
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                hosts_own.execute("INSERT INTO ticket VALUES (1)")
        assert states(host) == [("sent", message_id)]


def test_after_the_answer_it_was_sent(
    host: System, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If the ledger fails after the call, ``Sent`` is returned, and id and reference are logged."""
    monkeypatch.setattr(host.ledger.send_record, "sent", failing)
    message_id = host.send("R1")
    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert message_id in record.getMessage()
    assert "R1" in record.getMessage()
    assert TO not in caplog.text
    assert states(host) == [("sending", None)]


def test_what_cannot_be_kept_of_a_failure_is_unknown_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If the ledger fails after a failure, that is raised, and the send stays ``sending``."""
    with system(DOMAIN="http://127.0.0.1:9") as host:
        monkeypatch.setattr(host.ledger.send_record, "failed", failing)
        with pytest.raises(Unreachable):
            host.send("R1")
        assert states(host) == [("sending", None)]


def test_a_dead_process_leaves_what_is_settled_later(
    host: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies during the request leaves a send in progress."""
    monkeypatch.setattr(host.client, "post", dying)
    with pytest.raises(KeyboardInterrupt):
        host.send("R1", once=True)
    assert states(host) == [("sending", None)]


def test_the_rate_is_the_ledgers(host: System) -> None:
    """All processes share one pace: without a free call nothing is sent."""
    with system(CALLS_A_MINUTE=1) as slow:
        slow.send("R1")
        with pytest.raises(RateLimited):
            slow.send("R2", wait=0)
        assert len(slow.limit.calls) == 1
        assert [state for state, _ in states(slow)] == ["sent", "unsent"]
        (sent,) = slow.ledger.sends(state="sent")
        assert slow.client.asking.retrieve(sent.message_id or "").status == "QUEUED"


def test_not_inside_the_transaction(tmp_path: Path) -> None:
    """In a handler that has used the transaction, sending is an error at once."""
    told: list[Exception] = []
    with system(ledger_url=f"sqlite:///{tmp_path}/ledger.db") as host:

        @status_changed.connect_via(host.app)
        def answer(app: Flask, event: StatusEvent) -> None:
            current_client.send(to=TO, template=TEMPLATE, external_reference_id="before")
            assert current_ledger.transaction is not None
            try:
                host.send("inside")
            except FreshdeskWhatsAppError as error:
                told.append(error)

        message = host.simulator.send("R0")
        receiver = host.app.extensions["fd_whatsapp"]["fd_whatsapp"]
        receiver.receive(message.posts[0].body(), {})
        assert [one.external_reference_id for one in host.ledger.sends()] == ["before"]
        receiver.ledger.engine.dispose()
    assert "current_ledger.transaction" in str(told[0])


def test_which_client_is_meant(make_app: Callable[..., Flask]) -> None:
    """Without a key, without a receiver or with several, the error says what to do."""
    with make_app().app_context():
        with pytest.raises(ConfigurationError, match="FD_WHATSAPP_API_KEY is not set"):
            repr(current_client.send)
        with pytest.raises(NoSuchReceiver, match="the receivers are fd_whatsapp"):
            client_for("other")
    with Flask("bare").app_context(), pytest.raises(NoSuchReceiver, match="no FreshdeskWhatsApp"):
        repr(current_client.send)
    app = make_app(API_KEY=KEY, DOMAIN="acme.freshdesk.com", ACCOUNT_IDS=["1"])
    app.config.update(
        {f"B_{key}": app.config[f"FD_WHATSAPP_{key}"] for key in ("HEADERS", "API_KEY", "DOMAIN")},
        B_ACCOUNT_IDS=["2"],
    )
    app.register_blueprint(FreshdeskWhatsApp("b", config_prefix="B", url_prefix="/b"))
    with app.app_context():
        assert client_for("b").account_id == "2"
        with pytest.raises(NoSuchReceiver, match="client_for"):
            repr(current_client.send)


def test_accounts_of_several_receivers_that_have_one_key(make_app: Callable[..., Flask]) -> None:
    """The receiver has to be named: sending on another's behalf cannot be undone."""
    app = make_app()
    for name in ("europe", "america"):
        account = Account({"X": f"{name}-s3cret"}, [name], domain="acme.freshdesk.com", api_key=KEY)
        accounts = {"acme": account, name: account}
        app.config[f"{name.upper()}_LEDGER_URL"] = "memory://"
        app.register_blueprint(
            FreshdeskWhatsApp(
                name, config_prefix=name.upper(), url_prefix=f"/{name}", accounts=accounts
            )
        )
    with app.app_context():
        with pytest.raises(NoSuchReceiver, match="write 'europe/acme' or 'america/acme'"):
            client_for("acme")
        assert client_for("america/acme").account_id == "america"
        with pytest.raises(NoSuchReceiver, match="there is neither a receiver with that name"):
            client_for("europe/globex")
        with pytest.raises(ConfigurationError, match="name one by its key"):
            client_for("europe")


def test_a_handler_of_an_accounts_event_names_its_client() -> None:
    """A retry knows only the account's id, not its key, so the first attempt does not guess
    either.
    """
    told: list[Exception] = []
    with system() as host:
        api = {"domain": host.client.domain, "sender": "+14155550100"}
        account = Account({"X": "acme-s3cret"}, [ACCOUNT], api_key=KEY, **api)
        app = Flask("agency")
        app.testing = True
        app.register_blueprint(FreshdeskWhatsApp(accounts={"acme": account}))

        @status_changed.connect_via(app)
        def answer(app: Flask, event: StatusEvent) -> None:
            try:
                current_client.send(to=TO, template=TEMPLATE)
            except ConfigurationError as error:
                told.append(error)
            client_for("acme").send(to=TO, template=TEMPLATE, external_reference_id="answer")

        body = host.simulator.send("R1").posts[0].body()
        url = "/freshdesk/acme/whatsapp"
        assert (
            app.test_client().post(url, data=body, headers={"X": "acme-s3cret"}).status_code == 200
        )
        ledger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
        assert [one.external_reference_id for one in ledger.sends()] == ["answer"]
    assert "name one by its key, as in client_for(<key>)" in str(told[0])


def test_nothing_shows_the_key(host: System) -> None:
    """Neither the clients nor the receiver's settings show key or number."""
    shown = f"{host.client!r} {host.client.asking!r} {host.client.receiver.settings!r}"
    assert KEY not in shown
    assert "4155550100" not in shown


def failing(*_: Any, **__: Any) -> Any:
    raise LedgerUnavailable("The disk is full.")


def dying(*_: Any, **__: Any) -> Any:
    raise KeyboardInterrupt
