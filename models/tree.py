"""Paths of trees (regions, departments): ``/3/17/`` is row 17 below row 3; one prefix finds a whole branch."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, literal, select, update
from sqlalchemy.orm import Session

from models.declare import Action
from rules.words import N_, Problem, RuleError, Told


def relocate(session: Session, row: Any, given: Mapping[str, Any], now: datetime) -> Told:
    """Put *row*, with everything below it, under another superior (none: to the top). Says how many came along."""
    if "parent_id" not in given:  # to the top only when somebody says so
        raise RuleError.one("parent_id", "required", N_("Please fill in this field."))
    row.parent_id = given["parent_id"]
    if problems := loop_problems(session, row):
        raise RuleError(problems)
    below = select(func.count()).select_from(type(row)).where(type(row).path.startswith(row.path, autoescape=True))
    count = (session.scalar(below) or 1) - 1
    settle_path(session, row, now)
    return Told(N_("Rows below it that came along: %(count)d."), {"count": count})


# For every registry that is a tree; its grants say who may.
RELOCATE = Action(
    "relocate",
    N_("Move the branch"),
    relocate,
    asks=("parent_id",),
    confirm=N_("The row and everything below it go under the superior chosen here; leave it empty for the top."),
)


def loop_problems(session: Session, row: Any) -> list[Problem]:
    """A row may not stand below itself."""
    if row.parent_id is None or row.id is None:
        return []
    parent = session.get(type(row), row.parent_id)
    if parent is not None and f"/{row.id}/" in (parent.path or ""):
        return [Problem("parent_id", "loop", N_("A row cannot stand below itself."))]
    return []


def settle_path(session: Session, row: Any, now: datetime) -> None:
    """Write the path of *row* and, where it moved, of the whole branch below it."""
    parent = session.get(type(row), row.parent_id) if row.parent_id else None
    path = f"{parent.path if parent is not None else '/'}{row.id}/"
    if row.path == path:
        return
    old, row.path = row.path, path
    session.flush()
    if old:
        model = type(row)
        branch = model.path.startswith(old, autoescape=True) & (model.id != row.id)
        moved = literal(path) + func.substr(model.path, len(old) + 1)
        # One statement for the branch. No new versions: the path follows from the superiors, and nobody edits it.
        session.execute(
            update(model).where(branch).values(path=moved), execution_options={"synchronize_session": False}
        )
        session.expire_all()


def is_tree(model: type[Any]) -> bool:
    """Do rows of *model* stand one below the other?"""
    return hasattr(model, "path") and hasattr(model, "parent_id")
