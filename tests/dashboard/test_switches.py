from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from flask_fd_whatsapp import Account, FreshdeskWhatsApp
from flask_fd_whatsapp.dashboard import Dashboard
from flask_fd_whatsapp.receiving.write_behind import finish_writes
from flask_fd_whatsapp.testing import EventBuilder, WhatsAppClient

from ..concurrency.threads import TIMEOUT
from .conftest import PAGES, let_in

SENT = {("fd_whatsapp", "1"): 1, ("uk", "2"): 2, ("uk", "3"): 4}
"""How many messages came to each receiver of each account."""


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    """Pages of two receivers on one ledger, one of them with two accounts."""
    app = Flask("host")
    for prefix in ("FD_WHATSAPP", "UK"):
        app.config[f"{prefix}_HEADERS"] = {"Authorization": f"Bearer {prefix}"}
        app.config[f"{prefix}_LEDGER_URL"] = f"sqlite:///{tmp_path / 'ledger.db'}"
        app.config[f"{prefix}_CAMPAIGN"] = r"^(\w+)-\d+$"
    app.register_blueprint(FreshdeskWhatsApp())
    app.register_blueprint(FreshdeskWhatsApp("uk", config_prefix="UK", url_prefix="/uk"))
    app.register_blueprint(Dashboard(guard=let_in))
    start = datetime.now(UTC) - timedelta(hours=2)
    for (receiver, account), count in SENT.items():
        for number in range(count):
            message = EventBuilder(
                external_reference_id=f"of{account}-{number}", account_id=account, start=start
            )
            WhatsAppClient(app, receiver).post(message.queued())
    return app.test_client()


@pytest.mark.parametrize(
    ("query", "known"),
    [
        ("", {("fd_whatsapp", "1"), ("uk", "2"), ("uk", "3")}),
        ("receiver=uk", {("uk", "2"), ("uk", "3")}),
        ("account=3", {("uk", "3")}),
        ("receiver=uk&account=2", {("uk", "2")}),
        ("receiver=fd_whatsapp&account=2", set()),
    ],
)
def test_receiver_and_account_narrow_every_page(
    client: FlaskClient, query: str, known: set[tuple[str, str]]
) -> None:
    """Figures, lists and CSV cover only the chosen receiver or account, and links keep the
    choice.
    """
    count = sum(SENT[one] for one in known)
    campaigns = {f"of{account}" for _, account in known}
    overview = client.get(f"{PAGES}/?{query}").text
    title = f"What became of {count} message" if count else "No message was sent in this period"
    assert title in overview
    if query:
        assert f"{PAGES}/campaigns?{query}".replace("&", "&amp;") in overview
    listed = client.get(f"{PAGES}/campaigns?{query}").text
    assert set(re.findall(r'href="[^"]*/campaign\?[^"]*\bcampaign=(\w+)', listed)) == campaigns
    assert len(client.get(f"{PAGES}/campaigns.csv?{query}").text.splitlines()) == 1 + len(known)
    assert len(client.get(f"{PAGES}/messages.csv?{query}").text.splitlines()) == 1 + count


def test_the_switches_have_what_can_be_chosen(client: FlaskClient) -> None:
    """All receivers, and the accounts of the receiver that is looked at."""
    text = client.get(f"{PAGES}/?receiver=uk").text
    assert re.findall(r'<option value="([^"]*)"', text) == ["", "fd_whatsapp", "uk", "", "2", "3"]


@pytest.mark.parametrize("is_callable", [False, True], ids=["a mapping", "a callable"])
def test_accounts_are_called_by_their_names(is_callable: bool) -> None:
    """The switch, the filters and a message's page say what people call an account, and its id.

    Where the application cannot say, the id alone is there.
    """
    known = {
        "acme": Account({"Authorization": "Bearer acme"}, ["1"], name="Acme <UK>"),
        "globex": Account({"Authorization": "Bearer globex"}, ["2"]),
        "broken": Account({"Authorization": "Bearer broken"}, ["3"], name="Initech"),
    }
    is_down = False

    def find(key: str) -> Account | None:
        if is_down and key == "broken":
            raise OSError("the database is down")
        return known.get(key)

    app = Flask("host")
    app.register_blueprint(FreshdeskWhatsApp(accounts=find if is_callable else known))
    app.register_blueprint(Dashboard(guard=let_in))
    messages = {key: EventBuilder(account_id=str(n)) for n, key in enumerate(known, 1)}
    for key, message in messages.items():
        WhatsAppClient(app, account=key).post(message.queued())
    finish_writes(TIMEOUT)
    lookup = app.extensions["fd_whatsapp"]["fd_whatsapp"].accounts
    lookup._known.clear()
    is_down = True
    client = app.test_client()
    text = client.get(f"{PAGES}/").text
    third = "3" if is_callable else "Initech (3)"
    labels = ["All accounts", "2", third, "Acme &lt;UK&gt; (1)"]
    assert sorted(re.findall(r"<option[^>]*>([^<]*)", text)) == sorted(labels)
    page = client.get(f"{PAGES}/message?id={messages['acme'].message_id}").text
    assert "Acme &lt;UK&gt; (1)" in page
    assert "account Acme &lt;UK&gt; (1)" in client.get(f"{PAGES}/messages?account=1").text
    for view in ("campaigns", "campaign?without=campaign", "failures", "operations"):
        assert client.get(f"{PAGES}/{view}").status_code == 200


@pytest.fixture
def many() -> FlaskClient:
    """Pages of a receiver with 500 accounts, one of which has had an event."""
    known = {
        f"a{n}": Account({"Authorization": f"Bearer a{n}"}, [str(1000 + n)], name=f"Shop {n}")
        for n in range(500)
    }
    app = Flask("host")
    app.register_blueprint(FreshdeskWhatsApp(accounts=known))
    app.register_blueprint(Dashboard(guard=let_in))
    for key, account_id in (("a7", "1007"), ("a8", "1008")):
        start = datetime.now(UTC) - timedelta(hours=2)
        message = EventBuilder(account_id=account_id, start=start)
        WhatsAppClient(app, account=key).post(message.queued())
    finish_writes(TIMEOUT)
    lookup = app.extensions["fd_whatsapp"]["fd_whatsapp"].accounts
    ledger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    assert len(lookup.keys(ledger)) == 500
    for number in range(60):
        ledger.expect(f"M{number}", account_id=str(1000 + number))
    return app.test_client()


def test_of_hundreds_of_accounts_one_is_typed(many: FlaskClient) -> None:
    """The page has a field with the first of them, not a list of all."""
    text = many.get(f"{PAGES}/").text
    assert text.count("<option") == 50
    assert '<input id="account" name="account"' in text
    assert '<select id="account"' not in text


@pytest.mark.parametrize("given", ["1007", "a7", "Shop 7", "shop 7", "Shop 7 (1007)"])
def test_an_account_is_typed_by_its_id_its_key_or_its_name(many: FlaskClient, given: str) -> None:
    """Whatever people call it, the page is of that account alone."""
    text = many.get(f"{PAGES}/", query_string={"account": given}).text
    assert "What became of 2 messages" in text
    assert 'name="account" size="14"' in text
    assert 'value="Shop 7 (1007)" autocomplete' in text


def test_an_account_that_is_typed_wrong_is_told(many: FlaskClient) -> None:
    """A name that none has is not taken for an account without messages."""
    text = many.get(f"{PAGES}/?account=Shopp").text
    assert "There is no account “Shopp”" in text
