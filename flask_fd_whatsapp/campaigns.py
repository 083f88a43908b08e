"""Extracts the campaign of a message from its ``external_reference_id``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from .log_fields import get_logger
from .throttle import Throttle

logger = get_logger(__name__)

MAX_CAMPAIGN_LENGTH = 255

LOG_SECONDS: Final = 60

CampaignOf = Callable[[str], str | None]


def from_pattern(pattern: re.Pattern[str]) -> CampaignOf:
    """Search *pattern*: return its group ``campaign``, else its group 1, else the match."""
    group: str | int = "campaign" if "campaign" in pattern.groupindex else min(pattern.groups, 1)

    def campaign_of(reference: str) -> str | None:
        match = pattern.search(reference)
        return match[group] if match else None

    return campaign_of


def guarded(campaign_of: CampaignOf, key: str) -> CampaignOf:
    """Wrap *campaign_of* to return ``None``, with a warning, if it raises or returns no short text.

    Each kind of mistake is logged at most once a minute.

    :param key: the setting that it comes from.
    """
    lines = Throttle(LOG_SECONDS)

    def checked(reference: str) -> str | None:
        try:
            campaign = campaign_of(reference)
        except Exception as error:
            kind = type(error).__name__
            if lines.admit(kind) is not None:
                logger.warning("%s raised %s: no campaign.", key, kind)
            return None
        if campaign is None or campaign == "":
            return None
        if not isinstance(campaign, str) or len(campaign) > MAX_CAMPAIGN_LENGTH:
            if lines.admit(None) is not None:
                logger.warning(
                    "%s returned %s: it has to return text of at most %d characters, or None; no "
                    "campaign.",
                    key,
                    type(campaign).__name__,
                    MAX_CAMPAIGN_LENGTH,
                )
            return None
        return campaign

    return checked
