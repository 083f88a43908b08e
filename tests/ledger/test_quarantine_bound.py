"""The limit of the quarantine if several receivers share a ledger."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp
from flask_fd_whatsapp.ledger import Ledger

from ..answers import assert_result, client_of
from ..conftest import TOKEN

KEEP = 2
UNUSABLE = b'{"cut": %d'
IGNORED = b'{"event_type": "conversation_created", "id": %d}'


@pytest.fixture
def app(ledger: Ledger) -> Flask:
    """An application with a small and a large quarantine for two accounts, and one ledger."""
    app = Flask("host")
    app.testing = True
    for name, keep in (("europe", KEEP), ("america", 100)):
        prefix = f"FD_{name.upper()}"
        settings: dict[str, Any] = {
            "HEADERS": {"Authorization": TOKEN},
            "DATA_HEADERS": ["X-Body"],
            "QUARANTINE_MAX": keep,
            "REJECT_INVALID": False,
        }
        app.config.update({f"{prefix}_{key}": value for key, value in settings.items()})
        app.register_blueprint(
            FreshdeskWhatsApp(name, config_prefix=prefix, url_prefix=f"/{name}", ledger=ledger)
        )
    return app


def post(app: Flask, name: str, body: bytes, count: int) -> None:
    """Post *count* bodies that cannot be used, each with a header that says which it is."""
    result = "ignored" if body is IGNORED else "quarantined"
    for number in range(count):
        headers = {"X-Body": f"{result} {number}"}
        answer = client_of(app).post(f"/{name}/whatsapp", data=body % number, headers=headers)
        assert_result(answer, result)


def kept(ledger: Ledger) -> list[str]:
    """What is in quarantine, in the order of the alphabet."""
    return sorted(f"{entry.receiver} {entry.headers['X-Body']}" for entry in ledger.quarantined())


@pytest.mark.parametrize("body", [UNUSABLE, IGNORED], ids=["quarantined", "ignored"])
def test_flood_drops_its_own_receivers_entries(app: Flask, ledger: Ledger, body: bytes) -> None:
    """A flood at one receiver evicts its own oldest entries, and none of another's."""
    post(app, "america", body, 3)
    post(app, "europe", body, 10)
    kind = "ignored" if body is IGNORED else "quarantined"
    america = [f"america {kind} {number}" for number in range(3)]
    assert kept(ledger) == [*america, f"europe {kind} 8", f"europe {kind} 9"]


def test_own_bound(app: Flask, ledger: Ledger) -> None:
    """Another receiver's entries do not count towards a receiver's limit."""
    post(app, "america", UNUSABLE, 5)
    post(app, "europe", UNUSABLE, KEEP)
    assert len(kept(ledger)) == 5 + KEEP


def test_ignored_bodies_have_a_bound_of_their_own(app: Flask, ledger: Ledger) -> None:
    """Event types that are ignored have a bound of their own, for each receiver."""
    post(app, "europe", IGNORED, 5)
    post(app, "europe", UNUSABLE, 5)
    assert kept(ledger) == [
        "europe ignored 3",
        "europe ignored 4",
        "europe quarantined 3",
        "europe quarantined 4",
    ]
