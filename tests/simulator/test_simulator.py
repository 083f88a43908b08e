"""The form and its toggle, and what the simulator refuses."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from marshmallow import ValidationError

from flask_fd_whatsapp.simulator import (
    Account,
    Agent,
    Clock,
    FormNotSaved,
    FreshdeskSimulator,
    WebhookForm,
)

from ..conftest import TOKEN
from .conftest import MakeDestination, MakeSimulator

URL = "https://example.com/freshdesk/whatsapp"


def test_saving_does_not_activate(make_destination: MakeDestination) -> None:
    """Saving stores the form and does not activate the webhook; the toggle does."""
    destination = make_destination()
    simulator = FreshdeskSimulator(allow_http=True, clock=Clock(speed=864_000))
    simulator.save(destination.url, {"Authorization": TOKEN}, ["a@x.org"])
    assert simulator.form["alert_emails"] == ["a@x.org"]
    simulator.send()
    assert not simulator.is_enabled
    report = simulator.run()
    assert (report.withheld, report.left, destination.received) == (report.events, 0, [])
    simulator.enable()
    simulator.send()
    simulator.run()
    assert destination.received
    simulator.disable()
    before = len(destination.received)
    simulator.send()
    simulator.run()
    assert len(destination.received) == before


def test_saving_again(make_destination: MakeDestination, make_simulator: MakeSimulator) -> None:
    """A form that is saved again stays enabled, and events go to the new destination."""
    old, new = make_destination(), make_destination()
    simulator = make_simulator(old.url)
    simulator.save(new.url, {"X-Token": "new"})
    simulator.send()
    simulator.run()
    assert not old.received
    assert {received.headers["X-Token"] for received in new.received} == {"new"}


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"destination_url": "http://example.com/in"}, "destination_url"),
        ({"destination_url": "http://127.0.0.1/in"}, "destination_url"),
        ({"destination_url": URL, "headers": dict.fromkeys("ABCD", "x")}, "headers"),
        ({"destination_url": URL, "alert_emails": ["a@x.org"] * 3}, "alert_emails"),
        ({"destination_url": URL, "alert_emails": ["nobody"]}, "alert_emails"),
    ],
)
def test_what_the_form_refuses_is_not_stored(form: dict[str, Any], field: str) -> None:
    """What Freshdesk's form refuses is an error that names the field, and is not stored."""
    simulator = FreshdeskSimulator()
    with pytest.raises(ValidationError) as caught:
        simulator.save(**form)
    assert list(caught.value.messages_dict) == [field]
    with pytest.raises(FormNotSaved):
        _ = simulator.form


LOOPBACK = ["localhost", "127.0.0.1:8000", "127.8.9.1", "[::1]:80", "app.localhost"]


@pytest.mark.parametrize("host", LOOPBACK)
def test_http_on_this_machine(host: str) -> None:
    """HTTP to loopback is accepted only on request."""
    form = {"destination_url": f"http://{host}/in"}
    assert WebhookForm(allow_http=True).validate(form) == {}
    assert list(WebhookForm().validate(form)) == ["destination_url"]


@pytest.mark.parametrize(
    "url", ["http://example.com/", "http://10.0.0.1/", "http:///", "ftp://localhost/"]
)
def test_http_elsewhere(url: str) -> None:
    """HTTP to another machine is refused even so."""
    assert list(WebhookForm(allow_http=True).validate({"destination_url": url}))


@pytest.mark.parametrize("action", ["enable", "run", "__enter__"])
def test_without_a_form(action: str) -> None:
    """Before the form is saved there is nothing to enable and nowhere to post to."""
    with pytest.raises(FormNotSaved, match="save"):
        getattr(FreshdeskSimulator(), action)()


@pytest.mark.parametrize(
    "make",
    [
        lambda: FreshdeskSimulator(concurrency=0),
        lambda: FreshdeskSimulator(rate=0),
        lambda: Clock(speed=0),
        lambda: Clock(speed=float("inf")),
        lambda: Clock(datetime(1969, 12, 31, tzinfo=UTC)),
        lambda: Clock(datetime(2025, 1, 1)),
    ],
)
def test_invalid_numbers_are_refused(make: Any) -> None:
    """Invalid numbers are refused."""
    with pytest.raises(ValueError, match=r"more|aware|1970"):
        make()


def test_probe_on_save(make_destination: MakeDestination) -> None:
    """With that fault, saving sends a GET, a HEAD and an empty POST with the form's headers."""
    destination = make_destination()
    simulator = FreshdeskSimulator(allow_http=True, faults=["probe-on-save"])
    simulator.save(destination.url, {"Authorization": TOKEN})
    assert [(got.method, got.body) for got in destination.received] == [
        ("GET", b""),
        ("HEAD", b""),
        ("POST", b""),
    ]
    assert {got.headers["Authorization"] for got in destination.received} == {TOKEN}
    assert simulator.report.probes == {"GET 200": 1, "HEAD 200": 1, "POST 200": 1}


def test_events_carry_the_account() -> None:
    """Events carry the account, and QUEUED one of its agents."""
    agents = (Agent(1, "Ada"), Agent(2, "Bo"))
    simulator = FreshdeskSimulator(account=Account("77", "x.freshdesk.com", agents))
    messages = [simulator.send() for _ in range(20)]
    payloads = [post.payload for message in messages for post in message.posts]
    assert {payload["account_id"] for payload in payloads} == {"77"}
    assert {payload["account_domain"] for payload in payloads} == {"x.freshdesk.com"}
    names = {payload["actor"]["name"] for payload in payloads}
    assert names == {"Ada", "Bo", "system"}


def test_real_clock() -> None:
    """A real clock tells the time of day."""
    from flask_fd_whatsapp.simulator.clock import moment_of

    before = datetime.now(UTC)
    now = moment_of(Clock.real().now())
    assert now >= before.replace(microsecond=0)


NO_CLIENT = """
import sys
sys.modules["urllib3"] = None
import flask_fd_whatsapp, flask_fd_whatsapp.commands
from flask_fd_whatsapp.simulator import FreshdeskSimulator
try:
    FreshdeskSimulator()
except flask_fd_whatsapp.FreshdeskWhatsAppError as error:
    print(error)
"""


def test_without_the_client() -> None:
    """Without urllib3 the package works, and the simulator names the extra to install."""
    done = subprocess.run(
        [sys.executable, "-c", NO_CLIENT], capture_output=True, text=True, check=True
    )
    assert "flask_fd_whatsapp[simulator]" in done.stdout


def test_importing_is_light() -> None:
    """Importing the package imports neither the HTTP client nor the simulator."""
    code = "import sys, flask_fd_whatsapp; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = done.stdout.split()
    assert "urllib3" not in modules
    assert not [name for name in modules if name.startswith("flask_fd_whatsapp.simulator")]


def test_all_names_are_there() -> None:
    """All names of the folder are there, and an unknown one is an error."""
    from flask_fd_whatsapp import simulator as freshdesk

    assert all(getattr(freshdesk, name) for name in freshdesk.__all__)
    assert freshdesk.__all__ == sorted(
        freshdesk.__all__, key=lambda name: (not name.isupper(), name)
    )
    with pytest.raises(AttributeError, match="typo"):
        _ = freshdesk.typo
