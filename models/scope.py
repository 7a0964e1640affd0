"""Which rows a session may touch. Scoping happens here, once, and not in any view.

A :class:`Scope` sits in ``session.info["scope"]``, set at the door and never changed; anonymous visitors have one
too, and a session without one refuses to run anything. Every SELECT and every ORM UPDATE or DELETE gets the
criteria of all scoped registries. What the listener cannot scope (bare tables, text, statements taken over whole,
updates by a list of keys, the legacy bulk calls) raises instead of leaking.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any, NoReturn, cast

from sqlalchemy import Column, Join, Select, TableClause, TextClause, UpdateBase, event, false, inspect, or_, true
from sqlalchemy import Table as SaTable
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction, object_session, with_loader_criteria
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.lambdas import LambdaElement
from sqlalchemy.sql.selectable import AliasedReturnsRows, FromClause

from models.base import metadata
from models.declare import READING, Admin, Reach, Role

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
class Lent:
    """A verb that somebody else's right opens or widens. owner: whose right it is; own: how far one's own goes."""

    owner: int
    own: Reach | None = None


@dataclass(frozen=True)
class Scope:
    """Who acts and how far. reaches: registry name → verb → reach; own, subtree: department ids.

    behind: registry name → how far rules may look along references where no verb is granted (see ``narrowed``).
    lent: registry name → verb → what of it is an absent colleague's right; ``reaches`` has it in it already.
    everything: commands and jobs, which name their purpose in ``name``. outside: whoever has not signed in, on pages
    that are open to them (``outside()``).
    """

    name: str
    actor: int | None = None
    roles: frozenset[str] = frozenset()
    reaches: Mapping[str, Mapping[str, Reach]] = field(default_factory=dict)
    own: frozenset[int] = frozenset()
    subtree: frozenset[int] = frozenset()
    department: int | None = None
    everything: bool = False
    outside: bool = False
    behind: Mapping[str, Reach] = field(default_factory=dict)
    lent: Mapping[str, Mapping[str, Lent]] = field(default_factory=dict)

    def reach(self, registry: str, verb: str) -> Reach | None:
        if self.everything:
            return Reach.all
        return self.reaches.get(registry, {}).get(verb)

    def may(self, registry: str, *verbs: str) -> bool:
        """True when any of *verbs* is granted on the registry, for whichever rows."""
        return any(self.reach(registry, verb) is not None for verb in verbs)

    def reading(self, registry: str) -> Reach | None:
        """How far rows of the registry are loaded, be it only because a row in reach leads to them."""
        reaches = [r for v in READING if (r := self.reach(registry, v)) is not None]
        return max([*reaches, *filter(None, [self.behind.get(registry)])], default=None)

    def narrowed(
        self,
        *,
        verbs: Collection[str] | None = None,
        registries: Collection[str] | None = None,
        only: Mapping[str, Collection[str]] | None = None,
    ) -> Scope:
        """This scope with nothing but *verbs* on *registries* (None: all that it has); never more than it grants.

        only: registry → the verbs kept on that one. Rules still see what they see for the person: a case cannot be
        judged without its item. But no door opens on it.
        """
        if self.everything:
            raise ScopeError("the scope of a command cannot be narrowed: it lists no grants")
        kept: dict[str, dict[str, Reach]] = {}
        for name, granted in self.reaches.items():
            if registries is not None and name not in registries:
                continue
            limits = [limit for limit in (verbs, (only or {}).get(name)) if limit is not None]
            kept[name] = {v: reach for v, reach in granted.items() if all(v in limit for limit in limits)}
        behind = {name: reach for name in self.reaches if (reach := self.reading(name)) is not None}
        return replace(self, reaches=kept, behind=behind)

    @property
    def audiences(self) -> list[Role]:
        """The declared roles of this person."""
        return [role for role in Role if role.value in self.roles]

    def departments(self, reach: Reach) -> frozenset[int]:
        return {Reach.own: self.own, Reach.subtree: self.subtree | self.own}.get(reach, frozenset())

    def covers(self, verb: str, row: Any, *, shared: bool = True) -> bool:
        """May *verb* be done on this very row (as it stands now)? shared: be it only because one is its audience."""
        reach = self.reach(type(row).__admin__.name, verb)
        return reach is not None and self.within(reach, verb, row, shared=shared)

    def within(self, reach: Reach, verb: str, row: Any, *, shared: bool = True) -> bool:
        """Does *reach* take in this very row?"""
        admin: Admin = type(row).__admin__
        if reach is Reach.all or not admin.scoped:
            return True
        if admin.owner and getattr(row, admin.owner) == self.actor and self.actor is not None:
            return True
        if shared and admin.audience and verb in READING and getattr(row, admin.audience) in self.audiences:
            return True
        if reach is Reach.mine:
            return False
        ids = {getattr(row, name) for name in admin.departments} - {None}
        return bool(ids & self.departments(reach))

    def on_behalf_of(self, verb: str, row: Any) -> int | None:
        """Whose right it is to do *verb* on this row, where it is not one's own."""
        lent = self.lent.get(type(row).__admin__.name, {}).get(verb)
        if lent is None or (lent.own is not None and self.within(lent.own, verb, row)):
            return None
        return lent.owner

    def demand(self, verb: str, row: Any) -> None:
        if not self.covers(verb, row):
            raise Forbidden(verb, type(row).__admin__.name)

    def criteria(self, model: type[Any], reach: Reach | None) -> ColumnElement[bool]:
        """The WHERE of one scoped registry under this scope."""
        admin: Admin = model.__admin__
        if self.outside and admin.public is not None:
            return admin.public.when(model)
        if reach is None:
            return false()
        if reach is Reach.all:
            return true()
        found: list[ColumnElement[bool]] = []
        if admin.owner and self.actor is not None:
            found.append(getattr(model, admin.owner) == self.actor)
        if admin.audience and self.audiences:
            found.append(getattr(model, admin.audience).in_(self.audiences))
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
            if reach is Reach.all and not (self.outside and admin.public is not None):
                continue
            where = self.criteria(model, reach)
            # Users are flask-appbuilder's class too, which its relations lead to: the criteria hold for both.
            entity = inspect(model).base_mapper.class_
            # Without propagate_to_loaders, joinedload would bring rows in that the criteria keep out elsewhere.
            options.append(with_loader_criteria(entity, where, include_aliases=True, propagate_to_loaders=True))
        return options


def everything(purpose: str, actor: int | None = None) -> Scope:
    """The scope of a command or a job, which says what it is for, and whose doing it is where a person asked."""
    return Scope(name=purpose, actor=actor, everything=True)


ANONYMOUS = Scope(name="anonymous")


@cache
def outside() -> Scope:
    """The scope of the public pages: rows that their declaration opens, and what these are called by. No verb is
    granted; a row that refers to one that is not open tells what that is called where it says so itself."""
    behind: dict[str, Reach] = {}
    for model, admin in _scoped.items():
        if admin.public is not None:
            relations = inspect(model).relationships
            shown = [relations.get(name.removesuffix("_id")) for name in admin.outside.field_names]
            named = [r.mapper.class_.__admin__.name for r in shown if r is not None]
            behind |= dict.fromkeys((admin.name, *named), Reach.all)
    return Scope(name="outside", outside=True, behind=behind)


class ScopedSession(Session):
    """A session bound to one scope for its whole life."""

    def __init__(self, *args: Any, scope: Scope | None = None, **kw: Any) -> None:
        super().__init__(*args, **kw)
        self._bound = scope
        if scope is not None:
            self.info["scope"] = scope

    @property
    def scope(self) -> Scope:
        found = self.info.get("scope")
        if not isinstance(found, Scope):
            raise ScopeError("this session has no scope; set one where the request or the job begins")
        if self._bound is None:
            self._bound = found
        if found is not self._bound:
            raise ScopeError("a session keeps its scope: rows of the old one may still be in it")
        return found

    def include(self, department: int, superior: int | None) -> None:
        """A department was made below one in reach: what is filed there is in reach from now on. Never narrows."""
        if superior in self.scope.subtree:
            self._bound = replace(self.scope, subtree=self.scope.subtree | {department})
            self.info["scope"] = self._bound

    def get(self, *args: Any, **kw: Any) -> Any:
        _ = self.scope  # a row that is loaded already comes back without any statement
        return super().get(*args, **kw)

    def _unscopable(self, *_: Any, **__: Any) -> NoReturn:
        raise ScopeError("the legacy bulk calls bypass the scope; use the doors or a named set operation")

    bulk_save_objects = _unscopable
    bulk_insert_mappings = _unscopable
    bulk_update_mappings = _unscopable


def session_of(row: Any) -> ScopedSession:
    """The session that holds *row*: what rules of a life cycle, which are given the row alone, ask it by."""
    found = object_session(row)
    assert isinstance(found, ScopedSession)
    return found


@event.listens_for(ScopedSession, "do_orm_execute")
def _apply_scope(state: ORMExecuteState) -> None:
    session = cast("ScopedSession", state.session)
    scope = session.scope
    if scope.everything:
        return
    if state.execution_options.get(UNSCOPED):
        _refuse_rows(state)
        return
    if state.is_column_load:
        # Loader criteria stand aside when a row that is in the session is read again; a plain condition does not.
        state.statement = cast("Select[Any]", state.statement).where(*_reloading(state, scope))
        return
    if not state.is_relationship_load:  # made by the ORM itself, so nothing bare can hide in it
        _refuse_unscopable(state)
    # A lazy load brings the options of its parent's load along, unless the parent is new.
    present = {id(option) for option in getattr(state.statement, "_with_options", ())}
    state.statement = state.statement.options(*(o for o in scope.options if id(o) not in present))


def _reloading(state: ORMExecuteState, scope: Scope) -> list[ColumnElement[bool]]:
    table = state.bind_mapper.local_table if state.bind_mapper is not None else None
    return [scope.criteria(m, scope.reading(a.name)) for m, a in _scoped.items() if m.__table__ is table]


def _refuse_rows(state: ORMExecuteState) -> None:
    """An unscoped lookup takes columns: a row would stay in the session, where ``get`` hands it to anybody."""
    selected = getattr(state.statement, "column_descriptions", [{}])
    if not state.is_select or any(one.get("expr") is one.get("entity") for one in selected):
        raise ScopeError("an unscoped lookup takes columns only")


def _refuse_kind(state: ORMExecuteState) -> None:
    """Statements that cannot be scoped whatever they say."""
    if not state.is_orm_statement and not state.is_select:
        raise ScopeError("only ORM statements can be scoped")
    if (state.is_insert or state.is_update or state.is_delete) and isinstance(state.parameters, list):
        raise ScopeError("writing by a list of keys cannot be scoped")
    if state.is_insert:
        raise ScopeError("rows are made through write.save")
    if state.is_from_statement:
        raise ScopeError("a statement taken over whole cannot be scoped")
    if isinstance(state.statement, LambdaElement):
        raise ScopeError("a cached lambda hides what it selects")


def _refuse_unscopable(state: ORMExecuteState) -> None:
    """Raise for what the criteria, which go by entity, would not reach."""
    _refuse_kind(state)
    statement = state.statement
    tables: set[FromClause] = {model.__table__ for model in _scoped}
    # Each part with the entities in whose SELECT it stands, for a bare column of one of them adds no table; and
    # whether it stands in an UPDATE or DELETE itself, where the criteria reach no second table.
    todo: list[tuple[Any, frozenset[FromClause], bool]] = [(statement, frozenset(), False)]
    while todo:
        part, entities, changing = todo.pop()
        _refuse_part(part, tables, state.is_orm_statement)
        if isinstance(part, Select):
            # What Select yields as its tables is computed and always bare; these are what was really written.
            written: tuple[Any, ...] = (*part._raw_columns, *part._from_obj, *(join[0] for join in part._setup_joins))
            for one in written:
                _refuse_bare(one, tables)
            entities = frozenset(e.selectable for w in written if (e := w._annotations.get("parententity")) is not None)
            changing = False
        elif isinstance(part, UpdateBase):
            if part is not statement:
                raise ScopeError("a change inside another statement cannot be scoped")
            entities, changing = frozenset({part.table}), True
        elif isinstance(part, Column):
            source: Any = part.table
            if (changing or not _is_marked(part)) and source not in entities and _base(source) in tables:
                raise ScopeError(f"bare column {part} cannot be scoped")
            if source is not None and not isinstance(source, SaTable):
                todo.append((source, entities, changing))
        todo.extend((child, entities, changing) for child in part.get_children())


def _refuse_part(part: Any, tables: set[FromClause], orm: bool) -> None:
    """Words that reach a table without naming it as one of ours."""
    if isinstance(part, TextClause) or (getattr(part, "is_literal", False) and not _HARMLESS.fullmatch(part.name)):
        raise ScopeError("text cannot be scoped")
    if any(getattr(part, name, ()) for name in ("_prefixes", "_suffixes", "_hints", "_statement_hints")):
        raise ScopeError("text cannot be scoped")
    if isinstance(part, TableClause) and (not isinstance(part, SaTable) or part.metadata is not metadata):
        raise ScopeError(f"table {part.name} is not one of the declared tables")
    if not orm and part in tables:
        raise ScopeError(f"bare table {part} cannot be scoped")


# COUNT(*) and EXISTS (SELECT *) are written with such a column.
_HARMLESS = re.compile(r"\*|\d+")


def _is_marked(part: Any) -> bool:
    return "parententity" in part._annotations or "parentmapper" in part._annotations


def _base(source: Any) -> Any:
    """The table under any aliases."""
    while isinstance(source, AliasedReturnsRows) and isinstance(source.element, FromClause):
        source = source.element
    return source


def _refuse_bare(written: Any, tables: set[FromClause]) -> None:
    """A table that carries no mark of the ORM, and any join that was not made by ``select().join()``."""
    if isinstance(written, Join):
        raise ScopeError("only joins made by select().join() can be scoped")
    if isinstance(written, FromClause) and not _is_marked(written) and _base(written) in tables:
        raise ScopeError(f"bare table {_base(written)} cannot be scoped")


@contextmanager
def door(session: Session, row: Any = None) -> Iterator[None]:
    """Opened by ``write.save``, ``write.remove`` and ``workflow.move`` alone: rows change only in here.

    row: what is to be changed. Nothing else that was touched before may slip through with it.
    """
    if not session.info.get("doors"):
        _refuse_strays(session, row)
    session.info["doors"] = session.info.get("doors", 0) + 1
    try:
        yield
        session.flush()
    finally:
        session.info["doors"] -= 1


@event.listens_for(ScopedSession, "before_flush")
def _only_through_a_door(session: Session, context: UOWTransaction, instances: Iterable[Any] | None) -> None:
    if not session.info.get("doors"):
        _refuse_strays(session)


def _refuse_strays(session: Session, row: Any = None) -> None:
    others = [o for o in (*session.new, *session.dirty, *session.deleted) if o is not row]
    touched = [o for o in others if hasattr(type(o), "version")]
    changed = [o for o in touched if o in session.new or o in session.deleted or session.is_modified(o)]
    if changed:
        raise ScopeError(f"{type(changed[0]).__name__} changed outside the doors (write.save, workflow.move)")
