"""What we write: no cell is run by a spreadsheet, and every cell comes back as it was."""

from __future__ import annotations

import io
from datetime import date

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forms.sheets import Column, csv_bytes, sheet_name, workbook
from forms.tables import decode, neutral, plain, read_rows

DANGEROUS = ["=1+1", "+86 10", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "＝1", " =1", "'=1", "''=1", "' =1"]


@pytest.mark.parametrize("text", DANGEROUS)
def test_no_cell_of_csv_is_run(text: str) -> None:
    data = b"".join(csv_bytes(["a", text], [[text, "b"]]))
    written = decode(data).split("\r\n")[1]
    assert written.lstrip('"').startswith("'")
    header, rows = read_rows(data, 10)
    assert header == ["a", text.strip()]
    assert [row["a"] for _, row in rows] == [text]


@given(st.text())
def test_what_was_neutralised_comes_back(text: str) -> None:
    assert plain(neutral(text)) == text
    assert neutral(text)[:1] not in tuple("=+-@\t\r")


def test_texts_of_workbooks_are_texts_and_days_are_days() -> None:
    stream = io.BytesIO()
    columns = [Column("a"), Column("b", "date"), Column("c", "integer"), Column("d")]
    assert workbook(stream, "x", columns, [["=1+1", date(2026, 3, 2), 20, "http://x.invalid/"]]) == 1
    sheet = openpyxl.load_workbook(stream).active
    first = next(sheet.iter_rows(min_row=2))
    assert [cell.data_type for cell in first] == ["s", "d", "n", "s"]
    assert first[0].value == "=1+1"
    assert first[3].hyperlink is None


def test_a_template_offers_what_may_be_chosen() -> None:
    stream = io.BytesIO()
    long = tuple(f"部门{n}" for n in range(600))
    workbook(
        stream, "模板", [Column("a", "choice", "帮助", True, ("甲", "乙")), Column("b", choices=long)], [], lists=True
    )
    book = openpyxl.load_workbook(stream)
    assert book.sheetnames == ["模板", "lists"]
    assert book["lists"].sheet_state == "hidden"
    rules = {str(r.sqref).partition("2")[0]: r for r in book.active.data_validations.dataValidation}
    assert rules["A"].formula1 == "lists!$A$1:$A$2"
    assert rules["A"].prompt == "帮助"
    assert rules["B"].formula1 == "lists!$B$1:$B$500"


@pytest.mark.parametrize(("encoding", "mark"), [("utf-8", b"\xef\xbb\xbf"), ("gb18030", b"")])
def test_encodings(encoding: str, mark: bytes) -> None:
    pieces = [*csv_bytes(["名称"], [[f"事项{n}"] for n in range(1200)], encoding)]
    data = b"".join(pieces)
    assert data.startswith(mark)
    assert data.count(b"\xef\xbb\xbf") == bool(mark)
    assert len(pieces) == 3
    assert [row["名称"] for _, row in read_rows(data, 2000)[1]] == [f"事项{n}" for n in range(1200)]


def test_a_sheet_is_called_what_it_may_be_called() -> None:
    assert sheet_name("事项[1]:/?*") == "事项1"
    assert sheet_name("长" * 50) == "长" * 31
    assert sheet_name("''") == "1"
