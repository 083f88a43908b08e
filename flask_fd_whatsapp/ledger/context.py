"""The claim under which a handler is being called, and ``current_ledger``."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, cast

from flask import Flask, current_app, has_app_context
from werkzeug.local import LocalProxy

from ..exceptions import FreshdeskWhatsAppError, NoSuchReceiver

if TYPE_CHECKING:
    from .protocol import Ledger
    from .records import Claim

EXTENSION = "fd_whatsapp"
"""The key in ``app.extensions`` of a mapping from registered name to receiver."""


class handling:  # noqa: N801  # reads as contextlib's own; a generator costs thrice as much
    """Context manager: ``current_ledger`` is *ledger*, and its transaction is *claim*'s, if any."""

    __slots__ = ("_token", "app", "ledger", "transaction")

    _token: Token[handling | None]

    def __init__(self, app: Flask, ledger: Ledger, claim: Claim | None = None) -> None:
        self.app = app
        self.ledger = ledger
        self.transaction: Any = claim and claim.transaction

    def __enter__(self) -> None:
        self._token = _handling.set(self)

    def __exit__(self, *_: object) -> None:
        _handling.reset(self._token)


_handling: ContextVar[handling | None] = ContextVar("fd_whatsapp_handling", default=None)


def current_transaction(ledger: Ledger) -> Any:
    """Return the connection of the handler being called, for writes to *ledger*'s database.

    :raises FreshdeskWhatsAppError: outside a handler, after it has ended (in a thread that it
        started), or in a handler of another ledger's event.
    """
    now = _handling.get()
    if now is None or now.transaction is None or now.ledger is not ledger:
        raise FreshdeskWhatsAppError(
            "current_ledger.transaction is available only in handlers of this ledger's events, "
            "while they run: elsewhere there is no success to commit together with your writes."
        )
    return now.transaction.connection


def only_account(ledger: Any) -> str:
    """Return the single account listed by the application's receivers with *ledger*.

    :raises TypeError: if they list none, or several.
    """
    receivers = current_app.extensions.get(EXTENSION, {}) if has_app_context() else {}
    listed = {
        account_id
        for receiver in receivers.values()
        if receiver.ledger is ledger
        for account_id in receiver.settings.account_ids or ()
    }
    if len(listed) != 1:
        raise TypeError(
            "expect() needs account_id, unless the receivers' ACCOUNT_IDS list exactly one account."
        )
    (account_id,) = listed
    return cast(str, account_id)


def handling_ledger() -> Ledger | None:
    """Return the ledger of the event being handled, ``None`` outside a handler."""
    now = _handling.get()
    return None if now is None else now.ledger


def has_open_transaction() -> bool:
    """Whether the handler being called has used its transaction."""
    now = _handling.get()
    return now is not None and now.transaction is not None and bool(now.transaction.is_open)


def _find_ledger() -> Ledger:
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    now = _handling.get()
    if now is not None and now.app is app:
        return now.ledger
    receivers = app.extensions.get(EXTENSION, {})
    ledgers = {id(ledger): ledger for ledger in (one.ledger for one in receivers.values())}
    if len(ledgers) != 1:
        raise NoSuchReceiver(
            "current_ledger: no FreshdeskWhatsApp blueprint is registered on this application."
            if not receivers
            else "current_ledger: outside a handler it is ambiguous which of the receivers "
            f"{', '.join(receivers)} is meant: use "
            "app.extensions['fd_whatsapp'][<name>].ledger."
        )
    (ledger,) = ledgers.values()
    return cast("Ledger", ledger)


current_ledger: Ledger = cast("Ledger", LocalProxy(_find_ledger))
"""The ledger of the receiver that is handling an event, else the application's only one.

:raises NoSuchReceiver: if there is no receiver, or several and none is handling an event.
:raises RuntimeError: outside an application context.
"""
