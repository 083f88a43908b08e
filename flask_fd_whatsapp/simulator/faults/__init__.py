"""What can go wrong on the way from WhatsApp to the receiver, by name."""

from .fault import Fault, UnknownFault
from .fault_registry import FAULTS, chosen

__all__ = ["FAULTS", "Fault", "UnknownFault", "chosen"]
