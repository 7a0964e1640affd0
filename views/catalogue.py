"""What the catalogue is held against: items of one entry beside each other, and what was cut in a year."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from flask import render_template, request
from flask_appbuilder import BaseView, expose
from sqlalchemy import func, select

from forms.convert import specs
from models.department import Department
from models.event import Event
from models.item import Item, ItemState, standards
from models.legal_basis import LegalBasis
from rules.deadlines import begin_of, local_day
from rules.drift import FIVE, differing, removed
from views import display
from views.listing import whole
from views.security import db, demand, now

MOST_DRIFTS = 200


@dataclass(frozen=True)
class Drift:
    """An item that is not as its standard says. standard: the entry of the catalogue, or the first item of that code
    where the catalogue has none. differences: (label, standard, here), in words; names: of those fields."""

    pk: int
    version: int
    name: str
    department: str
    standard: str
    adoptable: bool
    differences: tuple[tuple[str, str, str], ...]
    names: tuple[str, ...]


class Catalogue(BaseView):
    route_base = "/catalogue-check"
    default_view = "drift"
    base_permissions: list[str] = []  # noqa: RUF012 - the registry of items is asked

    @expose("/drift")
    def drift(self) -> str:
        """同一事项、同一标准、同一编码: items in force that differ from the standard of their entry (A10, A11)."""
        demand("items", "list")
        found = [*drifts()]
        return render_template(
            "drift.html",
            found=found[:MOST_DRIFTS],
            total=len(found),
            kinds=[(name, sum(name in d.names for d in found)) for name in FIVE],
            labels={name: display.tr(specs(Item)[name].label) for name in FIVE},
        )

    @expose("/reductions")
    def reductions(self) -> str:
        """精简情况: materials removed and days cut in a year, for each department (A18)."""
        demand("items", "list")
        demand("events", "list")
        this_year = local_day(now()).year
        year = min(whole(request.args, "year", this_year, this_year), this_year)
        # Before the first record there is nothing to tell, and so nowhere to go.
        oldest = db().scalar(select(func.min(Event.at)).where(Event.subject_type == "items"))
        first = local_day(oldest).year if oldest is not None else this_year
        rows = [*reductions(year)]
        return render_template("reductions.html", year=year, this_year=this_year, first=first, rows=rows)


def drifts() -> Iterator[Drift]:
    """Every item of this scope that is not as its standard says, those of one entry beside each other."""
    entries = standards(db())
    columns = (Item.id, Item.version, Item.department_id, Item.catalogue_item_id, *(getattr(Item, n) for n in FIVE))
    statement = select(*columns).where(Item.state == ItemState.InForce).order_by(Item.basic_code, Item.name, Item.id)
    first: dict[str, tuple[int, Mapping[str, Any]]] = {}
    seats = department_names()
    bases: dict[int, str] = {}
    for row in db().execute(statement.execution_options(yield_per=1000)):
        stated = dict(zip(FIVE, row[4:], strict=True))
        entry = entries.of(row.catalogue_item_id, stated)
        if entry is None and not row.basic_code:
            continue  # nothing says which other item it is the same as
        _, standard = entry or first.setdefault(row.basic_code, (row.id, stated))
        if names := differing(standard, stated):
            told = tuple(words(name, standard[name], stated[name], bases) for name in names)
            yield Drift(
                row.id,
                row.version,
                row.name,
                seats.get(row.department_id, ""),
                str(standard["name"]),
                entry is not None,
                told,
                names,
            )


def department_names() -> dict[int, str]:
    return {row.id: row.name for row in db().execute(select(Department.id, Department.name))}


def words(name: str, standard: Any, here: Any, bases: dict[int, str]) -> tuple[str, str, str]:
    spec = specs(Item)[name]
    return display.tr(spec.label), said(spec, standard, bases), said(spec, here, bases)


def said(spec: Any, value: Any, bases: dict[int, str]) -> str:
    if value is None:
        return "—"
    if spec.name == "legal_basis_id":
        if value not in bases:
            found = db().get(LegalBasis, value)
            bases[value] = found.name if found is not None else ""
        return bases[value]
    return display.said(spec, getattr(value, "value", value))


@dataclass
class Reduction:
    """What one department cut: items concerned, materials fewer, working days fewer (more, where below nought)."""

    department: str
    items: set[int]
    materials: int = 0
    days: int = 0


def reductions(year: int) -> Iterator[Reduction]:
    """From the Events of that year about items, in China's time."""
    told = select(Event.subject_id, Event.department_id, Event.changes).where(
        Event.subject_type == "items", Event.at >= begin_of(date(year, 1, 1)), Event.at < begin_of(date(year + 1, 1, 1))
    )
    seats = department_names()
    found: dict[int | None, Reduction] = {}
    for item, department, changes in db().execute(told.execution_options(yield_per=1000)):
        days = materials = 0
        if None not in (pair := changes.get("promise_days", [None, None])):
            days = pair[0] - pair[1]
        if (pair := changes.get("materials", [None, None]))[0] is not None:
            materials = removed(*pair)
        if not days and not materials:
            continue
        row = found.setdefault(department, Reduction(seats.get(department, "—"), set()))
        row.items.add(item)
        row.days, row.materials = row.days + days, row.materials + materials
    yield from sorted(found.values(), key=lambda r: (-r.materials, -r.days, r.department))
