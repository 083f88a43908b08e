"""Run both parts, one after the other; return exit status 0 if all went as expected, else 1."""

from __future__ import annotations

import signal
import sys
from http.client import HTTPException

from flask_fd_whatsapp import FreshdeskWhatsAppError

from . import campaign, samples
from .interrupts import temporary_folder


def main() -> int:
    """Play samples and campaign; return the exit status."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # as Ctrl-C
    try:
        with temporary_folder() as folder:
            mistakes = samples.play(folder) + campaign.play(folder)
    except KeyboardInterrupt:
        print("\nInterrupted: the servers are stopped, their files removed.", file=sys.stderr)
        return 130
    except (OSError, HTTPException, FreshdeskWhatsAppError) as error:
        print(f"\nThe demonstration broke off: {error}", file=sys.stderr)
        return 1
    print(
        "\nTo look at such a campaign: `make run`, then "
        "http://127.0.0.1:8000/freshdesk/whatsapp/dashboard/ (examples/pages)."
    )
    print(f"\n{mistakes} not as expected: see EXPECTED." if mistakes else "\nAll as expected.")
    return 1 if mistakes else 0


if __name__ == "__main__":
    sys.exit(main())
