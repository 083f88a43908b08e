"""What can go wrong with a call of Freshdesk's API, sorted by what is to be done.

No text of an error holds the API key, a recipient's number or what the message says: what the API
answered is in the attributes, for hosts that want to look.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from typing import Any, Final, Protocol

from ..escaping import plain
from ..exceptions import FreshdeskWhatsAppError

_SHOWN: Final = 100
"""Characters of a reference that an error's text shows."""

_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.\[\]-]{0,99}")
_NUMBER: Final = re.compile(r"\d{5}")


def word_of(value: object) -> str | None:
    """A field's name or a code of the API; ``None`` for what might be somebody's number."""
    if isinstance(value, str) and _WORD.fullmatch(value) and not _NUMBER.search(value):
        return value
    return None


@dataclasses.dataclass(frozen=True, slots=True)
class FieldError:
    """What the API has against a field of the body.

    :param field: its name, ``None`` if the error is of the whole.
    :param code: such as ``missing_field``, ``invalid_value``, ``datatype_mismatch``.
    :param message: the API's sentence. It may repeat the value, and so is in no ``repr``.
    """

    field: str | None
    code: str | None
    message: str | None = dataclasses.field(default=None, repr=False)

    def __str__(self) -> str:
        """Field and code, as far as they are words."""
        return f"{word_of(self.field) or 'the request'}: {word_of(self.code) or 'refused'}"


class FreshdeskAPIError(FreshdeskWhatsAppError):
    """The base of every error of a call of Freshdesk's API."""

    def __reduce__(self) -> tuple[Any, ...]:
        """How it is pickled, by a task queue, say."""
        return _rebuilt, (type(self), self.args, self.__dict__)


def _rebuilt(
    kind: type[FreshdeskAPIError], args: tuple[Any, ...], state: dict[str, Any]
) -> FreshdeskAPIError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class NotSent(FreshdeskAPIError):
    """Nothing was sent (or nothing was told): calling again is safe."""


class Refused(NotSent):
    """Freshdesk does not take it: change the message before it is sent again.

    :param status_code: of the answer; a redirect is one, since it is not followed.
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
    """The API key is not taken (401), or its agent or plan may not do this (403).

    :param code: the API's word, such as ``invalid_credentials``, ``access_denied``,
        ``require_feature`` or ``account_suspended``.
    """

    def __init__(self, code: str | None) -> None:
        self.code = code
        super().__init__(
            f"Freshdesk does not allow the call ({word_of(code) or 'without a reason'}): check the "
            "API key (FD_WHATSAPP_API_KEY), its agent's role, and that the plan has WhatsApp."
        )


class RateLimited(NotSent):
    """The limit of calls a minute does not allow the call within the time it may wait.

    :param retry_after: seconds after which it may be made.
    """

    def __init__(self, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(f"No call of Freshdesk's API is free for another {retry_after:.1f} s.")


class Unreachable(NotSent):
    """There was no connection, so that nothing went out.

    :param reason: what happened.
    """

    def __init__(self, reason: str) -> None:
        self.reason = plain(reason)
        super().__init__(f"Freshdesk's API could not be reached: {self.reason}.")


class RecordedSend(Protocol):
    """What :class:`AlreadySent` tells of the earlier send."""

    @property
    def external_reference_id(self) -> str | None: ...

    @property
    def message_id(self) -> str | None: ...

    @property
    def state(self) -> str: ...


class AlreadySent(FreshdeskAPIError):
    """With ``once=True``: the reference has been used, by whatever process.

    :param send: the earlier send, as it is recorded.
    """

    def __init__(self, send: RecordedSend) -> None:
        self.send = send
        super().__init__(
            f"{_shown(send.external_reference_id)} has been used for a message ({send.state})."
        )


class SendUnknown(FreshdeskAPIError):
    """The request went out, and no answer says what became of it: do not simply send again.

    :param external_reference_id: the message's reference, by which its webhooks can be told.
    :param reason: what happened.
    """

    def __init__(self, external_reference_id: str, reason: str = "no answer") -> None:
        self.external_reference_id = external_reference_id
        self.reason = plain(reason)
        super().__init__(
            f"Whether {_shown(external_reference_id)} was sent is not known: {self.reason}."
        )


class MessageNotFound(FreshdeskAPIError):
    """Freshdesk has no message of that id (404), or none any more, or the domain is wrong.

    :param message_id: what was asked for.
    """

    def __init__(self, message_id: str) -> None:
        self.message_id = message_id
        super().__init__(f"Freshdesk knows no message {_shown(message_id)}.")


class UnusableAnswer(FreshdeskAPIError):
    """Asked for a message, Freshdesk answered with what cannot be used: ask again later.

    :param status_code: of the answer: a server's error (5xx), or one that does not fit the body.
    :param reason: what is wrong with it.
    """

    def __init__(self, status_code: int, reason: str) -> None:
        self.status_code = status_code
        self.reason = plain(reason)
        super().__init__(f"Freshdesk's answer ({status_code}) cannot be used: {self.reason}.")


def _shown(text: str | None) -> str:
    text = "None" if text is None else text
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
