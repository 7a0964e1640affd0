"""Rows of a foreign list → outcomes, each placed by the registry's own intake (models/intake.py) and saved by itself.

An intake makes what a row needs (a department, a region) on the way, so rows cannot be told from each other before
they are placed, and each stands in a savepoint with what was made for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from forms.cells import understood
from forms.convert import BadValue, specs
from forms.outcomes import Outcome, OutcomeKind
from forms.tables import SURPLUS, ColumnMapping
from models.change import propose
from models.columns import is_new, snapshot
from models.event import plain
from models.scope import Forbidden, ScopedSession
from models.write import only_controlled, parted, save
from rules.words import N_, Problem, Problems, RuleError


def taken_over(
    session: ScopedSession,
    model: type[Any],
    intake: Any,
    mapping: ColumnMapping,
    line: int,
    cells: Mapping[str, str],
    now: datetime,
) -> Outcome:
    """One row of the list, in a savepoint of its own."""
    raw = {ours: cells.get(theirs) or "" for ours, theirs in mapping.columns.items()}
    intake.begin()
    key, name = raw.get("local_code", "")[:80].strip(), raw.get("name", "")[:300].strip()
    outcome = Outcome(line, OutcomeKind.Refused, key, name)
    try:
        with session.begin_nested():
            values, problems = typed(model, raw, mapping)
            if SURPLUS in cells:
                problems.append(surplus())
            outcome.problems.extend(problems)
            if problems:
                raise RuleError(problems)
            row, values, noticed = intake.place(raw, values, line)
            new = is_new(row)
            before = {} if new else snapshot(row)
            expected = None if new else row.version
            found = save(session, row, values, now=now, expected_version=expected, also=intake.also)
            held: dict[str, Any] = {}
            if only_controlled(found):
                held, rest = parted(found, values)
                propose(session, row, held, now=now)
                found = save(session, row, rest, now=now, expected_version=row.version, also=intake.also)
            outcome.problems[:] = [*noticed, *found]
            if found.errors:
                raise RuleError(found)
            after = snapshot(row)
            outcome.pk, outcome.version = row.id, row.version
            if new:
                outcome.kind = OutcomeKind.New
            else:
                changed = {n: (plain(before[n]), plain(v)) for n, v in after.items() if before[n] != v}
                outcome.changes = changed
                outcome.before = {n: pair[0] for n, pair in changed.items()}
                outcome.kind = OutcomeKind.Changed if changed else OutcomeKind.Unchanged
                if held:
                    outcome.changes |= {n: (plain(before[n]), plain(v)) for n, v in held.items()}
                    outcome.kind = OutcomeKind.Proposed
    except RuleError as error:
        intake.forget()
        outcome.problems[:] = outcome.problems or error.problems
    except Forbidden:
        intake.forget()
        message = N_("This row lies outside your department and those below it.")
        outcome.problems[:] = [Problem("department", "forbidden", message)]
    return outcome


def surplus() -> Problem:
    return Problem(None, "surplus", N_("More cells than columns; is a comma in the text not quoted?"))


def typed(model: type[Any], raw: Mapping[str, str], mapping: ColumnMapping) -> tuple[dict[str, Any], Problems]:
    """Typed values of the cells that are fields of the row; empty cells say nothing, so they change nothing."""
    known = specs(model)
    values: dict[str, Any] = {}
    problems = Problems()
    for name, text in raw.items():
        spec = known.get(name)
        if spec is None or not text.strip():
            continue
        said = text.strip()
        try:
            values[name] = understood(spec, mapping.values.get(name, {}).get(said, said))
        except BadValue as error:
            problems.append(error.problem)
    return values, problems
