"""Names and values of headers, as settings give them."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from flask_fd_whatsapp import header_values

from .taken_values import is_taken

TOKEN_CHARACTERS = set(
    "!#$%&'*+-.^`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)


@given(st.text(max_size=8) | st.text(alphabet=sorted(TOKEN_CHARACTERS | set("_: ")), max_size=8))
@example("X-Token\n")
@example("X_Token")
@example("Ünï")
def test_header_names(name: str) -> None:
    """A header name is a token of RFC 9110 without underscores."""
    assert is_taken(header_values.header_name, name) == (
        bool(name) and set(name) <= TOKEN_CHARACTERS
    )


@given(st.text(max_size=8) | st.text(alphabet=[chr(code) for code in range(31, 129)], max_size=8))
@example("Bearer a b")
@example("a\n")
@example("\ta")
def test_header_values(value: str) -> None:
    """A header value is non-empty visible ASCII, with spaces only inside."""
    is_visible = bool(value) and all(" " <= character <= "~" for character in value)
    is_right = is_visible and value == value.strip(" ")
    assert is_taken(header_values.headers, {"X-A": value}) == is_right
    assert is_taken(header_values.headers, {"X-A": ["right", value]}) == is_right


def test_the_order_of_header_values_is_kept() -> None:
    """The first of a header's values stays the first, since rotation uses positions."""
    given = ["c", "a", "b"]
    assert header_values.headers({"X-A": given})["X-A"] == tuple(given)
