"""机构: who handles items. A row of ours belongs to a department, and reach is told in departments."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, relationship

from models.base import Row, field, ref
from models.declare import READERS, Admin, Grant, Group, MenuGroup, Reach, Role
from models.region import Region
from models.tree import RELOCATE, loop_problems, settle_path
from rules.identifiers import REASONS, check_uscc
from rules.words import N_, LabelEnum, Problem

LONGEST_PREFIX = 26


class DepartmentKind(LabelEnum):
    """《陕西省政务服务效能管理暂行办法》 arts. 3–4."""

    Government = "government", N_("Government")
    Management = "management", N_("Government-service management department")
    Functional = "functional", N_("Functional department")
    Hall = "hall", N_("Government-service hall")
    Grassroots = "grassroots", N_("Street, town or community unit")


class Department(Row):
    __table_args__ = (UniqueConstraint("region_id", "name"), UniqueConstraint("short"))

    name: Mapped[str] = field(N_("Name"), String(100))
    short: Mapped[str | None] = field(N_("Agency short name"), String(20), help=N_("Stands before document numbers."))
    kind: Mapped[DepartmentKind] = field(N_("Kind"), default=DepartmentKind.Functional)
    region_id: Mapped[int] = ref("region.id", N_("Region"))
    parent_id: Mapped[int | None] = ref("department.id", N_("Superior department"), editable="new")
    credit_code: Mapped[str | None] = field(N_("Unified social credit code"), String(18))
    aliases: Mapped[list[str] | None] = field(
        N_("Other codes"), editable="never", help=N_("Codes under which other systems know this department.")
    )
    phone: Mapped[str | None] = field(N_("Telephone"), String(40))
    address: Mapped[str | None] = field(N_("Address"), String(200))
    path: Mapped[str | None] = field(N_("Path"), String(200), editable="never", index=True)
    valid_to: Mapped[date | None] = field(N_("Valid until"))

    region: Mapped[Region] = relationship()
    parent: Mapped[Department | None] = relationship(remote_side="Department.id")

    @property
    def number_prefix(self) -> str:
        """What stands before this department's numbers: its short name, else its name with its region's.

        Names repeat from region to region (区经信局), numbers may not; blanks do not belong into a number.
        """
        if self.short:
            return self.short
        place = self.region.name
        full = self.name if self.name.startswith(place) else place.removesuffix(self.name[:1]) + self.name
        return "".join(full.split())[:LONGEST_PREFIX]

    @staticmethod
    def check(row: Any, now: datetime) -> list[Problem]:
        if row.short and len(row.short.split()) != 1:
            return [Problem("short", "blanks", N_("A short name has no blanks; it stands in document numbers."))]
        if row.credit_code is None:
            return []
        verdict = check_uscc(row.credit_code, strict=False)
        if verdict.valid:
            return []
        # Implementers do use temporary codes: to be put right, no reason to refuse the department.
        return [Problem("credit_code", f"code_{verdict.reason}", REASONS[str(verdict.reason)], warning=True)]

    @staticmethod
    def derive(session: Any, row: Any, actor: int | None, now: datetime) -> list[Problem]:
        return loop_problems(session, row)


Department.__admin__ = Admin(
    name="departments",
    title=N_("Departments"),
    one=N_("Department"),
    menu=MenuGroup.System,
    cells="name/credit_code kind region_id parent_id phone",
    search="name short credit_code",
    filters="kind region_id parent_id",
    order="path",
    # The superior first: it is what a person chooses, so it is the field that takes the blame.
    departments=("parent_id", "id"),
    natural_key=("region_id", "name"),
    groups=(
        Group(N_("Basics"), "name short kind region_id parent_id credit_code aliases"),
        Group(N_("Contact"), "phone address valid_to"),
    ),
    check=Department.check,
    derive=Department.derive,
    settle=settle_path,
    actions=(RELOCATE,),
    related=("items", "accounts"),
    grants=(
        Grant(Role.Administrator, "list show add edit delete import export relocate", Reach.all),
        *READERS,
        Grant(Role.Management, "add edit import relocate", Reach.subtree),
    ),
    weight=11,
)


# What :func:`top_of` asks of the department where somebody works.
SEAT = (Department.id, Department.path, Department.kind, Department.parent_id)


def top_of(seat: int | None, path: str | None, kind: DepartmentKind | None, parent_id: int | None) -> str | None:
    """Path at which the subtree of somebody of this department begins.

    A management department watches over the whole government it serves (《陕西省政务服务效能管理暂行办法》
    art. 4), so its subtree starts at its superior.
    """
    if path is None:
        return None
    return path.removesuffix(f"{seat}/") if kind is DepartmentKind.Management and parent_id is not None else path


def below(session: Session, top: str) -> frozenset[int]:
    """Ids of all departments at or below the path *top*. Resolved once per request."""
    return frozenset(session.scalars(select(Department.id).where(Department.path.startswith(top, autoescape=True))))
