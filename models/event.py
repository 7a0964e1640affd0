"""The append-only record of every change: history, timeline, undo and audit all read this one table.

Chained by hash for each subject (a chain over all rows would make every writer wait for every other).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Any, cast

from sqlalchemy import BigInteger, Index, String, UniqueConstraint, event, func, select
from sqlalchemy.orm import Mapped, Mapper, ORMExecuteState, Session, relationship

from models.account import Account
from models.base import Moment, Table, field, personal_fields, ref
from models.database import insert_many, next_ids
from models.declare import Admin, Grant, Group, MenuGroup, Reach, Role
from models.department import Department
from models.scope import UNSCOPED, ScopedSession
from rules.identifiers import mask_identifier
from rules.words import N_, LabelEnum, Told

REVEAL = "reveal"
# Somebody at work on a row looks again and again: one Event tells of all these looks.
LOOKS_ARE_ONE = timedelta(minutes=10)


class EventKind(LabelEnum):
    Created = "created", N_("Created")
    Edited = "edited", N_("Edited")
    Moved = "moved", N_("State changed")
    Deleted = "deleted", N_("Deleted")
    Done = "done", N_("Done")


class Event(Table):
    __table_args__ = (
        UniqueConstraint("subject_type", "subject_id", "seq"),
        Index("ix_event_department_id_at", "department_id", "at"),
        Index("ix_event_at", "at"),
    )

    subject_type: Mapped[str] = field(N_("Registry"), String(40), editable="never")
    subject_id: Mapped[int] = field(N_("Row"), BigInteger(), editable="never")
    subject_label: Mapped[str] = field(N_("Subject"), String(300), editable="never", message=True)
    seq: Mapped[int] = field(N_("Number in sequence"), editable="never")
    department_id: Mapped[int | None] = ref("department.id", N_("Department"), editable="never", index=False)
    actor_id: Mapped[int | None] = ref("ab_user.id", N_("Who"), editable="never")
    # Only where the right to do it was lent (models/delegation.py).
    on_behalf_of_id: Mapped[int | None] = ref("ab_user.id", N_("On behalf of"), editable="never", index=False)
    at: Mapped[datetime] = field(N_("When"), Moment(), editable="never")
    kind: Mapped[EventKind] = field(N_("Kind"), editable="never")
    action: Mapped[str | None] = field(N_("Action"), String(40), editable="never")
    changes: Mapped[dict[str, Any]] = field(N_("Differences"), editable="never")
    batch: Mapped[str | None] = field(N_("Batch"), String(40), editable="never", index=True)
    previous_hash: Mapped[str | None] = field(N_("Previous hash"), String(64), editable="never")
    hash: Mapped[str] = field(N_("Hash"), String(64), editable="never")

    department: Mapped[Department | None] = relationship()
    actor: Mapped[Account | None] = relationship(lambda: Account, foreign_keys=lambda: [Event.actor_id])
    on_behalf_of: Mapped[Account | None] = relationship(lambda: Account, foreign_keys=lambda: [Event.on_behalf_of_id])

    __admin__ = Admin(
        name="events",
        title=N_("Record of changes"),
        one=N_("Record"),
        menu=MenuGroup.Supervision,
        label="subject_label",
        cells="subject_label/subject_type kind/action at actor_id/on_behalf_of_id",
        search="subject_label",
        filters="kind action subject_type actor_id department_id at batch",
        order="-id",
        departments=("department_id",),
        groups=(
            Group(
                N_("What happened"),
                "subject_type subject_id subject_label kind action at actor_id on_behalf_of_id department_id",
            ),
            Group(N_("Details"), "changes seq batch previous_hash hash"),
        ),
        grants=(
            Grant(Role.Administrator, "list show export", Reach.all),
            Grant(Role.Auditor, "list show export", Reach.all),
            Grant(Role.Management, "list show export", Reach.subtree),
            Grant(Role.Clerk, "list show export", Reach.own),
            Grant(Role.Approver, "list show export", Reach.own),
            Grant(Role.ReformLead, "list show export", Reach.subtree),
        ),
        weight=90,
    )

    def digest(self) -> str:
        """The hash this event must carry, from what it says and the hash before it."""
        return digest_of({name: getattr(self, name) for name in (*TOLD, "on_behalf_of_id")})


# What the hash of an Event is made of, in this order.
TOLD = (
    "subject_type",
    "subject_id",
    "subject_label",
    "seq",
    "department_id",
    "actor_id",
    "at",
    "kind",
    "action",
    "changes",
    "batch",
    "previous_hash",
)


def digest_of(values: Mapping[str, Any]) -> str:
    """The hash of an Event of these values."""
    told = [values[name] for name in TOLD]
    told[TOLD.index("at")] = values["at"].astimezone(UTC).isoformat()  # as it is read back, whatever the door's zone
    told[TOLD.index("kind")] = values["kind"].value
    if values["on_behalf_of_id"] is not None:  # Events from before stand-ins keep their hash
        told.append(values["on_behalf_of_id"])
    text = json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


# The verb behind an Event that names no action.
VERB_OF = {
    EventKind.Created: "add",
    EventKind.Edited: "edit",
    EventKind.Deleted: "delete",
    EventKind.Moved: "",
    EventKind.Done: "",
}


PLAIN = frozenset({str, int, bool})


def plain(value: Any) -> Any:
    """A column's value as JSON holds it."""
    if value is None or type(value) in PLAIN:
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    return value


def record(
    session: Session,
    row: Any,
    kind: EventKind,
    now: datetime,
    *,
    action: str | None = None,
    changes: dict[str, Any] | None = None,
) -> Event:
    """Append one Event about *row*, which has been flushed and so has its id.

    Personal values stand masked in it: Events are never removed, and what the hash is made of could be guessed from it.
    """
    admin: Admin = type(row).__admin__
    last = session.execute(
        select(Event.seq, Event.hash)
        .where(Event.subject_type == admin.name, Event.subject_id == row.id)
        .order_by(Event.seq.desc())
        .limit(1),
        # The chain must not fork where an older link lies outside the actor's reach.
        execution_options={UNSCOPED: True},
    ).first()
    link = (last.seq, last.hash) if last else None
    told = Event(**linked(session, row, kind, now, action=action, changes=changes, last=link))
    session.add(told)
    return told


def linked(
    session: Session,
    row: Any,
    kind: EventKind,
    now: datetime,
    *,
    action: str | None = None,
    changes: dict[str, Any] | None = None,
    last: tuple[int, str] | None,
) -> dict[str, Any]:
    """Column → value of the Event that follows *last* (number and hash of the one before, None for the first)."""
    admin: Admin = type(row).__admin__
    scope = session.info["scope"]
    told: dict[str, Any] = {
        "subject_type": admin.name,
        "subject_id": row.id,
        "subject_label": called(getattr(row, admin.label))[:300],
        "seq": last[0] + 1 if last else 1,
        "department_id": department_of(row),
        "actor_id": scope.actor,
        "on_behalf_of_id": scope.on_behalf_of(action or VERB_OF[kind], row),
        "at": now,
        "kind": kind,
        "action": action,
        "changes": told_of(type(row), changes or {}),
        "batch": session.info.get("batch"),
        "previous_hash": last[1] if last else None,
    }
    return {**told, "hash": digest_of(told)}


def record_many(session: Session, told: Sequence[tuple[Any, EventKind, dict[str, Any]]], now: datetime) -> list[int]:
    """One Event about each (row, kind, changes), all of one registry and flushed; their ids. New rows have no link
    before."""
    if not told:
        return []
    name = type(told[0][0]).__admin__.name
    old = [row.id for row, kind, _ in told if kind is not EventKind.Created]
    newest = (
        select(Event.subject_id, func.max(Event.seq).label("seq"))
        .where(Event.subject_type == name, Event.subject_id.in_(old))
        .group_by(Event.subject_id)
        .subquery()
    )
    links = (
        select(Event.subject_id, Event.seq, Event.hash)
        .join(newest, (Event.subject_id == newest.c.subject_id) & (Event.seq == newest.c.seq))
        .where(Event.subject_type == name)
    )
    found = session.execute(links, execution_options={UNSCOPED: True}) if old else ()
    last = {subject: (seq, digest) for subject, seq, digest in found}
    table = cast("Any", Event.__table__)
    ids = next_ids(session, table, len(told))
    values = [
        {"id": event_id, **linked(session, row, kind, now, changes=changes, last=last.get(row.id))}
        for event_id, (row, kind, changes) in zip(ids, told, strict=True)
    ]
    insert_many(session, table, values)
    return ids


def told_of(model: type[Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Differences as an Event keeps them: plain, and the personal ones masked."""
    hidden = personal_fields(model)
    kept = {name: [plain(value) for value in pair] for name, pair in changes.items()}
    return {name: [masked(v) for v in pair] if name in hidden else pair for name, pair in kept.items()}


def masked(value: Any) -> Any:
    """What an Event says of a personal value; masking it twice changes nothing."""
    return value and mask_identifier(str(value))


def looked_lately(session: Session, row: Any, now: datetime) -> bool:
    """Is a look of this person at the personal data of *row* on record for the last minutes?"""
    admin: Admin = type(row).__admin__
    look = (
        select(Event.id)
        .where(Event.subject_type == admin.name, Event.subject_id == row.id, Event.action == REVEAL)
        .where(Event.actor_id == session.info["scope"].actor, Event.at > now - LOOKS_ARE_ONE)
        .limit(1)
    )
    # Whether it counts does not hang on which Events this person may read.
    return session.execute(look, execution_options={UNSCOPED: True}).first() is not None


def called(label: Any) -> str:
    """A row's label as an Event keeps it: of a sentence that is read in many languages, its values alone; its
    message id where it has none."""
    if isinstance(label, Told):
        return ", ".join(map(str, label.params.values())) or label.message
    return str(label or "")


def department_of(row: Any) -> int | None:
    """The department an Event is filed under; a department's own go to its superior, or its Events would keep it
    from ever being deleted."""
    admin: Admin = type(row).__admin__
    for name in admin.departments:
        found: int | None = getattr(row, name)
        if found is not None and name != "id":
            return found
    return None


def broken_links(session: Session) -> list[tuple[str, int, int]]:
    """(registry, id, seq) of every Event whose hash or chain does not hold."""
    broken = []
    before: Event | None = None
    for told in session.scalars(select(Event).order_by(Event.subject_type, Event.subject_id, Event.seq)):
        same = before is not None and (before.subject_type, before.subject_id) == (told.subject_type, told.subject_id)
        expected = before.hash if same and before is not None else None
        if told.digest() != told.hash or told.previous_hash != expected:
            broken.append((told.subject_type, told.subject_id, told.seq))
        before = told
    return broken


@event.listens_for(Event, "before_update")
@event.listens_for(Event, "before_delete")
def _append_only(mapper: Mapper[Event], connection: Any, target: Event) -> None:
    raise RuntimeError("Events are never changed or removed")


@event.listens_for(ScopedSession, "do_orm_execute")
def _append_only_in_bulk(state: ORMExecuteState) -> None:
    if (state.is_update or state.is_delete) and getattr(state.statement, "table", None) == Event.__table__:
        raise RuntimeError("Events are never changed or removed")
