"""The errors of the API's client."""

from __future__ import annotations

import pickle
from types import SimpleNamespace

import pytest

from flask_fd_whatsapp import FreshdeskWhatsAppError
from flask_fd_whatsapp.freshdesk import (
    AlreadySent,
    FieldError,
    FreshdeskAPIError,
    MessageNotFound,
    NotAllowed,
    NotSent,
    RateLimited,
    Refused,
    SendUnknown,
    Unreachable,
    UnusableAnswer,
)

SEND = SimpleNamespace(external_reference_id="T1", message_id="M1", state="sent")

SAFE = [
    Refused(400, [FieldError("to", "invalid_value", "no +4930123456")]),
    NotAllowed("access_denied"),
    RateLimited(7.0),
    Unreachable("Connection refused"),
]
UNSAFE = [
    AlreadySent(SEND),
    SendUnknown("T1", "no answer"),
    MessageNotFound("M1"),
    UnusableAnswer(500, "it is not a JSON object"),
]


def test_what_is_safe_to_send_again() -> None:
    """One class says what can be sent again, and one covers all."""
    assert all(isinstance(error, NotSent) for error in SAFE)
    assert not any(isinstance(error, NotSent) for error in UNSAFE)
    assert issubclass(NotSent, FreshdeskAPIError)
    assert all(isinstance(error, FreshdeskAPIError) for error in UNSAFE)
    assert issubclass(FreshdeskAPIError, FreshdeskWhatsAppError)


@pytest.mark.parametrize("error", [*SAFE, *UNSAFE], ids=lambda error: type(error).__name__)
def test_api_errors_travel(error: FreshdeskAPIError) -> None:
    """An error can be pickled with all its attributes."""
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_already_sent_tells_of_the_send() -> None:
    """AlreadySent says which message there is."""
    assert AlreadySent(SEND).send.message_id == "M1"
    assert str(AlreadySent(SEND)) == "'T1' was already used for a message (sent)."


def test_long_references_are_cut() -> None:
    """A reference of any length and content makes a line that can be read."""
    told = str(SendUnknown("a\n\u202e" + "b" * 1000))
    assert len(told) < 250
    assert told.isprintable()


def test_redirect_says_what_to_look_at() -> None:
    """A redirect hints at a wrong domain."""
    assert "domain" in str(Refused(302))


@pytest.mark.parametrize("code", ["+4930123456", "tel4930123456", "a b", "x" * 101])
def test_what_is_no_word_is_not_shown(code: str) -> None:
    """A code that may contain a phone number is only in the attribute."""
    error = NotAllowed(code)
    assert error.code == code
    assert code not in str(error)
