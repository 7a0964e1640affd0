"""Alembic: owns every table, flask-appbuilder's among them. Run through ``run.py migrate`` or ``make migration``."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

import models
from models.base import Identity, Moment, metadata
from models.database import Database

models.registries()


def include(obj: Any, name: str | None, type_: str, reflected: bool, compare_to: Any) -> bool:
    """huey makes its own tables; what is in the database and not in our models is no business of ours."""
    return not (type_ == "table" and reflected and compare_to is None and (name or "").startswith("huey_"))


def render(type_: str, obj: Any, autogen_context: Any) -> str | Literal[False]:
    """Our own types by their name, so that a migration reads like the declaration."""
    if type_ == "type" and isinstance(obj, Moment):
        autogen_context.imports.add("import models.base")
        return "models.base.Moment()"
    if type_ == "type" and obj is Identity:
        autogen_context.imports.add("import models.base")
        return "models.base.Identity"
    return False


def run() -> None:
    database: Database = context.config.attributes["database"]
    with database.writing.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=metadata,
            include_object=include,
            render_item=render,
            render_as_batch=connection.dialect.name == "sqlite",
            compare_type=True,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()


run()
