"""``flask fd-whatsapp campaigns``: lists the campaigns, and applies the rule that finds them."""

from __future__ import annotations

from typing import Any, Final

import click
from flask.cli import with_appcontext

from ..ledger import Ledger
from ..receiving.receiver import Receiver
from ..time_zones import zone_of
from .account_options import account_filter, account_id_of
from .graceful_shutdown import stopping
from .options import chosen_receiver, json_option, receiver_option, shared_ledger
from .output import many, plain, print_json, print_table, progress, when
from .parameters import LARGEST
from .periods import period, zone_option
from .report_text import per_cent

AT_ONCE: Final = 500


@click.command(
    epilog="\b\nExamples:\n  flask fd-whatsapp campaigns --since 30d\n"
    "  flask fd-whatsapp campaigns --try MM-T1-00042\n"
    "  flask fd-whatsapp campaigns --recompute"
)
@click.option("--since", help="Only messages sent at or after: today, 7d, 2026-11, 2026-11-01.")
@click.option("--until", help="Only messages sent before, in the same formats.")
@click.option(
    "--tz", callback=zone_option, help="Time zone. [default: TZ of the environment, else UTC]"
)
@account_filter
@click.option(
    "--try",
    "reference",
    metavar="REFERENCE",
    help="Show the campaign that the rule finds in this reference.",
)
@click.option("--recompute", is_flag=True, help="Apply the rule to recorded messages.")
@click.option(
    "--after",
    type=click.IntRange(0, LARGEST),
    default=0,
    help="Continue an interrupted --recompute after this message.",
)
@receiver_option
@json_option
@with_appcontext
def campaigns(
    since: str | None,
    until: str | None,
    tz: str,
    account_id: str | None,
    reference: str | None,
    recompute: bool,
    after: int,
    name: str | None,
    as_json: bool,
) -> None:
    """List the campaigns, most recently sent first, and how many references have none.

    The rule is FD_WHATSAPP_CAMPAIGN. A new rule applies to events received from then on;
    --recompute applies it to recorded messages, in batches. It is safe to repeat, and does not
    reach pruned messages.
    """
    receiver = chosen_receiver(name)
    if reference is not None:
        _try(receiver, reference, as_json=as_json)
        return
    ledger = shared_ledger(receiver)
    if recompute:
        _recompute(receiver, ledger, after, as_json=as_json)
        return
    begin, end = period(since, until, zone_of(tz))
    found = ledger.engagement(
        since=begin,
        until=end,
        by="campaign",
        tz=tz,
        receiver=name,
        account_id=account_id_of(account_id, name),
        times=False,
    )
    unmatched = ledger.campaigns.unmatched()
    if as_json:
        print_json({**found.to_dict(), "unmatched": unmatched})
        return
    groups = sorted(found.groups.items(), key=lambda one: str(one[1].last_sent), reverse=True)
    rows = [
        (
            "(no campaign)" if campaign is None else campaign,
            f"{one.known:,}",
            when(one.first_sent),
            when(one.last_sent),
            f"{per_cent(one.delivery_rate.value)} of {one.submitted:,}",
            f"{per_cent(one.read_rate.value)} of {one.delivered:,}",
            f"{one.failed:,}",
        )
        for campaign, one in groups
    ]
    if rows:
        heads = ("campaign", "messages", "first sent", "last sent", "delivered", "read", "failed")
        print_table(heads, rows)
    else:
        click.echo("No messages.")
    if unmatched:
        click.echo(f"{many(unmatched, 'message')} with a reference match no rule.")


def _rule_of(receiver: Receiver) -> Any:
    rule = receiver.settings.campaign
    if rule is None:
        raise click.UsageError(
            f"There is no rule: set {receiver.prefix}_CAMPAIGN to a regular expression or a "
            "function that extracts the campaign from a reference."
        )
    return rule


def _try(receiver: Receiver, reference: str, *, as_json: bool) -> None:
    campaign = _rule_of(receiver)(reference)
    if as_json:
        print_json({"reference": reference, "campaign": campaign})
    elif campaign is None:
        click.echo(f"{plain(reference)}: no campaign.")
    else:
        click.echo(f"{plain(reference)}: campaign {plain(campaign)}.")


def _recompute(receiver: Receiver, ledger: Ledger, after: int, *, as_json: bool) -> None:
    rule = _rule_of(receiver)
    seen = changed = 0
    last: Any = after

    with stopping() as stop:

        def batches() -> Any:
            nonlocal seen, changed, last
            while last is not None and not stop.is_asked():
                done = ledger.campaigns.recompute(
                    rule, receiver=receiver.name, after=last, limit=AT_ONCE
                )
                seen, changed, last = seen + done.seen, changed + done.changed, done.last
                yield seen

        label = f"Recomputing {receiver.name}"
        with progress(batches(), label, show=lambda total: many(total or 0, "message")) as shown:
            for _ in shown:
                pass
    folded = ledger.engagement(times=False, receiver=receiver.name).total.folded
    if as_json:
        print_json({"seen": seen, "changed": changed, "folded": folded, "after": last})
    else:
        click.echo(f"{many(seen, 'message')} checked, {changed:,} changed.")
        if folded:
            click.echo(f"{many(folded, 'message')} are pruned and cannot be reached.")
        if last is not None:
            click.echo(f"Stopped: continue with --recompute --after {last}.")
