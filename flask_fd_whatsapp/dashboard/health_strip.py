"""The strip of seven checks on the overview: the state of everything at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from operator import itemgetter
from typing import Final

from ..engagement.groups import local_time
from ..ledger import Rejection
from ..ledger.views import IGNORED
from ..monitoring.standing import Standing
from .attention_list import MILD, Stand
from .wordings import NOTHING, length, number, roughly, short_date

_SENDS: Final = ("max_unheard", "max_told")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One check of the health strip; ``level`` is ``ok``, ``warn``, ``bad``, ``info``, ``none``."""

    level: str
    label: str
    value: str
    note: str


def health(all_stands: Sequence[Stand], zone: tzinfo) -> list[Cell]:
    """The seven checks, in a fixed order."""
    return [
        _last_event(all_stands, zone),
        _ledger(all_stands),
        _pending(all_stands),
        _dead(all_stands),
        _unheard(all_stands),
        _quarantine(all_stands),
        _rejected(all_stands),
    ]


def _level(all_stands: Sequence[Stand], *rules: str, otherwise: str = "ok") -> str:
    wrong = {one.rule for stand in all_stands for one in stand.problems} & set(rules)
    if wrong - MILD:
        return "bad"
    return "warn" if wrong else otherwise


def _last_event(all_stands: Sequence[Stand], zone: tzinfo) -> Cell:
    came = [
        (one.standing.backlog.last_received, one.standing)
        for one in all_stands
        if one.standing.backlog and one.standing.backlog.last_received is not None
    ]
    if not came:
        level = _level(all_stands, "max_silence", otherwise="none")
        return Cell(level=level, label="Last event", value="None yet", note="waiting for the first")
    moment, standing = max(came, key=itemgetter(0))
    return Cell(
        level=_level(all_stands, "max_silence"),
        label="Last event",
        value=f"{_ago(standing, moment)} ago",
        note=_at(moment, zone),
    )


def _ledger(all_stands: Sequence[Stand]) -> Cell:
    level = _level(all_stands, "trial_write")
    ledger = all_stands[0].receiver.ledger
    note = "shared, and kept" if ledger.durable else "in memory: this process only"
    value = "Writable" if level == "ok" else "Not writable"
    return Cell(level=level, label="Ledger", value=value, note=note)


def _pending(all_stands: Sequence[Stand]) -> Cell:
    backlogs = [one.standing.backlog for one in all_stands if one.standing.backlog]
    oldest = [
        (one.standing.age(one.standing.backlog.oldest_pending) or timedelta())
        for one in all_stands
        if one.standing.backlog and one.standing.backlog.oldest_pending
    ]
    return Cell(
        level=_level(all_stands, "max_pending", "max_overdue", "max_failing", "max_handling"),
        label="Pending",
        value=number(sum(one.pending for one in backlogs)),
        note=f"oldest {length(max(oldest))}" if oldest else "nothing to do",
    )


def _dead(all_stands: Sequence[Stand]) -> Cell:
    backlogs = [one.standing.backlog for one in all_stands if one.standing.backlog]
    dead, new = (sum(getattr(one, name) for one in backlogs) for name in ("dead", "unacknowledged"))
    note = f"{number(new)} not acknowledged" if new else "all acknowledged"
    return Cell(
        level=_level(all_stands, "max_dead"),
        label="Dead",
        value=number(dead),
        note=note if dead else "all was handled",
    )


def _unheard(all_stands: Sequence[Stand]) -> Cell:
    found = [one.found for stand in all_stands for one in stand.findings if one.rule in _SENDS]
    ages = [age for age in found if isinstance(age, timedelta)]
    level = _level(all_stands, *_SENDS, otherwise="ok" if ages else "none")
    note = "no webhook since a send" if ages else "nothing is overdue"
    value = f"For {roughly(max(ages))}" if ages else NOTHING
    return Cell(level=level, label="Unheard sends", value=value, note=note)


def _quarantine(all_stands: Sequence[Stand]) -> Cell:
    backlogs = [one.standing.backlog for one in all_stands if one.standing.backlog]
    count, ignored = (
        sum(getattr(one, name) for one in backlogs) for name in ("quarantined", "ignored")
    )
    note = f"and {number(ignored)} ignored" if ignored else "kept, and can be replayed"
    return Cell(
        level="info" if count else "ok",
        label="Quarantine",
        value=number(count),
        note=note if count or ignored else "nothing unreadable",
    )


def _rejected(all_stands: Sequence[Stand]) -> Cell:
    last: tuple[datetime, Rejection, Standing] | None = None
    for stand in all_stands:
        for one in stand.standing.rejections:
            if one.reason != IGNORED and (last is None or one.last_seen > last[0]):
                last = (one.last_seen, one, stand.standing)
    level = _level(all_stands, "max_rejected", otherwise="ok" if last else "none")
    if last is None:
        return Cell(level=level, label="Rejected", value="None yet", note="nothing rejected")
    moment, rejection, standing = last
    ago = f"{_ago(standing, moment)} ago"
    if level == "bad":
        return Cell(
            level=level,
            label="Rejected",
            value=ago,
            note=f"{rejection.status_code}, and nothing accepted since",
        )
    return Cell(
        level=level, label="Rejected", value="In order", note=f"last {ago}: {rejection.status_code}"
    )


def _at(moment: datetime, zone: tzinfo) -> str:
    local = local_time(moment, zone)
    return f"{short_date(local, local)}, {local:%H:%M}"


def _ago(standing: Standing, moment: datetime | None) -> str:
    return roughly(standing.age(moment))
