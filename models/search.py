"""The one search behind every search box: each word is looked for within the declared columns, an index later.

It is found in Simplified and in Traditional characters and by its counterpart of ``rules.scripts.VOCABULARY``: one
comparison for both scripts, at most three on SQLite, and as many again for each counterpart. A word that both scripts
write alike costs no more than it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, cast

from sqlalchemy import Boolean, ColumnElement, and_, literal, or_, true
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from models.declare import Admin
from rules.normalise import clean
from rules.scripts import classes, others

MOST_WORDS = 6
MOST_PATTERNS = 3


def search(model: type[Any], text: str, declared: Admin | None = None) -> ColumnElement[bool]:
    """Rows in which every word of *text* stands in at least one search column. declared: where it is not the model's
    own declaration that says in which."""
    admin: Admin = declared or model.__admin__
    columns = [getattr(model, name) for name in admin.search_columns]
    asked = words(text)
    if not columns or not asked:
        return true()
    return and_(*(or_(*(part for c in columns for part in _holds(c, word))) for word in asked))


def words(text: str) -> list[str]:
    """The words of *text* that are looked for."""
    # PostgreSQL takes no NUL, not even to look for it.
    return [word for word in clean(text.replace("\x00", " "))[:200].split(" ")[:MOST_WORDS] if word]


def also(text: str) -> list[str]:
    """What a search for *text* looks for besides, in Simplified characters: 资讯共用 → 信息共享."""
    return [*dict.fromkeys(other for word in words(text) for other in others(word))]


def _holds(column: Any, word: str) -> Iterable[ColumnElement[bool]]:
    """A personal number is found by the whole of it alone: piece by piece, a masked one could be guessed."""
    info = column.info.get("field")
    if info is not None and info.personal:
        yield cast("ColumnElement[bool]", column == word.upper())
        return
    for said in (word, *others(word)):
        places = classes(said)
        if max(map(len, places)) > 1:
            yield EitherScript(column, literal(regex(places)), *map(literal, globs(places)))
        else:
            yield Folded(column, literal(regex(places)), literal(like(said)))


def like(word: str) -> str:
    escaped = re.sub(r"([/%_])", r"/\1", word)
    return f"%{escaped}%"


def globs(places: Sequence[str]) -> list[str]:
    """Patterns of SQLite's GLOB, which knows sets of characters: 优势A → ``*优势[Aa]*``, ``*優势[Aa]*``.

    A pattern that begins with a character is found more than three times as fast as one that begins with a set, so two
    or three characters to begin with make as many patterns.
    """
    first, rest = places[0], "".join(map(_glob_set, places[1:]))
    begins = first if 1 < len(first) <= MOST_PATTERNS else [first]
    return [f"*{_glob_set(one)}{rest}*" for one in begins]


def _glob_set(place: str) -> str:
    """What means something to GLOB stands in a set alone; only letters share one. ASCII is folded, as LIKE does."""
    characters = _cases(place) if place.isascii() else place
    return f"[{characters}]" if len(characters) > 1 or place in "*?[" else place


def regex(places: Iterable[str]) -> str:
    """The same for PostgreSQL's regular expressions. Every sign that could mean something there is escaped."""
    return "".join(f"[{_cases(place)}]" if len(_cases(place)) > 1 else re.escape(place) for place in places)


def _cases(place: str) -> str:
    """A letter in both cases; what becomes several letters stays as it is."""
    if len(place) > 1:
        return place
    return "".join(dict.fromkeys(c for c in (place, place.lower(), place.upper()) if len(c) == 1))


class Folded(FunctionElement[bool]):
    """(column, regular expression, pattern of LIKE): a word without regard to the case of its letters.

    As each engine does it fastest: SQLite's own LIKE folds the letters that its lower() does; PostgreSQL's ILIKE takes
    twice as long as an expression that names both cases.
    """

    inherit_cache = True
    type = Boolean()
    name = "folded"


class EitherScript(FunctionElement[bool]):
    """(column, regular expression, patterns of GLOB): a word with characters that the scripts write differently.

    One comparison to three however many spellings there are; as so many LIKEs it would be their product.
    """

    inherit_cache = True
    type = Boolean()
    name = "either_script"


@compiles(Folded)
@compiles(EitherScript)
def _matches(element: Any, compiler: Any, **kw: Any) -> str:
    column, pattern, *_ = element.clauses
    return f"{compiler.process(column, **kw)} ~ {compiler.process(pattern, **kw)}"


@compiles(Folded, "sqlite")
def _like(element: Any, compiler: Any, **kw: Any) -> str:
    column, _, pattern = (compiler.process(part, **kw) for part in element.clauses)
    return f"{column} LIKE {pattern} ESCAPE '/'"


@compiles(EitherScript, "sqlite")
def _globs(element: Any, compiler: Any, **kw: Any) -> str:
    column, _, *patterns = element.clauses
    terms = (f"{compiler.process(column, **kw)} GLOB {compiler.process(one, **kw)}" for one in patterns)
    return f"({' OR '.join(terms)})"
