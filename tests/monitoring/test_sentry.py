from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
from pathlib import Path

from flask import Flask, request

from ..simulator.servers import serving
from .sentry_host import AGENT, RECIPIENT, SECRETS

ROOT = Path(__file__).parents[2]
(RECIPE,) = (
    block
    for block in re.findall(
        r"^```python\n(.*?)^```$",
        (ROOT / "docs/monitoring.md").read_text(),
        re.DOTALL | re.MULTILINE,
    )
    if "sentry_sdk" in block
)


def sent_with(recipe: str) -> str:
    """What a host with that recipe sends to Sentry when a handler fails."""
    received: list[bytes] = []
    sentry = Flask("sentry")

    @sentry.post("/api/1/envelope/")
    def take() -> dict[str, str]:
        body = request.get_data()
        is_packed = request.headers.get("Content-Encoding") == "gzip"
        received.append(gzip.decompress(body) if is_packed else body)
        return {}

    with serving(sentry) as url:
        subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "tests.monitoring.sentry_host", recipe],
            env={**os.environ, "SENTRY_DSN": f"{url.replace('://', '://key@')}/1"},
            cwd=ROOT,
            check=True,
            timeout=60,
        )
    return b"".join(received).decode()


def test_recipe_for_sentry_sends_nothing_about_people() -> None:
    """The documented recipe sends failure, handler and ids, but no secret, recipient or agent."""
    text = sent_with(RECIPE)
    for expected in ("no tickets", '"handler":"tickets"', "01KAB4HHTBE081898E432RCMA7"):
        assert expected in text
    for hidden in (AGENT, RECIPIENT, RECIPIENT.lstrip("+"), *SECRETS.values(), "an0ther"):
        assert hidden not in text
    for token in SECRETS.values():
        assert token.split()[-1] not in text


def test_sentry_without_the_recipe_is_told_of_people() -> None:
    """Without the recipe an agent's name would be sent: it is needed, and the test can see it."""
    plain = re.sub(r"send_default_pii.*?\n    \)", ")", RECIPE, flags=re.DOTALL)
    assert AGENT in sent_with(plain)
