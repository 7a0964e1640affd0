"""An import: rows of a file → outcomes, one for each row, through the same door as every form."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import inspect

from forms.convert import BadValue, parse, specs
from forms.tables import SURPLUS, ColumnMapping, load_mapping, mappings, read_rows
from models.event import plain
from models.intake import TAKEN, Intake
from models.item import Item
from models.scope import Forbidden, ScopedSession
from models.write import save, snapshot
from rules.words import N_, LabelEnum, Problem, Problems, RuleError

# What places a row; everything else a mapping fills is a field of the item, of one of the KINDS.
PLACES = frozenset({"department", "department_code", "region_code", "region_name"})
KINDS = frozenset({"text", "long", "integer", "choice"})


class OutcomeKind(LabelEnum):
    New = "new", N_("New")
    Changed = "changed", N_("To be changed")
    Unchanged = "unchanged", N_("Unchanged")
    Refused = "refused", N_("Not imported")


@dataclass
class Outcome:
    """What became, or would become, of one row. changes: field → (old, new), as JSON values."""

    line: int
    kind: OutcomeKind
    key: str
    name: str
    changes: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    problems: Problems = field(default_factory=Problems)

    @property
    def warned(self) -> bool:
        return bool(self.problems.warnings) and self.kind is not OutcomeKind.Refused


@dataclass
class Report:
    """All outcomes of one run, and their counts."""

    mapping: str
    batch: str
    dry_run: bool
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        kinds = Counter(o.kind.value for o in self.outcomes)
        found = {kind.value: kinds.get(kind.value, 0) for kind in OutcomeKind}
        return found | {"warned": sum(o.warned for o in self.outcomes), "rows": len(self.outcomes)}

    @property
    def causes(self) -> list[tuple[Problem, int]]:
        """Every kind of problem with the number of rows that have it, errors first, then the most frequent."""
        first: dict[tuple[str | None, str], Problem] = {}
        counts: Counter[tuple[str | None, str]] = Counter()
        for outcome in self.outcomes:
            for key, problem in {(p.field, p.code): p for p in outcome.problems}.items():
                first.setdefault(key, problem)
                counts[key] += 1
        return sorted(((first[k], n) for k, n in counts.items()), key=lambda pair: (pair[0].warning, -pair[1]))


# Open to a mapping although no form opens it; the state and the origin are the take-over's own business.
FREE = frozenset({"source_link"})


def choose_mapping(registry: str, header: list[str], named: str | None) -> ColumnMapping:
    """The mapping called *named* (or the TOML file of that path), else the one whose columns the file has."""
    known = mappings(registry)
    if named:
        chosen = next((m for m in known if m.name == named), None) or load_mapping(Path(named))
        fields = {
            n for n, spec in specs(Item).items() if spec.kind in KINDS and (spec.info.editable != "never" or n in FREE)
        }
        if unknown := sorted(set(chosen.columns) - PLACES - fields):
            message = N_("The mapping %(name)s cannot be read: %(error)s")
            raise RuleError.one("mapping", "mapping", message, name=chosen.name, error=", ".join(unknown)[:200])
        return chosen
    found = next((m for m in known if m.fits(header)), None)
    if found is None:
        message = N_("No mapping fits these columns: %(columns)s")
        raise RuleError.one("file", "no_mapping", message, columns=", ".join(header)[:200])
    return found


def run(
    session: ScopedSession,
    data: bytes,
    *,
    registry: str,
    mapping: str | None,
    take_over: bool,
    dry_run: bool,
    most: int,
    now: datetime,
) -> Report:
    """Import *data*. The caller commits, or rolls back after a dry run; each row stands or falls by itself.

    Raises RuleError when the file as a whole cannot be read, Forbidden when the scope may not import here.
    """
    if not session.scope.may(registry, "import"):
        raise Forbidden("import", registry)
    header, rows = read_rows(data, most)
    chosen = choose_mapping(registry, header, mapping)
    report = Report(chosen.name, uuid.uuid4().hex, dry_run)
    session.info["batch"] = report.batch
    intake = Intake(session, now, take_over=take_over)
    try:
        for line, cells in rows:
            report.outcomes.append(_row(session, intake, chosen, line, cells, now))
    finally:
        session.info.pop("batch", None)
    return report


def _row(
    session: ScopedSession, intake: Intake, mapping: ColumnMapping, line: int, cells: Mapping[str, str], now: datetime
) -> Outcome:
    raw = {ours: cells.get(theirs) or "" for ours, theirs in mapping.columns.items()}
    intake.begin()
    key, name = raw.get("local_code", "")[:80].strip(), raw.get("name", "")[:300].strip()
    outcome = Outcome(line, OutcomeKind.Refused, key, name)
    try:
        with session.begin_nested():
            values, problems = _values(raw, mapping)
            if SURPLUS in cells:
                message = N_("More cells than columns; is a comma in the text not quoted?")
                problems.append(Problem(None, "surplus", message))
            outcome.problems.extend(problems)
            if problems:
                raise RuleError(problems)
            item, values, noticed = intake.place(raw, values, line)
            new = inspect(item).transient
            before = {} if new else snapshot(item)
            found = save(session, item, values, now=now, expected_version=None if new else item.version, also=TAKEN)
            outcome.problems[:] = [*noticed, *found]
            if found.errors:
                raise RuleError(found)
            after = snapshot(item)
            if new:
                outcome.kind = OutcomeKind.New
            else:
                changed = {n: (plain(before[n]), plain(v)) for n, v in after.items() if before[n] != v}
                outcome.changes = changed
                outcome.kind = OutcomeKind.Changed if changed else OutcomeKind.Unchanged
    except RuleError as error:
        intake.forget()
        outcome.problems[:] = outcome.problems or error.problems
    except Forbidden:
        intake.forget()
        message = N_("This row lies outside your department and those below it.")
        outcome.problems[:] = [Problem("department", "forbidden", message)]
    return outcome


def _values(raw: Mapping[str, str], mapping: ColumnMapping) -> tuple[dict[str, Any], Problems]:
    """Typed values of the cells that are fields of the item; empty cells say nothing, so they change nothing."""
    known = specs(Item)
    values: dict[str, Any] = {}
    problems = Problems()
    for name, text in raw.items():
        spec = known.get(name)
        if spec is None or not text.strip():
            continue
        said = text.strip()
        try:
            values[name] = parse(spec, mapping.values.get(name, {}).get(said, said))
        except BadValue as error:
            problems.append(error.problem)
    return values, problems


def lines(report: Report) -> Iterator[dict[str, Any]]:
    """The report as plain data, one mapping for each row."""
    for o in report.outcomes:
        problems = [{"field": p.field, "code": p.code, "warning": p.warning} for p in o.problems]
        changes = {n: list(pair) for n, pair in o.changes.items()}
        told = {"line": o.line, "outcome": o.kind.value, "key": o.key, "name": o.name}
        yield told | {"changes": changes, "problems": problems}
