"""What is asked of the API for outbound messages, and what it gives.

Path and fields are those of a public copy of the API's documentation (January 2026).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from ..events import DeliveryError, Status
from .api_errors import MessageNotFound
from .template_message import TemplateMessage

PATH: Final = "/api/v2/channels/outbound-messages"


class Sent(NamedTuple):
    """A message that Freshdesk took.

    :param message_id: by which webhooks and the API name it; to be stored.
    :param external_reference_id: what came with the call, or was made for it.
    """

    message_id: str
    external_reference_id: str


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """A message as the API tells of it now, which is not when it reached its status.

    :param status: one of :class:`~flask_fd_whatsapp.Status`, or a text that is not documented.
    :param created_at: when Freshdesk took it, UTC; ``None`` if that is not told.
    :param error: why it failed.
    """

    message_id: str
    status: Status | str
    created_at: datetime | None = None
    external_reference_id: str | None = None
    error: DeliveryError | None = None


@dataclass(frozen=True, slots=True)
class SendRequest:
    """A message that is ready to be posted.

    :param external_reference_id: its reference, given or made.
    :param body: what is posted; a recipient's number is in it.
    """

    external_reference_id: str
    body: bytes = field(repr=False)


def send_request(
    *,
    sender: str,
    to: str,
    template: TemplateMessage,
    external_reference_id: str,
    note_policy: Mapping[str, Any] | None = None,
    ticket_properties: Mapping[str, Any] | None = None,
) -> SendRequest:
    """The request that sends a message; what is not needed is left out.

    :raises TypeError: for what cannot be written as JSON.
    :raises ValueError: for NaN and infinite numbers.
    """
    body: dict[str, Any] = {
        "from": {"channel_identifier": sender},
        "to": {"recipient_identifier": to},
        "channel_type": "WHATSAPP",
        "message": template.as_json(),
        "external_reference_id": external_reference_id,
    }
    if note_policy:
        body["note_policy"] = note_policy
    if ticket_properties:
        body["ticket_properties"] = ticket_properties
    return SendRequest(external_reference_id, json.dumps(body, allow_nan=False).encode())


def message_path(message_id: str) -> str:
    """The path of a message.

    :raises MessageNotFound: for what can be no id, since it would name another path.
    """
    try:
        quoted = quote(message_id, safe="")
    except UnicodeEncodeError:  # a lone surrogate
        quoted = ""
    if quoted in ("", ".", ".."):
        raise MessageNotFound(message_id)
    return f"{PATH}/{quoted}"
