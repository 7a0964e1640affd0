"""``make migration`` and its check: a new revision from what changed in the models, and exactly one head."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

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
        database.dispose()
    for difference in differences:
        print(f"not in the migrations: {difference}", file=sys.stderr)
    if len(heads) != 1:
        print(f"migrations have {len(heads)} heads: {heads}", file=sys.stderr)
    return 1 if differences or len(heads) != 1 else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["new"] and len(sys.argv) == 3:
        sys.exit(new(sys.argv[2]))
    if sys.argv[1:] == ["check"]:
        sys.exit(check())
    sys.exit("usage: python -m migrations.tool new MESSAGE | check")
