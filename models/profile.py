"""The jurisdiction profile: values that differ from place to place, found by walking up the regions."""

from __future__ import annotations

from typing import Any

from sqlalchemy import String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, relationship

from models.base import Row, field, ref
from models.declare import READERS, Admin, Grant, Group, MenuGroup, Reach, Role
from models.region import Region
from rules.words import N_

# What holds where no profile says otherwise: 《中华人民共和国行政许可法》第三十二条, and one day's warning.
DEFAULTS = {"notice_days": 5, "warn_days": 1}


class Profile(Row):
    __table_args__ = (UniqueConstraint("region_id"),)

    region_id: Mapped[int] = ref("region.id", N_("Region"), index=False, editable="new")
    notice_days: Mapped[int | None] = field(
        N_("Limit for accepting or refusing (working days)"),
        minimum=1,
        maximum=5,
        help=N_(
            "Never above five working days (Administrative Licensing Law, art. 32). Empty: as the superior region."
        ),
    )
    warn_days: Mapped[int | None] = field(
        N_("Reminder before a limit (working days)"),
        minimum=0,
        maximum=10,
        help=N_("The handler is reminded this long before. Empty: as the superior region."),
    )
    reconsideration: Mapped[str | None] = field(N_("Body for administrative reconsideration"), String(100))
    court: Mapped[str | None] = field(N_("Court"), String(100))
    source: Mapped[str | None] = field(N_("Source"), String(300), help=N_("The rule that sets these values."))

    region: Mapped[Region] = relationship()

    @property
    def label(self) -> str:
        return self.region.name if self.region else str(self.region_id)


Profile.__admin__ = Admin(
    name="profiles",
    title=N_("Jurisdiction profiles"),
    one=N_("Jurisdiction profile"),
    menu=MenuGroup.System,
    label="label",
    cells="region_id/source notice_days warn_days",
    filters="region_id",
    natural_key=("region_id",),
    groups=(
        Group(N_("Limits"), "region_id notice_days warn_days source"),
        Group(N_("Remedies"), "reconsideration court"),
    ),
    grants=(
        Grant(Role.Administrator, "list show add edit delete import export", Reach.all),
        *READERS,
    ),
    weight=21,
)


def lookup(session: Session, region: Region, name: str) -> tuple[Any, str | None]:
    """(value, name of the region that sets it); the nearest region upwards that says something wins."""
    above = [int(part) for part in (region.path or "").split("/") if part]
    column = getattr(Profile, name)
    rows = session.execute(
        select(column, Region.name)
        .join(Region, Region.id == Profile.region_id)
        .where(Profile.region_id.in_(above), column.is_not(None))
        .order_by(Region.path.desc())
    )
    # Paths of one chain are prefixes of each other, so the longest, the nearest, sorts last: descending puts it first.
    for value, where in rows:
        return value, where
    return DEFAULTS.get(name), None
