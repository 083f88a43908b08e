"""Output of the commands: JSON, tables, times, and text from outside."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import Any, Final, TypeVar

import click

from ..escaping import plain as plain
from ..escaping import quoted as quoted
from ..escaping import short as short
from ..monitoring.wording import many as many
from ..monitoring.wording import span as span

T = TypeVar("T")

_STDOUT: Final = "flask_fd_whatsapp.stdout"


def json_alone(context: click.Context, _: click.Parameter, as_json: bool) -> bool:
    """With ``--json``, redirect everything else that is printed to standard error."""
    if as_json:
        context.meta[_STDOUT] = sys.stdout
        context.with_resource(redirect_stdout(sys.stderr))
    return as_json


def print_json(value: Any) -> None:
    """Print *value* as JSON, for people and programs."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=_jsonable)
    click.echo("\n".join(plain(line) for line in text.split("\n")), _stdout())


def print_json_rows(name: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Print an object with a single list, one row per line, as the rows arrive.

    Nothing is printed before the first row, since finding it may fail.
    """
    stdout = _stdout()
    rows = iter(rows)
    first = list(islice(rows, 1))
    click.echo(f'{{"{name}": [', stdout, nl=False)
    for place, row in enumerate(chain(first, rows)):
        text = json.dumps(row, default=_jsonable)
        click.echo(f"{',' if place else ''}\n  {text}", stdout, nl=False)
    click.echo("\n]}", stdout)


def _stdout() -> Any:
    """Return standard output for JSON, even while everything else is redirected."""
    context = click.get_current_context(silent=True)
    return context.meta.get(_STDOUT) if context else None


def _jsonable(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return round(value.total_seconds(), 3)
    return str(value)


def when(moment: datetime | None) -> str:
    """Format a time in UTC with milliseconds."""
    if moment is None:
        return "-"
    return moment.astimezone(UTC).isoformat(" ", "milliseconds").replace("+00:00", "Z")


def print_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows as a table; ids of any length fit, and longer cells are cut."""
    texts = [list(head), *([short(str(cell)) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(head))]
    for row in texts:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


@contextmanager
def share_of(label: str) -> Generator[Callable[[int, int], None]]:
    """Context manager for a callback ``(done, total)`` that shows a progress bar on a terminal."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    with click.progressbar(length=1, label=label, file=sys.stderr) as bar:

        def tell(done: int, total: int) -> None:
            bar.length = max(total, 1)
            bar.update(done - bar.pos)

        yield tell


@contextmanager
def progress(
    items: Iterable[T],
    label: str,
    length: int | None = None,
    show: Callable[[T | None], str | None] | None = None,
) -> Generator[Iterable[T]]:
    """Yield *items* with a progress bar, if the output is a terminal.

    :param length: how many there are, ``None`` if unknown.
    :param show: the text for an item, instead of the count so far.
    """
    if not sys.stderr.isatty():
        yield items
        return
    with click.progressbar(
        items,
        length=length,
        label=label,
        show_pos=show is None,
        item_show_func=show,
        file=sys.stderr,
    ) as shown:
        yield shown
