"""What class an error code is of."""

from __future__ import annotations

import pytest

from flask_fd_whatsapp.reasons import FailureClass, classify

BY_CLASS = {
    FailureClass.TRANSIENT: "1 2 4 80007 130429 131000 131016 131048 131056 133004",
    FailureClass.RECIPIENT: "131026 131030 131050",
    FailureClass.MARKETING_CAP: "131049 130472",
    FailureClass.CONTENT_OR_WINDOW: (
        "131047 470 131051 131052 131053 100 131008 131009 132000 132001 132068 132999"
    ),
    FailureClass.ACCOUNT_OR_CONFIGURATION: (
        "0 3 10 190 200 250 299 368 131005 131031 131042 131045 133010"
    ),
    FailureClass.UNKNOWN: (
        "INVALID 5 199 300 131999 133000 -1 +1 1.0 0x1 \u0661 \u00b9 131026x " + "1" * 5000
    ),
}


@pytest.mark.parametrize(
    ("failure_class", "code"),
    [(kind, code) for kind, codes in BY_CLASS.items() for code in codes.split()],
    ids=lambda value: str(value)[:20],
)
def test_class(failure_class: FailureClass, code: str) -> None:
    """Every number that is known has its class, and all other text is unknown."""
    assert classify(code) is failure_class


@pytest.mark.parametrize("code", [None, "", " "])
def test_no_code(code: str | None) -> None:
    """A failure without a code is unknown."""
    assert classify(code) is FailureClass.UNKNOWN


def test_spaces() -> None:
    """Spaces around a code mean nothing."""
    assert classify(" 131026\n") is FailureClass.RECIPIENT


def test_advice() -> None:
    """Every class has an advice of its own, in one line."""
    advice = [kind.advice for kind in FailureClass]
    assert len(set(advice)) == len(FailureClass)
    assert all(text.endswith(".") and "\n" not in text for text in advice)
