from __future__ import annotations

import logging
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder

from flask_fd_whatsapp.receiving.auth import NOTE_SECONDS, Authenticator, environ_key

from ..concurrency.threads import Clock

OLD, NEW = "Bearer old-s3cret", "Bearer new-s3cret"

Headers = list[tuple[str, str]]


def environ(*headers: tuple[str, str]) -> dict[str, Any]:
    """The WSGI environment of a POST with *headers*."""
    builder = EnvironBuilder(method="POST", headers=list(headers))
    try:
        return builder.get_environ()
    finally:
        builder.close()


def one() -> Authenticator:
    return Authenticator({"Authorization": (NEW,)})


def rotating() -> Authenticator:
    return Authenticator({"Authorization": (NEW, OLD)})


def notes(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name.endswith(".auth")]


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
def test_the_right_value(name: str) -> None:
    """The right value is accepted, whatever the case of the header's name."""
    assert one().accepts(environ((name, NEW)))


@pytest.mark.parametrize(
    "given",
    [
        None,
        "",
        " ",
        OLD,
        NEW[:-1],
        NEW[1:],
        NEW + "x",
        NEW + " ",
        " " + NEW,
        NEW.lower(),
        NEW.upper(),
        "Bearer",
        f"{NEW},{NEW}",
        f"{NEW}, {NEW}",
        f"{NEW},",
        NEW + "\x00",
        NEW + "\xe9",
        "\xff\xfe",
        "Bearer \u212aey",
        NEW.replace("e", "е"),  # noqa: RUF001
        NEW + "\udc80",
        "\ud800",
        "x" * 100_000,
        NEW * 6_000,
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_a_wrong_value(given: str | None, caplog: pytest.LogCaptureFixture) -> None:
    """A missing, empty, cut, repeated, non-ASCII or huge value is rejected and never raises."""
    request: dict[str, Any] = {} if given is None else {"HTTP_AUTHORIZATION": given}
    for authenticator in (one(), rotating()):
        assert not authenticator.accepts(request) or given == OLD
    assert not any("s3cret" in note for note in notes(caplog))


@pytest.mark.parametrize("values", [(NEW, NEW), (NEW, "x"), ("x", NEW)])
def test_a_repeated_header(values: tuple[str, str]) -> None:
    """A header sent twice arrives joined by a comma and is refused, even if each is right."""
    request = environ(*(("Authorization", value) for value in values))
    assert "," in request["HTTP_AUTHORIZATION"]
    assert not rotating().accepts(request)


@pytest.mark.parametrize(
    ("headers", "accepted"),
    [
        ([("X-A", "1"), ("X-B", "2"), ("X-C", "3")], True),
        ([("X-C", "3"), ("X-B", "2"), ("X-A", "1"), ("X-D", "4")], True),
        ([("X-A", "1"), ("X-B", "2")], False),
        ([("X-A", "1"), ("X-B", "2"), ("X-C", "2")], False),
        ([("X-A", "2"), ("X-B", "1"), ("X-C", "3")], False),
        ([("X-A", ""), ("X-B", "2"), ("X-C", "3")], False),
        ([], False),
    ],
)
def test_all_headers_have_to_match(headers: Headers, accepted: bool) -> None:
    """Every configured header has to be present with its own value; others do not matter."""
    authenticator = Authenticator({"X-A": ("1",), "X-B": ("2",), "X-C": ("3",)})
    assert authenticator.accepts(environ(*headers)) is accepted


def test_no_headers_are_configured() -> None:
    """Where no header is configured, every request is accepted."""
    assert Authenticator({}).accepts({})


@pytest.mark.parametrize("name", ["Content-Type", "X-Some-Token", "x.y"])
def test_every_header_can_be_used(name: str) -> None:
    """Any header can be configured, even those that WSGI names differently."""
    assert Authenticator({name: ("17",)}).accepts(environ((name, "17")))


def test_wsgi_names() -> None:
    """A header's WSGI name is upper-case with underscores, and prefixed except for two."""
    assert environ_key("X-Some-Token") == "HTTP_X_SOME_TOKEN"
    assert environ_key("content-type") == "CONTENT_TYPE"
    assert environ_key("Content-Length") == "CONTENT_LENGTH"


def test_rotation_accepts_each_entry() -> None:
    """Each entry of a list is accepted, and nothing else."""
    authenticator = rotating()
    assert authenticator.accepts(environ(("Authorization", NEW)))
    assert authenticator.accepts(environ(("Authorization", OLD)))
    assert not authenticator.accepts(environ(("Authorization", "Bearer older")))


def test_rotation_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """The use of an entry other than the first is logged once, by position and without its
    value.
    """
    authenticator = Authenticator({"X-Token": (NEW, OLD, "Bearer oldest-s3cret")})
    for _ in range(3):
        assert authenticator.accepts(environ(("X-Token", OLD)))
    (note,) = notes(caplog)
    assert "X-Token" in note
    assert "entry 2" in note
    assert "s3cret" not in note
    assert {record.levelno for record in caplog.records} == {logging.INFO}
    for _ in range(2):
        assert authenticator.accepts(environ(("X-Token", "Bearer oldest-s3cret")))
    assert len(notes(caplog)) == 2
    assert "entry 3" in notes(caplog)[1]


def test_the_first_entry_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is logged while only the first entry is used."""
    authenticator = Authenticator({"X-Token": (NEW, OLD)})
    assert authenticator.accepts(environ(("X-Token", NEW)))
    assert not authenticator.accepts(environ(("X-Token", "x")))
    assert not notes(caplog)


def test_rotation_is_logged_for_each_header(caplog: pytest.LogCaptureFixture) -> None:
    """Each header's rotation is logged separately."""
    authenticator = Authenticator({"X-A": (NEW, OLD), "X-B": (NEW, OLD)})
    assert authenticator.accepts(environ(("X-A", OLD), ("X-B", NEW)))
    assert authenticator.accepts(environ(("X-A", OLD), ("X-B", OLD)))
    assert [("X-A" in note, "X-B" in note) for note in notes(caplog)] == [
        (True, False),
        (False, True),
    ]


def test_each_application_logs_rotation_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    """One receiver's log line does not suppress another's."""
    for authenticator in (rotating(), rotating()):
        assert authenticator.accepts(environ(("Authorization", OLD)))
    assert len(notes(caplog)) == 2


def test_a_refused_request_does_not_count_as_use(caplog: pytest.LogCaptureFixture) -> None:
    """An old value in a request rejected for another header is not reported."""
    authenticator = Authenticator({"X-A": (NEW, OLD), "X-B": (NEW,)})
    assert not authenticator.accepts(environ(("X-A", OLD), ("X-B", "x")))
    assert not notes(caplog)


def test_a_doubled_entry_counts_by_its_first_place(caplog: pytest.LogCaptureFixture) -> None:
    """A first entry that is repeated in the list is still the first."""
    assert Authenticator({"X-A": (NEW, OLD, NEW)}).accepts(environ(("X-A", NEW)))
    assert not notes(caplog)


def test_each_use_is_noted_once_a_minute() -> None:
    """Accepted entries of a list are noted by position, once a minute each."""
    noted: list[tuple[str, int]] = []
    clock = Clock()
    headers = {"X-A": (NEW, OLD), "X-B": (NEW,)}
    authenticator = Authenticator(headers, lambda *use: noted.append(use), clock)
    for value in (OLD, OLD, NEW, OLD):
        assert authenticator.accepts(environ(("X-A", value), ("X-B", NEW)))
    assert noted == [("X-A", 2), ("X-A", 1)], "of a header with one value nothing is to be told"
    clock.now += NOTE_SECONDS
    assert not authenticator.accepts(environ(("X-A", NEW), ("X-B", "x")))
    assert authenticator.accepts(environ(("X-A", OLD), ("X-B", NEW)))
    assert noted[2:] == [("X-A", 2)]


@pytest.mark.parametrize(
    ("headers", "carries_none"),
    [([], True), ([("X-A", "")], True), ([("X-C", "1")], True), ([("X-B", "wrong")], False)],
)
def test_whether_any_header_is_there(headers: Headers, carries_none: bool) -> None:
    """A request with any of the headers, right or wrong, is distinguished from one with none."""
    authenticator = Authenticator({"X-A": (NEW,), "X-B": (NEW,)})
    assert authenticator.carries_none(environ(*headers)) is carries_none


def test_the_repr_shows_no_secret() -> None:
    """Neither ``repr`` nor ``str`` of the authenticator contains a value."""
    assert "s3cret" not in repr(rotating())
    assert "s3cret" not in str(rotating())
