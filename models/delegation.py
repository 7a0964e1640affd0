"""Absence: a colleague of the same department stands in, with the rights of whoever is away, for some days.

Lent is what the absent person holds for good, never what was lent or given for a time to that person, and nothing that
is personal (messages, tokens, views). What is done by a lent right alone is on record in both names.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Index, or_, select
from sqlalchemy.orm import Mapped, Session, aliased, relationship, selectinload

from models.account import Account
from models.base import ref
from models.declare import Admin, Desk, Grant, Group, MenuGroup, Reach, Reminder, Role
from models.department import Department
from models.term import Term, TermState, another_end, day_problems, ended, life, morning, overlapping, running
from rules.deadlines import local_day
from rules.words import N_, Problem, Told


class Delegation(Term):
    __table_args__ = (
        Index("ix_delegation_deputy_id_until_day", "deputy_id", "until_day"),
        Index("ix_delegation_department_id_until_day", "department_id", "until_day"),
    )

    owner_id: Mapped[int] = ref("ab_user.id", N_("Absent person"), editable="new")
    # Not required by the column, for colleagues leave; that one is named is asked in derive.
    deputy_id: Mapped[int | None] = ref(
        "ab_user.id",
        N_("Who stands in"),
        editable="new",
        index=False,
        help=N_("A colleague of the same department, who may then do what the absent person may do."),
    )
    department_id: Mapped[int | None] = ref("department.id", N_("Department"), editable="never", index=False)

    owner: Mapped[Account] = relationship(lambda: Account, foreign_keys=lambda: [Delegation.owner_id])
    deputy: Mapped[Account | None] = relationship(lambda: Account, foreign_keys=lambda: [Delegation.deputy_id])
    department: Mapped[Department | None] = relationship()

    LABELS = {"called": N_("Stand-in")}  # noqa: RUF012

    @property
    def called(self) -> str:
        said = self.said()
        return f"{said['owner']} → {said['deputy']}"

    def said(self) -> dict[str, Any]:
        return {
            "owner": self.owner.name if self.owner is not None else "",
            "deputy": self.deputy.name if self.deputy is not None else "",
            "from": self.from_day.isoformat(),
            "until": self.until_day.isoformat(),
        }

    @staticmethod
    def derive(session: Any, row: Any, actor: int | None, now: datetime) -> Iterable[Problem]:
        if row.id is not None:
            return
        row.owner_id = row.owner_id or actor
        row.owner = session.get(Account, row.owner_id) if row.owner_id is not None else None
        row.deputy = session.get(Account, row.deputy_id) if row.deputy_id is not None else None
        if row.owner is None:
            return
        row.department_id = row.owner.department_id
        if row.department_id is None:
            yield Problem("owner_id", "no_department", N_("Only people of a department have somebody to stand in."))
        elif row.deputy_id is None:
            yield Problem("deputy_id", "required", N_("Please fill in this field."))
        elif row.deputy_id == row.owner_id:
            yield Problem("deputy_id", "oneself", N_("Nobody stands in for oneself."))
        elif row.deputy is not None and row.deputy.department_id != row.department_id:
            yield Problem("deputy_id", "elsewhere", N_("This person works in another department."))
        elif row.deputy is not None and not row.deputy.active:
            yield Problem("deputy_id", "inactive", N_("This person may not sign in."))
        elif overlapping(session, row, "owner_id", "deputy_id"):
            yield Problem("deputy_id", "overlap", N_("This is agreed for some of these days already."))


def remarks(session: Session, now: datetime) -> Iterable[Told]:
    """For both: that one stands in, and that somebody does."""
    actor, today = session.info["scope"].actor, local_day(now)
    mine = or_(Delegation.deputy_id == actor, Delegation.owner_id == actor)
    statement = select(Delegation).where(running(Delegation, today), mine).order_by(Delegation.id)
    people = (selectinload(Delegation.owner), selectinload(Delegation.deputy))
    for row in session.scalars(statement.options(*people)):
        if row.deputy_id == actor:
            yield Told(N_("You stand in for %(owner)s until %(until)s."), row.said())
        else:
            yield Told(N_("%(deputy)s stands in for you until %(until)s."), row.said())


def deputies(session: Session, owner_id: int, now: datetime) -> list[int]:
    """Who stands in for that person today, as :func:`models.access._held` has it: both may sign in, and work where they
    did when it was agreed."""
    owner, deputy = aliased(Account), aliased(Account)
    wanted = (
        select(Delegation.deputy_id)
        .join(owner, owner.id == Delegation.owner_id)
        .join(deputy, deputy.id == Delegation.deputy_id)
        .where(Delegation.owner_id == owner_id, running(Delegation, local_day(now)))
        .where(owner.active.is_(True), deputy.active.is_(True))
        .where(owner.department_id == Delegation.department_id, deputy.department_id == Delegation.department_id)
    )
    return [pk for pk in session.scalars(wanted.distinct().order_by(Delegation.deputy_id)) if pk is not None]


_EVERYDAY = (Role.Management, Role.Clerk, Role.Approver, Role.ReformLead)

Delegation.__admin__ = Admin(
    name="delegations",
    title=N_("Stand-ins"),
    one=N_("Stand-in"),
    menu=MenuGroup.Today,
    label="called",
    cells="owner_id/reason deputy_id from_day until_day state",
    filters="owner_id deputy_id state until_day department_id",
    order="-id",
    owner="owner_id",
    departments=("department_id",),
    groups=(Group(N_("Basics"), "owner_id deputy_id from_day until_day reason department_id state"),),
    check=day_problems,
    after=another_end,
    derive=Delegation.derive,
    life=life(N_("Whoever stands in loses the lent rights at once.")),
    desk=Desk(remarks=remarks),
    reminders=(
        Reminder(
            "begins",
            N_("From %(from)s until %(until)s you stand in for %(owner)s."),
            at=lambda session, row, now: max(now, morning(row.from_day)),
            says=lambda row: row.said(),
            to="deputy_id",
            states=(TermState.Agreed,),
        ),
        ended(N_("You no longer stand in for %(owner)s."), to="deputy_id"),
    ),
    grants=(
        Grant(Role.Administrator, "list show add edit export end", Reach.all),
        Grant(Role.Auditor, "list show export", Reach.all),
        Grant(Role.ReformLead, "list show", Reach.subtree),
        Grant(Role.Management, "list show", Reach.subtree),
        *(Grant(role, "list show", Reach.own) for role in (Role.Clerk, Role.Approver)),
        *(Grant(role, "add edit end", Reach.mine) for role in _EVERYDAY),
    ),
    add_label=N_("Name a stand-in"),
    weight=30,
)
