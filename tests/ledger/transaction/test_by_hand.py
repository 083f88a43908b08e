from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from flask_fd_whatsapp.exceptions import FreshdeskWhatsAppError

from .rows import Deliver, fail, later, note, successes

BY_HAND: dict[str, Callable[[Connection], Any]] = {
    "commit": lambda c: c.commit(),
    "rollback": lambda c: c.rollback(),
    "transaction commit": lambda c: c.get_transaction().commit(),  # type: ignore[union-attr]
    "close": lambda c: c.close(),
    "session rollback": lambda c: Session(bind=c).rollback() or Session(c).connection().rollback(),
}


def swallowed(call: Callable[[Connection], Any], connection: Connection) -> None:
    with suppress(FreshdeskWhatsAppError):
        call(connection)


@pytest.mark.parametrize("is_last", [True, False])
@pytest.mark.parametrize("swallows", ["no", "yes, and goes on"])
@pytest.mark.parametrize("call", BY_HAND.values(), ids=BY_HAND)
def test_by_hand(
    deliver: Deliver,
    connect: Any,
    rows: Any,
    engine: Engine,
    caplog: pytest.LogCaptureFixture,
    call: Callable[[Connection], Any],
    swallows: str,
    is_last: bool,
) -> None:
    """Committing or rolling back by hand makes the handler fail, and nothing of it stays."""

    def by_hand(connection: Connection) -> None:
        note(connection, "before")
        if swallows == "no":
            call(connection)
        else:
            swallowed(call, connection)
        if "goes on" in swallows:
            note(connection, "after")

    connect(by_hand, *([] if is_last else [lambda c: note(c, "good")]))
    assert deliver().status_code == 503
    good = [] if is_last else ["good"]
    assert rows() == good
    assert len(successes(engine)) == len(good)
    if swallows == "no":
        assert "Do not commit, roll back or close" in caplog.text


def test_no_connection_leaks(deliver: Deliver, connect: Any, engine: Engine) -> None:
    """Handlers that succeed, fail or end the transaction by hand leave no connection behind."""
    connect(note, fail, lambda c: c.commit(), lambda c: c.close(), later)
    out = []
    for _ in range(4):
        assert deliver().status_code == 503
        out.append(engine.pool.checkedout())  # type: ignore[attr-defined]
    assert out[1] == out[3]
