"""Freshdesk's form under Admin > Channels > WhatsApp > Manage Webhooks, and its rules."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from marshmallow import Schema, ValidationError, fields, validate

from ..settings import FORM_HEADERS
from ..values import header_name

FORM_EMAILS = 2


def _https_url(value: str) -> None:
    try:
        url = urlsplit(value)
        host, _ = url.hostname, url.port
    except ValueError as error:
        raise ValidationError(f"Not a URL: {error}.") from None
    if url.scheme.lower() != "https":
        raise ValidationError("Freshdesk posts to https:// URLs only.")
    if not host or not value.isprintable() or " " in value:
        raise ValidationError(
            "Not a URL with a host, such as https://example.com/freshdesk/whatsapp."
        )
    if url.username is not None or url.fragment:
        raise ValidationError(
            "Leave out user, password and fragment: use a header to authenticate."
        )


def _header_name(value: Any) -> None:
    try:
        header_name(value)
    except ValueError as error:
        raise ValidationError(str(error)) from None


class WebhookForm(Schema):
    """The form's fields, checked as it checks them (vendor's page, "Webhook Setup").

    :raises marshmallow.ValidationError: on ``load``: for a destination that is not HTTPS, more
        than three headers, more than two addresses, or an address that is none.
    """

    destination_url = fields.String(required=True, validate=_https_url)
    headers = fields.Dict(
        keys=fields.String(validate=_header_name),
        values=fields.String(validate=validate.Length(min=1)),
        load_default=dict,
        validate=validate.Length(
            max=FORM_HEADERS, error=f"The form takes at most {FORM_HEADERS} headers."
        ),
    )
    alert_emails = fields.List(
        fields.Email(),
        load_default=list,
        validate=validate.Length(
            max=FORM_EMAILS, error=f"The form takes at most {FORM_EMAILS} alert addresses."
        ),
    )
