from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from marshmallow import ValidationError, validate
from marshmallow.fields import Field

from flask_fd_whatsapp import Status
from flask_fd_whatsapp.fields import (
    ActorField,
    ErrorField,
    EventType,
    Identifier,
    ReferenceDetail,
    StatusField,
    Text,
    TextDetail,
    Timestamp,
    TimestampDetail,
)
from flask_fd_whatsapp.schemas import ActorSchema, DeliveryErrorSchema

ODD_VALUES = [True, False, [], ["x"], {}, {"x": 1}, b"x"]


def messages(field: Field, value: Any) -> list[str]:
    """The error of *field* for a wrong *value*."""
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
    """Booleans, objects, lists and infinite numbers are not text, for any field."""
    assert messages(field, value) == ["Not a valid string."]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (-7, "-7"),
        (11011399037, "11011399037"),
        (1.5, "1.5"),
        (131026.0, "131026"),
        (11011399037.0, "11011399037"),
        (-0.0, "0"),
        (1e300, "1e+300"),
    ],
)
def test_numbers_as_text(number: float, text: str) -> None:
    """A number becomes text, without a fraction of zero, and is refused where only text is
    allowed.
    """
    assert Text(numbers=True).deserialize(number) == text
    assert Identifier().deserialize(number) == text
    assert messages(Text(), number) == ["Not a valid string."]
    assert messages(StatusField(), number) == ["Not a valid string."]


@pytest.mark.parametrize("digits", [255, 256, 308, 310, 4300])
def test_large_numbers(digits: int) -> None:
    """A number of any length is converted digit by digit, up to 255 for an id."""
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
def test_ids_have_no_control_characters(text: str) -> None:
    """An id is text without C0 and C1 control characters, DEL and lone surrogates."""
    is_right = text != "" and not any(
        code < 0x20 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000 for code in map(ord, text)
    )
    if is_right:
        assert Identifier().deserialize(text) == text
    else:
        assert "control characters or surrogates" in messages(Identifier(), text)[0]


@pytest.mark.parametrize("character", ["x", "ä", "🌷"])
@pytest.mark.parametrize("field", [Identifier(), StatusField()])
def test_the_length_of_identifiers(field: Field, character: str) -> None:
    """An id has at most 255 characters, whatever their number of bytes."""
    assert field.deserialize(character * 255) == character * 255
    assert "1 to 255 characters" in messages(field, character * 256)[0]


def test_blank_identifiers() -> None:
    """An empty text is not an id, but a space is."""
    assert "1 to 255 characters" in messages(Identifier(), "")[0]
    assert Identifier().deserialize(" ") == " "


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("written", [str.upper, str.lower, str.title, str.swapcase])
@pytest.mark.parametrize("around", ["{}", "{} ", "\t{}\r\n", "\u00a0{}"])
def test_known_statuses(status: Status, written: Any, around: str) -> None:
    """A known status is a :class:`Status` in any case, with any surrounding whitespace."""
    assert StatusField().deserialize(around.format(written(status.value))) is status


@pytest.mark.parametrize(
    "text",
    [
        "ACCEPTED",
        "played",
        "SE NT",
        "\u202eSENT",
        "\u017fent",
        "\u017fENT",
        "de\u0131ivered",
        "\uff33\uff25\uff2e\uff34",
    ],
    ids=ascii,
)
def test_unknown_status_stays_as_sent(text: str) -> None:
    """An unknown status stays plain text as sent, however similar to a known one."""
    loaded = StatusField().deserialize(text)
    assert loaded == text
    assert type(loaded) is str
    assert StatusField().deserialize(f" {text}\n") == text


@pytest.mark.parametrize("text", ["", " ", "\n", "a\x00", "\ud800", "a\nb", "x" * 256], ids=ascii)
def test_what_is_no_status(text: str) -> None:
    """A status has 1 to 255 characters without control characters and lone surrogates."""
    assert "1 to 255 characters" in messages(StatusField(), text)[0]


@pytest.mark.parametrize("text", ["outbound_message_event", " OUTBOUND_message_event\n"])
def test_event_types(text: str) -> None:
    """The event type is recognised in any case, with surrounding whitespace; another is refused."""
    assert EventType().deserialize(text) == "outbound_message_event"
    assert messages(EventType(), "x" + text) == ["Must be equal to outbound_message_event."]


@pytest.mark.parametrize(
    ("value", "reference"),
    [
        ("", None),
        (" ", " "),
        ("a\nb\tc\x00\ud800", "a\nb\tc\x00\ud800"),
        ("x" * 60_000, "x" * 60_000),
        (7, "7"),
        (7.0, "7"),
        (1.5, "1.5"),
        ({"order": [1, None]}, '{"order": [1, null]}'),
        (["ä"], '["\\u00e4"]'),
        ({}, "{}"),
        (True, None),
        (float("inf"), None),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_references_may_be_any_json(value: Any, reference: str | None) -> None:
    """A reference is any text, or the JSON text of a number, list or object; empty is ``None``."""
    assert ReferenceDetail().deserialize(value) == reference


ERROR = ErrorField(DeliveryErrorSchema)
ERRORS = [
    ({"code": "1", "message": "m"}, ("1", "m")),
    ({"code": 131026.0, "message": 42}, ("131026", "42")),
    ({"code": ["1"], "message": {"text": "m"}}, (None, None)),
    ({"code": True, "message": None}, (None, None)),
    ([{"code": 1, "message": "m"}, {"code": 2}], ("1", "m")),
    (["gone", "away"], (None, "gone")),
    ([470], ("470", None)),
    ("gone", (None, "gone")),
    (470, ("470", None)),
    (0, ("0", None)),
    ({}, (None, None)),
]


@pytest.mark.parametrize(("value", "error"), ERRORS, ids=repr)
def test_errors_may_have_any_form(value: Any, error: tuple[str | None, str | None]) -> None:
    """An error may be an object, a list, a text or a number."""
    assert ERROR.deserialize(value) == {"code": error[0], "message": error[1]}


@pytest.mark.parametrize("value", ["", [], [None], [""], True, [False], [[{"code": 1}]], [[]]])
def test_what_is_no_error(value: Any) -> None:
    """An empty or unintelligible value is not an error."""
    assert ERROR.deserialize(value) is None


@pytest.mark.parametrize(
    ("value", "actor"),
    [
        ("system", {"id": None, "name": "system", "type": None}),
        ({"name": 5, "id": 7, "type": []}, {"id": "7", "name": None, "type": None}),
        ("", None),
        (7, None),
        (["system"], None),
        (True, None),
    ],
)
def test_actor_may_be_a_name(value: Any, actor: dict[str, Any] | None) -> None:
    """An actor may be an object, or a text, which is the name; anything else is ``None``."""
    assert ActorField(ActorSchema).deserialize(value) == actor


@pytest.mark.parametrize(
    "field", [TextDetail(), TextDetail(numbers=True), ReferenceDetail(), TimestampDetail()]
)
@pytest.mark.parametrize("value", [True, False, b"x", float("nan"), object()])
def test_details_are_lenient(field: Field, value: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A detail that cannot be used is ``None``, and a warning says so once."""
    assert [field.deserialize(value), field.deserialize(value)] == [None, None]
    assert len(caplog.records) <= 1


@pytest.mark.parametrize(
    "field_class", [Text, TextDetail, Identifier, StatusField, Timestamp, TimestampDetail]
)
def test_further_validators_are_called(field_class: Any) -> None:
    """A validator that a host adds to a field is called for plain text too."""
    field = field_class(validate=validate.Equal("2025-11-18T09:25:43Z", error="Not that."))
    assert messages(field, "2025-11-19T09:25:43Z") == ["Not that."]


@pytest.mark.parametrize("field_class", [Text, Identifier, StatusField, Timestamp])
def test_null_is_taken_where_it_is_the_default(field_class: Any) -> None:
    """``None`` is accepted if it is a field's default, and refused otherwise."""
    assert field_class(load_default=None).deserialize(None) is None
    assert messages(field_class(required=True), None) == ["Field may not be null."]
    assert field_class().serialize("a", {"a": None}) is None
