"""``flask fd-whatsapp simulate``: Freshdesk's side, played against the application."""

from __future__ import annotations

import math
import secrets
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from flask import current_app
from flask.cli import with_appcontext

from .options import account_option, chosen_account, json_option, receiver_option
from .output import plain, print_json
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
        raise click.BadParameter(f"{text!r} is no list of seconds, such as 300,1800,3600.")
    return seconds


def _address(context: click.Context, parameter: click.Parameter, text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not (host and port.isascii() and port.isdigit()):
        raise click.BadParameter(f"{text!r} is no HOST:PORT, such as 127.0.0.1:25.")
    return host, int(port)


_POSITIVE = click.FloatRange(min=0, min_open=True)


@click.command(
    epilog="\b\nExamples:\n  flask fd-whatsapp simulate --fault duplicates --fault out-of-order\n"
    "  flask fd-whatsapp simulate --url http://127.0.0.1:8000 --messages 1000 --fault all --seed 7"
)
@click.option("--url", help="Where to post to; without it, straight into this application.")
@click.option("--messages", type=click.IntRange(min=1), default=200, show_default=True)
@click.option("--campaign", default="spring", show_default=True, help="Their references begin so.")
@click.option("--fault", "faults", multiple=True, metavar="NAME", help="A fault, or all.")
@click.option(
    "--list-faults", is_flag=True, is_eager=True, expose_value=False, callback=_list_faults,
    help="List the faults and end.",
)  # fmt: skip
@click.option("--rate", type=_POSITIVE, help="Posts a second at most.")
@click.option("--concurrency", type=click.IntRange(min=1), default=8, show_default=True)
@click.option("--seed", type=int, help="The same seed makes the same events.")
@click.option(
    "--speed", type=_POSITIVE, default=86_400.0, show_default=True,
    help="Simulated seconds in a real one.",
)  # fmt: skip
@click.option(
    "--start", type=click.DateTime(), help="When the simulated time starts (UTC).",
)  # fmt: skip
@click.option(
    "--header", "headers", multiple=True, metavar="'NAME: VALUE'",
    help="Besides the headers of this application's configuration, or instead of one of them.",
)  # fmt: skip
@click.option("--timeout", type=_POSITIVE, default=10.0, show_default=True, help="Real seconds.")
@click.option(
    "--delays", default="300,1800,3600", show_default=True, callback=_seconds,
    help="Simulated seconds before each further try.",
)  # fmt: skip
@click.option("--retry-after", is_flag=True, help="Wait as long as Retry-After says.")
@click.option("--new-event-time", is_flag=True, help="Try again with a new event_time.")
@click.option("--alert-email", "alert_emails", multiple=True, help="Who is told; at most two.")
@click.option(
    "--smtp", default="127.0.0.1:25", show_default=True, callback=_address,
    help="Where e-mails go.",
)  # fmt: skip
@receiver_option
@account_option
@json_option
@with_appcontext
def simulate(name: str | None, account: str | None, as_json: bool, **options: Any) -> None:
    """Send messages as Freshdesk does, and post what becomes of them.

    Shows what was answered and, where the ledger can be read, whether it says of every message
    what the simulator says; exit 1 if not. Do not run it against a ledger in production.
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
    """What to do about a destination that only redirects."""
    report = simulator.report
    if report.acknowledged or not report.redirects:
        return None
    return (
        f"{simulator.form['destination_url']} redirects to {', '.join(sorted(report.redirects))}, "
        "and a webhook's post is not sent on: give --url, and Freshdesk's form, the address that "
        "answers by itself. If that is a login page, exempt the receiver from it; `flask "
        "fd-whatsapp check` finds what is in the way."
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
    click.echo(f"The same events again: --seed {shown['seed']} --start {shown['start']}")
    if shown["ending"]:
        click.echo(plain(f"Error: {shown['ending']}"), err=True)
