"""``flask fd-whatsapp simulate``: plays Freshdesk's side against the application."""

from __future__ import annotations

import math
import secrets
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from flask import current_app
from flask.cli import with_appcontext

from .account_options import account_option, chosen_account
from .options import json_option, receiver_option
from .output import plain, print_json, quoted
from .parameters import AT_MOST, POSITIVE
from .simulation import Run, make_simulator

if TYPE_CHECKING:
    from ..simulator import FreshdeskSimulator

SHOWN = 20


def _list_faults(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        from ..simulator import FAULTS

        width = max(map(len, FAULTS))
        for name, fault in FAULTS.items():
            click.echo(f"{name.ljust(width)}  {fault.description}")
        context.exit()


def _seconds(context: click.Context, parameter: click.Parameter, text: str) -> tuple[float, ...]:
    try:
        seconds = tuple(float(part) for part in text.split(",") if text)
    except ValueError:
        seconds = (-1,)
    if not all(0 <= each < math.inf for each in seconds):
        raise click.BadParameter(f"{quoted(text)} is not a list of seconds, such as 300,1800,3600.")
    return seconds


def _address(context: click.Context, parameter: click.Parameter, text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not (host and port.isascii() and port.isdigit()):
        raise click.BadParameter(f"{quoted(text)} is not HOST:PORT, such as 127.0.0.1:25.")
    return host, int(port)


@click.command(
    epilog="\b\nExamples:\n  flask fd-whatsapp simulate --fault duplicates --fault out-of-order\n"
    "  flask fd-whatsapp simulate --url http://127.0.0.1:8000 --messages 1000 --fault all --seed 7"
)
@click.option("--url", help="The URL to post to. [default: directly into this application]")
@click.option("--messages", type=AT_MOST, default=200, show_default=True, help="How many to send.")
@click.option(
    "--campaign",
    default="spring",
    show_default=True,
    help="The prefix of the messages' references.",
)
@click.option(
    "--fault", "faults", multiple=True, metavar="NAME", help="The name of a fault, or all."
)
@click.option(
    "--list-faults", is_flag=True, is_eager=True, expose_value=False, callback=_list_faults,
    help="List the faults and exit.",
)  # fmt: skip
@click.option("--rate", type=POSITIVE, help="At most this many posts per second.")
@click.option(
    "--concurrency", type=AT_MOST, default=8, show_default=True, help="How many posts at a time."
)
@click.option("--seed", type=int, help="The same seed generates the same events.")
@click.option(
    "--speed", type=POSITIVE, default=86_400.0, show_default=True,
    help="Simulated seconds per real second.",
)  # fmt: skip
@click.option(
    "--start", type=click.DateTime(), help="When simulated time starts (UTC).",
)  # fmt: skip
@click.option(
    "--header", "headers", multiple=True, metavar="'NAME: VALUE'",
    help="A header to send besides those this application is configured with, or instead of one.",
)  # fmt: skip
@click.option(
    "--timeout",
    type=POSITIVE,
    default=10.0,
    show_default=True,
    help="Time-out of a request, in real seconds.",
)
@click.option(
    "--delays", default="300,1800,3600", show_default=True, callback=_seconds,
    help="Simulated seconds before each further attempt.",
)  # fmt: skip
@click.option("--retry-after", is_flag=True, help="Wait for as long as Retry-After says.")
@click.option("--new-event-time", is_flag=True, help="Resend with a new event_time.")
@click.option(
    "--alert-email", "alert_emails", multiple=True, help="Who is notified of failures; at most two."
)
@click.option(
    "--smtp", default="127.0.0.1:25", show_default=True, callback=_address,
    help="The server that sends the alert e-mails.",
)  # fmt: skip
@receiver_option
@account_option
@json_option
@with_appcontext
def simulate(name: str | None, account: str | None, as_json: bool, **options: Any) -> None:
    """Send messages as Freshdesk does, and post the events that follow.

    Shows the answers and, if the ledger can be read, whether it agrees with the simulator about
    every message; exit 1 if not. Do not run this against a production ledger.
    """
    receiver = chosen_account(name, account)
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    run = Run(**options)
    if run.seed is None:
        start = run.start or datetime.now(UTC).replace(microsecond=0)
        run = replace(run, seed=secrets.randbelow(1_000_000), start=start)
    simulator = make_simulator(app, receiver, run)
    from ..simulator.campaign_run import INTERRUPTED, compare, play, summary

    ending = play(simulator, run.messages, run.campaign) or _redirected(simulator)
    wrong, compared = compare(simulator, receiver, is_here=run.url is None)
    shown = {
        **summary(simulator),
        "ledger": compared,
        "disagreements": wrong,
        "ending": ending,
        "seed": run.seed,
    }
    if as_json:
        print_json(shown)
    else:
        _print(simulator, shown)
    if ending or wrong:
        raise SystemExit(130 if ending == INTERRUPTED else 1)


def _redirected(simulator: FreshdeskSimulator) -> str | None:
    """Return what to do about a destination that only redirects."""
    report = simulator.report
    if report.acknowledged or not report.redirects:
        return None
    return (
        f"{simulator.form['destination_url']} redirects to {', '.join(sorted(report.redirects))}, "
        "but webhook posts do not follow redirects: set --url, and the URL in Freshdesk's form, "
        "to the address that answers directly. If that is a login page, exempt the receiver from "
        "the login; `flask fd-whatsapp check` finds what is in the way."
    )


def _print(simulator: FreshdeskSimulator, shown: dict[str, Any]) -> None:
    rows = [*simulator.report.rows(), ("Ledger", shown["ledger"])]
    width = max(len(label) for label, _ in rows)
    for label, value in rows:
        click.echo(f"{label.ljust(width)}  {plain(value)}")
    for text in shown["disagreements"][:SHOWN]:
        click.echo(f"  {text}")
    if len(shown["disagreements"]) > SHOWN:
        click.echo(f"  and {len(shown['disagreements']) - SHOWN} more")
    click.echo(f"To repeat the same events: --seed {shown['seed']} --start {shown['start']}")
    if shown["ending"]:
        click.echo(plain(f"Error: {shown['ending']}"), err=True)
