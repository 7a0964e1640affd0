"""政务服务事项基本目录 (N01): what exists, read by all. How a department does it is ``models/item.py``.

Public services (N03) and administrative powers (N04) are rows of this one table, told apart by their type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, String, Text, UniqueConstraint, select
from sqlalchemy.orm import Mapped, relationship

from models.base import Row, field, ref
from models.change import PROPOSE, proposals
from models.columns import is_new
from models.declare import READERS, Admin, Control, Grant, Group, MenuGroup, Public, Reach, Role
from models.department import Department
from models.legal_basis import LegalBasis
from models.many import among
from models.scope import ScopedSession, session_of
from models.write import save
from rules.deadlines import local_day
from rules.identifiers import REASONS, check_basic_code
from rules.lifecycle import Given, Lifecycle, Move
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


class ServiceClass(LabelEnum):
    """公共服务事项的类别, as 国办发〔2015〕86号 names the fields: for founding a business, then of everyday life.

    环境保护, 中介服务 and 其他 are added by 《山东省简化优化公共服务流程方便基层群众办事创业实施方案》 二(一)1.
    """

    Policy = "policy", N_("Policy support")
    Legal = "legal", N_("Legal and information advice")
    Property = "property", N_("Protection of intellectual property")
    Training = "training", N_("Vocational training")
    Education = "education", N_("Public education")
    Employment = "employment", N_("Work and employment")
    Insurance = "insurance", N_("Social insurance")
    Health = "health", N_("Medical care and health")
    Elderly = "elderly", N_("Care for the elderly")
    Welfare = "welfare", N_("Social services")
    Housing = "housing", N_("Housing security")
    Culture = "culture", N_("Culture and sports")
    Disabled = "disabled", N_("Help for the disabled")
    Environment = "environment", N_("Environmental protection")
    Other = "other", N_("Other services")
    Intermediary = "intermediary", N_("Intermediary services")


class CatalogueState(LabelEnum):
    Draft = "draft", N_("Draft")
    InForce = "in_force", N_("In force")
    Cancelled = "cancelled", N_("Cancelled")


class CatalogueSource(LabelEnum):
    """Whether the entry exists above, or was set up at this level."""

    Above = "above", N_("From the catalogue above")
    Here = "here", N_("Set up here")


# What somebody who claims an entry takes from it, and does not change (A02).
INHERITED = ("name", "item_type", "basic_code", "legal_basis_id")
# 名称、类型、编码等基本信息 (《陕西省政务服务效能管理暂行办法》 art. 5), which is what A01 calls the basic attributes.
CONTROLLED = (*INHERITED, "level")


class CatalogueItem(Row):
    """The five basic attributes of 《济南市政务服务标准化管理办法》 (A01) are all required here."""

    __table_args__ = (UniqueConstraint("basic_code"),)

    name: Mapped[str] = field(N_("Name"), String(300))
    item_type: Mapped[ItemType] = field(N_("Item type"))
    basic_code: Mapped[str] = field(N_("Basic code"), String(12), help=N_("12 characters, GB/T 39554.1."))
    legal_basis_id: Mapped[int] = ref("legal_basis.id", N_("Legal basis"))
    level: Mapped[ExerciseLevel] = field(N_("Exercised at"))
    service_class: Mapped[ServiceClass | None] = field(N_("Class of public service"), help=N_("Of public services."))
    materials: Mapped[str | None] = field(N_("Materials"), Text(), lines=6, help=N_("One material a line."))
    secret: Mapped[bool] = field(
        N_("Involves secrets"), default=False, help=N_("Such an item is shown on no public page.")
    )
    source: Mapped[CatalogueSource] = field(N_("Origin of the entry"), editable="new", default=CatalogueSource.Above)
    department_id: Mapped[int | None] = ref(
        "department.id", N_("Maintained by"), editable="new", help=N_("Whose level looks after the entry.")
    )
    in_force_from: Mapped[date | None] = field(N_("In force from"), editable="never")
    ended_on: Mapped[date | None] = field(N_("Ended on"), editable="never")
    state: Mapped[CatalogueState] = field(N_("State"), editable="never", default=CatalogueState.Draft)

    legal_basis: Mapped[LegalBasis] = relationship()
    department: Mapped[Department | None] = relationship()

    @staticmethod
    def check(row: Any, now: datetime) -> Iterable[Problem]:
        verdict = check_basic_code(row.basic_code)
        if not verdict.valid:
            yield Problem("basic_code", f"code_{verdict.reason}", REASONS[str(verdict.reason)])
        yield from class_problems(row)

    @staticmethod
    def derive(session: Any, row: Any, actor: int | None, now: datetime) -> Iterable[Problem]:
        if is_new(row) and row.department_id is None:
            row.department_id = session.scope.department
        return listed_power(session, row)


def class_problems(row: Any) -> Iterator[Problem]:
    if row.service_class is not None and row.item_type is not ItemType.PublicService:
        yield Problem("service_class", "no_public_service", N_("Only a public service has such a class."))


POWERS = select(CatalogueItem.id, CatalogueItem.name, CatalogueItem.basic_code).where(
    CatalogueItem.item_type != ItemType.PublicService, CatalogueItem.state == CatalogueState.InForce
)


def listed_power(session: Any, row: Any) -> Iterator[Problem]:
    """已经列入行政权力清单的事项暂不梳理 (A17): a public service should not stand in the list of powers as well."""
    if row.item_type is not ItemType.PublicService or not row.name or row.id is not None:
        return
    found = among(
        session,
        "powers",
        row.name,
        lambda: session.execute(POWERS.where(CatalogueItem.name == row.name).limit(1)).first(),
        lambda: {power.name: power for power in session.execute(POWERS)},
    )
    if found is not None:
        message = N_("This name stands in the list of administrative powers already: %(name)s (%(code)s).")
        told = {"name": found.name, "code": found.basic_code}
        yield Problem("name", "listed_power", message, told, warning=True, about=("catalogue", found.id))


def _publish_check(row: Any, given: Given, now: datetime) -> Iterable[Problem]:
    yield from needs_set_up(row, row.source is CatalogueSource.Here)


def needs_set_up(row: Any, here: bool) -> Iterator[Problem]:
    """设立 takes the whole way of a change request; what exists above is only entered."""
    if here and not session_of(row).scope.everything:
        yield Problem(None, "needs_set_up", N_("What is set up at this level needs a finished change request."))


LIFE = Lifecycle(
    states=CatalogueState,
    initial=CatalogueState.Draft,
    # An entry that is known to be in force above may be written down as such by a program.
    begun_in=(CatalogueState.InForce,),
    open_in=(CatalogueState.Draft, CatalogueState.InForce),
    tones={
        CatalogueState.Draft: "warn",
        CatalogueState.InForce: "ok",
        CatalogueState.Cancelled: "bad",
    },
    moves=(
        Move(
            "publish",
            N_("Put in force"),
            (CatalogueState.Draft,),
            CatalogueState.InForce,
            confirm=N_("From now on departments may claim this entry."),
            check=_publish_check,
            when=lambda row: row.source is CatalogueSource.Above,
            sets=lambda row, given, now: {"in_force_from": row.in_force_from or local_day(now)},
            tone="main",
        ),
        # Only by a change that takes effect.
        Move(
            "cancel",
            N_("Abolish the item"),
            (CatalogueState.InForce,),
            CatalogueState.Cancelled,
            sets=lambda row, given, now: {"ended_on": local_day(now)},
            tone="bad",
            jobs=True,
        ),
    ),
)


def claims_follow(session: ScopedSession, row: Any, change: Any, now: datetime) -> Iterable[Problem]:
    """Whoever claimed the entry has what it says now: every department at once, or the change does not take effect."""
    from models.item import Item

    values = {name: getattr(row, name) for name in INHERITED}
    for item in session.scalars(select(Item).where(Item.catalogue_item_id == row.id)):
        if any(getattr(item, n) != v for n, v in values.items()):
            found = save(session, item, values, now=now, expected_version=item.version, also=INHERITED)
            yield from found.errors


def entry_is_public(entries: type[CatalogueItem]) -> ColumnElement[bool]:
    return (entries.state == CatalogueState.InForce) & entries.secret.is_(False)


CatalogueItem.__admin__ = Admin(
    name="catalogue",
    title=N_("Basic catalogue"),
    one=N_("Catalogue item"),
    menu=MenuGroup.Items,
    cells="name/basic_code item_type level legal_basis_id state",
    search="name basic_code",
    filters="item_type level service_class state source secret department_id legal_basis_id",
    order="basic_code",
    departments=("department_id",),
    natural_key=("basic_code",),
    life=LIFE,
    groups=(
        Group(N_("Basics"), "name item_type basic_code legal_basis_id level service_class"),
        Group(N_("What is handed in"), "materials"),
        Group(N_("Standing"), "source department_id secret state in_force_from ended_on"),
    ),
    check=CatalogueItem.check,
    derive=CatalogueItem.derive,
    control=Control(" ".join(CONTROLLED), (CatalogueState.InForce,), effects={"edit": claims_follow}),
    actions=proposals(
        CONTROLLED,
        CatalogueState.InForce,
        set_up=lambda row: row.state is CatalogueState.Draft and row.source is CatalogueSource.Here,
    ),
    public=Public(
        when=entry_is_public,
        title=N_("Catalogue of government services"),
        cells="name/basic_code item_type level legal_basis_id",
        search="name basic_code",
        filters="item_type level service_class",
        order="basic_code",
        groups=(
            Group(N_("Basics"), "name item_type basic_code legal_basis_id level service_class in_force_from"),
            Group(N_("What is handed in"), "materials"),
        ),
    ),
    related=("items", "changes"),
    grants=(
        Grant(Role.Administrator, f"list show add edit delete import export publish {PROPOSE}", Reach.all),
        # Each level looks after its own (art. 5; A08).
        Grant(Role.Management, f"add edit delete import publish {PROPOSE}", Reach.subtree),
        *READERS,
    ),
    weight=20,
)
