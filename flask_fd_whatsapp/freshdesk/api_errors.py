"""The errors of API calls, grouped by what to do about them.

No error's text contains the API key, a recipient's number or the content of the message: the API's
answer is in the attributes, for hosts that want to look.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from typing import Any, Final, Protocol

from ..escaping import plain, quoted
from ..exceptions import FreshdeskWhatsAppError

_SHOWN: Final = 100
"""How many characters of a reference an error's text shows."""

_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.\[\]-]{0,99}")
_NUMBER: Final = re.compile(r"\d{5}")


def word_of(value: object) -> str | None:
    """Return a field's name or a code of the API; ``None`` for what might be a person's number."""
    if isinstance(value, str) and _WORD.fullmatch(value) and not _NUMBER.search(value):
        return value
    return None


@dataclasses.dataclass(frozen=True, slots=True)
class FieldError:
    """An error that the API reports about a field of the body.

    :param field: its name, ``None`` if the error concerns the whole body.
    :param code: such as ``missing_field``, ``invalid_value``, ``datatype_mismatch``.
    :param message: the API's message. It may repeat the value, so it is in no ``repr``.
    """

    field: str | None
    code: str | None
    message: str | None = dataclasses.field(default=None, repr=False)

    def __str__(self) -> str:
        """Return field and code, if they are words."""
        return f"{word_of(self.field) or 'the request'}: {word_of(self.code) or 'refused'}"


class FreshdeskAPIError(FreshdeskWhatsAppError):
    """The base class of all errors of API calls."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how to pickle it, for example by a task queue."""
        return _rebuilt, (type(self), self.args, self.__dict__)


def _rebuilt(
    kind: type[FreshdeskAPIError], args: tuple[Any, ...], state: dict[str, Any]
) -> FreshdeskAPIError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class NotSent(FreshdeskAPIError):
    """Nothing was sent (or nothing was reported): calling again is safe."""


class Refused(NotSent):
    """Freshdesk refuses the message: change it before sending it again.

    :param status_code: the answer's; redirects are refusals, since they are not followed.
    :param errors: what is wrong, field by field.
    """

    def __init__(self, status_code: int, errors: Iterable[FieldError] = ()) -> None:
        self.status_code = status_code
        self.errors = tuple(errors)
        told = "; ".join(str(error) for error in self.errors[:5])
        hint = told or (
            "a redirect, which is not followed: is the domain the account's own?"
            if 300 <= status_code < 400
            else "without a reason"
        )
        super().__init__(f"Freshdesk refused the call with {status_code} ({hint}).")


class NotAllowed(NotSent):
    """The API key is invalid (401), or its agent or plan may not do this (403).

    :param code: the API's code, such as ``invalid_credentials``, ``access_denied``,
        ``require_feature`` or ``account_suspended``.
    """

    def __init__(self, code: str | None) -> None:
        self.code = code
        super().__init__(
            f"Freshdesk does not allow the call ({word_of(code) or 'without a reason'}): check the "
            "API key (FD_WHATSAPP_API_KEY), its agent's role, and that the plan has WhatsApp."
        )


class RateLimited(NotSent):
    """The rate limit does not allow the call within the time that it may wait.

    :param retry_after: seconds until it may be made.
    """

    def __init__(self, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(
            f"The rate limit of Freshdesk's API allows no call for another {retry_after:.1f} s."
        )


class Unreachable(NotSent):
    """No connection could be made, so nothing was sent.

    :param reason: what happened.
    """

    def __init__(self, reason: str) -> None:
        self.reason = plain(reason)
        super().__init__(f"Freshdesk's API could not be reached: {self.reason}.")


class RecordedSend(Protocol):
    """What :class:`AlreadySent` says about the earlier send."""

    @property
    def external_reference_id(self) -> str | None: ...

    @property
    def message_id(self) -> str | None: ...

    @property
    def state(self) -> str: ...


class AlreadySent(FreshdeskAPIError):
    """With ``once=True``: the reference has already been used, by any process.

    :param send: the earlier send, as recorded.
    """

    def __init__(self, send: RecordedSend) -> None:
        self.send = send
        super().__init__(
            f"{_shown(send.external_reference_id)} was already used for a message ({send.state})."
        )


class SendUnknown(FreshdeskAPIError):
    """The request went out, but no answer says what became of it: do not simply send again.

    :param external_reference_id: the message's reference, which identifies its webhooks.
    :param reason: what happened.
    """

    def __init__(self, external_reference_id: str, reason: str = "no answer") -> None:
        self.external_reference_id = external_reference_id
        self.reason = plain(reason)
        super().__init__(
            f"It is not known whether {_shown(external_reference_id)} was sent: {self.reason}."
        )


class MessageNotFound(FreshdeskAPIError):
    """Freshdesk has no message with that id (404), or no longer, or the domain is wrong.

    :param message_id: the requested id.
    """

    def __init__(self, message_id: str) -> None:
        self.message_id = message_id
        super().__init__(f"Freshdesk has no message {_shown(message_id)}.")


class UnusableAnswer(FreshdeskAPIError):
    """Freshdesk's answer about a message cannot be used: ask again later.

    :param status_code: the answer's: a server error (5xx), or one that does not match the body.
    :param reason: what is wrong with the answer.
    """

    def __init__(self, status_code: int, reason: str) -> None:
        self.status_code = status_code
        self.reason = plain(reason)
        super().__init__(f"Freshdesk's answer ({status_code}) cannot be used: {self.reason}.")


def _shown(text: str | None) -> str:
    text = "None" if text is None else text
    return quoted(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
