"""When a limit ends, and why on that day.

Limits on an agency are working days (行政许可法第八十二条); the day of the event is not counted
(民法典第二百零一条); the limit ends with its last working day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from rules.calendar import Calendar, Day
from rules.words import N_

SHANGHAI = ZoneInfo("Asia/Shanghai")

START = N_("Begins on %(start)s; that day is not counted (Civil Code, Article 201)")
SAME_DAY = N_("Ends on the day it begins, %(start)s")
COUNT = N_("Limit in working days: %(workdays)s (Administrative Licensing Law, Article 82)")
WEEKEND = N_("%(first)s: day of rest, not counted")
WEEKENDS = N_("%(first)s to %(last)s: weekend, %(days)s days not counted")
HOLIDAY = N_("%(first)s: %(holiday)s, not counted")
HOLIDAYS = N_("%(first)s to %(last)s: %(holiday)s, %(days)s days not counted")
CLOSED = N_("%(first)s: not a working day by the calendar, not counted")
CLOSED_DAYS = N_("%(first)s to %(last)s: not working days by the calendar, %(days)s days not counted")
MAKE_UP = N_("%(day)s: working day by the calendar although a weekend, counted")
MAKE_UP_FOR = N_("%(day)s: working day to make up for %(holiday)s, counted")
SOURCE = N_("Calendar: %(source)s")
PROVISIONAL = N_("Provisional: the holiday arrangement for %(years)s is not published yet; the date may move")

_SKIPPED = {"weekend": (WEEKEND, WEEKENDS), "holiday": (HOLIDAY, HOLIDAYS), "closed": (CLOSED, CLOSED_DAYS)}


@dataclass(frozen=True)
class Line:
    """One line: a message id and what fills it (dates as ``date``, holidays as message ids)."""

    message: str
    params: dict[str, Any]

    def text(
        self,
        translate: Callable[[str], str] = str,
        show: Callable[[date], str] = date.isoformat,
    ) -> str:
        """The line in the reader's language; holiday names are translated, dates shown by *show*."""

        def filled(value: Any) -> Any:
            if isinstance(value, date):
                return show(value)
            # gettext answers the empty message id with the header of its catalogue.
            return translate(value) if isinstance(value, str) and value else value

        return translate(self.message) % {key: filled(value) for key, value in self.params.items()}


@dataclass(frozen=True)
class Deadline:
    """due: the last day of the limit. provisional: it may move when a holiday notice comes. lines: why."""

    due: date
    provisional: bool
    lines: tuple[Line, ...]


def local_day(moment: datetime) -> date:
    """The legal day of an aware *moment*, in Asia/Shanghai. A naive one is refused (ValueError)."""
    if moment.utcoffset() is None:
        raise ValueError("a moment without a time zone has no legal day")
    return moment.astimezone(SHANGHAI).date()


def begin_of(day: date) -> datetime:
    """The moment at which *day* begins in China."""
    return datetime.combine(day, time(), SHANGHAI)


def due(
    start: date,
    workdays: int,
    calendar: Calendar,
    start_message: str = START,
    count_message: str = COUNT,
) -> Deadline:
    """The last day of a limit of *workdays* working days that *start* sets going; 0 is *start* itself.

    start_message may use %(start)s, count_message %(workdays)s: for other events and for limits that rest on
    another law. ValueError for a negative limit. Lines come in order of days: the days skipped (params
    "days" and "first") and the working days add up to the span from *start* to the due date.
    """
    if workdays < 0:
        raise ValueError("a limit cannot be negative")
    if workdays == 0:
        return Deadline(start, False, (Line(SAME_DAY, {"start": start}),))
    end = calendar.add_workdays(start, workdays)
    days = [calendar.day(start + timedelta(days=i)) for i in range(1, (end - start).days + 1)]
    lines = [Line(start_message, {"start": start}), Line(count_message, {"workdays": workdays})]
    lines += _calendar_lines(days)
    lines += _source_lines(days)
    return Deadline(end, any(day.provisional for day in days), tuple(lines))


def plain_lines(lines: Iterable[Line]) -> list[Any]:
    """The explanation of a date as JSON: [message id, values], read later in the reader's language."""
    return [
        [line.message, {k: v.isoformat() if isinstance(v, date) else v for k, v in line.params.items()}]
        for line in lines
    ]


def due_again(lines: Any, calendar: Calendar) -> Deadline | None:
    """The limit that *lines* (as of :func:`plain_lines`) explain, by another calendar: the same days from the same day.

    None where they are no explanation of :func:`due`, or the limit is a day of its own.
    """
    try:
        (start_message, start), (count_message, count) = lines[:2]
        return due(date.fromisoformat(start["start"]), int(count["workdays"]), calendar, start_message, count_message)
    except (KeyError, TypeError, ValueError):
        return None


def _kind(day: Day) -> tuple[str, str | None]:
    """(what the explanation calls the day, name of the holiday): neighbours of one kind share a line."""
    if day.workday:
        return ("make-up" if day.is_make_up else "workday"), day.name
    if day.name:
        return "holiday", day.name
    return ("weekend" if day.day.weekday() >= 5 else "closed"), None


def _calendar_lines(days: Iterable[Day]) -> list[Line]:
    lines: list[Line] = []
    for (kind, name), group in groupby(days, _kind):
        run = list(group)
        named = {"holiday": name} if name else {}
        if kind == "make-up":
            message = MAKE_UP_FOR if name else MAKE_UP
            lines += [Line(message, {"day": day.day, **named}) for day in run]
        elif kind in _SKIPPED:
            one, several = _SKIPPED[kind]
            params = {"first": run[0].day, "last": run[-1].day, "days": len(run), **named}
            lines.append(Line(one if len(run) == 1 else several, params))
    return lines


def _source_lines(days: Iterable[Day]) -> list[Line]:
    """Each source of each year once, in order, then what is not settled yet."""
    days = list(days)
    lines: list[Line] = []
    for source, year in dict.fromkeys((day.source, day.day.year) for day in days):
        # A document that somebody typed in is shown as it stands: it may hold a per cent sign.
        line = Line(source, {"year": year}) if "%(year)s" in source else Line(SOURCE, {"source": source})
        if line not in lines:
            lines.append(line)
    if open_years := dict.fromkeys(day.day.year for day in days if day.provisional):
        lines.append(Line(PROVISIONAL, {"years": ", ".join(map(str, open_years))}))
    return lines


def warn_day(due: date, workdays_before: int, calendar: Calendar) -> date:
    """The day to remind on: that many working days before *due*, *due* itself for 0."""
    return calendar.add_workdays(due, -workdays_before)


def standing(today: date, due: date, calendar: Calendar, soon: int = 3) -> tuple[str, int]:
    """How *today* stands to *due*: (code, working days).

    ("overdue", n): n working days since, today among them; 0 on the days of rest right after the limit.
    ("today", 0). ("soon", n) when at most *soon* working days are left, *due* among them, else ("left", n).
    """
    if today > due:
        return "overdue", calendar.workdays_between(due, today)
    if today == due:
        return "today", 0
    left = calendar.workdays_between(today, due)
    return ("soon" if left <= soon else "left"), left
