"""Which rows a session may touch. Scoping happens here, once, and not in any view.

A :class:`Scope` sits in ``session.info["scope"]``, set at the door and never changed; anonymous visitors have one
too, and a session without one refuses to run anything. Every SELECT and every ORM UPDATE or DELETE gets the
criteria of all scoped registries. What the listener cannot scope (bare tables, text, statements taken over whole,
updates by a list of keys, the legacy bulk calls) raises instead of leaking.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NoReturn, cast

from sqlalchemy import Column, Select, TextClause, event, false, or_, true
from sqlalchemy import Table as SaTable
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction, with_loader_criteria
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import ClauseElement, ColumnElement
from sqlalchemy.sql.selectable import FromClause

from models.declare import Admin, Reach

# A lookup that must see past the scope to keep a chain whole says so by this option; a test lists who may.
UNSCOPED = "yizhan_unscoped"


class ScopeError(RuntimeError):
    """A programming error: something ran without a scope, or in a way that cannot be scoped."""


class Forbidden(Exception):
    """The scope does not grant *verb* on this registry or row."""

    def __init__(self, verb: str, registry: str) -> None:
        self.verb, self.registry = verb, registry
        super().__init__(f"{verb} on {registry}")


_scoped: dict[type[Any], Admin] = {}


def register_scoped(model: type[Any], admin: Admin) -> None:
    """Called by discovery for every registry whose rows belong to a department or a person."""
    _scoped[model] = admin


def scoped_models() -> Mapping[type[Any], Admin]:
    return _scoped


@dataclass(frozen=True)
class Scope:
    """Who acts and how far. reaches: registry name → verb → reach; own, subtree: department ids.

    everything: commands and jobs, which name their purpose in ``name``.
    """

    name: str
    actor: int | None = None
    roles: frozenset[str] = frozenset()
    reaches: Mapping[str, Mapping[str, Reach]] = field(default_factory=dict)
    own: frozenset[int] = frozenset()
    subtree: frozenset[int] = frozenset()
    department: int | None = None
    everything: bool = False

    def reach(self, registry: str, verb: str) -> Reach | None:
        if self.everything:
            return Reach.all
        return self.reaches.get(registry, {}).get(verb)

    def may(self, registry: str, *verbs: str) -> bool:
        """True when any of *verbs* is granted on the registry, for whichever rows."""
        return any(self.reach(registry, verb) is not None for verb in verbs)

    def reading(self, registry: str) -> Reach | None:
        reaches = [r for v in ("list", "show") if (r := self.reach(registry, v)) is not None]
        return max(reaches, default=None)

    def departments(self, reach: Reach) -> frozenset[int]:
        return {Reach.own: self.own, Reach.subtree: self.subtree | self.own}.get(reach, frozenset())

    def covers(self, verb: str, row: Any) -> bool:
        """May *verb* be done on this very row (as it stands now)?"""
        admin: Admin = type(row).__admin__
        reach = self.reach(admin.name, verb)
        if reach is None:
            return False
        if reach is Reach.all or not admin.scoped:
            return True
        if admin.owner and getattr(row, admin.owner) == self.actor and self.actor is not None:
            return True
        if reach is Reach.mine:
            return False
        ids = {getattr(row, name) for name in admin.departments} - {None}
        return bool(ids & self.departments(reach))

    def demand(self, verb: str, row: Any) -> None:
        if not self.covers(verb, row):
            raise Forbidden(verb, type(row).__admin__.name)

    def criteria(self, model: type[Any], reach: Reach | None) -> ColumnElement[bool]:
        """The WHERE of one scoped registry under this scope."""
        admin: Admin = model.__admin__
        if reach is None:
            return false()
        if reach is Reach.all:
            return true()
        found: list[ColumnElement[bool]] = []
        if admin.owner and self.actor is not None:
            found.append(getattr(model, admin.owner) == self.actor)
        if reach is not Reach.mine:
            ids = sorted(self.departments(reach))
            found.extend(getattr(model, name).in_(ids) for name in admin.departments)
        return or_(*found) if found else false()

    @cached_property
    def options(self) -> list[Any]:
        """One loader criterion for each scoped registry; "all" adds nothing."""
        options = []
        for model, admin in _scoped.items():
            reach = self.reading(admin.name)
            if reach is Reach.all:
                continue
            where = self.criteria(model, reach)
            options.append(with_loader_criteria(model, where, include_aliases=True, propagate_to_loaders=False))
        return options


def everything(purpose: str, actor: int | None = None) -> Scope:
    """The scope of a command or a job, which says what it is for, and whose doing it is where a person asked."""
    return Scope(name=purpose, actor=actor, everything=True)


ANONYMOUS = Scope(name="anonymous")


class ScopedSession(Session):
    """A session bound to one scope for its whole life."""

    def __init__(self, *args: Any, scope: Scope | None = None, **kw: Any) -> None:
        super().__init__(*args, **kw)
        if scope is not None:
            self.info["scope"] = scope

    @property
    def scope(self) -> Scope:
        found = self.info.get("scope")
        if not isinstance(found, Scope):
            raise ScopeError("this session has no scope; set one where the request or the job begins")
        return found

    def _unscopable(self, *_: Any, **__: Any) -> NoReturn:
        raise ScopeError("the legacy bulk calls bypass the scope; use the doors or a named set operation")

    bulk_save_objects = _unscopable
    bulk_insert_mappings = _unscopable
    bulk_update_mappings = _unscopable


@event.listens_for(ScopedSession, "do_orm_execute")
def _apply_scope(state: ORMExecuteState) -> None:
    session = cast("ScopedSession", state.session)
    scope = session.scope
    if scope.everything or state.execution_options.get(UNSCOPED):
        return
    if state.is_relationship_load or state.is_column_load:
        # Made by the ORM itself, so nothing bare can hide in it; a new object's lazy load passes here as well.
        state.statement = state.statement.options(*scope.options)
        return
    _refuse_unscopable(state)
    state.statement = state.statement.options(*scope.options)


def _refuse_unscopable(state: ORMExecuteState) -> None:
    if not state.is_orm_statement and not state.is_select:
        raise ScopeError("only ORM statements can be scoped")
    if (state.is_insert or state.is_update or state.is_delete) and isinstance(state.parameters, list):
        raise ScopeError("writing by a list of keys cannot be scoped")
    if state.is_insert:
        raise ScopeError("rows are made through write.save")
    if state.is_from_statement:
        raise ScopeError("a statement taken over whole cannot be scoped")
    tables: set[FromClause] = {model.__table__ for model in _scoped}
    for part in visitors.iterate(cast("ClauseElement", state.statement)):
        if isinstance(part, TextClause):
            raise ScopeError("text cannot be scoped")
        if not state.is_orm_statement and part in tables:
            raise ScopeError(f"bare table {part} cannot be scoped")
        if isinstance(part, Select):
            # What Select yields as its tables is computed and always bare; these are what was really written.
            for written in (*part._raw_columns, *part._from_obj, *(join[0] for join in part._setup_joins)):
                _refuse_bare(written, tables)
        elif isinstance(part, Column):
            _refuse_bare(part, tables)


def _refuse_bare(written: Any, tables: set[FromClause]) -> None:
    """A table or column that carries no mark of the ORM escapes the criteria, which go by entity."""
    if "parententity" in written._annotations or "parentmapper" in written._annotations:
        return
    if isinstance(written, Column):
        if any(written.table is not None and written.table.is_derived_from(t) for t in tables):
            raise ScopeError(f"bare column {written} cannot be scoped")
    elif isinstance(written, SaTable):
        if written in tables:
            raise ScopeError(f"bare table {written.name} cannot be scoped")
    elif isinstance(written, FromClause):
        for inner in written.get_children():
            if isinstance(inner, FromClause | SaTable):
                _refuse_bare(inner, tables)


@contextmanager
def door(session: Session) -> Iterator[None]:
    """Opened by ``write.save``, ``write.remove`` and ``workflow.move`` alone: rows change only in here."""
    session.info["doors"] = session.info.get("doors", 0) + 1
    try:
        yield
        session.flush()
    finally:
        session.info["doors"] -= 1


@event.listens_for(ScopedSession, "before_flush")
def _only_through_a_door(session: Session, context: UOWTransaction, instances: Iterable[Any] | None) -> None:
    if session.info.get("doors"):
        return
    touched = [o for o in (*session.new, *session.dirty, *session.deleted) if hasattr(type(o), "version")]
    changed = [o for o in touched if o in session.new or o in session.deleted or session.is_modified(o)]
    if changed:
        raise ScopeError(f"{type(changed[0]).__name__} changed outside the doors (write.save, workflow.move)")
