"""``flask fd-whatsapp ...``: one group, however many receivers there are."""

from flask.cli import AppGroup

from .check import check
from .setup import setup

group = AppGroup(
    "fd-whatsapp",
    help="Freshdesk's WhatsApp webhooks.",
    epilog="Example: flask fd-whatsapp check",
)
group.add_command(check)
group.add_command(setup)

__all__ = ["group"]
