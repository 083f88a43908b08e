"""Why a message failed, in classes, and what to do about each.

The numbers are those of WhatsApp's Cloud API
(https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes), sorted by what
helps against them.  Freshdesk documents none and does not say whether it passes WhatsApp's on
(the code of its own sample is ``INVALID``), so that every other text is ``unknown``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple


class FailureClass(StrEnum):
    """What kind of failure it is."""

    TRANSIENT = "transient"
    RECIPIENT = "recipient"
    MARKETING_CAP = "marketing cap"
    CONTENT_OR_WINDOW = "content or window"
    ACCOUNT_OR_CONFIGURATION = "account or configuration"
    UNKNOWN = "unknown"

    @property
    def advice(self) -> str:
        """What to do about it, in one line."""
        return _ADVICE[self]


_ADVICE: Final[Mapping[FailureClass, str]] = {
    FailureClass.TRANSIENT: "Send it again later, and slower if there are many.",
    FailureClass.RECIPIENT: "This recipient cannot or will not get it: do not send it again.",
    FailureClass.MARKETING_CAP: (
        "WhatsApp limits marketing messages to this recipient: wait hours or days."
    ),
    FailureClass.CONTENT_OR_WINDOW: (
        "Change the message, or use a template: outside 24 hours after the recipient's last "
        "message nothing else is delivered."
    ),
    FailureClass.ACCOUNT_OR_CONFIGURATION: (
        "Something about the account, its number, payment or permissions is in the way: mend it "
        "in Freshdesk or Meta's Business Manager first."
    ),
    FailureClass.UNKNOWN: "The code is not known here: the message beside it has to say.",
}


class _Codes(NamedTuple):
    failure_class: FailureClass
    codes: frozenset[int]


_CODES: Final = (
    _Codes(
        FailureClass.TRANSIENT,
        frozenset({1, 2, 4, 80007, 130429, 131000, 131016, 131048, 131056, 133004}),
    ),
    _Codes(FailureClass.RECIPIENT, frozenset({131026, 131030, 131050})),
    _Codes(FailureClass.MARKETING_CAP, frozenset({130472, 131049})),
    _Codes(
        FailureClass.CONTENT_OR_WINDOW,
        frozenset({100, 470, 131008, 131009, 131047, 131051, 131052, 131053})
        | frozenset(range(132000, 133000)),
    ),
    _Codes(
        FailureClass.ACCOUNT_OR_CONFIGURATION,
        frozenset({0, 3, 10, 190, 368, 131005, 131031, 131042, 131045, 133010})
        | frozenset(range(200, 300)),
    ),
)

_LONGEST_CODE: Final = 6


def classify(code: str | None) -> FailureClass:
    """The class of an error code, as it came: :attr:`FailureClass.UNKNOWN` for all but numbers.

    :param code: ``event.error.code``, text whatever Freshdesk sent.
    """
    text = (code or "").strip()
    if not (text.isascii() and text.isdigit()) or len(text) > _LONGEST_CODE:
        return FailureClass.UNKNOWN
    number = int(text)
    for failure_class, codes in _CODES:
        if number in codes:
            return failure_class
    return FailureClass.UNKNOWN
