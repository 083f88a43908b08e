"""The client of Freshdesk's API: sends messages, and retrieves their status."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Mapping
from typing import Any, Final, Self

from .. import api_settings
from .api_answers import Allowance, read_allowance, read_message, read_pause, read_sent
from .api_errors import FreshdeskAPIError, RateLimited, Unreachable, UnusableAnswer
from .https_calls import Answer, HTTPSCalls, NoAnswer, basic_authentication
from .outbound_message import (
    PATH,
    OutboundMessage,
    SendRequest,
    Sent,
    message_path,
    send_request,
)
from .pace import Pace, Rate
from .template_message import TemplateMessage
from .ulid import new_ulid

FIRST_BACK_OFF: Final = 0.5
LONGEST_BACK_OFF: Final = 8.0
"""Seconds before the next attempt; doubled each time, with half of it random."""


class FreshdeskClient:
    """Calls the API of one Freshdesk account, without recording anything.

    One client can be used by any number of threads, and by forked processes. The key is in no
    ``repr``, log line or exception, nor in any frame that an exception carries.

    :param domain: the account's, such as ``acme.freshdesk.com``; ``http://`` for loopback only.
    :param api_key: an agent's key, from the profile settings.
    :param sender: the account's WhatsApp number, the default of :meth:`send`.
    :param calls_a_minute: for this client in this process; Freshdesk allows 1,000 (Pro) or 2,000
        (Enterprise) for the whole account.
    :param timeout: the maximum number of seconds of one call, from connecting to the answer's last
        byte.
    :param retries: the maximum number of times a call is repeated.
    :raises ValueError: for invalid arguments, with the remedy.
    :raises ConfigurationError: for an unusable proxy in the environment.
    """

    domain = "(not made)"  # for the repr in the error about a wrong argument

    def __init__(
        self,
        domain: str,
        api_key: str,
        *,
        sender: str | None = None,
        calls_a_minute: int = 600,
        timeout: float = 10,
        retries: int = 3,
    ) -> None:
        authorize = _secret(api_key)
        del api_key  # so that it is in no frame of an error raised from here
        if isinstance(authorize, str):
            raise ValueError(f"api_key {authorize}")
        if not timeout > 0:
            raise ValueError("timeout has to be more than 0 seconds.")
        if retries < 0:
            raise ValueError("retries has to be 0 or more.")
        self.domain = _checked("domain", api_settings.api_domain, domain)
        self._sender = (
            None if sender is None else _checked("sender", api_settings.phone_number, sender)
        )
        self._retries = retries
        self._pace = Pace(Rate(calls_a_minute))
        self._calls = HTTPSCalls(self.domain, authorize, timeout=timeout)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.domain}>"

    @property
    def allowance(self) -> Allowance | None:
        """The account's rate limit, as reported by the last answer."""
        return read_allowance(self._calls.last_headers)

    def at_pace(self, pace: Pace) -> Self:
        """Return the same client, sharing its connections, with another pace."""
        other = copy.copy(self)
        other._pace = pace
        return other

    def with_sleep(self, sleep: Callable[[float], None]) -> Self:
        """Return the same client, which waits between calls by *sleep*."""
        return self.at_pace(self._pace.with_sleep(sleep))

    def close(self) -> None:
        """Close the idle connections."""
        self._calls.close()

    def send(
        self,
        *,
        to: str,
        template: TemplateMessage,
        sender: str | None = None,
        external_reference_id: str | None = None,
        campaign: str | None = None,
        once: bool = False,
        wait: float = 5,
        note_policy: Mapping[str, Any] | None = None,
        ticket_properties: Mapping[str, Any] | None = None,
    ) -> Sent:
        """Send a message.

        It is posted again only after a 429, when nothing has been sent.

        :param to: the recipient's number, such as ``+4930123456``; it is not stored.
        :param sender: the account's number, instead of the client's.
        :param external_reference_id: returned in webhooks; a ULID is generated if it is missing.
        :param campaign: only for ``current_client``, which records it: instead of the one that
            ``FD_WHATSAPP_CAMPAIGN`` extracts from the reference.
        :param once: only for ``current_client``: send with this reference only once per receiver,
            whatever process asks; refused and unsent messages do not count.
        :param wait: the maximum number of seconds to wait for the rate limit.
        :param note_policy: the policy for the note on the ticket when the person replies.
        :param ticket_properties: ``tags`` and ``custom_fields`` of the ticket that a reply opens.
        :raises NotSent: if it was certainly not sent: :class:`Refused`, :class:`NotAllowed`,
            :class:`RateLimited` or :class:`Unreachable`.
        :raises SendUnknown: if the request went out, but no answer says what became of it.
        :raises ValueError: for an invalid number, or *once* or *campaign* where they are not
            supported.
        :raises TypeError: for values that cannot be written as JSON.
        """
        request = self.prepare(
            to=to,
            template=template,
            sender=sender,
            external_reference_id=external_reference_id,
            note_policy=note_policy,
            ticket_properties=ticket_properties,
        )
        return self._deliver(request, template, campaign=campaign, once=once, wait=wait)

    def _deliver(
        self,
        request: SendRequest,
        template: TemplateMessage,
        *,
        campaign: str | None,
        once: bool,
        wait: float,
    ) -> Sent:
        """Send a prepared request; clients that record override this."""
        if once or campaign is not None:
            raise ValueError(
                "once and campaign need a record of what was sent, which this client does not "
                "keep: use flask_fd_whatsapp.freshdesk.current_client."
            )
        return self.post(request, wait=wait)

    def prepare(
        self,
        *,
        to: str,
        template: TemplateMessage,
        sender: str | None = None,
        external_reference_id: str | None = None,
        note_policy: Mapping[str, Any] | None = None,
        ticket_properties: Mapping[str, Any] | None = None,
    ) -> SendRequest:
        """Check the arguments of :meth:`send` without sending anything.

        :raises ValueError: as :meth:`send` does; likewise :class:`TypeError`.
        """
        given = sender or self._sender
        if given is None:
            raise ValueError(
                "sender is missing: pass the account's WhatsApp number here or to the client, or "
                "set FD_WHATSAPP_SENDER."
            )
        return send_request(
            sender=_checked("sender", api_settings.phone_number, given),
            to=_checked("to", api_settings.phone_number, to),
            template=template,
            external_reference_id=external_reference_id or new_ulid(),
            note_policy=note_policy,
            ticket_properties=ticket_properties,
        )

    def post(self, request: SendRequest, *, wait: float = 5) -> Sent:
        """Send what :meth:`prepare` returned; see :meth:`send`."""
        attempts = self._retries + 1
        while True:
            wait = self._take_turn(wait)
            answer = self._call("POST", PATH, request.body)
            sent = read_sent(answer, request.external_reference_id)
            if isinstance(sent, Sent):
                return sent
            attempts -= 1
            if not isinstance(sent, RateLimited) or not attempts:
                raise sent

    def retrieve(self, message_id: str, *, wait: float = 60) -> OutboundMessage:
        """Retrieve a message and its current status.

        Without an answer, or after an unusable one, it asks again, with growing pauses.

        :param wait: the maximum number of seconds to wait, for the rate limit and between calls.
        :raises MessageNotFound: if Freshdesk has no message with that id.
        :raises UnusableAnswer: if the answer is unusable, such as a 500.
        :raises NotSent: if there is no answer, or it is a refusal: :class:`Unreachable`,
            :class:`RateLimited`, :class:`NotAllowed` or :class:`Refused`.
        """
        path = message_path(message_id)
        attempts = 0
        while True:
            wait = self._take_turn(wait)
            told = read_message(self._call("GET", path), message_id)
            if isinstance(told, OutboundMessage):
                return told
            attempts += 1
            pause = _pause_after(told, attempts)
            if pause is None or pause > wait or attempts > self._retries:
                raise told
            self._pace.rest(pause)
            wait -= pause

    def _take_turn(self, wait: float) -> float:
        """Wait for the rate limit; return the seconds that are left of *wait*."""
        return self._pace.take_turn(wait)

    def _call(self, method: str, path: str, body: bytes | None = None) -> Answer | NoAnswer:
        """Make one call; its 429 pauses all callers."""
        answer = self._calls.call(method, path, body)
        if isinstance(answer, Answer) and answer.status == 429:
            self._pace.pause(read_pause(answer.headers))
        return answer


def _secret(api_key: str) -> Callable[[], str] | str:
    """Return how to authenticate with a key, or what is wrong with it."""
    try:
        return basic_authentication(api_settings.api_key(api_key))
    except ValueError as error:
        return str(error)


def _checked(name: str, check: Callable[[object], str], value: object) -> str:
    """Return a checked value; an error names it, but does not show it."""
    try:
        return check(value)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


def _pause_after(problem: FreshdeskAPIError, attempts: int) -> float | None:
    """Return the seconds before the next attempt, ``None`` if another is of no use."""
    if isinstance(problem, RateLimited):
        return 0.0  # the pace pauses
    if not isinstance(problem, (Unreachable, UnusableAnswer)):
        return None
    longest: float = min(FIRST_BACK_OFF * 2 ** (attempts - 1), LONGEST_BACK_OFF)
    return longest * random.uniform(0.5, 1)  # noqa: S311 - spreads calls, guards nothing
