"""The ledger's tables as each release made them, a file for each release and database.

Before a release ``python -m tests.ledger.released_schemas 0.1.0`` writes its files.  Afterwards
they stay as they are: every later version has to upgrade from them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.engine import make_url
from sqlalchemy.schema import CreateIndex, CreateTable

from flask_fd_whatsapp.ledger.sql import metadata
from flask_fd_whatsapp.ledger.sql.schema_version import HEAD, VERSION_TABLE

FOLDER = Path(__file__).with_name("releases")
RELEASES = sorted({path.name.partition("_")[0] for path in FOLDER.glob("*.sql")})
URLS = {
    "sqlite": "sqlite://",
    "postgresql": "postgresql+psycopg://",
    "mariadb": "mariadb+pymysql://",
}


def create(engine: Engine, release: str) -> str:
    """Make the tables of a release, and give their revision."""
    script = (FOLDER / f"{release}_{engine.dialect.name}.sql").read_text(encoding="utf-8")
    with engine.begin() as connection:
        for statement in script.rstrip(";\n").split(";\n"):
            connection.exec_driver_sql(statement)
    return script.rpartition("VALUES ('")[2].partition("'")[0]


def write(release: str) -> None:
    """Write the tables of the metadata, which are those that the migrations create."""
    for kind, url in URLS.items():
        dialect = make_url(url).get_dialect()()
        statements = []
        for table in metadata.sorted_tables:
            indexes = sorted(table.indexes, key=lambda index: str(index.name))
            for ddl in (CreateTable(table), *map(CreateIndex, indexes)):
                statements.append(str(ddl.compile(dialect=dialect)).strip())
        statements += [
            "INSERT INTO fd_whatsapp_compatibility (oldest_revision) VALUES ('0003')",
            f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)",
            f"INSERT INTO {VERSION_TABLE} (version_num) VALUES ('{HEAD}')",
        ]
        path = FOLDER / f"{release}_{kind}.sql"
        path.write_text("".join(f"{line};\n" for line in statements), encoding="utf-8")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    write(sys.argv[1])
