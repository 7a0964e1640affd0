"""Files → rows of text: encodings, separators, bounds. What the rows mean is told by a mapping.

A file is CSV or a workbook; whichever it is, it comes out as one shape: a header, and rows of text with their lines.
"""

from __future__ import annotations

import csv
import io
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from forms.workbook import Workbook, is_workbook
from rules.words import N_, RuleError

MAPPINGS = Path(__file__).parent / "mappings"
MOST_COLUMNS = 200
LONGEST_CELL = 20_000
# The key under which a row carries the cells that no heading stands over.
SURPLUS = "\x00surplus"
# How a cell begins that a spreadsheet would run, the full-width signs included, which some take for the narrow ones.
RUNS = re.compile(r"[\s']*[=+\-@\t\r＝＋－＠]")
# … and how it may begin at all, for a quick look: white space counts as what stands behind it.
BEGINS = frozenset(["=", "+", "-", "@", "＝", "＋", "－", "＠", "'", *filter(str.isspace, map(chr, range(0x3001)))])
NEUTRAL = re.compile(r"'[\s']*[=+\-@\t\r＝＋－＠]")


@dataclass(frozen=True)
class ColumnMapping:
    """Which column of a foreign file is which field of ours, and which of its values is which of ours."""

    name: str
    title: str
    registry: str
    columns: Mapping[str, str]
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def fits(self, header: list[str]) -> bool:
        """The columns without which a row could not be told from another are there."""
        return {self.columns[n] for n in ("name", "local_code", "department") if n in self.columns} <= set(header)


def load_mapping(path: Path) -> ColumnMapping:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        return ColumnMapping(
            path.stem, data["title"], data["registry"], dict(data["columns"]), dict(data.get("values", {}))
        )
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        message = N_("The mapping %(name)s cannot be read: %(error)s")
        raise RuleError.one("mapping", "mapping", message, name=path.name, error=str(error)) from None


def mappings(registry: str) -> list[ColumnMapping]:
    """The mappings that come with the product, for one registry."""
    return [m for m in map(load_mapping, sorted(MAPPINGS.glob("*.toml"))) if m.registry == registry]


def decode(data: bytes) -> str:
    """UTF-8 or GB 18030, with or without a mark; anything else is refused."""
    if b"\x00" in data:
        raise RuleError.one("file", "not_text", N_("This is no text file. Please save the table as CSV."))
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding).removeprefix("\ufeff")
        except UnicodeDecodeError:
            continue
    raise RuleError.one("file", "encoding", N_("The file is neither UTF-8 nor GB 18030."))


@dataclass(frozen=True)
class Source:
    """A table that was opened. rows(): (line number, column → text), as often as it is asked for."""

    header: list[str]
    rows: Callable[[], Iterator[tuple[int, dict[str, str]]]]
    known: int | None = None

    @property
    def count(self) -> int:
        """How many rows there are. Of CSV that is known once all of it was read, and so found to be readable."""
        return sum(1 for _ in self.rows()) if self.known is None else self.known


def open_table(data: bytes, most: int) -> Source:
    """Raises RuleError with one Problem on ``file``, here or while rows are read."""
    if not is_workbook(data):
        header, _ = read_csv(data, most)
        return Source(header, lambda: read_csv(data, most)[1])
    book = Workbook(data, most_rows=most, most_columns=MOST_COLUMNS, longest=LONGEST_CELL)
    header = [name.strip() for name in next(book.lines(), (0, [""]))[1]]
    if not any(header):
        raise RuleError.one("file", "empty", N_("The file is empty."))
    check_header(header)

    def rows() -> Iterator[tuple[int, dict[str, str]]]:
        lines = book.lines()
        next(lines)
        return _rows(header, lines, most)

    return Source(header, rows, book.count - 1)


def read_rows(data: bytes, most: int) -> tuple[list[str], Iterator[tuple[int, dict[str, str]]]]:
    """(header, rows); a row is (line number, column → text). Raises RuleError with one Problem on ``file``."""
    source = open_table(data, most)
    return source.header, source.rows()


def check_header(header: list[str]) -> None:
    if len(header) > MOST_COLUMNS:
        raise RuleError.one("file", "too_wide", N_("At most %(most)d columns."), most=MOST_COLUMNS)
    doubled = sorted({name for name in header if name and header.count(name) > 1})
    if doubled:
        message = N_("The column “%(name)s” stands twice.")
        raise RuleError.one("file", "doubled_column", message, name=doubled[0][:60])


def _rows(
    header: list[str], lines: Iterator[tuple[int, list[str]]], most: int, separator: str = " "
) -> Iterator[tuple[int, dict[str, str]]]:
    count = 0
    for line, cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        count += 1
        if count > most:
            raise RuleError.one("file", "too_long", N_("At most %(most)d rows at a time."), most=most)
        row = dict(zip(header, cells, strict=False))
        if any(cell.strip() for cell in cells[len(header) :]):
            row[SURPLUS] = separator.join(cells[len(header) :])
        yield line, row


def neutral(text: str) -> str:
    """*text* as a cell of CSV that no spreadsheet runs: behind an apostrophe, which :func:`plain` takes off again."""
    return f"'{text}" if text[:1] in BEGINS and RUNS.match(text) else text


def plain(text: str) -> str:
    return text[1:] if text[:1] == "'" and NEUTRAL.match(text) else text


def read_csv(data: bytes, most: int) -> tuple[list[str], Iterator[tuple[int, dict[str, str]]]]:
    text = decode(data)
    if not text.strip():
        raise RuleError.one("file", "empty", N_("The file is empty."))
    head = text.split("\n", 1)[0]
    separator = max(",\t;", key=head.count)
    csv.field_size_limit(LONGEST_CELL)
    # strict: a quote that is never closed would otherwise swallow every row after it without a word.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        header = [plain(name).strip() for name in next(reader)]
    except csv.Error as error:
        raise unreadable(reader.line_num, error) from None
    check_header(header)

    def lines() -> Iterator[tuple[int, list[str]]]:
        try:
            for cells in reader:
                yield reader.line_num, [plain(cell) for cell in cells]
        except csv.Error as error:
            raise unreadable(reader.line_num, error) from None

    return header, _rows(header, lines(), most, separator)


def unreadable(line: int, error: csv.Error) -> RuleError:
    return RuleError.one("file", "csv", N_("Line %(line)d cannot be read: %(error)s"), line=line, error=str(error))
