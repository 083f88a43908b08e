"""Aggregates of pruned messages, in a database: written in the transaction that prunes them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, select, update

from ...engagement.folding import FoldKey, fold, from_text, to_text, within_bounds
from ...engagement.groups import DIMENSIONS
from ...engagement.report import ReportRules
from ...engagement.tally import Tally
from ..forgotten import digest_of
from .dialects.base import Database
from .report_rows import facts_of, key_of
from .tables import aggregate, forgotten, message

KEY: Final = (
    aggregate.c.starts_at,
    aggregate.c.ends_at,
    aggregate.c.account,
    aggregate.c.receiver,
    aggregate.c.campaign,
    aggregate.c.template,
    aggregate.c.code,
)

YEAR: Final = timedelta(days=365.25)


def fold_into(
    database: Database, connection: Connection, keys: Sequence[int], rules: ReportRules
) -> None:
    """Fold messages, whose rows are locked, into the aggregates.

    :param keys: the messages' own.
    """
    facts = facts_of(database, (*DIMENSIONS, "receiver"), times=True)
    found = connection.execute(select(*facts).where(message.c.id.in_(keys)).order_by(message.c.id))
    rows = list(found.cursor.fetchall()) if found.cursor is not None else []
    found.close()
    groups = fold(rows, rules.zone, database.report_times)
    if groups:
        _add(database, connection, within_bounds(groups, _known(connection, groups)))


def keep_digests(database: Database, connection: Connection, keys: Sequence[int]) -> None:
    """Store the digests by which pruned messages are recognised.

    :param keys: the messages' primary keys.
    """
    digests = [{"gone": digest_of(*row)} for row in _ids(connection, keys)]
    if not digests:
        return
    connection.execute(
        database.upsert(
            forgotten,
            {"digest": bindparam("gone")},
            {"day": datetime.now(UTC).date()},
            {"digest": forgotten.c.digest},  # one pruned before has one already
        ),
        digests,
    )


def _ids(connection: Connection, keys: Sequence[int]) -> Sequence[Any]:
    ids = select(message.c.account_id, message.c.message_id).where(message.c.id.in_(keys))
    # In a fixed order, so that two processes pruning the same messages do not deadlock.
    return connection.execute(ids.order_by(message.c.id)).all()


def _known(connection: Connection, groups: Collection[FoldKey]) -> list[FoldKey]:
    """The existing keys of the same days."""
    days = {key.starts_at for key in groups}
    return [
        key_of(row)
        for row in connection.execute(select(*KEY).where(aggregate.c.starts_at.in_(days)))
    ]


def _add(database: Database, connection: Connection, groups: dict[FoldKey, Tally]) -> None:
    by_digest = dict(sorted((key.digest, key) for key in groups))
    wanted = aggregate.c.digest.in_(by_digest)
    there = set(connection.scalars(select(aggregate.c.digest).where(wanted)))
    for digest, key in by_digest.items():
        if digest not in there:  # or waits for another process that is inserting it
            connection.execute(
                database.upsert(
                    aggregate,
                    {"digest": digest},
                    {**key._asdict(), "counts": "", "figures": ""},
                    {"digest": digest},
                )
            )
    # Every process locks these in the same order, until the messages it folds are deleted.
    kept = connection.execute(
        select(aggregate.c.digest, aggregate.c.counts, aggregate.c.figures)
        .where(wanted)
        .order_by(aggregate.c.digest)
        .with_for_update()
    ).all()
    time_format = database.report_times
    changes = []
    for digest, counts, figures in kept:
        key = by_digest[digest]
        tally = groups[key]
        if counts:
            tally.merge(from_text(key, counts, figures, time_format=time_format))
        counts, figures = to_text(tally, time_format)
        changes.append({"which": digest, "counts": counts, "figures": figures})
    connection.execute(update(aggregate).where(aggregate.c.digest == bindparam("which")), changes)


def drop_old(database: Database, rules: ReportRules, limit: int = 1000) -> None:
    """Delete a batch of aggregates and one of digests past their retention."""
    oldest = datetime.now(UTC) - rules.aggregate_years * YEAR
    old = select(aggregate.c.digest).where(aggregate.c.ends_at < oldest)
    unknown = select(forgotten.c.digest).where(forgotten.c.day < oldest.date())
    for table, query in ((aggregate, old), (forgotten, unknown)):
        with database.querying() as connection:
            gone = connection.scalars(query.limit(limit)).all()
        if gone:
            with database.forgetting() as connection:
                connection.execute(delete(table).where(table.c.digest.in_(gone)))
