"""``flask fd-whatsapp ...``: one group, however many receivers there are."""

from .group import group, is_command_running, is_flask_command

__all__ = ["group", "is_command_running", "is_flask_command"]
