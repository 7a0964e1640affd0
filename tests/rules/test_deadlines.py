"""Known answers counted on paper, and explanations that add up."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import deadlines as dl
from rules.calendar import Calendar, Day, covered_years, published_days
from rules.deadlines import Deadline, Line, due, local_day, standing, warn_day
from rules.words import N_
from tests.rules.test_calendar import HAND

CALENDAR = Calendar(day for year in covered_years() for day in published_days(year))
SHANGHAI = timezone(timedelta(hours=8))


def messages(deadline: Deadline) -> list[str]:
    return [line.message for line in deadline.lines]


@pytest.mark.parametrize(
    ("start", "workdays", "end"),
    [
        ("2026-04-30", 1, "2026-05-06"),
        ("2026-04-30", 5, "2026-05-11"),  # Saturday 9 May works
        ("2026-09-30", 1, "2026-10-08"),
        ("2026-09-30", 5, "2026-10-13"),  # Saturday 10 October works
        ("2026-09-22", 15, "2026-10-20"),
        ("2026-06-17", 3, "2026-06-23"),
        ("2026-02-13", 1, "2026-02-14"),  # a Saturday
        ("2026-02-14", 1, "2026-02-24"),
        ("2024-02-08", 1, "2024-02-09"),  # 除夕 was no holiday in 2024
        ("2026-05-02", 1, "2026-05-06"),  # filed online on a holiday
        ("2026-12-03", 20, "2026-12-31"),
    ],
)
def test_known_limits(start: str, workdays: int, end: str) -> None:
    found = due(date.fromisoformat(start), workdays, CALENDAR)
    assert found.due == date.fromisoformat(end)
    assert not found.provisional
    assert dl.PROVISIONAL not in messages(found)


@pytest.mark.parametrize(
    ("start", "workdays", "end"),
    [
        ("2026-12-04", 20, "2027-01-04"),
        ("2026-11-20", 30, "2027-01-04"),
        ("2026-10-30", 45, "2027-01-04"),
        ("2027-02-04", 1, "2027-02-09"),  # 除夕 to 初三
    ],
)
def test_a_limit_into_a_year_without_notice_is_provisional(start: str, workdays: int, end: str) -> None:
    found = due(date.fromisoformat(start), workdays, CALENDAR)
    assert found.due == date.fromisoformat(end)
    assert found.provisional
    assert found.lines[-1] == Line(dl.PROVISIONAL, {"years": "2027"})


def test_a_moment_belongs_to_the_day_in_shanghai() -> None:
    assert local_day(datetime(2026, 4, 30, 7, 0, tzinfo=UTC)) == date(2026, 4, 30)
    assert local_day(datetime(2026, 4, 30, 15, 59, 59, tzinfo=UTC)) == date(2026, 4, 30)
    assert local_day(datetime(2026, 4, 30, 16, 0, tzinfo=UTC)) == date(2026, 5, 1)
    assert local_day(datetime(2026, 4, 30, 15, 0, tzinfo=SHANGHAI)) == date(2026, 4, 30)


def test_a_naive_moment_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        local_day(datetime.fromisoformat("2026-04-30T15:00"))


def test_the_explanation_in_full() -> None:
    found = due(date(2026, 9, 22), 15, CALENDAR)
    assert [line.text() for line in found.lines] == [
        "Begins on 2026-09-22; that day is not counted (Civil Code, Article 201)",
        "Limit in working days: 15 (Administrative Licensing Law, Article 82)",
        "2026-09-25 to 2026-09-27: Mid-Autumn Festival, 3 days not counted",
        "2026-10-01 to 2026-10-07: National Day, 7 days not counted",
        "2026-10-10: working day to make up for National Day, counted",
        "2026-10-11: day of rest, not counted",
        "2026-10-17 to 2026-10-18: weekend, 2 days not counted",
        "Calendar of 2026: holiday notice of the General Office of the State Council for that year",
    ]


def test_the_explanation_in_another_language() -> None:
    chinese = {dl.HOLIDAYS: "%(first)s至%(last)s：%(holiday)s，%(days)s天不计入", "National Day": "国庆节"}
    line = due(date(2026, 9, 30), 1, CALENDAR).lines[2]
    shown = line.text(lambda message: chinese[message], lambda d: f"{d.month}月{d.day}日")
    assert shown == "10月1日至10月7日：国庆节，7天不计入"


def test_each_source_is_named_once() -> None:
    found = due(date(2025, 12, 30), 5, CALENDAR)
    sources = [line for line in found.lines if "year" in line.params]
    assert [line.params["year"] for line in sources] == [2025, 2026]


def test_a_typed_in_document_is_shown_as_it_stands() -> None:
    first = date(2027, 3, 1)
    days = [Day(first + timedelta(days=i), True, "府办发〔2027〕1号 100%") for i in range(10)]
    found = due(first, 5, Calendar(days))
    assert found.lines[-1].text() == "Calendar: 府办发〔2027〕1号 100%"
    assert not found.provisional


def test_closed_days_and_nameless_make_up_days_are_called_what_they_are() -> None:
    calendar = Calendar(
        [
            Day(date(2027, 3, 2), False, "x"),
            Day(date(2027, 3, 3), False, "x"),
            Day(date(2027, 3, 5), False, "x"),
            Day(date(2027, 3, 6), True, "x"),
        ]
    )
    found = due(date(2027, 3, 1), 3, calendar)
    assert found.due == date(2027, 3, 8)
    assert messages(found)[2:6] == [dl.CLOSED_DAYS, dl.CLOSED, dl.MAKE_UP, dl.WEEKEND]


def test_other_events_and_laws_have_their_own_words() -> None:
    received, promised = N_("Received on %(start)s"), N_("Promised: %(workdays)s")
    found = due(date(2026, 4, 30), 2, CALENDAR, start_message=received, count_message=promised)
    assert [line.text() for line in found.lines[:2]] == ["Received on 2026-04-30", "Promised: 2"]


def test_a_limit_of_no_days_is_the_day_itself() -> None:
    saturday = date(2027, 10, 2)
    assert due(saturday, 0, CALENDAR) == Deadline(saturday, False, (Line(dl.SAME_DAY, {"start": saturday}),))


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        due(date(2026, 4, 30), -1, CALENDAR)


@given(st.dates(date(1949, 1, 1), date(2100, 12, 31)), st.integers(1, 60))
def test_explanations_add_up(start: date, workdays: int) -> None:
    found = due(start, workdays, CALENDAR)
    skipped = sum(line.params["days"] for line in found.lines if "days" in line.params)
    assert skipped + workdays == (found.due - start).days
    assert CALENDAR.is_workday(found.due)
    assert found.provisional == (dl.PROVISIONAL in messages(found))
    assert all(line.text() for line in found.lines)
    runs = [line.params for line in found.lines if "days" in line.params]
    assert all((run["last"] - run["first"]).days + 1 == run["days"] for run in runs)
    make_ups = [line for line in found.lines if line.message in (dl.MAKE_UP, dl.MAKE_UP_FOR)]
    assert all(line.params["day"].weekday() >= 5 for line in make_ups)


@given(st.dates(date(2024, 1, 1), date(2026, 8, 1)), st.integers(1, 60))
def test_limits_against_the_hand_typed_table(start: date, workdays: int) -> None:
    worked = [d for d, workday in HAND.items() if workday and d > start]
    assert due(start, workdays, CALENDAR).due == sorted(worked)[workdays - 1]


@given(st.dates(date(2004, 1, 1), date(2040, 12, 31)), st.integers(1, 60))
def test_one_more_day_is_the_next_working_day(start: date, workdays: int) -> None:
    assert due(start, workdays + 1, CALENDAR).due == CALENDAR.next_workday(due(start, workdays, CALENDAR).due)


def test_warn_days() -> None:
    assert warn_day(date(2026, 10, 13), 3, CALENDAR) == date(2026, 10, 9)
    assert warn_day(date(2026, 10, 13), 1, CALENDAR) == date(2026, 10, 12)
    assert warn_day(date(2026, 10, 13), 0, CALENDAR) == date(2026, 10, 13)
    assert warn_day(date(2026, 10, 8), 1, CALENDAR) == date(2026, 9, 30)


@pytest.mark.parametrize(
    ("today", "end", "expected"),
    [
        ("2026-06-24", "2026-06-23", ("overdue", 1)),
        ("2026-06-25", "2026-06-23", ("overdue", 2)),
        ("2026-06-27", "2026-06-26", ("overdue", 0)),  # Saturday after a Friday: late, no working day yet
        ("2026-06-29", "2026-06-26", ("overdue", 1)),
        ("2026-06-23", "2026-06-23", ("today", 0)),
        ("2026-06-22", "2026-06-23", ("soon", 1)),
        ("2026-06-19", "2026-06-23", ("soon", 2)),  # from the middle of a holiday
        ("2026-06-17", "2026-06-23", ("soon", 3)),
        ("2026-06-16", "2026-06-23", ("left", 4)),
        ("2026-10-09", "2026-10-21", ("left", 9)),
    ],
)
def test_standing(today: str, end: str, expected: tuple[str, int]) -> None:
    assert standing(date.fromisoformat(today), date.fromisoformat(end), CALENDAR) == expected


def test_what_is_soon_can_be_chosen() -> None:
    assert standing(date(2026, 6, 16), date(2026, 6, 23), CALENDAR, soon=5) == ("soon", 4)
