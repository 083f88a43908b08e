"""Two processes that send with ``once=True`` and are killed again and again."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import monotonic

import pytest

from flask_fd_whatsapp.simulator import at_random
from flask_fd_whatsapp.simulator.simulated_message import SimulatedMessage

from ..concurrency.threads import TIMEOUT
from ..ledger.databases import KINDS, fresh_database
from ..ledger.test_sends import make_sends_older
from ..processes.waiting import wait_until
from . import sending_worker
from .catching_up import ACCOUNT, KEY, system
from .forked import kill, started

SENDS = int(os.environ.get("FD_WHATSAPP_TEST_SENDS", "60"))
"""How many are sent; set it to 5000 for the whole campaign."""

A_LIFE = SENDS // 6
"""Messages after which both workers are killed, unless they take more than a second."""

AGAIN = 10
"""References before the last message's at which the next workers begin."""

LONG = 10 * TIMEOUT


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_nobody_is_sent_to_twice(
    kind: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Despite kills and cut connections, each customer gets at most one message, and every send
    ends in its true state.
    """
    trouble = at_random(10, ["cut-before", "cut-after"], seed=1)
    with (
        fresh_database(kind, tmp_path) as url,
        system(ledger_url=url, trouble=trouble) as host,
    ):
        host.ledger.upgrade()
        domain = str(host.app.config["FD_WHATSAPP_DOMAIN"])
        run = partial(started, sending_worker.main, domain, url, ACCOUNT, KEY)
        workers = [run(0, SENDS) for _ in range(2)]
        kills = 0
        try:
            while (before := len(host.simulator.messages)) < SENDS * 3 // 4:
                wait_until(lambda n=before: len(host.simulator.messages) > n, "one is sent", LONG)  # type: ignore[misc]
                born = monotonic()

                def is_over(before: int = before, born: float = born) -> bool:
                    return (
                        len(host.simulator.messages) - before >= A_LIFE or monotonic() - born >= 1
                    )

                wait_until(is_over, "some are sent", LONG)
                for worker in workers:
                    kill(worker)
                    kills += 1
                reached = max(number_of(one) for one in list(host.simulator.messages.values()))
                workers = [run(max(0, reached - AGAIN), SENDS) for _ in range(2)]
            for worker in workers:
                kill(worker)
            workers = [run(0, SENDS) for _ in range(2)]
            for worker in workers:
                worker.join(LONG)
            assert [worker.exitcode for worker in workers] == [0, 0]
        finally:
            for worker in workers:
                worker.kill()
        record_property("kills", kills)
        make_sends_older(host.ledger, timedelta(minutes=3))
        messages = {one.external_reference_id: one for one in host.simulator.messages.values()}
        assert len(messages) == len(host.simulator.messages), Counter(
            one.external_reference_id for one in host.simulator.messages.values()
        )
        for message in messages.values():
            host.receiver.receive(message.posts[0].body(), {})
        sends = host.ledger.sends(limit=10 * SENDS)
        assert {one.external_reference_id for one in sends} == {f"R{n}" for n in range(SENDS)}
        known = {one.external_reference_id: one for one in sends if one.state == "sent"}
        assert {reference: one.message_id for reference, one in known.items()} == {
            reference: one.id for reference, one in messages.items()
        }
        assert {one.state for one in sends} <= {"sent", "unknown", "unsent"}
        assert len(messages) > SENDS / 2
        record_property("states", Counter(one.state for one in sends))


def number_of(message: SimulatedMessage) -> int:
    """The number in a message's reference."""
    assert message.external_reference_id is not None
    return int(message.external_reference_id.removeprefix("R"))
