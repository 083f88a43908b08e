"""Freshdesk itself: the rules of its form, and the ids of its messages."""

from .form import WebhookForm

__all__ = ["WebhookForm"]
