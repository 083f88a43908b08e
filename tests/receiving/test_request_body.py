from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_fd_whatsapp.receiving.json_body import MAX_NESTING, NotJSON, NotObject, decode

from ..conftest import PAYLOADS, SAMPLES

BOM = b"\xef\xbb\xbf"

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("prefix", [b"", BOM], ids=["plain", "bom"])
def test_a_sample_decodes_to_its_text_and_its_object(name: str, prefix: bytes) -> None:
    """A sample decodes to its text, without a byte order mark, and its object."""
    body = (PAYLOADS / f"{name}.json").read_bytes()
    text, payload = decode(prefix + body)
    assert text == body.decode()
    assert payload == json.loads(body)


@given(st.dictionaries(st.text(), JSON), st.booleans())
def test_any_object_round_trips(value: dict[str, Any], is_ascii: bool) -> None:
    """Any object round-trips, escaped or as UTF-8."""
    text = json.dumps(value, ensure_ascii=is_ascii)
    assert decode(text.encode()) == (text, value)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_an_error(body: bytes) -> None:
    """Any bytes are either an object or one of the two errors."""
    try:
        text, payload = decode(body)
    except (NotJSON, NotObject):
        return
    assert isinstance(payload, dict)
    assert text.encode() == body.removeprefix(BOM)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (rb'{"a": "\u0000"}', "\x00"),
        (rb'{"a": "\ud800"}', "\ud800"),
        (rb'{"a": "\ud83c\udf37"}', "🌷"),
        ('{"a": "\u2028🌷"}'.encode(), "\u2028🌷"),
        (b'\r\n\t {"a": 1} \n', 1),
        (b'{"a": 1, "a": 2}', 2),
        (b'{"a": 1e400}', float("inf")),
        (b'{"a": %s}' % (b"9" * 4300), int("9" * 4300)),
        (b'{"a": %s1%s}' % (b"[" * 100, b"]" * 100), None),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_last_of_a_doubled_key_counts(body: bytes, value: Any) -> None:
    """Odd JSON is accepted; of a repeated key the last value counts."""
    _, payload = decode(body)
    assert payload.keys() == {"a"}
    if value is not None:
        assert payload["a"] == value


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "line 1, column 1"),
        (b"  \n", "line 2, column 1"),
        (b"status=SENT", "line 1, column 1"),
        (b"<xml/>", "line 1, column 1"),
        (b'{"a": "s3cret', "line 1, column 7"),
        (b'{"a": "s3cret"', "line 1, column 15"),
        (b'{"a": s3cret}', "line 1, column 7"),
        (b'{"a": 1,}', "line 1, column 9"),
        (b"{'a': 1}", "line 1, column 2"),
        (b'{"a": 01}', "line 1, column 8"),
        (b'{"a": 1} s3cret', "line 1, column 10"),
        (b'{"a": 1}{"a": 2}', "line 1, column 9"),
        (b'{"a": "\n"}', "line 1, column 8"),
        (rb'{"a": "\x41"}', "line 1, column 8"),
        (b'{"a": 1}\x00', "line 1, column 9"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": [Infinity]}', "Infinity is not JSON"),
        (b'{"a": {"b": -Infinity}}', "-Infinity is not JSON"),
        (b"NaN", "NaN is not JSON"),
        (b'{"s3cret": "\xff"}', "not UTF-8: invalid start byte at byte 12"),
        (BOM + b'{"s3cret": "\xff"}', "not UTF-8: invalid start byte"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
        (b'{"a": "\xc0\x80"}', "not UTF-8"),
        (b'{"a": "\xe2\x82', "not UTF-8"),
        ('{"a": "ä"}'.encode("latin-1"), "not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        ('{"a": 1}'.encode("utf-16-le"), "line 1, column 2"),
        ('{"a": 1}'.encode("utf-32"), "not UTF-8"),
        (BOM, "line 1, column 1"),
        (BOM + BOM + b'{"a": 1}', "line 1, column 1"),
        (b"[" * 60_000, "nested too deeply"),
        (b'{"a":' * 60_000, "nested too deeply"),
        (b'{"a": %s%s}' % (b"[" * 60_000, b"]" * 60_000), "nested too deeply"),
        (b'{"a": %s}' % (b"9" * 60_000), "more digits than can be read"),
        (b"9" * 60_000, "more digits than can be read"),
    ],
    ids=lambda value: ascii(value)[:25],
)
def test_bad_json_is_refused_with_its_place(body: bytes, said: str) -> None:
    """Anything but strict JSON in UTF-8 is refused with the position, without repeating it."""
    with pytest.raises(NotJSON) as caught:
        decode(body)
    assert said in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_brackets_are_read_500_deep(opening: bytes, closing: bytes) -> None:
    """Brackets are read 500 levels deep, which can be read again from a deep stack."""

    def nested(levels: int) -> bytes:
        return b'{"a": %s1%s}' % ((levels - 1) * opening, (levels - 1) * closing)

    def read_again(text: str, calls: int) -> Any:
        return read_again(text, calls - 1) if calls else json.loads(text)

    text, payload = decode(nested(MAX_NESTING))
    assert read_again(text, 300) == payload
    with pytest.raises(NotJSON, match="nested too deeply: at most 500 levels"):
        decode(nested(MAX_NESTING + 1))
    many = b"[" + b",".join([b"[]"] * 2000) + b"]"
    assert len(decode(b'{"a": %s}' % many)[1]["a"]) == 2000


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"[]", "list"),
        (b'[{"a": "s3cret"}]', "list"),
        (b"17", "int"),
        (b"1.5", "float"),
        (b'"s3cret"', "str"),
        (b"null", "NoneType"),
        (b"true", "bool"),
        (BOM + b"[]", "list"),
    ],
)
def test_no_object_is_refused(body: bytes, kind: str) -> None:
    """JSON that is not an object is refused with its type."""
    with pytest.raises(NotObject, match=f": {kind}\\.$") as caught:
        decode(body)
    assert "s3cret" not in str(caught.value)
