"""The door for many rows: what ``write.save`` does to one, done to a chunk at once, by the same rules.

Every row is judged by itself, as a form would be. What passes is sent to the database together, and its Events with
it. Where the database refuses the chunk, or a rule wrote something for a row that was then refused, the chunk is taken
back and goes through ``write.save`` row by row: so nobody needs to know beforehand which rules write.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import event
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction
from sqlalchemy.orm.exc import StaleDataError

from models.base import Table
from models.columns import differences, snapshot
from models.database import next_ids
from models.declare import Admin
from models.event import EventKind, record_many
from models.scope import Forbidden, ScopedSession, door
from models.write import Further, judge, mark, only_controlled, remind, save, shut
from rules.words import N_, Problem, Problems, RuleError

FORBIDDEN = Problem(None, "forbidden", N_("This row lies outside your department and those below it."))


@dataclass
class Change:
    """One row to be saved with others, and afterwards what became of it.

    row: the stored row, None for a new one. values, expected_version, also, noticed, further: as of ``write.save``.
    found: what the rules said; with an error among it nothing was written. changes: field → (old, new), empty where
    the row already was so.
    """

    values: Mapping[str, Any]
    row: Any | None = None
    expected_version: int | None = None
    also: Collection[str] = ()
    noticed: Problems = field(default_factory=Problems)
    further: Further | None = None
    new: bool = False
    found: Problems = field(default_factory=Problems)
    changes: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.new = self.row is None

    @property
    def controlled(self) -> bool:
        """Was it refused only because somebody must approve it first?"""
        return not self.new and only_controlled(self.found)


class _OneByOne(Exception):
    """Together it cannot be done."""


LOOKED_UP = "looked_up"  # in the session


def save_many(session: ScopedSession, model: type[Any], changes: Sequence[Change], *, now: datetime) -> None:
    """Save all *changes* of rows of *model* that the rules let pass, in the caller's transaction.

    Nothing else may wait to be flushed. The outcome stands in each change.
    """
    session.info["kept"] = []
    session.info[LOOKED_UP] = {}
    try:
        with door(session), session.begin_nested():
            _together(session, model, changes, now)
    except (_OneByOne, IntegrityError, StaleDataError):
        session.info.pop(LOOKED_UP)  # from now on each row is written before the next is looked at
        for change in changes:
            _alone(session, model, change, now)
    finally:
        del session.info["kept"]
        session.info.pop(LOOKED_UP, None)


def among(
    session: Session, name: str, key: Any, one: Callable[[], Any], every: Callable[[], Mapping[Any, Any]]
) -> Any | None:
    """What stands under *key*, if anything: asked for by itself (*one*), or where many rows are judged before any of
    them is written, looked up among all (*every*), which are read once. name: what is looked up there."""
    if (looked_up := session.info.get(LOOKED_UP)) is None:
        return one()
    if name not in looked_up:
        looked_up[name] = every()
    return looked_up[name].get(key)


def _together(session: ScopedSession, model: type[Any], changes: Sequence[Change], now: datetime) -> None:
    admin: Admin = model.__admin__
    passed: list[tuple[Change, dict[str, Any]]] = []
    for change in changes:
        row = model() if change.row is None else change.row
        written = session.info.get("written", 0)
        try:
            if closed := shut(session, row, change.expected_version):
                raise RuleError([*change.noticed, *closed])
            change.found, before = judge(
                session,
                row,
                change.values,
                now=now,
                also=change.also,
                noticed=change.noticed,
                further=change.further,
            )
        except (RuleError, Forbidden) as error:
            change.found = refused(error)
            if session.info.get("written", 0) != written:
                raise _OneByOne from None
            if not change.new:
                session.expire(row)  # what was refused is not to be sent along with the others
            continue
        if change.new or session.is_modified(row):
            change.row = row
            mark(session, row, now)
            passed.append((change, before))
    _number([change.row for change, _ in passed if change.new], session)
    session.flush()
    told = []
    for change, before in passed:
        if admin.settle is not None:
            admin.settle(session, change.row, now)
        change.changes = differences(before, snapshot(change.row), new=change.new)
        if change.new or change.changes:
            told.append((change.row, EventKind.Created if change.new else EventKind.Edited, change.changes))
    session.flush()  # of what was settled
    _follow_up(session, admin, told, record_many(session, told, now), now)


def _follow_up(session: ScopedSession, admin: Admin, told: Sequence[Any], events: Sequence[int], now: datetime) -> None:
    """What comes of each (row, kind, changes): reminders of new ones, and what the declaration says."""
    if not admin.reminders and admin.after is None:
        return
    for (row, kind, differing), event_id in zip(told, events, strict=True):
        if kind is EventKind.Created:
            remind(session, row, event_id, now)
        if admin.after is not None:
            admin.after(session, row, differing, now)


def _number(rows: Sequence[Any], session: ScopedSession) -> None:
    """Ids beforehand, for tables of ours."""
    if rows and isinstance(rows[0], Table):
        for row, row_id in zip(rows, next_ids(session, type(rows[0]).__table__, len(rows)), strict=True):  # type: ignore[arg-type]
            row.id = row_id


def _alone(session: ScopedSession, model: type[Any], change: Change, now: datetime) -> None:
    row = model() if change.new else change.row
    assert row is not None
    before = {} if change.new else snapshot(row)
    change.row, change.changes = row, {}
    try:
        change.found = save(
            session,
            row,
            change.values,
            now=now,
            expected_version=change.expected_version,
            also=change.also,
            noticed=change.noticed,
            further=change.further,
        )
    except Forbidden as error:
        change.found = refused(error)
    if change.found.errors:
        change.row = None if change.new else row
        return
    after = snapshot(row)
    change.changes = differences(before, after, new=change.new)


def refused(error: RuleError | Forbidden) -> Problems:
    return error.problems if isinstance(error, RuleError) else Problems([FORBIDDEN])


@event.listens_for(ScopedSession, "loaded_as_persistent")
def _keep(session: Session, row: Any) -> None:
    """What one row's rules looked at is there for the next row's: sessions hold on to nothing by themselves."""
    if (kept := session.info.get("kept")) is not None:
        kept.append(row)


@event.listens_for(ScopedSession, "do_orm_execute")
def _note_statement(state: ORMExecuteState) -> None:
    if not state.is_select:
        state.session.info["written"] = state.session.info.get("written", 0) + 1


@event.listens_for(ScopedSession, "after_flush")
def _note_flush(session: Session, context: UOWTransaction) -> None:
    session.info["written"] = session.info.get("written", 0) + 1
