"""The blocks that list and show pages are made of, from the declaration: facts, progress, limits, related rows,
buttons, column heads, filters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import g, request
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from forms.convert import Spec, specs
from models import registries
from models.base import personal_fields
from models.declare import Action, Admin
from models.event import REVEAL
from models.outbox import Outbox, OutboxState
from models.workflow import can
from rules.deadlines import local_day
from rules.lifecycle import Move
from views import display
from views.display import gettext
from views.history import Past, differences, tells_past
from views.listing import Listing, listing, sortable, with_references
from views.security import db, now

MOST_INLINE = 5


@dataclass(frozen=True)
class Button:
    """An action as the page offers it. asks: it needs answers or a confirmation, so it opens a page first."""

    name: str
    label: str
    tone: str
    asks: bool


def facts(row: Any, names: Sequence[str], *, masked: bool = True) -> list[tuple[Spec, display.Cell]]:
    """What the section says; fields that only rules fill in stay away until they are filled."""
    known = specs(type(row))
    cells = [(known[n], compared(row, n, display.cell(row, n, masked=masked))) for n in names]
    return [(spec, c) for spec, c in cells if c.text or c.lines or spec.info.editable != "never"]


def compared(row: Any, name: str, shown: display.Cell) -> display.Cell:
    """Differences of the row that *row* is about side by side, where they are told at length."""
    value, subject = getattr(row, name), registries().get(getattr(row, "subject_type", ""))
    if subject is None or not shown.lines or not isinstance(value, dict):
        return shown
    return replace(shown, pairs=tuple(differences(subject, display.masked_changes(row.subject_type, value))))


def personal(row: Any) -> list[str]:
    """The personal fields of *row* that hold something and that its pages show."""
    admin: Admin = type(row).__admin__
    shown = admin.field_names
    return [n for n in personal_fields(type(row)) if n in shown and getattr(row, n) not in (None, "")]


def hidden(row: Any) -> list[str]:
    """Those of them that this person sees masked and may look at in full."""
    return personal(row) if g.scope.covers(REVEAL, row) else []


def buttons(row: Any) -> list[Button]:
    """The moves and actions open to this person on this row now."""
    admin: Admin = type(row).__admin__
    steps: list[Move | Action] = [*can(db(), row)]
    steps += [a for a in admin.actions if g.scope.covers(a.name, row) and (a.when is None or a.when(row))]
    return [Button(s.name, s.label, s.tone, bool(s.asks or s.confirm)) for s in steps]


def steps(row: Any, events: Sequence[Past]) -> list[dict[str, Any]]:
    """The progress strip: stations behind, here and ahead, with when and who for those behind."""
    admin: Admin = type(row).__admin__
    life = admin.life
    if life is None or not life.steps:
        return []
    state = getattr(row, life.field)
    stations = [*life.steps] if state in life.steps else [life.initial, state]
    here = stations.index(state)
    reached = {}
    for event in reversed(events):
        change = event.changes.get(life.field)
        if change:
            who = f"{event.who} {gettext('(for %(name)s)', name=event.behalf)}" if event.behalf else event.who
            reached[change[1]] = f"{display.moment(event.at)} {who}".strip()
    return [
        {
            "label": display.tr(station.label),
            "kind": "done" if i < here or (i == here and i == len(stations) - 1) else "now" if i == here else "",
            "note": reached.get(station.value, ""),
        }
        for i, station in enumerate(stations)
    ]


def clocks(row: Any) -> list[dict[str, Any]]:
    """The limits that run, each with the lines that explain its date."""
    admin: Admin = type(row).__admin__
    found = []
    for clock in admin.clocks:
        due = getattr(row, clock.due)
        if due is None:
            continue
        cell = display.cell(row, clock.due)
        lines = [display.tr(message, params) for message, params in getattr(row, clock.lines) or ()]
        found.append({"title": clock.title, "day": display.day(due), "cell": cell, "lines": lines})
    return found


def frame(row: Any) -> dict[str, Any]:
    """What every page about one row begins with (templates/row.html)."""
    admin: Admin = type(row).__admin__
    every = tabs(row)
    return {
        "row": row,
        "every": every,
        "tabs": [t for t in every if t.admin.name not in admin.inline],
        "tab": request.args.get("tab", ""),
        "under": [t for n in admin.list_cells[0][1:] if (t := display.cell(row, n).text)],
        "file": has_file(row),
        "subject": display.subject_of(row),
        "told": tells_past(row),
        "resume": display.resume_of(row),
        "today": local_day(now()),
        "explains": g.scope.may("roles", "show"),
    }


@dataclass(frozen=True)
class Tab:
    """A registry whose rows point at the row shown. columns: by which they do (see ``pointing_to``)."""

    admin: Admin
    model: type[Any]
    columns: tuple[str, ...]

    @property
    def cells(self) -> tuple[tuple[str, ...], ...]:
        """Its list columns without those that say what the page says already."""
        said = {*self.columns, "subject_label"} if len(self.columns) > 1 else {*self.columns}
        kept = (tuple(n for n in names if n not in said) for names in self.admin.list_cells)
        return tuple(names for names in kept if names)

    def about(self, row: Any) -> dict[str, Any]:
        """Column → value of those of its rows that point at *row*; the arguments of their list as well."""
        return dict(zip(self.columns, (type(row).__admin__.name, row.id)[-len(self.columns) :], strict=True))


def tabs(row: Any) -> list[Tab]:
    """The related registries this person may list, in declared order."""
    found = []
    for name in type(row).__admin__.related:
        model = registries()[name]
        columns = pointing_to(specs(model), type(row))
        if columns and g.scope.may(name, "list"):
            found.append(Tab(model.__admin__, model, columns))
    return found


def related(tab: Tab, row: Any, args: MultiDict[str, str]) -> Listing:
    """The rows behind *tab*: the page and the order that the address asks for."""
    kept = [(name, args[name]) for name in ("page", "sort") if name in args]
    asked = [(name, str(value)) for name, value in tab.about(row).items()]
    found = listing(db(), tab.model, MultiDict([*asked, *kept]), now(), fields=flat(tab.cells))
    if found.problems:  # what cannot be asked filters nothing: then there is nothing to show here
        found.rows, found.total, found.more = [], 0, False
    return found


def newest(tab: Tab, row: Any) -> tuple[list[Any], bool]:
    """The last few rows behind *tab*, for the first page; and whether there are more."""
    pointing = [getattr(tab.model, name) == value for name, value in tab.about(row).items()]
    mine = select(tab.model).where(*pointing).order_by(tab.model.id.desc())
    rows = [*db().scalars(with_references(mine.limit(MOST_INLINE + 1), tab.model, flat(tab.cells)))]
    return rows[:MOST_INLINE], len(rows) > MOST_INLINE


def letters_coming(row: Any, events: Sequence[Past], written: int) -> bool:
    """Has a letter about *row* been asked for that is not even numbered yet?"""
    life = type(row).__admin__.life
    moves = [life.find(event.action) for event in events if event.action] if life is not None else []
    if sum(len(move.tells) for move in moves if move is not None) <= written:
        return False
    open_ = Outbox.state.in_((OutboxState.Waiting, OutboxState.Claimed)) & Outbox.kind.startswith("letter.")
    mine = (Outbox.subject_type == type(row).__admin__.name) & (Outbox.subject_id == row.id)
    return db().scalar(select(Outbox.id).where(open_, mine).limit(1)) is not None


def has_file(row: Any) -> bool:
    admin: Admin = type(row).__admin__
    return admin.file is not None and getattr(row, "sha256", None) is not None


def cell_choices(model: type[Any]) -> list[str]:
    """The columns a person may choose for the list: the declared cells, and every other field by itself."""
    admin: Admin = model.__admin__
    declared = admin.cells.split()
    taken = {name for cell in declared for name in cell.split("/")}
    known = specs(model)
    rest = [n for n in admin.field_names if n not in taken and known[n].kind not in ("json", "long")]
    return [*declared, *rest]


def chosen_cells(model: type[Any], chosen: Sequence[str] | None) -> tuple[tuple[str, ...], ...]:
    """*chosen* as far as it still exists; the declared cells when nothing of it does. The first cell, which leads
    to the row, always stays."""
    admin: Admin = model.__admin__
    allowed = cell_choices(model)
    kept = [cell for cell in chosen or () if cell in allowed]
    if not kept:
        return admin.list_cells
    first = admin.cells.split()[0]
    return tuple(tuple(cell.split("/")) for cell in dict.fromkeys((first, *kept)))


def cell_label(model: type[Any], cell: str) -> str:
    return str(gettext(" / ").join(name_label(model, name) for name in cell.split("/")))


def name_label(model: type[Any], name: str) -> str:
    spec = specs(model).get(name)
    return display.tr(spec.label if spec else getattr(model, "LABELS", {}).get(name, ""))


def column_heads(model: type[Any], sort: str, cells: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """Label and sort argument of each column; *sort* is the present one."""
    return [
        {
            "label": name_label(model, names[0]),
            "names": names,
            "sort": next_sort(model, names[0], sort),
            "arrow": "↑" if sort == names[0] else "↓" if sort == f"-{names[0]}" else "",
        }
        for names in cells
    ]


def orders(model: type[Any], columns: Sequence[Mapping[str, Any]], asked: str) -> list[tuple[str, str]]:
    """The orders to choose from where a list has no heads to press: each column both ways, and what is asked for."""
    names = [column["names"][0] for column in columns if column["sort"]]
    if asked and sortable(model, asked):
        names.append(asked.removeprefix("-"))
    ways = (("", gettext("%(label)s, ascending")), ("-", gettext("%(label)s, descending")))
    known = dict.fromkeys(name for name in names if name_label(model, name))
    return [(sign + name, words % {"label": name_label(model, name)}) for name in known for sign, words in ways]


def next_sort(model: type[Any], name: str, current: str) -> str | None:
    if not sortable(model, name):
        return None
    return f"-{name}" if current == name else name


def flat(cells: Sequence[Sequence[str]]) -> tuple[str, ...]:
    return tuple(name for names in cells for name in names)


def pointing_to(known: Mapping[str, Spec], target: type[Any]) -> tuple[str, ...]:
    """The columns by which rows with these specs lead to *target*: a reference, or what they say they are about."""
    reference = next((n for n, spec in known.items() if spec.target is target and n != "parent_id"), None)
    about = ("subject_type", "subject_id")
    return (reference,) if reference else about if known.keys() >= set(about) else ()
