"""An application factory with two Freshdesk accounts and a schema of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp

from . import tickets
from .handlers import connect_handlers
from .schema import BrandedEventSchema

ACCOUNTS = ("europe", "america")


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """The application, set up by the environment's ``FLASK_...`` variables and *config*.

    Each account has a receiver with a URL, settings and a ledger of its own.
    """
    app = Flask(__name__)
    app.config.from_prefixed_env()
    app.config.from_mapping(config or {})
    tickets.init_app(app)
    for account in ACCOUNTS:
        receiver = FreshdeskWhatsApp(
            f"freshdesk_{account}",
            config_prefix=f"FD_WHATSAPP_{account.upper()}",
            url_prefix=f"/freshdesk/{account}",
            schema=BrandedEventSchema,
        )
        app.register_blueprint(receiver)
    connect_handlers(app)
    return app
