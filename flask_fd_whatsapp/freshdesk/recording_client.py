"""The client that records what it sends: ``current_client``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..exceptions import (
    ConfigurationError,
    FreshdeskWhatsAppError,
    LedgerUnavailable,
)
from ..ledger.context import has_open_transaction
from ..ledger.send_records import Send, SendIntent, SendState
from ..log_fields import get_logger, log_fields
from ..receiving.receiver import Receiver
from .api_client import FreshdeskClient
from .api_errors import AlreadySent, FreshdeskAPIError, NotAllowed, NotSent, Refused
from .https_calls import Answer, NoAnswer
from .outbound_message import SendRequest, Sent
from .shared_pace import paces_of
from .template_message import TemplateMessage

logger = get_logger(__name__)


class RecordingClient(FreshdeskClient):
    """Sends for a receiver's account, and records every send in the receiver's ledger.

    :meth:`send` records its intent in a transaction of its own, and then the result: call it with
    no transaction open. In addition to the errors of :class:`FreshdeskClient` it raises
    :class:`AlreadySent` (with ``once``, if the reference was used), ``LedgerUnavailable`` (nothing
    was sent, since that could not be recorded) and, in a handler that has used
    ``current_ledger.transaction``, ``FreshdeskWhatsAppError``.

    :ivar account_id: the account's.
    :ivar asking: the same client for reconciling, limited to the quarter of the calls reserved for
        it.
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
                "Nothing was sent, since the intent to send could not be recorded. On SQLite, a "
                "transaction that the application has open itself blocks the ledger: commit or "
                f"roll back before sending. {problem}"
            ) from problem
        if isinstance(known, Send):  # it lacks its reference if that was erased
            reference = intent.external_reference_id
            raise AlreadySent(replace(known, external_reference_id=reference))
        return known

    def _keep_sent(self, send_id: Any, sent: Sent) -> None:
        try:
            self.receiver.ledger.send_record.sent(send_id, sent.message_id)
        except Exception as error:  # raising would invite the caller to send it twice
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
        elif isinstance(problem, (NotSent, LedgerUnavailable)):  # the pace is kept in the ledger
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
