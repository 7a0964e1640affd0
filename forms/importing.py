"""An import: rows of a file → outcomes, one for each row, through the same doors as every form.

Rows go by in chunks. What the cells of a chunk lead to, and the rows that its natural keys name, is looked up for all
of it at once; then every row is judged by the rules of its registry (models/many.py). Nothing of a chunk outlives it,
so that a hundred thousand rows need no more memory than a thousand.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import inspect

from forms.cells import matched
from forms.convert import specs
from forms.outcomes import Outcome, OutcomeKind, Report, lines
from forms.rows import Rows
from forms.tables import ColumnMapping, load_mapping, mappings, read_rows
from forms.taking_over import taken_over
from models import registries
from models.declare import Admin
from models.scope import Forbidden, ScopedSession
from rules.words import N_, RuleError

__all__ = ["Outcome", "OutcomeKind", "Report", "Stopped", "lines", "run"]

CHUNK = 500
# Kinds of fields that a foreign list may fill by a mapping that comes as a file.
KINDS = frozenset({"text", "long", "integer", "choice"})


class Stopped(Exception):
    """Somebody asked that the import end here; the caller rolls back."""


def importable() -> frozenset[str]:
    """The registries that anybody may import into."""
    granted = {name: {verb for g in model.__admin__.grants for verb in g.words} for name, model in registries().items()}
    return frozenset(name for name, verbs in granted.items() if "import" in verbs)


def run(
    session: ScopedSession,
    data: bytes,
    *,
    registry: str,
    most: int,
    now: datetime,
    mapping: str | None = None,
    take_over: bool = False,
    dry_run: bool = False,
    columns: Mapping[str, str] | None = None,
    clears: bool = False,
    batch: str | None = None,
    take: Callable[[Outcome], None] | None = None,
    tick: Callable[[int], None] | None = None,
) -> Report:
    """Import *data*. The caller commits, or rolls back after a dry run; each row stands or falls by itself.

    mapping: name of one that comes with the product, or path of a file; without one the headings decide. columns:
    heading → field, as somebody chose on the page. clears: an empty cell empties its field; otherwise it says nothing.
    take: what is done with each outcome. tick(rows so far): called after each chunk; it may raise :class:`Stopped`.
    Raises RuleError when the file as a whole cannot be read, Forbidden when the scope may not import here.
    """
    if not session.scope.may(registry, "import"):
        raise Forbidden("import", registry)
    model = registries()[registry]
    header, rows = read_rows(data, most)
    chosen = None if columns is not None else choose_mapping(registry, header, mapping)
    report = Report(chosen.name if chosen else "", batch or uuid.uuid4().hex, dry_run, take)
    session.info["batch"] = report.batch
    try:
        if chosen is not None and model.__admin__.intake is not None:
            _take_over(session, model, chosen, rows, report, now, tick, take_over=take_over)
            return report
        fields = dict(columns or {}) if chosen is None else {theirs: ours for ours, theirs in chosen.columns.items()}
        fields = fields or understood_header(model, header)
        report.ignored = tuple(h for h in header if h and h not in fields)
        reader = Rows(session, model, header, fields, now, clears=clears, values=chosen.values if chosen else {})
        done = 0
        for chunk in chunks(rows, reader.size):
            for outcome in reader.save(chunk):
                report.add(outcome)
            done += len(chunk)
            if tick is not None:
                tick(done)
    finally:
        session.info.pop("batch", None)
    return report


def _take_over(
    session: ScopedSession,
    model: type[Any],
    mapping: ColumnMapping,
    rows: Iterable[tuple[int, dict[str, str]]],
    report: Report,
    now: datetime,
    tick: Callable[[int], None] | None,
    *,
    take_over: bool,
) -> None:
    intake = model.__admin__.intake(session, now, take_over=take_over)
    for done, (line, cells) in enumerate(rows, start=1):
        report.add(taken_over(session, model, intake, mapping, line, cells, now))
        if tick is not None and done % CHUNK == 0:
            tick(done)
    stay = [row for row in intake.rows if inspect(row).persistent]
    report.made = [(type(row).__admin__.name, row.id, row.version) for row in stay]


def chunks(rows: Iterator[tuple[int, dict[str, str]]], size: int) -> Iterator[list[tuple[int, dict[str, str]]]]:
    while chunk := list(islice(rows, size)):
        yield chunk


def choose_mapping(registry: str, header: list[str], named: str | None) -> ColumnMapping | None:
    """The mapping called *named* (or the TOML file of that path), else the one whose columns the file has."""
    known = mappings(registry)
    if named:
        chosen = next((m for m in known if m.name == named), None) or load_mapping(Path(named))
        if unknown := sorted(set(chosen.columns) - fillable(registry)):
            message = N_("The mapping %(name)s cannot be read: %(error)s")
            raise RuleError.one("mapping", "mapping", message, name=chosen.name, error=", ".join(unknown)[:200])
        return chosen
    return next((m for m in known if m.fits(header)), None)


def fillable(registry: str) -> set[str]:
    """What a mapping that comes as a file may fill."""
    model = registries()[registry]
    intake = model.__admin__.intake
    free: frozenset[str] = frozenset()
    places: frozenset[str] = frozenset()
    if intake is not None:
        from models.intake import Intake

        free, places = Intake.free, Intake.places
    known = specs(model)
    kinds = KINDS if intake is not None else {spec.kind for spec in known.values()}
    fields = {n for n, s in known.items() if s.kind in kinds and (s.info.editable != "never" or n in free)}
    return fields | places


def understood_header(model: type[Any], header: list[str]) -> dict[str, str]:
    """Heading → field, by the headings alone. Raises RuleError where they say nothing, or not what is needed."""
    admin: Admin = model.__admin__
    found = matched(model, header)
    if not found:
        message = N_("No mapping fits these columns: %(columns)s")
        raise RuleError.one("file", "no_mapping", message, columns=", ".join(header)[:200])
    _ = admin
    return found
