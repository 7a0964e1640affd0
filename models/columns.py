"""What the declared columns of a model are, what a row holds of them, and what they demand by themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from sqlalchemy import Column, String, inspect
from sqlalchemy.orm import Mapper, RelationshipProperty
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.sql.schema import ScalarElementColumnDefault

from models.base import Info, info_of, per_model
from models.scope import ScopedSession
from rules.words import N_, Problem, Problems


@per_model
def columns(model: type[Any]) -> Mapping[str, tuple[Column[Any], Info]]:
    """Declared columns by attribute name, in declared order."""
    mapper: Mapper[Any] = inspect(model)
    found = {}
    for prop in mapper.column_attrs:
        column = prop.columns[0]
        info = info_of(column)
        if info is not None and isinstance(column, Column):
            found[prop.key] = (column, info)
    return found


@per_model
def many(model: type[Any]) -> Mapping[str, RelationshipProperty[Any]]:
    """Many-to-many relations that a declaration shows as a list of choices."""
    mapper: Mapper[Any] = inspect(model)
    return {r.key: r for r in mapper.relationships if r.secondary is not None and r.info.get("field")}


def snapshot(row: Any) -> dict[str, Any]:
    """The declared values of *row*, but for its stamps, which every change would list."""
    held = row.__dict__  # what is loaded is read past the ORM: many rows of many columns pass here
    values = {n: held[n] if n in held else getattr(row, n) for n in columns(type(row)) if n not in STAMPS}
    values.update({n: sorted(o.id for o in getattr(row, n)) for n in many(type(row))})
    return values


STAMPS = frozenset({"created_at", "created_by_id", "changed_at", "changed_by_id", "version"})


def differences(before: Mapping[str, Any], after: Mapping[str, Any], *, new: bool) -> dict[str, tuple[Any, Any]]:
    if new:
        return {n: (None, v) for n, v in after.items() if v not in (None, [], {})}
    return {n: (before[n], v) for n, v in after.items() if before[n] != v}


def target_of(model: type[Any], name: str) -> type[Any] | None:
    """The model that the foreign key *name* points to, through the relation called like it without ``_id``."""
    relation = inspect(model).relationships.get(name.removesuffix("_id"))
    return relation.mapper.class_ if relation is not None else None


def is_new(row: Any) -> bool:
    """Was it neither stored nor given to a session yet?"""
    return bool(instance_state(row).transient)


def touched(row: Any, name: str) -> bool:
    """Has this column another value than the one that is stored?"""
    return bool(inspect(row).attrs[name].history.has_changes())


def hold_all(row: Any) -> None:
    """A new row holds each of its columns, empty where nobody set it: rules read all of them, and what a row does not
    hold yet costs the ORM many times as much to read.

    None is no value to the INSERT, which fills in its defaults; so no column may store a None of its own (JSON is
    declared with ``none_as_null``).
    """
    held = row.__dict__
    for name in columns(type(row)):
        held.setdefault(name, None)


@per_model
def defaults(model: type[Any]) -> Mapping[str, Any]:
    """Name → plain value that the INSERT fills in."""
    known = ((name, column.default) for name, (column, _) in columns(model).items())
    return {name: default.arg for name, default in known if isinstance(default, ScalarElementColumnDefault)}


def fill_defaults(row: Any) -> None:
    """Defaults that the INSERT would fill in are there for the rules already."""
    for name, default in defaults(type(row)).items():
        if getattr(row, name) is None:
            setattr(row, name, default)


@dataclass(frozen=True)
class _Demand:
    """What a column itself demands of its value. filled: the INSERT fills it in where nobody does. longest: in
    characters, of a text. target: where a reference leads."""

    name: str
    info: Info
    required: bool
    filled: bool
    text: bool
    longest: int | None
    target: type[Any] | None


@per_model
def demands(model: type[Any]) -> tuple[_Demand, ...]:
    """Of each declared column."""
    return tuple(_demand(model, name, column, info) for name, (column, info) in columns(model).items())


def _demand(model: type[Any], name: str, column: Column[Any], info: Info) -> _Demand:
    return _Demand(
        name,
        info,
        required=not column.nullable and name not in STAMPS,
        filled=column.default is not None or column.server_default is not None,
        text=isinstance(column.type, String),
        longest=getattr(column.type, "length", None) or None,
        target=target_of(model, name) if column.foreign_keys else None,
    )


def column_problems(
    session: ScopedSession, row: Any, before: Mapping[str, Any], unread: Problems | None = None
) -> Problems:
    """What the columns themselves demand: presence, length, bounds, a member of the list, a reference in reach.

    unread: of these fields what was typed could not be read, so that is all there is to say of them.
    """
    found, underived = Problems(), Problems()
    new, skipped = is_new(row), {p.field for p in unread or ()}
    held = row.__dict__
    for demand in demands(type(row)):
        if (name := demand.name) in skipped:
            continue
        value = held[name] if name in held else getattr(row, name)
        if value is None or value == "":
            if demand.required and not (new and demand.filled):
                missing = Problem(name, "required", N_("Please fill in this field."))
                (underived if demand.info.editable == "never" else found).append(missing)
            elif value == "":
                setattr(row, name, None)
            continue
        if demand.text:
            if isinstance(value, str) and not isinstance(value, Enum):
                found.extend(_text_problems(name, value, demand.longest))
        elif isinstance(value, int | Decimal) and not isinstance(value, bool):
            found.extend(_bound_problems(name, value, demand.info))
        if demand.target is not None and value != before.get(name) and session.get(demand.target, value) is None:
            found.append(Problem(name, "not_found", N_("There is no such row, or you may not see it.")))
    # What rules fill in is missing only because of what people left out, unless nothing else is wrong.
    return found or (Problems() if unread else underived)


def _text_problems(name: str, value: str, longest: int | None) -> Iterator[Problem]:
    if longest and len(value) > longest:
        message = N_("At most %(longest)d characters; these are %(length)d.")
        yield Problem(name, "too_long", message, {"longest": longest, "length": len(value)})
    if UNSTORABLE.search(value):
        yield Problem(name, "characters", N_("This text holds a character that cannot be stored."))


UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


def _bound_problems(name: str, value: int | Decimal, info: Info) -> Iterator[Problem]:
    if info.minimum is not None and value < info.minimum:
        yield Problem(name, "too_small", N_("At least %(bound)s."), {"bound": info.minimum})
    if info.maximum is not None and value > info.maximum:
        yield Problem(name, "too_large", N_("At most %(bound)s."), {"bound": info.maximum})
