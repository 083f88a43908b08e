"""The state of all receivers, and what needs attention, by the rules of ``fd-whatsapp status``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from ..exceptions import LedgerUnavailable
from ..ledger import Ledger
from ..monitoring.attention import Finding, findings, limits_of
from ..monitoring.masking import without_secrets
from ..monitoring.standing import Standing, standing_of
from ..receiving.receiver import Receiver
from .visit import Visit
from .wordings import counted

LIVE_SECONDS: Final = 5.0
"""How long it is cached for all visitors: problems should be seen soon."""

MILD: Final = frozenset({"max_failing", "max_handling", "max_pending", "max_silence"})

_WHERE: Final = {
    "max_dead": ("dead", "Show them", "flask fd-whatsapp retry --dead"),
    "max_rejected": ("rejections", "Show it", "flask fd-whatsapp check"),
    "max_overdue": ("backlog", "Show the backlog", "flask fd-whatsapp retry"),
    "max_failing": ("backlog", "Show the backlog", "flask fd-whatsapp events --state pending"),
    "max_handling": ("handled", "Show it", None),
    "max_pending": ("backlog", "Show the backlog", None),
    "trial_write": (None, "", "flask fd-whatsapp check"),
    "max_unheard": ("sending", "Show them", "flask fd-whatsapp reconcile"),
    "max_told": ("sending", "Show them", "flask fd-whatsapp check"),
}
"""For each rule, where to look on *Operations*, and the command that helps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToDo:
    """Something that needs attention.

    :param level: ``bad`` or ``warn``.
    :param anchor: of the section of *Operations* that shows it.
    """

    level: str
    title: str
    text: str
    anchor: str | None
    label: str
    command: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """The state of one receiver, with the finding of each rule."""

    receiver: Receiver
    standing: Standing
    findings: Sequence[Finding]

    @property
    def problems(self) -> list[Finding]:
        """What needs attention."""
        return [finding for finding in self.findings if finding.problem is not None]


def stands(visit: Visit) -> list[Stand]:
    """Return the state of each receiver shown.

    :raises LedgerUnavailable: if the ledger cannot be read.
    """
    return [
        visit.shared(("stand", receiver.name), partial(_stand, receiver), seconds=LIVE_SECONDS)
        for receiver in visit.shown
    ]


def _stand(receiver: Receiver) -> Stand:
    ledger: Ledger = receiver.ledger
    standing = standing_of(receiver, ledger)
    if standing.unreadable is not None:
        raise LedgerUnavailable(standing.unreadable)
    found = findings(standing, limits_of(receiver))
    return Stand(receiver=receiver, standing=standing, findings=found)


def to_do(visit: Visit, all_stands: Iterable[Stand]) -> list[ToDo]:
    """What needs attention, the worst first."""
    items = []
    for stand in all_stands:
        prefix = f"{stand.receiver.name}: " if len(visit.receivers) > 1 else ""
        for finding in stand.problems:
            problem = without_secrets(finding.problem or "", [stand.receiver])
            title, _, rest = problem.partition(": ")
            anchor, label, command = _WHERE.get(finding.rule, (None, "", None))
            items.append(
                ToDo(
                    level="warn" if finding.rule in MILD else "bad",
                    title=prefix + _capitalised(title.rstrip(".")),
                    text=_capitalised(rest),
                    anchor=anchor,
                    label=label,
                    command=command,
                )
            )
    return sorted(items, key=lambda item: item.level != "bad")


def is_empty(all_stands: Sequence[Stand]) -> bool:
    """Whether no event has ever arrived."""
    return all(
        one.standing.backlog and not one.standing.backlog.last_received for one in all_stands
    )


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def heading(items: Sequence[ToDo]) -> str:
    """``4 things need attention``."""
    if not items:
        return "Nothing needs attention"
    return f"{counted(len(items), 'thing')} {'needs' if len(items) == 1 else 'need'} attention"
