"""A holiday notice taken over into the calendar: what it would change, and the change itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import select

from models.scope import ScopedSession
from models.work_day import WorkDay, calendar_stamp, one_work_for_all, reckon_later
from models.write import save
from rules.arrangement import Change, Notice, arrange, changes
from rules.calendar import Calendar, Day
from rules.words import Problems


@dataclass
class Plan:
    """What loading a notice would do. kept: days that another document settled otherwise and that stay as they are.

    days: what the calendar will say. stamp: the state of the calendar that this was worked out from.
    """

    notice: Notice
    days: dict[date, Day] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    kept: list[Change] = field(default_factory=list)
    problems: Problems = field(default_factory=Problems)
    calendar: Calendar = field(default_factory=Calendar)
    stamp: str = ""

    @property
    def moving(self) -> list[Change]:
        return [change for change in self.changes if change.moves]

    @property
    def becoming_firm(self) -> list[Change]:
        return [change for change in self.changes if change.firm and not change.moves]


def whole_calendar(session: ScopedSession) -> Calendar:
    """Every day that is entered, whatever year."""
    columns = (WorkDay.day, WorkDay.workday, WorkDay.source, WorkDay.name, WorkDay.provisional)
    return Calendar(Day(*row) for row in session.execute(select(*columns)))


def plan(session: ScopedSession, notice: Notice, *, replace: bool) -> Plan:
    """What *notice* would change in the calendar as it is now. replace: also days that another document settled."""
    if notice.problems.errors:
        return Plan(notice, problems=notice.problems)
    calendar = whole_calendar(session)
    days, found = arrange(notice, calendar)
    every, kept = changes(days, calendar), []
    if notice.whole and not replace:
        kept = [c for c in every if settled_elsewhere(c, notice)]
        every = [c for c in every if c not in kept]
    after = Calendar({c.after.day: c.after for c in every}, beneath=calendar)
    problems = Problems([*notice.problems, *found])
    return Plan(notice, days, every, kept, problems, after, str(session.scalar(select(calendar_stamp()))))


def settled_elsewhere(change: Change, notice: Notice) -> bool:
    """Another document settled this day: one that amended the notice (a longer Spring Festival), or the notice of the
    next year, which speaks of the last days of this one. What the notice says of other years goes before."""
    held = change.before
    return not held.provisional and held.source != notice.title and held.day.year == notice.year


def carry_out(session: ScopedSession, planned: Plan, now: datetime) -> Problems:
    """Write the days that change, and post the reckoning of limits. Nothing to change: nothing is posted."""
    if planned.problems.errors or not planned.changes:
        return planned.problems
    days = [change.after.day for change in planned.changes]
    rows = {row.day: row for row in session.scalars(select(WorkDay).where(WorkDay.day.in_(days)))}
    with one_work_for_all(session):
        for change in planned.changes:
            row = rows.setdefault(change.after.day, WorkDay())
            problems = save(session, row, values(change.after), now=now, expected_version=row.version)
            if problems.errors:
                return problems
    data: dict[str, Any] = {
        "title": planned.notice.title,
        "year": planned.notice.year,
        "actor": session.scope.actor,
        "first": min(days).isoformat(),
        "changed": len(days),
        "moving": [day.isoformat() for day in (c.after.day for c in planned.moving)],
    }
    reckon_later(session, rows[days[0]], data, now)
    return planned.problems


def values(day: Day) -> Mapping[str, Any]:
    return {
        "day": day.day,
        "workday": day.workday,
        "name": day.name,
        "source": day.source,
        "provisional": day.provisional,
    }
