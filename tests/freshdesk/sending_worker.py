"""A process that sends a campaign with ``once=True`` to its end."""

from __future__ import annotations

from contextlib import suppress

from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp
from flask_fd_whatsapp.freshdesk import FreshdeskAPIError, TemplateMessage, current_client


def main(api_url: str, ledger_url: str, account_id: str, key: str, first: int, count: int) -> None:
    app = Flask("sender")
    app.testing = True
    settings = {
        "HEADERS": {"Authorization": "Bearer s3cret"},
        "DOMAIN": api_url,
        "API_KEY": key,
        "SENDER": "+14155550100",
        "ACCOUNT_IDS": [account_id],
        "CALLS_A_MINUTE": 1_000_000,
        "LEDGER_URL": ledger_url,
    }
    app.config.update({f"FD_WHATSAPP_{name}": value for name, value in settings.items()})
    app.register_blueprint(FreshdeskWhatsApp())
    with app.app_context():
        for number in range(first, count):
            with suppress(FreshdeskAPIError):
                current_client.send(
                    to="+4930123456",
                    template=TemplateMessage("order_update", "en"),
                    external_reference_id=f"R{number}",
                    once=True,
                )
