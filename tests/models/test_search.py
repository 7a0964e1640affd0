"""The one search on both engines: scripts, vocabulary, signs that mean something to a pattern."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import literal, select

from models.legal_basis import LegalBasis
from models.scope import ScopedSession
from models.search import EitherScript, Folded, also, globs, like, regex, search, words
from rules.scripts import classes
from tests.world import put

Opened = Callable[..., ScopedSession]

TITLES = (
    "优化营商环境条例",
    "優化營商環境條例",
    "政务信息共享办法",
    "政務資訊共用辦法",
    "互联网上门服务规定",
    "網際網路到府服務規定",
    "理髮业管理办法",
    "Wi-Fi网络[2024]号*甲_乙%丙?丁/戊",
    "Égalité 网络",
)


@pytest.fixture
def s(opened: Opened) -> ScopedSession:
    found = opened(write=True)
    for title in TITLES:
        put(found, LegalBasis(), title=title, article="第一条")
    return found


def found(s: ScopedSession, text: str) -> set[str]:
    return {*s.scalars(select(LegalBasis.title).where(search(LegalBasis, text)))} & {*TITLES}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("优化", {TITLES[0], TITLES[1]}),
        ("優化", {TITLES[0], TITLES[1]}),
        ("优化 條例", {TITLES[0], TITLES[1]}),
        ("信息共享", {TITLES[2], TITLES[3]}),
        ("资讯共用", {TITLES[2], TITLES[3]}),
        ("資訊共用", {TITLES[2], TITLES[3]}),
        ("互联网", {TITLES[4], TITLES[5]}),
        ("到府", {TITLES[4], TITLES[5]}),
        ("上門", {TITLES[4], TITLES[5]}),
        ("理发", {TITLES[6]}),
        ("理髮", {TITLES[6]}),
        ("理發", set()),
        ("wi-fi網絡[2024]", {TITLES[7]}),
        ("WI-FI网络", {TITLES[7]}),
        ("网络[2024]号*甲_乙%丙?丁/戊", {TITLES[7]}),
        ("网络[2024]号?甲", set()),
        ("网络[0-9]", set()),
        ("号*甲_乙%丙", {TITLES[7]}),
        ("甲%乙", set()),
        ("[", {TITLES[7]}),
        ("*", {TITLES[7]}),
        ("Égalité", {TITLES[8]}),
        ("ÉGALIT", {TITLES[8]}),
        ("营商 公共", set()),
    ],
)
def test_a_word_is_found_in_both_scripts(s: ScopedSession, text: str, expected: set[str]) -> None:
    assert found(s, text) == expected


SIGNS = st.text(st.sampled_from("优優化发發髮aAé[]*?^-\\.+(){}|$%_/'\" 1"), min_size=1, max_size=8)


@given(word=SIGNS.map(lambda t: "".join(t.split())).filter(bool), before=SIGNS, after=SIGNS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_word_is_found_within_whatever_stands_around_it(s: ScopedSession, word: str, before: str, after: str) -> None:
    """And what does not hold it is not found, whatever the word means to a pattern."""
    places = classes(word)

    def holds(text: str) -> bool:
        pattern = literal(regex(places))
        plain = Folded(literal(text), pattern, literal(like(word)))
        either = EitherScript(literal(text), pattern, *map(literal, globs(places)))
        told = [bool(s.scalar(select(one))) for one in ((either,) if max(map(len, places)) > 1 else (plain, either))]
        assert len({*told}) == 1, (word, text)
        return told[0]

    assert holds(before + word + after)
    assert not holds(word[:-1] + "丁")


def test_a_personal_number_is_looked_for_as_it_stands(opened: Opened) -> None:
    from models.case import Case

    told = str(search(Case, "優化").compile(compile_kwargs={"literal_binds": True}))
    assert "identifier = '優化'" in told


def test_what_else_is_looked_for() -> None:
    assert also("资讯共用 優化 到府") == ["信息共享", "上门"]
    assert also("優化") == []
    assert also("") == []


@given(st.text(max_size=300))
def test_there_is_a_bound(text: str) -> None:
    """Whatever is typed: at most six words, each with three others, each of these three patterns on SQLite."""
    assert len(words(text)) <= 6
    assert len(also(text)) <= 18
    for word in words(text):
        assert len(globs(classes(word))) <= 3


def test_a_search_is_one_comparison_for_each_column(opened: Opened) -> None:
    def comparisons(text: str) -> int:
        from sqlalchemy.dialects import sqlite

        told: Any = search(LegalBasis, text).compile(dialect=sqlite.dialect())
        return str(told).count("LIKE") + str(told).count("GLOB")

    columns = len(LegalBasis.__admin__.search_columns)
    assert comparisons("公告") == comparisons("ABC") == columns
    assert comparisons("优化") == 2 * columns  # it begins with a character of two forms
    assert comparisons("公证机构优化") == columns
    assert comparisons("程序") == 2 * columns
