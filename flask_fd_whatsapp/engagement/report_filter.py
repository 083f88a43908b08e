"""Filters the messages of a report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from types import EllipsisType


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFilter:
    """Conditions of a report, combined with AND.

    :param since: sent at or after this (aware datetime).
    :param until: sent before this (aware datetime).
    :param campaign: of this campaign, ``None`` for those without, ``...`` for any.
    :param receiver: the receiver that first received an event of the message.
    """

    since: datetime | None = None
    until: datetime | None = None
    campaign: str | EllipsisType | None = ...
    account_id: str | None = None
    receiver: str | None = None
    template: str | None = None

    def __post_init__(self) -> None:
        for name in ("since", "until"):
            moment = getattr(self, name)
            if moment is not None and moment.tzinfo is None:
                raise ValueError(
                    f"{name}={moment!r} has no time zone: pass an aware datetime, such as one in "
                    "UTC."
                )

    def admits_moment(self, moment: datetime) -> bool:
        """Whether the period contains this moment."""
        return (self.since is None or moment >= self.since) and (
            self.until is None or moment < self.until
        )

    def admits(
        self, *, account_id: str, receiver: str | None, campaign: str | None, template: str | None
    ) -> bool:
        """Whether a message meets all conditions other than the period."""
        return (
            self.account_id in (None, account_id)
            and self.receiver in (None, receiver)
            and self.template in (None, template)
            and self.campaign in (..., campaign)
        )
