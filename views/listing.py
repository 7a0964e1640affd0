"""A list of rows from a request's arguments: search, filters, sort and a bounded page. Pages and REST share it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, false, func, inspect, select, true
from sqlalchemy.orm import joinedload, selectinload
from werkzeug.datastructures import MultiDict

from forms.convert import BadValue, Spec, largest_id, parse, specs
from models.declare import Admin
from models.scope import ScopedSession
from models.search import search
from rules.deadlines import local_day
from rules.words import N_, LabelEnum, Problem, Problems

PAGE = 25
LARGEST_PAGE = 100
DEEPEST = 1_000_000


class DueFilter(LabelEnum):
    """How a limit is asked for in a filter."""

    Overdue = "overdue", N_("Overdue")
    Today = "today", N_("Due today")
    Week = "week", N_("Due within 7 days")


@dataclass
class Listing:
    """What was asked, the rows of this page, and how many there are in all (within the scope)."""

    rows: list[Any]
    total: int
    page: int
    size: int
    sort: str
    text: str
    chosen: dict[str, list[str]] = field(default_factory=dict)
    problems: Problems = field(default_factory=Problems)

    @property
    def first(self) -> int:
        return (self.page - 1) * self.size + 1 if self.rows else 0

    @property
    def last(self) -> int:
        return self.first + len(self.rows) - 1 if self.rows else 0

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // self.size))


def whole(args: Mapping[str, str], name: str, default: int, largest: int) -> int:
    """A whole number from the address, at least 1 and bounded; nonsense counts as the default."""
    text = args.get(name, "")
    return min(max(int(text), 1), largest) if text.isascii() and text.isdigit() and len(text) < 12 else default


def listing(
    s: ScopedSession, model: type[Any], args: MultiDict[str, str], now: datetime, *, fields: tuple[str, ...]
) -> Listing:
    """Rows of *model* as *args* ask: ``q``, one argument per declared filter, ``sort``, ``page``, ``size``.

    fields: the columns shown, whose references are loaded along.
    """
    admin: Admin = model.__admin__
    asked = Listing([], 0, whole(args, "page", 1, DEEPEST), whole(args, "size", PAGE, LARGEST_PAGE), "", "")
    asked.text = args.get("q", "")[:200]
    where: list[ColumnElement[bool]] = [search(model, asked.text)] if asked.text.strip() else []
    for name in admin.filter_names:
        texts = [t for t in args.getlist(name)[:50] if t != ""]
        if not texts:
            continue
        spec = specs(model)[name]
        try:
            where.append(condition(model, spec, texts, now))
            asked.chosen[name] = texts
        except BadValue as error:
            asked.problems.append(error.problem)
    asked.sort = args.get("sort", "") if sortable(model, args.get("sort", "")) else admin.order
    asked.total = s.scalar(select(func.count()).select_from(model).where(*where)) or 0
    asked.page = min(asked.page, asked.pages)
    # The page is found by its ids alone: joined at once, every row of the table would be joined before it is sorted.
    page = select(model.id).where(*where).order_by(*order(model, asked.sort))
    ids = [*s.scalars(page.limit(asked.size).offset((asked.page - 1) * asked.size))]
    if ids:
        rows = s.scalars(with_references(select(model).where(model.id.in_(ids)), model, fields))
        asked.rows = sorted(rows, key=lambda row: ids.index(row.id))
    return asked


def by_id(model: type[Any], pk: int) -> Select[Any]:
    """The row of that id; none for a number that the column cannot hold, where PostgreSQL would raise."""
    return select(model).where(model.id == pk if pk <= largest_id(model) else false())


def with_references(statement: Select[Any], model: type[Any], fields: tuple[str, ...]) -> Select[Any]:
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
    return spec is not None and spec.kind not in ("json", "many", "long") and not spec.info.personal


def order(model: type[Any], sort: str) -> list[Any]:
    column = getattr(model, sort.removeprefix("-"))
    # The id makes pages stable where many rows share a value.
    return [column.desc(), model.id.desc()] if sort.startswith("-") else [column, model.id]


def condition(model: type[Any], spec: Spec, texts: list[str], now: datetime) -> ColumnElement[bool]:
    column = getattr(model, spec.name)
    if texts == ["empty"]:
        return column.is_(None)  # type: ignore[no-any-return]
    if spec.info.due:
        return _due(model, column, DueFilter, spec, texts[0], now)
    if spec.kind in ("choice", "reference"):
        return column.in_([parse(spec, t) for t in texts])  # type: ignore[no-any-return]
    if spec.kind == "integer":
        return cast("ColumnElement[bool]", column > 0 if texts[0] == "some" else column == parse(spec, texts[0]))
    if spec.kind == "moment":
        start = parse(spec, f"{parse_day(spec, texts[0])}T00:00")
        return (column >= start) & (column < start + timedelta(days=1))  # type: ignore[no-any-return]
    return cast("ColumnElement[bool]", column == parse(spec, texts[0]))


def parse_day(spec: Spec, text: str) -> Any:
    try:
        return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a legal day has no zone
    except ValueError:
        problem = Problem(spec.name, "not_a_date", N_("This is not a date; write it as 2026-03-02."))
        raise BadValue(problem) from None


def _due(
    model: type[Any], column: Any, choices: type[LabelEnum], spec: Spec, text: str, now: datetime
) -> ColumnElement[bool]:
    """A limit matters in the states in which it runs."""
    admin: Admin = model.__admin__
    today = local_day(now)
    waiting = getattr(model, admin.life.field).in_(spec.info.due) if admin.life else true()
    found = {"overdue": column < today, "today": column == today, "week": column.between(today, today + timedelta(7))}
    if text not in found:
        message = N_("“%(value)s” is not in the list.")
        raise BadValue(Problem(spec.name, "not_in_list", message, {"value": text[:60]}))
    return found[text] & waiting  # type: ignore[no-any-return]
