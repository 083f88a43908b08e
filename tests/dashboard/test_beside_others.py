from __future__ import annotations

import pytest
from flask import Flask, redirect, url_for
from flask_login import LoginManager, UserMixin, current_user, login_user
from flask_talisman import Talisman
from flask_wtf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response

from .conftest import PAGES, MakePages, fill


def test_flask_login_guards_them(make_pages: MakePages) -> None:
    """Who is not logged in goes to the login, and the documented guard lets in who is."""

    class User(UserMixin):
        id = "1"

    def guard() -> bool | Response:
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
    """Nothing on them is posted, so that nothing has to be exempted."""
    app = make_pages()
    CSRFProtect(app)
    assert app.test_client().get(f"{PAGES}/").status_code == 200


def test_talisman_may_stand_before_them(make_pages: MakePages) -> None:
    """They work with its policy as well as with their own."""
    app = make_pages()
    Talisman(app, force_https=False, content_security_policy={"default-src": "'self'"})
    answer = app.test_client().get(f"{PAGES}/")
    assert answer.status_code == 200
    assert "'self'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("prefix", ["", "/support"])
def test_they_work_behind_a_proxy(make_pages: MakePages, prefix: str) -> None:
    """With ProxyFix, links carry the prefix that the proxy says."""
    app: Flask = make_pages()
    app.wsgi_app = ProxyFix(app.wsgi_app, x_prefix=1, x_proto=1, x_host=1)  # type: ignore[method-assign]
    headers = {"X-Forwarded-Prefix": prefix} if prefix else {}
    text = app.test_client().get(f"{PAGES}/", headers=headers).text
    assert f'href="{prefix}{PAGES}/static/style.css"' in text
