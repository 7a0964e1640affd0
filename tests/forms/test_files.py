"""Whatever is uploaded: refused with a code and a sentence, and nothing changes; what can be read is read rightly."""

from __future__ import annotations

import io
import random
import resource
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from forms import importing
from forms.tables import open_table, read_rows
from forms.workbook import Workbook, address, day_of_serial, moment_of
from models import registries
from models.database import Database
from models.scope import everything
from rules.words import RuleError
from tests.world import NOW

MOST = 1000


def book(*rows: list[Any], change: Callable[[Any], None] = lambda sheet: None) -> bytes:
    """Written by somebody else's writer."""
    found = openpyxl.Workbook()
    for row in rows:
        found.active.append(row)
    change(found.active)
    stream = io.BytesIO()
    found.save(stream)
    return stream.getvalue()


def repacked(data: bytes, **parts: str | bytes) -> bytes:
    """The workbook with other parts; of a name only what stands before its ending: ``sheet1="…"``."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, parts.get(name.rpartition("/")[2].partition(".")[0], old.read(name)))
    return stream.getvalue()


PLAIN = book(["编码", "名称"], ["01", "甲"])


def sheet(body: str, head: str = "") -> str:
    return f'<?xml version="1.0"?>{head}<worksheet><sheetData>{body}</sheetData></worksheet>'


def merged(one: Any) -> None:
    one.merge_cells("A2:B3")


def bomb() -> bytes:
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed,
        packed.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as part,
    ):
        for _ in range(400):
            part.write(b"0" * 1024 * 1024)
    return stream.getvalue()


LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
DOCTYPE = '<!DOCTYPE x SYSTEM "file:///etc/passwd">'

# what it is → (the file, the code, what its sentence says)
BROKEN: dict[str, tuple[bytes, str, str]] = {
    "random bytes": (random.Random(1).randbytes(5000), "not_text", "CSV"),
    "no zip": (b"PK\x03\x04" + b"\x00" * 500, "workbook", "broken"),
    "half a zip": (PLAIN[: len(PLAIN) // 2], "workbook", "broken"),
    "a zip of something else": (repacked(PLAIN, workbook="<x/>"), "no_sheet", "no sheet"),
    "no XML": (repacked(PLAIN, sheet1="<a"), "workbook", "broken"),
    "an old workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 500, "old_workbook", ".xlsx"),
    "laughs": (repacked(PLAIN, sheet1=sheet("<row><c><v>1</v></c></row>", LAUGHS)), "workbook", "broken"),
    "a file of ours": (repacked(PLAIN, sheet1=sheet("<row/>", DOCTYPE)), "workbook", "broken"),
    "merged": (book(["编码", "名称"], ["01", "甲"], ["02", "乙"], change=merged), "merged", "A2:B3"),
    "a formula": (book(["编码", "名称"], ["01", "=1+1"]), "formula", "B2"),
    "an error": (book(["编码", "名称"], ["01", "#N/A"]), "cell_error", "B2"),
    "lost digits": (book(["编码", "名称"], [511602198806150024, "甲"]), "inexact", "A2"),
    "1,000 columns": (book([f"c{n}" for n in range(1000)]), "too_wide", "200"),
    "1,000 columns of CSV": (",".join(f"c{n}" for n in range(1000)).encode(), "too_wide", "200"),
    "a million characters": (
        repacked(PLAIN, sheet1=sheet(f'<row r="2"><c r="B2" t="str"><v>{"长" * 1_000_000}</v></c></row>')),
        "cell_too_long",
        "B2",
    ),
    "a million characters of CSV": (b"code,name\n01," + b"x" * 1_000_000, "csv", "Line"),
    "too many rows": (book(["编码"], *[[f"{n}"] for n in range(MOST + 1)]), "too_long", str(MOST)),
    "a shared text that is none": (
        repacked(PLAIN, sheet1=sheet('<row r="1"><c r="A1" t="s"><v>99</v></c></row>')), "workbook", "broken",
    ),
    "neither encoding": (bytes(range(128, 256)) * 40, "encoding", "GB 18030"),
    "nothing": (b"", "empty", "empty"),
    "an empty workbook": (book(), "empty", "empty"),
    "a heading twice": (book(["编码", "编码"], ["1", "2"]), "doubled_column", "编码"),
}  # fmt: skip


@pytest.fixture
def counted(database: Database) -> Callable[[], dict[str, int]]:
    def count() -> dict[str, int]:
        with database.session(everything("count")) as s:
            return {name: s.scalar(select(func.count()).select_from(m)) or 0 for name, m in registries().items()}

    return count


def tried(database: Database, data: bytes) -> importing.Report:
    with database.session(everything("test"), write=True) as s:
        return importing.run(s, data, registry="regions", most=MOST, now=NOW)


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_refused_in_words(name: str, database: Database, counted: Any) -> None:
    data, code, words = BROKEN[name]
    before = counted()
    with pytest.raises(RuleError) as refused:
        tried(database, data)
    problem = refused.value.problems[0]
    assert (problem.field, problem.code) == ("file", code)
    assert words in problem.message % problem.params
    assert counted() == before


def test_a_bomb_stays_folded(database: Database) -> None:
    data = bomb()
    assert len(data) < 1_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(RuleError) as refused:
        tried(database, data)
    assert [p.code for p in refused.value.problems] == ["too_large"]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024


def mangled(number: int) -> bytes:
    """A file that was good, with some of its bytes changed, taken out, doubled or cut off."""
    dice = random.Random(number)
    good = [PLAIN, "行政区划代码,名称\n01,甲\n".encode(), "代码\t名称\n01\t甲\n".encode("gb18030"), BROKEN["merged"][0]]
    data = bytearray(dice.choice(good))
    for _ in range(dice.randint(1, 12)):
        at = dice.randrange(len(data) + 1)
        kind = dice.randrange(4)
        if kind == 0 and at < len(data):
            data[at] = dice.randrange(256)
        elif kind == 1:
            del data[at : at + dice.randint(1, 40)]
        elif kind == 2:
            data[at:at] = data[at : at + dice.randint(1, 200)]
        else:
            data[at:at] = dice.randbytes(dice.randint(1, 9))
    if dice.random() < 0.1:
        del data[dice.randrange(len(data) + 1) :]
    return bytes(data)


@pytest.mark.parametrize("engine_name", ["sqlite"], indirect=True)
def test_three_hundred_mangled_files(database: Database, counted: Any) -> None:
    """Each is read, row by row, or refused in words: never an error of ours, never a row that was not asked for."""
    before = counted()
    codes: set[str] = set()
    told: list[tuple[str | None, str]] = []
    with database.session(everything("test"), write=True) as s:
        for number in range(300):
            try:
                importing.run(s, mangled(number), registry="regions", most=MOST, now=NOW)
            except RuleError as error:
                told += [(p.field, p.message % p.params) for p in error.problems]
                codes |= {p.code for p in error.problems}
            s.rollback()
    assert all(field == "file" and words for field, words in told)
    assert {"workbook", "no_mapping"} <= codes
    assert counted() == before


# --- what can be read --------------------------------------------------------------------------------------------


def cells(data: bytes) -> list[list[str]]:
    header, rows = read_rows(data, MOST)
    return [[row.get(name, "") for name in header] for _, row in rows]


def test_cells_of_every_kind() -> None:
    data = book(
        ["a", "b", "c", "d", "e", "f"],
        [1, 20.5, True, date(2026, 3, 2), datetime(2026, 3, 2, 9, 30), "  文字\n两行 "],
        [None, -3, False, None, None, "00123"],
    )
    assert cells(data) == [
        ["1", "20.5", "1", "2026-03-02", "2026-03-02 09:30", "  文字\n两行 "],
        ["", "-3", "0", "", "", "00123"],
    ]


def test_the_first_sheet_that_is_shown_is_read() -> None:
    found = openpyxl.Workbook()
    found.active.sheet_state = "hidden"
    found.active.append(["no"])
    found.create_sheet("shown").append(["yes"])
    stream = io.BytesIO()
    found.active = 1
    found.save(stream)
    assert open_table(stream.getvalue(), MOST).header == ["yes"]


def test_lines_are_counted_as_a_spreadsheet_does() -> None:
    data = book(["a"], [], ["x"], [], ["y"])
    source = open_table(data, MOST)
    assert [(line, row["a"]) for line, row in source.rows()] == [(3, "x"), (5, "y")]
    assert source.count == 2
    assert [row["a"] for _, row in source.rows()] == ["x", "y"]


def test_dates_since_1904() -> None:
    found = openpyxl.Workbook()
    found.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    found.active.append(["d"])
    found.active.append([date(2026, 3, 2)])
    stream = io.BytesIO()
    found.save(stream)
    assert cells(stream.getvalue()) == [["2026-03-02"]]


@given(st.dates(date(1954, 10, 3), date(2119, 1, 10)))
def test_serial_numbers_are_days(day: date) -> None:
    serial = (day - date(1899, 12, 30)).days
    assert day_of_serial(str(serial)) == day
    assert moment_of(serial).date() == day


@given(st.integers(0, 199), st.integers(1, 99_999))
def test_addresses_are_those_of_spreadsheets(column: int, line: int) -> None:
    assert address(column, line) == f"{openpyxl.utils.get_column_letter(column + 1)}{line}"


@given(
    st.lists(
        st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=30), min_size=2, max_size=4),
        max_size=6,
    )
)
def test_any_text_comes_back_from_a_workbook_of_ours(rows: list[list[str]]) -> None:
    from forms.sheets import Column, workbook

    stream = io.BytesIO()
    workbook(stream, "x", [Column(f"c{n}") for n in range(4)], rows)
    kept = [[cell if cell.strip() else "" for cell in row] for row in rows]
    found = [[row.get(f"c{n}", "") for n in range(4)] for _, row in read_rows(stream.getvalue(), MOST)[1]]
    assert found == [[*row, *[""] * (4 - len(row))] for row in kept if any(row)]


def test_a_sheet_is_measured_before_it_is_read() -> None:
    with pytest.raises(RuleError) as refused:
        Workbook(PLAIN, most_rows=10, most_columns=1, longest=100)
    assert [p.code for p in refused.value.problems] == ["too_wide"]
