"""A stand-in for Freshdesk: accepts the tickets' messages, and posts their events.

``python -m examples.tickets.freshdesk [URL OF THE WEBHOOK] [PORT OF THE API]``; a day takes a
second.
"""

from __future__ import annotations

import sys

from flask_fd_whatsapp.simulator import FreshdeskSimulator, create_api

API_KEY = "k3yk3yk3y"
URL = "http://127.0.0.1:5000/freshdesk/whatsapp"


def main(url: str = URL, port: str = "5001") -> None:
    """Serve the API, and post to *url*, until Ctrl-C."""
    simulator = FreshdeskSimulator(allow_http=True)
    simulator.save(url, {"Authorization": "Bearer s3cret"})
    simulator.enable()
    with simulator:
        create_api(simulator, api_key=API_KEY).run(port=int(port))


if __name__ == "__main__":
    main(*sys.argv[1:])
