"""What happens when the blueprint is registered on an application."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import Final, cast

from flask import Flask
from flask.sansio.blueprints import BlueprintSetupState
from marshmallow import Schema

from .accounts import MOST_CHARACTERS, Accounts
from .commands import group, is_command_running, is_flask_command
from .exceptions import ConfigurationError
from .ledger import Ledger
from .ledger.context import EXTENSION
from .ledger.records import ACCOUNT_SEPARATOR, MOST_OF_NAME
from .ledger_urls import MEMORY_URL, forgets
from .log_fields import get_logger
from .receiving.account_lookup import AccountLookup
from .receiving.hand_over import HandOver, Take
from .receiving.receiver import Receiver
from .receiving.route import ACCOUNTS_RULE, RULE, add_routes
from .settings import Settings

logger = get_logger(__name__)

LEDGERS: Final = "fd_whatsapp_ledgers"
"""The key in ``app.extensions`` of a mapping from a database's URL to the ledger that all its
receivers share, so that fifty receivers do not open fifty times the connections."""

LedgerFactory = Callable[[Flask], Ledger]


class Registration:
    """One registration, which makes one receiver; see :class:`.FreshdeskWhatsApp`.

    :param prefix: the prefix of the keys in ``app.config``.
    :param take: the callable that was passed as ``hand_over``.
    """

    def __init__(
        self,
        state: BlueprintSetupState,
        *,
        prefix: str,
        schema: Schema | type[Schema],
        ledger: Ledger | LedgerFactory | None,
        accounts: Accounts | None,
        take: Take | None,
    ) -> None:
        self._state = state
        self._app = cast(Flask, state.app)
        self._name = f"{state.name_prefix}.{state.name}".lstrip(".")
        self._prefix = prefix
        self._schema = schema
        self._ledger = ledger
        self._accounts = accounts
        self._take = take

    def set_up(self) -> None:
        """Create the receiver, and add its route and the commands.

        :raises ConfigurationError: if a setting is missing, wrong or unknown, or another receiver
            has the same URL.
        """
        app, name = self._app, self._name
        self._require_name()
        settings = self._settings()
        receiver = Receiver(
            app=app,
            name=name,
            prefix=self._prefix,
            url=self._url(),
            subdomain=self._state.subdomain,
            settings=settings,
            schema=self._schema() if isinstance(self._schema, type) else self._schema,
            make_ledger=lambda: self._make_ledger(settings.ledger_url),
            hand_over=self._hand_over(settings),
            forgets_unasked=self._ledger is None and f"{self._prefix}_LEDGER_URL" not in app.config,
        )
        receivers = app.extensions.setdefault(EXTENSION, {})
        for other in receivers.values():
            _require_compatible(receiver, other)
        if self._accounts is not None:
            receiver.accounts = AccountLookup(app, name, self._accounts, receiver.of_account)
        receivers[name] = receiver
        add_routes(self._state, receiver)
        if group.name not in app.cli.commands:
            app.cli.add_command(group)
        if self._ledger is None:
            _warm_up(settings.ledger_url)

    def _require_name(self) -> None:
        """Check the name, under which ledgers store everything, with an account's key after a
        slash."""
        most = MOST_OF_NAME
        if self._accounts is not None:
            most -= len(ACCOUNT_SEPARATOR) + MOST_CHARACTERS
        if len(self._name) > most or ACCOUNT_SEPARATOR in self._name:
            raise ConfigurationError(
                f"name: {self._name!r} cannot be a receiver's, which has up to {most} characters"
                f"{'' if most == MOST_OF_NAME else ' where there are accounts'}, and no "
                f"{ACCOUNT_SEPARATOR!r}: give the FreshdeskWhatsApp another name."
            )

    def _settings(self) -> Settings:
        settings = Settings.from_config(
            self._app.config, self._prefix, has_accounts=self._accounts is not None
        )
        if self._take is not None:
            if settings.dispatch == "celery":
                raise ConfigurationError(
                    f'{self._prefix}_DISPATCH is "celery", and hand_over is passed too: only one '
                    "of them can hand events over. Remove the other."
                )
            settings = replace(settings, dispatch="deferred")
        if (
            settings.dispatch != "inline"
            and self._ledger is None
            and settings.ledger_url == MEMORY_URL
        ):
            key = f'{self._prefix}_DISPATCH: "{settings.dispatch}"'
            raise ConfigurationError(
                f"{key if self._take is None else 'hand_over:'} needs a ledger that other "
                f"processes can read: set {self._prefix}_LEDGER_URL to a database."
            )
        return settings

    def _url(self) -> str:
        """The path of the route."""
        prefix = (self._state.url_prefix or "").rstrip("/")
        if "<" in prefix:
            raise ConfigurationError(
                f"url_prefix: {prefix} has a variable part, but a receiver has a single URL. For "
                "many accounts pass accounts=..., which adds the variable part."
            )
        return prefix + (RULE if self._accounts is None else ACCOUNTS_RULE)

    def _hand_over(self, settings: Settings) -> HandOver | None:
        if self._take is not None:
            return HandOver(self._name, self._take)
        if settings.dispatch == "celery":
            from .queue import Publisher  # needs an extra

            return HandOver(self._name, Publisher(self._app))
        return None

    def _make_ledger(self, url: str) -> Ledger:
        app, given = self._app, self._ledger
        if given is not None:
            if hasattr(given, "record") and not isinstance(given, type):
                return cast(Ledger, given)
            with app.app_context():
                return cast(LedgerFactory, given)(app)
        if url != MEMORY_URL:
            from .ledger.sql import SQLLedger  # needs an extra

            shared = app.extensions.setdefault(LEDGERS, {})
            if url not in shared:
                # Two threads may both create one: the second is discarded, which costs nothing.
                shared.setdefault(url, SQLLedger.from_url(url, app))
            return cast(Ledger, shared[url])
        if not (app.debug or app.testing or is_command_running()):
            logger.warning("%s", forgets(f"{self._prefix}_LEDGER_URL"))
        from .ledger.memory.memory_ledger import MemoryLedger  # most use another one

        return MemoryLedger(config_prefix=self._prefix)


def _require_compatible(receiver: Receiver, other: Receiver) -> None:
    """Refuse a receiver at another's URL, or one without a database beside one with a database."""
    if (other.url, other.subdomain) == (receiver.url, receiver.subdomain):
        raise ConfigurationError(
            f"Two receivers at one URL: {other.name!r} and {receiver.name!r} are both at "
            f"{receiver.url}. Give one of them a different url_prefix."
        )
    for one, beside in ((receiver, other), (other, receiver)):
        if one.forgets_unasked and beside.settings.ledger_url != MEMORY_URL:
            key = f"{one.prefix}_LEDGER_URL"
            raise ConfigurationError(
                f"{key} is not set, but {beside.prefix}_LEDGER_URL is: events of {one.name!r} "
                f"would be kept in memory only. Set {key} to the same database, or to "
                f'"{MEMORY_URL}" if that is intended.'
            )


def _warm_up(url: str) -> None:
    """Import what the ledger needs, in the master of a preloading server as well.

    Commands import it only when they need it, which is rare.
    """
    if not is_flask_command() or is_flask_command("run"):
        if url == MEMORY_URL:
            import_module("flask_fd_whatsapp.ledger.memory.memory_ledger")
            return
        with suppress(Exception):  # whatever it is, the first use reports it
            from .ledger.sql.dialects.registry import warm_up  # needs an extra

            warm_up(url)
