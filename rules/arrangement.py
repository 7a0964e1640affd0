"""What a holiday notice means for the calendar: which days it settles, and what that changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from rules.calendar import Calendar, Day
from rules.words import N_, Problem, Problems

# Nine days in a row is the most there has been (2026).
LONGEST_HOLIDAY = 16
_DAY = timedelta(days=1)

NO_START = N_("Line %(line)d, “%(words)s”: which holiday this lengthens is not in the calendar.")


@dataclass(frozen=True)
class Notice:
    """What a notice says. whole: it arranges a year; otherwise it amends an arrangement that is there already.

    rests, worked: day → name of the holiday (message id, or as it stands there). festivals: which ones it speaks of.
    until: the last day of a holiday that is lengthened, with the words that say so. problems: also warnings, with which
    it can be taken over all the same.
    """

    title: str
    year: int
    whole: bool
    rests: Mapping[date, str] = field(default_factory=dict)
    worked: Mapping[date, str] = field(default_factory=dict)
    festivals: tuple[str, ...] = ()
    until: tuple[date, int, str] | None = None
    problems: Problems = field(default_factory=Problems)


@dataclass(frozen=True)
class Change:
    """One day before and after. The same answer, now firm, is a change too."""

    before: Day
    after: Day

    @property
    def moves(self) -> bool:
        return self.before.workday != self.after.workday

    @property
    def firm(self) -> bool:
        return self.before.provisional and not self.after.provisional


def arrange(notice: Notice, calendar: Calendar) -> tuple[dict[date, Day], Problems]:
    """(the days that the notice settles, what does not fit the calendar that it amends).

    Of a whole notice every day of its year, and what it names of the days around New Year; of an amending one the days
    that it names, and those that its holidays leave.
    """
    named = {d: Day(d, workday=False, source=notice.title, name=name) for d, name in notice.rests.items()}
    named |= {d: Day(d, workday=True, source=notice.title, name=name) for d, name in notice.worked.items()}
    if notice.whole:
        return {d: _plain(d, notice.title) for d in year_days(notice.year)} | named, Problems()
    if notice.until is not None:
        last, line, words = notice.until
        held = [d for d in year_days(notice.year) if d < last and _is_rest_of(calendar.day(d), notice.festivals)]
        if not held or (last - held[-1]).days > LONGEST_HOLIDAY:
            told = {"line": line, "words": words}
            return named, Problems([Problem("text", "no_start", NO_START, told)])
        name = calendar.day(held[-1]).name
        for i in range(1, (last - held[-1]).days + 1):
            day = held[-1] + i * _DAY
            named[day] = Day(day, workday=False, source=notice.title, name=name)
        return dict(sorted(named.items())), Problems()
    # The holiday is arranged anew: what it had before and has no longer are plain days again.
    for day in year_days(notice.year):
        if day not in named and calendar.day(day).name in notice.festivals:
            named[day] = _plain(day, notice.title)
    return dict(sorted(named.items())), Problems()


def changes(days: Mapping[date, Day], calendar: Calendar) -> list[Change]:
    """Where *days* say something else than the calendar, or say for certain what it held for provisional."""
    found = (Change(calendar.day(d), day) for d, day in sorted(days.items()))
    return [change for change in found if change.before != change.after]


def year_days(year: int) -> list[date]:
    return days_from(date(year, 1, 1), date(year, 12, 31))


def days_from(first: date, last: date) -> list[date]:
    return [first + i * _DAY for i in range((last - first).days + 1)]


def _plain(day: date, source: str) -> Day:
    return Day(day, workday=day.weekday() < 5, source=source)


def _is_rest_of(day: Day, festivals: tuple[str, ...]) -> bool:
    return not day.workday and day.name in festivals
