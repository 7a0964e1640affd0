"""实施清单 (N02): how one department does an item. Guides and cases hang here, not on the catalogue."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, relationship

from models.base import Row, field, ref
from models.catalogue_item import CatalogueItem, ExerciseLevel, ItemType
from models.declare import Admin, Desk, Figure, Grant, Group, MenuGroup, Reach, Role
from models.department import Department
from models.legal_basis import LegalBasis
from models.region import Region
from models.write import check_constraint
from rules.identifiers import REASONS, check_basic_code, check_implementation_code
from rules.lifecycle import Lifecycle, Move
from rules.words import N_, LabelEnum, Problem


class Origin(LabelEnum):
    Ours = "ours", N_("Maintained here")
    TakenOver = "taken_over", N_("Taken over as found")


class ItemState(LabelEnum):
    Draft = "draft", N_("Draft")
    InForce = "in_force", N_("In force")
    Cancelled = "cancelled", N_("Cancelled")


FIVE_ATTRIBUTES = ("basic_code", "legal_basis_id", "level")


class Item(Row):
    __table_args__ = (
        UniqueConstraint("region_id", "local_code"),
        Index("ix_item_department_id_name", "department_id", "name"),
        Index("ix_item_name", "name"),
        Index("ix_item_state_name", "state", "name"),
        check_constraint(
            "origin <> 'ours' OR (basic_code IS NOT NULL AND legal_basis_id IS NOT NULL AND level IS NOT NULL)",
            "five_attributes",
            N_("Name, type, basic code, legal basis and level are all required."),
        ),
    )

    name: Mapped[str] = field(N_("Name"), String(300))
    department_id: Mapped[int] = ref("department.id", N_("Department"), editable="new", index=False)
    region_id: Mapped[int] = ref("region.id", N_("Region"), editable="never", index=False)
    catalogue_item_id: Mapped[int | None] = ref("catalogue_item.id", N_("Catalogue item"))
    item_type: Mapped[ItemType] = field(N_("Item type"))
    level: Mapped[ExerciseLevel | None] = field(N_("Exercised at"))
    basic_code: Mapped[str | None] = field(N_("Basic code"), String(12), help=N_("12 characters, GB/T 39554.1."))
    national_code: Mapped[str | None] = field(
        N_("Implementation code"), String(31), help=N_("31 characters: credit code, level, basic code (GB/T 39554.1).")
    )
    local_code: Mapped[str] = field(N_("Local code"), String(80), help=N_("The code of the local platform."))
    legal_basis_id: Mapped[int | None] = ref("legal_basis.id", N_("Legal basis"))
    statutory_days: Mapped[int | None] = field(N_("Statutory limit (working days)"), minimum=0, maximum=365)
    promise_days: Mapped[int | None] = field(N_("Promised limit (working days)"), minimum=0, maximum=365)
    phone: Mapped[str | None] = field(N_("Enquiries"), String(60))
    address: Mapped[str | None] = field(N_("Where it is handled"), String(200))
    origin: Mapped[Origin] = field(N_("Origin"), editable="never", default=Origin.Ours)
    state: Mapped[ItemState] = field(N_("State"), editable="never", default=ItemState.Draft)
    source_link: Mapped[str | None] = field(N_("Link in the source"), String(500), editable="never")
    gaps: Mapped[list[str] | None] = field(
        N_("Still missing"), editable="never", help=N_("What the rules require and a taken-over item lacks.")
    )
    gap_count: Mapped[int] = field(N_("Gaps"), editable="never", default=0, index=True)

    department: Mapped[Department] = relationship()
    region: Mapped[Region] = relationship()
    catalogue_item: Mapped[CatalogueItem | None] = relationship()
    legal_basis: Mapped[LegalBasis | None] = relationship()

    @staticmethod
    def check(row: Any, now: datetime) -> list[Problem]:
        found: list[Problem] = []
        ours = row.origin is Origin.Ours
        for name in FIVE_ATTRIBUTES:
            if getattr(row, name) is None:
                message = N_("Required for every item of the catalogue.") if ours else N_("Missing in the source.")
                found.append(Problem(name, "missing", message, warning=not ours))
        if row.basic_code is not None:
            verdict = check_basic_code(row.basic_code)
            if not verdict.valid:
                reason = str(verdict.reason)
                found.append(Problem("basic_code", f"code_{reason}", REASONS[reason], warning=not ours))
        if row.national_code is not None:
            verdict = check_implementation_code(row.national_code)
            if not verdict.valid:
                reason = str(verdict.reason)
                found.append(Problem("national_code", f"code_{reason}", REASONS[reason], warning=not ours))
        elif not ours:
            message = N_("No implementation code of the national scheme.")
            found.append(Problem("national_code", "missing", message, warning=True))
        both = row.promise_days is not None and row.statutory_days is not None
        if both and row.promise_days > row.statutory_days:
            message = N_("The promised limit may not exceed the statutory one (%(days)d working days).")
            found.append(Problem("promise_days", "above_statutory", message, {"days": row.statutory_days}))
        return found

    @staticmethod
    def derive(session: Any, row: Any, actor: int | None, now: datetime) -> None:
        row.origin = row.origin or Origin.Ours
        row.state = row.state or ItemState.Draft
        # The department never changes afterwards.
        if row.region_id is None and row.department_id is not None:
            seat = session.get(Department, row.department_id)
            row.region_id = seat.region_id if seat is not None else None
        _inherit(session, row)
        row.gaps = [n for n in (*FIVE_ATTRIBUTES, "national_code") if getattr(row, n) is None]
        row.gap_count = len(row.gaps)


def _inherit(session: Any, row: Any) -> None:
    """A claimed item takes type, code, basis and level from the catalogue where it says nothing itself (A02)."""
    inherited = (row.name, row.item_type, row.basic_code, row.legal_basis_id, row.level)
    if row.catalogue_item_id is None or all(inherited):
        return
    claimed = session.get(CatalogueItem, row.catalogue_item_id)
    if claimed is None:
        return
    row.name = row.name or claimed.name
    row.item_type = row.item_type or claimed.item_type
    row.basic_code = row.basic_code or claimed.basic_code
    row.legal_basis_id = row.legal_basis_id or claimed.legal_basis_id
    row.level = row.level or claimed.level


def _intake(session: Any, now: datetime, *, take_over: bool) -> Any:
    from models.intake import Intake

    return Intake(session, now, take_over=take_over)


LIFE = Lifecycle(
    states=ItemState,
    initial=ItemState.Draft,
    steps=(ItemState.Draft, ItemState.InForce),
    tones={ItemState.InForce: "ok", ItemState.Cancelled: "bad", ItemState.Draft: "warn"},
    moves=(
        Move(
            "publish",
            N_("Put in force"),
            (ItemState.Draft,),
            ItemState.InForce,
            confirm=N_("From now on cases may be opened on this item."),
            tone="main",
        ),
        Move(
            "cancel",
            N_("Abolish the item"),
            (ItemState.InForce,),
            ItemState.Cancelled,
            confirm=N_("No further case can be opened on a cancelled item."),
            tone="bad",
        ),
    ),
)

Item.__admin__ = Admin(
    name="items",
    title=N_("Items"),
    one=N_("Item"),
    menu=MenuGroup.Items,
    cells="name/local_code department_id item_type state gap_count",
    search="name local_code national_code",
    filters="state item_type department_id catalogue_item_id origin gap_count",
    order="name",
    departments=("department_id",),
    natural_key=("region_id", "local_code"),
    life=LIFE,
    groups=(
        Group(N_("Basics"), "name department_id catalogue_item_id item_type level basic_code national_code local_code"),
        Group(N_("Basis and limits"), "legal_basis_id statutory_days promise_days"),
        Group(N_("Contact"), "phone address"),
        Group(N_("Standing"), "state origin region_id gaps source_link"),
    ),
    check=Item.check,
    derive=Item.derive,
    intake=_intake,
    related=("cases",),
    desk=Desk(figures=(Figure(N_("Items with gaps"), "gap_count__from=1"),)),
    grants=(
        Grant(Role.Administrator, "list show add edit delete import export publish cancel", Reach.all),
        Grant(Role.Management, "list show add edit delete import export publish cancel", Reach.subtree),
        Grant(Role.Clerk, "list show export", Reach.own),
        Grant(Role.Approver, "list show edit export", Reach.own),
        Grant(Role.Auditor, "list show export", Reach.all),
    ),
    weight=10,
)
