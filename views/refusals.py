"""The refused rows of a batch as a workbook: the foreign file's own columns, and before them the reasons."""

from __future__ import annotations

from collections.abc import Iterator

from forms.cells import Value
from forms.outcomes import OutcomeKind
from forms.sheets import Column
from forms.tables import open_table
from models import registries
from models.batch import Batch
from views import display
from views.reports import outcomes


def refused_rows(batch: Batch, most: int, heading: str) -> tuple[list[Column], Iterator[list[Value]]]:
    """(columns, rows). A file that holds such a column already (it comes back a second time) gets no second one."""
    model = registries()[batch.subject_type]
    assert batch.data is not None
    assert batch.report is not None
    reasons = {
        o.line: gather(display.problem_lines(o.problems, model))
        for o in outcomes(batch.report)
        if o.kind is OutcomeKind.Refused
    }
    source = open_table(batch.data, most)
    header = [name for name in source.header if name and name != heading]

    def rows() -> Iterator[list[Value]]:
        for line, row in source.rows():
            if line in reasons:
                yield [reasons[line], *(row.get(name, "") for name in header)]

    return [Column(heading), *map(Column, header)], rows()


def gather(lines: list[tuple[str, bool]]) -> str:
    return "\n".join(text for text, warning in lines if not warning)
