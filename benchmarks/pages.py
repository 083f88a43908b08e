"""The cost of the pages with a full ledger, and their effect on posts.

gunicorn serves pages and posts over HTTP from one SQLite ledger.
"""

from __future__ import annotations

import threading
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

from flask import Flask

from flask_fd_whatsapp.dashboard import Dashboard

from .command import NotMeasured, make_parser, positive, run, say, seconds
from .durable import durable
from .report import Table
from .requests import new_bodies
from .sent_messages import DAYS, SMALL_CAMPAIGN, fill_with_sent
from .server import LEDGER_URL, PAGES, serving
from .steady_posts import COLUMNS, post_for, row_of

PREFIX: Final = "/pages"

VIEWS: Final = {
    "Overview, 7 days": "/",
    "Overview, 30 days": "/?since=30d",
    "Campaigns, 30 days, two compared": "/campaigns?since=30d&a=campaign-1&b=campaign-2&age=now",
    "Campaign, 30 days": "/campaign?since=30d&campaign=campaign-1",
    "Campaign, a small one, with times": f"/campaign?since=30d&campaign={SMALL_CAMPAIGN}",
    "Failures, 30 days": "/failures?since=30d",
    "Messages": "/messages",
    "Messages that failed": "/messages?status=FAILED",
    "Operations": "/operations",
}

AIM_MS: Final = 400
AIM_KB: Final = 100

_PAGE_COLUMNS: Final = {
    "page": "whole days by when a message was sent",
    "first": "milliseconds of the first visit, which reads the messages",
    "again": f"milliseconds within the minute after, the median; the aim is at most {AIM_MS}",
    "kB": f"the size of the page, without its static files; the aim is at most {AIM_KB}",
}
_POST_COLUMNS: Final = {"while": "what else goes on", **COLUMNS}


def with_pages(app: Flask) -> Flask:
    """*app* with the pages, open to anybody."""
    app.register_blueprint(Dashboard(guard=lambda: True, url_prefix=PREFIX))
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the results."""
    run(parser(), measure, arguments)


def parser() -> ArgumentParser:
    """The options."""
    made = make_parser("pages", __doc__ or "", "--messages 50000 --seconds 10")
    made.add_argument("--messages", type=positive, default=1_000_000, help="in the ledger")
    made.add_argument("--visits", type=positive, default=10, help="of each page from its cache")
    made.add_argument("--rate", type=positive, default=30, help="posts a second")
    made.add_argument("--seconds", type=seconds, default=30, help="of posts, each time")
    return made


def measure(options: Namespace) -> list[Table]:
    """Each page several times, then posts alone, and posts while somebody requests all pages.

    :raises NotMeasured: if a page or an event is not answered with 200.
    """
    with TemporaryDirectory(prefix="benchmark-") as name:
        url = f"sqlite:///{name}/ledger.db"
        say(f"Filling SQLite with {options.messages:,} messages")
        ledger = durable(url).extensions["fd_whatsapp"]["fd_whatsapp"].ledger
        ledger.upgrade()
        fill_with_sent(ledger.engine, options.messages)
        ledger.engine.dispose()
        variables = {LEDGER_URL: url, PAGES: "yes"}
        with serving(Path(name), variables, worker_class="gthread", workers=1, threads=8) as port:
            bodies = new_bodies()
            post_for(port, bodies, options.rate, 2)  # done once per process
            pages = [_page(port, what, view, options.visits) for what, view in VIEWS.items()]
            posts = _posts(port, bodies, options)
    about = f"SQLite with {options.messages:,} messages of the last {DAYS} days; gunicorn with one "
    return [
        Table(
            title=f"The pages of {options.messages:,} messages",
            text=f"{about}worker of 8 threads.",
            columns=_PAGE_COLUMNS,
            rows=pages,
        ),
        Table(
            title="Posts while pages are open",
            text=f"{about}worker of 8 threads, {options.rate} posts a second.",
            columns=_POST_COLUMNS,
            rows=posts,
        ),
    ]


def _page(port: int, what: str, view: str, visits: int) -> dict[str, Any]:
    say(what)
    first, size = _visit(port, view)
    again = [_visit(port, view)[0] for _ in range(visits)]
    return {"page": what, "first": first * 1000, "again": median(again) * 1000, "kB": size / 1000}


def _visit(port: int, view: str) -> tuple[float, int]:
    """How many seconds a page took, and how many bytes it has."""
    start = time.perf_counter()
    with closing(HTTPConnection("127.0.0.1", port, timeout=300)) as connection:
        connection.request("GET", PREFIX + view)
        answer = connection.getresponse()
        body = answer.read()
    if answer.status != 200:
        raise NotMeasured(f"{view} was answered with {answer.status}")
    return time.perf_counter() - start, len(body)


def _posts(port: int, bodies: Iterator[bytes], options: Namespace) -> list[dict[str, Any]]:
    say("Posts alone")
    alone = post_for(port, bodies, options.rate, options.seconds)
    say("Posts while somebody looks at one page after the other")
    is_over = threading.Event()

    def look() -> None:
        while not is_over.is_set():
            for view in VIEWS.values():
                _visit(port, view)
                if is_over.wait(1):
                    return

    looking = threading.Thread(target=look)
    looking.start()
    try:
        beside = post_for(port, bodies, options.rate, options.seconds)
    finally:
        is_over.set()
        looking.join()
    return [
        {"while": "nothing", **row_of(alone)},
        {"while": "one looks at a page a second", **row_of(beside)},
    ]


if __name__ == "__main__":
    main()
