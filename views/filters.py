"""Typed filters of a list, from the declaration: what the address says → conditions, chips and controls.

One grammar for pages, REST, saved views, figures of the workbench: ``state=a&state=b`` (any of them), ``x__from``
and ``x__to`` (dates, moments, numbers), ``department_id=5&department_id__below=1`` (with everything below),
``x__empty=1`` and ``x__empty=0``, ``notice_due=overdue``, ``handler_id=me``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, false, or_, select, true
from werkzeug.datastructures import MultiDict

from forms.convert import BadValue, Spec, iso_day, parse, specs
from models import registries
from models.account import Account
from models.declare import Admin, Reach
from models.scope import ScopedSession
from models.tree import is_tree
from rules.deadlines import begin_of, local_day
from rules.words import N_, LabelEnum, Problem, Problems
from views import display
from views.display import gettext

MOST_VALUES = 50
RANGES = ("date", "moment", "integer")


class DueFilter(LabelEnum):
    """How a limit is asked for in a filter."""

    Overdue = "overdue", N_("Overdue")
    Today = "today", N_("Due today")
    Week = "week", N_("Due within 7 days")


@dataclass
class Filter:
    """One declared filter with what was asked of it. values, low, high, empty: as they stand in the address."""

    spec: Spec
    model: type[Any]
    values: list[str] = field(default_factory=list)
    low: str = ""
    high: str = ""
    empty: str = ""
    below: bool = False

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def asked(self) -> bool:
        return bool(self.values or self.low or self.high or self.empty)

    @property
    def ranged(self) -> bool:
        return self.spec.kind in RANGES

    @property
    def nullable(self) -> bool:
        return bool(getattr(self.model, self.name).nullable) if self.spec.kind != "many" else False

    @property
    def deep(self) -> bool:
        """May rows below the chosen one be asked for as well?"""
        return self.spec.target is not None and is_tree(self.spec.target)

    @property
    def of_people(self) -> bool:
        """May one ask for oneself?"""
        return self.spec.target is Account

    @property
    def arguments(self) -> tuple[str, ...]:
        return tuple(f"{self.name}{suffix}" for suffix in ("", "__from", "__to", "__empty", "__below"))

    def choices(self) -> list[tuple[str, str]]:
        """(value, label) of what can be ticked; none for references, which are searched."""
        if self.spec.choices is not None:
            return [(v, display.tr(label)) for v, label in self.spec.choices.choices()]
        if self.spec.info.due:
            return [(v, display.tr(label)) for v, label in DueFilter.choices()]
        if self.spec.kind == "boolean":
            return [("1", str(gettext("Yes"))), ("0", str(gettext("No")))]
        if self.name == "action" and "subject_type" in specs(self.model):
            return display.action_choices()
        if self.name == "subject_type":
            return [(n, display.tr(m.__admin__.title)) for n, m in registries().items()]
        return [(value, display.tr(title)) for value, title in display.titles(self.spec).items()]

    def conditions(self, s: ScopedSession, now: datetime) -> Iterator[ColumnElement[bool]]:
        """Raises BadValue for what cannot be asked of this column."""
        column = getattr(self.model, self.name)
        if self.empty:
            yield column.is_(None) if self.empty == "1" else column.is_not(None)
        if self.values:
            yield or_(*self._values(s, column, now))
        if self.low or self.high:
            if not self.ranged:
                raise self.spec.refuse("no_range", N_("This column knows no range."))
            yield from self._range(column)

    def _values(self, s: ScopedSession, column: Any, now: datetime) -> Iterator[ColumnElement[bool]]:
        if self.spec.info.due and not any(text[:1].isdigit() for text in self.values):
            yield from (due_condition(self.model, self.spec, text, now) for text in self.values)
        elif self.spec.kind == "moment":
            for text in self.values:
                start = begin_of(self._day(text))
                yield (column >= start) & (column < start + timedelta(days=1))
        else:
            ids = [self._value(s, text) for text in self.values]
            yield column.in_(ids)
            if self.below and self.deep:
                yield column.in_(ids_below(s, self.spec.target, ids))

    def _value(self, s: ScopedSession, text: str) -> Any:
        if text == "me" and self.spec.target is Account:
            return s.scope.actor
        return parse(self.spec, text)

    def _range(self, column: Any) -> Iterator[ColumnElement[bool]]:
        """Both ends belong to the range; a day of a moment is a day in China."""
        if self.spec.kind != "moment":
            if self.low:
                yield column >= parse(self.spec, self.low)
            if self.high:
                yield column <= parse(self.spec, self.high)
            return
        if self.low:
            yield column >= begin_of(self._day(self.low))
        if self.high:
            yield column < begin_of(self._day(self.high) + timedelta(days=1))

    def _day(self, text: str) -> date:
        try:
            return iso_day(text)
        except ValueError:
            raise self.spec.refuse("not_a_date", N_("This is not a date; write it as 2026-03-02.")) from None

    def said(self, s: ScopedSession) -> str:
        """What was asked, in words, for its chip."""
        parts = []
        if self.values:
            known = dict(self.choices())
            parts.append(gettext(", ").join(known.get(v) or self.called(s, v) for v in self.values))
            if self.below and self.deep:
                parts.append(gettext("and all below"))
        if self.low and self.high:
            parts.append(gettext("%(low)s to %(high)s", low=self.low, high=self.high))
        elif self.low:
            parts.append(gettext("from %(low)s", low=self.low))
        elif self.high:
            parts.append(gettext("up to %(high)s", high=self.high))
        if self.empty:
            parts.append(gettext("is empty") if self.empty == "1" else gettext("is filled in"))
        return str(gettext(", ").join(parts))

    def called(self, s: ScopedSession, text: str) -> str:
        """What the row of a reference is called; its number where the person may not see it."""
        if text == "me" and self.spec.target is Account:
            return str(gettext("me"))
        target = getattr(self.spec.target, "__admin__", None)
        if self.spec.kind != "reference" or target is None or s.scope.reading(target.name) is None:
            return text
        try:
            row = s.get(self.spec.target, parse(self.spec, text))
        except BadValue:
            return text
        return display.label_of(row) if row is not None else text


def filters(model: type[Any], args: MultiDict[str, str], s: ScopedSession, admin: Admin) -> list[Filter]:
    """Every filter of *model* that *admin* declares and that makes sense here, with what *args* ask of it."""
    narrow = (s.scope.reading(admin.name) or Reach.mine) <= Reach.own
    found = []
    for name in admin.filter_names:
        asked = Filter(specs(model)[name], model)
        asked.values = [t for t in args.getlist(name)[:MOST_VALUES] if t != ""]
        asked.low, asked.high = args.get(f"{name}__from", "")[:40], args.get(f"{name}__to", "")[:40]
        asked.empty = args.get(f"{name}__empty", "") if args.get(f"{name}__empty") in ("0", "1") else ""
        asked.below = bool(args.get(f"{name}__below"))
        if narrow and name in admin.departments and not asked.asked:
            continue  # there is but one to choose
        if name == "subject_id" and not asked.asked:
            continue  # a number that nobody knows by heart; pages about a row ask for it
        found.append(asked)
    return found


def where(asked: list[Filter], s: ScopedSession, now: datetime, problems: Problems) -> list[ColumnElement[bool]]:
    """The conditions of all filters; what cannot be understood is told in *problems* and filters nothing."""
    found: list[ColumnElement[bool]] = []
    for one in asked:
        if not one.asked:
            continue
        try:
            found.extend([*one.conditions(s, now)])
        except BadValue as error:
            problems.append(error.problem)
            one.values, one.low, one.high, one.empty = [], "", "", ""
    return found


def ids_below(s: ScopedSession, target: Any, ids: list[Any]) -> Any:
    """A subquery of the ids of everything below the rows *ids* of a tree."""
    rows = [row for row in (s.get(target, one) for one in ids) if row is not None]
    branches = [target.path.startswith(row.path, autoescape=True) for row in rows]
    return select(target.id).where(or_(*branches) if branches else false())


def due_condition(model: type[Any], spec: Spec, text: str, now: datetime) -> ColumnElement[bool]:
    """A limit matters in the states in which it runs."""
    admin: Admin = model.__admin__
    column, today = getattr(model, spec.name), local_day(now)
    waiting = getattr(model, admin.life.field).in_(spec.info.due) if admin.life else true()
    found: Mapping[str, Any] = {
        "overdue": column < today,
        "today": column == today,
        "week": column.between(today, today + timedelta(7)),
    }
    if text not in found:
        message = N_("“%(value)s” is not in the list.")
        raise BadValue(Problem(spec.name, "not_in_list", message, {"value": text[:60]}))
    return cast("ColumnElement[bool]", found[text] & waiting)
