"""One replay of a handler at a time, on every ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread
from typing import Any

import pytest

from flask_fd_whatsapp.ledger import Ledger
from flask_fd_whatsapp.ledger.sql import SQLLedger


def hold(
    ledger: Ledger, token: str, handler: str = "h", receiver: str = "r", seconds: float = 3600
) -> Any:
    return ledger.replays.hold(receiver=receiver, handler=handler, token=token, seconds=seconds)


def end(ledger: Ledger, token: str) -> None:
    ledger.replays.end(receiver="r", handler="h", token=token)


def test_one_at_a_time(ledger: Ledger) -> None:
    """The holder keeps and renews a replay; others learn until when."""
    assert hold(ledger, "a", seconds=60) is None
    assert hold(ledger, "a") is None
    until = hold(ledger, "b")
    assert until > datetime.now(UTC) + timedelta(minutes=30)
    assert hold(ledger, "b", handler="other") is None
    assert hold(ledger, "b", receiver="other") is None


def test_replay_is_given_back_by_its_holder_alone(ledger: Ledger) -> None:
    """Only the holder can end a replay."""
    hold(ledger, "a")
    end(ledger, "b")
    assert hold(ledger, "b") is not None
    end(ledger, "a")
    assert hold(ledger, "b") is None


def test_replay_of_a_dead_holder_is_anybodys(ledger: Ledger) -> None:
    """After its lease anybody can begin, and the first holder has lost it."""
    hold(ledger, "a", seconds=0)
    assert hold(ledger, "b") is None
    assert hold(ledger, "a") is not None


@pytest.mark.parametrize("takers", [4])
def test_one_of_those_who_ask_gets_the_replay(sql_ledger: SQLLedger, takers: int) -> None:
    """Of several concurrent replays one begins."""
    together = Barrier(takers)
    answers: list[Any] = []

    def take(token: str) -> None:
        together.wait(30)
        answers.append(hold(sql_ledger, token))

    threads = [Thread(target=take, args=(str(number),)) for number in range(takers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(answers) == takers
    assert answers.count(None) == 1
