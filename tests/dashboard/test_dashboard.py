from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask
from flask.testing import FlaskClient

from flask_fd_whatsapp import FreshdeskWhatsApp
from flask_fd_whatsapp.dashboard import Dashboard
from flask_fd_whatsapp.exceptions import ConfigurationError
from flask_fd_whatsapp.ledger.sql import SQLLedger
from flask_fd_whatsapp.receiving.write_behind import finish_writes
from flask_fd_whatsapp.testing import EventBuilder, WhatsAppClient

from .conftest import PAGES, MakePages, fill, let_in
from .test_guarding import urls

FOLDER = Path(__file__).parents[2] / "flask_fd_whatsapp" / "dashboard"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
VIEWS = (
    "/",
    "/campaigns",
    "/campaign?campaign=spring",
    "/campaign?without=campaign",
    "/failures",
    "/messages",
    "/operations",
    "/messages.csv",
    "/failures.csv",
    "/campaigns.csv",
)


def words(text: str) -> str:
    """A page without its tags."""
    return re.sub(r"<[^>]*>", "", text)


def test_every_answer_carries_the_headers(make_pages: MakePages) -> None:
    """Pages, downloads, static files and errors have the policy; all but the files are not stored.

    Nor is a file that is not there.
    """
    app = make_pages()
    client = app.test_client()
    for url in [*urls(app), f"{PAGES}/static/none", f"{PAGES}/message?id=none"]:
        headers = client.get(url, buffered=True).headers
        assert headers["Content-Security-Policy"] == POLICY, url
        assert headers["X-Content-Type-Options"] == "nosniff"
        is_file = url.endswith("/style.css")
        assert headers["Cache-Control"] == ("private, max-age=86400" if is_file else "no-store")
        assert headers["Referrer-Policy"] == "no-referrer"


def test_nothing_can_be_written(make_pages: MakePages) -> None:
    """No endpoint takes a method that changes something."""
    app = make_pages()
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("fd_whatsapp_dashboard."):
            assert rule.methods is not None
            assert rule.methods <= {"GET", "HEAD", "OPTIONS"}
    for url in urls(app):
        assert app.test_client().post(url).status_code == 405


@pytest.mark.parametrize("view", VIEWS)
def test_pages_of_an_empty_ledger_say_so(pages: FlaskClient, view: str) -> None:
    """Each page of an empty ledger says so, without errors."""
    answer = pages.get(PAGES + view)
    assert answer.status_code == 200
    if not view.endswith(".csv"):
        assert re.search(r"\bNo\b|\bNothing\b|no campaign", answer.text)


@pytest.mark.parametrize("view", VIEWS)
def test_pages_of_a_few_messages_are_whole(make_pages: MakePages, view: str) -> None:
    """Each page shows what is there."""
    app = make_pages()
    fill(app)
    answer = app.test_client().get(PAGES + view)
    assert answer.status_code == 200
    assert "None" not in re.sub(r"None (yet|has|that|meets|failed)", "", answer.text)


def test_all_pages_are_linked_from_the_first(pages: FlaskClient) -> None:
    """Even with an empty ledger, the first page links to at least five others."""
    found = set(re.findall(rf'href="({PAGES}/[a-z]*)"', pages.get(f"{PAGES}/").text))
    assert {
        f"{PAGES}/{name}" for name in ("", "campaigns", "failures", "messages", "operations")
    } <= found


def test_there_is_no_inline_script_or_style() -> None:
    """No template has what the policy would refuse, and the script is small."""
    for path in (FOLDER / "templates").rglob("*.html"):
        text = path.read_text()
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:", text), path.name
        assert re.findall(r"<script(?![^>]* src=)", text) == [], path.name
        assert "|safe" not in text
    assert (FOLDER / "static" / "pages.js").stat().st_size < 5000


def test_a_ledger_that_is_down_is_a_page_with_the_remedy(
    make_pages: MakePages, tmp_path: Path
) -> None:
    """Every page is a 503 that names the command, without a password or a traceback."""
    url = "postgresql+psycopg://fdw:s3cr3tpw@127.0.0.1:9/none"
    app = make_pages({"FD_WHATSAPP_LEDGER_URL": url})
    app.testing = False
    for view in VIEWS:
        answer = app.test_client().get(PAGES + view)
        assert answer.status_code == 503, view
        assert "flask fd-whatsapp check" in words(answer.text)
        assert "The ledger cannot be read" in answer.text
        assert "s3cr3tpw" not in answer.text
        assert answer.headers["Content-Security-Policy"] == POLICY


def test_tables_that_are_not_upgraded_are_no_error(make_pages: MakePages, tmp_path: Path) -> None:
    """A database without tables is a page that names ``upgrade``."""
    from sqlalchemy import create_engine

    engine = create_engine(f"sqlite:///{tmp_path / 'empty.db'}")
    app = Flask("host")
    app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": "Bearer s3cret"}
    app.register_blueprint(FreshdeskWhatsApp(ledger=SQLLedger(engine)))
    app.register_blueprint(Dashboard(guard=let_in))
    for view in VIEWS:
        answer = app.test_client().get(PAGES + view)
        assert answer.status_code == 503, view
        assert "flask fd-whatsapp upgrade" in words(answer.text)
    engine.dispose()


def test_the_memory_ledger_is_named_as_that(pages: FlaskClient) -> None:
    """For an in-memory ledger the pages say so, with the setting to change."""
    for view in ("/", "/operations"):
        assert "forgotten with it" in pages.get(PAGES + view).text
        assert "FD_WHATSAPP_LEDGER_URL" in pages.get(PAGES + view).text


def test_what_is_not_known_in_payloads_is_listed(make_pages: MakePages) -> None:
    """Each drift has a line with its place, and a link to a message that has it."""
    app = make_pages()
    message = EventBuilder()
    event = message.event("SENT")
    event["data"]["<b>button"] = 1
    event["data"]["button"] = 1
    WhatsAppClient(app).post(event)
    finish_writes(5)
    text = app.test_client().get(f"{PAGES}/operations").text
    assert "<bdi>data.button</bdi>" in text
    assert "data.(other)" in text
    assert f"message?id={message.message_id}" in text


def test_pages_work_wherever_they_are_mounted(make_pages: MakePages) -> None:
    """Nested in another blueprint, under its prefix, with the server's own before it."""
    app = Flask("host")
    app.config["FD_WHATSAPP_HEADERS"] = {"Authorization": "Bearer s3cret"}
    app.config["APPLICATION_ROOT"] = "/support"
    app.register_blueprint(FreshdeskWhatsApp())
    admin = Blueprint("admin", __name__, url_prefix="/admin")
    admin.register_blueprint(Dashboard(guard=let_in, url_prefix="/wa"))
    app.register_blueprint(admin)
    fill(app)
    client = app.test_client()
    for view in VIEWS:
        answer = client.get(
            f"http://localhost/admin/wa{view}",
            environ_base={"SCRIPT_NAME": "/support"},
            buffered=True,
        )
        assert answer.status_code == 200, view
        links = re.findall(r'(?:href|src|action)="(/[^"]*)"', answer.text)
        assert all(one.startswith("/support/admin/wa/") for one in links)
        assert answer.headers["Content-Security-Policy"] == POLICY
    static = client.get(
        "http://localhost/admin/wa/static/style.css",
        environ_base={"SCRIPT_NAME": "/support"},
        buffered=True,
    )
    assert static.mimetype == "text/css"


def test_several_dashboards_stand_beside_each_other(make_pages: MakePages) -> None:
    """Each dashboard has its own name, URL, guard and receiver, and shows nothing of the
    other's.
    """
    app = make_pages(receiver="fd_whatsapp")
    app.config["UK_HEADERS"] = {"Authorization": "Bearer uk"}
    app.register_blueprint(FreshdeskWhatsApp("uk", config_prefix="UK", url_prefix="/uk"))
    app.register_blueprint(
        Dashboard("uk_pages", guard=let_in, receiver="uk", url_prefix="/uk/pages")
    )
    message = fill(app, "uk")
    client = app.test_client()
    assert "spring-1" in client.get("/uk/pages/messages").text
    for view in ("/messages", "/operations", "/?receiver=uk", "/messages?receiver=uk"):
        assert "spring-1" not in client.get(PAGES + view).text
    assert "No message has" in client.get(f"{PAGES}/message?id={message.message_id}").text


def test_receivers_on_one_ledger_keep_to_their_own(tmp_path: Path) -> None:
    """On a ledger that two receivers share, a dashboard for one shows only that one's."""
    app = Flask("host")
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    for prefix in ("FD_WHATSAPP", "UK"):
        app.config[f"{prefix}_HEADERS"] = {"Authorization": f"Bearer {prefix}"}
        app.config[f"{prefix}_LEDGER_URL"] = url
    app.register_blueprint(FreshdeskWhatsApp())
    app.register_blueprint(FreshdeskWhatsApp("uk", config_prefix="UK", url_prefix="/uk"))
    app.register_blueprint(Dashboard(guard=let_in))
    app.register_blueprint(
        Dashboard(
            "own", guard=let_in, receiver="fd_whatsapp", url_prefix="/own", show_payloads=True
        )
    )
    message = fill(app, "uk")
    WhatsAppClient(app, "uk").post("uk's alone")
    client = app.test_client()
    both = client.get(f"{PAGES}/messages").text
    assert "spring-1" in both
    assert 'option value="uk"' in both
    assert "spring-1" not in client.get(f"{PAGES}/messages?receiver=fd_whatsapp").text
    for view in (
        "/",
        "/messages",
        "/campaigns",
        "/failures",
        "/operations?entry=1",
        "/messages.csv",
    ):
        text = client.get(f"/own{view}").text
        assert "spring" not in text
        assert "alone" not in text
    assert "No message has" in client.get(f"/own/message?id={message.message_id}").text


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"tz": "Mars/Olympus"}, id="no such zone"),
        pytest.param({"message_url": "javascript:alert({message_id})"}, id="a script"),
        pytest.param({"message_url": "https://example.com/{ticket}"}, id="no such field"),
        pytest.param({"message_url_label": "Ticket {ticket}"}, id="no such field in the label"),
    ],
)
def test_wrong_options_are_refused_at_once(options: dict[str, Any]) -> None:
    """A mistake is reported when the blueprint is created, with the name of the option."""
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        Dashboard(guard=let_in, **options)


def test_a_host_overrides_a_block(make_pages: MakePages, tmp_path: Path) -> None:
    """A template of the host may extend the package's and change blocks."""
    own = tmp_path / "templates" / "fd_whatsapp"
    own.mkdir(parents=True)
    own.joinpath("base.html").write_text(
        '{% extends "fd_whatsapp/layout.html" %}{% block footer %}Own footer{% endblock %}'
    )
    app = make_pages()
    app.template_folder = str(tmp_path / "templates")
    text = app.test_client().get(f"{PAGES}/").text
    assert "Own footer" in text
    assert "Read-only" not in text
    assert "Is it alive?" in text


def test_a_host_that_escapes_nothing_has_pages_that_escape(make_pages: MakePages) -> None:
    """Neither the host's way to escape nor its delimiters reach these templates."""
    app = make_pages(title="<b>Ours</b>")
    app.jinja_options = {
        "autoescape": False,
        "variable_start_string": "[[",
        "variable_end_string": "]]",
    }
    text = app.test_client().get(f"{PAGES}/").text
    assert "&lt;b&gt;Ours" in text
    assert "<b>Ours" not in text


def test_time_is_shown_in_the_chosen_zone(make_pages: MakePages) -> None:
    """The zone is named on each page."""
    app = make_pages(tz="Asia/Kolkata")
    fill(app)
    client = app.test_client()
    assert "Times are in Asia/Kolkata" in client.get(f"{PAGES}/").text
    assert "+05:30" in client.get(f"{PAGES}/messages").text


@pytest.mark.parametrize(
    "query",
    [
        "since=yesterday",
        "since=2026-13-01",
        "since=0001-01-01&until=9999-12-31",
        "since=2026-03-02&until=2026-03-01",
        "since=9999d",
        "receiver=nobody",
        "sort=--",
        "status=SEEN",
        "stuck_for=long",
        "before=x",
        "before=99999999999999999999-1",
        "after=1-99999999999999999999999",
        "entry=1e9",
        "entry=999999999999999999",
        "campaign=%00%ff",
        "account=%ED%A0%80",
        "a=x&b=y",
        "q=" + "x" * 5000,
        "class=none&code=%00",
        "times=yes&age=1000y",
    ],
)
def test_nonsense_in_the_url_is_no_error(make_pages: MakePages, query: str) -> None:
    """Every page works with any value of a filter."""
    app = make_pages()
    fill(app)
    client = app.test_client()
    for view in ("/", "/campaigns", "/failures", "/messages", "/operations"):
        assert client.get(f"{PAGES}{view}?{query}").status_code == 200, view


def test_a_code_of_any_length_leaves_the_page_small(make_pages: MakePages) -> None:
    """It is cut, and not linked: no URL could ask for it."""
    app = make_pages()
    fill(app)
    failed = EventBuilder(start=datetime.now(UTC) - timedelta(days=1))
    error = {"code": "2" * 5000, "message": "no"}
    WhatsAppClient(app).post(failed.event("FAILED", error=error))
    text = app.test_client().get(f"{PAGES}/failures").text
    assert f"{'2' * 39}…" in text
    assert "2" * 1001 not in text
    assert "code=131026" in text
    assert "code=222" not in text


@pytest.mark.parametrize("view", ["/", "/campaigns", "/failures", "/messages", "/operations"])
def test_no_filter_comes_back_with_what_reverses_text(pages: FlaskClient, view: str) -> None:
    """Not even in a hidden field, where it would reach whoever reads the source."""
    fill(pages.application)
    for field in ("campaign", "account", "receiver", "class", "name", "q", "code", "sort"):
        query = {field: "a\u202eb\u2066", "since": "7d"}
        answer = pages.get(f"{PAGES}{view}", query_string=query)
        assert (answer.status_code, field) == (200, field)
        assert not {"\u202e", "\u2066"} & set(answer.text), field
