"""Roles (I01): those that the declarations make, and those that administrators put together from declared grants.

flask-appbuilder's ``ab_role`` says who holds a role; the row here says what it grants and how far. Of a declared role
it keeps what ``sync`` wrote last, so that the matrix can tell what the declarations have changed since. A role that was
made here is a choice among what is declared, and never more: what a declaration takes back, it loses at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.account import FabRole
from models.base import Row, field
from models.columns import columns, target_of
from models.declare import READING, RIGHTS, VERBS, Admin, Grant, Group, MenuGroup, Page, Reach, Role
from rules.lifecycle import Lifecycle, Move
from rules.words import N_, LabelEnum, Problem, Told

# Between the names of a role in the languages of the pages.
SEPARATOR = " · "
# Registry → verb → name of the reach, as JSON holds it.
Granted = Mapping[str, Mapping[str, str]]


class RoleState(LabelEnum):
    Declared = "declared", N_("Declared")
    Made = "made", N_("Put together here")
    Retired = "retired", N_("Retired")


Reaches = Mapping[str, Mapping[str, Reach]]


@cache
def declared(role: Role | None = None) -> Reaches:
    """Registry → verb → reach that *role* is granted by declaration; of all roles the widest for None. Worked out once:
    each request asks, and declarations do not change while a process runs."""
    from models import registries

    found: dict[str, dict[str, Reach]] = {}
    for name, model in registries().items():
        for grant in model.__admin__.grants:
            if role is not None and grant.role is not role:
                continue
            verbs = found.setdefault(name, {})
            for verb in grant.words:
                verbs[verb] = max(verbs.get(verb, grant.reach), grant.reach)
    return found


@cache
def choosable() -> Reaches:
    """Registry → verb → reach that a role put together here may grant at the most: what is declared, but for handing
    out rights, which no reach bounds: whoever may edit their own account could make themselves administrator."""
    return {
        name: {verb: reach for verb, reach in verbs.items() if name not in RIGHTS or verb in READING}
        for name, verbs in declared().items()
    }


def told_as(grants: Reaches) -> dict[str, dict[str, str]]:
    """As JSON keeps it."""
    return {name: {verb: reach.name for verb, reach in verbs.items()} for name, verbs in grants.items() if verbs}


@cache
def everybodys() -> Reaches:
    """What every declared role has of what is one's own: messages, sessions, tokens, views. No role goes without."""
    each = [declared(role) for role in Role]
    found: dict[str, dict[str, Reach]] = {}
    for name, verbs in each[0].items():
        held = [verb for verb in verbs if all(verb in one.get(name, {}) for one in each)]
        if own := [verb for verb in held if any(one[name][verb] is Reach.mine for one in each)]:
            found[name] = dict.fromkeys(own, Reach.mine)
    return found


def capped(grants: Granted) -> dict[str, dict[str, Reach]]:
    """*grants* of a role put together here, as far as the declarations go today, and what everybody has."""
    most, found = choosable(), {name: dict(verbs) for name, verbs in everybodys().items()}
    for name, verbs in grants.items():
        for verb, word in verbs.items():
            if (limit := most.get(name, {}).get(verb)) is not None and word in Reach.__members__:
                verbs_held = found.setdefault(name, {})
                verbs_held[verb] = max(min(limit, Reach[word]), verbs_held.get(verb, Reach.mine))
    return found


def reading(verbs: Mapping[str, Any]) -> Any:
    """The widest reach of those verbs that read, or None."""
    return max((verbs[v] for v in READING if v in verbs), default=None)


def grant_problems(grants: Granted) -> Iterator[Problem]:
    """What keeps *grants* from being a role: more than is declared, buttons on rows that nobody sees, rows whose
    references lie out of sight."""
    from models import registries

    most = choosable()
    chosen = capped(grants)
    for name, verbs in grants.items():
        for verb, word in verbs.items():
            limit = most.get(name, {}).get(verb)
            if limit is None or word not in Reach.__members__ or Reach[word] > limit:
                message = N_("No declared role grants “%(verb)s” of “%(registry)s” that far.")
                yield Problem("grants", "beyond_declared", message, _said(registries(), name, verb))
    for name, held in chosen.items():
        admin: Admin = registries()[name].__admin__
        own = reading(held)
        if own is None or "show" not in held:
            message = N_("“%(registry)s”: whoever does something there must be able to view the rows as well.")
            yield Problem("grants", "needs_show", message, {"registry": admin.title})
            continue
        if len({held[v] for v in READING if v in held}) > 1:
            message = N_("“%(registry)s”: list and view must reach equally far.")
            yield Problem("grants", "uneven", message, {"registry": admin.title})
        for _, target in required_references(registries()[name]):
            theirs = reading(chosen.get(target.name, {}))
            if theirs is None or (own > theirs and theirs is not Reach.all):
                message = N_("“%(registry)s” leads to “%(target)s”, which must be readable at least as far.")
                params = {"registry": admin.title, "target": target.title}
                yield Problem("grants", "narrow_reference", message, params)


def required_references(model: type[Any]) -> Iterator[tuple[str, Admin]]:
    """(column, registry) of what every row of *model* leads to, besides what says to whom it belongs, where the rows
    led to belong to somebody as well."""
    admin: Admin = model.__admin__
    for name, (column, _) in columns(model).items():
        target = getattr(target_of(model, name), "__admin__", None) if column.foreign_keys else None
        told = name in (*admin.departments, admin.owner)
        if target is not None and target.scoped and not column.nullable and not told:
            yield name, target


def _squeezed(name: str) -> str:
    return "".join(name.split()).casefold()


def _called(session: Any) -> set[str]:
    """What declared roles are called, in every language of the pages: nobody could tell another one from them."""
    words = session.scalars(select(AccessRole.words).where(AccessRole.state == RoleState.Declared))
    return {_squeezed(name) for text in words for name in (text or "").split(SEPARATOR)}


def _said(known: Mapping[str, type[Any]], name: str, verb: str) -> dict[str, Any]:
    admin: Admin | None = known[name].__admin__ if name in known else None
    step = admin.step(verb) if admin else None
    return {"registry": admin.title if admin else name, "verb": step.label if step else VERBS.get(verb, verb)}


class AccessRole(Row):
    __table_args__ = (UniqueConstraint("name"), UniqueConstraint("role_id"))

    name: Mapped[str] = field(N_("Name"), String(60), editable="new")
    purpose: Mapped[str | None] = field(N_("What it is for"), String(300))
    second_factor: Mapped[bool] = field(
        N_("Second factor required"),
        default=False,
        help=N_("People with this role must confirm each sign-in with a code from a device of their own."),
    )
    # By which a search finds a declared role: what it is called in the languages of the pages.
    words: Mapped[str | None] = field(N_("Also called"), String(300), editable="never")
    grants: Mapped[dict[str, Any] | None] = field(N_("Grants"), editable="never")
    state: Mapped[RoleState] = field(N_("State"), editable="never", default=RoleState.Made)
    role_id: Mapped[int | None] = mapped_column(ForeignKey("ab_role.id"))

    role: Mapped[FabRole | None] = relationship(lambda: FabRole)

    LABELS = {"called": N_("Name")}  # noqa: RUF012

    @property
    def called(self) -> Told | str:
        found = next((r for r in Role if r.value == self.name), None)
        return Told(found.label, {}) if found is not None else self.name

    @staticmethod
    def check(row: Any, now: datetime) -> Iterable[Problem]:
        if row.state is RoleState.Declared:
            return
        yield from grant_problems(row.grants or {})

    @staticmethod
    def derive(session: Any, row: Any, actor: int | None, now: datetime) -> Iterable[Problem]:
        """What flask-appbuilder's accounts are given: a role of that name."""
        if row.role is not None or not row.name:
            return
        taken = session.scalar(select(FabRole.id).where(FabRole.name == row.name))
        if taken is not None or _squeezed(row.name) in _called(session):
            yield Problem("name", "duplicate", N_("There is already a row with this value."))
        else:
            row.role = FabRole(name=row.name)


AccessRole.__admin__ = Admin(
    name="roles",
    title=N_("Roles"),
    one=N_("Role"),
    menu=MenuGroup.System,
    label="called",
    cells="called/purpose state second_factor changed_at",
    search="name words purpose",
    filters="state second_factor",
    order="id",
    natural_key=("name",),
    groups=(Group(N_("Basics"), "name purpose second_factor state"),),
    check=AccessRole.check,
    derive=AccessRole.derive,
    related=("role-terms",),
    pages=(Page(N_("What it may do"), "Matrix.role"),),
    overviews=(Page(N_("Who may do what"), "Matrix.table", "list"),),
    # A declared role changes with the product alone: it is neither retired nor given other grants.
    life=Lifecycle(
        states=RoleState,
        initial=RoleState.Made,
        begun_in=(RoleState.Declared,),
        tones={RoleState.Declared: "info", RoleState.Made: "ok", RoleState.Retired: "bad"},
        moves=(
            Move(
                "retire",
                N_("Retire"),
                (RoleState.Made,),
                RoleState.Retired,
                confirm=N_("It grants nothing any more to whoever holds it."),
                tone="bad",
                bulk=False,
            ),
            Move("restore", N_("Take up again"), (RoleState.Retired,), RoleState.Made, bulk=False),
        ),
    ),
    grants=(
        Grant(Role.Administrator, "list show add edit export retire restore", Reach.all),
        Grant(Role.Auditor, "list show export", Reach.all),
    ),
    add_label=N_("Put a role together"),
    weight=13,
)
