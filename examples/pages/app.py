"""An application that receives the webhooks and shows its pages to logged-in users."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from flask import Flask, redirect, render_template_string, request, url_for
from flask_login import LoginManager, UserMixin, current_user, login_user
from werkzeug.wrappers import Response

from flask_fd_whatsapp import FreshdeskWhatsApp, status_changed
from flask_fd_whatsapp.dashboard import Dashboard

PASSWORD = "look"  # of the example only
TOKEN = "Bearer s3cret"

LOGIN = """<!doctype html><html lang="en"><title>Log in</title>
<form method="post"><label>Password (it is "{{ password }}") <input name="password" type="password"
autofocus></label> <button>Log in</button></form></html>"""


class Lead(UserMixin):
    """The only user: the support lead."""

    id = "lead"


def may_look() -> bool | Response:
    """The guard: ``True`` admits the visitor; visitors who are not logged in go to the login
    page."""
    if current_user.is_authenticated:
        return True
    return redirect(url_for("log_in", next=request.full_path))


def create_app(folder: Path, config: dict[str, Any] | None = None) -> Flask:
    """The application, with its ledger in *folder*."""
    app = Flask(__name__)
    app.config.from_mapping(
        SECRET_KEY=secrets.token_hex(),
        FD_WHATSAPP_HEADERS={"Authorization": TOKEN},
        FD_WHATSAPP_LEDGER_URL=f"sqlite:///{folder / 'ledger.db'}",
        FD_WHATSAPP_CAMPAIGN=r"^(?P<campaign>[a-z][a-z-]*)-\d+$",
    )
    app.config.update(config or {})

    logins = LoginManager(app)
    logins.user_loader(lambda key: Lead() if key == Lead.id else None)

    app.register_blueprint(FreshdeskWhatsApp())
    app.register_blueprint(
        Dashboard(
            guard=may_look,
            tz="Europe/Berlin",
            message_url="https://helpdesk.example.com/tickets?ref={external_reference_id}",
            message_url_label="Ticket {external_reference_id}",
        )
    )

    @status_changed.connect_via(app)
    def update_ticket(app: Flask, event: Any) -> None:
        """Where the ticket would be brought up to date."""

    app.extensions["update_ticket"] = update_ticket  # blinker holds functions weakly

    @app.get("/")
    def index() -> Response:
        return redirect(url_for("fd_whatsapp_dashboard.overview"))

    @app.route("/login", methods=["GET", "POST"])
    def log_in() -> Response | str:
        if request.method == "POST" and secrets.compare_digest(
            request.form.get("password", "").encode(), PASSWORD.encode()
        ):
            login_user(Lead())
            target = request.args.get("next", "")
            inside = target.startswith("/") and not target.startswith(("//", "/\\"))
            return redirect(target if inside else url_for("index"))
        return render_template_string(LOGIN, password=PASSWORD)

    return app
