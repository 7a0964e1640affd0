"""Drafts: what stands in a form that was not sent yet, kept for the person who typed it and nobody else.

A draft is no record: it makes no Event, and no rule looks at it until the form is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, BigInteger, String, UniqueConstraint, delete, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.account import Account
from models.base import Moment, Table, field, ref
from models.declare import Admin, Grant, Group, MenuGroup, Reach, Role
from models.scope import ScopedSession
from rules.words import N_

KEPT = timedelta(days=14)
LARGEST = 200_000  # characters of one draft: some forty pages of text


class Draft(Table):
    __table_args__ = (UniqueConstraint("owner_id", "subject_type", "subject_id"),)

    owner_id: Mapped[int] = ref("ab_user.id", N_("Owner"), editable="never", index=False)
    subject_type: Mapped[str] = field(N_("Registry"), String(40), editable="never")
    # 0 for a row that is being made: NULL would let two of them stand side by side.
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
        groups=(Group(N_("Basics"), "label subject_type saved_at"),),
        grants=tuple(Grant(role, "list show delete", Reach.mine) for role in Role),
        weight=90,
    )


def find(session: ScopedSession, registry: str, row_id: int) -> Draft | None:
    """What this person left in the form of that row (0: of a new one)."""
    mine = (Draft.owner_id == session.scope.actor) & (Draft.subject_type == registry) & (Draft.subject_id == row_id)
    return session.scalars(select(Draft).where(mine)).one_or_none()


def keep(
    session: ScopedSession, registry: str, row_id: int, typed: Mapping[str, Sequence[str]], label: str, now: datetime
) -> Draft | None:
    """Keep *typed* (field name → texts as they were sent) in place of what was kept before; None when too large."""
    if sum(len(t) for texts in typed.values() for t in texts) > LARGEST or session.scope.actor is None:
        return None
    draft = find(session, registry, row_id)
    if draft is None:
        draft = Draft(owner_id=session.scope.actor, subject_type=registry, subject_id=row_id)
        session.add(draft)
    draft.typed = {name: [*texts] for name, texts in typed.items()}
    draft.label, draft.saved_at = label[:300], now
    session.flush()
    return draft


def forget(session: ScopedSession, registry: str, row_id: int) -> None:
    """The form was sent: what was kept of it is gone."""
    mine = (Draft.owner_id == session.scope.actor) & (Draft.subject_type == registry) & (Draft.subject_id == row_id)
    session.execute(delete(Draft).where(mine))


def purge(session: ScopedSession, now: datetime) -> int:
    """Remove drafts that nobody came back to for two weeks; returns how many."""
    return int(session.execute(delete(Draft).where(Draft.saved_at < now - KEPT)).rowcount)  # type: ignore[attr-defined]
