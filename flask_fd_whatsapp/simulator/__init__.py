"""A stand-in for Freshdesk: an account that sends messages and posts their webhooks."""

from typing import TYPE_CHECKING, Any

from ..freshdesk.form import WebhookForm

if TYPE_CHECKING:
    from .account import Account, Agent
    from .agreement import disagreements
    from .alert_mail import MailServer
    from .api_double import create_api
    from .api_faults import API_FAULTS, at_random
    from .campaign_report import Report
    from .clock import Clock
    from .faults import FAULTS, Fault, UnknownFault
    from .posting import Unreachable
    from .retry_schedule import Retries
    from .simulated_message import SimulatedMessage
    from .simulator import FreshdeskSimulator
    from .webhook import FormNotSaved

__all__ = [
    "API_FAULTS",
    "FAULTS",
    "Account",
    "Agent",
    "Clock",
    "Fault",
    "FormNotSaved",
    "FreshdeskSimulator",
    "MailServer",
    "Report",
    "Retries",
    "SimulatedMessage",
    "UnknownFault",
    "Unreachable",
    "WebhookForm",
    "at_random",
    "create_api",
    "disagreements",
]

_MODULES = {
    "API_FAULTS": "api_faults",
    "FAULTS": "faults",
    "Account": "account",
    "Agent": "account",
    "Clock": "clock",
    "Fault": "faults",
    "FormNotSaved": "webhook",
    "FreshdeskSimulator": "simulator",
    "MailServer": "alert_mail",
    "Report": "campaign_report",
    "Retries": "retry_schedule",
    "SimulatedMessage": "simulated_message",
    "UnknownFault": "faults",
    "Unreachable": "posting",
    "at_random": "api_faults",
    "create_api": "api_double",
    "disagreements": "agreement",
}


def __getattr__(name: str) -> Any:
    """Import on access: a receiver needs only the form."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
