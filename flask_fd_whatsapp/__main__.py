"""``python -m flask_fd_whatsapp``: commands that need no application."""

from __future__ import annotations

import click

from .commands.setup import setup_without_app

group = click.Group(
    "python -m flask_fd_whatsapp",
    commands=[setup_without_app],
    help="Freshdesk's WhatsApp webhooks: what works without an application. `flask fd-whatsapp` "
    "has more.",
)

if __name__ == "__main__":
    group()
