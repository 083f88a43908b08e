"""A host that sends a campaign from a CSV file: once to each customer, however a run ends."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import click
from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp, FreshdeskWhatsAppError, current_ledger
from flask_fd_whatsapp.freshdesk import (
    AlreadySent,
    Refused,
    SendUnknown,
    TemplateMessage,
    current_client,
)

app = Flask(__name__)
app.config.from_prefixed_env()  # FLASK_FD_WHATSAPP_API_KEY, say
app.register_blueprint(FreshdeskWhatsApp())


@app.cli.command("send-campaign")
@click.argument("campaign")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def send_campaign(campaign: str, file: Path) -> None:
    """Send CAMPAIGN to the customers in FILE, a CSV with the columns customer, phone and name.

    If it was interrupted, run it again: it continues at the first row that was not sent.
    """
    outcomes = Counter[str]()
    with file.open(encoding="utf-8-sig", newline="") as lines:
        for row in csv.DictReader(lines, restval=""):
            outcomes[send(campaign, row)] += 1
    click.echo(", ".join(f"{count} {outcome}" for outcome, count in outcomes.items()))
    is_open = False
    for state in ("sending", "unknown"):  # left as they are: sending again might send twice
        for one in current_ledger.sends(campaign=campaign, state=state, limit=100_000):
            click.echo(f"{one.external_reference_id} is {state} since {one.created_at:%F %T} UTC")
            is_open = True
    raise SystemExit(1 if is_open or outcomes["refused"] else 0)


def send(campaign: str, row: Mapping[str, str]) -> str:
    """Send to one customer; return the outcome."""
    reference = f"{campaign}-{row['customer']}"
    try:
        current_client.send(
            to=row["phone"],
            template=TemplateMessage("spring_offer", "en", body=[row["name"]]),
            external_reference_id=reference,
            campaign=campaign,
            once=True,
            wait=60,
        )
    except AlreadySent:
        return "before"
    except SendUnknown:
        return "unknown"
    except (Refused, ValueError) as error:
        click.echo(f"{reference}: {error}", err=True)
        return "refused"
    except FreshdeskWhatsAppError as error:  # the next row would fail, too
        raise click.ClickException(f"{reference}: {error} Run it again to go on here.") from error
    return "sent"
