"""Notices as they are worded, held against chinesecalendar day by day; and notices that are wrong."""

from __future__ import annotations

import unicodedata
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.arrangement import Notice, arrange, changes, year_days
from rules.calendar import NEW_YEAR, SPRING, Calendar, Day, published_days
from rules.notice import read
from rules.words import Problem
from tests.rules.notices import AMENDING, LABOUR_2019, LISTS, SPRING_2020, notice

YEARS = range(2014, 2027)


def said(problem: Problem) -> str:
    return problem.message % problem.params


def codes(found: Notice) -> list[str]:
    return [p.code for p in found.problems]


def calendar_of(first: int, last: int) -> Calendar:
    """The calendar after the notices of these years were loaded, one after the other."""
    days: dict[date, Day] = {}
    for year in range(first, last + 1):
        texts = [notice(year), *([AMENDING[year]] if year in AMENDING else [])]
        for text in texts:
            found = read(text)
            arranged, problems = arrange(found, Calendar(days))
            assert not found.problems.errors, (year, found.problems)
            assert not problems, (year, problems)
            days |= arranged
    return Calendar(days)


@pytest.mark.parametrize("year", YEARS)
def test_every_day_is_as_published(year: int) -> None:
    """With the notice of the year after, which may speak of the last days of this one."""
    calendar = calendar_of(year, min(year + 1, max(LISTS)))
    wrong = [d.day for d in published_days(year) if calendar.is_workday(d.day) != d.workday]
    assert wrong == []
    assert not any(calendar.day(d).provisional for d in year_days(year))


@pytest.mark.parametrize("year", [2019, 2020, 2021, 2022, 2025, 2026])
def test_holidays_are_named_as_published(year: int) -> None:
    """For the other years chinesecalendar does not name the weekend that a single day is joined to."""
    calendar = calendar_of(year, year)
    named = {d.day: d.name for d in published_days(year) if not (d.day.month == 12 and d.day.day > 28)}
    assert {d: calendar.day(d).name for d in named} == named


@pytest.mark.parametrize("year", sorted(LISTS))
def test_the_published_notices_leave_no_doubt(year: int) -> None:
    assert codes(read(notice(year))) == (["advice"] if year == 2024 else [])


@pytest.mark.parametrize("year", sorted(AMENDING))
def test_nor_do_those_that_amend_one(year: int) -> None:
    found = read(AMENDING[year])
    assert codes(found) == []
    assert (found.year, found.whole) == (year, False)


def test_the_recommendation_to_rest_on_new_year_s_eve_is_no_holiday() -> None:
    found = read(notice(2024))
    assert date(2024, 2, 9) not in found.rests
    assert "除夕(2月9日)休息" in said(found.problems[0])


def test_a_year_without_a_notice_yet() -> None:
    """The notice for 2027 is invented: every day of the year is settled by it, and by its title."""
    days, _ = arrange(read(notice(2027)), Calendar())
    assert [*days] == year_days(2027)
    assert {day.source for day in days.values()} == {"国务院办公厅关于2027年部分节假日安排的通知"}
    assert [d.isoformat() for d, day in days.items() if day.is_make_up] == [
        *("2027-01-31", "2027-02-14", "2027-04-25", "2027-09-26", "2027-10-09")
    ]


def test_days_before_new_year_belong_to_the_notice() -> None:
    found = read(notice(2019))
    assert found.rests[date(2018, 12, 31)] == NEW_YEAR
    assert date(2018, 12, 29) in found.worked
    days, _ = arrange(found, Calendar())
    assert min(days) < date(2019, 1, 1)
    assert date(2018, 12, 28) not in days


# --- the same text in other clothes ---------------------------------------------------------------------------------


def squeezed(text: str) -> str:
    return "".join(text.split())


def full_width(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


@pytest.mark.parametrize("year", sorted(LISTS))
@pytest.mark.parametrize(
    "dressed",
    [
        squeezed,
        full_width,
        lambda text: unicodedata.normalize("NFKC", text),
        lambda text: text.replace("日", " 日 ").replace("月", "\u3000月"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text.replace("。", "。\n"),
        lambda text: text.replace("星期", "周"),
        lambda text: text.replace("至", "—"),
        lambda text: "首页 > 政策\n发布日期：2013年12月11日\n" + text + "\n相关链接\n2012年1月1日放假\n",
        lambda text: text.replace("一、", "（一）").replace("二、", "（二）"),
    ],
    ids=["squeezed", "full", "half", "blanks", "crlf", "lines", "weekdays", "dash", "page", "brackets"],
)
def test_width_blanks_and_lines_do_not_matter(year: int, dressed: object) -> None:
    plain, other = read(notice(year)), read(dressed(notice(year)))  # type: ignore[operator]
    assert (other.rests, other.worked) == (plain.rests, plain.worked)
    assert codes(other) == codes(plain)


@pytest.mark.parametrize(
    "words",
    [
        "12月31日至次年1月2日放假调休，共3天。",
        "2027年12月31日至2028年1月2日放假调休，共3天。",
    ],
)
def test_a_holiday_may_reach_into_the_next_year(words: str) -> None:
    text = notice(2027).replace("七、国庆节：", f"八、元旦：{words}\n　　七、国庆节：")
    found = read(text)
    days = {date(2027, 12, 31), date(2028, 1, 1), date(2028, 1, 2)}
    if "次年" in words:  # 31 December could be either
        assert "year_supposed" in codes(found) or "span" in codes(found)
    else:
        assert days <= {*found.rests}


def test_a_year_that_is_not_said_is_told() -> None:
    text = notice(2023).replace("2022年12月31日至2023年1月2日", "12月31日至1月2日")
    found = read(text)
    assert codes(found) == ["year_supposed", "year_supposed"]
    assert {p.params["year"] for p in found.problems} == {2022, 2023}
    assert found.rests == read(notice(2023)).rests
    assert all(p.warning for p in found.problems)


# --- notices that are wrong -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("was", "becomes", "code", "words"),
    [
        ("1月1日（周四）", "1月1日（周五）", "weekday", "1月1日"),
        ("共9天", "共8天", "days", "9 days"),
        ("共9天", "共十天", "days", "9 days"),
        ("6月19日（周五）", "6月31日（周五）", "no_date", "6月31日"),
        ("2月14日（周六）、", "2月13日（周五）、", "no_weekend", "2月13日"),
        ("2月14日（周六）、", "2月15日（周日）、", "both", "2月15日"),
        ("　　五、端午节：6月19日（周五）至21日（周日）放假，共3天。\n", "", "missing", "2026-06-19"),
        ("9月25日（周五）至27日", "9月26日（周六）至28日", "missing", "2026-09-25"),
        ("共7天。9月20日（周日）、", "共7天。", "balance", "closes 19 weekdays"),
        ("1月1日（周四）至3日（周六）", "2025年1月1日至3日", "other_year", "2026"),
        ("1月4日（周日）上班", "2024年1月4日上班", "other_year", "2024年"),
        ("10月1日（周四）至7日", "10月7日至1日", "span", "10月7日"),
        ("10月1日（周四）至7日（周三）", "1月1日至10月7日", "span", "10月7日"),
        ("5月9日（周六）上班", "5月9日（周六）", "undecided", "5月9日"),
        ("5月9日（周六）上班", "上班", "no_day", "上班"),
        ("5月1日（周五）至5日（周二）放假", "5月1曰放假", "no_day", "5月1曰"),
        ("5月9日（周六）上班", "5月9日（周六）酌情上班", "not_understood", "酌情"),
        ("6月19日（周五）至21日", "19日（周五）至21日", "no_month", "19日"),
        ("四、劳动节：", "四、端午节：", "twice", "端午节"),
        ("四、劳动节：", "四、丰收节：", "unknown_holiday", "丰收节"),
        ("四、劳动节：", "四、劳动节。", "no_item", "Labour Day"),
        ("2月14日（周六）、", "3月14日（周六）、", "far", "3月14日"),
        ("4月4日（周六）至6日（周一）放假，共3天", "4月4日（周六）放假，与周末连休。4月6日（周一）补休", "", ""),
        ("6月19日（周五）至21日（周日）放假，共3天", "6月19日（周五）放假，与周末连休", "", ""),
        ("6月19日（周五）至21日（周日）放假，共3天", "6月17日（周三）放假，与周末连休", "no_neighbour", "6月17日"),
    ],
)
def test_what_does_not_fit_is_told_with_its_words(was: str, becomes: str, code: str, words: str) -> None:
    text = notice(2026)
    assert was in text
    found = read(text.replace(was, becomes))
    if not code:
        assert codes(found) == []
        return
    assert code in codes(found)
    assert any(words in said(p) for p in found.problems if p.code == code), [said(p) for p in found.problems]


def test_the_line_is_the_one_of_the_text() -> None:
    text = notice(2026).replace("共9天", "共8天")
    line = next(i for i, words in enumerate(text.splitlines(), start=1) if "共8天" in words)
    found = next(p for p in read(text).problems if p.code == "days")
    assert found.params["line"] == line


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "no_title"),
        ("你好", "no_title"),
        ("元旦：1月1日放假。", "no_title"),
        ("国务院办公厅关于2026年部分节假日安排的通知", "no_days"),
        ("国务院办公厅关于部分节假日安排的通知\n一、元旦：1月1日放假。", "no_year"),
        (notice(2026).replace("2026", "2012"), "no_year"),
        (notice(2026).replace("2026", "2027"), "weekday"),
    ],
)
def test_what_is_no_notice_is_refused(text: str, code: str) -> None:
    found = read(text)
    assert code in codes(found)
    assert found.problems.errors


@given(
    st.text(
        st.sampled_from("一二三、：。；，（）()0123456789月日年周星期六至放假调休上班共天元旦春节与末连延长假期 \n"),
        max_size=80,
    )
)
def test_whatever_is_written_is_read_or_refused(tail: str) -> None:
    """It never raises, and a day is never both."""
    found = read("国务院办公厅关于2026年部分节假日安排的通知\n一、元旦：" + tail)
    both = {*found.rests} & {*found.worked}
    assert not both or found.problems.errors
    assert all(isinstance(said(p), str) for p in found.problems)
    days, _ = arrange(found, Calendar())
    assert {*year_days(2026)} <= {*days}


@given(st.integers(0, len(notice(2026)) - 1), st.sampled_from("0123456789月日至（）。、放上共 "))
def test_one_wrong_sign_is_never_taken_silently(place: int, sign: str) -> None:
    """Either it says the same, or somebody is told."""
    text, right = notice(2026), read(notice(2026))
    found = read(text[:place] + sign + text[place + 1 :])
    same = (found.rests, found.worked, found.year) == (right.rests, right.worked, right.year)
    assert same or found.problems, text[place - 10 : place] + f"[{sign}]" + text[place + 1 : place + 10]


# --- what it means for the calendar ---------------------------------------------------------------------------------


def test_loading_twice_changes_nothing() -> None:
    found = read(notice(2026))
    days, _ = arrange(found, Calendar())
    assert changes(days, Calendar(days)) == []
    assert len(changes(days, Calendar())) == 365


def test_what_becomes_firm_and_what_moves() -> None:
    days, _ = arrange(read(notice(2027)), Calendar())
    found = changes(days, Calendar())
    assert all(change.firm for change in found)
    moved = {change.before.day: change.after.workday for change in found if change.moves}
    assert moved[date(2027, 2, 14)] is True
    assert moved[date(2027, 2, 10)] is False
    assert date(2027, 2, 6) not in moved


def test_a_holiday_is_lengthened_from_where_it_ends() -> None:
    days, _ = arrange(read(notice(2020)), Calendar())
    more, problems = arrange(read(SPRING_2020), Calendar(days))
    assert not problems
    assert {d.isoformat(): (day.workday, day.name) for d, day in more.items()} == dict.fromkeys(
        ("2020-01-31", "2020-02-01", "2020-02-02"), (False, SPRING)
    )


def test_there_must_be_something_to_lengthen() -> None:
    far = SPRING_2020.replace("2月2日（农历正月初九，星期日），2月3日（星期一）", "5月3日，5月4日")
    _, problems = arrange(read(far), Calendar())
    assert [p.code for p in problems] == ["no_start"]


def test_a_holiday_that_is_arranged_anew_leaves_its_old_days() -> None:
    days, _ = arrange(read(notice(2019)), Calendar())
    moved = LABOUR_2019.replace("2019年5月1日至4日放假调休，共4天", "2019年5月2日至4日放假调休，共3天")
    more, _ = arrange(read(moved), Calendar(days))
    assert more[date(2019, 5, 1)] == Day(date(2019, 5, 1), True, "国务院办公厅关于调整2019年劳动节假期安排的通知")
    assert all(abs(d - date(2019, 5, 1)) < timedelta(days=5) for d in more)
