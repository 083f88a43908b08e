"""A pytest plugin for host applications' own tests; loaded only on request.

.. code-block:: python

    # conftest.py
    pytest_plugins = ["flask_fd_whatsapp.testing"]

It uses the test suite's own fixture ``app``: the application under test.

PYTEST_DONT_REWRITE: nothing in here uses ``assert``, and a suite may import it first.
"""

try:
    import pytest
except ModuleNotFoundError as error:
    if error.name != "pytest":
        raise
    raise ModuleNotFoundError(
        "flask_fd_whatsapp.testing is for tests run by pytest, which is not installed: pip "
        "install pytest.",
        name="pytest",
    ) from None
else:
    del pytest

from .builder import EventBuilder, EventFields, Payload
from .checks import JOURNEYS, assert_same_in_every_order, assert_same_under_duplicates
from .client import WhatsAppClient
from .every_payload import assert_handles_every_payload
from .fixtures import fd_whatsapp_client, fd_whatsapp_events, fd_whatsapp_signals
from .recorder import SentSignal

__all__ = [
    "JOURNEYS",
    "EventBuilder",
    "EventFields",
    "Payload",
    "SentSignal",
    "WhatsAppClient",
    "assert_handles_every_payload",
    "assert_same_in_every_order",
    "assert_same_under_duplicates",
    "fd_whatsapp_client",
    "fd_whatsapp_events",
    "fd_whatsapp_signals",
]
