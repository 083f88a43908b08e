"""The event as handlers get it: with what the ledger knows of its message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..events import Status, StatusEvent
from ..failure_reasons import Failure, FailureClass, classify
from ..ledger import Recorded


def enriched(
    event: StatusEvent, recorded: Recorded, classes: Mapping[str, FailureClass]
) -> StatusEvent:
    """*event* with the reference, campaign, error and standing of its message.

    :param event: as loaded just now; it may be changed.
    :param classes: the host's own classes of failures, by error code.
    """
    error = event.error
    if error is None and event.status == Status.FAILED:
        error = recorded.error  # which may have come with another copy
    known: dict[str, Any] = {
        "error": error,
        "external_reference_id": event.external_reference_id or recorded.external_reference_id,
        "headers": recorded.headers,
        "campaign": recorded.campaign,
        "previous_status": recorded.previous_status,
        "is_stale": recorded.is_stale,
        "source": recorded.source,
        "failure": Failure(classify(error.code, classes)) if error else None,
    }
    if type(event) is not StatusEvent:  # a subclass may make more of them
        return replace(event, **known)
    # Nobody else has it yet: to copy it costs as much as to load it.
    for name, value in known.items():
        if getattr(event, name) is not value:
            object.__setattr__(event, name, value)
    return event
