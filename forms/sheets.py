"""Rows → files: CSV and workbooks, so written that a spreadsheet shows them and runs none of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import IO, Any

import xlsxwriter

from forms.cells import Value
from forms.tables import BEGINS, neutral

# What a list of choices in a cell may hold; of a longer one the rest is typed.
MOST_CHOICES = 500
# A cell of a spreadsheet holds no more characters.
LONGEST = 32_767
# Excel shows an input message of so many characters, under a title of so many.
LONGEST_HELP, LONGEST_TITLE = 250, 32
LINES_WITH_CHOICES = 20_000
BATCH = 500
ENCODINGS = {"utf-8": "utf-8-sig", "gb18030": "gb18030"}


@dataclass(frozen=True)
class Column:
    """One column of a file to be filled in. kind: as of :class:`forms.convert.Spec`. help: said where one types."""

    heading: str
    kind: str = "text"
    help: str = ""
    required: bool = False
    choices: tuple[str, ...] = ()


def csv_bytes(header: Sequence[str], rows: Iterable[Sequence[Value]], encoding: str = "utf-8") -> Iterator[bytes]:
    """The file piece by piece: UTF-8 with a mark, by which spreadsheets know it, or GB 18030."""
    held = io.StringIO(newline="")
    writer = csv.writer(held, lineterminator="\r\n")
    codec = ENCODINGS[encoding]

    def taken() -> bytes:
        nonlocal codec
        text = held.getvalue()
        held.seek(0)
        held.truncate()
        data = text.encode(codec)
        codec = "utf-8" if codec == "utf-8-sig" else codec  # the mark stands at the beginning alone
        return data

    writer.writerow([neutral(name) for name in header])
    for number, row in enumerate(rows, start=1):
        # Most cells are texts that begin with nothing dangerous: no call for those.
        writer.writerow([value if type(value) is str and value[:1] not in BEGINS else as_cell(value) for value in row])
        if number % BATCH == 0:
            yield taken()
    yield taken()


def as_cell(value: Value) -> str:
    return neutral(value) if isinstance(value, str) else as_text(value)


def as_text(value: Value) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def workbook(
    stream: IO[bytes], name: str, columns: Sequence[Column], rows: Iterable[Sequence[Value]], *, lists: bool = False
) -> int:
    """Write a workbook of one sheet called *name*; returns how many rows it holds.

    lists: with drop-down lists and help, for somebody to fill in. Rows are written through to a temporary file, so
    that a hundred thousand take no more memory than one.
    """
    book = xlsxwriter.Workbook(stream, {"constant_memory": True, "strings_to_formulas": False})
    book.set_calc_mode("manual")
    formats = {
        "head": book.add_format({"bold": True, "bottom": 1}),
        "date": book.add_format({"num_format": "yyyy-mm-dd"}),
    }
    formats["text"] = book.add_format({"num_format": "@"})
    sheet = book.add_worksheet(sheet_name(name))
    sheet.freeze_panes(1, 0)
    for place, column in enumerate(columns):
        shape = {"date": "date", "integer": None, "boolean": None}.get(column.kind, "text")
        sheet.set_column(place, place, width(column), formats[shape] if shape else None)
    if lists:
        source = book.add_worksheet("lists")
        source.hide()
        _offer(sheet, source, columns)
    for place, column in enumerate(columns):
        sheet.write_string(0, place, column.heading, formats["head"])
    count = 0
    for count, row in enumerate(rows, start=1):
        for place, value in enumerate(row):
            _write(sheet, count, place, value, formats)
    book.close()
    return count


def _write(sheet: Any, line: int, place: int, value: Value, formats: dict[str, Any]) -> None:
    if isinstance(value, date) and not isinstance(value, datetime) and value.year >= 1900:
        sheet.write_datetime(line, place, datetime(value.year, value.month, value.day), formats["date"])  # noqa: DTZ001
    elif isinstance(value, int) and abs(value) < 10**15:
        sheet.write_number(line, place, value)
    elif value != "":
        sheet.write_string(line, place, as_text(value)[:LONGEST])


def _offer(sheet: Any, source: Any, columns: Sequence[Column]) -> None:
    """Drop-down lists, and what is said where one types. A list may be long: it stands on a sheet of its own."""
    longest = max((len(c.choices[:MOST_CHOICES]) for c in columns), default=0)
    for line in range(longest):  # line by line: what is written through cannot be gone back to
        for place, column in enumerate(columns):
            if line < len(column.choices[:MOST_CHOICES]):
                source.write_string(line, place, column.choices[line])
    for place, column in enumerate(columns):
        told: dict[str, Any] = {"validate": "any", "ignore_blank": True}
        if column.choices:
            letters = xlsxwriter.utility.xl_col_to_name(place, col_abs=True)
            last = min(len(column.choices), MOST_CHOICES)
            told |= {"validate": "list", "source": f"=lists!{letters}$1:{letters}${last}", "error_type": "warning"}
        if column.help:
            told |= {"input_title": column.heading[:LONGEST_TITLE], "input_message": column.help[:LONGEST_HELP]}
        sheet.data_validation(1, place, LINES_WITH_CHOICES, place, told)


def sheet_name(name: str) -> str:
    """Without what a sheet may not be called."""
    kept = "".join(c for c in name if c not in "[]:*?/\\").strip("'")[:31]
    return kept or "1"


def width(column: Column) -> int:
    return min(40, max(10, 2 * len(column.heading) + 2, *(2 * len(c) for c in column.choices[:20]), 0))
