from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from marshmallow import ValidationError, validate
from marshmallow.fields import Field

from flask_fd_whatsapp import Status
from flask_fd_whatsapp.fields import Identifier, StatusField, Text, Timestamp

ODD_VALUES = [True, False, [], ["x"], {}, {"x": 1}, b"x"]


def messages(field: Field, value: Any) -> list[str]:
    """What *field* says of a wrong *value*."""
    with pytest.raises(ValidationError) as caught:
        field.deserialize(value)
    return list(caught.value.messages)


@given(st.text(alphabet=st.characters(codec=None, categories=None), max_size=5))
@example("\x00")
@example("\ud800")
def test_text_is_kept(text: str) -> None:
    """Text of any content is kept as it is."""
    assert Text().deserialize(text) == text
    assert Text().serialize("a", {"a": text}) == text


@pytest.mark.parametrize("value", [*ODD_VALUES, float("inf"), float("nan")])
@pytest.mark.parametrize("field", [Text(), Text(numbers=True), Identifier(), StatusField()])
def test_what_is_no_text(field: Field, value: Any) -> None:
    """Booleans, objects, lists and what is no finite number are no text, for any field."""
    assert messages(field, value) == ["Not a valid string."]


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (-7, "-7"), (11011399037, "11011399037"), (1.5, "1.5")]
)
def test_numbers_as_text(number: float, text: str) -> None:
    """A number becomes text where numbers are taken, and is refused elsewhere."""
    assert Text(numbers=True).deserialize(number) == text
    assert Identifier().deserialize(number) == text
    assert messages(Text(), number) == ["Not a valid string."]
    assert messages(StatusField(), number) == ["Not a valid string."]


@pytest.mark.parametrize("digits", [255, 256, 308, 310, 4300])
def test_large_numbers(digits: int) -> None:
    """A number of however many digits is taken digit by digit, as an id of at most 255."""
    number = int("7" * digits)
    assert Text(numbers=True).deserialize(number) == "7" * digits
    if digits <= 255:
        assert Identifier().deserialize(number) == "7" * digits
    else:
        assert "1 to 255 characters" in messages(Identifier(), number)[0]


@given(st.text(alphabet=st.characters(codec=None, categories=None), max_size=5))
@example("\u2028")
@example("\x7f")
@example("\x85")
@example("\x9f")
@example("\xa0")
@example("x\n")
def test_identifiers(text: str) -> None:
    """An id is text without C0 and C1 control characters, DEL and lone surrogates."""
    is_right = text != "" and not any(
        code < 0x20 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000 for code in map(ord, text)
    )
    for field in (Identifier(), StatusField()):
        if is_right:
            assert field.deserialize(text).upper() == text.upper()
        else:
            assert "control characters or surrogates" in messages(field, text)[0]


@pytest.mark.parametrize("character", ["x", "ä", "🌷"])
@pytest.mark.parametrize("field", [Identifier(), Identifier(blank_is_none=True), StatusField()])
def test_the_length_of_identifiers(field: Field, character: str) -> None:
    """An id has at most 255 characters, however many bytes that is."""
    assert field.deserialize(character * 255) == character * 255
    assert "1 to 255 characters" in messages(field, character * 256)[0]


def test_blank_identifiers() -> None:
    """The empty text is no id, but is ``None`` where that is asked for."""
    assert Identifier(blank_is_none=True).deserialize("") is None
    assert "1 to 255 characters" in messages(Identifier(), "")[0]
    assert Identifier(blank_is_none=True).deserialize(" ") == " "


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("written", [str.upper, str.lower, str.title, str.swapcase])
def test_known_statuses(status: Status, written: Any) -> None:
    """A known status is a :class:`Status` in whatever case it is written."""
    assert StatusField().deserialize(written(status.value)) is status


@pytest.mark.parametrize(
    "text",
    [
        "ACCEPTED",
        "played",
        "SENT ",
        " SENT",
        "\u017fent",
        "\u017fENT",
        "de\u0131ivered",
        "\uff33\uff25\uff2e\uff34",
    ],
    ids=ascii,
)
def test_unknown_statuses(text: str) -> None:
    """An unknown status stays plain text as sent, however near it is to a known one."""
    loaded = StatusField().deserialize(text)
    assert loaded == text
    assert type(loaded) is str


@pytest.mark.parametrize("field_class", [Text, Identifier, StatusField, Timestamp])
def test_further_validators_are_called(field_class: Any) -> None:
    """A validator that a host adds to a field is called for plain text too."""
    field = field_class(validate=validate.Equal("2025-11-18T09:25:43Z", error="Not that."))
    assert messages(field, "2025-11-19T09:25:43Z") == ["Not that."]


@pytest.mark.parametrize("field_class", [Text, Identifier, StatusField, Timestamp])
def test_null(field_class: Any) -> None:
    """``None`` is taken where a field has it as default, and refused elsewhere."""
    assert field_class(load_default=None).deserialize(None) is None
    assert messages(field_class(required=True), None) == ["Field may not be null."]
    assert field_class().serialize("a", {"a": None}) is None
