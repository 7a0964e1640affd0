"""The report of a batch, row by row, as a page shows it: what needs a person's eye first, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from forms.outcomes import Outcome, OutcomeKind, outcome_of, unpacked
from models.batch import Batch
from rules.words import Problem

PAGE = 100
URGENT = (OutcomeKind.Refused, OutcomeKind.Proposed, OutcomeKind.Changed, OutcomeKind.New, OutcomeKind.Unchanged)
WARNED = "warned"


@dataclass
class Shown:
    """One page of the report. total: how many rows were asked for."""

    rows: list[Outcome] = field(default_factory=list)
    total: int = 0
    page: int = 1
    causes: list[tuple[Problem, int]] = field(default_factory=list)

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // PAGE))


def shown_rows(batch: Batch, asked: str, page: int) -> Shown:
    """asked: the outcome whose rows are wanted, ``warned`` for those with remarks; any other: all."""
    told = batch.causes or ()
    causes = [(Problem(f, code, text, params, warning), n) for f, code, text, params, warning, n in told]
    if batch.report is None:
        return Shown(causes=causes)
    counts = batch.counts
    kinds = [kind for kind in URGENT if asked in ("", kind.value)] or [*URGENT]
    total = counts[WARNED] if asked == WARNED else sum(counts[kind.value] for kind in kinds)
    page = min(page, max(1, -(-total // PAGE)))
    first = (page - 1) * PAGE
    found: list[Outcome] = []
    if asked == WARNED:
        warned = (o for o in outcomes(batch.report) if o.warned)
        found = [o for number, o in enumerate(warned) if first <= number < first + PAGE]
    else:
        wanted, before = {}, 0
        for kind in kinds:  # which of each kind stand on this page
            low, high = max(0, first - before), min(counts[kind.value], first + PAGE - before)
            wanted[kind] = range(low, max(low, high))
            before += counts[kind.value]
        numbers = dict.fromkeys(kinds, 0)
        for outcome in outcomes(batch.report):
            if outcome.kind in wanted:
                if numbers[outcome.kind] in wanted[outcome.kind]:
                    found.append(outcome)
                numbers[outcome.kind] += 1
        found.sort(key=lambda o: kinds.index(o.kind))
    return Shown(found, total, page, causes)


def outcomes(data: bytes) -> Iterator[Outcome]:
    return map(outcome_of, unpacked(data))
