"""Rows of a registry → cells of a file, as a stream: columns are selected, never whole rows.

What the references are called is asked for once for each that appears. The session's scope narrows every statement, as
on any page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, inspect, select

from forms.cells import Value, exported, headings, shown
from forms.convert import Spec, specs
from forms.references import References
from forms.sheets import Column
from models.columns import STAMPS
from models.declare import Admin
from models.scope import ScopedSession
from translations.speech import say

# Rows that are held at once.
CHUNK = 1_000
# Different values of a column whose words are remembered.
REMEMBERED = 10_000


def every_field(model: type[Any]) -> list[str]:
    """All that the forms and pages of a registry show, but for the stamps; what an import takes stands among it."""
    known = specs(model)
    return exported(model, [n for n in model.__admin__.field_names if n in known and n not in STAMPS])


def columns_for(model: type[Any], names: Iterable[str]) -> list[str]:
    """Of *names*, as a list shows them, those that are fields; with the natural key, without stamps."""
    known = specs(model)
    admin: Admin = model.__admin__
    wanted = [n for n in names if n in known and n not in STAMPS]
    return exported(model, wanted or [n for n in admin.field_names if n in known])


def heads(model: type[Any], names: Sequence[str], locale: str) -> list[Column]:
    known = specs(model)
    titles = headings(model, names, locale)
    return [Column(title, known[name].kind) for title, name in zip(titles, names, strict=True)]


def rows(
    session: ScopedSession, model: type[Any], names: Sequence[str], statement: Select[Any], locale: str
) -> Iterator[list[Value]]:
    """The cells of every row of *statement*, which selects nothing yet but says which rows and in which order."""
    known = specs(model)
    asked: list[Spec] = [known[name] for name in names]
    single = [spec for spec in asked if spec.kind != "many"]
    references = References(session)
    plain_columns = [getattr(model, spec.name) for spec in single]
    # yield_per makes the driver hand the rows over piece by piece (a cursor on the server, where there is one).
    result = session.execute(
        statement.with_only_columns(model.id, *plain_columns), execution_options={"yield_per": CHUNK}
    )
    says = [_teller(model, spec, locale, references) for spec in asked]
    for part in result.partitions(CHUNK):
        lists = {
            spec.name: _lists(session, model, spec, [row[0] for row in part]) for spec in asked if spec not in single
        }
        for place, spec in enumerate(single, start=1):
            if spec.kind == "reference" and spec.target is not None:
                ids = {row[place] for row in part}
                references.name(spec.target, ids, locale)
                if spec.name in model.__admin__.natural_key:
                    references.tell_apart(spec.target, ids)
        for spec in asked:
            if spec.kind == "many" and spec.target is not None:
                references.name(spec.target, {i for ids in lists[spec.name].values() for i in ids}, locale)
        if not lists:
            for row in part:
                yield [say_it(value) for say_it, value in zip(says, row[1:], strict=True)]
            continue
        places = {spec.name: place for place, spec in enumerate(single, start=1)}
        for row in part:
            values = (lists[s.name].get(row[0], []) if s.name in lists else row[places[s.name]] for s in asked)
            yield [say_it(value) for say_it, value in zip(says, values, strict=True)]


def _teller(model: type[Any], spec: Spec, locale: str, references: References) -> Callable[[Any], Value]:
    """How the values of one column are written: what stands there again and again is worked out once."""

    def tell(value: Any) -> Value:
        return shown(model, spec, value, locale, references.called)

    if spec.kind in ("choice", "boolean", "reference"):
        return lru_cache(REMEMBERED)(tell)
    if spec.kind in ("text", "long", "integer", "date") and not (spec.info.personal or spec.info.message):
        return _as_it_is
    return tell


def _as_it_is(value: Any) -> Value:
    return "" if value is None else value


def _lists(session: ScopedSession, model: type[Any], spec: Spec, ids: Sequence[int]) -> dict[int, list[int]]:
    """Row → ids of what it is connected with, in the order of the ids."""
    attribute = getattr(model, spec.name)
    target = inspect(model).relationships[spec.name].mapper.class_
    found: dict[int, list[int]] = {}
    statement = select(model.id, target.id).join(attribute).where(model.id.in_(ids)).order_by(target.id)
    for row_id, other in session.execute(statement):
        found.setdefault(row_id, []).append(other)
    return found


def template_columns(session: ScopedSession, model: type[Any], names: Sequence[str], locale: str) -> list[Column]:
    """The columns of a file to be filled in: with drop-down lists of what one may see, and help."""
    known = specs(model)
    found = []
    for title, name in zip(headings(model, names, locale), names, strict=True):
        spec = known[name]
        choices: tuple[str, ...] = ()
        if spec.choices is not None:
            choices = tuple(say(locale, member.label) for member in spec.choices)
        elif spec.kind == "boolean":
            choices = tuple(str(shown(model, spec, value, locale, {})) for value in (True, False))
        elif spec.kind == "reference" and spec.target is not None:
            choices = tuple(References(session).offered(spec.target, locale))
        found.append(Column(title, spec.kind, help_of(spec, locale), required(spec, name, model), choices))
    return found


def required(spec: Spec, name: str, model: type[Any]) -> bool:
    admin: Admin = model.__admin__
    return spec.required or name in admin.natural_key


def help_of(spec: Spec, locale: str) -> str:
    return say(locale, spec.info.help) if spec.info.help else ""
