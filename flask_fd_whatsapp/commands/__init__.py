"""``flask fd-whatsapp ...``: one group, however many receivers there are."""

from .acknowledge import acknowledge
from .check import check
from .errors import Commands, is_command_running, is_flask_command
from .events import events
from .message import message
from .prune import prune
from .quarantine import quarantine
from .replay import replay
from .retry import retry
from .setup import setup
from .simulate import simulate
from .status import status
from .upgrade import upgrade

group = Commands(
    "fd-whatsapp",
    help="Freshdesk's WhatsApp webhooks.",
    epilog="Example: flask fd-whatsapp check",
)
for _command in (
    acknowledge,
    check,
    events,
    message,
    prune,
    quarantine,
    replay,
    retry,
    setup,
    simulate,
    status,
    upgrade,
):
    group.add_command(_command)

__all__ = ["group", "is_command_running", "is_flask_command"]
