"""Run the campaign against a double of Freshdesk's API, kill it half way, and run it again.

Return exit status 0 if every customer got exactly one message, else 1.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from threading import Thread

from flask import Response
from werkzeug.serving import WSGIRequestHandler, make_server

from flask_fd_whatsapp.simulator import Account, FreshdeskSimulator, create_api

HERE = Path(__file__).parent
CUSTOMERS = HERE / "customers.csv"
KEY = "k3yk3yk3y"
CAMPAIGN = "spring"
LOST, KILLED = 7, 21
"""The calls whose answer gets lost, and before whose answer the sender is killed."""


class Sender:
    """Processes that send the campaign, one after the other."""

    def __init__(self, url: str, folder: Path) -> None:
        settings = {
            "HEADERS": json.dumps({"Authorization": "Bearer s3cret"}),
            "ACCOUNT_IDS": json.dumps([Account().id]),
            "DOMAIN": url,
            "API_KEY": KEY,
            "SENDER": "+14155550100",
            "LEDGER_URL": f"sqlite:///{folder / 'campaign.db'}",
        }
        self._environment = {
            **os.environ,
            **{f"FLASK_FD_WHATSAPP_{key}": value for key, value in settings.items()},
        }
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Send what remains to be sent; return the exit status."""
        flask = [sys.executable, "-m", "flask", "--app", "examples.campaign.app"]
        command = [*flask, "send-campaign", CAMPAIGN, str(CUSTOMERS)]
        with subprocess.Popen(command, cwd=HERE.parents[1], env=self._environment) as process:
            self._process = process
            return process.wait()

    def kill(self) -> None:
        """Kill the sending process with SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()


class Quiet(WSGIRequestHandler):
    """Logs no requests."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None: ...


def main() -> int:
    """Send the campaign, killed once and run again; return the exit status."""
    simulator = FreshdeskSimulator()
    trouble = [None] * (LOST - 1) + ["cut-after"]
    api = create_api(simulator, api_key=KEY, trouble=trouble)
    server = make_server("127.0.0.1", 0, api, threaded=True, request_handler=Quiet)
    Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory(prefix="fd_whatsapp_campaign_") as folder:
        sender = Sender(f"http://127.0.0.1:{server.server_port}", Path(folder))

        @api.after_request
        def kill(answer: Response) -> Response:
            if len(simulator.messages) == KILLED:
                sender.kill()
            return answer

        print(f"In call {KILLED} the process that sends is killed.", flush=True)
        sender.run()
        print("It was killed. Once more:", flush=True)
        sender.run()
    server.shutdown()
    server.server_close()
    references = Counter(one.external_reference_id for one in simulator.messages.values())
    customers = len(CUSTOMERS.read_text().splitlines()) - 1
    twice = sum(count > 1 for count in references.values())
    print(f"{len(references)} of {customers} customers were sent to, {twice} of them twice.")
    return 0 if len(references) == customers and not twice else 1


if __name__ == "__main__":
    sys.exit(main())
