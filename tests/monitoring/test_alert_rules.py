from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask

from flask_fd_whatsapp.monitoring import LedgerCollector
from flask_fd_whatsapp.monitoring.attention import Limits

ROOT = Path(__file__).parents[2]
RULES = [
    rule
    for group in yaml.safe_load((ROOT / "docs/prometheus-alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]


def names(app: Flask) -> set[str]:
    """The collector's metrics, by the names used in queries."""
    return {
        metric.name + "_total" * (metric.type == "counter")
        for metric in LedgerCollector(app).describe()
    }


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_rules_ask_for_metrics_that_there_are(rule: dict[str, Any], app: Flask) -> None:
    """Each rule uses only the collector's metrics, and says how urgent it is."""
    known = names(app)
    asked = set(re.findall(r"fd_whatsapp_\w+", rule["expr"]))
    assert asked
    assert asked <= known
    assert rule["labels"]["severity"] in ("page", "ticket")


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_rules_lead_to_what_to_do(rule: dict[str, Any]) -> None:
    """Each rule says what is wrong, and names the section that says what to do."""
    assert rule["annotations"]["summary"]
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.*)$", (ROOT / page).read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings}
    assert anchor in anchors


def test_every_rule_of_status_has_a_remedy() -> None:
    """The message of each of `status`'s rules is on the page that says what to do."""
    page = (ROOT / "docs/operating.md").read_text()
    for limit in fields(Limits):
        option = limit.name.replace("_", "-")
        assert f"`--{option}`" in page or f"`--no-{option}`" in page, option


def test_each_way_to_trouble_says_what_to_do() -> None:
    """Each section of it has a symptom, and a remedy."""
    page = (ROOT / "docs/operating.md").read_text()
    sections = re.split(r"^##+ ", page, flags=re.MULTILINE)
    troubles = [one for one in sections if "**Symptom.**" in one]
    assert len(troubles) >= 15
    for one in troubles:
        assert re.search(r"\*\*(Remedy|Cause and remedy)\.\*\*", one), one.splitlines()[0]


def test_metrics_are_documented(app: Flask) -> None:
    """The page lists every metric of the collector, and no others."""
    page = (ROOT / "docs/monitoring.md").read_text()
    documented = set(re.findall(r"^\| `(fd_whatsapp_\w+)`", page, re.MULTILINE))
    assert documented == names(app)
