"""Freshdesk's API in this process, through which the host sends messages and asks about them."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from threading import Thread

from werkzeug.serving import WSGIRequestHandler, make_server

from flask_fd_whatsapp.simulator import FreshdeskSimulator, create_api

API_KEY = "k3yk3yk3y"
CALLS_A_MINUTE = 100_000
"""More than any plan has, since all this takes half a minute."""


class _Quiet(WSGIRequestHandler):
    """Logs no requests."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None: ...


@contextmanager
def serving(simulator: FreshdeskSimulator) -> Generator[str]:
    """Serve the API with the simulator's messages; yield its URL."""
    api = create_api(simulator, api_key=API_KEY, calls_a_minute=CALLS_A_MINUTE)
    server = make_server("127.0.0.1", 0, api, threaded=True, request_handler=_Quiet)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
