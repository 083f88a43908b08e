"""Times at the ends of Python's calendar, which WhatsApp would not send, but a gateway may."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from flask_fd_whatsapp.testing import WhatsAppClient

from .conftest import PAGES, MakePages

PATHS = (
    "/",
    "/?since=today",
    "/campaigns",
    "/campaign?campaign=spring",
    "/failures",
    "/messages",
    "/message?id=EDGE",
    "/operations",
    "/messages.csv",
)

MOMENTS = (
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:58Z",
    "9999-12-31T23:59:59.999999Z",
)


def body(moment: str, status: str) -> dict[str, Any]:
    data = {"message_id": "EDGE", "status": status, "timestamp": moment}
    data["external_reference_id"] = "spring-1"
    if status == "FAILED":
        data["error"] = {"code": "131026", "message": "No."}  # type: ignore[assignment]
    return {"account_id": "1", "event_type": "outbound_message_event", "data": data}


@pytest.mark.parametrize("tz", ["UTC", "Pacific/Kiritimati", "America/New_York"])
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("is_durable", [False, True])
def test_pages_reports_and_erasure_work_with_a_message_of_such_a_time(
    make_pages: MakePages, moment: str, tz: str, is_durable: bool
) -> None:
    """No page fails, the message is in every report, and it can be pruned or erased."""
    app: Flask = make_pages(
        {"FD_WHATSAPP_LEDGER_URL": "sqlite:///ledger.db", "FD_WHATSAPP_TIME_ZONE": tz}
        if is_durable
        else {"FD_WHATSAPP_TIME_ZONE": tz},
        tz=tz,
    )
    ledger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
    ledger.upgrade()
    for status in ("SENT", "FAILED"):
        assert WhatsAppClient(app).post(body(moment, status)).status_code == 200
    browser = app.test_client()
    answers = {path: browser.get(PAGES + path).status_code for path in PATHS}
    assert answers == dict.fromkeys(PATHS, 200)
    for by in ("day", "hour", ("day", "failure"), ("hour", "campaign")):
        report = ledger.engagement(by=by, tz=tz)
        assert [one.failed for one in report.groups.values()] == [1]
    runner = app.test_cli_runner()
    for command in ("report --by hour", "messages", "messages --json", "events", "message EDGE"):
        arguments = [*command.split(), *(["--tz", tz] if command.startswith("report") else [])]
        result = runner.invoke(args=["fd-whatsapp", *arguments])
        assert (result.exit_code, result.exception) == (0, None), result.output
    result = runner.invoke(args=["fd-whatsapp", "forget", "--message", "EDGE", "--yes"])
    assert (result.exit_code, result.exception) == (0, None), result.output
    assert ledger.message("EDGE") is None
    assert ledger.engagement(by="day", tz=tz).total.known == 1
    assert browser.get(f"{PAGES}/").status_code == 200
