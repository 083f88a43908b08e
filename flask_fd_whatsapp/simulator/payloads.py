"""Events as request bodies, field by field as in the vendor's samples."""

from __future__ import annotations

import json
from typing import Any

from ..events import EVENT_TYPE, Status
from .account import SYSTEM, Account, Agent
from .clock import written
from .journey import Step

VERSION = "1.0.0"


def make_payload(
    account: Account, agent: Agent, message_id: str, reference: str | None, step: Step
) -> dict[str, Any]:
    """Return the payload of one step.

    The actor of QUEUED is the agent, and its times have nine fractional digits; everything after it
    is by the system, with three. FAILED carries an error and no ``external_reference_id``.
    """
    is_first = step.status == Status.QUEUED
    data: dict[str, Any] = {}
    if step.error is not None:
        code, message = step.error
        data["error"] = {"code": code, "message": message}
    elif reference is not None:
        data["external_reference_id"] = reference
    data["message_id"] = message_id
    data["status"] = str(step.status)
    data["timestamp"] = written(step.timestamp, 9 if is_first else 3)
    return {
        "version": VERSION,
        "account_id": account.id,
        "account_domain": account.domain,
        "event_type": EVENT_TYPE,
        "event_time": written(step.event_time, 9),
        "actor": {"id": agent.id, "name": agent.name, "type": "agent"} if is_first else {**SYSTEM},
        "data": data,
    }


def encode(payload: dict[str, Any]) -> bytes:
    """Encode a payload as a body."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
