"""``flask fd-whatsapp simulate``: Freshdesk's side, played against the application."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
from flask import Flask, current_app
from flask.cli import with_appcontext
from marshmallow import ValidationError

from ..exceptions import FreshdeskWhatsAppError
from ..receiver import Receiver
from ..schemas import field_errors
from ..settings import FORM_HEADERS
from .options import chosen_receiver, json_option, receiver_option

if TYPE_CHECKING:
    from ..freshdesk import FreshdeskSimulator

SHOWN = 20
UNREACHABLE = 5
PATIENCE = 0.5
"""Real seconds before the second try, however fast the clock runs."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What was asked for on the command line."""

    url: str | None
    messages: int
    campaign: str
    faults: tuple[str, ...]
    rate: float | None
    concurrency: int
    seed: int | None
    speed: float
    start: datetime | None
    headers: tuple[str, ...]
    timeout: float
    delays: str
    retry_after: bool
    new_event_time: bool
    alert_emails: tuple[str, ...]
    smtp: str


def _list_faults(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        from ..freshdesk import FAULTS

        width = max(map(len, FAULTS))
        for name, fault in FAULTS.items():
            click.echo(f"{name.ljust(width)}  {fault.description}")
        context.exit()


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
    help="Instead of the headers of this application's configuration.",
)  # fmt: skip
@click.option("--timeout", type=_POSITIVE, default=10.0, show_default=True, help="Real seconds.")
@click.option(
    "--delays", default="300,1800,3600", show_default=True,
    help="Simulated seconds before each further try.",
)  # fmt: skip
@click.option("--retry-after", is_flag=True, help="Wait as long as Retry-After says.")
@click.option("--new-event-time", is_flag=True, help="Try again with a new event_time.")
@click.option("--alert-email", "alert_emails", multiple=True, help="Who is told; at most two.")
@click.option("--smtp", default="127.0.0.1:25", show_default=True, help="Where e-mails go.")
@receiver_option
@json_option
@with_appcontext
def simulate(name: str | None, as_json: bool, **options: Any) -> None:
    """Send messages as Freshdesk does, and post what becomes of them.

    Shows what was answered and, where the ledger can be read, whether it says of every message
    what the simulator says; exit 1 if not. Do not run it against a ledger in production.
    """
    receiver = chosen_receiver(name)
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    run = Run(**options)
    if run.seed is None:
        start = run.start or datetime.now(UTC).replace(microsecond=0)
        run = replace(run, seed=secrets.randbelow(1_000_000), start=start)
    simulator = _simulator(app, receiver, run)
    from ..freshdesk.campaign import INTERRUPTED, compare, play, summary

    ending = play(simulator, run.messages, run.campaign)
    wrong, compared = compare(simulator, receiver, is_here=run.url is None)
    shown = {
        **summary(simulator),
        "ledger": compared,
        "disagreements": wrong,
        "ending": ending,
        "seed": run.seed,
    }
    if as_json:
        click.echo(json.dumps(shown, indent=2))
    else:
        _print(simulator, shown)
    if ending or wrong:
        raise SystemExit(130 if ending == INTERRUPTED else 1)


def _simulator(app: Flask, receiver: Receiver, run: Run) -> FreshdeskSimulator:
    """A simulator with its form saved."""
    from ..freshdesk import Account, Clock, FreshdeskSimulator, MailServer, Retries
    from ..freshdesk.clock import SAMPLES_DAY
    from ..freshdesk.over_wsgi import WSGITransport

    form, surplus = _headers(receiver, run.headers)
    accounts = receiver.settings.account_ids
    host, _, port = run.smtp.rpartition(":")
    start = (run.start or SAMPLES_DAY).replace(tzinfo=UTC)
    try:
        simulator = FreshdeskSimulator(
            account=Account(id=min(accounts)) if accounts else None,
            clock=Clock(start, run.speed),
            seed=run.seed or 0,
            faults=run.faults,
            retries=Retries(
                delays=tuple(float(delay) for delay in run.delays.split(",") if delay),
                timeout=run.timeout,
                at_least=PATIENCE,
                honours_retry_after=run.retry_after,
                renews_event_time=run.new_event_time,
                stop_if_unreachable=UNREACHABLE,
            ),
            concurrency=run.concurrency,
            rate=run.rate,
            mail_server=MailServer(host=host, port=int(port)) if run.alert_emails else None,
            allow_http=True,
            make_transport=None if run.url else lambda url: WSGITransport(app.wsgi_app, url),
            gateway_headers=surplus,
        )
        simulator.save(_url(app, receiver, run.url), form, run.alert_emails)
    except ValidationError as error:
        raise click.UsageError(_explain(error)) from None
    except FreshdeskWhatsAppError as error:
        raise click.UsageError(str(error)) from None
    except ValueError as error:
        raise click.UsageError(f"--speed, --start, --delays or --smtp: {error}") from None
    simulator.enable()
    return simulator


def _headers(receiver: Receiver, given: tuple[str, ...]) -> tuple[dict[str, str], dict[str, str]]:
    """The form's headers, and those that a gateway has to add since the form is full."""
    if given:
        pairs = [text.partition(":") for text in given]
        if any(not colon for _, colon, _ in pairs):
            raise click.UsageError("--header: write 'Name: value'.")
        return {name.strip(): value.strip() for name, _, value in pairs}, {}
    settings = receiver.settings
    headers = [(name, values[0]) for name, values in settings.headers.items()]
    headers += [(name, "simulated") for name in settings.data_headers]
    return dict(headers[:FORM_HEADERS]), dict(headers[FORM_HEADERS:])


def _url(app: Flask, receiver: Receiver, given: str | None) -> str:
    if given is None:
        trusted = app.config.get("TRUSTED_HOSTS")
        host = app.config["SERVER_NAME"] or (trusted[0].lstrip(".") if trusted else "localhost")
        subdomain = f"{receiver.subdomain}." if receiver.subdomain else ""
        return f"https://{subdomain}{host}{receiver.url}"
    is_bare = "://" in given and urlsplit(given).path in ("", "/")
    return f"{given.rstrip('/')}{receiver.url}" if is_bare else given


def _explain(error: ValidationError) -> str:
    entered_as = {
        "destination_url": "--url",
        "headers": "--header",
        "alert_emails": "--alert-email",
    }
    return "Freshdesk's form would refuse this. " + " ".join(
        f"{entered_as.get(field.partition('.')[0], field)}: {' '.join(texts)}"
        for field, texts in field_errors(error.messages).items()
    )


def _print(simulator: FreshdeskSimulator, shown: dict[str, Any]) -> None:
    rows = [*simulator.report.rows(), ("Ledger", shown["ledger"])]
    width = max(len(label) for label, _ in rows)
    for label, value in rows:
        click.echo(f"{label.ljust(width)}  {value}")
    for text in shown["disagreements"][:SHOWN]:
        click.echo(f"  {text}")
    if len(shown["disagreements"]) > SHOWN:
        click.echo(f"  and {len(shown['disagreements']) - SHOWN} more")
    click.echo(f"The same events again: --seed {shown['seed']} --start {shown['start']}")
    if shown["ending"]:
        click.echo(f"Error: {shown['ending']}", err=True)
