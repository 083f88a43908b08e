"""The results, for people (Markdown) and programs (JSON)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .machine import versions
from .ratios import Ratio

Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Table:
    """What one benchmark found.

    :param text: how it was measured.
    :param columns: the columns by name, with what each means.
    :param rows: cells by column; a missing one stays empty.
    :param notes: what follows from the rows, and what could not be measured.
    """

    title: str
    text: str
    columns: Mapping[str, str]
    rows: Sequence[Row]
    notes: Sequence[str] = ()


def as_markdown(where: str, tables: Sequence[Table]) -> str:
    """Return *where* it was measured and with which versions, followed by the tables."""
    named = ", ".join(f"{name} {number}" for name, number in versions().items())
    parts = [f"- {where}\n- {named}"]
    for table in tables:
        meanings = [f"- **{name}**: {meaning}" for name, meaning in table.columns.items()]
        parts += [f"## {table.title}", table.text, _table(table), "\n".join(meanings), *table.notes]
    return "\n\n".join(parts)


def as_json(where: str, tables: Sequence[Table]) -> str:
    """The same for programs."""
    found = [{"title": table.title, "rows": table.rows, "notes": table.notes} for table in tables]
    result = {"machine": where, "versions": versions(), "tables": found}
    return json.dumps(result, indent=2, default=_plain)


def _table(table: Table) -> str:
    texts = {
        name
        for name in table.columns
        if any(isinstance(row.get(name), (str, Ratio)) for row in table.rows)
    }
    head = [
        " | ".join(table.columns),
        " | ".join("---" if name in texts else "---:" for name in table.columns),
    ]
    body = [" | ".join(_cell(row.get(name)) for name in table.columns) for row in table.rows]
    return "\n".join(f"| {line} |" for line in head + body)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return (
            f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
        )
    return str(value)


def _plain(value: object) -> dict[str, float]:
    if isinstance(value, Ratio):
        return asdict(value)
    raise TypeError(f"{value!r} has no form in JSON.")
