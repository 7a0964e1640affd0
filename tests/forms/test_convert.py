"""Text ↔ typed values: what goes out comes back, and what cannot be is refused with a code."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, LargeBinary

from forms.convert import (
    FIRST_YEAR,
    LARGEST,
    LARGEST_ID,
    LAST_YEAR,
    BadValue,
    Spec,
    UnknownType,
    from_json,
    json_schema,
    kind_of,
    parse,
    parse_many,
    specs,
    to_input,
    to_json,
)
from models import registries
from models.base import Info
from models.case import Channel
from models.item import Item
from rules.normalise import clean
from rules.words import Problem

CHINA = timezone(timedelta(hours=8))
MODELS = registries()


def a(kind: str, **kw: Any) -> Spec:
    return Spec("f", kind, Info("F"), required=kw.pop("required", False), **kw)


CHOICE = a("choice", choices=Channel)


def code(function: Any, spec: Spec, value: Any) -> str:
    with pytest.raises(BadValue) as refused:
        function(spec, value)
    problem = refused.value.problem
    assert problem.field == spec.name
    assert problem.message % problem.params
    return problem.code


def answer(function: Any, spec: Spec, value: Any) -> tuple[Any, Problem | None]:
    try:
        return function(spec, value), None
    except BadValue as refused:
        return None, refused.problem


# --- round trips --------------------------------------------------------------------------------------------

# From 1992 on: before, China had summer time, and an hour that an input cannot tell from the one before it.
MOMENTS = st.datetimes(datetime(1992, 1, 1), datetime(LAST_YEAR, 12, 30)).map(
    lambda at: at.replace(second=0, microsecond=0, tzinfo=UTC)
)
VALUES = {
    "text": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
    .map(clean)
    .map(lambda text: text or None),
    "integer": st.integers(-LARGEST, LARGEST),
    "boolean": st.booleans(),
    "date": st.dates(date(1000, 1, 1)),
    "choice": st.sampled_from(Channel),
    "reference": st.integers(1, LARGEST_ID),
}


@given(st.data())
def test_inputs_come_back(data: Any) -> None:
    kind = data.draw(st.sampled_from(sorted(VALUES)))
    spec = CHOICE if kind == "choice" else a(kind)
    value = data.draw(VALUES[kind])
    assert parse(spec, to_input(spec, value)) == value


@given(st.data())
def test_json_comes_back(data: Any) -> None:
    kind = data.draw(st.sampled_from(sorted({*VALUES, "moment"})))
    spec = CHOICE if kind == "choice" else a(kind)
    value = data.draw(
        st.datetimes(
            timezones=st.just(UTC), min_value=datetime(FIRST_YEAR, 1, 2), max_value=datetime(LAST_YEAR, 12, 30)
        )
        if kind == "moment"
        else VALUES[kind]
    )
    assert from_json(spec, to_json(spec, value)) == value


@given(MOMENTS)
def test_moments_are_typed_in_chinese_time(at: datetime) -> None:
    """To the minute, which is all that an input shows."""
    spec = a("moment")
    text = to_input(spec, at)
    assert text == at.astimezone(CHINA).strftime("%Y-%m-%dT%H:%M")
    assert parse(spec, text) == at


@given(st.text(), st.sampled_from(["text", "integer", "boolean", "date", "moment", "choice", "reference", "long"]))
def test_any_text_is_a_value_or_a_problem(text: str, kind: str) -> None:
    spec = CHOICE if kind == "choice" else a(kind)
    value, problem = answer(parse, spec, text)
    if problem is None:
        assert isinstance(to_input(spec, value), str)
        assert json.dumps(to_json(spec, value))
    else:
        assert problem.field == "f"


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text())


@given(
    st.one_of(SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(st.text(), SCALARS, max_size=2)),
    st.sampled_from(["text", "integer", "boolean", "date", "moment", "choice", "reference", "many", "json", "long"]),
)
def test_any_json_is_a_value_or_a_problem(value: Any, kind: str) -> None:
    spec = CHOICE if kind == "choice" else a(kind)
    found, problem = answer(from_json, spec, value)
    if problem is not None:
        assert problem.field == "f"
    else:
        assert found is None or isinstance(found, str | int | bool | date | datetime | list | Channel)


def test_long_text_keeps_its_lines() -> None:
    assert parse(a("long"), " 第一行\r\n\r\n　第二行 \r\n") == "第一行\n\n　第二行"
    assert parse(a("long"), " \r\n ") is None
    assert parse(a("text"), " 第一行\r\n　第二行 ") == "第一行 第二行"


@pytest.mark.parametrize("kind", ["text", "integer", "date", "moment", "choice", "reference"])
@pytest.mark.parametrize("text", ["", "  ", "\u3000", "\u200b"])
def test_nothing_is_none(kind: str, text: str) -> None:
    assert parse(a(kind), text) is None


def test_no_answer_to_yes_or_no_is_no() -> None:
    assert parse(a("boolean"), "") is False


# --- what is read -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["2026-03-02", "2026/3/2", "2026年3月2日", "2026.03.02", " 2026-3-2 "])
def test_dates(text: str) -> None:
    assert parse(a("date"), text) == date(2026, 3, 2)


@pytest.mark.parametrize(("text", "value"), [("是", True), ("on", True), ("YES", True), ("否", False), ("0", False)])
def test_yes_and_no(text: str, value: bool) -> None:
    assert parse(a("boolean"), text) is value


@pytest.mark.parametrize("text", ["window", "Window"])
def test_choices_by_value_and_name(text: str) -> None:
    assert parse(CHOICE, text) is Channel.Window


@pytest.mark.parametrize(
    "text", ["2026-03-02T09:30", "2026-03-02 09:30", "2026-03-02T01:30Z", "2026-03-02T02:30+01:00"]
)
def test_moments(text: str) -> None:
    found = parse(a("moment"), text)
    assert found == datetime(2026, 3, 2, 1, 30, tzinfo=UTC)
    assert found.tzinfo is UTC


# --- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("text", "甲\x00乙", "characters"),
        ("text", "\ud800", "characters"),
        ("long", "甲\n\x00", "characters"),
        ("integer", "12a", "not_a_number"),
        ("integer", "1.5", "not_a_number"),
        ("integer", "1_000", "not_a_number"),
        ("integer", str(LARGEST + 1), "not_a_number"),
        ("integer", "-" + "9" * 30, "not_a_number"),
        ("integer", "9" * 6000, "not_a_number"),
        ("boolean", "maybe", "not_yes_no"),
        ("date", "2026-02-30", "not_a_date"),
        ("date", "02/03/2026", "not_a_date"),
        ("date", "2026-03-02T10:00", "not_a_date"),
        ("moment", "yesterday", "not_a_moment"),
        ("moment", "0001-01-01T00:00", "not_a_moment"),
        ("moment", "9999-12-31T23:59Z", "not_a_moment"),
        ("choice", "carrier pigeon", "not_in_list"),
        ("reference", "0", "not_found"),
        ("reference", "-1", "not_found"),
        ("reference", "１", "not_found"),
        ("reference", str(LARGEST_ID + 1), "not_found"),
        ("reference", "9" * 6000, "not_found"),
        ("reference", "1 OR 1=1", "not_found"),
    ],
)
def test_bad_text(kind: str, text: str, expected: str) -> None:
    assert code(parse, CHOICE if kind == "choice" else a(kind), text) == expected


def test_one_bad_id_spoils_the_list() -> None:
    assert parse_many(a("many"), ["1", "2"]) == [1, 2]
    assert code(parse_many, a("many"), ["1", "x"]) == "not_found"


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("text", 5, "type"),
        ("text", True, "type"),
        ("text", ["x"], "type"),
        ("integer", "5", "type"),
        ("integer", True, "type"),
        ("integer", 1.0, "type"),
        ("integer", 10**40, "not_a_number"),
        ("integer", LARGEST + 1, "not_a_number"),
        ("boolean", 1, "type"),
        ("boolean", "1", "type"),
        ("reference", "5", "type"),
        ("reference", 0, "not_found"),
        ("many", 5, "type"),
        ("many", [True], "type"),
        ("many", ["5"], "type"),
        ("many", [0], "not_found"),
        ("json", {"a": 1}, "type"),
        ("date", "2026-13-01", "not_a_date"),
        ("date", 20260302, "type"),
        ("moment", "2026-03-02T09:30:00", "zone"),
        ("moment", "2026-03-02", "zone"),
        ("moment", "soon", "not_a_moment"),
        ("choice", "carrier pigeon", "not_in_list"),
    ],
)
def test_bad_json(kind: str, value: Any, expected: str) -> None:
    assert code(from_json, CHOICE if kind == "choice" else a(kind), value) == expected


def test_null_clears_and_a_required_yes_or_no_becomes_no() -> None:
    assert from_json(a("text"), None) is None
    assert from_json(a("many"), None) == []
    assert from_json(a("boolean", required=True), None) is False
    assert from_json(a("boolean"), None) is None


def test_moments_in_json_carry_a_zone() -> None:
    assert from_json(a("moment"), "2026-03-02T09:30:00+08:00") == datetime(2026, 3, 2, 1, 30, tzinfo=UTC)


# --- declarations -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_declared_column_has_a_field_and_a_schema(name: str) -> None:
    found = specs(MODELS[name])
    assert found
    for spec in found.values():
        schema = json_schema(spec)
        assert schema["description"] == spec.label
        assert ("enum" in schema) == (spec.kind == "choice")
        if spec.info.editable != "never":
            assert (spec.target is not None) == (spec.kind in ("reference", "many"))


def test_what_a_declaration_says() -> None:
    found = specs(Item)
    assert (found["name"].kind, found["name"].required, found["name"].longest) == ("text", True, 300)
    assert (found["department_id"].kind, found["department_id"].target.__name__) == ("reference", "Department")
    assert not found["origin"].required  # it has a default
    assert json_schema(found["promise_days"])["maximum"] == 365


def test_an_unknown_type_is_told_at_start() -> None:
    with pytest.raises(UnknownType, match=r"Item\.photo"):
        kind_of(Item, "photo", Column("photo", LargeBinary()), Info("Photo"))
