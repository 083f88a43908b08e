"""Two processes that send with ``once=True`` and are killed again and again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from flask_fd_whatsapp.simulator import at_random

from ..concurrency.threads import TIMEOUT
from ..ledger.databases import KINDS, fresh_database
from ..ledger.test_sends import make_sends_older
from .catching_up import ACCOUNT, KEY, system

SENDS = int(os.environ.get("FD_WHATSAPP_TEST_SENDS", "60"))
"""How many are sent; set it to 5000 for the whole campaign."""

KILLS = max(4, SENDS // 50)
ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_nobody_is_sent_to_twice(kind: str, tmp_path: Path) -> None:
    """Whatever is killed and cut: at most one message each, and every send ends as what it was."""
    trouble = at_random(10, ["cut-before", "cut-after"], seed=1)
    with (
        fresh_database(kind, tmp_path) as url,
        system(ledger_url=url, trouble=trouble) as host,
    ):
        host.ledger.upgrade()
        domain = str(host.app.config["FD_WHATSAPP_DOMAIN"])
        command = [sys.executable, "-m", "tests.freshdesk.sending_worker", domain, url]
        command += [ACCOUNT, KEY, str(SENDS)]
        for _ in range(KILLS):
            workers = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
            for worker in workers:
                try:
                    worker.wait(1.5)
                except subprocess.TimeoutExpired:
                    worker.kill()
                    worker.wait(TIMEOUT)
        for worker in [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]:
            assert worker.wait(10 * TIMEOUT) == 0
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
