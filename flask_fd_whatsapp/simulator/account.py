"""A Freshdesk account and its agents."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Agent:
    """Who sends a message: the actor of its QUEUED."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Account:
    """The fields that all events of an account share."""

    id: str = "11011399037"
    domain: str = "mm-fd.freshpo.com"
    agents: tuple[Agent, ...] = field(
        default=(
            Agent(48046815001, "Maruthamuthu G"),
            Agent(48046815002, "Zoë Łukasiewicz"),
            Agent(48046815003, "山田 花子"),
        )
    )


SYSTEM: Final = {"id": 0, "name": "system", "type": "system"}
"""The actor of every event after QUEUED (as in the vendor's samples)."""
