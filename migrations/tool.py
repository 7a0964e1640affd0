"""``make migration`` and its check: a new revision from what changed in the models, and exactly one head."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

import config as settings
from jobs.setup import alembic, migrate
from models import registries
from models.base import metadata
from models.database import Database


def scratch(folder: str) -> Database:
    """An empty database brought to the newest revision."""
    config = settings.read({}, instance=Path(folder))
    migrate(config)
    return Database(config.database)


def new(message: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        database = scratch(folder)
        count = len(list(ScriptDirectory.from_config(alembic(database)).walk_revisions()))
        command.revision(alembic(database), message=message, autogenerate=True, rev_id=f"{count + 1:04d}")
        database.dispose()
    return 0


def check() -> int:
    """0 when there is one head and the models are what the migrations make."""
    registries()
    with tempfile.TemporaryDirectory() as folder:
        database = scratch(folder)
        heads = ScriptDirectory.from_config(alembic(database)).get_heads()
        with database.engine.connect() as connection:
            differences = compare_metadata(MigrationContext.configure(connection), metadata)
            differences += [*unchecked(connection)]
        database.dispose()
    for difference in differences:
        print(f"not in the migrations: {difference}", file=sys.stderr)
    if len(heads) != 1:
        print(f"migrations have {len(heads)} heads: {heads}", file=sys.stderr)
    return 1 if differences or len(heads) != 1 else 0


def unchecked(connection: Connection) -> Iterator[str]:
    """The rules (CHECK) that the models declare and the migrations do not make, or make otherwise: Alembic does not
    compare them."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/declared.db")
        metadata.create_all(database.engine)
        with database.engine.connect() as declared:
            for table in metadata.tables:
                wanted, made = ({*map(rule, inspect(c).get_check_constraints(table))} for c in (declared, connection))
                yield from (f"{table}: {text}" for text in sorted(wanted - made))
        database.dispose()


def rule(check: Mapping[str, Any]) -> str:
    return f"{check['name']} {' '.join(str(check['sqltext']).split())}"


if __name__ == "__main__":
    if sys.argv[1:2] == ["new"] and len(sys.argv) == 3:
        sys.exit(new(sys.argv[2]))
    if sys.argv[1:] == ["check"]:
        sys.exit(check())
    sys.exit("usage: python -m migrations.tool new MESSAGE | check")
