from __future__ import annotations

import re
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flask_fd_whatsapp import header_values, ledger_urls
from flask_fd_whatsapp import setting_values as values

TOKEN_CHARACTERS = set(
    "!#$%&'*+-.^`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)
OPTIONAL = ("sqlalchemy", "alembic", "psycopg", "pymysql", "celery")

Installed = Callable[..., None]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Installed:
    """Make exactly these optional packages importable, whatever is installed here."""

    def install(*names: str) -> None:
        for name in OPTIONAL:
            module = ModuleType(name) if name in names else None
            if module is not None:
                module.__spec__ = ModuleSpec(name, None)
            monkeypatch.setitem(sys.modules, name, module)

    return install


def is_taken(function: Callable[[Any], Any], value: Any) -> bool:
    try:
        function(value)
    except ValueError:
        return False
    return True


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
    """A header value is non-empty visible ASCII, with spaces inside alone."""
    is_visible = bool(value) and all(" " <= character <= "~" for character in value)
    is_right = is_visible and value == value.strip(" ")
    assert is_taken(header_values.headers, {"X-A": value}) == is_right
    assert is_taken(header_values.headers, {"X-A": ["right", value]}) == is_right


def test_the_order_of_header_values_is_kept() -> None:
    """The first of a header's values stays the first, since rotation goes by position."""
    given = ["c", "a", "b"]
    assert header_values.headers({"X-A": given})["X-A"] == tuple(given)


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
    """Bytes and other things that only look like a list are not read as one."""
    assert not is_taken(values.account_ids, ids)


@given(st.integers(), st.integers(min_value=-5, max_value=50))
def test_whole_numbers(value: int, minimum: int) -> None:
    """A whole number is taken from the minimum to the maximum."""
    parse = values.whole_number(minimum=minimum, maximum=99, because="of a reason")
    if minimum <= value <= 99:
        assert parse(value) == value
    elif value > 99:
        with pytest.raises(ValueError, match="has to be at most 99, and is larger"):
            parse(value)
    else:
        with pytest.raises(ValueError, match=rf"least {minimum}, not {value} \(of a reason\)"):
            parse(value)


@pytest.mark.parametrize(
    ("url", "packages"),
    [
        ("memory://", ()),
        ("sqlite:///events.db", ("sqlalchemy", "alembic")),
        ("sqlite:////var/lib/events.db?timeout=5", ("sqlalchemy", "alembic")),
        ("postgresql+psycopg://u:p@db/events", ("sqlalchemy", "alembic", "psycopg")),
        ("mariadb+pymysql://u:p@db/events", ("sqlalchemy", "alembic", "pymysql")),
        ("mariadb+pymysql://u:p%40s@db/a@b?c=@", ("sqlalchemy", "alembic", "pymysql")),
        ("sqlite:////srv/a@b@c/events.db", ("sqlalchemy", "alembic")),
    ],
)
def test_ledger_urls_of_what_is_installed(
    url: str, packages: tuple[str, ...], installed: Installed
) -> None:
    """A ledger's URL is taken as it is when exactly the packages it needs are installed."""
    installed(*packages)
    assert ledger_urls.ledger_url(url) == url


@pytest.mark.parametrize(
    ("url", "present", "missing", "extra"),
    [
        ("sqlite:///x.db", (), "sqlalchemy and alembic", "sql"),
        ("sqlite:///x.db", ("sqlalchemy",), "alembic", "sql"),
        ("postgresql+psycopg://u:s3cret@db/x", ("sqlalchemy", "alembic"), "psycopg", "postgresql"),
        ("mariadb+pymysql://u:s3cret@db/x", ("sqlalchemy", "alembic"), "pymysql", "mariadb"),
    ],
)
def test_ledger_urls_of_what_is_not_installed(
    url: str, present: tuple[str, ...], missing: str, extra: str, installed: Installed
) -> None:
    """A ledger that needs something not installed says what, and with which extra it comes."""
    installed(*present)
    with pytest.raises(ValueError, match=re.escape(f"needs {missing}: install")) as caught:
        ledger_urls.ledger_url(url)
    assert str(caught.value).endswith(f"install flask_fd_whatsapp[{extra}].")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["Memory://", "memory:", "memory:///", "sqlite:x.db", "sqlite+aiosqlite:///x", "://", "x"],
)
def test_unknown_ledger_urls(url: str, installed: Installed) -> None:
    """A URL of another scheme is refused, whatever is installed, with those that are known."""
    installed(*OPTIONAL)
    with pytest.raises(ValueError, match=r"write one of memory://, sqlite://\.\.\."):
        ledger_urls.ledger_url(url)


def test_celery_has_to_be_installed(installed: Installed) -> None:
    """Dispatch on Celery is taken with Celery, and names its extra without."""
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
    with pytest.raises(ValueError, match="is no regular expression"):
        values.campaign(pattern)
