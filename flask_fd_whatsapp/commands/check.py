"""``flask fd-whatsapp check``: is everything in place?"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click
from flask import current_app
from flask.cli import with_appcontext

from ..handling.handlers import handlers_of
from ..signals import EVENT_SIGNALS, NOTICES
from .check_report import Finding, Report, handler_findings, report_on
from .options import chosen_receivers, json_option, receiver_option
from .output import many, plain, print_json, when
from .probe import open_pages


@click.command(epilog="Example: flask fd-whatsapp check --receiver fd_whatsapp --json")
@click.option(
    "--verbose", is_flag=True, help="Show all settings, also when there are several receivers."
)
@receiver_option
@json_option
@with_appcontext
def check(verbose: bool, name: str | None, as_json: bool) -> None:
    """Check routes, settings, ledger and handlers; exit 1 on errors.

    Posts through the application's own stack, without credentials, and expects the receiver's 401;
    names a CSRF guard, a login hook or an HTTPS redirect in its way. Requests the pages of each
    Dashboard without a session, and expects anything but a 200.

    Prints one line for each receiver, and for each account of a receiver with several.
    """
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    tried: dict[int, list[str]] = {}
    reports = [report_on(app, receiver, tried) for receiver in chosen_receivers(name)]
    handlers = {
        signal.name: [handler.name for handler in handlers_of([signal], app)]
        for signal in (*EVENT_SIGNALS, *NOTICES)
    }
    findings = [*handler_findings(app), *(Finding("error", text) for text in open_pages(app))]
    is_alone = len(reports) == 1 and not reports[0].accounts
    if as_json:
        print_json(
            {
                "receivers": [asdict(report) for report in reports],
                "handlers": handlers,
                "findings": [asdict(finding) for finding in findings],
            }
        )
    else:
        _print(reports, handlers, findings, is_verbose=verbose or is_alone)
    if any(f.level == "error" for f in [*findings, *(f for r in reports for f in r.findings)]):
        raise SystemExit(1)


def _in_words(report: Report, key: str, value: Any) -> str:
    if key.endswith("_CAMPAIGN") and value is not None:
        return f"({value})"
    if key.endswith("_REJECT_INVALID") and value is None and report.rejects_invalid is not None:
        kind = "in memory" if report.rejects_invalid else "durable"
        return f"None ({report.rejects_invalid} in effect, since the ledger is {kind})"
    return repr(value)


def _print(
    reports: list[Report],
    handlers: dict[str, list[str]],
    findings: list[Finding],
    *,
    is_verbose: bool,
) -> None:
    for report in reports:
        if not is_verbose:
            found = f", {many(len(report.findings), 'finding')}" if report.findings else ""
            click.echo(plain(f"{report.receiver}: POST {report.url}, {report.ledger}{found}"))
        else:
            click.echo(f"Receiver {report.receiver}")
            click.echo(f"  POST {report.url}")
            click.echo(f"  Ledger: {report.ledger}")
            for key, value in report.settings.items():
                click.echo(f"  {key} = {_in_words(report, key, value)}")
        for one in report.accounts:
            ids, headers = ", ".join(one["account_ids"]), ", ".join(one["headers"])
            last = when(one["last_used"]) if one["last_used"] else "never"
            name = f" ({one['name']})" if one["name"] else ""
            click.echo(
                plain(f"  Account {one['account']}{name}: ids {ids}; {headers}; last used {last}")
            )
    click.echo("Handlers")
    for signal, names in handlers.items():
        click.echo(f"  {signal}: {', '.join(names) or '-'}")
    everything = [
        *((f"{report.receiver}: ", finding) for report in reports for finding in report.findings),
        *(("", finding) for finding in findings),
    ]
    for where, finding in everything:
        click.echo(plain(f"{finding.level.capitalize()}: {where}{finding.text}"))
    if not everything:
        click.echo("All in place.")
