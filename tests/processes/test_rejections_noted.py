"""What a monitor in another process sees of the requests that a server rejects."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
from flask import Flask

from flask_fd_whatsapp.ledger.sql import SQLLedger

from ..conftest import URL
from .aftermath import prepare
from .server import Server, running
from .waiting import TIMEOUT, wait_until


def post(port: int, headers: Mapping[str, str]) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)) as connection:
        connection.request("POST", URL, b"{}", dict(headers))
        return connection.getresponse().status


@pytest.mark.parametrize("worker_class", ["gthread", "sync"])
def test_a_wrong_token_among_scans(url: str, tmp_path: Path, worker_class: str) -> None:
    """Among requests without any token, one with a wrong token is reported, in any order."""
    prepare(url)
    server = Server(tmp_path, {"LEDGER_URL": url}, worker_class=worker_class)
    monitor = SQLLedger.from_url(url, Flask("monitor"))
    with running(server):
        for _ in range(20):
            assert post(server.port, {}) == 401
        assert post(server.port, {"Authorization": "Bearer old"}) == 401
        for _ in range(20):
            assert post(server.port, {}) == 401
        wait_until(
            lambda: {one.has_no_header for one in monitor.rejections.last()} == {True, False},
            "both are noted",
        )
        wrong = next(one for one in monitor.rejections.last() if not one.has_no_header)
        assert wrong.detail == "Header Authorization has a wrong value: see FD_WHATSAPP_HEADERS."
    monitor.engine.dispose()
