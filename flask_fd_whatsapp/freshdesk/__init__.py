"""The other side: what Freshdesk's own pages ask for and do."""

from .form import WebhookForm

__all__ = ["WebhookForm"]
