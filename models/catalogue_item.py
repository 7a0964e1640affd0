"""政务服务事项基本目录 (N01): what exists, read by all. How a department does it is ``models/item.py``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import String, UniqueConstraint
from sqlalchemy.orm import Mapped, relationship

from models.base import Row, field, ref
from models.declare import READERS, Admin, Grant, Group, MenuGroup, Reach, Role
from models.legal_basis import LegalBasis
from rules.identifiers import REASONS, check_basic_code
from rules.words import N_, LabelEnum, Problem


class ItemType(LabelEnum):
    """事项类型, with the codes of the national platform (GB/T 39554)."""

    Licence = "01", N_("Administrative licence")
    Penalty = "02", N_("Administrative penalty")
    Coercion = "03", N_("Administrative coercion")
    Levy = "04", N_("Administrative levy")
    Payment = "05", N_("Administrative payment")
    Inspection = "06", N_("Administrative inspection")
    Confirmation = "07", N_("Administrative confirmation")
    Award = "08", N_("Administrative award")
    Ruling = "09", N_("Administrative ruling")
    OtherPower = "10", N_("Other administrative power")
    PublicService = "20", N_("Public service")


class ExerciseLevel(LabelEnum):
    """行使层级 (GB/T 39554)."""

    Nation = "1", N_("National")
    Province = "2", N_("Province")
    City = "3", N_("City")
    County = "4", N_("County or district")
    Township = "5", N_("Street or town")
    Village = "6", N_("Community or village")


class CatalogueState(LabelEnum):
    InForce = "in_force", N_("In force")
    Cancelled = "cancelled", N_("Cancelled")


class CatalogueItem(Row):
    """The five basic attributes of 《济南市政务服务标准化管理办法》 (A01) are all required here."""

    __table_args__ = (UniqueConstraint("basic_code"),)

    name: Mapped[str] = field(N_("Name"), String(300))
    item_type: Mapped[ItemType] = field(N_("Item type"))
    basic_code: Mapped[str] = field(N_("Basic code"), String(12), help=N_("12 characters, GB/T 39554.1."))
    legal_basis_id: Mapped[int] = ref("legal_basis.id", N_("Legal basis"))
    level: Mapped[ExerciseLevel] = field(N_("Exercised at"))
    state: Mapped[CatalogueState] = field(N_("State"), default=CatalogueState.InForce)

    legal_basis: Mapped[LegalBasis] = relationship()

    @staticmethod
    def check(row: Any, now: datetime) -> list[Problem]:
        verdict = check_basic_code(row.basic_code)
        if not verdict.valid:
            return [Problem("basic_code", f"code_{verdict.reason}", REASONS[str(verdict.reason)])]
        return []


CatalogueItem.__admin__ = Admin(
    name="catalogue",
    title=N_("Basic catalogue"),
    one=N_("Catalogue item"),
    menu=MenuGroup.Items,
    cells="name/basic_code item_type level legal_basis_id state",
    search="name basic_code",
    filters="item_type level state",
    order="basic_code",
    natural_key=("basic_code",),
    groups=(Group(N_("Basics"), "name item_type basic_code legal_basis_id level state"),),
    check=CatalogueItem.check,
    related=("items",),
    grants=(
        Grant(Role.Administrator, "list show add edit delete import export", Reach.all),
        Grant(Role.Management, "add edit import", Reach.all),
        *READERS,
    ),
    weight=20,
)
