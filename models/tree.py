"""Paths of trees (regions, departments): ``/3/17/`` is row 17 below row 3; one prefix finds a whole branch."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from rules.words import N_, Problem


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
