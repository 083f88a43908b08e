"""The blueprint that an application registers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from flask import Blueprint
from flask.sansio.blueprints import BlueprintSetupState
from marshmallow import Schema

from .exceptions import ConfigurationError
from .schemas import OutboundMessageEventSchema

if TYPE_CHECKING:
    from .accounts import Accounts
    from .ledger import Ledger
    from .receiving.hand_over import Take
    from .registration import LedgerFactory


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
        self._ledger = ledger
        if hand_over is not None and not callable(hand_over):
            raise ConfigurationError(
                "hand_over: has to be a callable (receiver_name, event_id), not "
                f"{type(hand_over).__name__}."
            )
        self._hand_over = hand_over
        if accounts is not None and not (isinstance(accounts, Mapping) or callable(accounts)):
            raise ConfigurationError(
                "accounts: has to be a mapping from keys to Accounts, or a callable that returns "
                f"the Account for a key, not {type(accounts).__name__}."
            )
        if isinstance(accounts, Mapping):
            from .accounts import require_accounts  # which imports all that reads settings

            require_accounts(accounts)
        self._accounts = accounts
        self.record(self._set_up)

    def _set_up(self, state: BlueprintSetupState) -> None:
        from .registration import Registration  # which imports most of the package

        Registration(
            state,
            prefix=self._config_prefix,
            schema=self._schema,
            ledger=self._ledger,
            accounts=self._accounts,
            take=self._hand_over,
        ).set_up()
