"""What became of each row of an import, and all of it together: counted as it comes, kept where the caller says."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from models.event import told_of
from rules.words import N_, LabelEnum, Problem, Problems


class OutcomeKind(LabelEnum):
    New = "new", N_("New")
    Changed = "changed", N_("To be changed")
    Proposed = "proposed", N_("To be approved")
    Unchanged = "unchanged", N_("Unchanged")
    Refused = "refused", N_("Not imported")


KINDS = {kind.value: kind for kind in OutcomeKind}


@dataclass
class Outcome:
    """What became, or would become, of one row. changes: field → (old, new), as JSON values, personal ones masked.

    pk, version: the row as the import left it. before: the values that it changed, in full, for taking it back; they
    never leave the batch.
    """

    line: int
    kind: OutcomeKind
    key: str
    name: str
    changes: dict[str, Any] = field(default_factory=dict)
    problems: Problems = field(default_factory=Problems)
    pk: int | None = None
    version: int | None = None
    before: dict[str, Any] = field(default_factory=dict)

    @property
    def warned(self) -> bool:
        return bool(self.problems.warnings) and self.kind is not OutcomeKind.Refused


@dataclass
class Report:
    """All outcomes of one run, counted. take: what is done with each; without it they are kept in ``outcomes``.

    made: (registry, id, version) of rows of other registries that were made on the way.
    """

    mapping: str
    batch: str
    dry_run: bool
    take: Callable[[Outcome], None] | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    ignored: tuple[str, ...] = ()
    made: list[tuple[str, int, int]] = field(default_factory=list)
    _counted: Counter[str] = field(default_factory=Counter)
    _first: dict[tuple[str | None, str], Problem] = field(default_factory=dict)
    _causes: Counter[tuple[str | None, str]] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        self._counted[outcome.kind.value] += 1
        self._counted["warned"] += outcome.warned
        self._counted["rows"] += 1
        for key, problem in {(p.field, p.code): p for p in outcome.problems}.items():
            self._first.setdefault(key, problem)
            self._causes[key] += 1
        if self.take is None:
            self.outcomes.append(outcome)
        else:
            self.take(outcome)

    @property
    def counts(self) -> dict[str, int]:
        names = [*(kind.value for kind in OutcomeKind if kind is not OutcomeKind.Proposed), "warned", "rows"]
        found = {name: self._counted[name] for name in names}
        return found | ({"proposed": n} if (n := self._counted["proposed"]) else {})

    @property
    def causes(self) -> list[tuple[Problem, int]]:
        """Every kind of problem with the number of rows that have it, errors first, then the most frequent."""
        told = ((self._first[key], count) for key, count in self._causes.items())
        return sorted(told, key=lambda pair: (pair[0].warning, -pair[1]))


def lines(report: Report) -> Iterator[dict[str, Any]]:
    """The report as plain data, one mapping for each row."""
    for o in report.outcomes:
        problems = [{"field": p.field, "code": p.code, "warning": p.warning} for p in o.problems]
        changes = {n: list(pair) for n, pair in o.changes.items()}
        told = {"line": o.line, "outcome": o.kind.value, "key": o.key, "name": o.name}
        yield told | {"changes": changes, "problems": problems}


# --- kept ------------------------------------------------------------------------------------------------------------


class Kept:
    """Lines of JSON, packed as they come: of a hundred thousand rows two or three megabytes."""

    def __init__(self) -> None:
        self._packer = zlib.compressobj(6)
        self._parts: list[bytes] = []

    def add(self, told: Any) -> None:
        line = json.dumps(told, ensure_ascii=False, separators=(",", ":"), default=str)
        if part := self._packer.compress(line.encode() + b"\n"):
            self._parts.append(part)

    def packed(self) -> bytes:
        return b"".join([*self._parts, self._packer.flush()])


def unpacked(data: bytes) -> Iterator[Any]:
    """What was kept, line by line."""
    unpacker, rest = zlib.decompressobj(), b""
    for start in range(0, len(data), 65_536):
        *whole, rest = (rest + unpacker.decompress(data[start : start + 65_536])).split(b"\n")
        yield from map(json.loads, whole)


def undo_form(o: Outcome) -> list[Any] | None:
    """What taking this row back needs: id, version as it was left, whether it was made, the values before."""
    if o.pk is None or o.kind is OutcomeKind.Unchanged:
        return None
    return [o.pk, o.version, o.kind is OutcomeKind.New, o.before]


def kept_form(o: Outcome) -> list[Any]:
    problems = [[p.field, p.code, p.message, dict(p.params), p.warning] for p in o.problems]
    return [o.line, o.kind.value, o.key, o.name, o.changes, problems]


def outcome_of(told: list[Any]) -> Outcome:
    line, kind, key, name, changes, problems = told
    found = Problems(Problem(f, code, message, params, warning) for f, code, message, params, warning in problems)
    return Outcome(line, KINDS[kind], key, name, changes, found)


def masked_changes(model: type[Any], changes: Mapping[str, tuple[Any, Any]]) -> dict[str, Any]:
    """Differences as reports keep them: as Events do."""
    return {name: tuple(pair) for name, pair in told_of(model, changes).items()}


def urgent_first(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """What needs a person's eye comes first, however long the list."""
    order = (OutcomeKind.Refused, OutcomeKind.Proposed, OutcomeKind.Changed, OutcomeKind.New, OutcomeKind.Unchanged)
    return sorted(outcomes, key=lambda o: order.index(o.kind))
