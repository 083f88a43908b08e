"""``flask fd-whatsapp setup``: what to enter in Freshdesk's form."""

from __future__ import annotations

import json
import secrets
import shlex
from urllib.parse import urlsplit

import click
from flask.cli import with_appcontext
from marshmallow import ValidationError

from ..freshdesk import WebhookForm
from ..receiver import Receiver
from .form import form_refusal
from .options import chosen_receiver, json_option, receiver_option
from .output import print_json


@click.command(
    epilog="\b\nExample:\n  flask fd-whatsapp setup --url https://example.com/freshdesk/whatsapp "
    "--alert-email ops@example.com"
)
@click.option("--url", required=True, help="Where Freshdesk posts to: an https:// URL.")
@click.option(
    "--alert-email",
    "alert_emails",
    multiple=True,
    help="Who is told when deliveries fail; at most two.",
)
@receiver_option
@json_option
@with_appcontext
def setup(url: str, alert_emails: tuple[str, ...], name: str | None, as_json: bool) -> None:
    """Print what to enter in Freshdesk's form, with a new token.

    Each run makes another token; the ones in use are not shown.
    """
    receiver = chosen_receiver(name)
    headers = _new_headers(receiver)
    form = {"destination_url": url, "headers": headers, "alert_emails": list(alert_emails)}
    try:
        WebhookForm().load(form)
    except ValidationError as error:
        raise click.UsageError(form_refusal(error, _entered_as(receiver))) from None
    secret = {name: value for name, value in headers.items() if value != _CUSTOM}
    warning = _path_warning(url, receiver)
    if as_json:
        print_json(
            {**form, "configuration": {f"{receiver.prefix}_HEADERS": secret}, "warning": warning}
        )
        return
    click.echo("In Freshdesk, under Admin > Channels > WhatsApp > Manage Webhooks, enter:\n")
    click.echo(f"  Destination URL             {url}")
    for header, value in headers.items():
        click.echo(f"  Header                      {header}: {value}")
    for email in alert_emails:
        click.echo(f"  Failed notification email   {email}")
    click.echo("\nSave, then switch the toggle at the top of the page to Enabled.\n")
    click.echo("In this application's configuration:\n")
    key = f"{receiver.prefix}_HEADERS"
    click.echo(f'  app.config["{key}"] = {secret!r}\n')
    click.echo("or in its environment, if it calls app.config.from_prefixed_env():\n")
    click.echo(f"  FLASK_{key}={shlex.quote(json.dumps(secret))}\n")
    click.echo("To rotate a token without a gap, list both until the new one is entered:")
    click.echo('  {"<header>": ["<new value>", "<old value>"]}')
    if warning:
        click.echo(f"\nWarning: {warning}", err=True)


_CUSTOM = "<your value>"


def _new_headers(receiver: Receiver) -> dict[str, str]:
    """The headers of the form: those configured, with new values, and those for data."""
    token = secrets.token_urlsafe(32)
    names = list(receiver.settings.headers) or ["Authorization"]
    headers = {
        name: f"Bearer {token}" if name.lower() == "authorization" else secrets.token_urlsafe(32)
        for name in names
    }
    return headers | dict.fromkeys(receiver.settings.data_headers, _CUSTOM)


def _entered_as(receiver: Receiver) -> dict[str, str]:
    return {
        "destination_url": "--url",
        "headers": f"{receiver.prefix}_HEADERS and {receiver.prefix}_DATA_HEADERS",
        "alert_emails": "--alert-email",
    }


def _path_warning(url: str, receiver: Receiver) -> str | None:
    path = urlsplit(url).path.rstrip("/")
    if path == receiver.url or path.endswith(receiver.url):
        return None
    return f"{url} does not end in {receiver.url}, where this application listens."
