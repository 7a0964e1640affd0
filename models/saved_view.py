"""Saved views of lists: filters, order and columns under a name, one's own or shared with a role."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, relationship

from models.account import Account
from models.base import Row, field, ref
from models.declare import Admin, Grant, Group, MenuGroup, Reach, Role
from rules.words import N_, Problem, Told

# The columns that a person chose for a list, without a name: one such row for each list.
LAYOUT = "."


class SavedView(Row):
    __table_args__ = (UniqueConstraint("owner_id", "subject_type", "name"),)

    owner_id: Mapped[int] = ref("ab_user.id", N_("Owner"), editable="never", index=False)
    subject_type: Mapped[str] = field(N_("Registry"), String(40), editable="new", index=True)
    name: Mapped[str] = field(N_("Name"), String(60))
    query: Mapped[str | None] = field(N_("Filters and order"), Text(), editable="new")
    chosen: Mapped[list[str] | None] = field(N_("Columns"), editable="never")
    shared_with: Mapped[Role | None] = field(N_("Shared with"), help=N_("Everybody of this role sees the view too."))

    owner: Mapped[Account] = relationship(lambda: Account, foreign_keys=lambda: [SavedView.owner_id])

    LABELS = {"called": N_("Name")}  # noqa: RUF012

    @property
    def is_layout(self) -> bool:
        return self.name == LAYOUT

    @property
    def called(self) -> Told | str:
        return Told(N_("My columns"), {}) if self.is_layout else self.name

    @staticmethod
    def derive(session: Any, row: Any, actor: int | None, now: datetime) -> Iterable[Problem]:
        row.owner_id = row.owner_id or actor
        row.query = (row.query or "").lstrip("?") or None
        if row.shared_with is not None and not session.scope.everything:
            roles = session.scope.roles
            if row.shared_with.value not in roles and Role.Administrator.value not in roles:
                yield Problem("shared_with", "not_yours", N_("Views are shared with roles that you have yourself."))

    __admin__ = Admin(
        name="saved-views",
        title=N_("Saved views"),
        one=N_("Saved view"),
        menu=MenuGroup.Mine,
        label="called",
        cells="called subject_type shared_with owner_id changed_at",
        filters="subject_type shared_with",
        order="subject_type",
        owner="owner_id",
        audience="shared_with",
        natural_key=("owner_id", "subject_type", "name"),
        groups=(Group(N_("Basics"), "subject_type name shared_with query"),),
        derive=derive,
        hides=lambda model: model.name == LAYOUT,
        grants=tuple(Grant(role, "list show add edit delete", Reach.mine) for role in Role),
        weight=95,
    )
