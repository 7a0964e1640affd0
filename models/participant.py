"""参与单位: who takes part in an item besides its one lead department (A15, 《山东省…实施方案》 二(一)2)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import String, UniqueConstraint
from sqlalchemy.orm import Mapped, relationship

from models.base import Row, field, ref
from models.declare import Admin, Grant, Group, MenuGroup, Reach, Role
from models.department import Department
from models.item import Item
from rules.words import N_, Problem


class Participant(Row):
    """The lead stands on the item itself, so that there is exactly one."""

    __table_args__ = (UniqueConstraint("item_id", "participant_id"),)

    item_id: Mapped[int] = ref("item.id", N_("Item"), editable="new", index=False)
    participant_id: Mapped[int] = ref("department.id", N_("Participating department"), editable="new")
    part: Mapped[str | None] = field(N_("Its part"), String(200))
    department_id: Mapped[int] = ref("department.id", N_("Lead department"), editable="never")

    item: Mapped[Item] = relationship()
    participant: Mapped[Department] = relationship(foreign_keys=lambda: [Participant.participant_id])
    department: Mapped[Department] = relationship(foreign_keys=lambda: [Participant.department_id])

    @property
    def name(self) -> str:
        return self.participant.name

    @staticmethod
    def derive(session: Any, row: Any, actor: int | None, now: datetime) -> Iterator[Problem]:
        item = session.get(Item, row.item_id) if row.item_id is not None else None
        if item is None:
            return
        row.department_id = item.department_id
        if row.participant_id == item.department_id:
            yield Problem("participant_id", "lead", N_("This department leads the item already."))


Participant.__admin__ = Admin(
    name="participants",
    title=N_("Participating departments"),
    one=N_("Participating department"),
    menu=MenuGroup.Items,
    cells="participant_id/part item_id department_id",
    search="part",
    filters="item_id participant_id department_id",
    departments=("department_id",),
    follows="item_id",
    natural_key=("item_id", "participant_id"),
    groups=(Group(N_("Basics"), "item_id participant_id part department_id"),),
    derive=Participant.derive,
    grants=(
        Grant(Role.Administrator, "list show add edit delete import export", Reach.all),
        Grant(Role.Management, "list show add edit delete import export", Reach.subtree),
        Grant(Role.ReformLead, "list show export", Reach.subtree),
        Grant(Role.Approver, "list show add edit delete export", Reach.own),
        Grant(Role.Clerk, "list show export", Reach.own),
        Grant(Role.Auditor, "list show export", Reach.all),
    ),
    weight=25,
)
