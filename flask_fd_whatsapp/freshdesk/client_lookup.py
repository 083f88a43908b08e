"""Finds the client of a receiver or account: ``current_client`` and ``client_for``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from flask import current_app
from werkzeug.local import LocalProxy

from ..exceptions import NoSuchReceiver
from ..ledger.context import EXTENSION, handling_ledger
from ..ledger.records import ACCOUNT_SEPARATOR
from ..log_fields import current_receiver
from ..receiving.account_lookup import AccountsUnavailable
from ..receiving.receiver import Receiver
from .recording_client import RecordingClient

CLIENTS: Final = "fd_whatsapp_clients"
"""The key in ``app.extensions`` of a mapping from a receiver's name to its client."""


def client_of(receiver: Receiver) -> RecordingClient:
    """Return the client of a receiver, created at first use.

    :raises ConfigurationError: if the receiver has no API key.
    """
    clients: dict[str, RecordingClient]
    clients = receiver.app.extensions.setdefault(CLIENTS, {})
    name = receiver.name if receiver.account is None else receiver.url
    client = clients.get(name)
    if client is None or client.receiver is not receiver:  # the account may have changed
        client = clients[name] = RecordingClient(receiver)
    return client


def client_for(key: str) -> RecordingClient:
    """Return the client of the receiver with that name, or of the account with that key.

    :param key: a receiver's name or an account's key. If accounts of several receivers have the
        same key, put the receiver's name before it: ``"europe/acme"``.
    :raises NoSuchReceiver: if there is none, or several accounts have the key.
    :raises AccountsUnavailable: if none is found, and ``accounts`` raised for the key.
    :raises ConfigurationError: if it has no API key.
    """
    return client_of(receiver_for(key, "client_for"))


def receiver_for(key: str, asked_by: str) -> Receiver:
    """Return the receiver with that name, or that of the account with that key.

    See :func:`client_for`.

    :param asked_by: the name of the calling function, for error messages.
    """
    receivers: Mapping[str, Receiver] = current_app.extensions.get(EXTENSION, {})
    if key in receivers:
        return receivers[key]
    of_all, _, its_key = key.rpartition(ACCOUNT_SEPARATOR)
    found: list[Receiver] = []
    unavailable: AccountsUnavailable | None = None
    for name, one in receivers.items():
        if one.accounts is None or of_all not in ("", name):
            continue
        try:
            account = one.accounts.find(its_key)
        except AccountsUnavailable as error:
            unavailable = error
            continue
        if account is not None:
            found.append(account)
    if not found and unavailable is not None:
        raise unavailable
    if not found:
        raise NoSuchReceiver(
            f"{asked_by}({key!r}): there is neither a receiver with that name nor an account with "
            f"that key; the receivers are {', '.join(receivers)}."
        )
    if len(found) > 1:
        names = " or ".join(repr(one.kept_as) for one in found)
        raise NoSuchReceiver(
            f"{asked_by}({key!r}): several receivers have an account with that key; write {names}."
        )
    return found[0]


def _find_client() -> RecordingClient:
    receivers: Mapping[str, Receiver] = current_app.extensions.get(EXTENSION, {})
    name = current_receiver()
    if handling_ledger() is not None and name is not None and name in receivers:
        return client_of(receivers[name])
    having = [one for one in receivers.values() if one.settings.api_key is not None]
    if len(having) == 1:
        return client_of(having[0])
    if len(receivers) == 1:
        return client_of(*receivers.values())
    raise NoSuchReceiver(
        "current_client: no FreshdeskWhatsApp blueprint is registered on this application."
        if not receivers
        else "current_client: outside a handler it is ambiguous which of the receivers "
        f"{', '.join(receivers)} is meant: use client_for(<name>)."
    )


current_client: RecordingClient = cast(RecordingClient, LocalProxy(_find_client))
"""The client of the receiver that is handling an event, else of the only one with an API key.

:raises NoSuchReceiver: if there is no such receiver, or it is ambiguous.
:raises ConfigurationError: if that receiver has no API key.
"""


def receiver_to_ask(name: str | None) -> Receiver:
    """Return the receiver, or that of the account, that ``reconcile`` is to reconcile.

    :param name: as for :func:`client_for`; ``None`` for the only one with an API key.
    :raises NoSuchReceiver: if there is none, or it is ambiguous.
    """
    receivers: Mapping[str, Receiver] = current_app.extensions.get(EXTENSION, {})
    if name is not None and receivers:
        return receiver_for(name, "reconcile")
    having = [one for one in receivers.values() if one.settings.api_key is not None]
    having = having or list(receivers.values())
    if len(having) != 1:
        raise NoSuchReceiver(
            f"reconcile(): name one of the receivers {', '.join(receivers)}."
            if receivers
            else "reconcile(): no FreshdeskWhatsApp blueprint is registered on this application."
        )
    return having[0]
