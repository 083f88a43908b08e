"""Why a message failed, in classes, and what to do about each.

The numbers are those of WhatsApp's Cloud API
(https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes), grouped by remedy.
Freshdesk documents no codes and does not say whether it passes WhatsApp's through; its samples have
words (``INVALID``, ``INVALID_RECIPIENT``), which are classified by their meaning. Everything else
is ``unknown``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
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

    @property
    def is_permanent(self) -> bool:
        """Whether the same message to the same recipient will fail again, whenever it is sent."""
        return self in (FailureClass.RECIPIENT, FailureClass.CONTENT_OR_WINDOW)


# What to do, and after the colon why.
_ADVICE: Final[Mapping[FailureClass, str]] = {
    FailureClass.TRANSIENT: (
        "Send it again later, and slower if there are many: WhatsApp or Freshdesk was busy or had "
        "a fault of its own."
    ),
    FailureClass.RECIPIENT: (
        "Do not send to this recipient again: they are not on WhatsApp, have blocked you or have "
        "opted out."
    ),
    FailureClass.MARKETING_CAP: (
        "Wait a day or more, and send less: WhatsApp limits how much marketing one person gets, "
        "from all senders together."
    ),
    FailureClass.CONTENT_OR_WINDOW: (
        "Change the message or its template: it does not fit, or the recipient's last message is "
        "older than 24 hours, after which only templates are delivered."
    ),
    FailureClass.ACCOUNT_OR_CONFIGURATION: (
        "Fix the account first, then send again: its payment, number or permissions are in the "
        "way, in Freshdesk or in Meta's Business Manager."
    ),
    FailureClass.UNKNOWN: (
        "Read the text beside the code, which is not known here: once you know what it means, "
        "give it a class with FD_WHATSAPP_FAILURE_CLASSES."
    ),
}


@dataclass(frozen=True, slots=True)
class Failure:
    """The meaning of ``event.error``: its class, and what follows from it."""

    failure_class: FailureClass

    @property
    def advice(self) -> str:
        """What to do about it, in one line."""
        return self.failure_class.advice

    @property
    def is_permanent(self) -> bool:
        """Whether the same message to the same recipient will fail again, whenever it is sent."""
        return self.failure_class.is_permanent


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


# Words in a code, each with its class; the first match wins. Transient classes come first: to
# treat one as permanent would cost more than another attempt.
_WORDS: Final[Mapping[str, FailureClass]] = {
    **dict.fromkeys(("RATE", "TIMEOUT", "TEMPORARY", "TEMPORARILY"), FailureClass.TRANSIENT),
    **dict.fromkeys(("THROTTLED", "OVERLOADED", "INTERNAL"), FailureClass.TRANSIENT),
    "MARKETING": FailureClass.MARKETING_CAP,
    **dict.fromkeys(("RECIPIENT", "RECIPIENTS"), FailureClass.RECIPIENT),
    **dict.fromkeys(("TEMPLATE", "LANGUAGE", "PARAMETER"), FailureClass.CONTENT_OR_WINDOW),
    **dict.fromkeys(("PARAMETERS", "PLACEHOLDER", "MEDIA"), FailureClass.CONTENT_OR_WINDOW),
    **dict.fromkeys(("CONTENT", "WINDOW"), FailureClass.CONTENT_OR_WINDOW),
    **dict.fromkeys(("ACCOUNT", "PAYMENT", "BILLING"), FailureClass.ACCOUNT_OR_CONFIGURATION),
    **dict.fromkeys(("ACCESS", "CREDENTIALS", "SENDER"), FailureClass.ACCOUNT_OR_CONFIGURATION),
    **dict.fromkeys(("PERMISSION", "PERMISSIONS"), FailureClass.ACCOUNT_OR_CONFIGURATION),
    "UNAUTHORIZED": FailureClass.ACCOUNT_OR_CONFIGURATION,
}

_LONGEST_WORDS: Final = 100

_NO_CLASSES: Final[Mapping[str, FailureClass]] = MappingProxyType({})


def code_key(code: str) -> str:
    """Normalise a code: ignore case and surrounding spaces."""
    text = code.strip()
    return text.upper() if text.isascii() else text


def classify(
    code: str | None, own_classes: Mapping[str, FailureClass] = _NO_CLASSES
) -> FailureClass:
    """Classify an error code.

    :param code: ``event.error.code``; always text, whatever Freshdesk sent.
    :param own_classes: the host's own classes (``FD_WHATSAPP_FAILURE_CLASSES``), keyed by
        :func:`code_key`; they take precedence.
    """
    text = code_key(code or "")
    if text in own_classes:
        return own_classes[text]
    if text.isascii() and text.isdigit():
        return _class_of_number(int(text)) if len(text) <= _LONGEST_CODE else FailureClass.UNKNOWN
    return _class_of_words(text[:_LONGEST_WORDS])


def _class_of_number(number: int) -> FailureClass:
    for failure_class, codes in _CODES:
        if number in codes:
            return failure_class
    return FailureClass.UNKNOWN


@lru_cache(maxsize=256)  # senders have few codes, and each comes with every failure
def _class_of_words(text: str) -> FailureClass:
    said = set(re.findall("[A-Z]+", text))
    known = (failure_class for word, failure_class in _WORDS.items() if word in said)
    return next(known, FailureClass.UNKNOWN)
