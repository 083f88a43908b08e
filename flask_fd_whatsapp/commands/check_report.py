"""What ``flask fd-whatsapp check`` looks at: settings, ledger, accounts, queue and handlers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flask import Flask

from ..escaping import quoted
from ..exceptions import LedgerUnavailable
from ..freshdesk.account_match import account_problem
from ..handling.handlers import handlers_of, is_coroutine_function, misconnected_handlers
from ..header_values import too_many_headers
from ..ledger import Ledger
from ..ledger.records import name_of_account
from ..ledger_urls import forgets
from ..monitoring import attention
from ..monitoring.masking import masked_settings, without_secrets
from ..monitoring.standing import standing_of
from ..receiving.account_lookup import AccountsUnavailable
from ..receiving.receiver import Receiver
from ..signals import EVENT_SIGNALS, NOTICES, status_changed, status_received
from .other_extensions import harm_of_others
from .probe import probe


@dataclass(frozen=True)
class Finding:
    """Something that is wrong (``error``) or doubtful (``warning``), with the remedy."""

    level: str
    text: str


@dataclass
class Report:
    """The findings and settings of one receiver."""

    receiver: str
    url: str
    settings: dict[str, Any]
    ledger: str
    rejects_invalid: bool | None = None
    """The effective value of ``REJECT_INVALID``; ``None`` if the ledger cannot be used."""
    accounts: list[dict[str, Any]] = field(default_factory=list)
    """The known accounts of a receiver with many accounts."""
    findings: list[Finding] = field(default_factory=list)


def report_on(app: Flask, receiver: Receiver, tried: dict[int, list[str]]) -> Report:
    """Return the report on *receiver*.

    :param tried: the findings about ledgers checked so far: a shared one is checked only once.
    """
    report = Report(receiver.name, receiver.url, masked_settings(receiver), "")
    report.findings.extend(_check_settings(receiver))
    try:
        ledger = receiver.ledger
        if id(ledger) not in tried:
            tried[id(ledger)] = ledger.check()
        doubts = tried[id(ledger)]
        report.ledger = _described(ledger)
        report.rejects_invalid = receiver.settings.rejects_invalid(is_durable=ledger.durable)
        report.findings.extend(Finding("warning", doubt) for doubt in doubts)
        report.findings.extend(_check_sends(receiver, ledger))
        if not ledger.durable and not (app.debug or app.testing):
            report.findings.append(Finding("warning", forgets(f"{receiver.prefix}_LEDGER_URL")))
    except Exception as error:
        report.ledger = "cannot be used"
        report.findings.append(
            Finding("error", f"The ledger cannot be used: {type(error).__name__}: {error}")
        )
    report.findings.extend(_check_queue(receiver))
    report.findings.extend(_check_accounts(receiver, report))
    report.findings.extend(_check_account(receiver))
    report.findings.extend(Finding("error", text) for text in probe(app, receiver))
    report.findings.extend(Finding("warning", text) for text in harm_of_others(app, receiver))
    report.findings = [
        Finding(finding.level, without_secrets(finding.text, [receiver]))
        for finding in report.findings
    ]
    return report


def _described(ledger: Ledger) -> str:
    """Describe a ledger: its class, whether it is durable, and the path of its file, if any."""
    path = getattr(ledger, "file", None)
    return (
        f"{type(ledger).__name__} ({'durable' if ledger.durable else 'in memory'})"
        f"{f', the file {path}' if path else ''}"
    )


def _check_settings(receiver: Receiver) -> Iterator[Finding]:
    settings, prefix = receiver.settings, receiver.prefix
    if not settings.headers and receiver.accounts is None:
        yield Finding(
            "warning",
            f"Anybody can post events: {prefix}_ALLOW_UNAUTHENTICATED is set, but {prefix}_HEADERS "
            "is not.",
        )
    too_many = too_many_headers(prefix, settings.headers, settings.data_headers)
    if too_many is not None:
        yield Finding("warning", too_many)


def _check_account(receiver: Receiver) -> Iterator[Finding]:
    try:
        problem = account_problem(receiver)
    except LedgerUnavailable:
        return  # which is told of already
    if problem is not None:
        yield Finding("error", problem)


def _check_sends(receiver: Receiver, ledger: Ledger) -> Iterator[Finding]:
    """Check whether the webhook is off, by the rule of ``status``."""
    standing = standing_of(receiver, ledger, tries_to_write=False)
    for found in attention.findings(standing, attention.limits_of(receiver)):
        if found.rule == "max_unheard" and found.problem is not None:
            yield Finding("warning", found.problem[0].upper() + found.problem[1:])


def _check_accounts(receiver: Receiver, report: Report) -> Iterator[Finding]:
    """Note each account, and what is wrong with it."""
    if receiver.accounts is None:
        return
    try:
        keys = receiver.accounts.keys(receiver.ledger)
        uses = receiver.ledger.token_uses.last()
    except LedgerUnavailable:
        return  # which is told of already
    last_used: dict[str, datetime] = {}
    for use in uses:
        if not use.header:
            continue  # it was sent from, which is no request
        last_used[use.receiver] = max(use.last_used, last_used.get(use.receiver, use.last_used))
    whose: dict[str, list[str]] = {}
    for key in keys:
        try:
            one = receiver.accounts.find(key)
        except AccountsUnavailable as error:
            reason = type(error.__cause__).__name__
            yield Finding(
                "error",
                f"accounts raised {reason} for {quoted(key)}: its requests are answered with 503.",
            )
            continue
        if one is None:
            yield Finding(
                "warning",
                f"Account {quoted(key)} has posted events but is no longer known: "
                "its requests are answered with 401.",
            )
            continue
        ids = sorted(one.settings.account_ids or ())
        for account_id in ids:
            whose.setdefault(account_id, []).append(key)
        report.accounts.append(
            {
                "account": key,
                "name": one.account_name,
                "account_ids": ids,
                "headers": {name: len(given) for name, given in one.settings.headers.items()},
                "retention_days": one.settings.retention_days,
                "has_api_key": one.settings.api_key is not None,
                "last_used": last_used.get(name_of_account(receiver.name, key)),
            }
        )
    for account_id, shared in whose.items():
        if len(shared) > 1:
            yield Finding(
                "error",
                f"The id {account_id} is in the account_ids of {', '.join(shared)}: each of them "
                "can change the others' messages. List an id in one Account only.",
            )


def _check_queue(receiver: Receiver) -> Iterator[Finding]:
    problem = receiver.queue_problem()
    if problem is not None:
        yield Finding("error", problem)


def handler_findings(app: Flask) -> Iterator[Finding]:
    """Return what is wrong with the handlers."""
    misconnected = {
        name: is_by_proxy
        for signal in (*EVENT_SIGNALS, *NOTICES)
        for name, is_by_proxy in misconnected_handlers(signal, app).items()
    }
    for name, is_by_proxy in misconnected.items():
        if is_by_proxy:
            yield Finding(
                "error",
                f"Handler {name} is connected for current_app and never called: current_app is a "
                "proxy, and signals are sent with the application itself as sender. Connect it "
                "with connect_via(app), or without a sender.",
            )
        else:
            yield Finding(
                "warning",
                f"Handler {name} is connected for a sender other than this application, whose "
                "events do not reach it. Unless that is intended, connect it with "
                "connect_via(app), or without a sender.",
            )
    if not handlers_of(EVENT_SIGNALS, app) and not any(
        misconnected_handlers(signal, app) for signal in EVENT_SIGNALS
    ):
        yield Finding(
            "warning",
            "No handler is connected. Blinker holds functions weakly: one defined inside a "
            "function is garbage-collected with it unless connected with connect_via(app). A "
            "module with handlers has to be imported.",
        )
    coroutines = _coroutine_functions(app)
    if coroutines and not _can_await(app):
        yield Finding(
            "error",
            f"Handler {', '.join(coroutines)} is a coroutine function (async def), but asgiref, "
            "which Flask needs to call it, is not installed: it fails on every event. Install the "
            "extra: pip install 'flask[async]'.",
        )
    for name in _numbered(app):
        yield Finding(
            "warning",
            f"Handler {name} shares its identity with another and is numbered by order of "
            "connection: give each a name of its own with handler_name(...).",
        )


def _coroutine_functions(app: Flask) -> list[str]:
    """Return the handlers that are coroutine functions."""
    handlers = handlers_of((*EVENT_SIGNALS, *NOTICES), app)
    return [one.name for one in handlers if is_coroutine_function(one.function)]


def _can_await(app: Flask) -> bool:
    """Whether the application can call a coroutine function: with asgiref, or in its own way."""

    async def nothing() -> None: ...

    try:
        app.async_to_sync(nothing)
    except RuntimeError:
        return False
    return True


def _numbered(app: Flask) -> list[str]:
    """Return the handlers that share their identity with another one for the same event."""
    always = (status_changed, status_received)
    numbered: dict[str, None] = {}
    for signal in EVENT_SIGNALS:
        of_one_event = always if signal in always else (signal, *always)
        for handler in handlers_of(of_one_event, app):
            if handler.is_numbered:
                numbered[handler.name] = None
    return list(numbered)
