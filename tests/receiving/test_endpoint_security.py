from __future__ import annotations

from flask import Blueprint, Flask

from flask_fd_whatsapp import Account, FreshdeskWhatsApp
from flask_fd_whatsapp.accounts import Accounts

from ..conftest import URL, MakeApp
from ..endpoint_security import HEADERS, Endpoint, EndpointSecurity


class TestDefaultUrl(EndpointSecurity):
    def make_endpoint(self, make_app: MakeApp) -> Endpoint:
        return Endpoint(make_app(HEADERS=HEADERS), URL)


class TestTrailingSlash(EndpointSecurity):
    def make_endpoint(self, make_app: MakeApp) -> Endpoint:
        return Endpoint(make_app(HEADERS=HEADERS), f"{URL}/")


class TestOtherPrefix(EndpointSecurity):
    def make_endpoint(self, make_app: MakeApp) -> Endpoint:
        app = make_app(FreshdeskWhatsApp(url_prefix="/hooks/fd"), HEADERS=HEADERS)
        return Endpoint(app, "/hooks/fd/whatsapp")


class TestPrefixGivenAtRegistration(EndpointSecurity):
    def make_endpoint(self, make_app: MakeApp) -> Endpoint:
        app = Flask("host")
        app.testing = True
        app.config["FD_WHATSAPP_HEADERS"] = HEADERS
        app.register_blueprint(FreshdeskWhatsApp(), url_prefix="/at/registration")
        return Endpoint(app, "/at/registration/whatsapp")


class TestNested(EndpointSecurity):
    def make_endpoint(self, make_app: MakeApp) -> Endpoint:
        app = Flask("host")
        app.testing = True
        app.config["FD_WHATSAPP_HEADERS"] = HEADERS
        outer = Blueprint("hooks", "host", url_prefix="/hooks")
        outer.register_blueprint(FreshdeskWhatsApp())
        app.register_blueprint(outer)
        return Endpoint(app, f"/hooks{URL}", "hooks.fd_whatsapp")


class TestSecondReceiver(EndpointSecurity):
    """Another receiver's header is not valid here."""

    def make_endpoint(self, make_app: MakeApp) -> Endpoint:
        app = make_app()
        app.config["FD_WHATSAPP_TWO_HEADERS"] = HEADERS
        app.register_blueprint(
            FreshdeskWhatsApp("two", config_prefix="FD_WHATSAPP_TWO", url_prefix="/two")
        )
        return Endpoint(app, "/two/whatsapp", "two")


class TestDebugMode(EndpointSecurity):
    def make_endpoint(self, make_app: MakeApp) -> Endpoint:
        app = make_app(HEADERS=HEADERS)
        app.testing, app.debug = False, True
        return Endpoint(app, URL)


def with_accounts(accounts: Accounts) -> Flask:
    app = Flask("host")
    app.testing = True
    app.register_blueprint(FreshdeskWhatsApp(accounts=accounts))
    return app


class TestAccount(EndpointSecurity):
    """One of many accounts; another one's token is not valid here."""

    def make_endpoint(self, make_app: MakeApp) -> Endpoint:
        accounts = {
            "acme": Account(HEADERS, ["11011399037"]),
            "other": Account({"Authorization": "Bearer wrong"}, ["2"]),
        }
        return Endpoint(with_accounts(accounts), "/freshdesk/acme/whatsapp")


class TestAccountThatIsAskedFor(EndpointSecurity):
    def make_endpoint(self, make_app: MakeApp) -> Endpoint:
        def find(key: str) -> Account | None:
            return Account(HEADERS, ["11011399037"]) if key == "acme" else None

        return Endpoint(with_accounts(find), "/freshdesk/acme/whatsapp/")
