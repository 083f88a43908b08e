"""``flask fd-whatsapp setup``: what to enter in Freshdesk's form.

Also as ``python -m flask_fd_whatsapp setup``, since an application does not start without a token.
"""

from __future__ import annotations

import json
import secrets
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import click
from flask.cli import with_appcontext
from marshmallow import ValidationError

from ..simulator import WebhookForm
from .account_options import account_option, chosen_account
from .form_text import form_refusal
from .options import json_option, receiver_option
from .output import print_json

_CUSTOM = "<your value>"


@dataclass(frozen=True, kw_only=True)
class _Target:
    """The receiver that the form is filled in for; by default one that does not exist yet."""

    prefix: str = "FD_WHATSAPP"
    headers: tuple[str, ...] = ("Authorization",)
    data_headers: tuple[str, ...] = ()
    path: str = "/freshdesk/whatsapp"
    whose: str = "where the receiver listens unless it has a different url_prefix"

    def new_headers(self) -> dict[str, str]:
        """Return the form's headers with new values, and those for data."""
        token = secrets.token_urlsafe(32)
        headers = {
            name: f"Bearer {token}"
            if name.lower() == "authorization"
            else secrets.token_urlsafe(32)
            for name in self.headers
        }
        return headers | dict.fromkeys(self.data_headers, _CUSTOM)

    def entered_as(self) -> dict[str, str]:
        """Return where each of the form's fields comes from."""
        return {
            "destination_url": "--url",
            "headers": f"{self.prefix}_HEADERS and {self.prefix}_DATA_HEADERS",
            "alert_emails": "--alert-email",
        }

    def doubt(self, url: str) -> str | None:
        """Return why a destination may not be the receiver's."""
        if urlsplit(url).path.rstrip("/").endswith(self.path):
            return None
        return f"{url} does not end in {self.path}, {self.whose}."


def _form_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        json_option,
        click.option(
            "--alert-email",
            "alert_emails",
            multiple=True,
            help="Who is notified when deliveries fail; at most two.",
        ),
        click.option("--url", required=True, help="The URL that Freshdesk posts to: https://."),
    ):
        command = option(command)
    return command


@click.command(
    epilog="\b\nExample:\n  flask fd-whatsapp setup --url https://example.com/freshdesk/whatsapp "
    "--alert-email ops@example.com"
)
@_form_options
@receiver_option
@account_option
@with_appcontext
def setup(
    url: str,
    alert_emails: tuple[str, ...],
    name: str | None,
    account: str | None,
    as_json: bool,
) -> None:
    """Print what to enter in Freshdesk's form, with a new token.

    Each run generates a new token; current tokens are not shown. An application without a token
    does not start: python -m flask_fd_whatsapp setup does the same without it.
    """
    receiver = chosen_account(name, account)
    target = _Target(
        prefix=receiver.prefix,
        headers=tuple(receiver.settings.headers) or _Target.headers,
        data_headers=receiver.settings.data_headers,
        path=receiver.url,
        whose="where this application listens",
    )
    _print(target, url, alert_emails, as_json=as_json)


@click.command(
    "setup",
    epilog="\b\nExample:\n  python -m flask_fd_whatsapp setup --url "
    "https://example.com/freshdesk/whatsapp",
)
@_form_options
@click.option(
    "--config-prefix",
    default=_Target.prefix,
    show_default=True,
    help="The prefix of the receiver's keys in app.config.",
)
def setup_without_app(
    url: str, alert_emails: tuple[str, ...], config_prefix: str, as_json: bool
) -> None:
    """Print what to enter in Freshdesk's form, with a new token, before there is an application.

    Each run generates a new token.
    """
    _print(_Target(prefix=config_prefix.rstrip("_")), url, alert_emails, as_json=as_json)


def _print(target: _Target, url: str, alert_emails: tuple[str, ...], *, as_json: bool) -> None:
    headers = target.new_headers()
    form = {"destination_url": url, "headers": headers, "alert_emails": list(alert_emails)}
    try:
        WebhookForm().load(form)
    except ValidationError as error:
        raise click.UsageError(form_refusal(error, target.entered_as())) from None
    secret = {name: value for name, value in headers.items() if value != _CUSTOM}
    key, warning = f"{target.prefix}_HEADERS", target.doubt(url)
    if as_json:
        print_json({**form, "configuration": {key: secret}, "warning": warning})
        return
    click.echo("In Freshdesk, under Admin > Channels > WhatsApp > Manage Webhooks, enter:\n")
    click.echo(f"  Destination URL             {url}")
    for header, value in headers.items():
        click.echo(f"  Header                      {header}: {value}")
    for email in alert_emails:
        click.echo(f"  Failed notification email   {email}")
    click.echo("\nSave, and leave the toggle at the top of the page off for now.\n")
    click.echo("In this application's configuration:\n")
    click.echo(f'  app.config["{key}"] = {secret!r}\n')
    click.echo("or in its environment, if it calls app.config.from_prefixed_env():\n")
    click.echo(f"  FLASK_{key}={shlex.quote(json.dumps(secret))}\n")
    click.echo(
        "Deploy, and run `flask fd-whatsapp check` where the application runs. If it reports no"
    )
    click.echo("error, switch the toggle in Freshdesk to Enabled.\n")
    click.echo("To rotate a token without downtime, list both until the new one is in use:")
    click.echo('  {"<header>": ["<new value>", "<old value>"]}')
    if warning:
        click.echo(f"\nWarning: {warning}", err=True)
