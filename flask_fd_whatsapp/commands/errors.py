"""Errors as one clear line: what is wrong with a ledger is no bug of the command."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import click

from ..exceptions import FreshdeskWhatsAppError, LedgerUnavailable
from ..ledger import Ledger
from ..monitoring.masking import without_secrets
from ..receiving.receiver import Receiver
from .output import plain


@contextmanager
def noting(problems: list[str], receiver: Receiver) -> Generator[None]:
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
