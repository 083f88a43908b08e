"""Many accounts through gunicorn: one is added without a restart, and each has its own token."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ..conftest import PAYLOADS
from .server import Server, running


class Tenants:
    """The accounts in the file that the application reads, and a server for them."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.path = folder / "accounts.json"
        self.server = server
        self.accounts = {f"a{number}": (f"Bearer {number}", f"id{number}") for number in range(20)}
        self.write()

    def write(self) -> None:
        """Replace the file at once, as a database's commit would."""
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(self.accounts))
        new.rename(self.path)

    def send(self, key: str, token: str, account_id: str) -> tuple[int, bytes]:
        payload = json.loads((PAYLOADS / "queued.json").read_text())
        payload["account_id"] = account_id
        payload["data"]["message_id"] = f"M-{key}"
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=20)
        with closing(connection):
            connection.request(
                "POST",
                f"/freshdesk/{key}/whatsapp",
                json.dumps(payload),
                {"Authorization": token},
            )
            answer = connection.getresponse()
            return answer.status, answer.read()


@pytest.fixture
def tenants(tmp_path: Path, empty_ledger_file: Path) -> Iterator[Tenants]:
    ledger = tmp_path / "ledger.db"
    ledger.write_bytes(empty_ledger_file.read_bytes())
    settings: dict[str, object] = {"LEDGER_URL": f"sqlite:///{ledger}"}
    server = Server(tmp_path, settings, host="tests.apps.accounts:app")
    made = Tenants(tmp_path, server)
    with running(server):
        yield made
        server.stop()
    assert "Traceback" not in server.log


def test_each_account_has_its_own_token_over_http(tenants: Tenants) -> None:
    """Every account's token is valid only for its own URL and its own ids' events."""
    keys = list(tenants.accounts)
    refused = set()
    for key, neighbour in zip(keys, keys[1:] + keys[:1], strict=True):
        token, account_id = tenants.accounts[key]
        other_token, other_id = tenants.accounts[neighbour]
        assert tenants.send(key, token, account_id) == (200, b'{"result": "accepted"}\n')
        assert tenants.send(key, token, other_id)[0] == 403
        refused.add(tenants.send(key, other_token, account_id))
        refused.add(tenants.send(f"no-{key}", token, account_id))
    assert len(refused) == 1
    assert refused.pop()[0] == 401


def test_account_is_added_to_running_servers(tenants: Tenants) -> None:
    """A new account is accepted by all workers without a restart."""
    workers = tenants.server.workers()
    tenants.accounts["new"] = ("Bearer new", "id-new")
    tenants.write()
    answers = {tenants.send("new", "Bearer new", "id-new") for _ in range(8)}
    assert answers == {(200, b'{"result": "accepted"}\n'), (200, b'{"result": "duplicate"}\n')}
    assert tenants.send("new", "Bearer 0", "id-new")[0] == 401
    assert tenants.server.workers() == workers
