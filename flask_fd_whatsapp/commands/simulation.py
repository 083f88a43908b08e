"""Creates the simulator for ``flask fd-whatsapp simulate``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import click
from flask import Flask
from marshmallow import ValidationError

from ..exceptions import FreshdeskWhatsAppError
from ..header_values import FORM_HEADERS
from ..receiving.receiver import Receiver
from .form_text import form_refusal

if TYPE_CHECKING:
    from ..simulator import FreshdeskSimulator

UNREACHABLE: Final = 5
PATIENCE: Final = 0.5
"""Real seconds before the second attempt, however fast the clock runs."""

_ENTERED_AS: Final = {
    "destination_url": "--url",
    "headers": "--header",
    "alert_emails": "--alert-email",
}


@dataclass(frozen=True, kw_only=True)
class Run:
    """The command line's parameters."""

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
    delays: tuple[float, ...]
    retry_after: bool
    new_event_time: bool
    alert_emails: tuple[str, ...]
    smtp: tuple[str, int]


def make_simulator(app: Flask, receiver: Receiver, run: Run) -> FreshdeskSimulator:
    """Return a simulator with its form saved, and enabled.

    :raises click.UsageError: for what the simulator or Freshdesk's form refuses.
    """
    from ..simulator import Account, Clock, FreshdeskSimulator, MailServer, Retries
    from ..simulator.clock import SAMPLES_DAY
    from ..simulator.wsgi_transport import WSGITransport

    form, surplus = headers_of(receiver, run.headers)
    accounts = receiver.settings.account_ids
    host, port = run.smtp
    start = (run.start or SAMPLES_DAY).replace(tzinfo=UTC)
    try:
        simulator = FreshdeskSimulator(
            account=Account(id=min(accounts)) if accounts else None,
            clock=Clock(start, run.speed),
            seed=run.seed or 0,
            faults=run.faults,
            retries=Retries(
                delays=run.delays,
                timeout=run.timeout,
                at_least=PATIENCE,
                honours_retry_after=run.retry_after,
                renews_event_time=run.new_event_time,
                stop_if_unreachable=UNREACHABLE,
            ),
            concurrency=run.concurrency,
            rate=run.rate,
            mail_server=MailServer(host=host, port=port) if run.alert_emails else None,
            allow_http=True,
            make_transport=None if run.url else lambda url: WSGITransport(app.wsgi_app, url),
            gateway_headers=surplus,
        )
        simulator.save(url_of(app, receiver, run.url), form, run.alert_emails)
    except ValidationError as error:
        raise click.UsageError(form_refusal(error, _ENTERED_AS)) from None
    except FreshdeskWhatsAppError as error:
        raise click.UsageError(str(error)) from None
    except ValueError as error:
        raise click.UsageError(f"--speed, --start, --timeout or --rate: {error}") from None
    simulator.enable()
    return simulator


def headers_of(receiver: Receiver, given: tuple[str, ...]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the form's headers, and those that a gateway has to add because the form is full."""
    pairs = [text.partition(":") for text in given]
    if any(not colon for _, colon, _ in pairs):
        raise click.UsageError("--header: write 'Name: value'.")
    form = {name.strip(): value.strip() for name, _, value in pairs}
    settings = receiver.settings
    configured = {name: values[0] for name, values in settings.headers.items()}
    configured |= dict.fromkeys(settings.data_headers, "simulated")
    taken = {name.lower() for name in form}
    others = [item for item in configured.items() if item[0].lower() not in taken]
    room = max(0, FORM_HEADERS - len(form))
    return form | dict(others[:room]), dict(others[room:])


def url_of(app: Flask, receiver: Receiver, given: str | None) -> str:
    """Return the URL to post to: that of a receiver of *app*, or its path at the given host."""
    if given is None:
        trusted = app.config.get("TRUSTED_HOSTS")
        host = app.config["SERVER_NAME"] or (trusted[0].lstrip(".") if trusted else "localhost")
        subdomain = f"{receiver.subdomain}." if receiver.subdomain else ""
        return f"https://{subdomain}{host}{receiver.url}"
    is_bare = "://" in given and urlsplit(given).path in ("", "/")
    return f"{given.rstrip('/')}{receiver.url}" if is_bare else given
