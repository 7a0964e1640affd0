"""清单: every list of services is a view of the basic catalogue and holds nothing that is not in it (A03).

各类服务清单应当与政务服务事项基本目录保持一致 (《济南市政务服务标准化管理办法》): an entry is a reference, so an
unknown code cannot stand there, on no door.
"""

from __future__ import annotations

from sqlalchemy import String, UniqueConstraint
from sqlalchemy.orm import Mapped, relationship

from models.base import Row, field, ref
from models.catalogue_item import CatalogueItem
from models.declare import READERS, Admin, Grant, Group, MenuGroup, Reach, Role
from rules.words import N_


class ServiceList(Row):
    __table_args__ = (UniqueConstraint("name"),)

    name: Mapped[str] = field(N_("Name"), String(100), help=N_("As in 最多跑一次事项清单."))
    source: Mapped[str | None] = field(N_("By which document"), String(200))


ServiceList.__admin__ = Admin(
    name="service-lists",
    title=N_("Service lists"),
    one=N_("Service list"),
    menu=MenuGroup.Items,
    cells="name source",
    search="name source",
    order="name",
    natural_key=("name",),
    groups=(Group(N_("Basics"), "name source"),),
    related=("list-entries",),
    grants=(
        Grant(Role.Administrator, "list show add edit delete import export", Reach.all),
        Grant(Role.Management, "add edit delete import", Reach.all),
        *READERS,
    ),
    weight=40,
)


class ListEntry(Row):
    __table_args__ = (UniqueConstraint("list_id", "catalogue_item_id"),)

    list_id: Mapped[int] = ref("service_list.id", N_("Service list"), editable="new", index=False)
    catalogue_item_id: Mapped[int] = ref("catalogue_item.id", N_("Catalogue item"), editable="new")
    remark: Mapped[str | None] = field(N_("Remark"), String(200))

    list: Mapped[ServiceList] = relationship()
    catalogue_item: Mapped[CatalogueItem] = relationship()

    @property
    def name(self) -> str:
        return self.catalogue_item.name


ListEntry.__admin__ = Admin(
    name="list-entries",
    title=N_("Entries of service lists"),
    one=N_("Entry of a service list"),
    menu=MenuGroup.Items,
    cells="catalogue_item_id/remark list_id",
    search="remark",
    filters="list_id catalogue_item_id",
    natural_key=("list_id", "catalogue_item_id"),
    groups=(Group(N_("Basics"), "list_id catalogue_item_id remark"),),
    grants=(
        Grant(Role.Administrator, "list show add edit delete import export", Reach.all),
        Grant(Role.Management, "add edit delete import", Reach.all),
        *READERS,
    ),
    weight=41,
)
