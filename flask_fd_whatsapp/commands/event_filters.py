"""The conditions that select events, shared by ``events``, ``retry`` and ``replay``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import click

from ..events import Status
from ..ledger import EventFilter
from .account_options import account_filter, account_id_of
from .parameters import Moment
from .periods import in_order

F = TypeVar("F", bound=Callable[..., Any])

status_option = click.option("--status", help="Only events with this status, such as FAILED.")
campaign_option = click.option("--campaign", help="Only events of this campaign.")
since_option = click.option(
    "--since",
    type=Moment(),
    help="Only events received at or after this: ISO (UTC), or 2h, 3d ago.",
)
until_option = click.option("--until", type=Moment(), help="Only events received before this.")

_OPTIONS = (
    status_option,
    campaign_option,
    account_filter,
    click.option(
        "--error", metavar="TEXT", help="Only events whose last error contains this text."
    ),
    since_option,
    until_option,
)


def event_filters(command: F) -> F:
    """Add the conditions to a command, which applies ``--error`` itself with :func:`has_error`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def wanted_events(chosen: Mapping[str, Any], name: str | None) -> EventFilter:
    """Return the conditions for the ledger.

    :param chosen: the values of the options, without ``--error``.
    :param name: the receiver whose account is meant, ``None`` for any.
    :raises click.UsageError: if the account may be one of several, or the period is reversed.
    """
    in_order(chosen["since"], chosen["until"])
    wanted = {**chosen, "status": known_status(chosen["status"])}
    return cast(EventFilter, {**wanted, "account_id": account_id_of(chosen["account_id"], name)})


def known_status(status: str | None) -> str | None:
    """A known status in any case; an unknown one as given."""
    return status.upper() if status and status.upper() in list(Status) else status
