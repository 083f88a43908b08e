from __future__ import annotations

import logging
import re
from typing import Any

import pytest

from flask_fd_whatsapp.campaigns import MAX_CAMPAIGN_LENGTH, from_pattern, guarded

KEY = "EUROPE_CAMPAIGN"


def raising(error: BaseException) -> Any:
    def campaign_of(reference: str) -> str:
        raise error

    return campaign_of


@pytest.mark.parametrize(
    ("pattern", "reference", "expected"),
    [
        (r"^[A-Z]+", "MM-T1-00001", "MM"),
        (r"T\d", "MM-T1-00001", "T1"),
        (r"-(T\d)-(\d+)", "MM-T1-00001", "T1"),
        (r"(MM)-(?P<campaign>T\d)", "MM-T1-00001", "T1"),
        (r"(?P<other>MM)-(T\d)", "MM-T1-00001", "MM"),
        (r"(?:MM)-(?=T)", "MM-T1-00001", "MM-"),
        (r"^T", "MM-T1-00001", None),
        (r"(X)?MM", "MM-T1-00001", None),
        (r"(MM)(?P<campaign>X)?", "MM-T1-00001", None),
        (r"MM()", "MM-T1-00001", None),
        (r"(?i)mm", "MM-T1-00001", "MM"),
        (r"Frühling|🌷", "x-🌷", "🌷"),
    ],
)
def test_pattern_groups_have_an_order(pattern: str, reference: str, expected: str | None) -> None:
    """A pattern is searched for; group ``campaign`` takes precedence over group 1, and that over
    the match.
    """
    assert guarded(from_pattern(re.compile(pattern)), KEY)(reference) == expected


def test_flags_are_kept() -> None:
    """A compiled pattern keeps its flags."""
    assert from_pattern(re.compile("mm", re.IGNORECASE))("MM-1") == "MM"


@pytest.mark.parametrize(
    ("result", "expected"),
    [("spring", "spring"), (None, None), ("", None), ("x" * MAX_CAMPAIGN_LENGTH, "x" * 255)],
)
def test_right_results(
    result: str | None, expected: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """A callable's text of at most 255 characters is the campaign, and none is no campaign."""
    assert guarded(lambda reference: result, KEY)("MM-1") == expected
    assert not caplog.records


@pytest.mark.parametrize(
    ("campaign_of", "said"),
    [
        (lambda reference: 7, "returned int"),
        (lambda reference: b"x", "returned bytes"),
        (lambda reference: True, "returned bool"),
        (lambda reference: "x" * 256, "at most 255 characters"),
        (raising(KeyError("Jane Doe")), "raised KeyError"),
        (raising(RecursionError()), "raised RecursionError"),
        (lambda: "spring", "raised TypeError"),
    ],
)
def test_wrong_results(campaign_of: Any, said: str, caplog: pytest.LogCaptureFixture) -> None:
    """A callable that raises or returns no short text gives no campaign and one warning."""
    assert guarded(campaign_of, KEY)("Jane Doe") is None
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert KEY in record.getMessage()
    assert said in record.getMessage()
    assert "Jane Doe" not in caplog.text


@pytest.mark.parametrize(
    "campaign_of", [raising(KeyError()), lambda _: 7], ids=["raises", "number"]
)
def test_a_mistake_does_not_fill_the_log(
    campaign_of: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A callable that fails for every reference does not log a warning for every event."""
    checked = guarded(campaign_of, KEY)
    assert [checked(f"R{number}") for number in range(3)] == [None, None, None]
    assert len(caplog.records) == 1


@pytest.mark.parametrize("error", [SystemExit(), KeyboardInterrupt()])
def test_interrupts_pass_through(error: BaseException) -> None:
    """Exceptions that exit the process are not swallowed."""
    with pytest.raises(type(error)):
        guarded(raising(error), KEY)("MM-1")
