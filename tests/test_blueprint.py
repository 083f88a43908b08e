from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from flask import Blueprint, Flask
from flask.testing import FlaskClient

from flask_fd_whatsapp import FreshdeskWhatsApp

from .conftest import TOKEN, URL, MakeApp, Payload
from .scripted import authorized

INDIA_TOKEN = "Bearer namaste"
INDIA_URL = "/india/whatsapp"

_opened: list[str] | None = None


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if _opened is not None and event in ("open", "socket.connect", "sqlite3.connect"):
        _opened.append(f"{event} {arguments[0]}")


sys.addaudithook(_watch)


@pytest.fixture
def opened() -> Callable[[], list[str]]:
    """Watch what this process opens, and return the list."""

    def start() -> list[str]:
        global _opened
        _opened = []
        return _opened

    return start


@pytest.fixture(autouse=True)
def _stop_watching() -> object:
    global _opened
    yield
    _opened = None


def india() -> FreshdeskWhatsApp:
    return FreshdeskWhatsApp("india", config_prefix="FD_WHATSAPP_INDIA", url_prefix="/india")


@pytest.fixture
def two(make_app: MakeApp) -> Flask:
    """An application with two receivers, at ``URL`` and ``INDIA_URL``."""
    app = make_app(INDIA_HEADERS={"Authorization": INDIA_TOKEN})
    app.register_blueprint(india())
    return app


def test_one_line_is_enough(payload: Payload) -> None:
    """Registering the blueprint is all that is needed to receive an event."""
    app = Flask("host")
    app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": TOKEN}
    app.register_blueprint(FreshdeskWhatsApp())
    answer = authorized(app).post("/freshdesk/whatsapp", json=payload())
    assert (answer.status_code, answer.json) == (200, {"result": "accepted"})


@pytest.mark.parametrize(
    ("blueprint", "options", "url"),
    [
        (FreshdeskWhatsApp(url_prefix="/hooks"), {}, "/hooks/whatsapp"),
        (FreshdeskWhatsApp(), {"url_prefix": "/hooks"}, "/hooks/whatsapp"),
        (FreshdeskWhatsApp(), {"url_prefix": "/hooks/"}, "/hooks/whatsapp"),
        (FreshdeskWhatsApp(url_prefix=""), {}, "/whatsapp"),
    ],
)
def test_url_prefix_moves_the_route(
    blueprint: FreshdeskWhatsApp, options: dict[str, str], url: str, payload: Payload
) -> None:
    """The prefix can be changed like any blueprint's, and nothing stays at the old one."""
    app = Flask("host")
    app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": TOKEN}
    app.register_blueprint(blueprint, **options)
    assert authorized(app).post(url, json=payload()).status_code == 200
    assert authorized(app).post(URL, json=payload()).status_code == 404


def test_same_object_on_two_apps(make_app: MakeApp, payload: Payload) -> None:
    """One blueprint object serves two applications that share neither settings nor ledger."""
    blueprint = FreshdeskWhatsApp()
    one, two = make_app(blueprint), make_app(blueprint, HEADERS={"Authorization": INDIA_TOKEN})
    assert authorized(one).post(URL, json=payload()).json == {"result": "accepted"}
    assert authorized(two).post(URL, json=payload()).status_code == 401
    answer = authorized(two, INDIA_TOKEN).post(URL, json=payload())
    assert answer.json == {"result": "accepted"}
    receivers = [app.extensions["fd_whatsapp"]["fd_whatsapp"] for app in (one, two)]
    assert receivers[0].ledger is not receivers[1].ledger
    assert [receiver.app for receiver in receivers] == [one, two]


def test_two_receivers_on_one_app(two: Flask, payload: Payload) -> None:
    """Two receivers on one application share neither credentials nor ledger."""
    body = payload()
    for url, token, status in [
        (URL, INDIA_TOKEN, 401),
        (INDIA_URL, TOKEN, 401),
        (URL, TOKEN, 200),
        (INDIA_URL, INDIA_TOKEN, 200),
    ]:
        answer = authorized(two, token).post(url, json=body)
        assert answer.status_code == status
        if status == 200:
            assert answer.json == {"result": "accepted"}


def test_same_object_twice_on_one_app(make_app: MakeApp, payload: Payload) -> None:
    """One blueprint object is a second receiver under another name and URL."""
    blueprint = FreshdeskWhatsApp()
    app = make_app(blueprint)
    app.register_blueprint(blueprint, name="again", url_prefix="/again")
    for url in (URL, "/again/whatsapp"):
        assert authorized(app).post(url, json=payload()).json == {"result": "accepted"}
    assert list(app.extensions["fd_whatsapp"]) == ["fd_whatsapp", "again"]


def test_nested_receiver_has_its_parents_prefixes(payload: Payload) -> None:
    """A receiver nested in other blueprints has their names and prefixes before its own."""
    app = Flask("host")
    app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": TOKEN}
    inner, outer = Blueprint("hooks", "hooks"), Blueprint("api", "api", url_prefix="/api")
    inner.register_blueprint(FreshdeskWhatsApp())
    outer.register_blueprint(inner, url_prefix="/v1")
    app.register_blueprint(outer)
    answer = authorized(app).post("/api/v1/freshdesk/whatsapp", json=payload())
    assert answer.json == {"result": "accepted"}
    (receiver,) = app.extensions["fd_whatsapp"].values()
    assert (receiver.name, receiver.url) == (
        "api.hooks.fd_whatsapp",
        "/api/v1/freshdesk/whatsapp",
    )


def test_nested_beside_another(app: Flask, payload: Payload) -> None:
    """A nested receiver and another of the same name are two receivers."""
    parent = Blueprint("api", "api", url_prefix="/api")
    parent.register_blueprint(FreshdeskWhatsApp())
    app.register_blueprint(parent)
    for url in (URL, "/api" + URL):
        assert authorized(app).post(url, json=payload()).json == {"result": "accepted"}
    assert list(app.extensions["fd_whatsapp"]) == ["fd_whatsapp", "api.fd_whatsapp"]


def test_subdomains_do_not_clash(payload: Payload) -> None:
    """Receivers at one path on different subdomains do not clash."""
    app = Flask("host", subdomain_matching=True)
    app.config.update(SERVER_NAME="example.com", FD_WHATSAPP_HEADERS={"Authorization": TOKEN})
    for name in ("eu", "us"):
        app.register_blueprint(FreshdeskWhatsApp(name), subdomain=name)
    for name in ("eu", "us"):
        answer = authorized(app).post(URL, json=payload(), subdomain=name)
        assert answer.json == {"result": "accepted"}


def test_registration_opens_nothing(
    make_app: MakeApp, opened: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Registration makes no connection, opens no file and calls no ledger factory."""
    calls: list[Flask] = []
    make_app()  # whatever is imported lazily is imported now
    seen = opened()
    app = make_app(FreshdeskWhatsApp(ledger=calls.append))  # type: ignore[arg-type]
    assert (seen, calls) == ([], [])
    app.test_client().get(URL)
    assert (seen, calls) == ([], []), "a probe needs no ledger"


def test_extension_maps_names_to_receivers(two: Flask) -> None:
    """``app.extensions`` maps each registered name to that receiver's own state."""
    receivers = two.extensions["fd_whatsapp"]
    assert set(receivers) == {"fd_whatsapp", "india"} == set(two.blueprints)
    assert {name: receiver.url for name, receiver in receivers.items()} == {
        "fd_whatsapp": URL,
        "india": INDIA_URL,
    }


def test_no_state_on_the_blueprint(make_app: MakeApp, payload: Payload) -> None:
    """Registering and receiving leave nothing of an application on the blueprint object."""
    blueprint = FreshdeskWhatsApp()
    before = {key: repr(value) for key, value in vars(blueprint).items()}
    authorized(make_app(blueprint)).post(URL, json=payload())
    after = {key: repr(value) for key, value in vars(blueprint).items()}
    assert set(after.items()) - set(before.items()) == {("_got_registered_once", "True")}


def test_settings_are_read_once(app: Flask, client: FlaskClient, payload: Payload) -> None:
    """A setting changed after registration changes nothing."""
    app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": "other"}
    assert client.post(URL, json=payload()).status_code == 200


def test_hooks_of_the_blueprint_run(make_app: MakeApp, payload: Payload) -> None:
    """The blueprint's own hooks run, as with any blueprint."""
    blueprint, seen = FreshdeskWhatsApp(), []
    blueprint.before_request(lambda: seen.append("before"))
    authorized(make_app(blueprint)).post(URL, json=payload())
    assert seen == ["before"]


def test_commands_once(two: Flask) -> None:
    """The command group exists once for any number of receivers."""
    result = two.test_cli_runner().invoke(args=["--help"])
    assert result.output.count("fd-whatsapp") == 1
