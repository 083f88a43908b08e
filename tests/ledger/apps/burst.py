"""Processes that post the same events to one database at once: ``burst.py URL PROCESSES``.

Prints how often each answer was given, then how often each handler was called with each event.
"""

from __future__ import annotations

import json
import multiprocessing
import random
import sys
from collections import Counter
from typing import Any

from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp, StatusEvent, message_read, status_received
from flask_fd_whatsapp.signals import EVENT_SIGNALS

STATUSES = ("QUEUED", "SENT", "DELIVERED", "READ", "FAILED")
MESSAGES = ("M1", "M2", "M3", "M4")


def payload(message_id: str, status: str) -> dict[str, Any]:
    return {
        "account_id": "1",
        "event_type": "outbound_message_event",
        "data": {
            "message_id": message_id,
            "status": status,
            "timestamp": "2025-11-18T09:25:45.885Z",
        },
    }


def work(url: str, barrier: Any, results: Any) -> None:
    app = Flask("host")
    app.config.update(FD_WHATSAPP_ALLOW_UNAUTHENTICATED=True, FD_WHATSAPP_LEDGER_URL=url)
    app.register_blueprint(FreshdeskWhatsApp())
    calls: Counter[str] = Counter()
    answers: Counter[str] = Counter()

    def handler(name: str) -> Any:
        def call(app: Flask, event: StatusEvent) -> None:
            calls[f"{name} {event.message_id} {event.status}"] += 1

        call.__qualname__ = name
        return call

    for signal in EVENT_SIGNALS:
        if signal.name.startswith("message_"):
            signal.connect(handler("first"), weak=False)
    status_received.connect(handler("last"), weak=False)
    assert message_read.receivers
    client = app.test_client()
    bodies = [payload(message_id, status) for message_id in MESSAGES for status in STATUSES]
    random.shuffle(bodies)
    barrier.wait(60)
    for body in bodies:
        while (answer := client.post("/freshdesk/whatsapp", json=body)).status_code == 503:
            answers["busy"] += answer.headers["Retry-After"] != "5"
        answers[answer.get_json()["result"]] += 1
    app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger.engine.dispose()
    results.put((answers, calls))


def main(url: str, number: int) -> None:
    spawn = multiprocessing.get_context("spawn")
    barrier, results = spawn.Barrier(number), spawn.Queue()
    processes = [
        spawn.Process(target=work, args=(url, barrier, results), daemon=True) for _ in range(number)
    ]
    for process in processes:
        process.start()
    totals = Counter[str](), Counter[str]()
    for _ in processes:
        for total, part in zip(totals, results.get(timeout=60), strict=True):
            total.update(part)
    for process in processes:
        process.join(60)
    for total in totals:
        print(json.dumps(+total))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
