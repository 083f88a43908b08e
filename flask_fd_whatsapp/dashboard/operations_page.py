"""*Operations*: what is left to do, by receiver, and the state of each part of the feed."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from flask import current_app

from ..freshdesk.shared_pace import Budget, budgets_of
from ..handling.handlers import handlers_of
from ..ledger import Quarantined, State
from ..ledger.asking import Reconciled
from ..ledger.send_records import SendFilter, SendState
from ..monitoring.masking import masked_settings
from ..receiving.receiver import Receiver
from ..settings import Settings
from ..signals import EVENT_SIGNALS, NOTICES
from .attention_list import Stand, stands
from .visit import Visit, argument
from .wordings import text_of

MOST: Final = 50
"""Rows of a table; a command lists any others."""

MOST_CHARACTERS: Final = 20_000
"""How much of a quarantined body is shown."""

PACKAGES: Final = ("flask_fd_whatsapp", "flask", "marshmallow", "blinker", "sqlalchemy", "celery")

MEANINGS: Final[Mapping[str, str]] = {
    "unauthenticated": "A header was missing or wrong. If the last event is older than this, "
    "Freshdesk's form and FD_WHATSAPP_HEADERS differ.",
    "account": "The account is not among FD_WHATSAPP_ACCOUNT_IDS.",
    "too_large": "Not one of Freshdesk's webhooks: those have about 500 bytes.",
    "not_json": "The body was not JSON, or did not arrive whole.",
    "not_object": "The JSON was not an object.",
    "invalid": "A required part of the event was missing or wrong; the body is in quarantine.",
    "ignored": "An event of another type, or an empty body: nothing to do.",
}
"""What each reason for a rejection means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class APIUse:
    """The use of Freshdesk's API by a receiver, or one of its accounts.

    :param name: the receiver's; if it has accounts, with the account's key.
    :param run: the last reconciliation, ``None`` if there was none.
    :param budgets: the remaining calls of its account, if it has one.
    """

    name: str
    run: Reconciled | None = None
    budgets: Sequence[Budget] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The quarantined body shown.

    :param text: as text, with U+FFFD for invalid bytes, and truncated.
    """

    entry: Quarantined
    text: str
    is_cut: bool


def operations(visit: Visit) -> tuple[str, dict[str, Any]]:
    """The page."""
    all_stands = stands(visit)
    ledger = visit.ledger
    dead = ledger.events(state=State.DEAD, receiver=visit.narrowed, limit=MOST + 1)
    quarantined = ledger.quarantined(receiver=visit.narrowed, limit=MOST + 1)
    return "operations.html", {
        "stands": all_stands,
        "unknown_sends": ledger.send_record.listed(
            SendFilter(state=SendState.UNKNOWN, receiver=visit.narrowed, limit=MOST)
        ),
        "api_uses": [use for one in all_stands for use in _api_uses(one)],
        "dead": dead[:MOST],
        "has_more_dead": len(dead) > MOST,
        "quarantined": quarantined[:MOST],
        "has_more_quarantined": len(quarantined) > MOST,
        "body": _body(visit) if visit.options.show_payloads else None,
        "entry": argument("entry"),
        "meanings": MEANINGS,
        "drift": ledger.drift.seen(receiver=visit.narrowed)[:MOST],
        "handlers": _handlers(),
        "settings": [(one, settings_of(one)) for one in visit.shown],
        "versions": _versions(),
        "database": _database(visit),
    }


def _api_uses(stand: Stand) -> list[APIUse]:
    receiver, runs = stand.receiver, stand.standing.reconciled
    settings = receiver.settings
    if receiver.accounts is not None:
        uses = [APIUse(name=run.receiver, run=run) for run in runs[:MOST]]
        return uses or [APIUse(name=receiver.name)]
    if settings.api_key is None:
        return []
    budgets = budgets_of(receiver.ledger.rates, settings.domain or "", settings.calls_a_minute)
    return [APIUse(name=receiver.name, run=next(iter(runs), None), budgets=budgets)]


def _body(visit: Visit) -> Body | None:
    text = argument("entry")
    if text is None or not re.fullmatch(r"\d{1,18}", text, re.ASCII):
        return None
    entry_id = int(text)
    found = visit.ledger.quarantined(receiver=visit.narrowed, after=entry_id - 1, limit=1)
    entry = next((one for one in found if one.id == entry_id), None)
    body = visit.ledger.quarantine.body(entry_id) if entry else None
    if entry is None or body is None:
        visit.notes.append(f"Entry {entry_id} is not in quarantine (any more).")
        return None
    shown = body[: 4 * MOST_CHARACTERS].decode("utf-8", "replace")
    if not visit.options.show_actors:
        shown = without_actors(shown)
    return Body(
        entry=entry,
        text=shown[:MOST_CHARACTERS],
        is_cut=len(shown) > MOST_CHARACTERS or len(body) > 4 * MOST_CHARACTERS,
    )


def without_actors(text: str) -> str:
    """A body without the names of agents; one that cannot be parsed is cut off at the first."""
    try:
        loaded = json.loads(text)
    except (ValueError, RecursionError):
        # Whatever it is, there is no telling where a name in it ends.
        begin = re.search(r'"?actor"?', text, re.IGNORECASE)
        return text if begin is None else f"{text[: begin.start()]}… (hidden from here on)"
    if not isinstance(loaded, dict) or "actor" not in loaded:
        return text
    loaded["actor"] = "(hidden)"
    return json.dumps(loaded, ensure_ascii=False)


def _handlers() -> list[tuple[str, Sequence[str]]]:
    """The handlers of each signal in this process, in the order in which they are called."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # senders are no proxies
    return [
        (signal.name, [handler.name for handler in handlers_of([signal], app)])
        for signal in (*EVENT_SIGNALS, *NOTICES)
    ]


def settings_of(receiver: Receiver) -> list[tuple[str, str]]:
    """The settings that differ from their defaults, without secrets."""
    shown, defaults = masked_settings(receiver), Settings(headers={})
    return [
        (key, text_of(shown[f"{receiver.prefix}_{key}"]))
        for item in fields(Settings)
        for key in [item.name.upper()]
        if getattr(receiver.settings, item.name) != getattr(defaults, item.name)
    ]


def _versions() -> list[tuple[str, str]]:
    found = [("Python", platform.python_version())]
    for name in PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return found


def _database(visit: Visit) -> str:
    engine = getattr(visit.ledger, "engine", None)
    if engine is None:
        return "in memory" if not visit.ledger.durable else type(visit.ledger).__name__
    return str(engine.dialect.name)
