"""The blocks that list and show pages are made of, from the declaration: facts, progress, limits, related rows,
buttons, column heads, filters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import g, url_for
from flask_babel import gettext
from sqlalchemy import select

from forms.convert import Spec, parse, specs
from models import registries
from models.declare import Action, Admin, Reach
from models.event import Event
from models.workflow import can
from rules.lifecycle import Move
from views import display
from views.listing import DueFilter, Listing, with_references
from views.security import db

MOST_RELATED = 10


@dataclass(frozen=True)
class Button:
    """An action as the page offers it. asks: it needs answers or a confirmation, so it opens a page first."""

    name: str
    label: str
    tone: str
    asks: bool


def facts(row: Any, names: Sequence[str]) -> list[tuple[Spec, display.Cell]]:
    """What the section says; fields that only rules fill in stay away until they are filled."""
    known = specs(type(row))
    cells = [(known[n], display.cell(row, n)) for n in names]
    return [(spec, c) for spec, c in cells if c.text or c.lines or spec.info.editable != "never"]


def buttons(row: Any) -> list[Button]:
    """The moves and actions open to this person on this row now."""
    admin: Admin = type(row).__admin__
    steps: list[Move | Action] = [*can(db(), row)]
    steps += [a for a in admin.actions if g.scope.covers(a.name, row) and (a.when is None or a.when(row))]
    return [Button(s.name, s.label, s.tone, bool(s.asks or s.confirm)) for s in steps]


def events_of(row: Any) -> list[Event]:
    """The newest Events about the row, as far as the person may read Events."""
    admin: Admin = type(row).__admin__
    if g.scope.reading("events") is None:
        return []
    mine = (Event.subject_type == admin.name) & (Event.subject_id == row.id)
    return [*db().scalars(select(Event).where(mine).order_by(Event.id.desc()).limit(50))]


def steps(row: Any, events: Sequence[Event], names: Mapping[int, str]) -> list[dict[str, Any]]:
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
            reached[change[1]] = f"{display.moment(event.at)} {names.get(event.actor_id or 0, '')}".strip()
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


def related(row: Any) -> list[dict[str, Any]]:
    """Tables of rows that point here, as many as fit on the page."""
    found = []
    for name in type(row).__admin__.related:
        model = registries()[name]
        admin: Admin = model.__admin__
        column = pointing_to(model, type(row))
        if column is None or not g.scope.may(name, "list"):
            continue
        statement = with_references(
            select(model).where(getattr(model, column) == row.id), model, flat(admin.list_cells)
        )
        rows = [*db().scalars(statement.order_by(model.id.desc()).limit(MOST_RELATED + 1))]
        found.append(
            {
                "admin": admin,
                "rows": rows[:MOST_RELATED],
                "more": len(rows) > MOST_RELATED,
                "column": column,
                "cells": tuple(names for names in admin.list_cells if names != (column,))[:3],
            }
        )
    return found


def has_file(row: Any) -> bool:
    admin: Admin = type(row).__admin__
    return admin.file is not None and getattr(row, "sha256", None) is not None


def subject_of(row: Any) -> str | None:
    """Where the thing lives that a message or an Event speaks of."""
    name = getattr(row, "subject_type", None)
    if name in registries() and g.scope.may(str(name), "show"):
        return url_for(f"{name}.show", pk=row.subject_id)
    return None


def column_heads(model: type[Any], found: Listing) -> list[dict[str, Any]]:
    admin: Admin = model.__admin__
    heads = []
    known = specs(model)
    for names in admin.list_cells:
        spec = known.get(names[0])
        label = spec.label if spec else getattr(model, "LABELS", {}).get(names[0], "")
        heads.append({"label": display.tr(label), "names": names, "sort": next_sort(model, names[0], found.sort)})
    return heads


def next_sort(model: type[Any], name: str, current: str) -> str | None:
    spec = specs(model).get(name)
    if spec is None or spec.kind in ("json", "many", "long") or spec.info.personal:
        return None
    return f"-{name}" if current == name else name


def filter_controls(model: type[Any], found: Listing) -> list[dict[str, Any]]:
    admin: Admin = model.__admin__
    controls = []
    narrow = (g.scope.reading(admin.name) or Reach.mine) <= Reach.own
    for name in admin.filter_names:
        if narrow and name in admin.departments:
            continue  # there is but one to choose
        spec = specs(model)[name]
        chosen = found.chosen.get(name, [])
        choices: list[tuple[str, str]] = []
        if spec.choices is not None:
            choices = [(v, display.tr(label)) for v, label in spec.choices.choices()]
        elif spec.info.due:
            choices = [(v, display.tr(label)) for v, label in DueFilter.choices()]
        elif spec.kind == "boolean":
            choices = [("1", gettext("Yes")), ("0", gettext("No"))]
        elif spec.kind == "integer":
            choices = [("some", gettext("More than none")), ("0", gettext("None"))]
        elif name == "subject_type":
            choices = [(n, display.tr(m.__admin__.title)) for n, m in registries().items()]
        said = [next((label for v, label in choices if v == c), c) for c in chosen]
        if spec.kind == "reference" and spec.target is not None and chosen:
            said = [called(spec, text) for text in chosen]
        controls.append({"spec": spec, "choices": choices, "chosen": chosen, "said": said})
    return controls


def called(spec: Spec, text: str) -> str:
    """What the row of a filter is called; its number where the person may not see it."""
    if text == "empty":
        return str(gettext("None"))
    row = db().get(spec.target, parse(spec, text)) if spec.target is not None else None
    return display.label_of(row) if row is not None else text


def flat(cells: Sequence[Sequence[str]]) -> tuple[str, ...]:
    return tuple(name for names in cells for name in names)


def pointing_to(model: type[Any], target: type[Any]) -> str | None:
    """The reference of *model* that leads to *target*."""
    return next((n for n, spec in specs(model).items() if spec.target is target and n != "parent_id"), None)
