"""The calendar against a table typed by hand from the notices, and what it says when there is no notice."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import calendar as c
from rules.calendar import Calendar, Day, covered_years, published_days

DAY = timedelta(days=1)

# (first and last day off …), (weekend days worked …), working days in the year; month and day.
NOTICES = {
    2024: (
        "1/1-1/1 2/10-2/17 4/4-4/6 5/1-5/5 6/10-6/10 9/15-9/17 10/1-10/7",
        "2/4 2/18 4/7 4/28 5/11 9/14 9/29 10/12",
        251,
    ),
    2025: ("1/1-1/1 1/28-2/4 4/4-4/6 5/1-5/5 5/31-6/2 10/1-10/8", "1/26 2/8 4/27 9/28 10/11", 248),
    2026: (
        "1/1-1/3 2/15-2/23 4/4-4/6 5/1-5/5 6/19-6/21 9/25-9/27 10/1-10/7",
        "1/4 2/14 2/28 5/9 9/20 10/10",
        248,
    ),
}


def on(year: int, text: str) -> date:
    month, day = map(int, text.split("/"))
    return date(year, month, day)


def by_hand(year: int) -> dict[date, bool]:
    """Every day of *year* → is it worked, from NOTICES alone."""
    off, work, _ = NOTICES[year]
    days = {}
    d = date(year, 1, 1)
    while d.year == year:
        days[d] = d.weekday() < 5
        d += DAY
    for run in off.split(" "):
        first, last = (on(year, text) for text in run.split("-"))
        while first <= last:
            days[first] = False
            first += DAY
    for text in work.split(" "):
        days[on(year, text)] = True
    return days


HAND = {d: w for year in NOTICES for d, w in by_hand(year).items()}
CALENDAR = Calendar(day for year in covered_years() for day in published_days(year))
EMPTY = Calendar()
calendars = st.sampled_from([CALENDAR, EMPTY])
any_day = st.dates(date(1949, 1, 1), date(2100, 12, 31))


@pytest.mark.parametrize("year", NOTICES)
def test_published_days_are_the_notice_day_by_day(year: int) -> None:
    days = published_days(year)
    assert {day.day: day.workday for day in days} == by_hand(year)
    assert [day.day for day in days] == sorted(by_hand(year))
    assert sum(day.workday for day in days) == NOTICES[year][2]
    assert not any(day.provisional for day in days)
    assert {day.source for day in days} == {c.NOTICE}


def test_the_table_answers_for_its_years() -> None:
    assert all(CALENDAR.is_workday(d) == workday for d, workday in HAND.items())


def test_published_names() -> None:
    assert CALENDAR.day(date(2026, 2, 15)).name == c.SPRING
    assert CALENDAR.day(date(2026, 4, 6)).name == c.QINGMING
    assert CALENDAR.day(date(2026, 9, 27)).name == c.MID_AUTUMN
    assert CALENDAR.day(date(2026, 11, 21)).name is None
    make_up = CALENDAR.day(date(2026, 5, 9))
    assert (make_up.workday, make_up.name, make_up.is_make_up) == (True, c.LABOUR, True)
    assert not CALENDAR.day(date(2026, 5, 8)).is_make_up


def test_every_published_name_is_ours() -> None:
    known = {c.NEW_YEAR, c.SPRING, c.QINGMING, c.LABOUR, c.DRAGON_BOAT, c.MID_AUTUMN, c.NATIONAL}
    names = {day.name for year in covered_years() for day in published_days(year)} - {None}
    assert names - known == {"70th anniversary of the victory in the War of Resistance"}


@pytest.mark.parametrize("year", [1949, 2003, 2027, 2100])
def test_a_year_without_notice_has_no_published_days(year: int) -> None:
    assert published_days(year) == []
    assert year not in covered_years()


def test_2004_to_2026_are_covered_whole() -> None:
    assert set(range(2004, 2027)) <= set(covered_years())
    assert len(published_days(2024)) == 366


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("2027-01-01", c.NEW_YEAR),
        ("2027-02-05", c.SPRING),  # 除夕
        ("2027-02-06", c.SPRING),
        ("2027-02-08", c.SPRING),
        ("2027-02-09", None),
        ("2027-04-05", c.QINGMING),
        ("2027-05-01", c.LABOUR),
        ("2027-05-02", c.LABOUR),
        ("2027-05-03", None),
        ("2027-06-09", c.DRAGON_BOAT),
        ("2027-09-15", c.MID_AUTUMN),
        ("2027-10-01", c.NATIONAL),
        ("2027-10-03", c.NATIONAL),
        ("2027-10-04", None),
        ("2031-10-01", c.NATIONAL),  # 中秋 too
        ("2033-01-31", c.SPRING),
        ("2100-02-09", c.SPRING),
        ("2150-10-02", c.NATIONAL),
        ("2150-02-02", None),
    ],
)
def test_without_a_notice_the_statutory_days_are_off_and_provisional(text: str, name: str | None) -> None:
    d = date.fromisoformat(text)
    day = CALENDAR.day(d)
    assert (day.name, day.provisional, day.source) == (name, True, c.FALLBACK)
    assert day.workday == (name is None and d.weekday() < 5)


def test_new_year_eve_and_2_may_are_statutory_only_since_2025() -> None:
    assert EMPTY.is_workday(date(2024, 2, 9))
    assert EMPTY.is_workday(date(2024, 5, 2))
    assert not EMPTY.is_workday(date(2025, 1, 28))
    assert not EMPTY.is_workday(date(2025, 5, 2))


@pytest.mark.parametrize(("year", "count"), [(2014, 11), (2024, 11), (2026, 13), (2027, 13), (2099, 13)])
def test_11_statutory_days_before_2025_and_13_since(year: int, count: int) -> None:
    days = [EMPTY.day(date(year, 1, 1) + DAY * i) for i in range(365)]
    assert sum(day.name is not None for day in days) == count


@pytest.mark.parametrize("year", [y for y in covered_years() if y >= 2008])
def test_reckoned_lunar_days_are_off_in_every_notice(year: int) -> None:
    lunar = {c.SPRING, c.QINGMING, c.DRAGON_BOAT, c.MID_AUTUMN}
    days = [EMPTY.day(date(year, 1, 1) + DAY * i) for i in range(365)]
    # 春节 2014 to 2024 begins on the first day of the year, 2008 to 2013 a day earlier: both are inside.
    named = [day for day in days if day.name in lunar]
    assert {day.name for day in named} >= lunar - {c.MID_AUTUMN}
    assert [day.day for day in named if CALENDAR.is_workday(day.day)] == []


def test_table_goes_before_the_law() -> None:
    d = date(2027, 10, 1)
    row = Day(d, True, "测试文号", None)
    for days in ([row], {d: row}, iter([row])):
        assert Calendar(days).day(d) is row
    assert not Calendar().is_workday(d)


def test_a_moment_is_refused() -> None:
    with pytest.raises(TypeError):
        CALENDAR.day(datetime.fromisoformat("2026-05-01T00:00"))


@given(calendars, any_day)
def test_any_day_has_an_answer(calendar: Calendar, d: date) -> None:
    day = calendar.day(d)
    assert day.day == d
    assert day.source
    assert day.provisional or d.year in covered_years()


@pytest.mark.parametrize("d", [date.min, date.max, date(1948, 10, 10), date(2101, 1, 3)])
def test_the_ends_of_time_too(d: date) -> None:
    assert EMPTY.day(d).provisional


@pytest.mark.parametrize("year", range(1949, 2102))
def test_no_year_is_without_holidays(year: int) -> None:
    off = [d for d in (date(year, 1, 1) + DAY * i for i in range(365)) if EMPTY.day(d).name]
    assert {date(year, 1, 1), date(year, 5, 1), date(year, 10, 1), date(year, 10, 3)} <= set(off)
    assert len(off) >= (10 if year < 2101 else 5)


@given(calendars, any_day, st.integers(-300, 300))
def test_adding_and_counting_are_inverse(calendar: Calendar, d: date, n: int) -> None:
    end = calendar.add_workdays(d, n)
    assert calendar.workdays_between(d, end) == n
    assert n == 0 or calendar.is_workday(end)


@given(st.dates(date(2024, 1, 1), date(2026, 12, 31)), st.dates(date(2024, 1, 1), date(2026, 12, 31)))
def test_counting_against_the_hand_typed_table(a: date, b: date) -> None:
    if a <= b:
        expected = sum(workday for d, workday in HAND.items() if a < d <= b)
    else:
        expected = -sum(workday for d, workday in HAND.items() if b <= d < a)
    assert CALENDAR.workdays_between(a, b) == expected


@given(calendars, any_day)
def test_next_and_previous(calendar: Calendar, d: date) -> None:
    after, before = calendar.next_workday(d), calendar.previous_workday(d)
    assert before < d < after
    assert calendar.is_workday(after)
    assert calendar.is_workday(before)
    assert not any(calendar.is_workday(d + DAY * i) for i in range(1, (after - d).days))
    assert not any(calendar.is_workday(d - DAY * i) for i in range(1, (d - before).days))


def test_the_day_of_the_event_is_not_counted() -> None:
    friday = date(2026, 11, 20)
    assert CALENDAR.add_workdays(friday, 0) == friday
    assert CALENDAR.add_workdays(friday, 1) == date(2026, 11, 23)
    assert CALENDAR.add_workdays(date(2026, 11, 21), 1) == date(2026, 11, 23)
    assert CALENDAR.add_workdays(date(2026, 11, 21), 0) == date(2026, 11, 21)
    assert CALENDAR.add_workdays(date(2026, 11, 23), -1) == friday
    assert CALENDAR.workdays_between(friday, friday) == 0
