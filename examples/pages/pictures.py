"""Makes the pictures of the documentation: ``python -m examples.pages.pictures docs/pictures``.

Needs Chromium and Playwright. The week is simulated, the same at each run save for its dates.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import ViewportSize, sync_playwright
from werkzeug.serving import make_server

from flask_fd_whatsapp.ledger import Ledger
from flask_fd_whatsapp.ledger.listing import MessageFilter

from .app import PASSWORD, create_app
from .week import receive_a_week

PAGES = "/freshdesk/whatsapp/dashboard"
SIZE: ViewportSize = {"width": 1280, "height": 1340}
SCALE = 0.75


def main(target: Path) -> None:
    """Overview, Campaign and Message, as PNG."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        app = create_app(folder)
        receive_a_week(app, folder, messages=1200)
        ledger: Ledger = app.extensions["fd_whatsapp"]["fd_whatsapp"].ledger
        (read,) = ledger.browser.page(MessageFilter(status="READ"), limit=1)
        server = make_server("127.0.0.1", 0, app, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.port}"
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
            page = browser.new_page(viewport=SIZE, device_scale_factor=SCALE)
            page.goto(f"{base}/login")
            page.fill("input", PASSWORD)
            page.click("button")
            for picture, view in (
                ("overview", "/"),
                ("campaign", "/campaign?campaign=spring-preview"),
                ("message", f"/message?id={quote(read.message.message_id)}"),
            ):
                page.goto(base + PAGES + view)
                page.screenshot(path=target / f"{picture}.png")
            browser.close()
        server.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
