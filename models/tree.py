"""Paths of trees (regions, departments): ``/3/17/`` is row 17 below row 3; one prefix finds a whole branch."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models.declare import Action
from rules.words import N_, Problem, RuleError, Told


def relocate(session: Session, row: Any, given: Mapping[str, Any], now: datetime) -> Told:
    """Put *row*, with everything below it, under another superior (none: to the top). Says how many came along."""
    row.parent_id = given.get("parent_id")
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
        for below in session.scalars(select(type(row)).where(type(row).path.startswith(old), type(row).id != row.id)):
            below.path = path + below.path.removeprefix(old)
        session.flush()


def is_tree(model: type[Any]) -> bool:
    """Do rows of *model* stand one below the other?"""
    return hasattr(model, "path") and hasattr(model, "parent_id")
