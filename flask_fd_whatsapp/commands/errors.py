"""Errors as one clear line: what is wrong with a ledger is no bug of the command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from flask.cli import AppGroup, FlaskGroup

from ..exceptions import FreshdeskWhatsAppError, LedgerUnavailable
from ..ledger import Ledger
from ..receiver import Receiver
from .masking import without_secrets
from .output import plain


class Commands(AppGroup):
    """A group whose commands end with a line, and exit status 1, where a ledger cannot be used."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except FreshdeskWhatsAppError as error:
            raise click.ClickException(plain(explain(error))) from None


def is_command_running() -> bool:
    """Whether one of these commands runs, which says itself what is doubtful about a ledger."""
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


@contextmanager
def noting(problems: list[str], receiver: Receiver) -> Iterator[None]:
    """Tell of a ledger that cannot be used, and go on: those of others still can."""
    try:
        yield
    except LedgerUnavailable as error:
        problems.append(plain(f"{receiver.name}: {explain(error)}"))
        click.echo(f"Error: {problems[-1]}", err=True)


def explain(error: FreshdeskWhatsAppError) -> str:
    """An error in words."""
    if isinstance(error, LedgerUnavailable):
        return f"The ledger cannot be used: {error}"
    return str(error)


def ledger_of(receiver: Receiver) -> Ledger:
    """The ledger of *receiver*, made if need be.

    :raises LedgerUnavailable: whatever it is that keeps it from being made.
    """
    try:
        return receiver.ledger
    except LedgerUnavailable:
        raise
    except Exception as error:
        reason = without_secrets(f"{type(error).__name__}: {error}", [receiver])
        raise LedgerUnavailable(reason) from error
