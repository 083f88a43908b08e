from __future__ import annotations

import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask
from sqlalchemy import func, select, update

from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.ledger.sql.tables import event, forgotten, message

from ..engagement.naive import journeys
from ..ledger.entries import POLICY, entry
from .pruning import main
from .server import ROOT
from .waiting import TIMEOUT

KILLS = 4
MESSAGES = 90


def test_killed_pruning_loses_and_doubles_nothing(url: str) -> None:
    """Whenever it is killed, each message is either kept or folded, once."""
    ledger = SQLLedger.from_url(url, Flask("host"))
    ledger.upgrade()
    old = datetime.now(UTC) - timedelta(days=100)
    known = [one for one in journeys(7, MESSAGES, now=old) if one.times]
    for journey in known:
        for status, moment in journey.times.items():
            given = entry(
                status,
                message_id=journey.message_id,
                campaign=journey.campaign,
                timestamp=moment,
            )
            ledger.record(given, POLICY, claim=False)
    with ledger.engine.begin() as connection:
        connection.execute(update(event).values(due_at=None))
    before = ledger.engagement(by="campaign", times=False)
    chance = random.Random(len(known))
    for _ in range(KILLS):
        command = [sys.executable, "-m", f"{__package__}.pruning", url]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for _ in range(chance.randint(1, 4)):
                assert process.stdout.readline() == b"pruned\n"
            process.kill()
            assert process.wait(TIMEOUT) == -9
        after = ledger.engagement(by="campaign", times=False)
        assert counted(after) == counted(before)
        with ledger.engine.connect() as connection:
            left = connection.scalar(select(func.count()).select_from(message))
        assert after.total.known - after.total.folded == left
    main(url)
    after = ledger.engagement(by="campaign", times=False)
    assert counted(after) == counted(before)
    assert after.total.folded == len(known)
    with ledger.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(forgotten)) == len(known)
    ledger.engine.dispose()


def counted(engagement: Any) -> dict[Any, Any]:
    """The counts of each group."""
    names = ("known", "submitted", "delivered", "read", "failed", "pending")
    return {
        key: tuple(getattr(one, name) for name in names) for key, one in engagement.groups.items()
    }
