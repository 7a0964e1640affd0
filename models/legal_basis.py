"""法律依据: what an item, a material or a letter rests on (N52)."""

from __future__ import annotations

from datetime import date

from sqlalchemy import String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped

from models.base import Row, field
from models.declare import READERS, Admin, Grant, Group, MenuGroup, Reach, Role
from rules.words import N_, LabelEnum


class BasisState(LabelEnum):
    InForce = "in_force", N_("Law in force")
    Amended = "amended", N_("Amended")
    Repealed = "repealed", N_("Repealed")


class LegalBasis(Row):
    __table_args__ = (UniqueConstraint("title", "article"),)

    title: Mapped[str] = field(
        N_("Name of the law"), String(200), help=N_("With book-title marks, as in 《中华人民共和国行政许可法》.")
    )
    article: Mapped[str] = field(N_("Article"), String(60), help=N_("As in 第三十二条第一款; the whole text: 全文."))
    document_number: Mapped[str | None] = field(N_("Document number"), String(100))
    state: Mapped[BasisState] = field(N_("State"), default=BasisState.InForce)
    in_force_from: Mapped[date | None] = field(N_("In force from"))
    text: Mapped[str | None] = field(N_("Wording"), Text(), lines=6)

    @property
    def name(self) -> str:
        return f"{self.title}{self.article}"


LegalBasis.__admin__ = Admin(
    name="legal-bases",
    title=N_("Legal bases"),
    one=N_("Legal basis"),
    menu=MenuGroup.Items,
    cells="title/document_number article state in_force_from",
    search="title article document_number",
    filters="state",
    order="title",
    natural_key=("title", "article"),
    groups=(
        Group(N_("Basics"), "title article document_number state in_force_from"),
        Group(N_("Wording"), "text"),
    ),
    grants=(
        Grant(Role.Administrator, "list show add edit delete import export", Reach.all),
        Grant(Role.Management, "add edit import", Reach.all),
        *READERS,
    ),
    weight=30,
)
