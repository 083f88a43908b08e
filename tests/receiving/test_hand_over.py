"""``FreshdeskWhatsApp(hand_over=...)``: where a recorded event goes."""

from __future__ import annotations

from typing import Any

import pytest

from flask_fd_whatsapp import ConfigurationError, FreshdeskWhatsApp
from flask_fd_whatsapp.ledger import Ledger
from flask_fd_whatsapp.receiving.hand_over import HandOver

from ..conftest import TOKEN, URL, MakeApp, Payload

HEADERS = {"Authorization": TOKEN}


def url_of(tmp_path: Any) -> str:
    return f"sqlite:///{tmp_path}/ledger.db"


def test_recorded_events_are_handed_over(
    make_app: MakeApp, payload: Payload, tmp_path: Any, signals_seen: list[Any]
) -> None:
    """The callable gets the receiver's name and the event's id, and no handler is called."""
    taken: list[tuple[str, Any]] = []
    blueprint = FreshdeskWhatsApp("acme", hand_over=lambda *given: taken.append(given))
    app = make_app(blueprint, LEDGER_URL=url_of(tmp_path))
    answer = app.test_client().post(URL, json=payload(), headers=HEADERS)
    assert answer.get_json() == {"result": "accepted"}
    ledger: Ledger = app.extensions["fd_whatsapp"]["acme"].ledger
    (event,) = ledger.events()
    assert taken == [("acme", event.id)]
    assert (event.state, signals_seen) == ("pending", [])


def test_callable_that_raises(
    make_app: MakeApp, payload: Payload, tmp_path: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A callable that raises is logged once, without its message, and not called for a while."""
    calls: list[Any] = []

    def refuse(receiver_name: str, event_id: Any) -> None:
        calls.append(event_id)
        raise OSError("redis://:p4ss@host is down")

    app = make_app(FreshdeskWhatsApp(hand_over=refuse), LEDGER_URL=url_of(tmp_path))
    for number in range(3):
        sent = payload(data__message_id=f"M{number}")
        assert app.test_client().post(URL, json=sent, headers=HEADERS).status_code == 200
    assert len(calls) == 1
    assert caplog.text.count("cannot be handed over") == 1
    assert "OSError" in caplog.text
    assert "p4ss" not in caplog.text
    done = app.test_cli_runner().invoke(args=["fd-whatsapp", "retry"])
    assert done.exit_code == 0
    ledger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    assert [event.state for event in ledger.events()] == ["done"] * 3


def test_handed_over_again(caplog: pytest.LogCaptureFixture) -> None:
    """After the pause an event is handed over again, and the log says that it works."""
    caplog.set_level("INFO")
    is_down = True
    taken: list[Any] = []

    def take(receiver_name: str, event_id: Any) -> None:
        if is_down:
            raise OSError
        taken.append(event_id)

    hand_over = HandOver("acme", take)
    hand_over.pause_seconds = 0.0
    hand_over(1)
    hand_over._again_at = 0.0
    is_down = False
    hand_over(2)
    hand_over(3)
    assert taken == [2, 3]
    assert [r.levelname for r in caplog.records] == ["ERROR", "INFO"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"DISPATCH": "celery", "LEDGER_URL": "sqlite:///l.db"}, "FD_WHATSAPP_DISPATCH is"),
        ({}, "hand_over: needs a ledger.*FD_WHATSAPP_LEDGER_URL"),
    ],
    ids=["celery too", "memory"],
)
def test_what_does_not_go_together(make_app: MakeApp, settings: dict[str, Any], words: str) -> None:
    """Celery's setting together with it, or a ledger that no worker can read, is refused at
    once.
    """
    with pytest.raises(ConfigurationError, match=words):
        make_app(FreshdeskWhatsApp(hand_over=lambda *_: None), **settings)


def test_deferred_beside_it(make_app: MakeApp, tmp_path: Any) -> None:
    """DISPATCH = "deferred" together with it is allowed."""
    blueprint = FreshdeskWhatsApp(hand_over=lambda *_: None)
    make_app(blueprint, DISPATCH="deferred", LEDGER_URL=url_of(tmp_path))


def test_what_cannot_be_called() -> None:
    """Something that cannot be called is refused, by name."""
    with pytest.raises(ConfigurationError, match=r"hand_over: .* not str"):
        FreshdeskWhatsApp(hand_over="app.enqueue")  # type: ignore[arg-type]
