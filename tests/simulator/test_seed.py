"""Same seed, same events, byte for byte."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from flask_fd_whatsapp.simulator import FAULTS, FreshdeskSimulator

from ..conftest import MakeApp

PRINT = """
from flask_fd_whatsapp.simulator import FreshdeskSimulator
simulator = FreshdeskSimulator(seed=7, faults=["all"])
import hashlib
digest = hashlib.sha256()
for number in range(60):
    for post in simulator.send(f"MM-{number}").posts:
        digest.update(b"%d %s" % (post.due, post.body()))
print(digest.hexdigest())
"""


def planned(messages: int = 60, **options: Any) -> list[tuple[Any, ...]]:
    """Everything that is decided about each post before it is posted."""
    simulator = FreshdeskSimulator(**options)
    return [
        (post.body(), post.due, post.content_type, post.wrong_token, post.manner, post.at_once)
        for number in range(messages)
        for post in simulator.send(f"MM-{number}").posts
    ]


@pytest.mark.parametrize("faults", [[], ["all"], *([name] for name in FAULTS)], ids=str)
def test_same_seed(faults: list[str]) -> None:
    """The same seed and faults give the same events, at the same times, in the same manner."""
    assert planned(seed=7, faults=faults) == planned(seed=7, faults=faults)


def test_the_same_seed_gives_the_same_in_another_process() -> None:
    """It does so in another process, too."""
    digests = {
        subprocess.run(
            [sys.executable, "-c", PRINT], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    }
    assert len(digests) == 1


def test_other_seed() -> None:
    """Another seed gives other events."""
    bodies = {body for body, *_ in planned(seed=7)}
    assert not bodies & {body for body, *_ in planned(seed=8)}


def test_order_of_faults() -> None:
    """The order in which faults are named changes nothing."""
    names = ["late", "duplicates", "unknown-status"]
    assert planned(faults=names) == planned(faults=names[::-1])


def test_faults_are_independent() -> None:
    """A fault strikes the same messages, whether another is on or not."""
    alone = [post[3] for post in planned(faults=["wrong-token"])]
    assert alone == [post[3] for post in planned(faults=["wrong-token", "unknown-fields"])]


def test_posted_as_planned(app: Any, make_app: MakeApp, make_simulator: Any) -> None:
    """The receiver gets, byte for byte, what was decided when the messages were sent."""
    from flask_fd_whatsapp.simulator.wsgi_transport import WSGITransport

    runs = []
    for _ in range(2):
        got: list[bytes] = []
        inner = make_app().wsgi_app

        def noting(environ: Any, start: Any, got: Any = got, inner: Any = inner) -> Any:
            body = environ["wsgi.input"].read()
            got.append(body)
            environ["wsgi.input"] = __import__("io").BytesIO(body)
            return inner(environ, start)

        simulator = make_simulator(
            "https://localhost/freshdesk/whatsapp",
            messages=20,
            seed=3,
            faults=["duplicates", "missing-fields"],
            make_transport=lambda url, noting=noting: WSGITransport(noting, url),
        )
        simulator.run()
        runs.append(sorted(got))
    assert runs[0] == runs[1]
