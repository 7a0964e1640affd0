"""The calendar: every day that a notice of the State Council settled, with its source. The table wins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ScalarSelect, String, UniqueConstraint, cast, func, select
from sqlalchemy.orm import Mapped, Session

from models.base import Row, field
from models.declare import READERS, Admin, Desk, Grant, Group, MenuGroup, Page, Reach, Remark, Role, Todo
from models.limits import LIMITS, candidates, running
from models.outbox import Outbox, OutboxState, post
from models.scope import ScopedSession
from models.write import save
from rules.calendar import Calendar, Day, covered_years, published_days
from rules.deadlines import local_day
from rules.words import N_


class WorkDay(Row):
    __table_args__ = (UniqueConstraint("day"),)

    day: Mapped[date] = field(N_("Date"), editable="new")
    workday: Mapped[bool] = field(N_("Working day"))
    name: Mapped[str | None] = field(N_("Occasion"), String(40), message=True)
    source: Mapped[str] = field(N_("Source"), String(200))
    provisional: Mapped[bool] = field(N_("Provisional"), default=False)

    @property
    def label(self) -> str:
        return self.day.isoformat()


def missing_year(session: Session, now: datetime) -> Iterable[Remark]:
    """From 1 November on, next year's arrangement should be in the calendar."""
    today = local_day(now)
    if today.month < 11:
        return
    held = session.scalar(select(func.max(WorkDay.day)).where(WorkDay.provisional.is_(False)))
    if held is None or held.year <= today.year:
        message = N_("The holiday arrangement for %(year)d is not entered yet; limits that end in it are provisional.")
        yield Remark(message, {"year": today.year + 1}, LOADING)


BY_HAND = N_("Days changed by hand")
# In the session: whoever changes many days posts the work that follows from all of them.
POSTS_ITSELF = "posts_limits_itself"


@contextmanager
def one_work_for_all(session: ScopedSession) -> Iterator[None]:
    session.info[POSTS_ITSELF] = True
    try:
        yield
    finally:
        del session.info[POSTS_ITSELF]


def limits_follow(session: ScopedSession, row: WorkDay, changes: Mapping[str, Any], now: datetime) -> None:
    """Limits that run are reckoned anew when a day is entered, changed or removed, by whichever door.

    Days that are changed before a worker comes to it are one piece of work.
    """
    if not changes.keys() & {"workday", "provisional"} or session.info.get(POSTS_ITSELF):
        return
    if session.scope.everything and not any(candidates(session, m, row.day, 0, 1) for m in _with_limits()):
        return  # a command fills the calendar of an installation where nothing runs yet
    day = row.day.isoformat()
    moves = [day] if "workday" in changes else []
    if (waiting := _waiting(session)) is not None:
        data = waiting.data
        waiting.data = {
            **data,
            "first": min(data["first"], day),
            "changed": data["changed"] + 1,
            "moving": sorted({*data["moving"], *moves}),
            "actor": session.scope.actor,
        }
        return
    told = {"title": BY_HAND, "by_hand": True, "year": row.day.year, "actor": session.scope.actor}
    told |= {"first": day, "changed": 1, "moving": moves}
    reckon_later(session, row, told, now)


def reckon_later(session: ScopedSession, row: WorkDay, told: Mapping[str, Any], now: datetime) -> None:
    """Post the reckoning of limits after a change about *row*. told: what it needs to know, ``year`` among it.

    The work's key names the state of the calendar that it follows, so that each change has one of its own.
    """
    key = f"{LIMITS}:{told['year']}:{session.scalar(select(calendar_stamp()))}"
    todo = post(session, row, Todo(LIMITS, key, now, told))
    session.flush()
    session.info.setdefault("posted", []).append(todo.id)


def _waiting(session: ScopedSession) -> Outbox | None:
    """The work that no worker has begun."""
    mine = (Outbox.kind == LIMITS) & (Outbox.state == OutboxState.Waiting) & (Outbox.attempts == 0)
    found = session.scalars(select(Outbox).where(mine).order_by(Outbox.id).with_for_update(skip_locked=True))
    return next((todo for todo in found if todo.data.get("by_hand") and "at" not in todo.data), None)


def _with_limits() -> Iterator[type[Any]]:
    from models import registries

    return (model for model in registries().values() if running(model))


LOADING = Page(N_("Load a holiday notice"), "WorkYear.load", "edit")

WorkDay.__admin__ = Admin(
    name="work-days",
    title=N_("Working-day calendar"),
    one=N_("Calendar day"),
    menu=MenuGroup.System,
    label="label",
    cells="day/name workday provisional source",
    search="name source",
    filters="workday provisional day",
    desk=Desk(remarks=missing_year),
    pages=(Page(N_("The whole year"), "WorkYear.of_day"),),
    overviews=(Page(N_("Year view"), "WorkYear.now", "list"), LOADING),
    order="-day",
    natural_key=("day",),
    after=limits_follow,
    groups=(Group(N_("Basics"), "day workday name source provisional"),),
    grants=(
        Grant(Role.Administrator, "list show add edit delete import export", Reach.all),
        *READERS,
    ),
    weight=20,
)


def calendar_stamp() -> ScalarSelect[str]:
    """Differs whenever any day was entered, changed or removed: a calendar that was read may be kept until then."""
    parts = (func.count(WorkDay.id), func.max(WorkDay.id), func.sum(WorkDay.version))
    told = [cast(func.coalesce(part, 0), String) for part in parts]
    return select(told[0] + "-" + told[1] + "-" + told[2]).scalar_subquery()


def load_calendar(session: Session, around: date) -> Calendar:
    """The calendar from a year before *around* to two years after; what the table does not hold is provisional."""
    found = session.execute(
        select(WorkDay.day, WorkDay.workday, WorkDay.source, WorkDay.name, WorkDay.provisional).where(
            WorkDay.day.between(around - timedelta(days=400), around + timedelta(days=800))
        )
    )
    return Calendar(Day(*row) for row in found)


def seed_calendar(session: Session, now: datetime) -> int:
    """Write the published days that the table does not hold yet; returns how many."""
    held = set(session.scalars(select(WorkDay.day)))
    count = 0
    for year in covered_years():
        if year < now.year - 2:
            continue
        for day in published_days(year):
            if day.day in held:
                continue
            row = WorkDay()
            # By the document's own title, which is the same in every language.
            source = f"国务院办公厅关于{year}年部分节假日安排的通知"
            values = {"day": day.day, "workday": day.workday, "name": day.name, "source": source}
            problems = save(session, row, {**values, "provisional": False}, now=now)  # type: ignore[arg-type]
            if problems.errors:
                raise RuntimeError(f"calendar day {day.day}: {problems}")
            count += 1
    return count
