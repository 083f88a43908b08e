from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask

from flask_fd_whatsapp.monitoring import LedgerCollector

ROOT = Path(__file__).parents[2]
RULES = [
    rule
    for group in yaml.safe_load((ROOT / "docs/prometheus-alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]


def names(app: Flask) -> set[str]:
    """Those of the collector's metrics, as they are asked for."""
    return {
        metric.name + "_total" * (metric.type == "counter")
        for metric in LedgerCollector(app).describe()
    }


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_rules_ask_for_metrics_that_there_are(rule: dict[str, Any], app: Flask) -> None:
    """Each rule asks for metrics of the collector alone, and says how urgent it is."""
    known = names(app)
    asked = set(re.findall(r"fd_whatsapp_\w+", rule["expr"]))
    assert asked
    assert asked <= known
    assert rule["labels"]["severity"] in ("page", "ticket")


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_rules_lead_to_what_to_do(rule: dict[str, Any]) -> None:
    """Each rule says what is wrong, and names a page and a heading that say what to do."""
    assert rule["annotations"]["summary"]
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.*)$", (ROOT / page).read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings}
    assert anchor in anchors


def test_metrics_are_documented(app: Flask) -> None:
    """The page has every metric of the collector, and no other."""
    page = (ROOT / "docs/monitoring.md").read_text()
    documented = set(re.findall(r"^\| `(fd_whatsapp_\w+)`", page, re.MULTILINE))
    assert documented == names(app)
