"""CSV downloads: named, typed, and safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final

from flask import Response, stream_with_context

from ..engagement.export import cell
from ..ledger.patience import PAGE_SECONDS, waiting_at_most
from .visit import Visit

_BATCH: Final = 200


def download(
    name: str, visit: Visit, head: Sequence[str], rows: Iterable[Sequence[object]]
) -> Response:
    """Stream the rows as they are found, in constant memory.

    :param name: the beginning of the file's name; the day follows.
    """
    day = visit.now.astimezone(visit.options.zone).date().isoformat()
    lines = _lines(head, rows)
    first = next(lines)  # a ledger that is down gets its own page, not a truncated file
    rest = _waiting_less(lines)
    answer = Response(stream_with_context(chain([first], rest)), content_type=CONTENT_TYPE)
    answer.headers["Content-Disposition"] = f'attachment; filename="whatsapp-{name}-{day}.csv"'
    return answer


CONTENT_TYPE: Final = "text/csv; charset=utf-8; header=present"


def _waiting_less(lines: Iterator[str]) -> Iterator[str]:
    """Yield the lines, which are read after the view has returned, with a page's time-out."""
    while True:
        with waiting_at_most(PAGE_SECONDS):
            line = next(lines, None)
        if line is None:
            return
        yield line


def _lines(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(head)
    for place, row in enumerate(rows, 1):
        writer.writerow([cell(value) for value in row])
        if place % _BATCH == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()
