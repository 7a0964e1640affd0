"""Which days are working days, who says so, and how certain that is.

The calendar is data: the State Council's notice of each year, held in a table. For days that no notice
covers yet the answer is the law alone, marked provisional; there is always an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

import chinese_calendar

from rules.words import N_

# Both sources are message ids with %(year)s, the year of the day they speak of.
NOTICE = N_("Calendar of %(year)s: holiday notice of the General Office of the State Council for that year")
FALLBACK = N_(
    "Calendar of %(year)s: Monday to Friday without the days named in the Measures on Public Holidays for "
    "National Annual Festivals and Memorial Days, Article 2"
)

NEW_YEAR = N_("New Year's Day")
SPRING = N_("Spring Festival")
QINGMING = N_("Qingming Festival")
LABOUR = N_("Labour Day")
DRAGON_BOAT = N_("Dragon Boat Festival")
MID_AUTUMN = N_("Mid-Autumn Festival")
NATIONAL = N_("National Day")
ANTI_FASCIST = N_("70th anniversary of the victory in the War of Resistance")

# chinesecalendar's names to ours: a name it adds later shows as it stands until it is listed here.
_NAMES = {
    "New Year's Day": NEW_YEAR,
    "Spring Festival": SPRING,
    "Tomb-sweeping Day": QINGMING,
    "Labour Day": LABOUR,
    "Dragon Boat Festival": DRAGON_BOAT,
    "Mid-autumn Festival": MID_AUTUMN,
    "National Day": NATIONAL,
    "Anti-Fascist 70th Day": ANTI_FASCIST,
}

# Four letters a year from 1949 to 2100, each a number of days in base 36: 春节 after 21 January, 清明 after
# 4 April, 端午 after 26 May, 中秋 after 6 September. Reckoned from new moons and solar longitude in Beijing
# time (GB/T 33661-2017) rather than taken from a library, since the one at hand is under the GPL.
# 中秋 2089 hangs on a new moon three minutes before midnight and may be a day off.
_LUNAR_FROM = 1949
_LUNAR = (
    "816u"  # 1949
    "r1okg1e9612ro1kgd1a531tom1ida172s1qli1fb"  # 1950
    "713tp1mif1b741uqn1jec19401snj1hc915ur1ok"  # 1960
    "g1d9612rp1kgd1a521tol1jea072s1qlh1fb714t"  # 1970
    "q0mhf1b641upn1kfc094u1rnj1gc815vr0njg1d8"  # 1980
    "612rp1lge0a521tok1iea173t0plh1ea714tq1ni"  # 1990
    "f0b631upm1kfb19510rmj1gc815us1ojh0d8502r"  # 2000
    "o1lgd1b620sok0hda172t1pli0e9704sq1nif1c7"  # 2010
    "40upm0jfb18411rnk0fb805ur1ojg1e9502rn0lg"  # 2020
    "d1a621tpl0hda062t1pli1fa704sp0nie1c7311q"  # 2030
    "m0jeb08410rmk1gb905tr0ojg0d9513so0kgc095"  # 2040
    "20sol1idb061t0pki0fa714tp0mie0b730uqm1jf"  # 2050
    "c08300rmj0gb816ur0ojf0d9502ro1lhd09520sn"  # 2060
    "l0ida172t0pkh0fa604tp0mif0b630tpm0jec094"  # 2070
    "10rmj0gb806ur0okg0c8501ro0kgd0a530snk0ic"  # 2080
    "9072s0qlh0ea603tp0mif0b740tom0jeb09300sn"  # 2090
    "j1hc"  # 2100
)

# The Measures as amended on 8 November 2024 hold since 1 January 2025.
SINCE_2025 = 2025
_DAY = timedelta(days=1)
_SATURDAY = 5


@dataclass(frozen=True)
class Day:
    """One day as a calendar states it; also one row of the calendar table.

    source: who says so, a message id with %(year)s or the plain name of a document. name: message id of the
    holiday; on a working Saturday or Sunday, of the holiday it makes up for. provisional: no notice yet.
    """

    day: date
    workday: bool
    source: str
    name: str | None = None
    provisional: bool = False

    @property
    def is_make_up(self) -> bool:
        """A Saturday or Sunday that is worked."""
        return self.workday and self.day.weekday() >= _SATURDAY


class Calendar:
    """The table's days first, the law for every other day. Immutable; one serves a whole request or job."""

    def __init__(self, days: Iterable[Day] | Mapping[date, Day] = (), *, beneath: Calendar | None = None) -> None:
        """beneath: another calendar, which answers for what *days* do not say."""
        rows = days.values() if isinstance(days, Mapping) else days
        self._days: dict[date, Day] = dict(beneath._days) if beneath is not None else {}
        self._days |= {row.day: row for row in rows}

    def day(self, d: date) -> Day:
        """What is known of *d*, any date at all. A datetime is refused (TypeError): its day needs a zone."""
        if isinstance(d, datetime):
            raise TypeError("a calendar takes a legal day; turn a moment into one with deadlines.local_day")
        return self._days.get(d) or _by_law(d)

    def is_workday(self, d: date) -> bool:
        return self.day(d).workday

    def next_workday(self, d: date) -> date:
        """The first working day after *d*."""
        return self.add_workdays(d, 1)

    def previous_workday(self, d: date) -> date:
        """The last working day before *d*."""
        return self.add_workdays(d, -1)

    def add_workdays(self, d: date, n: int) -> date:
        """The *n*-th working day after *d*, before it when *n* is negative, *d* itself when 0.

        *d* is the day of the event and not counted, working day or not (民法典第二百零一条).
        """
        step = _DAY if n > 0 else -_DAY
        left = abs(n)
        while left:
            d += step
            left -= self.is_workday(d)
        return d

    def workdays_between(self, a: date, b: date) -> int:
        """Working days met on the way from *a*, not counted, to *b*, counted; negative when *b* is earlier.

        So ``workdays_between(d, add_workdays(d, n)) == n`` for every *d* and *n*.
        """
        step, sign = (_DAY, 1) if b >= a else (-_DAY, -1)
        return sign * sum(self.is_workday(a + step * i) for i in range(1, abs((b - a).days) + 1))


def _by_law(d: date) -> Day:
    """国务院关于职工工作时间的规定第七条 (Saturday and Sunday are days of rest) and the statutory days."""
    name = statutory_days(d.year).get(d)
    return Day(d, name is None and d.weekday() < _SATURDAY, FALLBACK, name, provisional=True)


@lru_cache(maxsize=256)
def statutory_days(year: int) -> Mapping[date, str]:
    """全国年节及纪念日放假办法第二条: day → name, as in force since 2025, before that as in force since 2014.

    Outside 1949-2100 only the days fixed in the solar calendar. A day off in lieu (第六条) and a rearranged
    one (第七条) are known only from the year's notice.
    """
    since_2025 = year >= SINCE_2025
    found: dict[date, str] = {}

    def add(first: date, days: int, name: str) -> None:
        for i in range(days):
            found.setdefault(first + _DAY * i, name)

    add(date(year, 1, 1), 1, NEW_YEAR)
    add(date(year, 5, 1), 2 if since_2025 else 1, LABOUR)
    add(date(year, 10, 1), 3, NATIONAL)
    place = (year - _LUNAR_FROM) * 4
    if 0 <= place < len(_LUNAR):
        spring, qingming, dragon_boat, mid_autumn = (int(c, 36) for c in _LUNAR[place : place + 4])
        new_year = date(year, 1, 21) + _DAY * spring
        if since_2025:
            add(new_year - _DAY, 4, SPRING)
        else:
            add(new_year, 3, SPRING)
        add(date(year, 4, 4) + _DAY * qingming, 1, QINGMING)
        add(date(year, 5, 26) + _DAY * dragon_boat, 1, DRAGON_BOAT)
        add(date(year, 9, 6) + _DAY * mid_autumn, 1, MID_AUTUMN)
    return found


def days_by_law(year: int) -> int:
    """How many days of rest the holidays of *year* make, two on one day counted twice."""
    return 13 if year >= SINCE_2025 else 11


def covered_years() -> range:
    """The years whose notices chinesecalendar holds."""
    years = {d.year for d in chinese_calendar.holidays}
    return range(min(years), max(years) + 1)


def published_days(year: int) -> list[Day]:
    """Every day of *year* by the State Council's notice, in order; empty when that notice is not at hand."""
    if year not in covered_years():
        return []
    first = date(year, 1, 1)
    return [_published(first + _DAY * i) for i in range((date(year, 12, 31) - first).days + 1)]


def _published(d: date) -> Day:
    rest, name = chinese_calendar.get_holiday_detail(d)
    return Day(d, not rest, NOTICE, name and _NAMES.get(name, name))
