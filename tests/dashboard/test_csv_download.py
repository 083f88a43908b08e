from __future__ import annotations

import csv
import io

import pytest

from flask_fd_whatsapp.testing import EventBuilder, WhatsAppClient

from .conftest import PAGES, MakePages, fill


def test_downloads_are_named_and_typed(make_pages: MakePages) -> None:
    """Each is a CSV to save, with a header and a row for each message."""
    app = make_pages()
    fill(app)
    for view, rows in (("messages", 6), ("failures", 1), ("campaigns", 2)):
        answer = app.test_client().get(f"{PAGES}/{view}.csv")
        assert answer.mimetype == "text/csv"
        disposition = answer.headers["Content-Disposition"]
        assert disposition.startswith(f'attachment; filename="whatsapp-{view}-')
        assert disposition.endswith('.csv"')
        assert len(list(csv.DictReader(io.StringIO(answer.text)))) == rows


def test_hostile_references_and_names_of_agents_stay_out(make_pages: MakePages) -> None:
    """A reference that is a formula is exported as text; names are not exported."""
    app = make_pages(show_actors=True, show_payloads=True)
    message = EventBuilder(external_reference_id='=cmd|"/c calc"!A1')
    actor = {"id": 1, "name": "Ada Lovelace", "type": "agent"}
    WhatsAppClient(app).post(message.queued())
    WhatsAppClient(app).post(
        message.event("FAILED", actor=actor, error={"code": "=1", "message": "@x"})
    )
    for view in ("messages.csv", "failures.csv?since=2025-11-01"):
        text = app.test_client().get(f"{PAGES}/{view}").text
        (row,) = csv.DictReader(io.StringIO(text))
        assert row["external_reference_id"] == '\'=cmd|"/c calc"!A1'
        assert (row["failure_code"], row["failure_text"]) == ("'=1", "'@x")
        assert "Ada" not in text


def test_a_large_download_is_whole(make_pages: MakePages, monkeypatch: pytest.MonkeyPatch) -> None:
    """It continues from batch to batch until the last message."""
    from flask_fd_whatsapp.dashboard import message_paging

    monkeypatch.setattr(message_paging, "BATCH", 2)
    app = make_pages()
    fill(app)
    text = app.test_client().get(f"{PAGES}/messages.csv").text
    assert len(list(csv.DictReader(io.StringIO(text)))) == 6


def test_lists_to_take_away_hold_their_classes(make_pages: MakePages) -> None:
    """Recipients not to write to again and messages worth sending again are separate lists."""
    app = make_pages()
    fill(app)
    client = app.test_client()
    assert "spring-6" in client.get(f"{PAGES}/failures.csv?list=do-not-send").text
    assert "spring-6" not in client.get(f"{PAGES}/failures.csv?list=send-again").text
