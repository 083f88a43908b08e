from __future__ import annotations

from html import unescape

import pytest
from markupsafe import Markup

from flask_fd_whatsapp.dashboard.visible_text import CUT, exact, harmless, seen, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("plain", "<bdi>plain</bdi>", id="plain"),
        pytest.param("<b>&\"'", "<bdi>&lt;b&gt;&amp;&#34;&#39;</bdi>", id="markup"),
        pytest.param(
            "a\u202eb",
            '<bdi>a<span class="ctl">U+202E right-to-left override</span>b</bdi>',
            id="bidirectional",
        ),
        pytest.param(
            "\x1b[2J", '<bdi><span class="ctl">U+001B escape</span>[2J</bdi>', id="escape"
        ),
        pytest.param("one\r\ntwo", "<bdi>one two</bdi>", id="lines"),
        pytest.param("Grüße 你好 👋", "<bdi>Grüße 你好 👋</bdi>", id="other languages"),
    ],
)
def test_unseen_characters_are_shown(text: str, shown: str) -> None:
    """What is markup is escaped, and what has no form gets one."""
    assert visible(text) == shown


def test_long_text_is_cut_and_its_title_has_more() -> None:
    """A table shows the beginning."""
    shown = visible("x" * 500)
    assert f">{'x' * (CUT - 1)}…</bdi>" in shown
    assert f'title="{"x" * 500}"' in shown


def test_a_title_breaks_out_of_nothing() -> None:
    """The attribute is escaped too, and hides no direction."""
    shown = visible('"><script>\u202e' + "y" * 200)
    assert "<script>" not in shown
    assert "\u202e" not in shown


def test_lines_stay_where_they_are_wanted() -> None:
    """Payloads keep their shape."""
    assert visible("{\n\t1}", lines=True) == "<bdi>{\n\t1}</bdi>"


def test_marks_do_not_pile_up() -> None:
    """A letter keeps a few marks, not the hundreds that would cover the lines above."""
    assert len(seen("e" + "\u0301" * 300)) == 4
    assert seen("a\u200fb") == "a[U+200F]b"


def test_a_value_of_a_field_comes_back_as_it_was() -> None:
    """What reverses text is not in the page itself, though the field has it."""
    written = exact('a\u202e"\u2028<b')
    assert written == "a&#x202E;&#34;&#x2028;&lt;b"
    assert unescape(written) == 'a\u202e"\u2028<b'


def test_what_a_template_puts_out_is_harmless_by_itself() -> None:
    """Only what is not escaped yet is changed, and lines stay lines."""
    assert harmless("a\u202eb\n") == "a[U+202E]b\n"
    assert harmless(Markup("\u202e")) == "\u202e"
    assert harmless(7) == 7
