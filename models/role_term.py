"""A role for a time: somebody stands in for a post, or helps out, and loses it by itself on the last day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, relationship

from models.account import Account
from models.base import ref
from models.declare import Admin, Grant, Group, MenuGroup, Reach, Reminder, Role
from models.role import AccessRole, RoleState
from models.term import Term, TermState, another_end, day_problems, ended, life, morning, overlapping
from rules.words import N_, Problem, Told


class RoleTerm(Term):
    __table_args__ = (Index("ix_role_term_account_id_until_day", "account_id", "until_day"),)

    account_id: Mapped[int] = ref("ab_user.id", N_("User"), editable="new", index=False)
    role_id: Mapped[int] = ref("access_role.id", N_("Role"), editable="new")

    account: Mapped[Account] = relationship(lambda: Account, foreign_keys=lambda: [RoleTerm.account_id])
    role: Mapped[AccessRole] = relationship()

    LABELS = {"called": N_("User")}  # noqa: RUF012

    @property
    def called(self) -> str:
        """The role stands beside it: what Events keep of a name is the same in every language."""
        return self.account.name if self.account is not None else ""

    def said(self) -> dict[str, Any]:
        role = self.role.called
        label = role.message if isinstance(role, Told) else role
        return {"role": label, "from": self.from_day.isoformat(), "until": self.until_day.isoformat()}

    @staticmethod
    def derive(session: Any, row: Any, actor: int | None, now: datetime) -> Iterable[Problem]:
        if row.id is not None:
            return
        row.account = session.get(Account, row.account_id) if row.account_id is not None else None
        row.role = session.get(AccessRole, row.role_id) if row.role_id is not None else None
        if row.role is not None and row.role.state is RoleState.Retired:
            yield Problem("role_id", "retired", N_("This role is retired."))
        if row.account is not None and row.role is not None and row.role.role in row.account.roles:
            yield Problem("role_id", "held", N_("This person has the role for good."))
        elif overlapping(session, row, "account_id", "role_id"):
            yield Problem("role_id", "overlap", N_("This is agreed for some of these days already."))

    __admin__ = Admin(
        name="role-terms",
        title=N_("Roles for a time"),
        one=N_("Role for a time"),
        menu=MenuGroup.System,
        label="called",
        cells="account_id/role_id from_day until_day state reason",
        filters="account_id role_id state until_day",
        order="-id",
        owner="account_id",
        groups=(Group(N_("Basics"), "account_id role_id from_day until_day reason state"),),
        check=day_problems,
        after=another_end,
        derive=derive,
        life=life(N_("The role is gone at once.")),
        reminders=(
            Reminder(
                "begins",
                N_("You have the role “%(role)s” from %(from)s until %(until)s."),
                at=lambda session, row, now: max(now, morning(row.from_day)),
                says=lambda row: row.said(),
                to="account_id",
                states=(TermState.Agreed,),
            ),
            Reminder(
                "ends",
                N_("The role “%(role)s”, which you have since %(from)s, ends on %(until)s."),
                at=lambda session, row, now: max(now, morning(row.until_day)),
                says=lambda row: row.said(),
                to="account_id",
                states=(TermState.Agreed,),
            ),
            ended(N_("Your role “%(role)s” for a time was ended."), to="account_id"),
        ),
        grants=(
            Grant(Role.Administrator, "list show add edit export end", Reach.all),
            Grant(Role.Auditor, "list show export", Reach.all),
            *(
                Grant(role, "list show", Reach.mine)
                for role in (Role.Management, Role.Clerk, Role.Approver, Role.ReformLead)
            ),
        ),
        add_label=N_("Give a role for a time"),
        weight=14,
    )
