"""Drafts: what stands in a form that was not sent yet, kept for the person who typed it and nobody else.

A draft is no record: it makes no Event, and no rule looks at it until the form is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, BigInteger, ColumnElement, String, UniqueConstraint, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.account import Account
from models.base import Moment, Table, field, ref
from models.declare import Admin, Block, Desk, Grant, Group, MenuGroup, Reach, Role
from models.scope import ScopedSession
from rules.words import N_

KEPT = timedelta(days=14)
LARGEST = 100_000  # characters of one draft, which a request of the permitted size can still carry
MOST_OFFERED = 3


class Draft(Table):
    __table_args__ = (UniqueConstraint("owner_id", "subject_type", "subject_id"),)

    owner_id: Mapped[int] = ref("ab_user.id", N_("Owner"), editable="never", index=False)
    subject_type: Mapped[str] = field(N_("Registry"), String(40), editable="never")
    # Of the row; minus the number of the form where a new row is being made, so that two of them do not mix.
    subject_id: Mapped[int] = field(N_("Row"), BigInteger(), editable="never")
    label: Mapped[str] = field(N_("Draft"), String(300), editable="never")
    saved_at: Mapped[datetime] = field(N_("Kept at"), Moment(), editable="never", index=True)
    # Not a declared field: what was typed may be personal, and is shown in its own form alone.
    typed: Mapped[dict[str, Any]] = mapped_column(JSON, nullable=False)

    owner: Mapped[Account] = relationship(lambda: Account)

    __admin__ = Admin(
        name="drafts",
        title=N_("Drafts"),
        one=N_("Draft"),
        menu=MenuGroup.Mine,
        label="label",
        cells="label/subject_type saved_at",
        order="-saved_at",
        owner="owner_id",
        desk=Desk(blocks=(Block(N_("Drafts"), "", "-saved_at", "", aside=True),)),
        groups=(Group(N_("Basics"), "label subject_type saved_at"),),
        grants=tuple(Grant(role, "list show delete", Reach.mine) for role in Role),
        weight=90,
    )


def _own(session: ScopedSession, registry: str) -> ColumnElement[bool]:
    own: ColumnElement[bool] = (Draft.owner_id == session.scope.actor) & (Draft.subject_type == registry)
    return own


def waiting(session: ScopedSession, registry: str, row_id: int) -> list[Draft]:
    """What this person left in the form of that row; for 0 in forms of new rows, the newest first."""
    which = Draft.subject_id == row_id if row_id else Draft.subject_id < 0
    mine = select(Draft).where(_own(session, registry), which)
    return [*session.scalars(mine.order_by(Draft.saved_at.desc()).limit(MOST_OFFERED))]


def keep(
    session: ScopedSession, registry: str, row_id: int, typed: Mapping[str, Sequence[str]], label: str, now: datetime
) -> Draft | None:
    """Keep *typed* (field name → texts as they were sent) in place of what was kept before; None when too large.

    row_id: of the row, or minus the number of a form in which a new one is being made.
    """
    actor = session.scope.actor
    if sum(len(t) for texts in typed.values() for t in texts) > LARGEST or actor is None:
        return None
    mine = _own(session, registry) & (Draft.subject_id == row_id)
    values = {"typed": {name: [*texts] for name, texts in typed.items()}, "label": label[:300], "saved_at": now}
    draft = session.scalars(select(Draft).where(mine)).one_or_none()
    if draft is None:
        try:
            with session.begin_nested():
                draft = Draft(owner_id=actor, subject_type=registry, subject_id=row_id, **values)
                session.add(draft)
        except IntegrityError:  # two keeps of one form at once: the other was first
            draft = session.scalars(select(Draft).where(mine)).one()
    for name, value in values.items():
        setattr(draft, name, value)
    session.flush()
    return draft


def forget(session: ScopedSession, registry: str, row_id: int) -> None:
    """The form was sent: what was kept of it is gone."""
    session.execute(delete(Draft).where(_own(session, registry), Draft.subject_id == row_id))


def purge(session: ScopedSession, now: datetime) -> int:
    """Remove drafts that nobody came back to for two weeks; returns how many."""
    return int(session.execute(delete(Draft).where(Draft.saved_at < now - KEPT)).rowcount)  # type: ignore[attr-defined]
