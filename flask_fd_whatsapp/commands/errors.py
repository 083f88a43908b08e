"""Reports errors in one clear line: an unusable ledger is not a bug of the command."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import click

from ..exceptions import FreshdeskWhatsAppError, LedgerUnavailable
from ..ledger import Ledger
from ..monitoring.masking import without_secrets
from ..receiving.account_lookup import AccountsUnavailable
from ..receiving.receiver import Receiver
from .output import plain


@contextmanager
def noting(problems: list[str], receiver: Receiver) -> Generator[None]:
    """Report a ledger or accounts that cannot be used, and continue: others may be usable."""
    try:
        yield
    except LedgerUnavailable as error:
        problems.append(plain(f"{receiver.name}: {explain(error)}"))
        click.echo(f"Error: {problems[-1]}", err=True)
    except AccountsUnavailable as error:
        note(problems, error)


def note(problems: list[str], error: AccountsUnavailable) -> None:
    """Report accounts that cannot be looked up."""
    problems.append(plain(str(error)))
    click.echo(f"Error: {problems[-1]}", err=True)


def explain(error: FreshdeskWhatsAppError) -> str:
    """Describe an error."""
    if isinstance(error, LedgerUnavailable):
        return f"The ledger cannot be used: {error}"
    return str(error)


def ledger_of(receiver: Receiver) -> Ledger:
    """Return the ledger of *receiver*, creating it if necessary.

    :raises LedgerUnavailable: if it cannot be created, for whatever reason.
    """
    try:
        return receiver.ledger
    except LedgerUnavailable:
        raise
    except Exception as error:
        reason = without_secrets(f"{type(error).__name__}: {error}", [receiver])
        raise LedgerUnavailable(reason) from error
