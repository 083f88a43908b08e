"""Which names, prefixes and methods a receiver takes, and which it refuses."""

from __future__ import annotations

import pytest
from flask import Blueprint, Flask
from flask.testing import FlaskClient

from flask_fd_whatsapp import ConfigurationError, FreshdeskWhatsApp

from .conftest import URL, MakeApp, Payload
from .scripted import authorized


@pytest.mark.parametrize("blueprint", [FreshdeskWhatsApp(), FreshdeskWhatsApp(url_prefix="/x")])
def test_same_name_twice(app: Flask, blueprint: FreshdeskWhatsApp) -> None:
    """A second receiver of the same name is an error that says so."""
    with pytest.raises(ValueError, match=r"name 'fd_whatsapp' is already registered"):
        app.register_blueprint(blueprint)


@pytest.mark.parametrize("prefix", ["/freshdesk", "/freshdesk/"])
@pytest.mark.parametrize("nested", [False, True])
def test_same_url_twice(app: Flask, payload: Payload, prefix: str, nested: bool) -> None:
    """A second receiver at one URL is an error that names both, and leaves the first at work."""
    second: Blueprint = FreshdeskWhatsApp("second", url_prefix=prefix)
    if nested:
        parent = Blueprint("api", "api", url_prefix="/")
        parent.register_blueprint(second)
        second = parent
    with pytest.raises(ConfigurationError, match=r"'fd_whatsapp' and '(api\.)?second'.*url_prefix"):
        app.register_blueprint(second)
    assert authorized(app).post(URL, json=payload()).status_code == 200
    assert list(app.extensions["fd_whatsapp"]) == ["fd_whatsapp"]


@pytest.mark.parametrize("prefix", ["", "fd_whatsapp", "FD-WHATSAPP", "FD WHATSAPP", "1FD"])
def test_wrong_config_prefix(prefix: str) -> None:
    """A ``config_prefix`` that no key could begin with is an error that names it."""
    with pytest.raises(ConfigurationError, match="config_prefix"):
        FreshdeskWhatsApp(config_prefix=prefix)


def test_deferred_on_memory(make_app: MakeApp) -> None:
    """Dispatch by another process is refused where no other process can read the ledger."""
    with pytest.raises(ConfigurationError, match=r"FD_WHATSAPP_DISPATCH.*FD_WHATSAPP_LEDGER_URL"):
        make_app(DISPATCH="deferred")


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    ("method", "status"),
    [("POST", 200), ("GET", 204), ("HEAD", 204), ("PUT", 405), ("PATCH", 405), ("DELETE", 405)],
)
def test_post_is_received_and_get_is_a_probe(
    client: FlaskClient, payload: Payload, method: str, status: int, slash: str
) -> None:
    """POST is received, GET and HEAD are probes, and anything else is not allowed, with or without
    a slash.
    """
    answer = client.open(URL + slash, method=method, json=payload())
    assert answer.status_code == status
    if status == 204:
        assert answer.data == b""
    if status == 405:
        assert answer.allow >= {"POST", "GET", "HEAD"}


def test_probe_needs_no_credentials(app: Flask) -> None:
    """A probe is answered without credentials."""
    assert app.test_client().get(URL).status_code == 204
