"""XLSX → rows of text, from a stream, with nothing unpacked that was not measured first.

Our own reader over expat and not a library's: it holds one row at a time however large the sheet is, refuses every
document type before an entity could unfold, stops in the middle of a cell that is too long, and knows the address of
what it refuses: merged cells, formulas, errors of a calculation, numbers whose last digits the spreadsheet has lost.
Source: ECMA-376 part 1, chapter 18 (SpreadsheetML).
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta
from math import isfinite
from typing import Any
from xml.parsers import expat

from rules.words import N_, RuleError

# The first bytes of every zip archive, and those of the format before 2007, in which protected workbooks come as well.
MAGIC, OLD_MAGIC = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
MOST_PARTS = 1_000
MOST_UNPACKED = 300 * 1024 * 1024
# Texts that are shared between cells must all be held at once: so many bytes of them.
MOST_SHARED = 48 * 1024 * 1024
PIECE = 64 * 1024
MOST_NAMED = 5
# A number of more digits is not what was typed: spreadsheets keep fifteen.
LARGEST_EXACT = 10**15
# Built-in formats that show a date or a time (18.8.30), those of Chinese and other eastern languages included.
DATE_FORMATS = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})
ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
UNQUOTED = re.compile(r'"[^"]*"|\\.|\[(?![hms]+\])[^\]]*\]')
SERIAL = re.compile(r"\d{5}(\.\d+)?")
# Serial numbers of 1954-10-03 to 2119-01-10: what else has five digits in a column of days is no day.
FIRST_SERIAL, LAST_SERIAL = 20_000, 80_000

Attributes = Mapping[str, str]


class _Stop(Exception):
    """Enough was read."""


def is_workbook(data: bytes) -> bool:
    return data.startswith((MAGIC, OLD_MAGIC))


def bare(tag: str) -> str:
    """A tag without its prefix: which one a writer chose for the namespace says nothing."""
    return tag.rpartition(":")[2]


def address(column: int, line: int) -> str:
    """Column (from 0) and line (from 1) as a spreadsheet calls the cell: (27, 5) is AB5."""
    letters, rest = "", column + 1
    while rest:
        rest, digit = divmod(rest - 1, 26)
        letters = chr(65 + digit) + letters
    return f"{letters}{line}"


def moment_of(serial: float, *, since_1904: bool = False) -> datetime:
    """The day and time that a spreadsheet's number stands for, to the second. Raises OverflowError."""
    first = datetime(1904, 1, 1) if since_1904 else datetime(1899, 12, 30)  # noqa: DTZ001 - a sheet knows no zone
    if not since_1904 and serial < 60:
        first += timedelta(days=1)  # the 29 February 1900 that spreadsheets believe in
    return first + timedelta(seconds=round(serial * 86_400))


def day_of_serial(text: str) -> date | None:
    """The day that *text* says as a serial number, where it can be one."""
    if not SERIAL.fullmatch(text) or not FIRST_SERIAL <= float(text) <= LAST_SERIAL:
        return None
    return moment_of(float(text)).date()


class Workbook:
    """The first visible sheet of a workbook, looked through once when it is opened.

    most_rows, most_columns, longest: bounds of the sheet; a cell's text may have so many characters. Raises RuleError
    with one Problem on ``file``.
    """

    def __init__(self, data: bytes, *, most_rows: int, most_columns: int, longest: int) -> None:
        if data.startswith(OLD_MAGIC):
            message = N_("This workbook is of an old kind or protected. Save it as .xlsx without a password.")
            raise RuleError.one("file", "old_workbook", message)
        self.most_rows, self.most_columns, self.longest = most_rows, most_columns, longest
        self.shared: list[str] = []
        self.dates: list[bool] = []
        self.since_1904 = False
        try:
            self.archive = zipfile.ZipFile(io.BytesIO(data))
            self._measure()
            self.sheet = self._first_sheet()
            self._read_shared()
            self._read_styles()
            self.count = self._look_through()
        except _UNREADABLE as error:
            raise unreadable(error) from None

    # --- parts ---------------------------------------------------------------------------------------------------

    def _measure(self) -> None:
        parts = self.archive.infolist()
        if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > MOST_UNPACKED:
            raise RuleError.one("file", "too_large", N_("Unpacked, this workbook is too large."))

    def _parse(self, name: str, start: Any, end: Any = None, text: Any = None) -> Iterator[None]:
        """Feed the part *name* to the handlers, and give way after each piece. Handlers get tags with their prefix."""
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.StartElementHandler = start
        parser.EndElementHandler = end
        parser.CharacterDataHandler = text
        with self.archive.open(name) as stream:
            while piece := stream.read(PIECE):
                parser.Parse(piece)
                yield
            parser.Parse(b"", True)
            yield

    def _drain(self, name: str, start: Any, end: Any = None, text: Any = None) -> None:
        with suppress(_Stop):
            for _ in self._parse(name, start, end, text):
                pass

    def _first_sheet(self) -> str:
        wanted: list[str] = []
        targets: dict[str, str] = {}

        def book(tag: str, given: Attributes) -> None:
            tag = bare(tag)
            if tag == "workbookPr":
                self.since_1904 = given.get("date1904", "0") in ("1", "true", "on")
            if tag == "sheet" and given.get("state", "visible") == "visible":
                wanted.extend(value for name, value in given.items() if name.endswith(":id"))

        def relation(tag: str, given: Attributes) -> None:
            if bare(tag) == "Relationship":
                targets[given.get("Id", "")] = given.get("Target", "")

        self._drain("xl/workbook.xml", book)
        self._drain("xl/_rels/workbook.xml.rels", relation)
        target = targets.get(wanted[0] if wanted else "", "")
        name = target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
        if name not in self.archive.namelist():
            raise RuleError.one("file", "no_sheet", N_("The workbook has no sheet that could be read."))
        return name

    def _read_shared(self) -> None:
        if "xl/sharedStrings.xml" not in self.archive.namelist():
            return
        parts: list[str] = []
        held = [0, 0]  # bytes of all texts; how deep in a text that only says how others are pronounced
        inside = [False]

        def start(tag: str, given: Attributes) -> None:
            tag = bare(tag)
            if tag == "si":
                parts.clear()
            held[1] += tag == "rPh"
            inside[0] = tag == "t" and not held[1]

        def text(said: str) -> None:
            if inside[0]:
                parts.append(said)
                held[0] += 2 * len(said)
                if held[0] > MOST_SHARED:
                    raise RuleError.one("file", "too_large", N_("Unpacked, this workbook is too large."))

        def end(tag: str) -> None:
            tag = bare(tag)
            held[1] -= tag == "rPh"
            inside[0] = False
            if tag == "si":
                held[0] += 64
                whole = "".join(parts)
                # Only a cell that leads here makes it too long: then with its address.
                self.shared.append(unescaped(whole[: self.longest + 1]))

        self._drain("xl/sharedStrings.xml", start, end, text)

    def _read_styles(self) -> None:
        """Which styles of cells show a date: a number in one of these is a day."""
        if "xl/styles.xml" not in self.archive.namelist():
            return
        formats: dict[str, bool] = {}
        inside = [False]

        def start(tag: str, given: Attributes) -> None:
            tag = bare(tag)
            if tag == "numFmt":
                formats[given.get("numFmtId", "")] = shows_a_date(given.get("formatCode", ""))
            elif tag == "cellXfs":
                inside[0] = True
            elif tag == "xf" and inside[0]:
                number = given.get("numFmtId", "0")
                self.dates.append(formats.get(number, number.isdigit() and int(number) in DATE_FORMATS))

        def end(tag: str) -> None:
            inside[0] = inside[0] and bare(tag) != "cellXfs"

        self._drain("xl/styles.xml", start, end)

    # --- the sheet -----------------------------------------------------------------------------------------------

    def _look_through(self) -> int:
        """Every cell once, so that nothing is begun that cannot be ended; how many lines hold something."""
        reader = _Sheet(self)
        count = 0
        for _ in self._parse(self.sheet, reader.start, reader.end, reader.text):
            count += len(reader.lines)
            reader.lines.clear()
            if count > self.most_rows + 1:
                raise RuleError.one("file", "too_long", N_("At most %(most)d rows at a time."), most=self.most_rows)
        for code, message, found in reader.refused():
            more = " …" if len(found) > MOST_NAMED else ""
            raise RuleError.one("file", code, message, cells=", ".join(found[:MOST_NAMED]) + more)
        return count

    def lines(self) -> Iterator[tuple[int, list[str]]]:
        """(line, its cells as text) of every line that holds something."""
        reader = _Sheet(self)
        try:
            for _ in self._parse(self.sheet, reader.start, reader.end, reader.text):
                yield from reader.lines
                reader.lines.clear()
        except _UNREADABLE as error:  # read without a complaint a moment ago
            raise unreadable(error) from None


class _Sheet:
    """Handlers that gather the lines of one sheet, and what in it cannot be taken."""

    def __init__(self, book: Workbook) -> None:
        self.book = book
        self.lines: list[tuple[int, list[str]]] = []
        self.merged: list[str] = []
        self.formulas: list[str] = []
        self.errors: list[str] = []
        self.inexact: list[str] = []
        self.line = self.column = 0
        self.cells: dict[int, str] = {}
        self.kind, self.style = "", 0
        self.parts: list[str] = []
        self.length = 0
        self.taking = self.aside = False

    def refused(self) -> Iterator[tuple[str, str, list[str]]]:
        merged = N_("Cells are merged: %(cells)s. Please unmerge them.")
        formula = N_("Cells hold formulas: %(cells)s. Please paste them as values.")
        error = N_("Cells hold an error of a calculation: %(cells)s.")
        inexact = N_("Numbers whose last digits the spreadsheet has lost: %(cells)s. Please type them as text.")
        told = (
            ("merged", merged, self.merged),
            ("formula", formula, self.formulas),
            ("cell_error", error, self.errors),
            ("inexact", inexact, self.inexact),
        )
        yield from (one for one in told if one[2])

    @property
    def here(self) -> str:
        return address(self.column, self.line)

    def start(self, tag: str, given: Attributes) -> None:
        if ":" in tag:
            tag = bare(tag)
        if tag == "c":
            self._place(given.get("r"))
            self.kind = given.get("t", "n")
            style = given.get("s", "0")
            self.style = int(style) if style.isdigit() else 0
            self.parts, self.length = [], 0
        elif tag == "row":
            number = given.get("r", "")
            self.line = int(number) if number.isdigit() and len(number) < 8 else self.line + 1
            self.column, self.cells = -1, {}
        elif tag == "f":
            self.note(self.formulas, self.here)
        elif tag == "rPh":
            self.aside = True
        elif tag == "mergeCell":
            self.note(self.merged, given.get("ref", "?")[:40])
        self.taking = tag in ("v", "t") and not self.aside

    @staticmethod
    def note(found: list[str], where: str) -> None:
        if len(found) <= MOST_NAMED:
            found.append(where)

    def _place(self, reference: str | None) -> None:
        if reference is None:
            self.column += 1
            return
        column = 0
        for letter in reference:
            if not "A" <= letter <= "Z" or column > 20_000:
                break
            column = column * 26 + ord(letter) - 64
        self.column = column - 1

    def text(self, said: str) -> None:
        if not self.taking:
            return
        self.length += len(said)
        if self.length > self.book.longest:
            raise self.too_long()
        self.parts.append(said)

    def too_long(self) -> RuleError:
        message = N_("The cell %(cell)s holds more than %(most)d characters.")
        return RuleError.one("file", "cell_too_long", message, cell=self.here, most=self.book.longest)

    def end(self, tag: str) -> None:
        self.taking = False
        if ":" in tag:
            tag = bare(tag)
        if tag == "rPh":
            self.aside = False
        elif tag == "c" and self.parts:
            text = self.value("".join(self.parts))
            if text.strip():
                if self.column >= self.book.most_columns:
                    message = N_("At most %(most)d columns.")
                    raise RuleError.one("file", "too_wide", message, most=self.book.most_columns)
                self.cells[self.column] = text
        elif tag == "row" and self.cells:
            line = [self.cells.get(i, "") for i in range(max(self.cells) + 1)]
            self.lines.append((self.line, line))
            self.cells = {}

    def value(self, raw: str) -> str:
        if self.kind == "s":
            shared = self.book.shared[int(raw)]
            if len(shared) > self.book.longest:
                raise self.too_long()
            return shared
        if self.kind in ("str", "inlineStr"):
            return unescaped(raw)
        if self.kind == "b":
            return "1" if raw.strip() == "1" else "0"
        if self.kind == "e":
            self.note(self.errors, self.here)
            return raw
        if self.kind == "d":
            return raw.strip().replace("T", " ")
        return self.number(raw.strip())

    def number(self, raw: str) -> str:
        found = float(raw)
        dated = self.style < len(self.book.dates) and self.book.dates[self.style]
        if dated and 0 <= found < 2_958_466:  # to the end of the year 9999
            return said_moment(found, since_1904=self.book.since_1904)
        if not isfinite(found):
            raise ValueError(raw[:40])
        if abs(found) >= LARGEST_EXACT:
            self.note(self.inexact, self.here)
        return str(int(found)) if found == int(found) and abs(found) < 10 * LARGEST_EXACT else repr(found)


def said_moment(serial: float, *, since_1904: bool) -> str:
    """2026-03-02, with the time behind it where there is one; of a time alone nothing but the time."""
    found = moment_of(serial, since_1904=since_1904)
    time = found.strftime("%H:%M:%S" if found.second else "%H:%M")
    if serial < 1:
        return time
    day = found.date().isoformat()
    return day if found == datetime.combine(found.date(), datetime.min.time()) else f"{day} {time}"


def shows_a_date(code: str) -> bool:
    """Does the format of a number show a day or a time? What stands in quotes and colours does not count."""
    return any(letter in "ymdhs年月日" for letter in UNQUOTED.sub("", code.partition(";")[0]).lower())


def unescaped(text: str) -> str:
    """_x000D_ stands for the character of that number (22.4.2.4)."""
    return ESCAPED.sub(lambda found: chr(int(found.group(1), 16)), text) if "_x" in text else text


def _refuse_doctype(*_: Any) -> None:
    raise ValueError("a document type")


_UNREADABLE: tuple[type[BaseException], ...] = (
    zipfile.BadZipFile,
    expat.ExpatError,
    KeyError,
    IndexError,
    ValueError,
    OverflowError,
    NotImplementedError,  # a way of packing that nobody uses for workbooks
    RuntimeError,  # a part that is locked with a password
    EOFError,
    OSError,
    zlib.error,
)


def unreadable(error: BaseException) -> RuleError:
    message = N_("This workbook is broken (%(error)s).")
    return RuleError.one("file", "workbook", message, error=type(error).__name__)
