"""All ledgers behave alike: the same steps in memory and in a database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_fd_whatsapp.events import DeliveryError, Status
from flask_fd_whatsapp.exceptions import AmbiguousMessage, ClaimLost
from flask_fd_whatsapp.ledger import Ledger, Recorded, Tried
from flask_fd_whatsapp.ledger.sql import SQLLedger

from .conftest import wipe
from .entries import POLICY, RECEIVER, end_leases, entry, make_due, new_memory_ledger

STATUSES = ("QUEUED", "SENT", "DELIVERED", "READ", "FAILED", "PLAYED")
MESSAGES = ("M1", "M2")
ACCOUNTS = ("1", "2")

place = st.integers(0, 20)

records = st.tuples(
    st.just("record"),
    st.fixed_dictionaries(
        {
            "status": st.sampled_from(STATUSES),
            "message_id": st.sampled_from(MESSAGES),
            "account_id": st.sampled_from(ACCOUNTS),
            "reference": st.sampled_from([None, "R1", "R2"]),
            "campaign": st.sampled_from([None, "spring"]),
            "body": st.sampled_from(["{}", "[]"]),
            "error": st.sampled_from([None, DeliveryError("1", None), DeliveryError("2", "two")]),
        }
    ),
    st.booleans(),
)
tried = st.fixed_dictionaries(
    {
        "succeeded": st.booleans(),
        "superseded": st.booleans(),
        "failed": st.sampled_from([{}, {"bad": "ValueError: no"}]),
        "retry_after": st.sampled_from([None, 0, 3600]),
        "gave_up": st.booleans(),
    }
)
steps = st.lists(
    st.one_of(
        records,
        records,
        st.tuples(st.just("finish"), place, tried),
        st.tuples(st.just("finish"), place, tried),
        st.tuples(st.just("succeeded"), place),
        st.tuples(st.just("claim"), place, st.booleans()),
        st.tuples(st.just("revive"), place),
        st.tuples(st.just("end leases")),
        st.tuples(st.just("make due")),
        st.tuples(st.just("prune")),
    ),
    max_size=25,
)


class Run:
    """Takes a ledger through steps, and records each result, with positions instead of ids."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.ids: list[Any] = []
        self.claims: list[Any] = []
        self.late = 0
        self.steps = 0

    def take(self, step: tuple[Any, ...]) -> Any:
        name, *arguments = step
        self.steps += 1
        method: Callable[..., Any] = getattr(self, name.replace(" ", "_"))
        try:
            return method(*arguments)
        except ClaimLost:
            return "claim lost"

    def record(self, fields: dict[str, Any], claim: bool) -> Any:
        return self._told(self.ledger.record(entry(**fields), POLICY, claim=claim))

    def claim(self, number: int, settled: bool) -> Any:
        if self._id(number) is not None:
            return self._told(self.ledger.claim(self._id(number), POLICY, settled=settled))
        return None

    def _told(self, found: Recorded | None) -> Any:
        if found is None:
            return None
        if found.id not in self.ids:
            self.ids.append(found.id)
        if found.claim is not None:
            self.claims.append(found.claim)
        return (
            self.ids.index(found.id),
            found.state,
            found.claim is not None and found.succeeded,
            found.body,
            found.previous_status,
            found.is_stale,
            found.external_reference_id,
            found.campaign,
            found.superseded,
            found.has_died,
        )

    def finish(self, number: int, tried: dict[str, Any]) -> Any:
        if not self.claims:
            return None
        return self.claims[number % len(self.claims)].finish(
            Tried(
                succeeded=f"handler {self.steps}" if tried["succeeded"] else None,
                superseded=[f"superseded {self.steps}"] if tried["superseded"] else [],
                failed=tried["failed"],
                postponed={} if tried["retry_after"] is None else {"later": "RetryLater: no"},
                retry_after=tried["retry_after"],
                gave_up={f"gave up {self.steps}": "GiveUp: no"} if tried["gave_up"] else {},
            )
        )

    def succeeded(self, number: int) -> Any:
        if self.claims:
            self.claims[number % len(self.claims)].succeeded(f"handler {self.steps}")

    def revive(self, number: int) -> Any:
        return self._id(number) is not None and self.ledger.dead_events.revive(self._id(number))

    def end_leases(self) -> None:
        self.late = len(self.claims)
        end_leases(self.ledger)

    def is_open(self, step: tuple[Any, ...]) -> bool:
        """Whether ledgers may differ: a duplicate may cost a late holder its claim, or not."""
        if step[0] not in ("finish", "succeeded") or not self.claims:
            return False
        number = step[1] % len(self.claims)
        claim = self.claims[number]
        return number < self.late and claim._message.token is claim._token

    def make_due(self) -> None:
        make_due(self.ledger)

    def prune(self) -> Any:
        forgotten = self.ledger.prune(before=datetime.now(UTC) + timedelta(days=1), limit=100)
        left = {event.id for event in self.ledger.events(limit=1000)}
        # SQLite gives an id that was the last one to the next event.
        self.ids = [known if known in left else None for known in self.ids]
        return forgotten

    def _id(self, number: int) -> Any:
        return self.ids[number % len(self.ids)] if self.ids else None

    def state(self) -> dict[str, Any]:
        """The results of all queries."""
        ledger, backlog = self.ledger, self.ledger.overview.backlog()
        return {
            "events": [
                (
                    self.ids.index(event.id),
                    (event.account_id, event.message_id, event.status),
                    (event.state, event.attempts, event.postponed, event.due_at is None),
                    event.last_error,
                    (event.is_stale, event.external_reference_id, event.campaign, event.timestamp),
                )
                for event in ledger.events(limit=1000)
            ],
            "messages": [self._message(m, a) for m in MESSAGES for a in (*ACCOUNTS, None)],
            "references": [ledger.messages(external_reference_id=r) for r in ("R1", "R2")],
            "counts": ledger.counts(),
            "of campaign": ledger.counts(campaign="spring"),
            "due": {
                self.ids.index(i) for i in ledger.reservations.due(receiver=RECEIVER, limit=1000)
            },
            "backlog": (backlog.pending, backlog.dead, backlog.oldest_pending is None),
        }

    def _message(self, message_id: str, account_id: str | None) -> Any:
        try:
            return self.ledger.message(message_id, account_id)
        except AmbiguousMessage:
            return "ambiguous"


@settings(
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps)
def test_every_database_gives_the_answers_of_memory(
    sql_ledger: SQLLedger, steps: list[tuple[Any, ...]]
) -> None:
    """Every ledger gives the in-memory ledger's answers, for any steps in any order."""
    wipe(sql_ledger)
    model, run = Run(new_memory_ledger()), Run(sql_ledger)
    for step in steps:
        if model.is_open(step):
            continue
        assert run.take(step) == model.take(step), step
    assert run.state() == model.state()
    assert set(Status) == set(model.state()["counts"])
