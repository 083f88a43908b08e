"""``flask fd-whatsapp check`` posts through the application's own stack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Blueprint, Flask, Response, abort, redirect, request
from flask.typing import ResponseReturnValue
from flask_wtf import CSRFProtect
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_fd_whatsapp import FreshdeskWhatsApp

from ..conftest import TOKEN, URL, MakeApp
from .conftest import RunCommand

pytestmark = pytest.mark.usefixtures("sync_ticket")


@pytest.fixture
def errors(run: RunCommand) -> Callable[[Flask], list[str]]:
    """The errors that a check reports, consistent with its exit status."""

    def errors(app: Flask) -> list[str]:
        result = run(app, "check")
        told = [line for line in result.output.splitlines() if line.startswith("Error:")]
        assert result.exit_code == (1 if told else 0), result.output
        return told

    return errors


Errors = Callable[[Flask], list[str]]


def with_hook(app: Flask, hook: Callable[[], Any]) -> Flask:
    app.before_request(hook)
    return app


def with_middleware(app: Flask, make: Callable[[Any], Any]) -> Flask:
    app.wsgi_app = make(app.wsgi_app)  # type: ignore[method-assign]
    return app


def to_https() -> ResponseReturnValue | None:
    if request.is_secure:
        return None
    return redirect(request.url.replace("http://", "https://", 1), 301)


@pytest.mark.parametrize("settings", [{}, {"HEADERS": {}, "ALLOW_UNAUTHENTICATED": True}])
def test_csrf_guard(make_app: MakeApp, errors: Errors, settings: dict[str, Any]) -> None:
    """A CSRF guard in the way is named with its remedy, which works."""
    blueprint = FreshdeskWhatsApp()
    app = make_app(blueprint, **settings)
    app.secret_key = "sessions"
    csrf = CSRFProtect(app)
    (told,) = errors(app)
    assert "csrf.exempt(blueprint)" in told
    csrf.exempt(blueprint)
    assert errors(app) == []


@pytest.mark.parametrize(
    ("hook", "told"),
    [
        (lambda: redirect("/login?next=" + request.path), "302 FOUND to /login"),
        (
            lambda: abort(401),
            "401 UNAUTHORIZED, which is not the receiver's: probably a login hook",
        ),
        (lambda: abort(403), "403 FORBIDDEN, which is not the receiver's: probably a login hook"),
        (lambda: abort(403, "CSRF token missing"), "csrf.exempt(blueprint)"),
        (lambda: abort(400), "csrf.exempt(blueprint)"),
        (lambda: abort(404), "intercepts its URL"),
        (lambda: abort(405), "intercepts its URL"),
        (lambda: abort(503), "a hook or a middleware is in the way"),
        (lambda: Response("hello"), "200 OK: a hook or a middleware is in the way"),
        (lambda: {}["user"], "raise KeyError"),
    ],
)
def test_hook_that_answers_is_named(
    app: Flask, errors: Errors, hook: Callable[[], Any], told: str
) -> None:
    """Any answer of a hook instead of the receiver's is named."""
    (text,) = errors(with_hook(app, hook))
    assert f"POST {URL}" in text
    assert told in text


def test_hook_that_passes_the_receiver(app: Flask, errors: Errors) -> None:
    """A login hook that lets the receiver's requests pass, as advised, is no error."""

    def login() -> ResponseReturnValue | None:
        return None if request.blueprint == "fd_whatsapp" else redirect("/login")

    assert errors(with_hook(app, login)) == []


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("root", ["/", "/app"])
def test_https_redirect(app: Flask, errors: Errors, scheme: str, root: str) -> None:
    """A redirect to HTTPS is reported with ProxyFix as the remedy, which works."""
    app.config.update(PREFERRED_URL_SCHEME=scheme, APPLICATION_ROOT=root)
    with_hook(app, to_https)
    (told,) = errors(app)
    assert "something redirects to HTTPS" in told
    assert "ProxyFix" in told
    with_middleware(app, lambda inner: ProxyFix(inner, x_proto=1))
    assert errors(app) == []


def test_host_route(errors: Errors) -> None:
    """A route of the host's at the receiver's URL is named by its endpoint."""
    app = Flask("host")
    app.testing = True
    app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": TOKEN}
    app.add_url_rule(URL, "old_webhook", lambda: "taken", methods=["POST"])
    app.register_blueprint(FreshdeskWhatsApp())
    (told,) = errors(app)
    assert "'old_webhook'" in told
    assert "url_prefix" in told


def test_mounted_application(app: Flask, errors: Errors) -> None:
    """A middleware that passes the receiver's prefix to another application is named."""
    other = Flask("other")
    with_middleware(app, lambda inner: DispatcherMiddleware(inner, {"/freshdesk": other}))
    (told,) = errors(app)
    assert "404 NOT FOUND: something in front of the receiver intercepts its URL" in told


@pytest.mark.parametrize(
    "config",
    [
        {"TRUSTED_HOSTS": [".example.com"]},
        {"SERVER_NAME": "example.com:8443"},
        {"SERVER_NAME": "example.com", "TRUSTED_HOSTS": ["example.com"]},
        {"APPLICATION_ROOT": "/app"},
    ],
)
def test_hosts_configuration(app: Flask, errors: Errors, config: dict[str, Any]) -> None:
    """The application's mount point and host name do not disturb the check."""
    app.config.update(config)
    assert errors(app) == []


def test_receiver_at_a_subdomain_is_found(errors: Errors) -> None:
    """A receiver at a subdomain is found there."""
    app = Flask("host", subdomain_matching=True)
    app.testing = True
    app.config["SERVER_NAME"] = "example.com"
    app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": TOKEN}
    app.register_blueprint(FreshdeskWhatsApp(), subdomain="hooks", url_prefix="/in")
    assert errors(app) == []


def test_nested_receiver_is_found(errors: Errors, run: RunCommand) -> None:
    """A receiver in a blueprint of the host's is found under both their prefixes."""
    app = Flask("host")
    app.testing = True
    app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": TOKEN}
    outer = Blueprint("outer", "host", url_prefix="/outer")
    outer.register_blueprint(FreshdeskWhatsApp())
    app.register_blueprint(outer)
    assert errors(app) == []
    assert f"POST /outer{URL}" in run(app, "check", "--receiver", "outer.fd_whatsapp").output


def test_leaves_no_trace(
    app: Flask, errors: Errors, signals_seen: list[tuple[str, dict[str, Any]]]
) -> None:
    """Handlers do not learn of the check's own post as a rejection."""
    assert errors(app) == []
    assert signals_seen == []
