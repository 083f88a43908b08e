from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import pytest

pytest_plugins = ["pytester"]

FIXTURES = ("fd_whatsapp_client", "fd_whatsapp_events", "fd_whatsapp_signals")

APP = """
from flask import Flask
from flask_fd_whatsapp import FreshdeskWhatsApp, message_read, status_changed, status_received

def create_app(connect):
    app = Flask("host")
    app.testing = True
    app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": "Bearer host"}
    app.register_blueprint(FreshdeskWhatsApp())
    app.extensions["tickets"] = {}
    connect(app)
    return app

def follow(app):
    @status_changed.connect_via(app)
    def sync(app, event):
        app.extensions["tickets"][event.message_id] = event.status

def count(app):
    @message_read.connect_via(app)
    def add(app, event):
        tickets = app.extensions["tickets"]
        tickets[event.message_id] = tickets.get(event.message_id, 0) + 1

def follow_blindly(app):
    @status_received.connect_via(app)
    def sync(app, event):
        app.extensions["tickets"][event.message_id] = event.status
"""

CONFTEST = """
import pytest
from hostapp import count, create_app, follow, follow_blindly

pytest_plugins = ["flask_fd_whatsapp.testing"]

@pytest.fixture(params=[{connect}])
def app(request):
    return create_app(request.param)
"""

SUITE = """
from flask_fd_whatsapp.testing import (
    EventBuilder, SentSignal, WhatsAppClient,
    assert_same_in_every_order, assert_same_under_duplicates,
)

def reads(app):
    return lambda message: app.extensions["tickets"].get(message.message_id, "none")

def test_fixtures(app, fd_whatsapp_client, fd_whatsapp_events, fd_whatsapp_signals):
    assert type(fd_whatsapp_client) is WhatsAppClient
    assert type(fd_whatsapp_events) is EventBuilder
    assert fd_whatsapp_client.play([fd_whatsapp_events.read()]) == ["accepted"]
    assert fd_whatsapp_client.app is app
    first = fd_whatsapp_signals[0]
    assert type(first) is SentSignal
    assert (first.name, first.event.status) == ("message_read", "READ")
    assert first.event.message_id == fd_whatsapp_events.message_id

def test_order(app, fd_whatsapp_client):
    assert_same_in_every_order(fd_whatsapp_client, reads(app))

def test_duplicates(app, fd_whatsapp_client):
    assert_same_under_duplicates(fd_whatsapp_client, reads(app))
"""


@pytest.fixture
def host(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A host's own suite, in its own folder, with warnings as errors."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # installed ones slow it down
    pytester.makeini("[pytest]\nfilterwarnings = error\naddopts = -p no:cacheprovider")
    pytester.makepyfile(hostapp=APP, test_host=SUITE)
    return pytester


def test_not_loaded_by_itself(pytester: pytest.Pytester) -> None:
    """A test run that does not ask for the plugin does not load it, nor the package."""
    pytester.makepyfile("""
        import sys
        def test_nothing(request):
            assert not any(name.startswith("flask_fd_whatsapp") for name in sys.modules)
            assert not request.config.pluginmanager.has_plugin("flask_fd_whatsapp.testing")
    """)
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)
    assert [p for p in metadata.entry_points(group="pytest11") if "whatsapp" in p.value] == []


def test_host_suite(host: pytest.Pytester) -> None:
    """A host's suite that asks for the plugin has its fixtures, and passes."""
    host.makeconftest(CONFTEST.format(connect="follow"))
    host.runpytest_subprocess().assert_outcomes(passed=3)


def test_fixtures_documented(host: pytest.Pytester) -> None:
    """``pytest --fixtures`` shows each fixture with what it is."""
    host.makeconftest(CONFTEST.format(connect="follow"))
    result = host.runpytest_inprocess("--fixtures")
    for name in FIXTURES:
        result.stdout.re_match_lines([rf"{name} -- .*", r"    [A-Z].*\."])


def test_bad_handlers(host: pytest.Pytester) -> None:
    """A handler that is not idempotent, and one that depends on order, fail with the reason."""
    host.makeconftest(CONFTEST.format(connect="count, follow_blindly"))
    result = host.runpytest_inprocess()
    result.assert_outcomes(passed=4, failed=2)
    result.stdout.fnmatch_lines_random(
        [
            "E*AssertionError: The result depends on the order of arrival.",
            "E*QUEUED, SENT, DELIVERED, READ: <Status.READ: 'READ'>",
            "E*QUEUED, SENT, READ, DELIVERED: <Status.DELIVERED: 'DELIVERED'>",
            "E*Use status_changed*",
            "E*AssertionError: The result differs when handlers are called twice.",
            "E*QUEUED, SENT, DELIVERED, READ, once each: 1",
            "E*QUEUED, SENT, DELIVERED, READ, each twice in a row: 2",
            "E*Called twice: message_read:hostapp.count.<locals>.add.*",
        ]
    )


def test_imported_first(host: pytest.Pytester) -> None:
    """A conftest may both import the package's helpers and load the plugin, without a warning."""
    host.makeconftest(
        "from flask_fd_whatsapp.testing import EventBuilder\n" + CONFTEST.format(connect="follow")
    )
    host.runpytest_subprocess().assert_outcomes(passed=3)


def test_without_app(host: pytest.Pytester) -> None:
    """A suite without a fixture ``app`` gets an error that says so, and has the builders
    nevertheless.
    """
    host.makeconftest('pytest_plugins = ["flask_fd_whatsapp.testing"]')
    host.makepyfile(
        test_host="""
        def test_client(fd_whatsapp_client): ...
        def test_events(fd_whatsapp_events): fd_whatsapp_events.sent()
        """
    )
    result = host.runpytest_inprocess()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["E*fixture 'app' not found"])


def test_choice_for_a_suite(host: pytest.Pytester) -> None:
    """A suite may override a fixture, to choose a receiver or an account once for all tests."""
    host.makeconftest(
        CONFTEST.format(connect="follow")
        + """
from flask_fd_whatsapp.testing import EventBuilder

@pytest.fixture
def fd_whatsapp_client(fd_whatsapp_client):
    return fd_whatsapp_client.to("fd_whatsapp")

@pytest.fixture
def fd_whatsapp_events():
    return EventBuilder(account_id="42")
"""
    )
    host.runpytest_inprocess().assert_outcomes(passed=3)


def test_without_pytest() -> None:
    """Without pytest, the import is an error that says what to install."""
    code = "import sys; sys.modules['pytest'] = None; import flask_fd_whatsapp.testing"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: flask_fd_whatsapp.testing is for tests run by pytest, which is not "
        "installed: pip install pytest."
    )


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("flask_fd_whatsapp", {"pytest", "flask_fd_whatsapp.testing"}),
        ("flask_fd_whatsapp.testing", {"alembic", "celery", "sqlalchemy"}),
    ],
)
def test_package_imports_no_pytest(module: str, unwanted: set[str]) -> None:
    """The package imports no pytest, and what is for tests needs nothing but that."""
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert module in done.stdout.split()
    assert not unwanted & set(done.stdout.split())
