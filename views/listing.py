"""A list of rows from a request's arguments: search, filters, sort and a bounded page. Pages and REST share it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Float, Select, case, cast, false, func, inspect, not_, select
from sqlalchemy.orm import aliased, joinedload, selectinload
from werkzeug.datastructures import MultiDict

from forms.convert import largest_id, specs
from models.declare import Admin
from models.scope import ScopedSession
from models.search import search
from rules.words import Problems
from views.filters import Filter, filters, where

PAGE = 25
LARGEST_PAGE = 100
DEEPEST = 1_000_000
# Rows are counted up to here; beyond, the number is estimated (and said to be "about").
COUNTED = 10_000


@dataclass
class Listing:
    """What was asked, the rows of this page, and how many there are in all (within the scope).

    exact: total was counted; otherwise it is an estimate of two significant digits. more: another page follows.
    """

    rows: list[Any]
    page: int
    size: int
    total: int = 0
    exact: bool = True
    more: bool = False
    sort: str = ""
    text: str = ""
    filters: list[Filter] = field(default_factory=list)
    problems: Problems = field(default_factory=Problems)

    @property
    def first(self) -> int:
        return (self.page - 1) * self.size + 1 if self.rows else 0

    @property
    def last(self) -> int:
        return self.first + len(self.rows) - 1 if self.rows else 0

    @property
    def narrowed(self) -> bool:
        return bool(self.text.strip()) or any(f.asked for f in self.filters)


def whole(args: Mapping[str, str], name: str, default: int, largest: int) -> int:
    """A whole number from the address, at least 1 and bounded; nonsense counts as the default."""
    text = args.get(name, "")
    return min(max(int(text), 1), largest) if text.isascii() and text.isdigit() and len(text) < 12 else default


def listing(
    s: ScopedSession,
    model: type[Any],
    args: MultiDict[str, str],
    now: datetime,
    *,
    fields: Sequence[str],
    most: int = LARGEST_PAGE,
    declared: Admin | None = None,
) -> Listing:
    """Rows of *model* as *args* ask: ``q``, the declared filters (views/filters.py), ``sort``, ``page``, ``size``.

    fields: the columns shown, whose references are loaded along. declared: as of :func:`question`. Two statements: the
    ids of the page with the number of rows, then the rows.
    """
    asked, conditions = question(s, model, args, now, most=most, declared=declared)
    ids = page_of_ids(s, model, asked, conditions)
    if ids:
        # The page is found by its ids alone: joined at once, every row would be joined before any is sorted.
        statement = with_references(select(model).where(model.id.in_(ids)), model, fields)
        guessed = 0.0
        if asked.exact:
            rows = [*s.scalars(statement)]
        else:
            told = s.execute(statement.add_columns(estimate(model, conditions))).all()
            rows, guessed = [row for row, _ in told], told[0][1] if told else 0.0
        asked.rows = sorted(rows, key=lambda row: ids.index(row.id))
        if not asked.exact:
            asked.total = max(rounded(guessed), asked.last, COUNTED) if asked.more else asked.last
            asked.exact = not asked.more
    return asked


def question(
    s: ScopedSession,
    model: type[Any],
    args: MultiDict[str, str],
    now: datetime,
    *,
    most: int = LARGEST_PAGE,
    declared: Admin | None = None,
) -> tuple[Listing, list[ColumnElement[bool]]]:
    """What *args* ask, without any rows yet, and its conditions. declared: by which fields may be asked, where that is
    not as the model says itself (``Admin.outside``); nor are rows then put in order by any other one."""
    admin: Admin = declared or model.__admin__
    asked = Listing([], whole(args, "page", 1, DEEPEST), whole(args, "size", min(PAGE, most), most))
    asked.text = args.get("q", "")[:200]
    asked.filters = filters(model, args, s, admin)
    sort = args.get("sort", "")
    known = declared is None or sort.removeprefix("-") in admin.field_names
    asked.sort = sort if known and sortable(model, sort) else admin.order
    conditions = where(asked.filters, s, now, asked.problems)
    if asked.text.strip():
        conditions.append(search(model, asked.text, admin))
    if admin.hides is not None:
        conditions.append(not_(admin.hides(model)))
    return asked, conditions


def page_of_ids(s: ScopedSession, model: type[Any], asked: Listing, conditions: list[ColumnElement[bool]]) -> list[int]:
    """The ids of the page, in order; sets total, exact, more, and the page itself where it lay behind the end."""
    few = select(model.id).where(*conditions).limit(COUNTED + 1).subquery()
    number = select(func.count()).select_from(few).scalar_subquery()
    statement = select(model.id, number).where(*conditions).order_by(*order(model, asked.sort)).limit(asked.size + 1)
    found = s.execute(statement.offset((asked.page - 1) * asked.size)).all()
    if not found and asked.page > 1:
        total = s.scalar(select(func.count()).select_from(few)) or 0
        if total <= COUNTED:
            asked.page = max(1, -(-total // asked.size))
            found = s.execute(statement.offset((asked.page - 1) * asked.size)).all()
    asked.total = found[0][1] if found else 0
    asked.exact, asked.more = asked.total <= COUNTED, len(found) > asked.size
    return [row_id for row_id, _ in found[: asked.size]]


def estimate(model: type[Any], conditions: list[ColumnElement[bool]]) -> Any:
    """How many rows there are, from how densely the first ones lie among the ids."""
    first = select(model.id).where(*conditions).order_by(model.id).limit(COUNTED).subquery()
    lowest, reached = select(func.min(model.id)).scalar_subquery(), select(func.max(first.c.id)).scalar_subquery()
    highest = select(func.max(model.id)).scalar_subquery()
    return cast(COUNTED * (highest - lowest + 1), Float) / (reached - lowest + 1)


def rounded(number: float) -> int:
    """Two significant digits: an estimate that looks exact would be believed."""
    step = int(10 ** max(0, len(str(int(number))) - 2))
    return round(number / step) * step


def by_id(model: type[Any], pk: int) -> Select[Any]:
    """The row of that id; none for a number that the column cannot hold, where PostgreSQL would raise."""
    found = select(model).where(model.id == pk if pk <= largest_id(model) else false())
    hides = model.__admin__.hides
    return found if hides is None else found.where(not_(hides(model)))


def with_references(statement: Select[Any], model: type[Any], fields: Sequence[str]) -> Select[Any]:
    """Load along what the shown references are called: one statement for the page, not one for each row."""
    relations = inspect(model).relationships
    for name in fields:
        relation = relations.get(name.removesuffix("_id"))
        if relation is None:
            continue
        attribute = getattr(model, relation.key)
        statement = statement.options(selectinload(attribute) if relation.uselist else joinedload(attribute))
    return statement


def sortable(model: type[Any], sort: str) -> bool:
    spec = specs(model).get(sort.removeprefix("-"))
    if sort.removeprefix("-") == "id":
        return True
    return spec is not None and spec.kind not in ("json", "many", "long") and not spec.info.personal


def order(model: type[Any], sort: str) -> list[Any]:
    name = sort.removeprefix("-")
    column = getattr(model, name)
    spec = specs(model).get(name)
    target: Admin | None = getattr(spec.target, "__admin__", None) if spec is not None else None
    if spec is not None and spec.target is not None and target is not None:
        # A reference is sorted as the list of its own registry is, not by its number.
        other = aliased(spec.target)  # it may be this very table
        key = getattr(other, target.order.removeprefix("-"))
        column = select(key).where(other.id == column).correlate(model).scalar_subquery()
    elif spec is not None and spec.choices is not None:
        # As declared, which is how people know them; the stored words fall in any order.
        values = [member.value for member in spec.choices]
        if values != sorted(values):
            column = case({value: place for place, value in enumerate(values)}, value=column)
    # The id makes pages stable where many rows share a value; each engine has its own place for empty ones.
    if sort.startswith("-"):
        return [column.desc().nulls_last(), model.id.desc()]
    return [column.nulls_first(), model.id]
