"""How drivers take the parameters of a statement."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, Final, NamedTuple

_NAME: Final = re.compile(r":(\w+)")


class Statement(NamedTuple):
    """A statement in its driver's parameter style.

    :param ordered: makes what the driver takes of a mapping by name, which may have more.
    """

    text: str
    ordered: Callable[[Mapping[str, Any]], Any]

    def execute(self, cursor: Any, values: Mapping[str, Any]) -> None:
        """Execute it with the parameters that *values* has by name."""
        cursor.execute(self.text, self.ordered(values))


def by_position(text: str) -> Statement:
    """A text with ``:name``, for sqlite3: to look for each name would take it longer."""
    names = _NAME.findall(text)
    pick = itemgetter(*names)
    return Statement(
        _NAME.sub("?", text), pick if len(names) > 1 else lambda values: (pick(values),)
    )


def by_name(text: str) -> Statement:
    """The same for psycopg and PyMySQL; the former keeps what it made of texts up to 4,096 long."""
    return Statement(_NAME.sub(r"%(\1)s", " ".join(text.split())), lambda values: values)
