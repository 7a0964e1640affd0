"""The one search behind every search box: folded LIKE over the declared columns, an index later."""

from __future__ import annotations

import re
from typing import Any, cast

from sqlalchemy import Boolean, ColumnElement, and_, literal, or_, true
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from models.declare import Admin
from rules.normalise import clean

MOST_WORDS = 6


def search(model: type[Any], text: str) -> ColumnElement[bool]:
    """Rows in which every word of *text* stands in at least one search column."""
    admin: Admin = model.__admin__
    # PostgreSQL takes no NUL, not even to look for it.
    words = clean(text.replace("\x00", " "))[:200].split(" ")[:MOST_WORDS]
    columns = [getattr(model, name) for name in admin.search_columns]
    if not columns or not any(words):
        return true()
    return and_(*(or_(*(_holds(c, word) for c in columns)) for word in words if word))


def _holds(column: Any, word: str) -> ColumnElement[bool]:
    """A personal number is found by the whole of it alone: piece by piece, a masked one could be guessed."""
    info = column.info.get("field")
    if info is not None and info.personal:
        return cast("ColumnElement[bool]", column == word.upper())
    pattern = re.sub(r"([/%_])", r"/\1", word)
    return FoldedLike(column, literal(f"%{pattern}%"))


class FoldedLike(FunctionElement[bool]):
    """(column, pattern): LIKE without regard to the case of letters, as each engine does it fastest.

    SQLite's own LIKE folds the letters that its lower() does, in half the time; PostgreSQL's ILIKE folds them all.
    """

    inherit_cache = True
    type = Boolean()
    name = "folded_like"


@compiles(FoldedLike)
def _ilike(element: Any, compiler: Any, **kw: Any) -> str:
    column, pattern = (compiler.process(part, **kw) for part in element.clauses)
    return f"{column} ILIKE {pattern} ESCAPE '/'"


@compiles(FoldedLike, "sqlite")
def _like(element: Any, compiler: Any, **kw: Any) -> str:
    column, pattern = (compiler.process(part, **kw) for part in element.clauses)
    return f"{column} LIKE {pattern} ESCAPE '/'"
