"""``flask fd-whatsapp report``: shows engagement, and raises alarms."""

from __future__ import annotations

import csv
import operator
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

import click
from flask.cli import with_appcontext

from ..engagement import Comparison, Engagement, Figures, compare
from ..engagement.definitions import RATES
from ..engagement.export import table_of
from ..engagement.groups import DIMENSIONS
from ..time_zones import zone_of
from .account_options import account_filter, account_id_of
from .options import chosen_receiver, json_option, one_format, receiver_option, shared_ledger
from .output import plain, print_json, print_table, quoted
from .periods import period, zone_option
from .report_text import comparisons, name_of, notes, per_cent, tables, title

AGE: Final = timedelta(hours=24)
"""The age at which groups are compared."""

_ALARM: Final = re.compile(rf"\s*({'|'.join(RATES)})\s*(<=|>=|<|>)\s*(\d*\.?\d+)\s*(%?)\s*")
_COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@click.command(
    epilog="\b\nExamples:\n  flask fd-whatsapp report --since 7d --by campaign\n"
    "  flask fd-whatsapp report --since yesterday --until today --by hour --tz Europe/Berlin\n"
    "  flask fd-whatsapp report --compare spring autumn\n"
    "  flask fd-whatsapp report --by day --compare 2026-11-02 2026-11-09\n"
    "  flask fd-whatsapp report --since 24h --by campaign --alarm 'read_rate<0.4'"
)
@click.option(
    "--since",
    help="Only messages sent at or after: today, yesterday, 7d, 24h, 2026-11, 2026-11-01.",
)
@click.option("--until", help="Only messages sent before, in the same formats.")
@click.option(
    "--tz", callback=zone_option, help="Time zone. [default: TZ of the environment, else UTC]"
)
@click.option(
    "--by",
    multiple=True,
    type=click.Choice(DIMENSIONS),
    help="Group by this; give it twice for pairs.",
)
@click.option("--campaign", help="Only this campaign.")
@account_filter
@click.option("--template", help="Only this template.")
@click.option(
    "--no-times",
    "times",
    is_flag=True,
    default=True,
    flag_value=False,
    help="Do not measure how long each step took, which is quicker.",
)
@click.option(
    "--compare",
    "pair",
    nargs=2,
    metavar="A B",
    help="Compare two campaigns, or two groups of --by, also at equal age.",
)
@click.option(
    "--alarm",
    "alarms",
    multiple=True,
    metavar="RATE<SHARE",
    help="Exit 1, with the reason, if this holds in any group: read_rate<0.4, failure_rate>0.1.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV: one row for each group.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown.")
@receiver_option
@json_option
@with_appcontext
def report(
    since: str | None,
    until: str | None,
    tz: str,
    by: tuple[str, ...],
    campaign: str | None,
    pair: tuple[str, str] | None,
    alarms: tuple[str, ...],
    as_csv: bool,
    as_markdown: bool,
    name: str | None,
    as_json: bool,
    **wanted: Any,
) -> None:
    """Report what became of the messages sent in a period.

    Every rate comes with its denominator and 95% interval. Messages younger than 24 hours are not
    final. READ depends on read receipts, so the read rate is a lower bound.

    An alarm on the read rate is worth setting: Meta pauses templates whose quality is low.
    """
    begin, end = period(since, until, zone_of(tz))
    form = one_format(csv=as_csv, markdown=as_markdown, json=as_json)
    checks = [_alarm(one) for one in alarms]
    if len(by) > 2 or len(set(by)) < len(by):
        raise click.UsageError("Use --by at most twice, with two different dimensions.")
    by = by or (("campaign",) if pair else ())
    if pair and (len(by) > 1 or (campaign is not None and by == ("campaign",))):
        raise click.UsageError(
            "--compare compares two groups: use --by once, and --campaign only with another --by."
        )
    ledger = shared_ledger(chosen_receiver(name))
    wanted["account_id"] = account_id_of(wanted["account_id"], name)
    found = ledger.engagement(
        since=begin,
        until=end,
        by=by or None,
        tz=tz,
        campaign=... if campaign is None else campaign,
        receiver=name,
        **wanted,
    )
    compared = _compared(found, pair) if pair else []
    raised = list(_raised(found, checks))
    if as_json:
        extra = {"comparison": [one.to_dict() for one in compared]} if pair else {}
        print_json({**found.to_dict(), **extra, "alarms": raised})
    elif form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows(table_of(found))
    else:
        _print(found, compared, pair, is_markdown=form == "markdown")
    for line in raised:
        click.echo(f"Alarm: {line}", err=True)
    if raised:
        raise SystemExit(1)


Alarm = tuple[str, str, float]


def _alarm(text: str) -> Alarm:
    match = _ALARM.fullmatch(text)
    if match is None:
        raise click.BadParameter(
            f"{quoted(text)} is not an alarm: write one such as read_rate<0.4 or "
            f"failure_rate>10%; the rates are {', '.join(RATES)}.",
            param_hint="--alarm",
        )
    rate, sign, number, percent = match.groups()
    share = float(number) / (100 if percent else 1)
    if share > 1:
        raise click.BadParameter(
            f"{quoted(text)} compares with more than 100%: write a share from 0 to 1, or a "
            "percentage.",
            param_hint="--alarm",
        )
    return rate, sign, share


def _raised(found: Engagement, alarms: Sequence[Alarm]) -> Iterator[str]:
    groups: dict[Any, Figures] = dict(found.groups) or {None: found.total}
    for rate, sign, bound in alarms:
        for key, figures in groups.items():
            its = getattr(figures, rate)
            if its.value is not None and _COMPARE[sign](its.value, bound):
                whose = f" of {name_of(key, found.by)}" if found.by else ""
                yield (
                    f"{rate}{whose} is {per_cent(its.value)} of {its.denominator:,}, {sign} "
                    f"{per_cent(bound)}."
                )


def _compared(found: Engagement, pair: tuple[str, str]) -> list[Comparison]:
    groups = {name_of(key, found.by): figures for key, figures in found.groups.items()}
    for one in map(plain, pair):
        if one not in groups:
            raise click.UsageError(
                f"No message of {found.by[0]} {quoted(one)} was sent in this period: "
                f"`flask fd-whatsapp report --by {found.by[0]}` lists the known ones."
            )
    a, b = (groups[plain(one)] for one in pair)
    made = [compare(a, b, rate) for rate in ("delivery_rate", "read_rate", "failure_rate")]
    if a.curve is not None:
        for rate in ("delivery_rate", "read_rate"):
            at_age = compare(a, b, rate, age=AGE)
            made.append(Comparison(f"{rate} within 24 h", at_age.a, at_age.b))
    return made


def _print(
    found: Engagement,
    compared: Sequence[Comparison],
    pair: tuple[str, str] | None,
    *,
    is_markdown: bool,
) -> None:
    click.echo(f"## {title(found)}" if is_markdown else title(found))
    for note in notes(found):
        click.echo(f"\n> {note}" if is_markdown else note)
    made = list(tables(found))
    if pair:
        compared_table = comparisons(compared, *pair)
        made = [(f"{plain(pair[0])} against {plain(pair[1])}", compared_table), made[1]]
    for heading, (heads, rows) in made:
        click.echo()
        if heading:
            click.echo(f"### {heading}\n" if is_markdown else f"{heading}:")
        if is_markdown:
            for row in (heads, ["---"] * len(heads), *rows):
                click.echo(f"| {' | '.join(one.replace('|', chr(92) + '|') for one in row)} |")
        else:
            print_table(heads, rows)
