"""What is still to be told. The database is the queue's memory: losing huey's queue loses nothing.

A row is made in the transaction of its cause, with a unique key. A worker claims it by a conditional update,
does the work, and closes it in the transaction that holds the result. A claim that outlives its lease (the
worker was killed) is free again, and every kind of work can be begun twice without being done twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Index, String, UniqueConstraint, or_, select, update
from sqlalchemy.orm import Mapped, Session

from models.base import Moment, Table, field
from models.declare import Action, Admin, Grant, Group, MenuGroup, Reach, Role, Todo
from rules.words import N_, LabelEnum, RuleError

LEASE = timedelta(seconds=60)
MOST_ATTEMPTS = 8


class OutboxState(LabelEnum):
    Waiting = "waiting", N_("Waiting")
    Claimed = "claimed", N_("In progress")
    Done = "done", N_("Done")
    Dropped = "dropped", N_("No longer needed")
    Failed = "failed", N_("Failed")


class Outbox(Table):
    __table_args__ = (UniqueConstraint("key"), Index("ix_outbox_state_due_at", "state", "due_at"))

    kind: Mapped[str] = field(N_("Kind"), String(60))
    key: Mapped[str] = field(N_("Key"), String(200))
    subject_type: Mapped[str] = field(N_("Registry"), String(40))
    subject_id: Mapped[int] = field(N_("Row"), BigInteger())
    event_id: Mapped[int | None] = field(N_("Record"), BigInteger())
    data: Mapped[dict[str, Any]] = field(N_("Data"))
    due_at: Mapped[datetime] = field(N_("Not before"), Moment())
    state: Mapped[OutboxState] = field(N_("State"), default=OutboxState.Waiting)
    claimed_at: Mapped[datetime | None] = field(N_("Claimed at"), Moment())
    attempts: Mapped[int] = field(N_("Attempts"), default=0)
    note: Mapped[str | None] = field(N_("Note"), String(1000))


def _retry(session: Session, row: Outbox, given: Mapping[str, Any], now: datetime) -> None:
    """Open a row again whose last attempt failed; one that is waiting, or done, stays as it is."""
    if row.state is not OutboxState.Failed:
        raise RuleError.one(None, "not_failed", N_("Only failed work can be tried again."))
    row.state, row.attempts, row.due_at = OutboxState.Waiting, 0, now
    session.info.setdefault("posted", []).append(row.id)


Outbox.__admin__ = Admin(
    name="outbox",
    title=N_("Background work"),
    one=N_("Background work"),
    menu=MenuGroup.System,
    label="key",
    cells="kind/key state due_at attempts note",
    search="kind key note",
    filters="state",
    order="-id",
    actions=(
        Action(
            "retry",
            N_("Try again"),
            _retry,
            confirm=N_("The work is done again as soon as a worker is free."),
            when=lambda row: row.state is OutboxState.Failed,
        ),
    ),
    groups=(Group(N_("What is to be done"), "kind key subject_type subject_id due_at state attempts claimed_at note"),),
    grants=(Grant(Role.Administrator, "list show retry", Reach.all), Grant(Role.Auditor, "list show", Reach.all)),
    weight=90,
)


def post(session: Session, subject: Any, todo: Todo, event_id: int | None = None) -> Outbox:
    """Put *todo* about *subject* into the outbox, in the caller's transaction."""
    row = Outbox(
        kind=todo.kind,
        key=todo.key,
        subject_type=type(subject).__admin__.name,
        subject_id=subject.id,
        event_id=event_id,
        data=dict(todo.data),
        due_at=todo.due_at,
    )
    session.add(row)
    return row


def reminder_key(registry: str, reminder: str, row_id: int) -> str:
    """Of the outbox row and of the message that it becomes: one for each row and reminder, for good."""
    return f"remind.{registry}.{reminder}:{row_id}"


def due(session: Session, now: datetime, limit: int = 200, lease: timedelta = LEASE) -> list[int]:
    """Ids of what may be claimed now, oldest first."""
    free = or_(
        Outbox.state == OutboxState.Waiting,
        (Outbox.state == OutboxState.Claimed) & (Outbox.claimed_at < now - lease),
    )
    statement = select(Outbox.id).where(free, Outbox.due_at <= now).order_by(Outbox.due_at, Outbox.id).limit(limit)
    return list(session.scalars(statement))


def claim(session: Session, outbox_id: int, now: datetime, lease: timedelta = LEASE) -> bool:
    """Take one row for this worker; False when somebody else has it or it is closed. The caller commits."""
    free = or_(
        Outbox.state == OutboxState.Waiting,
        (Outbox.state == OutboxState.Claimed) & (Outbox.claimed_at < now - lease),
    )
    result = session.execute(
        update(Outbox)
        .where(Outbox.id == outbox_id, free, Outbox.due_at <= now)
        .values(state=OutboxState.Claimed, claimed_at=now, attempts=Outbox.attempts + 1)
        .execution_options(synchronize_session=False)
    )
    return bool(result.rowcount == 1)  # type: ignore[attr-defined]


def close(row: Outbox, state: OutboxState, note: str | None = None) -> None:
    row.state = state
    row.note = note[:1000] if note else None


def put_back(row: Outbox, now: datetime, note: str) -> None:
    """Try again later, with growing pauses; after the last attempt the row stands as failed for people to see."""
    if row.attempts >= MOST_ATTEMPTS:
        close(row, OutboxState.Failed, note)
        return
    row.state = OutboxState.Waiting
    row.due_at = now + timedelta(seconds=15 * 2**row.attempts)
    row.note = note[:1000]
