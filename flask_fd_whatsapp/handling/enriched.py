"""The event as passed to handlers, completed with what the ledger knows about its message."""

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
    """Return *event* with the reference, campaign, error and status of its message.

    :param event: freshly loaded; may be changed in place.
    :param classes: the host's own failure classes, by error code.
    """
    error = event.error
    if error is None and event.status == Status.FAILED:
        error = recorded.error  # which may have come with another event
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
    if type(event) is not StatusEvent:  # a subclass may compute more from them
        return replace(event, **known)
    # Nobody else has it yet, and a copy costs as much as loading it.
    for name, value in known.items():
        if getattr(event, name) is not value:
            object.__setattr__(event, name, value)
    return event
