"""The values of settings, but for headers, ledgers' URLs and Freshdesk's API."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flask_fd_whatsapp import setting_values as values

from .installed import Installed, installed
from .taken_values import is_taken

__all__ = ["installed"]  # a fixture


@given(st.sets(st.integers(min_value=0, max_value=10**18) | st.from_regex(r"\A[0-9A-Za-z-]+\Z")))
@example({1, "1"})
def test_account_ids(ids: set[int | str]) -> None:
    """Account ids become text, numbers and text alike."""
    if not ids:
        assert not is_taken(values.account_ids, ids)
        return
    assert values.account_ids(ids) == frozenset(str(entry) for entry in ids)
    assert values.account_ids(list(ids)) == frozenset(str(entry) for entry in ids)


@pytest.mark.parametrize("text", ["", " ", "1 2", "1;2", "1,2", " 1", "1\n", "1" * 256])
def test_what_is_no_account_id(text: str) -> None:
    """A text that holds several ids, or none, is no account id."""
    assert not is_taken(values.account_ids, text)
    assert not is_taken(values.account_ids, ["1", text])


@pytest.mark.parametrize("ids", [b"123", bytearray(b"123"), range(0), iter("12"), object()])
def test_what_is_no_list_of_account_ids(ids: Any) -> None:
    """Bytes and other list-like values are not read as lists."""
    assert not is_taken(values.account_ids, ids)


@given(st.integers(), st.integers(min_value=-5, max_value=50))
def test_whole_numbers(value: int, minimum: int) -> None:
    """A whole number is taken from the minimum to the maximum."""
    parse = values.whole_number(minimum=minimum, maximum=99, because="of a reason")
    if minimum <= value <= 99:
        assert parse(value) == value
    elif value > 99:
        with pytest.raises(ValueError, match="has to be at most 99, but is larger"):
            parse(value)
    else:
        with pytest.raises(ValueError, match=rf"least {minimum}, not {value} \(of a reason\)"):
            parse(value)


def test_celery_has_to_be_installed(installed: Installed) -> None:
    """Dispatch on Celery is accepted if Celery is installed, and otherwise names its extra."""
    installed("celery")
    assert values.dispatch("celery") == "celery"
    installed()
    with pytest.raises(ValueError, match=r"needs celery: install flask_fd_whatsapp\[celery\]"):
        values.dispatch("celery")
    assert values.dispatch("deferred") == "deferred"


@pytest.mark.parametrize(
    "value", [r"^[a-z]+", re.compile("[A-Z]+-", re.IGNORECASE), lambda text: text]
)
def test_campaigns_are_patterns_or_callables(value: Any) -> None:
    """A campaign setting becomes a callable, from a pattern and from a callable."""
    campaign_of = values.campaign(value)
    assert campaign_of is not None
    assert campaign_of("spring-7").startswith("spring")


@pytest.mark.parametrize(
    "pattern", ["(", "*", "a{9999999999999}", pytest.param("(" * 5000 + ")" * 5000, id="nested")]
)
def test_what_is_no_regular_expression(pattern: str) -> None:
    """A text that Python cannot compile is a wrong value, however it fails."""
    with pytest.raises(ValueError, match="is not a regular expression"):
        values.campaign(pattern)
