"""The year of working days at a glance, and a holiday notice loaded into it: paste or upload, look, confirm."""

from __future__ import annotations

import calendar as months
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any

from flask import abort, flash, g, redirect, render_template, request, url_for
from flask_appbuilder import BaseView, expose
from sqlalchemy import select

from forms.convert import UNSTORABLE
from forms.texts import text_of
from models import registries
from models.arrangement import Plan, carry_out, plan
from models.limits import LIMITS, Moved, candidates, differing, moved, running
from models.outbox import Outbox
from models.work_day import WorkDay
from rules.calendar import Calendar, Day
from rules.deadlines import local_day
from rules.notice import FIRST_YEAR, LAST_YEAR, LONGEST_TEXT, read
from rules.words import N_, Problem, Problems, RuleError
from views import display
from views.display import gettext
from views.registry import PK
from views.security import commit, db, demand, now

YEAR = "<int(min=1949, max=2100):year>"
NAME = "work-days"
# So many rows with running limits are looked at for the preview; the loading itself looks at all.
MOST_LOOKED_AT = 2000
MOST_SHOWN = 50
LAST_LOADED = 5


@dataclass(frozen=True)
class Month:
    """One month. weeks: seven places each, None outside the month. spans: its holidays and days worked to make up."""

    first: date
    weeks: list[list[Day | None]]
    workdays: int
    spans: list[Span]

    @property
    def provisional(self) -> bool:
        return any(day is not None and day.provisional for week in self.weeks for day in week)


@dataclass(frozen=True)
class Span:
    """Days in a row of one kind: of rest with one name, or worked to make up for it."""

    first: date
    last: date
    name: str
    worked: bool

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1


def month_of(year: int, month: int, calendar: Calendar) -> Month:
    weeks = [
        [calendar.day(day) if day.month == month else None for day in week]
        for week in months.Calendar().monthdatescalendar(year, month)
    ]
    days = [day for week in weeks for day in week if day is not None]
    return Month(days[0].day, weeks, sum(day.workday for day in days), [*spans(days)])


def spans(days: list[Day]) -> Iterator[Span]:
    """Named days and days worked to make up, neighbours of one kind together."""
    for (name, worked, told), run in groupby(days, lambda d: (d.name, d.workday, bool(d.name) or d.is_make_up)):
        found = [*run]
        if told:
            yield Span(found[0].day, found[-1].day, name or "", worked)


class WorkYear(BaseView):
    route_base = "/work-days"
    default_view = "now"
    base_permissions: list[str] = []  # noqa: RUF012 - the registry of working days is asked

    # --- the year ------------------------------------------------------------------------------------------------

    @expose("/year/")
    def now(self) -> str:
        """This year."""
        demand("work-days", "list")
        return self.page(local_day(now()).year)

    @expose(f"/{PK}/year")
    def of_day(self, pk: int) -> str:
        """From the page of one day: its year."""
        demand("work-days", "show")
        row = db().get(WorkDay, pk) or abort(404)
        return self.page(row.day.year)

    @expose(f"/year/{YEAR}")
    def table(self, year: int) -> str:
        demand("work-days", "list")
        return self.page(year)

    def page(self, year: int) -> str:
        days = WorkDay.day.between(date(year, 1, 1), date(year, 12, 31))
        columns = (WorkDay.day, WorkDay.workday, WorkDay.source, WorkDay.name, WorkDay.provisional, WorkDay.id)
        held = [*db().execute(select(*columns).where(days))]
        calendar = Calendar(Day(*row[:5]) for row in held)
        shown = [month_of(year, month, calendar) for month in range(1, 13)]
        every = [day for month in shown for week in month.weeks for day in week if day is not None]
        return render_template(
            "work_year.html",
            admin=registries()[NAME].__admin__,
            year=year,
            months=shown,
            rows={row.day: row.id for row in held},
            today=local_day(now()),
            workdays=sum(day.workday for day in every),
            sources=Counter(day.source for day in every),
            provisional=sum(day.provisional for day in every),
            loaded=self.loaded(year) if may_load() else [],
            may_load=may_load(),
            before=year - 1 if year > 1949 else None,
            after=year + 1 if year < LAST_YEAR else None,
            loadable=year >= FIRST_YEAR,
        )

    @staticmethod
    def loaded(year: int) -> list[Outbox]:
        """The last notices that were loaded for that year."""
        mine = (Outbox.kind == LIMITS) & Outbox.key.startswith(f"{LIMITS}:{year}:")
        return [*db().scalars(select(Outbox).where(mine).order_by(Outbox.id.desc()).limit(LAST_LOADED))]

    # --- a notice ------------------------------------------------------------------------------------------------

    @expose("/notice", methods=["GET", "POST"])
    def load(self) -> Any:
        self._demand()
        if request.method == "GET":
            return self.form("", Problems())
        try:
            text = given()
        except RuleError as error:
            return self.form(typed(), error.problems)
        planned = plan(db(), read(text), replace=bool(request.form.get("replace")))
        if planned.problems.errors:
            return self.form(text, planned.problems)
        return self.preview(text, planned)

    @expose("/notice/confirm", methods=["POST"])
    def confirm(self) -> Any:
        self._demand()
        text = typed()
        planned = plan(db(), read(text), replace=bool(request.form.get("replace")))
        if planned.problems.errors:
            return self.form(text, planned.problems)
        if request.form.get("stamp") != planned.stamp:
            changed = N_("Somebody changed the calendar meanwhile. Please look at it again.")
            return self.preview(text, planned, Problems([Problem(None, "stale", changed)])), 409
        if not planned.changes:
            flash(gettext("The calendar says all this already; nothing was changed."), "ok")
            return redirect(url_for("WorkYear.table", year=planned.notice.year))
        problems = carry_out(db(), planned, now())
        if problems.errors:
            db().rollback()
            return self.form(text, problems)
        posted = db().info["posted"][-1]
        commit()
        told = gettext("“%(title)s” is loaded; limits are being reckoned anew.", title=planned.notice.title)
        flash(told, "ok")
        return redirect(url_for("WorkYear.moved", pk=posted))

    @expose(f"/notice/{PK}")
    def moved(self, pk: int) -> str:
        """What moved with one loading, as far as the reader may see it."""
        self._demand()
        todo = db().get(Outbox, pk)
        if todo is None or todo.kind != LIMITS:
            abort(404)
        every = [
            Moved(name, row, label, clock, date.fromisoformat(old), date.fromisoformat(new))
            for name, row, label, clock, old, new in todo.data.get("moved", ())
        ]
        seen = within_reach(every)
        return render_template(
            "moved.html",
            admin=registries()[NAME].__admin__,
            todo=todo,
            data=todo.data,
            days=[date.fromisoformat(day) for day in todo.data.get("moving", ())],
            rows=seen,
            hidden=len(every) - len(seen),
            more=todo.data.get("limits", 0) - len(every),
        )

    @staticmethod
    def _demand() -> None:
        """A notice makes days and changes them."""
        demand("work-days", "add")
        demand("work-days", "edit")

    @staticmethod
    def form(text: str, problems: Problems) -> Any:
        body = render_template(
            "notice.html", admin=registries()[NAME].__admin__, text=text, problems=problems, planned=None
        )
        return (body, 422) if problems else body

    @staticmethod
    def preview(text: str, planned: Plan, problems: Problems | None = None) -> str:
        limits, all_of_them = limits_moving(planned)
        rests = [Day(d, False, "", name) for d, name in sorted(planned.notice.rests.items())]
        return render_template(
            "notice.html",
            admin=registries()[NAME].__admin__,
            text=text,
            planned=planned,
            problems=problems or Problems(),
            holidays=[*holidays(rests)],
            limits=limits[:MOST_SHOWN],
            count=len(limits),
            all_of_them=all_of_them,
            replace=bool(request.form.get("replace")),
        )


def holidays(rests: list[Day]) -> Iterator[Span]:
    """The runs of days that a notice closes; one run may bear two names."""
    place = [day.day.toordinal() - i for i, day in enumerate(rests)]
    for _, run in groupby(zip(place, rests, strict=True), lambda pair: pair[0]):
        found = [day for _, day in run]
        names = dict.fromkeys(display.tr(day.name or "") for day in found)
        yield Span(found[0].day, found[-1].day, gettext(", ").join(names), worked=False)


def may_load() -> bool:
    return bool(g.scope.may(NAME, "add") and g.scope.may(NAME, "edit"))


def typed() -> str:
    return UNSTORABLE.sub("", request.form.get("text", ""))


def given() -> str:
    """The text that was pasted, or that of the file. Raises RuleError with what is wrong."""
    sent = request.files.get("file")
    data = sent.read() if sent is not None else b""
    text = UNSTORABLE.sub("", text_of(data)) if data else typed()
    if not text.strip():
        raise RuleError.one("text", "required", N_("Please paste the notice, or choose a file."))
    if len(text) > LONGEST_TEXT:
        message = N_("At most %(longest)d characters; these are %(length)d.")
        raise RuleError.one("text", "too_long", message, longest=LONGEST_TEXT, length=len(text))
    return text


def limits_moving(planned: Plan) -> tuple[list[Moved], bool]:
    """(the running limits that would move, as far as this person may see them; were all rows looked at)."""
    found: list[Moved] = []
    if not planned.changes:
        return found, True
    first, whole = planned.changes[0].after.day, True
    for name, model in registries().items():
        if not g.scope.may(name, "list") or not running(model):
            continue
        rows = candidates(db(), model, first, 0, MOST_LOOKED_AT + 1)
        whole = whole and len(rows) <= MOST_LOOKED_AT
        for row in rows[:MOST_LOOKED_AT]:
            found.extend(moved(row, differing(row, planned.calendar)))
    return found, whole


def within_reach(every: list[Moved]) -> list[Moved]:
    reached: set[tuple[str, int]] = set()
    for name in {one.registry for one in every}:
        model = registries().get(name)
        if model is None or not g.scope.may(name, "list"):
            continue
        ids = select(model.id).where(model.id.in_([one.row for one in every if one.registry == name]))
        reached |= {(name, pk) for pk in db().scalars(ids)}
    return [one for one in every if (one.registry, one.row) in reached]
