"""What Freshdesk may send when the form is saved; whether it does is unknown."""

from __future__ import annotations

from collections.abc import Mapping

from .campaign_report import Report
from .posts import JSON
from .transport import NoAnswer, Outgoing, Transport

_METHODS = ("GET", "HEAD", "POST")


def send_probes(transport: Transport, headers: Mapping[str, str], report: Report) -> None:
    """Send a GET, a HEAD and an empty POST."""
    for method in _METHODS:
        sent = {**headers, "Content-Type": JSON} if method == "POST" else headers
        try:
            answer = str(transport.send(Outgoing(method=method, headers=sent)).status)
        except NoAnswer as error:
            answer = error.kind
        report.probed(f"{method} {answer}")
