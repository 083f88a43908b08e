"""How many messages reached each stage."""

from __future__ import annotations

from ...engagement import Figures
from ..wordings import interval, number, rate
from .axes import Chart, across


def funnel(figures: Figures, name: str, title: str, note: str) -> Chart:
    """How many messages reached each stage, out of all that are known."""
    waiting = figures.queued + figures.unheard
    stages = (
        (
            "Known",
            figures.known,
            None,
            "awaiting",
            "",
            _lost((figures.failed_before, "failed"), (waiting, "queued or unheard")),
        ),
        (
            "Submitted",
            figures.submitted,
            figures.submission_rate,
            "awaiting",
            "known",
            _lost((figures.failed_after, "failed"), (figures.awaiting, "without an answer yet")),
        ),
        (
            "Delivered",
            figures.delivered,
            figures.delivery_rate,
            "delivered",
            "submitted",
            _lost((figures.delivered - figures.read, "not read, or with receipts off")),
        ),
        ("Read", figures.read, figures.read_rate, "read", "delivered", ""),
    )
    rows = [
        {
            "label": label,
            "count": number(count),
            "rate": rate(share) if share and share.denominator else None,
            "of": share and number(share.denominator),
            "noun": noun,
            "ci": share and interval(share),
            "y": place * 64,
            "w": across(count / figures.known if figures.known else 0),
            "kind": kind,
            "lost": lost,
        }
        for place, (label, count, share, kind, noun, lost) in enumerate(stages)
    ]
    return {
        "id": name,
        "title": title,
        "note": note,
        "rows": rows,
        "height": len(rows) * 64 - 26,
        "desc": f"Of {number(figures.known)} known messages {number(figures.submitted)} were "
        f"submitted to WhatsApp, {number(figures.delivered)} delivered and "
        f"{number(figures.read)} read.",
    }


def _lost(*parts: tuple[int, str]) -> str:
    return ", ".join(f"{number(count)} {what}" for count, what in parts if count)
