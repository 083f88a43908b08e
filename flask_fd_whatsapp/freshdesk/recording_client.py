"""The client that records what it sends: ``current_client``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, cast

from flask import current_app
from werkzeug.local import LocalProxy

from ..exceptions import (
    ConfigurationError,
    FreshdeskWhatsAppError,
    LedgerUnavailable,
    NoSuchReceiver,
)
from ..ledger.context import EXTENSION, handling_ledger, has_open_transaction
from ..ledger.records import ACCOUNT_SEPARATOR
from ..ledger.send_records import Send, SendIntent, SendState
from ..log_fields import current_receiver, get_logger, log_fields
from ..receiving.receiver import Receiver
from .api_client import FreshdeskClient
from .api_errors import AlreadySent, FreshdeskAPIError, NotAllowed, NotSent, Refused
from .https_calls import Answer, NoAnswer
from .outbound_message import SendRequest, Sent
from .shared_pace import paces_of
from .template_message import TemplateMessage

logger = get_logger(__name__)

CLIENTS: Final = "fd_whatsapp_clients"
"""The key in ``app.extensions`` of a mapping from a receiver's name to its client."""


class RecordingClient(FreshdeskClient):
    """Sends for a receiver's account, and records every send in the receiver's ledger.

    :meth:`send` records its intent in a transaction of its own, and then the result: call it with
    no transaction open. In addition to the errors of :class:`FreshdeskClient` it raises
    :class:`AlreadySent` (with ``once``, if the reference was used), ``LedgerUnavailable`` (nothing
    was sent, since that could not be recorded) and, in a handler that has used
    ``current_ledger.transaction``, ``FreshdeskWhatsAppError``.

    :ivar account_id: the account's.
    :ivar asking: the same client, to catch up with: it goes by the quarter of the calls that is
        for that.
    :raises ConfigurationError: if the receiver has no API key.
    """

    def __init__(self, receiver: Receiver) -> None:
        settings = receiver.settings
        if receiver.accounts is not None:
            raise ConfigurationError(
                f"{receiver.name} has accounts, each with an API key of its own: name one by its "
                "key, as in client_for(<key>)."
            )
        if settings.domain is None or settings.api_key is None:
            raise ConfigurationError(
                f"{receiver.prefix}_API_KEY is not set, and without it Freshdesk's API cannot be "
                f"called: set it and {receiver.prefix}_DOMAIN."
            )
        super().__init__(settings.domain, settings.api_key, sender=settings.sender)
        assert settings.account_ids is not None
        (self.account_id,) = settings.account_ids
        self.receiver = receiver
        paces = paces_of(lambda: receiver.ledger.rates, self.domain, settings.calls_a_minute)
        self._pace = paces.sending
        self.asking: FreshdeskClient = self.at_pace(paces.asking)

    def __repr__(self) -> str:
        return f"<RecordingClient of {self.receiver.name}>"

    def _take_turn(self, wait: float) -> float:
        left = super()._take_turn(wait)
        observer = self.receiver.observer
        if observer is not None:
            observer.waited_for_api(self.receiver.name, wait - left)
        return left

    def _call(self, method: str, path: str, body: bytes | None = None) -> Answer | NoAnswer:
        answer = super()._call(method, path, body)
        observer = self.receiver.observer
        if observer is not None:
            observer.called_api(self.receiver.name, method, _kind_of(answer))
        return answer

    def _deliver(
        self,
        request: SendRequest,
        template: TemplateMessage,
        *,
        campaign: str | None,
        once: bool,
        wait: float,
    ) -> Sent:
        if has_open_transaction():
            raise FreshdeskWhatsAppError(
                "current_client.send() inside current_ledger.transaction: a message that was sent "
                "cannot be rolled back with it. Send before the handler first uses the "
                "transaction, or in a separate handler."
            )
        campaign_of = self.receiver.settings.campaign
        if campaign is None and campaign_of is not None:
            campaign = campaign_of(request.external_reference_id)
        send_id = self._intend(
            SendIntent(
                receiver=self.receiver.name,
                account_id=self.account_id,
                external_reference_id=request.external_reference_id,
                once=once,
                campaign=campaign,
                template=template.name,
                language=template.language,
            )
        )
        self.receiver.note_account()
        problem: FreshdeskAPIError | LedgerUnavailable
        try:
            sent = self.post(request, wait=wait)
        except (FreshdeskAPIError, LedgerUnavailable) as error:
            problem = error
        else:
            self._keep_sent(send_id, sent)
            return sent
        self._keep_problem(send_id, problem, request.external_reference_id)
        raise problem

    def _intend(self, intent: SendIntent) -> Any:
        problem: LedgerUnavailable | None = None
        known: Any = None
        try:
            known = self.receiver.ledger.send_record.intend(intent)
        except LedgerUnavailable as error:
            problem = error
        if problem is not None:
            raise LedgerUnavailable(
                "Nothing was sent, since that it is about to be sent could not be kept. On SQLite "
                "a transaction that the application itself has open keeps it out: commit or roll "
                f"back before you send. {problem}"
            ) from problem
        if isinstance(known, Send):  # which does not know its reference if it was erased
            reference = intent.external_reference_id
            raise AlreadySent(replace(known, external_reference_id=reference))
        return known

    def _keep_sent(self, send_id: Any, sent: Sent) -> None:
        try:
            self.receiver.ledger.send_record.sent(send_id, sent.message_id)
        except Exception as error:  # it was sent: whoever sends it again sends it twice
            logger.error(
                "Message %s with reference %s was sent, but the ledger could not record it (%s): "
                "current_ledger.expect() records it.",
                sent.message_id,
                sent.external_reference_id,
                type(error).__name__,
                extra={
                    **log_fields(receiver=self.receiver.name),
                    "account_id": self.account_id,
                    "message_id": sent.message_id,
                    "external_reference_id": sent.external_reference_id,
                },
            )

    def _keep_problem(self, send_id: Any, problem: Exception, reference: str) -> None:
        """Record what went wrong; if that fails, the send counts as unknown after two minutes."""
        if isinstance(problem, (Refused, NotAllowed)):
            state = SendState.REFUSED
        elif isinstance(problem, (NotSent, LedgerUnavailable)):  # the pace is the ledger's
            state = SendState.UNSENT
        else:
            state = SendState.UNKNOWN
        try:
            self.receiver.ledger.send_record.failed(send_id, state, str(problem))
        except Exception as error:
            logger.error(
                "The send with reference %s is %s, but the ledger could not record that (%s): it "
                "will be listed as unknown.",
                reference,
                state.value,
                type(error).__name__,
                extra=log_fields(receiver=self.receiver.name),
            )


def _kind_of(answer: Answer | NoAnswer) -> str:
    """Return the kind of an answer: ``2xx`` and so on, ``429``, or ``none``."""
    if not isinstance(answer, Answer):
        return "none"
    return "429" if answer.status == 429 else f"{answer.status // 100}xx"


def client_of(receiver: Receiver) -> RecordingClient:
    """Return the client of a receiver, created at first use.

    :raises ConfigurationError: if the receiver has no API key.
    """
    clients: dict[str, RecordingClient]
    clients = receiver.app.extensions.setdefault(CLIENTS, {})
    name = receiver.name if receiver.account is None else receiver.url
    client = clients.get(name)
    if client is None or client.receiver is not receiver:  # an account may have been changed
        client = clients[name] = RecordingClient(receiver)
    return client


def client_for(key: str) -> RecordingClient:
    """Return the client of the receiver with that name, or of the account with that key.

    :param key: where accounts of several receivers have the same, with the receiver's name before
        it: ``"europe/acme"``.
    :raises NoSuchReceiver: if there is none, or several accounts have the key.
    :raises ConfigurationError: if it has no API key.
    """
    return client_of(receiver_for(key, "client_for"))


def receiver_for(key: str, asked_by: str) -> Receiver:
    """The receiver of that name, or that of the account of that key; see :func:`client_for`.

    :param asked_by: the function that an error names.
    """
    receivers: Mapping[str, Receiver] = current_app.extensions.get(EXTENSION, {})
    if key in receivers:
        return receivers[key]
    of_all, _, its_key = key.rpartition(ACCOUNT_SEPARATOR)
    found = [
        account
        for name, one in receivers.items()
        if one.accounts is not None and of_all in ("", name)
        for account in [one.accounts.find(its_key)]
        if account is not None
    ]
    if not found:
        raise NoSuchReceiver(
            f"{asked_by}({key!r}): there is no such receiver, nor an account with that key; the "
            f"receivers are {', '.join(receivers)}."
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
