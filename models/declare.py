"""The frozen words a model may say about itself. ``views/generator.py`` turns them into pages and routes.

A registry is a model with ``__admin__ = Admin(…)``. Everything here is data; a function is taken only where a
rule cannot be data (``check``, ``derive``, ``letter``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from enum import IntEnum
from typing import Any

from sqlalchemy import ColumnElement

from rules.lifecycle import Lifecycle, Move
from rules.words import N_, LabelEnum, Problem, Told


class Role(LabelEnum):
    """The roles of 《陕西省政务服务效能管理暂行办法》 arts. 3–4 as far as a registry uses them."""

    Administrator = "administrator", N_("System administrator")
    Management = "management", N_("Government-service management department")
    Clerk = "clerk", N_("Department clerk")
    Approver = "approver", N_("Department approver")
    Auditor = "auditor", N_("Auditor")
    ReformLead = "reform_lead", N_("Approval-reform lead department")


class Reach(IntEnum):
    """How far a grant goes; a wider reach includes the narrower ones."""

    mine = 1  # rows that name me
    own = 2  # rows of my department
    subtree = 3  # rows of my department and all below (for a management department: of the government it serves)
    all = 4


# How far a grant goes, in words; shown in matrices, so short.
REACHES: Mapping[Reach, str] = {
    Reach.mine: N_("Own rows"),
    Reach.own: N_("Own department"),
    Reach.subtree: N_("Department and below"),
    Reach.all: N_("All"),
}


class MenuGroup(LabelEnum):
    """The navigation, grouped by task; the order is the order on the page."""

    Today = "today", N_("Today")
    Cases = "cases", N_("Cases")
    Items = "items", N_("Items and guides")
    Letters = "letters", N_("Official letters")
    Supervision = "supervision", N_("Evaluation and supervision")
    System = "system", N_("Settings")
    Mine = "mine", N_("My account")  # not in the navigation: reached through one's own name


@dataclass(frozen=True)
class Grant:
    """What a role may do with a registry, and how far: ``Grant(Role.Clerk, "list show add", Reach.own)``.

    can: the words list show add edit delete import export reveal, and names of moves or actions.
    """

    role: Role
    can: str
    reach: Reach = Reach.own

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(self.can.split())


# A reference registry is read by everybody who works here; who maintains it is said beside.
_EVERYBODY = (Role.Management, Role.Clerk, Role.Approver, Role.Auditor, Role.ReformLead)
READERS = tuple(Grant(role, "list show export", Reach.all) for role in _EVERYBODY)


@dataclass(frozen=True)
class Group:
    """A section of the form and of the show page."""

    title: str
    fields: str

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.fields.split())


@dataclass(frozen=True)
class Action:
    """A verb that is not a change of state.

    run(session, row, given, now) changes the row, raises RuleError where it may not, and may return an answer that
    is shown once (text) or said above the page (Told). asks: fields the person fills in with it; requires: those that
    may not be left empty. when(row) says on which rows the page offers it. bulk: it is offered for many rows too.
    """

    name: str
    label: str
    run: Callable[..., str | Told | None]
    asks: tuple[str, ...] = ()
    confirm: str | None = None
    tone: str = "plain"
    when: Callable[[Any], bool] | None = None
    requires: tuple[str, ...] = ()
    bulk: bool = False


@dataclass(frozen=True)
class Todo:
    """Something to be told later: a row of the Outbox, made in the same transaction as its cause."""

    kind: str
    key: str
    due_at: datetime
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reminder:
    """A message to the person who has a row in hand, sent at a moment that is settled when the row is made.

    name: stays the same for good, rows of the outbox refer to it. at(session, row, now) is that moment, or None for
    no reminder; without it only moves send it that name it in ``later``. text: message id; says(row) fills its places
    when it is sent. to: the column that names who is told. states: it is sent only while the row is in one of them;
    none said: in any.
    """

    name: str
    text: str
    at: Callable[..., datetime | None] | None
    says: Callable[[Any], Mapping[str, Any]]
    to: str = "handler_id"
    states: tuple[LabelEnum, ...] = ()


@dataclass(frozen=True)
class Clock:
    """A due date on the show page that explains itself: attribute of the date, and of its list of lines.

    provisional: attribute that says whether the date may still move; limits may share one.
    """

    title: str
    due: str
    lines: str
    provisional: str | None = None


@dataclass(frozen=True)
class Figure:
    """A number on the workbench; it leads to the list that it counts. where: that list's arguments,
    ``"state=received&notice_due=overdue"``. tone: how it is coloured while it is not zero (bad, warn or none)."""

    label: str
    where: str
    tone: str = ""


@dataclass(frozen=True)
class Block:
    """A short table on the workbench: the first rows of a list. where, order: as in the list's address.
    empty: what is said when there are none; if nothing is, a block beside is then left out. aside: stands in the narrow
    column, by the rows' labels alone."""

    title: str
    where: str
    order: str = ""
    empty: str = N_("Nothing is waiting.")
    aside: bool = False


@dataclass(frozen=True)
class Tally:
    """How many rows there are of each member of a list, on the workbench. field: the column of that list; where: of
    which rows, as in their list's address."""

    title: str
    field: str
    where: str = ""


@dataclass(frozen=True)
class Control:
    """Fields that nobody changes alone once they say something: only a finished change request does
    (《陕西省政务服务效能管理暂行办法》 art. 5; models/change.py).

    fields: their names. states: the states of the row in which that holds. effects: kind of change → what is done
    besides, called with (session, row, change, now) when it takes effect; it may return Problems, and then nothing
    happens.
    """

    fields: str
    states: tuple[LabelEnum, ...]
    effects: Mapping[str, Callable[..., Iterable[Problem] | None]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.fields.split())


@dataclass(frozen=True)
class Public:
    """What everybody may read of a registry without signing in, at ``/public/<name>/``
    (《陕西省政务服务效能管理暂行办法》 art. 5: 统一向社会公开; art. 28: but for what involves secrets).

    when(model): of which rows; these pages load no other one. title: what is written above the list. groups: the
    sections of the page of a row. cells, search, filters, order: as of Admin, of fields in groups alone.
    """

    when: Callable[[Any], ColumnElement[bool]]
    title: str
    groups: tuple[Group, ...]
    cells: str
    search: str = ""
    filters: str = ""
    order: str = "id"


@dataclass(frozen=True)
class Page:
    """A page that is written by hand: about one row (its route takes ``pk``), linked among the row's tabs, or about a
    registry. verb: who may do this sees the link; the page asks for itself. when(row): on which rows there is one."""

    label: str
    endpoint: str
    verb: str = "show"
    when: Callable[[Any], bool] | None = None


@dataclass(frozen=True)
class Remark(Told):
    """A sentence on the workbench about what should be seen to. page: where, for whoever may do its verb there."""

    page: Page | None = None


@dataclass(frozen=True)
class Desk:
    """What a registry puts on the workbench of everybody who may list it.

    remarks(session, now) yields sentences (Told) about what should be seen to; a Remark leads to where that is done.
    """

    figures: tuple[Figure, ...] = ()
    blocks: tuple[Block, ...] = ()
    tallies: tuple[Tally, ...] = ()
    remarks: Callable[..., Iterable[Told]] | None = None


@dataclass(frozen=True)
class Admin:
    """Everything the generator needs to know about a registry.

    name: plural, in addresses and permissions (``/items/``, ``/api/v1/items/``). title, one: message ids.
    cells: list columns; ``number/item`` puts the second fact under the first. search: columns the search box
    looks in. order: default sort, ``-`` for descending. departments: columns through which a row belongs to a
    department (any of them); owner: column that names the person it belongs to; none of both: a reference
    registry, read by all who are granted it. audience: column that names a role whose people may read the row
    besides. follows: the reference whose department the row takes over. natural_key: the columns by which people
    and imports tell rows apart. check(row, now) yields Problems and is pure. derive(session, row, actor, now) fills
    columns that nobody types; settle(session, row, now) those that need the row's id. after(session, row, changes,
    now) does what follows from it. reminders: what its handler is told before a limit. letter(session, row,
    decided) is what the notices that its moves tell may say of the row, as plain values (members of lists are said
    in Chinese). related: names of registries whose rows point here or are about rows of here; each is a tab on the
    page of a row. inline: those of them that stand on its first tab. desk: what stands on the workbench. badge:
    arguments of the list whose number of rows stands beside the menu entry. file: column that holds a document.
    pages: pages about a row that are written by hand; overviews: those about the whole registry, linked above its
    list. hides(model): which rows are the machinery's own. control: fields that only a finished change request
    changes. intake(session, now, take_over=) places the rows of a foreign list (models/intake.py). public: what
    everybody may read of it without signing in. add_label: what making a row is called. weight: order within the
    menu group.
    """

    name: str
    title: str
    one: str
    menu: MenuGroup
    groups: tuple[Group, ...]
    cells: str
    grants: tuple[Grant, ...]
    label: str = "name"
    search: str = ""
    filters: str = ""
    order: str = "id"
    departments: tuple[str, ...] = ()
    owner: str | None = None
    audience: str | None = None
    follows: str | None = None
    natural_key: tuple[str, ...] = ()
    life: Lifecycle | None = None
    actions: tuple[Action, ...] = ()
    check: Callable[[Any, datetime], Iterable[Problem]] | None = None
    derive: Callable[..., Iterable[Problem] | None] | None = None
    settle: Callable[..., None] | None = None
    after: Callable[..., None] | None = None
    reminders: tuple[Reminder, ...] = ()
    letter: Callable[..., Mapping[str, Any]] | None = None
    clocks: tuple[Clock, ...] = ()
    related: tuple[str, ...] = ()
    inline: tuple[str, ...] = ()
    desk: Desk = Desk()
    badge: str = ""
    file: str | None = None
    pages: tuple[Page, ...] = ()
    overviews: tuple[Page, ...] = ()
    hides: Callable[[Any], ColumnElement[bool]] | None = None
    control: Control | None = None
    intake: Callable[..., Any] | None = None
    public: Public | None = None
    weight: int = 50
    add_label: str = N_("New")

    @property
    def scoped(self) -> bool:
        return bool(self.departments or self.owner)

    @property
    def outside(self) -> Admin:
        """This declaration as whoever has not signed in sees it: what ``public`` says, and nothing besides."""
        if (public := self.public) is None:
            raise ValueError(f"{self.name} is open to nobody outside")
        return replace(self, **{f.name: getattr(public, f.name) for f in fields(public) if f.name != "when"})

    @property
    def list_cells(self) -> tuple[tuple[str, ...], ...]:
        return tuple(tuple(cell.split("/")) for cell in self.cells.split())

    @property
    def search_columns(self) -> tuple[str, ...]:
        return tuple(self.search.split())

    @property
    def filter_names(self) -> tuple[str, ...]:
        return tuple(self.filters.split())

    @property
    def field_names(self) -> tuple[str, ...]:
        return tuple(n for g in self.groups for n in g.names)

    @property
    def verbs(self) -> tuple[str, ...]:
        """Every word a grant may use for this registry."""
        return (*STANDARD_VERBS, *(step.name for step in self.steps))

    def controlled(self, row: Any) -> tuple[str, ...]:
        """The fields of *row* that only a change request changes, as it stands."""
        if self.control is None or self.life is None or getattr(row, self.life.field) not in self.control.states:
            return ()
        return tuple(name for name in self.control.names if getattr(row, name) is not None)

    @property
    def steps(self) -> tuple[Move | Action, ...]:
        """Everything that can be done with a row besides editing it, in declared order."""
        moves = self.life.moves if self.life else ()
        return (*(move for move in moves if not move.jobs), *self.actions)

    def step(self, name: str) -> Move | Action | None:
        every: tuple[Move | Action, ...] = (*(self.life.moves if self.life else ()), *self.actions)
        return next((step for step in every if step.name == name), None)


# Registries whose rows say who may do what, and who comes in. What hands out rights is no part of a role that is put
# together on screen, is not lent, and is no program's business: each would outgrow what it was given.
RIGHTS = frozenset({"accounts", "roles", "role-terms", "delegations"})
READING = ("list", "show")

# What may be done in any registry, with what it is called; moves and actions bring their own labels.
VERBS: Mapping[str, str] = {
    "list": N_("List"),
    "show": N_("View"),
    "add": N_("Add"),
    "edit": N_("Edit"),
    "delete": N_("Delete"),
    "import": N_("Import"),
    "export": N_("Export"),
    "reveal": N_("Look at personal data in full"),
}
STANDARD_VERBS = tuple(VERBS)
