"""What holds for a time only: from one day to another, both included, in Asia/Shanghai; ended earlier by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from typing import Any

from sqlalchemy import ColumnElement, String, and_, select
from sqlalchemy.orm import Mapped, Session

from models.base import Row, field
from models.columns import touched
from models.declare import Reminder, Todo
from models.outbox import post, reminder_key
from models.scope import ScopedSession
from models.workflow import move
from models.write import move_reminders
from rules.deadlines import SHANGHAI, local_day
from rules.lifecycle import Lifecycle, Move
from rules.words import N_, LabelEnum, Problem

LONGEST_DAYS = 366
MORNING = time(8, 30)


class TermState(LabelEnum):
    Agreed = "agreed", N_("Agreed")
    Ended = "ended", N_("Ended")


class Term(Row):
    __abstract__ = True

    from_day: Mapped[date] = field(N_("From"), editable="new", sort_order=50)
    until_day: Mapped[date] = field(N_("Until"), help=N_("This day is the last one."), sort_order=51)
    reason: Mapped[str | None] = field(N_("Reason"), String(200), sort_order=52)
    state: Mapped[TermState] = field(N_("State"), editable="never", default=TermState.Agreed, sort_order=53)


def running(term: type[Term], today: Any) -> ColumnElement[bool]:
    """Does *term* hold on *today*? Asked of the days themselves: no job has to begin or end anything in time."""
    return and_(term.state == TermState.Agreed, term.from_day <= today, term.until_day >= today)


def day_problems(row: Any, now: datetime) -> Iterable[Problem]:
    """Rules of the days alone; *row* is new or edited."""
    if row.until_day < row.from_day:
        yield Problem("until_day", "order", N_("The end lies before the beginning."))
    elif (row.until_day - row.from_day).days >= LONGEST_DAYS:
        yield Problem("until_day", "too_long", N_("At most one year."))
    if row.id is None and row.from_day < local_day(now):  # what was done before must not look as if it had been covered
        yield Problem("from_day", "past", N_("Not earlier than today."))
    elif row.id is not None and row.until_day < local_day(now) and touched(row, "until_day"):  # nor as if it had not
        yield Problem("until_day", "past", N_("Not earlier than today."))


def overlapping(session: Session, row: Any, *names: str) -> bool:
    """Is there a term of the same people (columns *names*) that holds on some of the same days?"""
    model = type(row)
    if row.from_day is None or row.until_day is None or any(getattr(row, name) is None for name in names):
        return False
    same = [getattr(model, name) == getattr(row, name) for name in names]
    days = (model.from_day <= row.until_day) & (model.until_day >= row.from_day)
    return session.scalar(select(model.id).where(*same, days, model.state == TermState.Agreed).limit(1)) is not None


def morning(day: date) -> datetime:
    return datetime.combine(day, MORNING, SHANGHAI)


def life(confirm: str) -> Lifecycle:
    """Agreed until it is ended; what has ended stays on record and is edited no more."""
    return Lifecycle(
        states=TermState,
        initial=TermState.Agreed,
        open_in=(TermState.Agreed,),
        tones={TermState.Agreed: "ok", TermState.Ended: "info"},
        moves=(
            Move(
                "end",
                N_("End"),
                (TermState.Agreed,),
                TermState.Ended,
                sets=_ended,
                confirm=confirm,
                tone="bad",
                later=_ended_early,
            ),
        ),
    )


def _ended(row: Any, given: Mapping[str, Any], now: datetime) -> Mapping[str, Any]:
    """The last day is the day of the move, as far as it had begun; what never began keeps its days."""
    today = local_day(now)
    return {"until_day": today} if row.from_day <= today <= row.until_day else {}


def _ended_early(row: Any, given: Mapping[str, Any], now: datetime) -> Iterable[tuple[str, datetime]]:
    """Whoever was told that it holds is told that it no longer does, unless the last day was said beforehand."""
    return [("remind.ended", now)] if begun(row, now) and local_day(now) <= row.until_day else []


def begun(row: Any, now: datetime) -> bool:
    """Has it been told that it holds?"""
    return morning(row.from_day) <= now


def another_end(session: ScopedSession, row: Any, changes: Mapping[str, Any], now: datetime) -> None:
    """Reminders follow a last day that was moved; who was told the old one already is told again."""
    if "until_day" not in changes or "from_day" in changes:
        return  # made, or removed
    move_reminders(session, row, now)
    if begun(row, now):
        key = reminder_key(type(row).__admin__.name, "begins", row.id)
        post(session, row, Todo("remind.begins", f"{key}:v{row.version}", now))
        session.flush()


def ended(text: str, to: str) -> Reminder:
    return Reminder("ended", text, at=None, says=lambda row: row.said(), to=to, states=(TermState.Ended,))


def end_past(s: ScopedSession, term: type[Term], now: datetime) -> int:
    """Close what has run out, so that lists say so; returns how many. Nothing was granted since its last day."""
    over = select(term).where(term.state == TermState.Agreed, term.until_day < local_day(now)).limit(500)
    rows = [*s.scalars(over)]
    for row in rows:
        problems = move(s, row, "end", now=now)
        if problems.errors:
            raise RuntimeError(f"{row}: {problems}")
    return len(rows)
