"""What the database itself refuses, in words: rows that are not alone, values that do not go together."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlalchemy.exc import IntegrityError

from rules.words import N_, Problem

STALE = Problem(None, "stale", N_("Somebody else changed this row meanwhile. Look at the new state and try again."))


def uniques(model: type[Any]) -> list[UniqueConstraint | Index]:
    """Everything that keeps two rows of *model* from having the same values."""
    constraints = [c for c in model.__table__.constraints if isinstance(c, UniqueConstraint)]
    return [*constraints, *(index for index in model.__table__.indexes if index.unique)]


def constraint_problem(row: Any, error: IntegrityError) -> Problem:
    """Which named constraint broke, in words. An unknown one is our mistake and goes on as it is."""
    table = type(row).__table__
    text = str(error.orig)
    name = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
    failed = re.search(r"UNIQUE constraint failed: (.+)", text)
    if name == "uq_event_subject_type_subject_id_seq" or "event.seq" in text:
        return STALE  # somebody else told about this row at the same moment, so changed it
    if failed or name:
        hit = {c.strip().partition(".")[2] for c in failed.group(1).split(",")} if failed else set()
        for constraint in uniques(type(row)):
            if constraint.name == name or (hit and {c.name for c in constraint.columns} == hit):
                return duplicate([c.name for c in constraint.columns])
    checked = re.search(r"CHECK constraint failed: (\w+)", text)
    for constraint in table.constraints:
        wanted = name or (checked.group(1) if checked else None)
        if isinstance(constraint, CheckConstraint) and str(constraint.name) == wanted:
            told = constraint.info or {}
            message = told.get("message", N_("These values do not go together (%(rule)s)."))
            return Problem(told.get("field"), "constraint", message, {"rule": str(constraint.name)})
    if "FOREIGN KEY" in text.upper():
        return Problem(None, "in_use", N_("Other rows refer to this one, so it stays."))
    raise error


def duplicate(names: list[str]) -> Problem:
    return Problem(names[-1], "duplicate", N_("There is already a row with this value."), {"fields": names})


def check_constraint(sql: str, name: str, message: str, field: str | None = None) -> CheckConstraint:
    """A named CHECK that can say in words what it demands."""
    return CheckConstraint(sql, name=name, info={"message": message, "field": field})
