"""The blueprint: what happens when it is registered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from typing import cast

from flask import Blueprint, Flask
from flask.sansio.blueprints import BlueprintSetupState
from marshmallow import Schema

from .accounts import MOST_CHARACTERS, Accounts, require_accounts
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
from .schemas import OutboundMessageEventSchema
from .settings import Settings

logger = get_logger(__name__)

LEDGERS = "fd_whatsapp_ledgers"
"""The key in ``app.extensions`` of a mapping from a database's URL to the ledger that all its
receivers share, so that fifty receivers do not open fifty times the connections."""

LedgerFactory = Callable[[Flask], Ledger]


class FreshdeskWhatsApp(Blueprint):
    """Receives Freshdesk's WhatsApp webhooks; registering it is all that is needed.

    It adds the route (``POST <url_prefix>/whatsapp``) and the ``flask fd-whatsapp`` commands.
    Settings are read and checked at registration; no connection or file is opened before the first
    event. The object holds no application state: it can be registered on several applications, and
    several can be registered on one, each with its own name, ``config_prefix`` and URL.

    :param name: the blueprint's name, and the receiver's in ``app.extensions["fd_whatsapp"]``.
    :param config_prefix: the prefix of its keys in ``app.config``.
    :param url_prefix: the prefix of its URL.
    :param schema: a class or instance that loads a :class:`StatusEvent` or a subclass of it;
        ``None`` for :class:`OutboundMessageEventSchema`.
    :param ledger: a ledger, or a callable that creates one for the application, called inside the
        application context at first use; ``None`` for the ledger of ``LEDGER_URL``, which is shared
        by the application's receivers with the same URL (``memory://`` is never shared).
    :param accounts: many Freshdesk accounts at ``<url_prefix>/<account>/whatsapp``: a mapping from
        that part of the URL to an :class:`Account`, or a callable that returns one, or ``None`` if
        it is unknown. The callable runs in an application context of its own, and its results are
        cached for ten seconds. ``HEADERS`` and ``ACCOUNT_IDS`` then belong to each account.
    :param hand_over: a callable ``(receiver_name, event_id)`` that puts each recorded event into a
        queue, whose workers call :func:`flask_fd_whatsapp.handle_event`; dispatch is then deferred.
        If it raises, the error is logged and the sweep handles the event.
    :raises ConfigurationError: at registration, if a setting is missing, wrong or unknown, or
        another receiver has the same URL.
    """

    def __init__(
        self,
        name: str = "fd_whatsapp",
        *,
        config_prefix: str = "FD_WHATSAPP",
        url_prefix: str = "/freshdesk",
        schema: Schema | type[Schema] | None = None,
        ledger: Ledger | LedgerFactory | None = None,
        accounts: Accounts | None = None,
        hand_over: Take | None = None,
    ) -> None:
        super().__init__(name, "flask_fd_whatsapp", url_prefix=url_prefix)
        if not config_prefix.isidentifier() or not config_prefix.isupper():
            raise ConfigurationError(
                f"config_prefix: {config_prefix!r} is not an upper-case prefix of keys in "
                'app.config, such as "FD_WHATSAPP".'
            )
        self._config_prefix = config_prefix.rstrip("_")
        self._schema = schema if schema is not None else OutboundMessageEventSchema
        self._given_ledger = ledger
        if hand_over is not None and not callable(hand_over):
            raise ConfigurationError(
                "hand_over: has to be a callable (receiver_name, event_id), not "
                f"{type(hand_over).__name__}."
            )
        self._given_hand_over = hand_over
        if accounts is not None and not (isinstance(accounts, Mapping) or callable(accounts)):
            raise ConfigurationError(
                "accounts: has to be a mapping from keys to Accounts, or a callable that returns "
                f"the Account for a key, not {type(accounts).__name__}."
            )
        if isinstance(accounts, Mapping):
            require_accounts(accounts)
        self._given_accounts = accounts
        self.record(self._set_up)

    def _set_up(self, state: BlueprintSetupState) -> None:
        app = cast(Flask, state.app)
        name = f"{state.name_prefix}.{state.name}".lstrip(".")
        self._require_name(name)
        settings = self._settings_of(app)
        if (
            settings.dispatch != "inline"
            and self._given_ledger is None
            and settings.ledger_url == MEMORY_URL
        ):
            key = f'{self._config_prefix}_DISPATCH: "{settings.dispatch}"'
            raise ConfigurationError(
                f"{key if self._given_hand_over is None else 'hand_over:'} needs a ledger that "
                f"other processes can read: set {self._config_prefix}_LEDGER_URL to a database."
            )
        prefix = (state.url_prefix or "").rstrip("/")
        if "<" in prefix:
            raise ConfigurationError(
                f"url_prefix: {prefix} has a variable part, but a receiver has a single URL. For "
                "many accounts pass accounts=..., which adds the variable part."
            )
        url = prefix + (RULE if self._given_accounts is None else ACCOUNTS_RULE)
        receiver = Receiver(
            app=app,
            name=name,
            prefix=self._config_prefix,
            url=url,
            subdomain=state.subdomain,
            settings=settings,
            schema=self._schema() if isinstance(self._schema, type) else self._schema,
            make_ledger=lambda: self._make_ledger(app, settings),
            hand_over=self._hand_over(app, name, settings),
            forgets_unasked=self._given_ledger is None
            and f"{self._config_prefix}_LEDGER_URL" not in app.config,
        )
        receivers = app.extensions.setdefault(EXTENSION, {})
        for other in receivers.values():
            if (other.url, other.subdomain) == (receiver.url, receiver.subdomain):
                raise ConfigurationError(
                    f"Two receivers at one URL: {other.name!r} and {name!r} are both at "
                    f"{receiver.url}. Give one of them a different url_prefix."
                )
            self._refuse_forgotten_ledger(receiver, other)
        if self._given_accounts is not None:
            receiver.accounts = AccountLookup(app, name, self._given_accounts, receiver.of_account)
        receivers[name] = receiver
        add_routes(state, receiver)
        if group.name not in app.cli.commands:
            app.cli.add_command(group)
        if self._given_ledger is None:
            _warm_up(settings.ledger_url)

    def _require_name(self, name: str) -> None:
        """Check the name, under which ledgers store everything, with an account's key after a
        slash."""
        most = MOST_OF_NAME
        if self._given_accounts is not None:
            most -= len(ACCOUNT_SEPARATOR) + MOST_CHARACTERS
        if len(name) > most or ACCOUNT_SEPARATOR in name:
            raise ConfigurationError(
                f"name: {name!r} cannot be a receiver's, which has up to {most} characters"
                f"{'' if most == MOST_OF_NAME else ' where there are accounts'}, and no "
                f"{ACCOUNT_SEPARATOR!r}: give the FreshdeskWhatsApp another name."
            )

    def _refuse_forgotten_ledger(self, receiver: Receiver, other: Receiver) -> None:
        """Refuse a receiver without a database beside one with a database: it would lose events."""
        for one, beside in ((receiver, other), (other, receiver)):
            if one.forgets_unasked and beside.settings.ledger_url != MEMORY_URL:
                key = f"{one.prefix}_LEDGER_URL"
                raise ConfigurationError(
                    f"{key} is not set, but {beside.prefix}_LEDGER_URL is: events of {one.name!r} "
                    f"would be kept in memory only. Set {key} to the same database, or to "
                    f'"{MEMORY_URL}" if that is intended.'
                )

    def _settings_of(self, app: Flask) -> Settings:
        settings = Settings.from_config(
            app.config, self._config_prefix, has_accounts=self._given_accounts is not None
        )
        if self._given_hand_over is None:
            return settings
        if settings.dispatch == "celery":
            raise ConfigurationError(
                f'{self._config_prefix}_DISPATCH is "celery", and hand_over is passed too: only '
                "one of them can hand events over. Remove the other."
            )
        return replace(settings, dispatch="deferred")

    def _hand_over(self, app: Flask, name: str, settings: Settings) -> HandOver | None:
        if self._given_hand_over is not None:
            return HandOver(name, self._given_hand_over)
        if settings.dispatch == "celery":
            from .queue import Publisher  # needs an extra

            return HandOver(name, Publisher(app))
        return None

    def _make_ledger(self, app: Flask, settings: Settings) -> Ledger:
        given = self._given_ledger
        if given is not None:
            if hasattr(given, "record") and not isinstance(given, type):
                return cast(Ledger, given)
            with app.app_context():
                return cast(LedgerFactory, given)(app)
        url = settings.ledger_url
        if url != MEMORY_URL:
            from .ledger.sql import SQLLedger  # needs an extra

            shared = app.extensions.setdefault(LEDGERS, {})
            if (
                url not in shared
            ):  # two threads may both create one; the second is discarded, which costs nothing
                shared.setdefault(url, SQLLedger.from_url(url, app))
            return cast(Ledger, shared[url])
        if not (app.debug or app.testing or is_command_running()):
            logger.warning("%s", forgets(f"{self._config_prefix}_LEDGER_URL"))
        from .ledger.memory.memory_ledger import MemoryLedger  # most use another one

        return MemoryLedger(config_prefix=self._config_prefix)


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
