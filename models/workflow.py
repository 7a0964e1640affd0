"""The one door for a change of state, for declared actions, and for looks at personal data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select

from models.base import Row
from models.columns import column_problems, differences, snapshot
from models.declare import Action, Admin, Todo
from models.event import REVEAL, EventKind, looked_lately, record
from models.outbox import Outbox, OutboxState, post, reminder_key
from models.scope import ScopedSession
from models.write import _stale, assign, attempt, stamp, stays_in_reach
from rules.lifecycle import Move, unanswered
from rules.words import N_, Problem, Problems, RuleError, Told

# So many people may look at one row in the same moment before one of them is asked to look again.
MOST_AT_ONCE = 8


def move(
    session: ScopedSession,
    row: Any,
    action: str,
    *,
    now: datetime,
    given: Mapping[str, Any] | None = None,
    expected_version: int | None = None,
) -> Problems:
    """Carry out the declared move *action* on *row*.

    given: the answers to what the move asks. The result is as for ``write.save``: with an error among the
    Problems nothing happened. What is to be told (letters) goes into the outbox in the same transaction; its ids
    are in ``session.info["posted"]``, for the door to hand to the queue once it has committed.
    """
    admin: Admin = type(row).__admin__
    step = admin.life.find(action) if admin.life else None
    if step is None or admin.life is None:
        raise LookupError(f"{admin.name} has no move {action!r}")
    session.scope.demand(action, row)
    if stale := _stale(row, expected_version, everything=session.scope.everything):
        return stale
    life, answers = admin.life, dict(given or {})

    def change() -> Problems:
        found = Problems(
            Problem(name, "unknown_field", N_("There is no such field.")) for name in answers if name not in step.asks
        )
        found.extend(life.problems(step, row, answers, now))
        if found.errors:
            raise RuleError(found)
        before = snapshot(row)
        assign(session, row, answers, found)
        setattr(row, life.field, step.target)
        if step.sets is not None:
            assign(session, row, step.sets(row, answers, now), found)
        stamp(session, row, now)
        found.extend(column_problems(session, row, before))
        if found.errors:
            raise RuleError(found)
        session.flush()
        told = record(
            session, row, EventKind.Moved, now, action=action, changes=differences(before, snapshot(row), new=False)
        )
        session.flush()
        for notice in step.tells:
            _post_now(session, row, Todo(f"letter.{notice}", f"letter.{notice}:{told.id}", now), told.id)
        for kind, moment in step.later(row, answers, now) if step.later is not None else ():
            _post_now(session, row, Todo(kind, f"{kind}.{admin.name}:{told.id}", moment), told.id)
        for name in outlived(session, row, before[life.field], step):
            _post_now(session, row, Todo(f"settle.{name}", f"settle.{name}:{told.id}", now), told.id)
        return found

    return attempt(session, row, change)


def act(
    session: ScopedSession,
    row: Any,
    action: Action,
    *,
    now: datetime,
    given: Mapping[str, Any] | None = None,
    expected_version: int | None = None,
) -> tuple[Problems, str | Told | None]:
    """Carry out a declared action that is no change of state; returns what was found and its answer.

    What it did to the row is held against the columns' own rules and the scope, as an edit would be.
    """
    session.scope.demand(action.name, row)
    if stale := _stale(row, expected_version, everything=session.scope.everything):
        return stale, None
    answer: list[str | Told | None] = [None]
    answers = dict(given or {})

    def change() -> Problems:
        found = unanswered(action.requires, answers)
        if found:
            raise RuleError(found)
        before = snapshot(row)
        answer[0] = action.run(session, row, answers, now)
        found.extend(column_problems(session, row, before))
        if found.errors:
            raise RuleError(found)
        stays_in_reach(session, row, action.name, before)
        if isinstance(row, Row):
            stamp(session, row, now)
        session.flush()
        changes = differences(before, snapshot(row), new=False)
        record(session, row, EventKind.Done, now, action=action.name, changes=changes)
        return found

    return attempt(session, row, change), answer[0]


def reveal(session: ScopedSession, row: Any, *, now: datetime) -> Problems:
    """Put on record that this person looks at the personal data of *row* in full; the row stays as it is.

    Looks of one person at one row within ten minutes (``LOOKS_ARE_ONE``) make one Event. The caller shows nothing
    before it has committed.
    """
    session.scope.demand(REVEAL, row)

    def change() -> Problems:
        if not looked_lately(session, row, now):
            record(session, row, EventKind.Done, now, action=REVEAL)
            session.flush()
        return Problems()

    # Others may tell about the row in the same moment: a look contradicts nothing, so it is told behind theirs.
    for _ in range(MOST_AT_ONCE):
        found = attempt(session, row, change)
        if not found.errors:
            break
    return found


def outlived(session: ScopedSession, row: Any, before: Any, step: Move) -> Iterator[str]:
    """The reminders that were sent and that *step* leaves behind. Their messages may be other people's, out of reach
    of whoever makes the move, so a job marks them as read."""
    admin: Admin = type(row).__admin__
    for reminder in admin.reminders:
        if before in reminder.states and step.target not in reminder.states:
            key = reminder_key(admin.name, reminder.name, row.id)
            sent = select(Outbox.id).where(Outbox.key == key, Outbox.state == OutboxState.Done)
            if session.scalar(sent) is not None:
                yield reminder.name


def _post_now(session: ScopedSession, row: Any, todo: Todo, event_id: int) -> None:
    """Into the outbox, and to the queue once the door has committed."""
    posted = post(session, row, todo, event_id)
    session.flush()
    session.info.setdefault("posted", []).append(posted.id)


def can(session: ScopedSession, row: Any) -> list[Move]:
    """The moves that this scope may make on this row now and that the page offers, in declared order."""
    admin: Admin = type(row).__admin__
    if admin.life is None:
        return []
    state = getattr(row, admin.life.field)
    moves = (m for m in admin.life.open_moves(state) if session.scope.covers(m.name, row))
    return [m for m in moves if m.when is None or m.when(row)]
