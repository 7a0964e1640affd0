"""Checking, importing and taking back a batch: in a request where it is small, else by the worker.

One transaction holds the rows, their Events and the end state of the batch. Whoever is killed in between leaves
nothing, and the next attempt begins anew; a batch that has ended is not begun again.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import groupby, islice
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import undefer

from forms.convert import specs, stored
from forms.importing import Stopped, run
from forms.outcomes import Kept, Outcome, Report, kept_form, undo_form, unpacked
from forms.references import called
from jobs.means import Means
from models import registries
from models.access import person_scope
from models.batch import COUNTS, Batch, BatchMode, BatchState, advance
from models.change import Change as Request
from models.change import ChangeState as RequestState
from models.declare import Todo
from models.event import Event, EventKind
from models.many import Change, save_many
from models.message import send
from models.outbox import Outbox, OutboxState, close, post
from models.scope import Scope, ScopedSession, everything
from models.workflow import move
from models.write import remove
from rules.words import N_, Problems, RuleError, Told

CHUNK = 500
GONE = N_("The file is no longer kept. Please upload it again.")
NOTHING = N_("Rows are refused, so nothing was imported.")
NOT_ANY_MORE = N_("Whoever asked for it may no longer import here.")
OBSTACLE = N_("Not taken back, because of “%(row)s”.")
CHANGED_SINCE = N_("It was changed since, or deleted.")
STAYS = N_("What was made on the way stays, because it is referred to: %(rows)s.")
MOST_NAMED = 3


def work(means: Means, outbox_id: int, now: datetime) -> None:
    """One row of the outbox: ``import.check``, ``import.run`` or ``import.undo``, by the right of who asked for it."""
    with means.database.session(everything("imports")) as s:
        row = s.get_one(Outbox, outbox_id)
        batch_id, step = row.subject_id, row.kind.partition(".")[2]
        owner, registry = s.execute(select(Batch.owner_id, Batch.subject_type).where(Batch.id == batch_id)).one()
        scope = _scope_of(s, owner, now)
    if scope is None or not scope.may(registry, "import"):
        _end(means, everything("imports", owner), batch_id, "fail", now, outbox_id, note=[NOT_ANY_MORE, {}])
        return
    with few_collections():
        STEPS[step](means, scope, batch_id, now, outbox_id)


@contextmanager
def few_collections() -> Iterator[None]:
    """A worker that makes a million short-lived objects need not look through all that it holds again and again: a
    third of the time of an import was that."""
    kept = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*kept)
        gc.unfreeze()


def _scope_of(s: ScopedSession, owner: int | None, now: datetime) -> Scope | None:
    """That of whoever asked, as it is now; None for somebody who may not even sign in any more."""
    if owner is None:
        return everything("import")
    try:
        return person_scope(s, owner, now)
    except LookupError:
        return None


def check(means: Means, scope: Scope, batch_id: int, now: datetime, outbox_id: int | None = None) -> None:
    """The dry run: everything is done, its outcome kept, and all of it rolled back."""
    _import(means, scope, batch_id, now, outbox_id, dry_run=True)


def carry_out(means: Means, scope: Scope, batch_id: int, now: datetime, outbox_id: int | None = None) -> None:
    """For good."""
    _import(means, scope, batch_id, now, outbox_id, dry_run=False)


def _import(means: Means, scope: Scope, batch_id: int, now: datetime, outbox_id: int | None, *, dry_run: bool) -> None:
    begun = (BatchState.Uploaded, BatchState.Checking) if dry_run else (BatchState.Waiting,)
    with means.database.open(scope, write=True) as s:
        batch = held(s, batch_id, Batch.data)
        if batch is None or batch.state not in begun:
            _close(s, outbox_id, OutboxState.Dropped)
            s.commit()
            return
        report, before = Kept(), Kept()

        def take(outcome: Outcome) -> None:
            report.add(kept_form(outcome))
            if (line := undo_form(outcome)) is not None:
                before.add([batch.subject_type, *line])

        try:
            if batch.data is None:
                raise RuleError.one("file", "gone", GONE)
            found = _run(means, s, batch, now, take, dry_run=dry_run)
        except Stopped:
            s.rollback()
            _end(means, scope, batch_id, "stop", now, outbox_id)
            return
        except RuleError as error:
            s.rollback()
            problem = error.problems[0]
            _end(means, scope, batch_id, "refuse", now, outbox_id, note=[problem.message, dict(problem.params)])
            return
        told = counted(found) | {"report": report.packed(), "causes": causes(found)}
        whole = batch.mode is BatchMode.Whole and bool(found.counts["refused"])
        if dry_run or whole:
            s.rollback()
            if dry_run:
                _end(means, scope, batch_id, "checked", now, outbox_id, **told)
            else:
                _end(means, scope, batch_id, "refuse", now, outbox_id, note=[NOTHING, {}], **told)
            return
        keep_made(found, before)
        advance(batch, "done", ended_at=now, note=None, before=before.packed(), **told)
        _close(s, outbox_id, OutboxState.Done)
        posted = _tell(s, batch, now) if outbox_id is not None else []
        s.commit()
    means.board.forget(batch_id)
    means.follow(posted)


def held(s: ScopedSession, batch_id: int, *columns: Any) -> Batch | None:
    """The batch, so that no other worker has it as well; None where one has (PostgreSQL: its row is locked)."""
    wanted = select(Batch).where(Batch.id == batch_id).options(*(undefer(c) for c in columns))
    return s.scalars(wanted.with_for_update(skip_locked=True, of=Batch)).one_or_none()


def _run(
    means: Means, s: ScopedSession, batch: Batch, now: datetime, take: Callable[[Outcome], None], *, dry_run: bool
) -> Report:
    batch_id = batch.id

    def tick(done: int) -> None:
        means.board.tell(batch_id, done)
        if means.board.stopped(batch_id):
            raise Stopped

    tick(0)
    return run(
        s,
        batch.data or b"",
        registry=batch.subject_type,
        most=means.config.import_rows,
        now=now,
        mapping=batch.options.get("mapping"),
        take_over=bool(batch.options.get("take_over")),
        dry_run=dry_run,
        columns=batch.columns,
        clears=bool(batch.options.get("clears")),
        batch=batch.token,
        take=take,
        tick=tick,
    )


def counted(report: Report) -> dict[str, int]:
    return {name: report.counts.get(name, 0) for name in COUNTS}


def causes(report: Report) -> list[Any]:
    return [[p.field, p.code, p.message, dict(p.params), p.warning, n] for p, n in report.causes]


def _end(
    means: Means, scope: Scope, batch_id: int, move: str, now: datetime, outbox_id: int | None, **values: Any
) -> None:
    """The end state, where the transaction of the import could not hold it because it was rolled back."""
    with means.database.session(scope, write=True) as s:
        batch = s.get_one(Batch, batch_id)
        advance(batch, move, ended_at=now, **{"note": None, **values})
        _close(s, outbox_id, OutboxState.Done)
        posted = _tell(s, batch, now) if outbox_id is not None else []
    means.board.forget(batch_id)
    means.follow(posted)


def _close(s: ScopedSession, outbox_id: int | None, state: OutboxState) -> None:
    if outbox_id is not None:
        close(s.get_one(Outbox, outbox_id), state)


def keep_made(report: Report, before: Kept) -> None:
    """What was made on the way goes when the import is taken back."""
    for name, pk, version in report.made:
        before.add([name, pk, version, True, {}])


# --- taking back -----------------------------------------------------------------------------------------------------


def take_back(means: Means, scope: Scope, batch_id: int, now: datetime, outbox_id: int | None = None) -> None:
    """Give every row back what the import replaced, and delete what it made, as long as nothing depends on it."""
    with means.database.open(scope, write=True) as s:
        batch = held(s, batch_id, Batch.before)
        if batch is None or batch.state is not BatchState.Undoing:
            _close(s, outbox_id, OutboxState.Dropped)
            s.commit()
            return
        s.info["batch"] = batch.token
        # Backwards: what was made last may lead to what was made before, and all of it to what was made on the way.
        told = [*unpacked(batch.before or b"")][::-1]
        told.sort(key=lambda line: line[0] != batch.subject_type)
        obstacle: list[Any] | None = None
        stay: list[str] = []
        done = 0
        for name, lines in groupby(told, key=lambda line: str(line[0])):
            while obstacle is None and (chunk := [line[1:] for line in islice(lines, CHUNK)]):
                if name == batch.subject_type:
                    obstacle = _give_back(s, registries()[name], chunk, now)
                else:
                    stay += [str(o[1]["row"]) for one in chunk if (o := _give_back(s, registries()[name], [one], now))]
                done += len(chunk)
                means.board.tell(batch_id, done)
        obstacle = obstacle or _withdrawn(s, batch.token, now)
        if obstacle is not None:
            s.rollback()
            _end(means, scope, batch_id, "kept", now, outbox_id, note=obstacle)
            return
        more = " …" if len(stay) > MOST_NAMED else ""
        note = [STAYS, {"rows": ", ".join(stay[:MOST_NAMED]) + more}] if stay else None
        advance(batch, "undone", ended_at=now, note=note, before=None)
        _close(s, outbox_id, OutboxState.Done)
        posted = _tell(s, batch, now)
        s.commit()
    means.board.forget(batch_id)
    means.follow(posted)


def _give_back(s: ScopedSession, model: type[Any], told: list[list[Any]], now: datetime) -> list[Any] | None:
    """Of one chunk; what stands in the way, if anything does."""
    ids = [pk for pk, *_ in told]
    rows = {row.id: row for row in s.scalars(select(model).where(model.id.in_(ids))).unique()}
    known = specs(model)
    changes: list[tuple[Change, Any]] = []
    for pk, version, new, before in told:
        row = rows.get(pk)
        if row is None or getattr(row, "version", None) != version:
            return [OBSTACLE, {"row": called(row) if row is not None else str(pk)}, CHANGED_SINCE, {}]
        if not new:
            values = {name: stored(known[name], value) for name, value in before.items() if name in known}
            changes.append((Change(values, row, version, also=tuple(values)), row))
            continue
        if problems := remove(s, row, now=now, expected_version=version, undone=True).errors:
            return obstacle_of(row, Problems(problems))
    save_many(s, model, [change for change, _ in changes], now=now)
    for change, row in changes:
        if change.found.errors:
            return obstacle_of(row, change.found)
    return None


def _withdrawn(s: ScopedSession, token: str, now: datetime) -> list[Any] | None:
    """The change requests that the import made lead nowhere any more; what stands in the way, if one is too far on."""
    made = select(Event.subject_id).where(
        Event.batch == token, Event.subject_type == "changes", Event.kind == EventKind.Created
    )
    for request in s.scalars(select(Request).where(Request.id.in_(made), Request.state != RequestState.Withdrawn)):
        problems = move(s, request, "withdraw", now=now, expected_version=request.version)
        if problems.errors:
            return obstacle_of(request, problems)
    return None


def obstacle_of(row: Any, problems: Problems) -> list[Any]:
    problem = problems.errors[0]
    params = {name: str(getattr(value, "label", value)) for name, value in problem.params.items()}
    return [OBSTACLE, {"row": called(row)}, problem.message, params]


STEPS: Mapping[str, Callable[..., None]] = {"check": check, "run": carry_out, "undo": take_back}


# --- telling ---------------------------------------------------------------------------------------------------------

TOLD = {
    BatchState.Checked: N_("“%(file)s” is checked: %(new)d new, %(changed)d to be changed, %(refused)d refused."),
    BatchState.Done: N_("“%(file)s” is imported: %(new)d new, %(changed)d changed, %(refused)d refused."),
    BatchState.Refused: N_("“%(file)s” is not imported."),
    BatchState.Cancelled: N_("The import of “%(file)s” is cancelled; nothing was changed."),
    BatchState.Failed: N_("The import of “%(file)s” failed; nothing was changed."),
    BatchState.Undone: N_("The import of “%(file)s” is taken back."),
}
KEPT = N_("The import of “%(file)s” is not taken back.")


def _tell(s: ScopedSession, batch: Batch, now: datetime) -> list[int]:
    """The result goes into the inbox of whoever asked: posted here, told by :func:`tell`. Returns what was posted, to
    be followed after the commit."""
    if batch.owner_id is None:
        return []
    text = KEPT if batch.state is BatchState.Done and batch.note else TOLD[batch.state]
    number = int(batch.options.get("told", 0)) + 1
    batch.options = {**batch.options, "told": number}
    params = {"file": batch.file_name, "new": batch.new, "changed": batch.changed, "refused": batch.refused}
    todo = Todo(f"batch.{batch.state.value}", f"batch:{batch.id}:{number}", now, {"text": text, "params": params})
    posted = post(s, batch, todo)
    s.flush()
    return [posted.id]


def tell(means: Means, outbox_id: int, now: datetime) -> None:
    """One message about what became of a batch."""
    with means.database.session(everything("imports"), write=True) as s:
        row = s.get_one(Outbox, outbox_id)
        owner = s.scalars(select(Batch.owner_id).where(Batch.id == row.subject_id)).one()
        assert owner is not None  # of what nobody asked for, nobody is told
        told = Told(row.data["text"], row.data["params"])
        send(s, row.key, owner, told, (row.subject_type, row.subject_id), now)
        close(row, OutboxState.Done)


def fail_abandoned(s: ScopedSession, now: datetime) -> int:
    """Batches whose work was given up are over; returns how many."""
    open_ = select(Outbox.id).where(
        Outbox.subject_type == "batches",
        Outbox.subject_id == Batch.id,
        Outbox.kind.startswith("import."),
        Outbox.state.in_((OutboxState.Waiting, OutboxState.Claimed)),
    )
    busy = (BatchState.Checking, BatchState.Waiting, BatchState.Undoing)
    rows = [*s.scalars(select(Batch).where(Batch.state.in_(busy), ~open_.exists()))]
    for batch in rows:
        advance(batch, "fail", ended_at=now)
        _tell(s, batch, now)
    return len(rows)
