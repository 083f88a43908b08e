"""How drivers take the parameters of a statement."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, Final, NamedTuple

_NAME: Final = re.compile(r":(\w+)")


class Statement(NamedTuple):
    """A statement in its driver's parameter style.

    :param ordered: picks the driver's parameters from a mapping, which may have more.
    """

    text: str
    ordered: Callable[[Mapping[str, Any]], Any]

    def execute(self, cursor: Any, values: Mapping[str, Any]) -> None:
        """Execute it with the parameters that *values* has by name."""
        cursor.execute(self.text, self.ordered(values))


def by_position(text: str) -> Statement:
    """A text with ``:name``, for sqlite3, which is slower with named parameters."""
    names = _NAME.findall(text)
    pick = itemgetter(*names)
    return Statement(
        _NAME.sub("?", text), pick if len(names) > 1 else lambda values: (pick(values),)
    )


def by_name(text: str) -> Statement:
    """The same for psycopg and PyMySQL; psycopg caches its parse of texts up to 4,096 long."""
    return Statement(_NAME.sub(r"%(\1)s", " ".join(text.split())), lambda values: values)
