from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_fd_whatsapp.freshdesk.ulid import make_ulid, ulid_time


@given(milliseconds=st.integers(0, 2**48 - 1), seed=st.integers(0, 9))
def test_ulid_tells_its_time(milliseconds: int, seed: int) -> None:
    """A ULID has 26 letters, and its time can be read from it."""
    ulid = make_ulid(milliseconds, Random(seed))
    assert len(ulid) == 26
    assert ulid_time(ulid) == milliseconds


def test_the_time_in_the_samples_id_precedes_queued() -> None:
    """The id of the vendor's samples was made 85 ms before their QUEUED."""
    assert ulid_time("01KAB4HHTBE081898E432RCMA7") == 1763457943371


@pytest.mark.parametrize("text", ["", "01KAB4HHTBE081898E432RCMA", "8" + 25 * "0", 26 * "I"])
def test_anything_but_a_ulid_is_refused(text: str) -> None:
    """Anything but a ULID is refused."""
    with pytest.raises(ValueError, match="not a ULID"):
        ulid_time(text)


def test_ulids_sort_by_time() -> None:
    """ULIDs sort by time."""
    ulids = [make_ulid(milliseconds, Random(1)) for milliseconds in range(0, 10_000, 7)]
    assert ulids == sorted(ulids)
