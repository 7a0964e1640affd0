"""Files become rows of text, or one reason why not."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from forms.tables import (
    LONGEST_CELL,
    MAPPINGS,
    MOST_COLUMNS,
    SURPLUS,
    decode,
    load_mapping,
    mappings,
    neutral,
    read_rows,
)
from rules.words import RuleError

# A carriage return is written quoted and read back as it is; only lone surrogates have no bytes.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)


def code_of(data: bytes, most: int = 10) -> str:
    with pytest.raises(RuleError) as refused:
        list(read_rows(data, most)[1])
    (problem,) = refused.value.problems
    assert problem.field == "file"
    assert problem.message % problem.params
    return problem.code


@example([["", "", "'@"]], ",")
@given(st.lists(st.lists(TEXT, min_size=3, max_size=3), max_size=9), st.sampled_from([",", "\t", ";"]))
def test_what_was_written_is_read(rows: list[list[str]], separator: str) -> None:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, delimiter=separator, quoting=csv.QUOTE_ALL)
    # As our own files have them: what a spreadsheet would run stands behind an apostrophe, which reading takes off.
    writer.writerows([["a", "b", "c"], *([neutral(cell) for cell in row] for row in rows)])
    header, found = read_rows(stream.getvalue().encode(), 10)
    assert header == ["a", "b", "c"]
    assert [list(cells.values()) for _, cells in found] == [r for r in rows if any(cell.strip() for cell in r)]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\ufeff")))
def test_both_encodings(text: str) -> None:
    assert decode(text.encode()) == text
    assert decode(text.encode("utf-8-sig")) == text


def test_gb_18030_is_read_where_utf_8_fails() -> None:
    assert decode("龘事项㐀𠀀".encode("gb18030")) == "龘事项㐀𠀀"


def test_neither() -> None:
    with pytest.raises(RuleError) as refused:
        decode(b"\xff\xff\xff")
    assert refused.value.problems[0].code == "encoding"


def test_lines_are_those_of_the_file() -> None:
    _, rows = read_rows(b'a,b\n\n1,"x\ny"\n,\n2,z\n', 10)
    assert list(rows) == [(4, {"a": "1", "b": "x\ny"}), (6, {"a": "2", "b": "z"})]


def test_short_and_long_rows() -> None:
    _, rows = read_rows(b"a,b\n1\n1,2, ,\n1,2,3,4\n", 10)
    assert [cells for _, cells in rows] == [{"a": "1"}, {"a": "1", "b": "2"}, {"a": "1", "b": "2", SURPLUS: "3,4"}]


@pytest.mark.parametrize("extra", [0, 1])
def test_bounds(extra: int) -> None:
    wide = (",".join(f"c{n}" for n in range(MOST_COLUMNS + extra)) + "\n").encode()
    long = b"a,b\n" + b"x" * (LONGEST_CELL + extra) + b",1\n"
    many = b"a,b\n" + b"1,2\n" * (10 + extra)
    if extra:
        assert [code_of(wide), code_of(long), code_of(many)] == ["too_wide", "csv", "too_long"]
    else:
        assert len(read_rows(wide, 10)[0]) == MOST_COLUMNS
        assert [len(list(read_rows(data, 10)[1])) for data in (long, many)] == [1, 10]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b" \n\t", "empty"),
        (b"a,b\n1,2\x00\n", "not_text"),
        (b"a,a\n", "doubled_column"),
        (b'a,b\n1,"2\n3,4\n', "csv"),  # a quote never closed would swallow the rest
        (b'a,b\n"1"2,3\n', "csv"),
        (b'"' + b"x" * (LONGEST_CELL + 1) + b'"\n', "csv"),
    ],
)
def test_refused(data: bytes, code: str) -> None:
    assert code_of(data) == code


def test_columns_without_a_name_may_stand_twice() -> None:
    header, _ = read_rows(b"a,,\n1,2,3\n", 10)
    assert header == ["a", "", ""]


def test_the_mappings_that_come_along_can_be_read() -> None:
    shipped = {path.stem for path in MAPPINGS.glob("*.toml")}
    assert {m.name for m in mappings("items")} == shipped
    for mapping in mappings("items"):
        assert {"name", "local_code", "department", "region_code", "item_type"} <= set(mapping.columns)
        assert mapping.fits(list(mapping.columns.values()))
        assert not mapping.fits(["something", "else"])
    assert mappings("cases") == []


def test_a_mapping_that_is_not_there() -> None:
    with pytest.raises(RuleError) as refused:
        load_mapping(Path("/nonexistent/mapping.toml"))
    assert refused.value.problems[0].params["name"] == "mapping.toml"
