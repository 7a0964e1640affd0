"""Limits that run are reckoned anew when the calendar changes: the same days, from the same day, by what it says now.

Everything that is needed stands in the lines that explain a limit (``Clock.lines``); so it works for every registry
that declares clocks, whatever law its limits rest on, and takes no setting that has changed since.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import or_, select

from models.base import info_of
from models.columns import columns
from models.declare import Action, Admin, Clock
from models.event import called
from models.scope import ScopedSession
from models.workflow import act
from models.write import move_reminders
from rules.calendar import Calendar
from rules.deadlines import due_again, plain_lines
from rules.words import N_

# The kind of the work in the outbox.
LIMITS = "limits"
# What Events call it; no page offers it.
RECKON = "reckon_limits"
RECKONED = N_("Limits reckoned anew by the calendar")


@dataclass(frozen=True)
class Moved:
    """One limit whose date is another one now. clock: its heading, a message id."""

    registry: str
    row: int
    label: str
    clock: str
    old: date
    new: date


def running(model: type[Any]) -> list[tuple[Clock, tuple[str, ...]]]:
    """The clocks of *model* with the states in which they run."""
    admin: Admin = model.__admin__
    known = {name: info_of(column) for name, (column, _) in columns(model).items()}
    told = ((clock, known.get(clock.due)) for clock in admin.clocks)
    return [(clock, info.due) for clock, info in told if info is not None and info.due and admin.life is not None]


def candidates(session: ScopedSession, model: type[Any], first: date, after: int, most: int) -> list[Any]:
    """Rows with an id above *after*, in order, in which a limit runs that ends on *first* or later: a change of the
    calendar from that day on may concern them."""
    admin: Admin = model.__admin__
    clocks = running(model)
    if not clocks or admin.life is None:
        return []
    state = getattr(model, admin.life.field)
    runs = [state.in_(states) & (getattr(model, clock.due) >= first) for clock, states in clocks]
    statement = select(model).where(model.id > after, or_(*runs)).order_by(model.id).limit(most)
    return [*session.scalars(statement)]


def differing(row: Any, calendar: Calendar) -> dict[str, Any]:
    """Column → value of what *calendar* would say otherwise of the limits that run in *row*."""
    admin: Admin = type(row).__admin__
    assert admin.life is not None
    values: dict[str, Any] = {}
    provisional: dict[str, bool] = {}
    for clock, states in running(type(row)):
        limit = due_again(getattr(row, clock.lines), calendar)
        if limit is None or getattr(row, clock.due) is None or getattr(row, admin.life.field) not in states:
            continue
        values |= {clock.due: limit.due, clock.lines: plain_lines(limit.lines)}
        if clock.provisional is not None:
            provisional[clock.provisional] = provisional.get(clock.provisional, False) or limit.provisional
    return {name: value for name, value in {**values, **provisional}.items() if getattr(row, name) != value}


def moved(row: Any, values: dict[str, Any]) -> Iterator[Moved]:
    """The dates among *values*, old and new. To be asked before they are written."""
    admin: Admin = type(row).__admin__
    for clock in admin.clocks:
        if clock.due in values:
            label = called(getattr(row, admin.label))
            yield Moved(admin.name, row.id, label, clock.title, getattr(row, clock.due), values[clock.due])


def reckon(session: ScopedSession, row: Any, values: dict[str, Any], now: datetime) -> None:
    """Write *values* (as of :func:`differing`) with an Event, and move the reminders that are not sent yet along."""

    def run(session: ScopedSession, row: Any, given: dict[str, Any], now: datetime) -> None:
        for name, value in given.items():
            setattr(row, name, value)

    problems, _ = act(session, row, Action(RECKON, RECKONED, run), now=now, given=values)
    if problems.errors:
        raise RuntimeError(f"limits of {type(row).__admin__.name} {row.id}: {problems}")
    move_reminders(session, row, now)
