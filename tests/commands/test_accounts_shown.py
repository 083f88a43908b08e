from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from flask_fd_whatsapp import Account, ConfigurationError, FreshdeskWhatsApp
from flask_fd_whatsapp.accounts import Accounts
from flask_fd_whatsapp.freshdesk import client_for
from flask_fd_whatsapp.ledger.send_records import SendIntent, SendState
from flask_fd_whatsapp.receiving.account_lookup import AccountsUnavailable
from flask_fd_whatsapp.receiving.write_behind import finish_writes

from ..conftest import TOKEN, MakeApp, Payload
from .conftest import Post, RunCommand, RunJSON, ledger_of, url_in

ACME = Account({"Authorization": "Bearer acme-s3cret"}, ["1"])
OTHER = Account(
    {"X-Token": ["n3w-s3cret", "0ld-s3cret"]}, ["2"], name="Other Ltd", retention_days=400
)


def app_of(accounts: Accounts, tmp_path: Path) -> Flask:
    app = Flask("host", instance_path=str(tmp_path))
    app.testing = True
    app.config["FD_WHATSAPP_LEDGER_URL"] = url_in(tmp_path)
    app.register_blueprint(FreshdeskWhatsApp(accounts=accounts))
    return app


@pytest.fixture
def app(tmp_path: Path, empty_ledger_file: Path) -> Any:
    """An application with a callable for accounts, one of which has posted, and another has been
    removed.
    """
    (tmp_path / "ledger.db").write_bytes(empty_ledger_file.read_bytes())
    accounts = {"acme": ACME, "other": OTHER, "gone": Account({"X-Token": "gone-s3cret"}, ["3"])}
    app = app_of(accounts.get, tmp_path)
    yield app
    ledger_of(app).engine.dispose()  # type: ignore[attr-defined]


def post_to(app: Flask, payload: Payload, key: str, **changes: Any) -> int:
    account = app.extensions["fd_whatsapp"]["fd_whatsapp"].accounts.find(key)
    headers = {name: values[0] for name, values in account.settings.headers.items()}
    body = json.dumps(payload("queued", **changes))
    return app.test_client().post(account.url, data=body, headers=headers).status_code


def test_check_is_a_line_an_account(
    app: Flask, run: RunCommand, run_json: RunJSON, payload: Payload, tmp_path: Path
) -> None:
    """Each account that has posted has a line without secrets; a removed one is a warning."""
    assert post_to(app, payload, "other", account_id="2") == 200
    assert post_to(app, payload, "gone", account_id="3") == 200
    finish_writes(5)
    later = app_of({"other": OTHER}.get, tmp_path)
    result = run(later, "check")
    assert result.exit_code == 0, result.output
    (line,) = [line for line in result.output.splitlines() if line.startswith("  Account ")]
    assert line.startswith("  Account other (Other Ltd): ids 2; X-Token; last used 20")
    assert "FD_WHATSAPP_MAX_ATTEMPTS" not in result.output
    assert "FD_WHATSAPP_MAX_ATTEMPTS" in run(later, "check", "--verbose").output
    assert "Account 'gone' has posted events but is no longer known" in result.output
    assert "s3cret" not in result.output
    (report,) = run_json(later, "check")["receivers"]
    assert [(one["account"], one["headers"]) for one in report["accounts"]] == [
        ("other", {"X-Token": 2})
    ]
    ledger_of(later).engine.dispose()  # type: ignore[attr-defined]


def test_check_finds_an_id_that_two_accounts_have(
    app: Flask, run: RunCommand, tmp_path: Path
) -> None:
    """Two accounts with one id could write each other's messages, which is an error."""
    twice = app_of({"a": ACME, "b": Account({"X": "b-s3cret"}, ["1", "5"])}, tmp_path)
    result = run(twice, "check")
    assert (result.exit_code, "The id 1 is in the account_ids of a, b" in result.output) == (
        1,
        True,
    )
    ledger_of(twice).engine.dispose()  # type: ignore[attr-defined]


def test_check_of_several_receivers_is_a_line_each(make_durable: MakeApp, run: RunCommand) -> None:
    """With several receivers, settings are shown only on request."""
    app = make_durable()
    app.config["FD_WHATSAPP_TWO_HEADERS"] = {"Authorization": TOKEN}
    app.config["FD_WHATSAPP_TWO_LEDGER_URL"] = app.config["FD_WHATSAPP_LEDGER_URL"]
    app.register_blueprint(
        FreshdeskWhatsApp("two", config_prefix="FD_WHATSAPP_TWO", url_prefix="/two")
    )
    result = run(app, "check").output
    assert "two: POST /two/whatsapp, SQLLedger (durable)" in result
    assert "FD_WHATSAPP_TWO_MAX_ATTEMPTS" not in result
    assert "FD_WHATSAPP_TWO_MAX_ATTEMPTS" in run(app, "check", "--verbose").output


def test_events_of_all_receivers_of_a_ledger(
    make_durable: MakeApp, run: RunCommand, run_json: RunJSON, post: Post
) -> None:
    """Events and messages are searched for in the ledger that all receivers share."""
    app = make_durable()
    app.config["FD_WHATSAPP_TWO_HEADERS"] = {"Authorization": TOKEN}
    app.config["FD_WHATSAPP_TWO_LEDGER_URL"] = app.config["FD_WHATSAPP_LEDGER_URL"]
    app.register_blueprint(
        FreshdeskWhatsApp("two", config_prefix="FD_WHATSAPP_TWO", url_prefix="/two")
    )
    post(app, data__message_id="M1")
    post(app, url="/two/whatsapp", data__message_id="M2", account_id="2")

    def listed(*arguments: str) -> list[str]:
        return [one["message_id"] for one in run_json(app, "events", *arguments)["events"]]

    assert listed() == ["M2", "M1"]
    assert listed("--receiver", "two") == listed("--account", "2") == ["M2"]
    assert run(app, "message", "M2").exit_code == run(app, "messages").exit_code == 0


def test_ledger_that_was_forgotten(make_app: MakeApp) -> None:
    """A receiver next to one with a database must say where its own events go."""
    app = make_app(LEDGER_URL="sqlite:///ledger.db")
    app.config["FD_WHATSAPP_TWO_HEADERS"] = {"Authorization": TOKEN}
    two = FreshdeskWhatsApp("two", config_prefix="FD_WHATSAPP_TWO", url_prefix="/two")
    with pytest.raises(ConfigurationError, match="FD_WHATSAPP_TWO_LEDGER_URL is not set, but"):
        app.register_blueprint(two)
    app.config["FD_WHATSAPP_TWO_LEDGER_URL"] = "memory://"
    other = FreshdeskWhatsApp("other", config_prefix="FD_WHATSAPP_TWO", url_prefix="/two")
    app.register_blueprint(other)


def test_client_of_an_account(app: Flask, tmp_path: Path) -> None:
    """``client_for`` returns an account's client, and a new one if its key was changed."""
    accounts = {"acme": ACME}
    app = app_of(accounts, tmp_path)
    api = {"domain": "acme.freshdesk.com", "sender": "+4930123456"}
    with app.app_context():
        accounts["acme"] = Account(ACME.headers, ["1"], api_key="first", **api)
        first = client_for("acme")
        assert (first.account_id, client_for("acme") is first) == ("1", True)
        accounts["acme"] = Account(ACME.headers, ["1"], api_key="second", **api)
        assert client_for("acme") is not first
    ledger_of(app).engine.dispose()  # type: ignore[attr-defined]


def test_form_of_an_account(app: Flask, run: RunCommand) -> None:
    """``setup`` prints an account's form, with its own headers and URL."""
    url = "https://example.com/freshdesk/other/whatsapp"
    result = run(app, "setup", "--url", url, "--account", "other")
    assert (result.exit_code, "X-Token" in result.output) == (0, True), result.output
    unknown = run(app, "setup", "--url", url)
    assert (unknown.exit_code, "with --account" in unknown.output) == (2, True)


def make_old(app: Flask, days: int) -> None:
    with ledger_of(app).engine.begin() as connection:  # type: ignore[attr-defined]
        ago = f"datetime('now', '-{days} days') || '.000000'"
        connection.exec_driver_sql(
            f"UPDATE fd_whatsapp_message SET first_seen = {ago}, last_seen = {ago}"
        )
        connection.exec_driver_sql(f"UPDATE fd_whatsapp_event SET received_at = {ago}")


def left_after(app: Flask, run_json: RunJSON, days: int) -> set[str]:
    """The accounts that still have events after pruning, if all events were this old."""
    make_old(app, days)
    run_json(app, "prune")
    return {event.account_id for event in ledger_of(app).events()}


def test_prune_keeps_an_account_as_long_as_it_says(
    app: Flask, run: RunCommand, run_json: RunJSON, payload: Payload, tmp_path: Path
) -> None:
    """An account's own retention takes precedence over the receiver's, whether longer or
    shorter.
    """
    accounts = {"acme": ACME, "other": OTHER, "brief": Account({"X": "brief-s3cret"}, ["4"])}
    app = app_of(accounts, tmp_path)
    accounts["brief"] = Account({"X": "brief-s3cret"}, ["4"], retention_days=40)
    for key, account_id in (("acme", "1"), ("other", "2"), ("brief", "4")):
        assert post_to(app, payload, key, account_id=account_id) == 200

    assert left_after(app, run_json, 60) == {"1", "2"}
    assert left_after(app, run_json, 100) == {"2"}
    assert left_after(app, run_json, 401) == set()
    ledger_of(app).engine.dispose()  # type: ignore[attr-defined]


def test_prune_forgets_what_reached_two_receivers(
    run_json: RunJSON, payload: Payload, tmp_path: Path, empty_ledger_file: Path
) -> None:
    """Messages of two receivers are pruned after the longer retention of their account."""
    (tmp_path / "ledger.db").write_bytes(empty_ledger_file.read_bytes())
    brief = Account({"X": "brief-s3cret"}, ["4"], retention_days=40)
    app = app_of({"acme": ACME, "other": OTHER, "brief": brief}, tmp_path)
    app.config["FD_WHATSAPP_TWO_LEDGER_URL"] = app.config["FD_WHATSAPP_LEDGER_URL"]
    app.register_blueprint(
        FreshdeskWhatsApp(
            "two",
            config_prefix="FD_WHATSAPP_TWO",
            url_prefix="/two",
            accounts={"acme": ACME, "other": OTHER},
        )
    )
    for key, account_id in (("acme", "1"), ("other", "2")):
        assert post_to(app, payload, key, account_id=account_id) == 200
        account = app.extensions["fd_whatsapp"]["two"].accounts.find(key)
        headers = {name: values[0] for name, values in account.settings.headers.items()}
        body = json.dumps(payload("sent", account_id=account_id))
        assert app.test_client().post(account.url, data=body, headers=headers).status_code == 200
    assert post_to(app, payload, "brief", account_id="4") == 200
    assert left_after(app, run_json, 60) == {"1", "2"}
    assert left_after(app, run_json, 100) == {"2"}
    assert left_after(app, run_json, 401) == set()
    ledger_of(app).engine.dispose()  # type: ignore[attr-defined]


def test_account_that_only_sent_is_known_to_the_commands(app: Flask, payload: Payload) -> None:
    """What the API reported about an account counts as its own, even without any webhook."""
    receiver = app.extensions["fd_whatsapp"]["fd_whatsapp"]
    other = receiver.accounts.find("other")
    assert receiver.accounts.keys(receiver.ledger) == []
    other.tell(json.dumps(payload("queued", account_id="2")).encode())
    finish_writes(5)
    assert receiver.accounts.keys(receiver.ledger) == ["other"]


def test_account_is_noted_before_it_is_answered(app: Flask, payload: Payload) -> None:
    """After an account's first answer the ledger knows its key, which pruning uses."""
    receiver = app.extensions["fd_whatsapp"]["fd_whatsapp"]
    assert post_to(app, payload, "other", account_id="2") == 200
    assert receiver.accounts.keys(receiver.ledger) == ["other"]


@pytest.fixture
def of_two(app: Flask, payload: Payload) -> Flask:
    """An event, and a body in quarantine, of each of two accounts."""
    for key, account_id in (("acme", "1"), ("other", "2")):
        changes = {"account_id": account_id, "data__message_id": f"M-{key}"}
        assert post_to(app, payload, key, **changes) == 200
        assert post_to(app, payload, key, account_id="9") == 403
    finish_writes(5)
    return app


@pytest.mark.parametrize("given", ["other", "2"])
def test_account_is_meant_by_its_key_or_its_id(
    of_two: Flask, run_json: RunJSON, given: str
) -> None:
    """In all commands that list, --account takes the key of an account or one of its ids."""
    chosen = ("--account", given)
    listed = run_json(of_two, "events", *chosen)["events"]
    assert [one["message_id"] for one in listed] == ["M-other"]
    assert [one["message"] for one in messages_of(of_two, given)] == ["M-other"]
    (found,) = run_json(of_two, "message", "M-other", *chosen)["messages"]
    assert found["account_id"] == "2"
    assert run_json(of_two, "report", *chosen)["total"]["known"] == 1
    assert sum(one["known"] for one in run_json(of_two, "campaigns", *chosen)["groups"]) == 1
    (kept,) = run_json(of_two, "quarantine", "list", *chosen)["quarantined"]
    assert kept["receiver"] == "fd_whatsapp/other"
    assert run_json(of_two, "sends", *chosen)["sends"] == []
    (stand,) = run_json(of_two, "status", *chosen, status=1)["receivers"]
    assert (stand["receiver"], stand["quarantined"]) == ("fd_whatsapp/other", 1)
    assert [one["reason"] for one in stand["rejections"]] == ["account"]


def messages_of(app: Flask, account: str) -> Any:
    arguments = ["fd-whatsapp", "messages", "--account", account, "--json"]
    return json.loads(app.test_cli_runner().invoke(args=arguments).stdout)["messages"]


def test_erasing_for_an_account_by_its_key(of_two: Flask, run: RunCommand) -> None:
    """``forget`` also takes the key of an account, and leaves other accounts' messages."""
    erased = run(of_two, "forget", "--message", "M-other", "--account", "acme", "--yes")
    assert erased.output.startswith("Erased 0 messages")
    erased = run(of_two, "forget", "--message", "M-other", "--account", "other", "--yes")
    assert erased.output.startswith("Erased 1 message,")


def test_account_that_may_be_one_of_several(tmp_path: Path, run: RunCommand) -> None:
    """A key with several ids, or one that is another account's id, is an error that says how to
    choose.
    """
    accounts = {
        "several": Account({"X": "a-s3cret"}, ["1", "2"]),
        "3": Account({"X": "b-s3cret"}, ["4"]),
        "three": Account({"X": "c-s3cret"}, ["3"]),
    }
    app = app_of(accounts, tmp_path)
    run(app, "upgrade")
    for given, said in (("several", "has several ids"), ("3", "is the key of one account, and")):
        result = run(app, "events", "--account", given)
        assert (result.exit_code, said in " ".join(result.output.split())) == (2, True)
    unknown = run(app, "status", "--account", "nobody")
    assert (unknown.exit_code, "There is no account 'nobody'" in unknown.output) == (2, True)
    ledger_of(app).engine.dispose()  # type: ignore[attr-defined]


def test_status_of_an_account_tells_of_its_sends(
    of_two: Flask, run_json: RunJSON, payload: Payload
) -> None:
    """Unknown sends, and events that only the API reported, count for their own account."""
    record = ledger_of(of_two).send_record
    intent = SendIntent(receiver="fd_whatsapp", account_id="2", external_reference_id="R1")
    record.failed(record.intend(intent), SendState.UNKNOWN, "no answer")
    receiver = of_two.extensions["fd_whatsapp"]["fd_whatsapp"].accounts.find("other")
    told = payload("sent", account_id="2", data__message_id="M-other")
    receiver.tell(json.dumps(told).encode())
    for key, count in (("other", 1), ("acme", 0)):
        (stand,) = run_json(of_two, "status", "--account", key, status=1)["receivers"]
        assert (stand["unknown_sends"], stand["told_by_api"]) == (count, count)


def test_status_names_the_account_that_was_turned_away(of_two: Flask, run: RunCommand) -> None:
    """Each rejection names its account."""
    told = run(of_two, "status").output
    assert "403 account of account other (Other Ltd), " in told
    assert "403 account of account acme, " in told


def test_queries_of_status_do_not_grow_with_accounts(
    tmp_path: Path, run: RunCommand, payload: Payload, empty_ledger_file: Path
) -> None:
    """``status`` and ``check`` query the ledger equally often for any number of accounts."""
    (tmp_path / "ledger.db").write_bytes(empty_ledger_file.read_bytes())
    accounts = {"a0": Account({"X": "s3cret-0"}, ["100"])}
    app = app_of(accounts, tmp_path)
    engine = ledger_of(app).engine  # type: ignore[attr-defined]
    assert post_to(app, payload, "a0", account_id="100") == 200
    finish_writes(5)
    asked: list[str] = []

    def note(*details: Any) -> None:
        asked.append(details[2])

    def asked_by(command: str) -> int:
        asked.clear()
        assert run(app, command).exit_code == 0
        return len(asked)

    event.listen(engine, "before_cursor_execute", note)
    before = [asked_by(command) for command in ("status", "check")]
    for number in range(1, 40):
        accounts[f"a{number}"] = Account({"X": f"s3cret-{number}"}, [str(100 + number)])
        changes = {"account_id": str(100 + number), "data__message_id": f"M{number}"}
        assert post_to(app, payload, f"a{number}", **changes) == 200
    finish_writes(5)
    assert [asked_by(command) for command in ("status", "check")] == before
    engine.dispose()


def test_prune_goes_on_after_an_account_that_cannot_be_looked_up(
    tmp_path: Path, run: RunCommand, payload: Payload
) -> None:
    """What may be its own stays, all others go, also of two receivers; the problem names it."""
    is_down = False

    def find(key: str) -> Account | None:
        if is_down:
            raise OSError("the database is down")
        return {"acme": ACME}.get(key)

    app = app_of(find, tmp_path)
    app.config["TWO_LEDGER_URL"] = url_in(tmp_path)
    app.config["TWO_HEADERS"] = {"Authorization": TOKEN}
    app.register_blueprint(FreshdeskWhatsApp("two", config_prefix="TWO", url_prefix="/two"))
    assert run(app, "upgrade").exit_code == 0
    assert post_to(app, payload, "acme", account_id="1") == 200
    finish_writes(5)
    app.extensions["fd_whatsapp"]["fd_whatsapp"].accounts._known.clear()
    is_down = True
    result = run(app, "prune", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["forgotten"] == {"two": 0}
    assert told["problems"] == ["fd_whatsapp: accounts raised OSError for 'acme': see the log."]
    ledger_of(app).engine.dispose()  # type: ignore[attr-defined]


def test_prune_of_the_accounts_beside_one_that_cannot_be_looked_up(
    tmp_path: Path, run: RunCommand, run_json: RunJSON, payload: Payload, empty_ledger_file: Path
) -> None:
    """Other accounts' messages go at their time, and so does what reached a second receiver."""
    (tmp_path / "ledger.db").write_bytes(empty_ledger_file.read_bytes())
    brief = Account({"X": "brief-s3cret"}, ["4"], retention_days=40)
    accounts = {"acme": ACME, "brief": brief, "other": OTHER}
    broken: set[str] = set()

    def find(key: str) -> Account | None:
        if key in broken:
            raise OSError("the database is down")
        return accounts.get(key)

    app = app_of(find, tmp_path)
    app.config["TWO_LEDGER_URL"] = app.config["FD_WHATSAPP_LEDGER_URL"]
    two = FreshdeskWhatsApp("two", config_prefix="TWO", url_prefix="/two", accounts=accounts)
    app.register_blueprint(two)
    for key, account in accounts.items():
        (account_id,) = account.account_ids or ()
        for place, message_id in enumerate((f"{key} alone", f"{key} of both")):
            changes = {"account_id": account_id, "data__message_id": message_id}
            assert post_to(app, payload, key, **changes) == 200
            if place:
                receiver = app.extensions["fd_whatsapp"]["two"].accounts.find(key)
                headers = {name: values[0] for name, values in receiver.settings.headers.items()}
                body = json.dumps(payload("sent", **changes))
                answer = app.test_client().post(receiver.url, data=body, headers=headers)
                assert answer.status_code == 200
    finish_writes(5)
    app.extensions["fd_whatsapp"]["fd_whatsapp"].accounts._known.clear()
    broken.add("brief")
    make_old(app, 100)
    result = run(app, "prune")
    assert (result.exit_code, "OSError for 'brief'" in result.stderr) == (1, True)
    left = {event.message_id for event in ledger_of(app).events()}
    assert left == {"brief alone", "brief of both", "other alone", "other of both"}
    make_old(app, 401)
    assert run(app, "prune").exit_code == 1
    left = {event.message_id for event in ledger_of(app).events()}
    assert left == {"brief alone", "brief of both"}
    broken.clear()
    run_json(app, "prune")
    assert ledger_of(app).events() == []
    ledger_of(app).engine.dispose()  # type: ignore[attr-defined]


def test_prune_does_not_ask_for_hundreds_of_accounts_when_none_can_be_looked_up(
    tmp_path: Path, run: RunCommand, payload: Payload, empty_ledger_file: Path
) -> None:
    """Each lookup may last until a time-out, so a few in a row that fail are enough."""
    (tmp_path / "ledger.db").write_bytes(empty_ledger_file.read_bytes())
    accounts = {f"a{n}": Account({"X": f"s3cret-{n}"}, [str(100 + n)]) for n in range(9)}
    app = app_of(accounts, tmp_path)
    for key, account in accounts.items():
        (account_id,) = account.account_ids or ()
        assert post_to(app, payload, key, account_id=account_id) == 200
    finish_writes(5)
    asked: list[str] = []

    def broken(key: str) -> Account | None:
        asked.append(key)
        raise OSError("the database is down")

    later = app_of(broken, tmp_path)
    result = run(later, "prune")
    assert (result.exit_code, asked) == (1, ["a0", "a1", "a2"])
    assert "fd_whatsapp: 6 more accounts not looked up." in result.stderr
    for one in (app, later):
        ledger_of(one).engine.dispose()  # type: ignore[attr-defined]


def test_client_of_a_receiver_whose_neighbour_cannot_look_up_accounts(tmp_path: Path) -> None:
    """What one receiver finds is used, although another raised; if none finds it, that is told."""

    def broken(key: str) -> Account | None:
        raise OSError(key)

    app = app_of(broken, tmp_path)
    app.config["TWO_LEDGER_URL"] = url_in(tmp_path)
    known = {"acme": Account({"X-Token": "s3cret"}, ["1"], api_key="k", domain="a.freshdesk.com")}
    app.register_blueprint(
        FreshdeskWhatsApp("two", config_prefix="TWO", url_prefix="/two", accounts=known)
    )
    with app.app_context():
        assert client_for("acme").receiver.name == "two"
        with pytest.raises(AccountsUnavailable, match="fd_whatsapp: accounts raised OSError"):
            client_for("other")
