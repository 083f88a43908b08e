from __future__ import annotations

import pytest
from flask import Flask, Response, redirect, url_for
from flask_login import LoginManager, UserMixin, current_user, login_user
from flask_talisman import Talisman
from flask_wtf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response as WerkzeugResponse

from flask_fd_whatsapp.dashboard.page_headers import HEADERS, STATIC_HEADERS

from .conftest import PAGES, MakePages, fill


def test_flask_login_guards_them(make_pages: MakePages) -> None:
    """Visitors who are not logged in are redirected; the documented guard admits those who are."""

    class User(UserMixin):
        id = "1"

    def guard() -> bool | WerkzeugResponse:
        return current_user.is_authenticated or redirect(url_for("log_in"))

    app = make_pages(guard=guard)
    logins = LoginManager(app)
    logins.user_loader(lambda key: User())

    @app.get("/login")
    def log_in() -> str:
        login_user(User())
        return "in"

    fill(app)
    client = app.test_client()
    for url in (f"{PAGES}/", f"{PAGES}/static/style.css", f"{PAGES}/messages.csv"):
        assert client.get(url).headers["Location"] == "/login"
    client.get("/login")
    assert client.get(f"{PAGES}/").status_code == 200


def test_csrf_guards_leave_them_alone(make_pages: MakePages) -> None:
    """The pages post nothing, so they need no exemption."""
    app = make_pages()
    CSRFProtect(app)
    assert app.test_client().get(f"{PAGES}/").status_code == 200


def test_talisman_does_not_replace_their_headers(make_pages: MakePages) -> None:
    """Flask-Talisman's policy applies to the host's pages; the dashboard's stays as strict, errors
    and files included.
    """
    app = make_pages()
    policy = {"default-src": "*", "script-src": "'unsafe-inline'"}
    Talisman(app, force_https=False, content_security_policy=policy)

    @app.get("/other")
    def other() -> str:
        return ""

    client = app.test_client()
    for path in ("/", "/static/style.css", "/messages.csv", "/message"):
        own = STATIC_HEADERS if "/static/" in path else HEADERS
        with client.get(PAGES + path) as answer:
            assert {name: answer.headers.getlist(name) for name in own} == {
                name: [value] for name, value in own.items()
            }
            assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "unsafe-inline" in client.get("/other").headers["Content-Security-Policy"]


def test_the_hosts_own_responses_stay_its_own(make_pages: MakePages) -> None:
    """What the host does to its own response class afterwards still works."""

    class HostResponse(Response):
        def sign(self) -> None:
            self.headers["X-Signed"] = "yes"

    app = make_pages()
    app.response_class = HostResponse

    @app.after_request
    def sign(response: HostResponse) -> HostResponse:
        response.sign()
        return response

    answer = app.test_client().get(f"{PAGES}/")
    assert answer.headers["X-Signed"] == "yes"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("prefix", ["", "/support"])
def test_they_work_behind_a_proxy(make_pages: MakePages, prefix: str) -> None:
    """With ProxyFix, links carry the prefix that the proxy says."""
    app: Flask = make_pages()
    app.wsgi_app = ProxyFix(app.wsgi_app, x_prefix=1, x_proto=1, x_host=1)  # type: ignore[method-assign]
    headers = {"X-Forwarded-Prefix": prefix} if prefix else {}
    text = app.test_client().get(f"{PAGES}/", headers=headers).text
    assert f'href="{prefix}{PAGES}/static/style.css?v=' in text
