"""The API's requests and results for outbound messages.

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
    """A message that Freshdesk accepted.

    :param message_id: the id used by webhooks and the API; store it.
    :param external_reference_id: the one that was passed, or generated.
    """

    message_id: str
    external_reference_id: str


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """A message's current state in the API, which does not say when it reached its status.

    :param status: one of :class:`~flask_fd_whatsapp.Status`, or an undocumented text.
    :param created_at: when Freshdesk accepted it (UTC); ``None`` if it is not reported.
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

    :param external_reference_id: the one that was passed, or generated.
    :param body: the body to post; it contains the recipient's number.
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
    """Build the request that sends a message; fields that are not needed are left out.

    :raises TypeError: for values that cannot be written as JSON.
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

    :raises MessageNotFound: for what cannot be an id, since it would name another path.
    """
    try:
        quoted = quote(message_id, safe="")
    except UnicodeEncodeError:  # a lone surrogate
        quoted = ""
    if quoted in ("", ".", ".."):
        raise MessageNotFound(message_id)
    return f"{PATH}/{quoted}"
