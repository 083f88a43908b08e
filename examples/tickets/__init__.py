"""A host with Flask-SQLAlchemy whose tickets follow the status of the messages sent for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp

from . import views
from .handlers import connect_handlers
from .models import db

DATABASE = "sqlite:///tickets.db"
"""In ``app.instance_path``, for Flask-SQLAlchemy as for the ledger."""


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """The application, set up by the environment's ``FLASK_...`` variables and *config*."""
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = DATABASE
    app.config.from_prefixed_env()
    app.config.from_mapping(config or {})
    # One database for both: a handler's rows can only commit with its success where the success
    # is recorded.
    app.config["FD_WHATSAPP_LEDGER_URL"] = app.config["SQLALCHEMY_DATABASE_URI"]
    db.init_app(app)
    app.register_blueprint(FreshdeskWhatsApp())
    app.register_blueprint(views.blueprint)
    connect_handlers(app)
    with app.app_context():
        db.create_all()
    return app
