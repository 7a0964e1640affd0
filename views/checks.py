"""Mistakes in declarations, each with a code, all told at once at start: a wrong word never reaches a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import inspect

from forms.convert import UnknownType, specs
from models import registries
from models.declare import Admin, Reach, Role


@dataclass(frozen=True)
class Mistake:
    code: str
    where: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.code} {self.where}: {self.sentence}"


class WrongDeclarations(SystemExit):
    def __init__(self, found: list[Mistake]) -> None:
        self.found = found
        super().__init__("\n".join(map(str, found)))


def refuse_mistakes(models: Iterable[type[Any]]) -> None:
    if found := mistakes(models):
        raise WrongDeclarations(found)


def mistakes(models: Iterable[type[Any]]) -> list[Mistake]:
    """Everything wrong in the declarations of *models*."""
    return [m for model in models for m in _mistakes(model)]


def _mistakes(model: type[Any]) -> Iterator[Mistake]:
    admin: Admin = model.__admin__
    where = f"models/{model.__module__.rpartition('.')[2]}.py {model.__name__}"
    try:
        known = set(specs(model))
    except UnknownType as error:
        yield Mistake("D001", where, str(error))
        return
    yield from _names(model, admin, known, where)
    yield from _grants(admin, where)
    yield from _required(model, admin, where)
    yield from _scope(model, admin, where)


def _names(model: type[Any], admin: Admin, known: set[str], where: str) -> Iterator[Mistake]:
    plain = {name for name in dir(model) if not name.startswith("_")}
    parts: dict[str, tuple[Iterable[str], set[str]]] = {
        "groups": (admin.field_names, known),
        "search": (admin.search_columns, known),
        "filters": (admin.filter_names, known),
        "departments": (admin.departments, plain),
        "natural_key": (admin.natural_key, known),
        "order": ([admin.order.removeprefix("-")], known | {"id", "path"}),
        "label": ([admin.label], plain),
        "cells": ([n for names in admin.list_cells for n in names], plain),
        "clocks": ([n for c in admin.clocks for n in (c.due, c.lines)], known),
        "owner": ([admin.owner] if admin.owner else [], known),
        "follows": ([admin.follows] if admin.follows else [], known),
        "file": ([admin.file] if admin.file else [], plain),
        "asks": ([n for m in (admin.life.moves if admin.life else ()) for n in m.asks], known),
    }
    for word, (names, allowed) in parts.items():
        for name in names:
            if name not in allowed:
                yield Mistake("D002", where, f"{word} names {name!r}, which the model does not declare")
    for name in admin.related:
        if name not in registries():
            yield Mistake("D003", where, f"related names {name!r}, which is no registry")
            continue
        other = registries()[name]
        leads_here = [n for n, spec in specs(other).items() if spec.target is model and n != "parent_id"]
        if not leads_here or leads_here[0] not in other.__admin__.filter_names:
            sentence = f"related names {name!r}, which has no filter for {leads_here[0] if leads_here else 'this one'}"
            yield Mistake("D006", where, sentence)
    for name, spec in specs(model).items():
        if spec.kind == "reference" and spec.target is None and name in (*admin.field_names, *admin.filter_names):
            yield Mistake(
                "D004", where, f"{name} is shown but has no relation {name.removesuffix('_id')!r} to call it by"
            )
    if admin.life and getattr(admin.life.states, "__members__", None) is not None:
        for move in admin.life.moves:
            unknown = [s for s in (*move.sources, move.target) if s not in admin.life.states]
            if unknown:
                yield Mistake("D005", where, f"move {move.name!r} names the unknown states {unknown}")


def _grants(admin: Admin, where: str) -> Iterator[Mistake]:
    for grant in admin.grants:
        for verb in grant.words:
            if verb not in admin.verbs:
                yield Mistake("D010", where, f"a grant to {grant.role.value} names the unknown verb {verb!r}")
        if grant.reach is Reach.mine and admin.owner is None:
            yield Mistake("D011", where, f"a grant to {grant.role.value} reaches only mine, but no owner is declared")


def _required(model: type[Any], admin: Admin, where: str) -> Iterator[Mistake]:
    """A person who may add rows must be able to fill in what is required."""
    if not any("add" in g.words for g in admin.grants):
        return
    shown = set(admin.field_names)
    for name, spec in specs(model).items():
        if spec.required and spec.info.editable != "never" and name not in shown:
            yield Mistake("D020", where, f"{name} is required but stands in no group")


def _scope(model: type[Any], admin: Admin, where: str) -> Iterator[Mistake]:
    """A required reference to a registry with narrower reading would lose rows or give a silent None."""
    mapper = inspect(model)
    for name, spec in specs(model).items():
        target = getattr(spec.target, "__admin__", None)
        if spec.kind != "reference" or target is None:
            continue
        if target.scoped and not admin.scoped:
            yield Mistake(
                "D030", where, f"{name} leads to {target.name}, whose rows belong to departments; so must these"
            )
        if mapper.columns[name].nullable or not target.scoped or name in (*admin.departments, admin.owner):
            continue
        for role in Role:
            own, theirs = _reading(admin, role), _reading(target, role)
            if own is None or theirs is Reach.all:
                continue
            if theirs is None or own > theirs or admin.follows != name:
                yield Mistake(
                    "D031",
                    where,
                    f"{role.value} reads these rows but may not see what {name} leads to in {target.name}; "
                    "widen that grant, or say follows= and take the department over",
                )


def _reading(admin: Admin, role: Role) -> Reach | None:
    return max((g.reach for g in admin.grants if g.role is role and {"list", "show"} & set(g.words)), default=None)
