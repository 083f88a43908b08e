"""Dispatch on Celery: the request records an event and hands its id over to the host's workers."""

from .broker_check import broker_problem
from .publisher import Publisher
from .tasks import handle_event, sweep_events

__all__ = ["Publisher", "broker_problem", "handle_event", "sweep_events"]
