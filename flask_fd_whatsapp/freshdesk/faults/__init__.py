"""What can go wrong on the way from WhatsApp to the receiver, by name."""

from .base import Fault, UnknownFault
from .registry import FAULTS, chosen

__all__ = ["FAULTS", "Fault", "UnknownFault", "chosen"]
