from __future__ import annotations

from datetime import UTC, datetime

from flask import Flask

from flask_fd_whatsapp.ledger.drift import Drift, DriftKind

from .conftest import Post, RunCommand, RunJSON

MOMENT = datetime(2026, 11, 1, 8, tzinfo=UTC)


def note(app: Flask, post: Post) -> None:
    post(app, data__message_id="M1")
    app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger.drift.note(
        [
            Drift(
                receiver="fd_whatsapp",
                kind=DriftKind.FIELD,
                place="data.button\n",
                found="string",
                count=3,
                first_seen=MOMENT,
                last_seen=MOMENT,
                example="M1",
            )
        ]
    )


def test_drift_is_listed(durable: Flask, run: RunCommand, post: Post) -> None:
    """Each unknown part has a line with its count and a message's id."""
    assert "Nothing unknown has been seen" in run(durable, "drift").stdout
    note(durable, post)
    result = run(durable, "drift", "--receiver", "fd_whatsapp")
    assert result.exit_code == 0
    head, line = result.stdout.splitlines()
    assert head.startswith("last seen")
    assert line.split()[4:] == ["3", "field", r"data.button\n", "string", "M1", "fd_whatsapp"]


def test_drift_as_json(durable: Flask, run_json: RunJSON, post: Post) -> None:
    """--json has everything."""
    note(durable, post)
    assert run_json(durable, "drift") == {
        "drift": [
            {
                "receiver": "fd_whatsapp",
                "kind": "field",
                "place": "data.button\n",
                "found": "string",
                "count": 3,
                "first_seen": "2026-11-01T08:00:00Z",
                "last_seen": "2026-11-01T08:00:00Z",
                "example": "M1",
            }
        ]
    }
