from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flask import Flask

from flask_fd_whatsapp import FreshdeskWhatsApp
from flask_fd_whatsapp.dashboard import Dashboard
from flask_fd_whatsapp.exceptions import GiveUp
from flask_fd_whatsapp.signals import message_queued
from flask_fd_whatsapp.testing import EventBuilder, WhatsAppClient

from .chromium import chromium, served
from .conftest import PAGES, fill, let_in

HOSTILE = (
    '"><script>top.ran=1</script><img src=x onerror=top.ran=1><svg onload=top.ran=1>'
    "</style><style>*{display:none}</style>{{7*7}}${7*7}'onfocus='top.ran=1' autofocus "
    "\u202e\u2066\x07\x1b[2J\u200b" + "W" * 400
)

WATCH = """
document.addEventListener('securitypolicyviolation', event => {
  (top.violations ||= []).push(event.violatedDirective + ' ' + event.blockedURI);
});
"""


PAPER = {"width": 688, "height": 1000}  # A4 without its margins


class Site(NamedTuple):
    """Where the pages are served, and the id of a message on them."""

    url: str
    message_id: str


def application(**options: Any) -> Flask:
    app = Flask("host")
    app.config.update(
        FD_WHATSAPP_HEADERS={"Authorization": "Bearer s3cret"},
        FD_WHATSAPP_CAMPAIGN=r"(?s)^(.+)-\d+$",
    )
    app.register_blueprint(FreshdeskWhatsApp())
    options = {"guard": let_in, "show_payloads": True, "show_actors": True, **options}
    app.register_blueprint(Dashboard(**options))
    return app


def post_hostile(app: Flask) -> EventBuilder:
    """Every text field of a payload, a handler's error and a quarantined body, all hostile."""

    def fails(sender: Flask, event: object) -> None:
        raise GiveUp(HOSTILE)

    client = WhatsAppClient(app)
    message = EventBuilder(
        message_id="M<b>'\"" + "x" * 200,
        external_reference_id=f"{HOSTILE}-1",
        start=datetime.now(UTC) - timedelta(hours=30),
    )
    actor = {"id": 1, "name": HOSTILE, "type": HOSTILE}
    error = {"code": HOSTILE, "message": HOSTILE}
    with message_queued.connected_to(fails, sender=app):
        client.post(message.event("QUEUED", actor=actor, account_domain=HOSTILE))
    client.post(message.event("FAILED", error=error, external_reference_id=f"{HOSTILE}-1"))
    client.post(message.event("<b>PLAYED", actor=actor))
    client.post({"event_type": "outbound_message_event", "note": HOSTILE})
    return message


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Pages with a few messages, shared by all tests: looking changes nothing."""
    app = application()
    message = fill(app)
    WhatsAppClient(app).post("{}")
    with served(app) as url:
        yield Site(url + PAGES, message.message_id)


@contextmanager
def looking(browser: Any, **options: Any) -> Generator[tuple[Any, list[str]]]:
    """A page, and what went wrong on it."""
    context = browser.new_context(**options)
    context.set_default_timeout(60_000)
    wrong: list[str] = []
    page = context.new_page()
    page.add_init_script(WATCH)
    page.on("console", lambda message: wrong.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append("a dialog"))
    try:
        yield page, wrong
    finally:
        context.close()


def views(message_id: str) -> list[str]:
    from urllib.parse import quote

    return [
        "/",
        "/campaigns?a=spring&b=winter",
        "/campaign?campaign=spring",
        "/failures",
        "/messages?status=FAILED",
        f"/message?id={quote(message_id)}",
        "/operations?entry=1",
    ]


def serious(page: Any) -> list[str]:
    """The accessibility problems that axe-core finds."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def stops_of(page: Any, most: int) -> list[list[str]]:
    """Tag, kind of outline and text of what Tab leads to, until it leads out of the page."""
    stops: list[list[str]] = []
    page.keyboard.press("Tab")
    while len(stops) < most:
        stop = page.evaluate(
            "(() => { const at = document.activeElement; return at === document.body ? null :"
            " [at.tagName, at.type === 'date' ? 'solid' : getComputedStyle(at).outlineStyle,"
            " at.textContent.trim()]; })()"  # a part of a date is shown in place
        )
        if stop is None:
            return stops
        stops.append(stop)
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead out of {page.url}.")


@pytest.mark.parametrize(
    ("scheme", "width"),
    [("light", 1600), ("dark", 1280), ("light", 768), ("dark", 360)],
    ids=["light and wide", "dark", "light and half as wide", "dark and narrow"],
)
def test_pages_are_accessible_and_fit(
    browser: Any, site: Site, scheme: str, width: int, tmp_path: Path
) -> None:
    """axe-core finds nothing serious, nothing is wider than the window, and no page is blank."""
    folder = Path(os.environ.get("FD_WHATSAPP_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    viewport = {"width": width, "height": 900}
    with looking(browser, color_scheme=scheme, viewport=viewport) as (page, wrong):
        for view in views(site.message_id):
            assert len(page.goto(site.url + view).body()) < 100_000, view
            assert serious(page) == [], view
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view
            name = view.strip("/").partition("?")[0] or "overview"
            shot = page.screenshot(path=folder / f"{name}-{scheme}-{width}.png", full_page=True)
            assert len(shot) > 8_000, view  # a blank one of that size has less
        assert wrong == []


def test_hostile_text_runs_nothing_and_breaks_nothing(browser: Any) -> None:
    """Each page stays intact when filled with scripts, markup, control characters and long
    words.
    """
    app = application(title="Ours")
    message = post_hostile(app)
    viewport = {"width": 360, "height": 900}
    with served(app) as url, looking(browser, viewport=viewport) as (page, wrong):
        from urllib.parse import quote

        campaign = quote(HOSTILE)
        for view in [
            *views(message.message_id),
            f"/campaign?campaign={campaign}",
            f"/messages?q={campaign}&campaign={campaign}",
            f"/campaigns?name={campaign}&a={campaign}&b={campaign}",
            f"/failures?code={campaign}",
            f"/message?id={campaign}",
        ]:
            page.goto(f"{url}{PAGES}{view}")
            for summary in page.query_selector_all("main summary"):
                summary.click()
            assert page.evaluate("top.ran") is None, view
            assert page.evaluate("top.violations") is None, view
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view
            assert page.is_visible("h1"), view
        assert wrong == []


def test_pages_work_without_javascript(browser: Any, site: Site) -> None:
    """Periods, sorting, filters and pages are links and forms."""
    with looking(browser, java_script_enabled=False) as (page, _):
        page.goto(f"{site.url}/campaigns")
        page.click("thead >> text=Failed")
        assert "sort=-failure_rate" in page.url
        page.click("text=30 days")
        assert "since=30d" in page.url
        page.goto(f"{site.url}/messages")
        page.select_option("#status", "READ")
        page.click(".panel button")
        assert "status=READ" in page.url
        assert page.locator("tbody tr").count() == 1
        page.fill("#find", "winter")
        page.click(".find button")
        assert page.locator("tbody tr").count() == 4


def test_sorting_needs_no_reload_with_javascript(browser: Any, site: Site) -> None:
    """A click sorts the table in place, and the address shows how."""
    with looking(browser) as (page, wrong):
        page.goto(f"{site.url}/campaigns")
        asked: list[str] = []
        page.on("request", lambda one: asked.append(one.url))
        names = "tbody th a"
        assert page.locator(names).all_inner_texts() == ["winter", "spring"]
        page.click("thead >> text=Campaign")
        assert page.locator(names).all_inner_texts() == ["spring", "winter"]
        page.click("thead >> text=Campaign")
        assert page.locator(names).all_inner_texts() == ["winter", "spring"]
        assert page.locator("th[aria-sort=descending]").inner_text() == "Campaign ↓"
        assert "sort=-campaign" in page.url
        assert not [one for one in asked if "/static/" not in one]
        assert wrong == []


def test_pages_are_used_by_keyboard_alone(browser: Any, site: Site) -> None:
    """On each page Tab reaches every link and control, visibly, and then leaves the page."""
    with looking(browser) as (page, _):
        for view in views(site.message_id):
            page.goto(site.url + view)
            count = page.evaluate(
                "[...document.querySelectorAll('a[href], button, input, select, summary, pre')]"
                ".filter(one => one.type !== 'hidden' && one.checkVisibility()).length"
            )
            stops = stops_of(page, count + 60)
            assert [one for one in stops if one[1] != "solid"] == [], view
            assert len(stops) >= count, view


def test_the_keyboard_leads_past_the_head_and_opens_tables(browser: Any, site: Site) -> None:
    """The first Tab leads to the content, and Enter follows each link."""
    with looking(browser) as (page, _):
        page.goto(f"{site.url}/")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the page"
        page.keyboard.press("Enter")
        seen = [one[2] for one in stops_of(page, 200)]
        assert "Refresh" in seen
        assert "30 days" in seen
        assert "Show as a table" in seen
        page.locator("summary").first.focus()
        page.keyboard.press("Enter")
        assert page.is_visible("figure details table")


def test_printed_pages_are_light_and_without_controls(browser: Any, site: Site) -> None:
    """On A4 no page has navigation or forms, or is too wide, whatever the screen's scheme."""
    with looking(browser, color_scheme="dark", viewport=PAPER) as (page, _):
        page.emulate_media(media="print")
        for view in views(site.message_id):
            page.goto(site.url + view)
            assert not page.is_visible("nav"), view
            assert not page.is_visible(".filters"), view
            paper = "getComputedStyle(document.body).backgroundColor"
            assert page.evaluate(paper) == "rgb(255, 255, 255)", view
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view
