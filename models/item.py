"""实施清单 (N02): how one department does an item. Guides and cases hang here, not on the catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Index, String, Text, UniqueConstraint, select
from sqlalchemy.orm import Mapped, relationship

from models.base import Row, field, ref
from models.catalogue_item import (
    CONTROLLED,
    INHERITED,
    CatalogueItem,
    CatalogueState,
    ExerciseLevel,
    ItemType,
    ServiceClass,
    class_problems,
    entry_is_public,
    listed_power,
    needs_set_up,
)
from models.change import DEVOLVE, PROPOSE, proposals
from models.columns import is_new, touched
from models.constraints import check_constraint
from models.declare import (
    Action,
    Admin,
    Control,
    Desk,
    Figure,
    Grant,
    Group,
    MenuGroup,
    Page,
    Public,
    Reach,
    Role,
    Tally,
)
from models.department import Department
from models.legal_basis import LegalBasis
from models.many import among
from models.region import Region, RegionLevel
from models.scope import ScopedSession
from models.write import save
from rules.drift import FIVE, differing
from rules.identifiers import REASONS, check_basic_code, check_implementation_code
from rules.lifecycle import Given, Lifecycle, Move
from rules.normalise import fold
from rules.words import N_, LabelEnum, Problem, RuleError


class Origin(LabelEnum):
    Ours = "ours", N_("Maintained here")
    TakenOver = "taken_over", N_("Taken over as found")


class ItemState(LabelEnum):
    Draft = "draft", N_("Draft")
    InForce = "in_force", N_("In force")
    Cancelled = "cancelled", N_("Cancelled")
    Devolved = "devolved", N_("Devolved")


class OnlineDepth(LabelEnum):
    """网上办理深度 (GB/T 39554.2), from looking up to doing all of it online."""

    Information = "1", N_("I: information")
    Download = "2", N_("II: forms and appointments")
    Application = "3", N_("III: application")
    Whole = "4", N_("IV: all of it")


FIVE_ATTRIBUTES = ("basic_code", "legal_basis_id", "level")


class Item(Row):
    __table_args__ = (
        UniqueConstraint("region_id", "local_code"),
        Index("ix_item_department_id_name", "department_id", "name"),
        Index("ix_item_name", "name"),
        Index("ix_item_state_name", "state", "name"),
        check_constraint(
            "origin <> 'ours' OR (basic_code IS NOT NULL AND level IS NOT NULL AND"
            " (legal_basis_id IS NOT NULL OR (item_type = '20' AND basis_due IS NOT NULL)))",
            "five_attributes",
            N_("Name, type, basic code, legal basis and level are all required."),
        ),
    )

    name: Mapped[str] = field(N_("Name"), String(300))
    department_id: Mapped[int] = ref("department.id", N_("Department"), editable="new", index=False)
    region_id: Mapped[int] = ref("region.id", N_("Region"), editable="never", index=False)
    catalogue_item_id: Mapped[int | None] = ref(
        "catalogue_item.id",
        N_("Catalogue item"),
        help=N_("Which entry is claimed: name, type, basic code and legal basis are taken from it."),
    )
    item_type: Mapped[ItemType] = field(N_("Item type"))
    service_class: Mapped[ServiceClass | None] = field(N_("Class of public service"), help=N_("Of public services."))
    level: Mapped[ExerciseLevel | None] = field(N_("Exercised at"))
    basic_code: Mapped[str | None] = field(N_("Basic code"), String(12), help=N_("12 characters, GB/T 39554.1."))
    national_code: Mapped[str | None] = field(
        N_("Implementation code"), String(31), help=N_("31 characters: credit code, level, basic code (GB/T 39554.1).")
    )
    local_code: Mapped[str] = field(N_("Local code"), String(80), help=N_("The code of the local platform."))
    legal_basis_id: Mapped[int | None] = ref("legal_basis.id", N_("Legal basis"))
    long_handled: Mapped[bool] = field(
        N_("Handled for years without a basis"),
        default=False,
        help=N_("A public service that people need may be entered before its basis is drawn up."),
    )
    basis_due: Mapped[date | None] = field(N_("Basis to follow by"), due=("draft", "in_force"))
    materials: Mapped[str | None] = field(N_("Materials"), Text(), lines=6, help=N_("One material a line."))
    online_depth: Mapped[OnlineDepth | None] = field(N_("Online depth"))
    secret: Mapped[bool] = field(
        N_("Involves secrets"), default=False, help=N_("Such an item is shown on no public page.")
    )
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
        found: list[Problem] = [*class_problems(row), *_basis_problems(row)]
        ours = row.origin is Origin.Ours
        for name in FIVE_ATTRIBUTES:
            if getattr(row, name) is None and not (name == "legal_basis_id" and row.long_handled):
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
    def derive(session: Any, row: Any, actor: int | None, now: datetime) -> Iterator[Problem]:
        row.origin = row.origin or Origin.Ours
        row.state = row.state or ItemState.Draft
        # The department never changes afterwards.
        if row.region_id is None and row.department_id is not None:
            seat = session.get(Department, row.department_id)
            row.region_id = seat.region_id if seat is not None else None
        yield from _claim(session, row)
        yield from listed_power(session, row)
        row.gaps = [n for n in (*FIVE_ATTRIBUTES, "national_code") if getattr(row, n) is None]
        row.gap_count = len(row.gaps)


def _basis_problems(row: Any) -> Iterator[Problem]:
    """没有文件规定，但群众有需求且近年来一直办理的，可先列入，再相应完善依据 (A14): for public services alone."""
    if not row.long_handled:
        if row.basis_due is not None:
            yield Problem("basis_due", "no_exception", N_("This is for what was handled for years without a basis."))
        return
    if row.item_type is not ItemType.PublicService:
        yield Problem("long_handled", "no_public_service", N_("No administrative power is without its basis."))
    elif row.basis_due is None and row.legal_basis_id is None:
        yield Problem("basis_due", "required", N_("Say by when the basis will be drawn up."))


def _claim(session: Any, row: Any) -> Iterator[Problem]:
    """及时认领或创建 (A02): a claimed item takes name, type, code and basis from the catalogue and does not change
    them; one that is created must not stand there already."""
    if row.catalogue_item_id is None:
        if is_new(row) and row.origin is Origin.Ours and row.basic_code:
            yield from _to_be_claimed(session, row)
        return
    claimed = session.get(CatalogueItem, row.catalogue_item_id)
    if claimed is None:
        return
    fresh = is_new(row) or touched(row, "catalogue_item_id")
    if fresh and claimed.state is not CatalogueState.InForce:
        message = N_("Only an entry in force can be claimed; this one is “%(state)s”.")
        yield Problem("catalogue_item_id", "not_in_force", message, {"state": claimed.state.label})
    for name in INHERITED:
        theirs, ours = getattr(claimed, name), getattr(row, name)
        if ours in (None, ""):
            setattr(row, name, theirs)
        elif ours != theirs and row.origin is Origin.Ours and (fresh or touched(row, name)):
            message = N_("This is taken from the catalogue, where it is another one.")
            yield Problem(name, "inherited", message, about=("catalogue", claimed.id))
    row.level = row.level or claimed.level


ENTRIES = select(CatalogueItem.id, CatalogueItem.name, CatalogueItem.basic_code).where(
    CatalogueItem.state == CatalogueState.InForce
)


def _entry(session: Any, basic_code: str | None) -> Any:
    """(id, name) of the entry in force of that code, if there is one."""
    return among(
        session,
        "entries",
        basic_code,
        lambda: session.execute(ENTRIES.where(CatalogueItem.basic_code == basic_code)).first(),
        lambda: {row.basic_code: row for row in session.execute(ENTRIES)},
    )


def _to_be_claimed(session: Any, row: Any) -> Iterator[Problem]:
    if (found := _entry(session, row.basic_code)) is not None:
        message = N_("The catalogue has this code already: %(name)s. Claim that entry instead.")
        about = ("catalogue", found.id)
        yield Problem("catalogue_item_id", "to_be_claimed", message, {"name": found.name}, about=about)


def set_up_here(row: Any) -> bool:
    """Does it stand in no catalogue above, so that setting it up takes a change request?"""
    return row.catalogue_item_id is None and row.origin is Origin.Ours


def _publish_check(row: Any, given: Given, now: datetime) -> Iterator[Problem]:
    yield from needs_set_up(row, set_up_here(row))


def handed_down(session: ScopedSession, row: Any, change: Any, now: datetime) -> Iterator[Problem]:
    """Who takes a devolved item over has it from the same day on (N06)."""
    taken = Item()
    values = {n: getattr(row, n) for n in (*CONTROLLED, *HANDED_DOWN)}
    seat = session.get(Department, change.successor_id)
    if row.catalogue_item_id is None and (found := _entry(session, row.basic_code)) is not None:
        values["catalogue_item_id"] = found.id  # what stands in the catalogue is claimed
    values |= {"department_id": change.successor_id, "state": ItemState.InForce, "level": level_of(seat, row.level)}
    yield from save(session, taken, values, now=now, also=("state",)).errors


def level_of(seat: Any, otherwise: ExerciseLevel) -> ExerciseLevel:
    """The level at which a department exercises what it takes over."""
    return LEVEL_OF.get(seat.region.level, otherwise) if seat is not None else otherwise


LEVEL_OF = {
    RegionLevel.Province: ExerciseLevel.Province,
    RegionLevel.City: ExerciseLevel.City,
    RegionLevel.County: ExerciseLevel.County,
    RegionLevel.Township: ExerciseLevel.Township,
    RegionLevel.Village: ExerciseLevel.Village,
}
HANDED_DOWN = (
    "catalogue_item_id", "service_class", "local_code", "materials", "online_depth", "secret", "long_handled",
    "basis_due", "statutory_days", "promise_days", "origin",
)  # fmt: skip


def _intake(session: Any, now: datetime, *, take_over: bool) -> Any:
    from models.intake import Intake

    return Intake(session, now, take_over=take_over)


LIFE = Lifecycle(
    states=ItemState,
    initial=ItemState.Draft,
    steps=(ItemState.Draft, ItemState.InForce),
    # As found above, or handed down, by a program.
    begun_in=(ItemState.InForce,),
    open_in=(ItemState.Draft, ItemState.InForce),
    tones={ItemState.InForce: "ok", ItemState.Cancelled: "bad", ItemState.Draft: "warn", ItemState.Devolved: "info"},
    moves=(
        Move(
            "publish",
            N_("Put in force"),
            (ItemState.Draft,),
            ItemState.InForce,
            confirm=N_("From now on cases may be opened on this item."),
            check=_publish_check,
            when=lambda row: not set_up_here(row),
            tone="main",
        ),
        # Both only by a change that takes effect (A05).
        Move("cancel", N_("Abolish the item"), (ItemState.InForce,), ItemState.Cancelled, tone="bad", jobs=True),
        Move("devolve", N_("Devolve the item"), (ItemState.InForce,), ItemState.Devolved, jobs=True),
    ),
)


def _is_public(items: type[Item]) -> ColumnElement[bool]:
    """In force, neither it nor the entry that it claims secret (arts. 5, 28). Said of entries that may be shown, not of
    those that may not: those are kept from these pages already, and none of them would be found."""
    shown = select(CatalogueItem.id).where(entry_is_public(CatalogueItem))
    claimed = items.catalogue_item_id.is_(None) | items.catalogue_item_id.in_(shown)
    return (items.state == ItemState.InForce) & items.secret.is_(False) & claimed


def _fill(session: ScopedSession, row: Any, given: Mapping[str, Any], now: datetime) -> None:
    """Only what is missing: what a row says already is not touched by an answer for many."""
    missing = {n: v for n, v in given.items() if v is not None and getattr(row, n) is None}
    if not missing:
        raise RuleError.one(None, "nothing_missing", N_("Nothing of this is missing here."))
    found = save(session, row, missing, now=now, expected_version=row.version, granted=True)
    if found.errors:
        raise RuleError(found)


@dataclass(frozen=True)
class Standards:
    """What the entries in force say, to be found by id, by code and by name: entry → (id, its five)."""

    by_id: Mapping[int, tuple[int, Mapping[str, Any]]]
    by_code: Mapping[str, tuple[int, Mapping[str, Any]]]
    by_name: Mapping[str, tuple[int, Mapping[str, Any]]]

    def of(self, claimed: int | None, stated: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]] | None:
        """The entry that is claimed; else the one of the same code, else of the same name."""
        found = self.by_id.get(claimed) if claimed is not None else None
        found = found or self.by_code.get(stated["basic_code"] or "")
        return found or self.by_name.get(fold(stated["name"] or ""))


def standards(session: Any, *only: Any) -> Standards:
    """Of all entries in force, or of those that *only* says (conditions)."""
    columns = (getattr(CatalogueItem, name) for name in FIVE)
    rows = session.execute(
        select(CatalogueItem.id, *columns).where(CatalogueItem.state == CatalogueState.InForce, *only)
    )
    told = [(row.id, dict(zip(FIVE, row[1:], strict=True))) for row in rows]
    return Standards(
        {pk: (pk, five) for pk, five in told},
        {five["basic_code"]: (pk, five) for pk, five in told},
        {fold(five["name"]): (pk, five) for pk, five in told},
    )


def _adopt(session: ScopedSession, row: Any, given: Mapping[str, Any], now: datetime) -> None:
    """The row says what its entry says. No new approval: the entry came about by one."""
    stated = {name: getattr(row, name) for name in FIVE}
    same = (CatalogueItem.id == row.catalogue_item_id) | (CatalogueItem.basic_code == row.basic_code)
    found = standards(session, same | (CatalogueItem.name == row.name)).of(row.catalogue_item_id, stated)
    if found is None:
        raise RuleError.one(None, "no_standard", N_("The catalogue has no entry for this item."))
    values = {**found[1], "catalogue_item_id": found[0]}
    problems = save(
        session, row, values, now=now, expected_version=row.version, also=(*FIVE, "catalogue_item_id"), granted=True
    )
    if problems.errors:
        raise RuleError(problems)


ADOPT = Action(
    "adopt",
    N_("Adopt the standard"),
    _adopt,
    confirm=N_("Name, code, type, legal basis and materials are taken from the catalogue."),
    bulk=True,
    when=lambda row: row.catalogue_item_id is not None and row.state is ItemState.InForce and not as_standard(row),
)


def as_standard(row: Any) -> bool:
    """Does the item say what the entry that it claims says?"""
    entry = row.catalogue_item
    return entry is None or not differing({n: getattr(entry, n) for n in FIVE}, {n: getattr(row, n) for n in FIVE})


# Of what rows lack, these can be the same for many.
FILLED = frozenset({"legal_basis_id", "level", "basic_code"})
FILL = Action(
    "fill",
    N_("Fill in what is missing"),
    _fill,
    asks=("catalogue_item_id", "legal_basis_id", "level", "service_class", "statutory_days", "promise_days"),
    confirm=N_("Of each row only what is still missing is filled in."),
    bulk=True,
    when=lambda row: bool(FILLED & {*(row.gaps or ())}) and row.state in (ItemState.Draft, ItemState.InForce),
)
_PROPOSE = f"{PROPOSE} propose_devolve adopt"

Item.__admin__ = Admin(
    name="items",
    title=N_("Items"),
    one=N_("Item"),
    menu=MenuGroup.Items,
    cells="name/local_code department_id item_type state gap_count",
    search="name local_code national_code",
    filters=(
        "state item_type service_class level department_id catalogue_item_id origin gap_count online_depth secret"
        " basis_due"
    ),
    order="name",
    departments=("department_id",),
    natural_key=("region_id", "local_code"),
    life=LIFE,
    groups=(
        Group(
            N_("Basics"),
            "catalogue_item_id name department_id item_type service_class level basic_code national_code local_code",
        ),
        Group(N_("Basis and limits"), "legal_basis_id long_handled basis_due statutory_days promise_days"),
        Group(N_("What is handed in"), "materials"),
        Group(N_("Contact"), "phone address online_depth"),
        Group(N_("Standing"), "state origin region_id gaps secret source_link"),
    ),
    check=Item.check,
    derive=Item.derive,
    intake=_intake,
    control=Control(" ".join(CONTROLLED), (ItemState.InForce,), effects={"devolve": handed_down}),
    actions=(
        *proposals(
            CONTROLLED,
            ItemState.InForce,
            set_up=lambda row: row.state is ItemState.Draft and set_up_here(row),
        ),
        replace(DEVOLVE, when=lambda row: row.state is ItemState.InForce),
        FILL,
        ADOPT,
    ),
    overviews=(
        Page(N_("One item, one standard"), "Catalogue.drift", "list"),
        Page(N_("What was cut"), "Catalogue.reductions", "list"),
    ),
    public=Public(
        when=_is_public,
        title=N_("Items of government services"),
        cells="name/local_code department_id item_type promise_days phone",
        search="name local_code national_code",
        filters="department_id item_type service_class level online_depth",
        order="name",
        groups=(
            Group(
                N_("Basics"),
                "name department_id region_id item_type service_class level basic_code national_code local_code",
            ),
            Group(N_("Basis and limits"), "legal_basis_id statutory_days promise_days"),
            Group(N_("What is handed in"), "materials"),
            Group(N_("Contact"), "phone address online_depth"),
        ),
    ),
    related=("participants", "changes", "cases"),
    desk=Desk(
        figures=(
            Figure(N_("Items with gaps"), "state=draft&state=in_force&gap_count__from=1"),
            Figure(N_("Bases that should have followed"), "basis_due=overdue", "bad"),
        ),
        tallies=(Tally(N_("Public services by class"), "service_class", "state=in_force"),),
    ),
    grants=(
        Grant(Role.Administrator, f"list show add edit delete import export publish {_PROPOSE} fill", Reach.all),
        Grant(Role.Management, f"list show add edit delete import export publish {_PROPOSE} fill", Reach.subtree),
        Grant(Role.ReformLead, "list show export", Reach.subtree),
        Grant(Role.Clerk, "list show export", Reach.own),
        Grant(Role.Approver, f"list show edit export {_PROPOSE} fill", Reach.own),
        Grant(Role.Auditor, "list show export", Reach.all),
    ),
    weight=10,
)
