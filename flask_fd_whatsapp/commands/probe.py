"""Sends requests through the application's own stack, as Freshdesk or a stranger would."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.test import TestResponse

from ..receiving.auth import CHALLENGE
from ..receiving.receiver import Receiver
from ..signals import webhook_rejected


def probe(app: Flask, receiver: Receiver) -> Iterator[str]:
    """Return what keeps requests from the receiver, with the remedy; empty if nothing does."""
    owner = _owner(app, receiver)
    if owner is not None:
        yield (
            f"POST {receiver.url} is routed to the application's own {owner!r}: give the blueprint "
            "a different url_prefix, or that route a different rule."
        )
        return
    try:
        with webhook_rejected.muted():
            answer = _post(app, receiver)
    except Exception as error:
        yield (
            f"POST {receiver.url} made the application raise {type(error).__name__}: {error}. A "
            "before_request hook or a middleware is in the way."
        )
        return
    if not _is_ours(answer, receiver):
        yield f"POST {receiver.url} was answered with {_explain(answer, receiver)}"


def open_pages(app: Flask) -> Iterator[str]:
    """Return the pages that are shown to strangers, or whose guard admits nobody."""
    for name, url in _dashboards(app):
        try:
            status = _get(app, url).status_code
        except Exception as error:
            yield f"GET {url} made the application raise {type(error).__name__}."
            continue
        if status == 200:
            yield (
                f"The pages {name!r} at {url} are shown to anybody: their guard returned True for "
                "a request without a session. It has to check who is logged in."
            )
        elif status == 500:
            yield (
                f"The pages {name!r} at {url} let nobody in (500): their guard raised or "
                "returned neither True nor False, or the page failed. The log has the reason."
            )


def _dashboards(app: Flask) -> Iterator[tuple[str, str]]:
    """Return the name of each dashboard of the application, and the URL of its first page."""
    from ..dashboard import Dashboard

    for name, blueprint in app.blueprints.items():
        if isinstance(blueprint, Dashboard):
            (rule,) = app.url_map.iter_rules(f"{name}.overview")
            yield name, rule.rule


def _get(app: Flask, url: str) -> TestResponse:
    """Send a stranger's request, as it arrives from a proxy that terminates TLS."""
    client = app.test_client(use_cookies=False)
    return client.get(url, url_scheme="https", headers={"X-Forwarded-Proto": "https"})


def _owner(app: Flask, receiver: Receiver) -> str | None:
    """Return the endpoint that the receiver's URL is routed to instead, if any."""
    adapter = app.url_map.bind("localhost", subdomain=receiver.subdomain)
    try:
        endpoint, _ = adapter.match(receiver.url, method="POST")
    except Exception:
        return None  # the post will show
    return None if endpoint == f"{receiver.name}.receive" else str(endpoint)


def _post(app: Flask, receiver: Receiver) -> TestResponse:
    """Post without credentials, as it arrives from a proxy that terminates TLS."""
    trusted = app.config.get("TRUSTED_HOSTS")
    is_named = app.config["SERVER_NAME"] is not None
    host = {"HTTP_HOST": trusted[0].lstrip(".")} if trusted and not is_named else {}
    return app.test_client(use_cookies=False).post(
        receiver.url,
        subdomain=receiver.subdomain,
        url_scheme="http",  # whatever PREFERRED_URL_SCHEME says: that is for links
        headers={"X-Forwarded-Proto": "https"},
        environ_overrides=host,
    )


def _is_ours(answer: TestResponse, receiver: Receiver) -> bool:
    if receiver.settings.headers or receiver.accounts is not None:
        return answer.status_code == 401 and answer.headers.get("WWW-Authenticate") == CHALLENGE
    return answer.status_code == 200 and answer.get_json(silent=True) == {"result": "ignored"}


def _explain(answer: TestResponse, receiver: Receiver) -> str:
    status, location = answer.status, answer.headers.get("Location", "")
    target = urlsplit(location)
    if target.scheme == "https" and target.path.rstrip("/").endswith(receiver.url):
        return (
            f"{status} to {location}: something redirects to HTTPS. Behind a proxy that terminates "
            "TLS use werkzeug.middleware.proxy_fix.ProxyFix, or exempt this URL from the redirect."
        )
    if 300 <= answer.status_code < 400:
        return (
            f"{status} to {location}: probably a login hook. Let it pass requests whose "
            f"request.blueprint is {receiver.name!r}; the receiver authenticates requests itself."
        )
    if answer.status_code == 400 or "csrf" in answer.get_data(as_text=True).lower():
        return f"{status}, not the receiver's: probably a CSRF guard: csrf.exempt(blueprint)."
    if answer.status_code in (401, 403):
        return (
            f"{status}, which is not the receiver's: probably a login hook or a firewall. Let it "
            f"pass requests whose request.blueprint is {receiver.name!r}."
        )
    if answer.status_code == 429:
        return (
            f"{status}: a rate limit. Freshdesk would be rejected as well: exempt the receiver "
            "(with Flask-Limiter, limiter.exempt(blueprint))."
        )
    if answer.status_code in (404, 405):
        return (
            f"{status}: something in front of the receiver intercepts its URL, such as a "
            "middleware mounted at a prefix of it, or an application root."
        )
    return f"{status}: a hook or a middleware is in the way."
