"""各系统校对结果 (N06): what the list of another system has, and what it lacks, as of the day of the upload."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.account import Account
from models.base import Row, field, ref
from models.declare import Admin, Grant, Group, MenuGroup, Page, Reach, Role
from models.department import Department
from rules.words import N_


class Reconciliation(Row):
    system: Mapped[str] = field(N_("Other system"), String(100), editable="never")
    file_name: Mapped[str] = field(N_("File"), String(200), editable="never")
    by_code: Mapped[int] = field(N_("In both, by code"), editable="never", default=0)
    by_name: Mapped[int] = field(N_("In both, by name"), editable="never", default=0)
    only_here: Mapped[int] = field(N_("Only here"), editable="never", default=0)
    only_there: Mapped[int] = field(N_("Only there"), editable="never", default=0)
    department_id: Mapped[int | None] = ref("department.id", N_("Department"), editable="never")
    owner_id: Mapped[int | None] = ref("ab_user.id", N_("By"), editable="never")
    # Not a declared field: a hundred thousand lines are read by their own page alone.
    # [part, id of the item or null, its code, its name, line of the file or null, code there, name there]
    lines: Mapped[list[Any]] = mapped_column(JSON, nullable=False, deferred=True)

    department: Mapped[Department | None] = relationship()
    owner: Mapped[Account | None] = relationship(lambda: Account, foreign_keys=lambda: [Reconciliation.owner_id])


Reconciliation.__admin__ = Admin(
    name="reconciliations",
    title=N_("Reconciliations with other systems"),
    one=N_("Reconciliation with another system"),
    menu=MenuGroup.Items,
    label="system",
    cells="system/file_name by_code by_name only_here only_there created_at owner_id",
    search="system file_name",
    filters="department_id owner_id created_at",
    order="-id",
    departments=("department_id",),
    owner="owner_id",
    groups=(Group(N_("Basics"), "system file_name by_code by_name only_here only_there department_id owner_id"),),
    pages=(Page(N_("Item by item"), "Reconcile.result"),),
    overviews=(Page(N_("Upload a list"), "Reconcile.upload", "list"),),
    grants=(
        Grant(Role.Administrator, "list show export delete", Reach.all),
        Grant(Role.Management, "list show export delete", Reach.subtree),
        Grant(Role.ReformLead, "list show export", Reach.subtree),
        Grant(Role.Auditor, "list show export", Reach.all),
        Grant(Role.Approver, "list show export", Reach.own),
        Grant(Role.Clerk, "list show export", Reach.own),
    ),
    weight=45,
)
