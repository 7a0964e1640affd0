"""行政区划: the tree of regions (GB/T 2260 codes; 《行政区划代码管理办法》, 民政部令第79号)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import String, UniqueConstraint
from sqlalchemy.orm import Mapped, relationship

from models.base import Row, field, ref
from models.declare import READERS, Admin, Grant, Group, MenuGroup, Reach, Role
from models.tree import RELOCATE, loop_problems, settle_path
from rules.words import N_, LabelEnum, Problem


class RegionLevel(LabelEnum):
    """Levels differ from place to place; the tree may be of any depth."""

    Province = "province", N_("Province")
    City = "city", N_("City")
    County = "county", N_("County or district")
    Township = "township", N_("Street or town")
    Village = "village", N_("Community or village")


class Region(Row):
    __table_args__ = (UniqueConstraint("code"),)

    code: Mapped[str] = field(N_("Region code"), String(12), help=N_("2 to 12 digits, as in GB/T 2260."))
    name: Mapped[str] = field(N_("Name"), String(100))
    level: Mapped[RegionLevel] = field(N_("Level"))
    parent_id: Mapped[int | None] = ref("region.id", N_("Superior region"), editable="new")
    path: Mapped[str | None] = field(N_("Path"), String(200), editable="never", index=True)
    valid_to: Mapped[date | None] = field(N_("Valid until"), help=N_("Abolished codes are kept and never given again."))

    parent: Mapped[Region | None] = relationship(remote_side="Region.id")

    @staticmethod
    def check(row: Any, now: datetime) -> list[Problem]:
        found = []
        if not row.code.isdigit() or len(row.code) not in (2, 4, 6, 9, 12):
            found.append(Problem("code", "format", N_("A region code has 2, 4, 6, 9 or 12 digits.")))
        return found

    @staticmethod
    def derive(session: Any, row: Any, actor: int | None, now: datetime) -> list[Problem]:
        return loop_problems(session, row)


Region.__admin__ = Admin(
    name="regions",
    title=N_("Regions"),
    one=N_("Region"),
    menu=MenuGroup.System,
    cells="name/code level parent_id",
    search="name code",
    filters="level parent_id",
    order="code",
    natural_key=("code",),
    groups=(Group(N_("Basics"), "code name level parent_id valid_to"),),
    check=Region.check,
    derive=Region.derive,
    settle=settle_path,
    actions=(RELOCATE,),
    related=("departments",),
    grants=(
        Grant(Role.Administrator, "list show add edit delete import export relocate", Reach.all),
        *READERS,
    ),
    weight=10,
)
