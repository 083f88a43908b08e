"""``flask fd-whatsapp messages``: lists messages by their outcome, as a table, CSV or JSON."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

import click
from flask.cli import with_appcontext

from ..engagement.export import MESSAGE_HEAD, cell
from ..events import Status
from ..failure_reasons import FailureClass, classify
from ..ledger import Ledger
from ..ledger.listing import UNHEARD, ListedMessage, MessageFilter
from ..time_zones import zone_of
from .account_options import account_filter, account_id_of
from .options import chosen_ledger, json_option, one_format, receiver_option
from .output import print_json_rows, print_table, short, when
from .parameters import AT_MOST, Duration
from .periods import period, zone_option
from .report_text import CODE

PAGE: Final = 1000
"""Messages per query, each a transaction of its own, so that memory stays flat."""

TABLE_ROWS: Final = 50

_HEAD = ("sent", "status", "account", "message", "reference", "campaign", "failure")


@click.command(
    epilog="\b\nExamples:\n  flask fd-whatsapp messages --campaign spring --status FAILED\n"
    "  flask fd-whatsapp messages --stuck-for 1d\n"
    "  flask fd-whatsapp messages --since 2026-11 --csv > november.csv"
)
@click.option(
    "--status", help=f"Only messages whose furthest status is this, such as FAILED, or {UNHEARD}."
)
@click.option("--campaign", help="Only messages of this campaign.")
@account_filter
@click.option(
    "--failure-class",
    type=click.Choice([one.value for one in FailureClass]),
    help="Only messages that failed for this kind of reason.",
)
@click.option(
    "--reference",
    "search",
    help="Only messages with this id, or a reference that begins with this.",
)
@click.option(
    "--stuck-for",
    type=Duration(),
    help="Only messages sent at least this long ago that are neither delivered nor failed.",
)
@click.option(
    "--since", help="Only messages sent at or after: today, yesterday, 7d, 2026-11, 2026-11-01."
)
@click.option("--until", help="Only messages sent before, in the same formats.")
@click.option(
    "--tz", callback=zone_option, help="Time zone. [default: TZ of the environment, else UTC]"
)
@click.option("--limit", type=AT_MOST, help="At most this many. [default: 50 in a table, else all]")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV only.")
@receiver_option
@json_option
@with_appcontext
def messages(
    status: str | None,
    campaign: str | None,
    failure_class: str | None,
    stuck_for: timedelta | None,
    since: str | None,
    until: str | None,
    tz: str,
    limit: int | None,
    as_csv: bool,
    name: str | None,
    as_json: bool,
    **wanted: Any,
) -> None:
    """List messages, most recently sent first; conditions are combined with AND.

    CSV and JSON list all of them, however many. Cells that a spreadsheet would take for a formula
    start with a quote.
    """
    form = one_format(csv=as_csv, json=as_json)
    receiver, ledger = chosen_ledger(name)
    own_classes = receiver.settings.failure_classes
    wanted["account_id"] = account_id_of(wanted["account_id"], name)
    begin, end = period(since, until, zone_of(tz))
    codes = None
    if failure_class is not None:
        total = ledger.engagement(times=False, account_id=wanted["account_id"]).total
        codes = [one.code for one in total.failures if one.failure_class == failure_class]
    met = MessageFilter(
        status=status.upper() if status else None,
        campaign=... if campaign is None else campaign,
        receiver=name,
        failed=True if codes is not None else None,
        codes=codes,
        since=begin,
        until=end,
        stuck_since=datetime.now(UTC) - stuck_for if stuck_for is not None else None,
        **wanted,
    )
    found = all_messages(ledger, met)
    if form is None:
        most = limit or TABLE_ROWS
        _print(list(islice(found, most + 1)), most, own_classes)
        return
    rows = (exported(one, own_classes) for one in islice(found, limit))
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(MESSAGE_HEAD)
        for row in rows:
            writer.writerow([cell(row[name]) for name in MESSAGE_HEAD])
    else:
        print_json_rows("messages", rows)


def all_messages(ledger: Ledger, wanted: MessageFilter) -> Iterator[ListedMessage]:
    """Yield the messages that meet all conditions, most recently sent first, page by page."""
    before = None
    while True:
        page = ledger.browser.page(wanted, before=before, limit=PAGE)
        yield from page
        if len(page) < PAGE:
            return
        before = page[-1].place


def exported(listed: ListedMessage, own_classes: Mapping[str, FailureClass]) -> dict[str, Any]:
    """Return a message as exported: see :data:`.MESSAGE_HEAD`."""
    one, times = listed.message, listed.message.times
    has_failed = Status.FAILED in times
    failure_class = classify(one.error.code if one.error else None, own_classes)
    estimated = [status for status in Status if status in one.estimated]
    return {
        "account": one.account_id,
        "message": one.message_id,
        "reference": one.external_reference_id,
        "campaign": one.campaign,
        "template": one.template,
        "status": str(one.status) if one.status else None,
        **{f"{status.lower()}_at": times.get(status) for status in Status},
        "failure_code": one.error.code if one.error else None,
        "failure_text": one.error.message if one.error else None,
        "failure_class": str(failure_class) if has_failed else None,
        "advice": failure_class.advice if has_failed else None,
        "permanent": failure_class.is_permanent if has_failed else None,
        "arrived_all_the_same": one.status in (Status.DELIVERED, Status.READ)
        if has_failed
        else None,
        "source": "api" if estimated else "webhook" if times else None,
        "estimated": " ".join(estimated) or None,
    }


def _print(found: list[ListedMessage], most: int, own_classes: Mapping[str, FailureClass]) -> None:
    if not found:
        click.echo("No messages.")
        return
    rows = []
    for listed in found[:most]:
        one, row = listed.message, exported(listed, own_classes)
        failure = f"{row['failure_class']} ({short(row['failure_code'] or 'no code', CODE)})"
        if row["arrived_all_the_same"]:
            failure += ", arrived all the same"
        rows.append(
            (
                when(listed.place.sent_on),
                one.status or "-",
                one.account_id,
                one.message_id,
                one.external_reference_id or "-",
                one.campaign or "-",
                failure if row["failure_class"] else "-",
            )
        )
    print_table(_HEAD, rows)
    if len(found) > most:
        click.echo(f"The latest {most:,} of them: --limit shows more, --csv and --json show all.")
