"""The other side: what Freshdesk's own pages ask for and do."""

from typing import TYPE_CHECKING, Any

from .form import WebhookForm

if TYPE_CHECKING:
    from .account import Account, Agent
    from .agreement import disagreements
    from .alert import MailServer
    from .api import create_api
    from .clock import Clock
    from .faults import FAULTS, Fault, UnknownFault
    from .messages import SimulatedMessage
    from .posting import Unreachable
    from .report import Report
    from .retries import Retries
    from .simulator import FreshdeskSimulator
    from .webhook import FormNotSaved

__all__ = [
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
    "create_api",
    "disagreements",
]

_MODULES = {
    "FAULTS": "faults",
    "Account": "account",
    "Agent": "account",
    "Clock": "clock",
    "Fault": "faults",
    "FormNotSaved": "webhook",
    "FreshdeskSimulator": "simulator",
    "MailServer": "alert",
    "Report": "report",
    "Retries": "retries",
    "SimulatedMessage": "messages",
    "UnknownFault": "faults",
    "Unreachable": "posting",
    "create_api": "api",
    "disagreements": "agreement",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for: a receiver needs the form alone."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
