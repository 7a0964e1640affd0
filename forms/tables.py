"""Files → rows of text: encodings, separators, bounds. What the rows mean is told by a mapping."""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rules.words import N_, RuleError

MAPPINGS = Path(__file__).parent / "mappings"
MOST_COLUMNS = 200
LONGEST_CELL = 20_000
# The key under which a row carries the cells that no heading stands over.
SURPLUS = "\x00surplus"


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
    """UTF-8 with or without a mark, else GB 18030; anything else is refused."""
    if b"\x00" in data:
        raise RuleError.one("file", "not_text", N_("This is no text file. Please save the table as CSV."))
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise RuleError.one("file", "encoding", N_("The file is neither UTF-8 nor GB 18030."))


def read_rows(data: bytes, most: int) -> tuple[list[str], Iterator[tuple[int, dict[str, str]]]]:
    """(header, rows); a row is (line number, column → text). Raises RuleError with one Problem on ``file``."""
    text = decode(data)
    if not text.strip():
        raise RuleError.one("file", "empty", N_("The file is empty."))
    head = text.split("\n", 1)[0]
    separator = max(",\t;", key=head.count)
    csv.field_size_limit(LONGEST_CELL)
    # strict: a quote that is never closed would otherwise swallow every row after it without a word.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        header = [name.strip() for name in next(reader)]
    except csv.Error as error:
        raise unreadable(reader.line_num, error) from None
    if len(header) > MOST_COLUMNS:
        raise RuleError.one("file", "too_wide", N_("At most %(most)d columns."), most=MOST_COLUMNS)
    doubled = sorted({name for name in header if name and header.count(name) > 1})
    if doubled:
        message = N_("The column “%(name)s” stands twice.")
        raise RuleError.one("file", "doubled_column", message, name=doubled[0][:60])

    def rows() -> Iterator[tuple[int, dict[str, str]]]:
        count = 0
        try:
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                count += 1
                if count > most:
                    raise RuleError.one("file", "too_long", N_("At most %(most)d rows at a time."), most=most)
                row = dict(zip(header, cells, strict=False))
                if any(cell.strip() for cell in cells[len(header) :]):
                    row[SURPLUS] = separator.join(cells[len(header) :])
                yield reader.line_num, row
        except csv.Error as error:
            raise unreadable(reader.line_num, error) from None

    return header, rows()


def unreadable(line: int, error: csv.Error) -> RuleError:
    return RuleError.one("file", "csv", N_("Line %(line)d cannot be read: %(error)s"), line=line, error=str(error))
