from __future__ import annotations

import pytest

from flask_fd_whatsapp.commands.search_body import contains_value

ESCAPED = [
    (r'{"ref": "a\u0026b"}', "a&b"),
    (r'{"ref": "a\/b"}', "a/b"),
    (r'{"ref": "Zo\u00EB"}', "Zo\u00eb"),
    (r'{"ref": "\uD83D\ude00"}', "\U0001f600"),
    (r'{"ref": "a\nT1"}', "a\nT1"),
]


@pytest.mark.parametrize(("body", "text"), ESCAPED)
def test_text_is_found_however_it_is_escaped(body: str, text: str) -> None:
    """A text is found however JSON escapes it, even in a body that was cut off."""
    assert contains_value(body.encode(), text, None)
    assert contains_value(body[:-1].encode(), text, None)


@pytest.mark.parametrize(
    "body",
    [
        '{"data": {"refs": [null, "T1"]}}',
        '{"ref": "T1", "ref": "T2"}',
        '"T1"',
        '{"ref": "T1", "n": NaN',
        "ref=T1&x=2",
        "T1",
        '{"ref": "T1' + "[" * 100_000,
    ],
)
def test_value_is_found_wherever_it_stands(body: str) -> None:
    """A value is found anywhere, even under a repeated name."""
    assert contains_value(body.encode(), "T1", None)


@pytest.mark.parametrize(
    "body",
    [
        '{"ref": "T10", "other": "aT1", "text": "of T1"}',
        '{"T1": 1}',
        '{"ref": "T10"',
        "T1_b",
        "",
        "[" * 100_000,
    ],
)
def test_what_only_contains_the_text_is_anothers(body: str) -> None:
    """T10 is not T1, and the name of a field is no value."""
    assert not contains_value(body.encode(), "T1", None)


def test_number_is_found_as_its_text() -> None:
    """An id that was sent as a number is the one that the ledger has as a text."""
    assert contains_value(b'{"id": 4711}', "4711", None)
    assert not contains_value(b'{"id": 47110}', "4711", None)


def test_text_is_found_as_the_ledger_keeps_it() -> None:
    """A reference is found in the body by the text that lists show for it, even if no database
    could store it.
    """
    assert contains_value(rb'{"ref": "T\u0000"}', "T\ufffd", None)
