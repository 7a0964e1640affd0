"""What happened to a row: Events in words, field by field; and the row as it was on a day."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import takewhile
from typing import Any

from flask import g
from sqlalchemy import ColumnElement, func, inspect, select
from sqlalchemy.orm import aliased
from sqlalchemy.orm.attributes import set_committed_value

from forms.convert import specs, stored
from models.account import Account
from models.columns import STAMPS
from models.event import Event, EventKind
from models.scope import UNSCOPED
from models.tree import is_tree
from rules.deadlines import begin_of
from views import display
from views.security import db

PAGE = 50
LONG = 60  # characters from which on two texts are compared piece by piece
# The product of the two lengths, without what both begin and end with: beyond, comparing takes seconds.
MOST_COMPARED = 10_000


@dataclass(frozen=True)
class Past:
    """One Event as it is told: who (a name, "" for the system), for whom, when, what, and the stored differences."""

    seq: int
    at: datetime
    kind: EventKind
    action: str | None
    who: str
    behalf: str
    batch: str | None
    changes: Mapping[str, Any]


def tells_past(row: Any) -> bool:
    """May this person read what happened to *row*? Who reads it as its audience alone sees what was shared: the row as
    it stands, neither what it said before nor who said it."""
    return g.scope.reading("events") is not None and g.scope.covers("show", row, shared=False)


def about(row: Any) -> ColumnElement[bool]:
    found: ColumnElement[bool] = (Event.subject_type == type(row).__admin__.name) & (Event.subject_id == row.id)
    return found


def count_past(row: Any) -> int:
    """How many Events :func:`past_of` tells in all."""
    counted = select(func.count(Event.id)).where(about(row))
    return (tells_past(row) and db().scalar(counted, execution_options={UNSCOPED: True})) or 0


def past_of(row: Any, *, page: int = 1, size: int = PAGE) -> list[Past]:
    """The Events about *row*, newest first, in one statement; none for who may read no Events at all.

    Whoever may see the row may see all that happened to it, under whichever department it was filed; and the names of
    the people who did it, whoever's they are: a record without its author would be none. So the lookup runs past the
    scope, and asks for itself whether the row is in reach.
    """
    if not tells_past(row):
        return []
    absent = aliased(Account)
    names = [func.coalesce(a.last_name + func.coalesce(a.first_name, ""), "") for a in (Account, absent)]
    found = db().execute(
        select(Event.seq, Event.at, Event.kind, Event.action, *names, Event.batch, Event.changes)
        .outerjoin(Account, Account.id == Event.actor_id)
        .outerjoin(absent, absent.id == Event.on_behalf_of_id)
        .where(about(row))
        .order_by(Event.seq.desc())
        .limit(size)
        .offset((page - 1) * size),
        execution_options={UNSCOPED: True},
    )
    return [Past(*told) for told in found]


@dataclass(frozen=True)
class Difference:
    """A field before and after, in words. marks: for long texts (tone, piece) in order, tone one of del, ins, ''."""

    label: str
    before: str
    after: str
    marks: tuple[tuple[str, str], ...] = ()


def differences(model: type[Any], changes: Mapping[str, Any]) -> list[Difference]:
    found = []
    known = specs(model)
    for name, (old, new) in changes.items():
        spec = known.get(name)
        if spec is None or (name == "path" and is_tree(model)):
            continue  # a path says no more than the superior does
        if spec.kind == "json":
            found += [Difference(*parts) for parts in display.grant_differences(spec, old, new)]
            continue
        before, after = display.said(spec, old), display.said(spec, new)
        found.append(Difference(display.tr(spec.label), before, after, marks(before, after)))
    return found


def marks(before: str, after: str) -> tuple[tuple[str, str], ...]:
    """What was struck out and what was put in; nothing for short texts, which are read faster side by side."""
    if not before or not after or max(len(before), len(after)) < LONG:
        return ()
    head = alike(before, after)
    tail = alike(before[head:][::-1], after[head:][::-1])
    old, new = before[head : len(before) - tail], after[head : len(after) - tail]
    pieces = [("", before[:head])]
    if len(old) * len(new) > MOST_COMPARED:
        pieces += [("del", old), ("ins", new)]
    else:
        for tag, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            pieces += [("", old[a:b])] if tag == "equal" else [("del", old[a:b]), ("ins", new[c:d])]
    pieces.append(("", before[len(before) - tail :]))
    return tuple((tone, text) for tone, text in pieces if text)


def alike(one: str, other: str) -> int:
    """How many characters both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def prefetch(model: type[Any], events: Iterable[Past]) -> None:
    """Load the rows that differences of references speak of, one statement for each registry."""
    wanted: dict[type[Any], set[int]] = {}
    known = specs(model)
    for event in events:
        for name, pair in event.changes.items():
            spec = known.get(name)
            if spec is None or spec.target is None:
                continue
            for value in pair:
                wanted.setdefault(spec.target, set()).update(value if isinstance(value, list) else [value])
    for target, ids in wanted.items():
        # Kept alive by the request, or the session would let go of them before they are asked for.
        g.setdefault("prefetched", []).extend(db().scalars(select(target).where(target.id.in_(ids - {None}))))


def as_it_was(row: Any, day: date) -> Any | None:
    """A copy of *row* as it stood at the end of *day* (in China); None when it did not exist yet.

    Taken back Event by Event from how it stands now. The copy belongs to no session.
    """
    end = begin_of(day + timedelta(days=1))
    model = type(row)
    known = specs(model)
    values = {n: [o.id for o in getattr(row, n)] if s.kind == "many" else getattr(row, n) for n, s in known.items()}
    page = 1
    while events := past_of(row, page=page):
        for event in events:
            if event.at < end:
                return _copy(row, values)
            if event.kind is EventKind.Created:
                return None
            for name, (old, _) in event.changes.items():
                if name in known:
                    values[name] = stored(known[name], old)
        page += 1
    made = getattr(row, "created_at", None)
    return _copy(row, values) if made is None or made < end else None


def _copy(row: Any, values: Mapping[str, Any]) -> Any:
    model = type(row)
    copy = model()
    relations = inspect(model).relationships
    for name, value in values.items():
        spec = specs(model)[name]
        if spec.kind == "many":
            set_committed_value(copy, name, [o for i in value or () if (o := db().get(spec.target, i)) is not None])
            continue
        set_committed_value(copy, name, value)
        relation = name.removesuffix("_id")
        if spec.target is not None and relation in relations:
            set_committed_value(copy, relation, db().get(spec.target, value) if value is not None else None)
    for name in ("id", *STAMPS):
        if hasattr(model, name):
            set_committed_value(copy, name, getattr(row, name))
    return copy
