"""``flask fd-whatsapp check`` beside other extensions of the application."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask
from flask_limiter import Limiter

from flask_fd_whatsapp import FreshdeskWhatsApp

from ..answers import client_of
from ..conftest import URL, MakeApp, Payload
from ..processes.waiting import TIMEOUT
from .conftest import RunCommand

pytestmark = pytest.mark.usefixtures("sync_ticket")


def limited(make_app: MakeApp, *, is_exempt: bool, **limits: list[str]) -> Flask:
    """An application whose Flask-Limiter does or does not exempt the receiver."""
    blueprint = FreshdeskWhatsApp()
    app = make_app(blueprint)
    limiter = Limiter(lambda: "everybody", app=app, storage_uri="memory://", **limits)  # type: ignore[arg-type]
    if is_exempt:
        limiter.exempt(blueprint)
    return app


LIMITS = [{"default_limits": ["3 per hour"]}, {"application_limits": ["3 per hour"]}]


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("is_exempt", [True, False])
def test_a_rate_limit_is_named_until_the_receiver_is_exempt(
    make_app: MakeApp,
    run: RunCommand,
    payload: Payload,
    is_exempt: bool,
    limits: dict[str, list[str]],
) -> None:
    """Default limits reject Freshdesk; with the documented remedy they do not."""
    app = limited(make_app, is_exempt=is_exempt, **limits)
    result = run(app, "check")
    assert ("Flask-Limiter limits" in result.output) is not is_exempt
    assert ("limiter.exempt(blueprint)" in result.output) is not is_exempt
    statuses = {client_of(app).post(URL, json=payload()).status_code for _ in range(5)}
    assert (429 in statuses) is not is_exempt


def test_a_limit_that_is_used_up_is_named(
    make_app: MakeApp, run: RunCommand, payload: Payload
) -> None:
    """A 429 instead of the receiver's answer is an error with its remedy."""
    app = limited(make_app, is_exempt=False, default_limits=["1 per hour"])
    client_of(app).post(URL, json=payload())
    result = run(app, "check")
    assert result.exit_code == 1
    assert "429 TOO MANY REQUESTS: a rate limit" in result.output


MIGRATED = """
from flask import Flask
from flask_fd_whatsapp import FreshdeskWhatsApp
from flask_fd_whatsapp.ledger.sql import include_object
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy

app = Flask(__name__)
app.config["SQLALCHEMY_DATABASE_URI"] = app.config["FD_WHATSAPP_LEDGER_URL"] = "sqlite:///app.db"
app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": "Bearer t"}
db = SQLAlchemy(app)

class Ticket(db.Model):
    id = db.Column(db.Integer, primary_key=True)

app.register_blueprint(FreshdeskWhatsApp())
Migrate(app, db{options})
"""


def flask(folder: Path, *arguments: str) -> str:
    """What a ``flask`` command printed."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "host", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize(
    ("options", "in_env"),
    [("", False), (", include_object=include_object", False), ("", True)],
    ids=["unaware", "include_object", "in env.py"],
)
@pytest.mark.slow
def test_flask_migrate_on_the_same_database_drops_nothing(
    tmp_path: Path, options: str, in_env: bool
) -> None:
    """With the documented ``include_object`` the ledger's tables stay; without it check warns."""
    (tmp_path / "host.py").write_text(MIGRATED.replace("{options}", options))
    flask(tmp_path, "fd-whatsapp", "upgrade")
    flask(tmp_path, "db", "init")
    if in_env:
        env = tmp_path / "migrations" / "env.py"
        env.write_text(
            "from flask_fd_whatsapp.ledger.sql import include_object\n"
            + env.read_text().replace(
                "target_metadata=get_metadata(),",
                "target_metadata=get_metadata(), include_object=include_object,",
            )
        )
    is_spared = bool(options) or in_env
    warning = "`flask db migrate` would drop the ledger's tables"
    assert (warning in flask(tmp_path, "fd-whatsapp", "check")) is not is_spared
    flask(tmp_path, "db", "migrate")
    (script,) = (tmp_path / "migrations" / "versions").glob("*.py")
    text = script.read_text()
    assert "create_table('ticket'" in text
    assert ("fd_whatsapp_" not in text) is is_spared
