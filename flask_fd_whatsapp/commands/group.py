"""The group of the commands, which are imported when they are run."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final, cast

import click
from flask.cli import AppGroup, FlaskGroup

from ..exceptions import FreshdeskWhatsAppError

NAMES: Final = (
    "acknowledge",
    "backup",
    "campaigns",
    "check",
    "copy",
    "drift",
    "events",
    "forget",
    "message",
    "messages",
    "openapi",
    "prune",
    "quarantine",
    "reconcile",
    "replay",
    "report",
    "retry",
    "sends",
    "setup",
    "simulate",
    "status",
    "trigger",
    "upgrade",
)
"""The commands; each is defined in a module of its name, save those of :data:`_MODULES`."""

_MODULES: Final = {
    "campaigns": "campaign_rule",
    "copy": "ledger_copy",
    "drift": "drift_list",
    "events": "event_list",
    "messages": "message_list",
    "openapi": "openapi_printing",
    "quarantine": "quarantined_bodies",
    "report": "engagement_report",
    "sends": "send_list",
}
"""The modules of commands whose name is that of another module."""


class Commands(AppGroup):
    """A group whose commands are imported only when they are run, or their help is shown.

    If a ledger cannot be used, they end with one line and exit status 1.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, sorted."""
        return sorted({*NAMES, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, ``None`` if there is none."""
        if cmd_name in NAMES:
            module = import_module(f"{__package__}.{_MODULES.get(cmd_name, cmd_name)}")
            return cast(click.Command, getattr(module, cmd_name))
        return super().get_command(ctx, cmd_name)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse text that is not UTF-8, which no database, JSON or page could contain."""
        for one in args:
            try:
                one.encode()
            except UnicodeEncodeError:
                raise click.UsageError(f"The argument {one!a} is not UTF-8.", ctx) from None
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except FreshdeskWhatsAppError as error:
            from .errors import explain
            from .output import plain

            raise click.ClickException(plain(explain(error))) from None


def is_command_running() -> bool:
    """Whether one of these commands is running, which reports doubts about a ledger itself."""
    context = click.get_current_context(silent=True)
    while context is not None:
        if isinstance(context.command, Commands):
            return True
        context = context.parent
    return False


def is_flask_command(name: str | None = None) -> bool:
    """Whether this process runs a ``flask`` command (of this name), rather than a server."""
    context = click.get_current_context(silent=True)
    names = set()
    while context is not None:
        names.add(context.info_name)
        if isinstance(context.command, FlaskGroup):
            return name is None or name in names
        context = context.parent
    return False


group = Commands(
    "fd-whatsapp",
    help="Freshdesk's WhatsApp webhooks.",
    epilog="Example: flask fd-whatsapp check",
)
