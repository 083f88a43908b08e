from __future__ import annotations

import copy
import gc
import json
import os
import signal as signals
import sys
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pytest
from click import Context
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import Engine

from flask_fd_whatsapp import FreshdeskWhatsApp
from flask_fd_whatsapp.commands.group import NAMES, group
from flask_fd_whatsapp.ledger import Ledger
from flask_fd_whatsapp.receiving.write_behind import finish_writes
from flask_fd_whatsapp.signals import EVENT_SIGNALS, NOTICES

TOKEN = "Bearer s3cret"
URL = "/freshdesk/whatsapp"
PAYLOADS = Path(__file__).parent / "payloads"
SAMPLES = ("queued", "sent", "delivered", "read", "failed")

MakeApp = Callable[..., Flask]
Payload = Callable[..., dict[str, Any]]

IS_UNTRACED = pytest.StashKey[bool]()

# No outside host is called, and reading the machine's authorities takes 20 ms per TLS context:
# MariaDB's driver creates one for every connection.
os.environ["SSL_CERT_FILE"] = os.devnull

# A shell's background jobs ignore Ctrl-C, and so would the processes that tests interrupt.
signals.signal(signals.SIGINT, signals.default_int_handler)


# A busy machine is no failure.
settings.register_profile(
    "patient", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Do not search the tests themselves for garbage, which takes each worker ten seconds."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Choose what coverage is measured by: five cases of each test, and none that is slow.

    Tracing takes half as long again.  Further cases reach little that is new, and most slow tests
    exercise processes that it does not see.
    """
    if not config.pluginmanager.has_plugin("_cov"):
        return
    for command in NAMES:  # imported once, while it is traced
        group.get_command(Context(group), command)
    cases: Counter[str] = Counter()
    for item in sorted(items, key=lambda item: item.nodeid):  # their order is random
        name = item.nodeid.partition("[")[0]
        cases[name] += 1
        item.stash[IS_UNTRACED] = cases[name] > 5 or bool(item.get_closest_marker("slow"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Do not trace the other tests, nor what sets them up.

    ``pytest.mark.no_cover`` does not stop it: in a worker, pytest-cov has started coverage twice.
    """
    if not item.stash.get(IS_UNTRACED, False):
        return (yield)
    here, in_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(here)
        threading.settrace(in_threads)


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Escape lone surrogates in what a process beside the others reports: it is sent as UTF-8."""
    return _encodable((yield))


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_encodable(each) for each in value)
    return value


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, Any, Any]:
    """What a test leaves to be written later is written while its database is still there."""
    try:
        return (yield)
    finally:
        finish_writes(5)


@pytest.fixture(scope="session", autouse=True)
def _engines() -> Iterator[WeakSet[Engine]]:
    """The engines of SQLAlchemy that tests have made, and that are still there."""
    engines: WeakSet[Engine] = WeakSet()

    def make_and_remember(kind: type[Engine], *_: Any, **__: Any) -> Engine:
        engine: Engine = object.__new__(kind)
        engines.add(engine)
        return engine

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Engine, "__new__", make_and_remember)
        yield engines


@pytest.fixture(scope="session", autouse=True)
def _compiled_templates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compile templates once for all applications: that takes longer than rendering them."""
    cache = FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Flask, "jinja_options", {"bytecode_cache": cache})
        yield


@pytest.fixture(autouse=True)
def _dispose_of_engines(_engines: WeakSet[Engine]) -> Iterator[None]:
    """No test leaves connections open, which would warn in the middle of another."""
    yield
    for engine in list(_engines):
        engine.dispose()


@pytest.fixture(autouse=True)
def _disconnect_handlers() -> Iterator[None]:
    """No test leaves a handler connected."""
    yield
    for signal in (*EVENT_SIGNALS, *NOTICES):
        for reference in list(signal.receivers.values()):
            receiver = reference() if isinstance(reference, weakref.ref) else reference
            if receiver is not None:
                signal.disconnect(receiver)


@pytest.fixture
def make_app(tmp_path: Path) -> MakeApp:
    """A factory of applications with one receiver; keywords are settings without the prefix."""

    def make(blueprint: FreshdeskWhatsApp | None = None, **settings: Any) -> Flask:
        app = Flask("host", instance_path=str(tmp_path / "instance"))
        app.testing = True
        app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": TOKEN}
        app.config.update({f"FD_WHATSAPP_{key}": value for key, value in settings.items()})
        app.register_blueprint(blueprint or FreshdeskWhatsApp())
        return app

    return make


@pytest.fixture(scope="session")
def empty_ledger_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with an empty ledger, to be copied: creating one takes a quarter of a
    second.
    """
    from flask_fd_whatsapp.ledger.sql import SQLLedger

    path = tmp_path_factory.mktemp("empty") / "ledger.db"
    ledger = SQLLedger.from_url(f"sqlite:///{path}", Flask("host"))
    ledger.upgrade()
    ledger.engine.dispose()  # which leaves one file
    return path


@pytest.fixture
def app(make_app: MakeApp) -> Flask:
    return make_app()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client that sends the right header."""
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = TOKEN
    return client


@pytest.fixture
def ledger(app: Flask) -> Ledger:
    """The ledger of ``app``."""
    ledger: Ledger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    return ledger


@pytest.fixture
def payload() -> Payload:
    """The vendor's samples by name, with fields changed by their path.

    ``payload("sent", account_id=7, data__message_id="M2")``
    """

    def make(name: str = "queued", /, **changes: Any) -> dict[str, Any]:
        sample: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text())
        sample = copy.deepcopy(sample)
        for path, value in changes.items():
            *parents, key = path.split("__")
            part = sample
            for parent in parents:
                part = part[parent]
            part[key] = value
        return sample

    return make


@pytest.fixture
def signals_seen() -> list[tuple[str, dict[str, Any]]]:
    """Name and arguments of every signal sent, in order."""
    seen: list[tuple[str, dict[str, Any]]] = []

    def listen(name: str) -> None:
        def receiver(sender: object, **arguments: Any) -> None:
            seen.append((name, arguments))

        signal.connect(receiver, weak=False)

    for signal in (*EVENT_SIGNALS, *NOTICES):
        listen(signal.name)
    return seen
