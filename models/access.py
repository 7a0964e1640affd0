"""Who may do what: grants → roles in flask-appbuilder's tables; an account → the scope of its sessions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.orm import Session, aliased

from models import registries
from models.account import Account, FabRole, Permission, PermissionView, ViewMenu
from models.declare import Reach, Role
from models.department import SEAT, Department, below, top_of
from models.scope import Scope, ScopedSession
from models.second_factor import SecondFactor
from models.session import SignedIn, living
from models.work_day import calendar_stamp

# flask-appbuilder's own views that everybody who has signed in may use.
FRAMEWORK = (("can_get", "OpenApi"),)


@dataclass(frozen=True)
class Person:
    """Who has signed in, as flask-login, the templates and the scope need it; no row of a session."""

    id: int
    username: str
    name: str
    department_id: int | None
    department: str | None
    roles: frozenset[str]
    permissions: frozenset[tuple[str, str]]
    must_change_password: bool
    stamp: str  # changes with the password: a session that was made with another one has ended
    top: str | None = None  # path of the department at which the subtree in reach begins
    calendar: str = ""  # changes with the working-day calendar, which is then read anew
    second_factor_required: bool = False
    has_second_factor: bool = False
    is_authenticated: bool = True
    is_active: bool = True
    is_anonymous: bool = False

    def get_id(self) -> str:
        return str(self.id)


@cache
def _who() -> Select[Any]:
    """The statement of :func:`load_person`: built once, for every request begins with it."""
    holder = aliased(Account)
    granted = (
        select(func.aggregate_strings(FabRole.name + "\t" + Permission.name + "\t" + ViewMenu.name, "\n"))
        .join(FabRole.user.of_type(holder))
        .join(FabRole.permissions)
        .join(PermissionView.permission)
        .join(PermissionView.view_menu)
        .where(holder.id == Account.id)
        .correlate(Account)
        .scalar_subquery()
    )
    factor = select(SecondFactor.id).where(SecondFactor.account_id == Account.id).correlate(Account).exists()
    return (
        select(Account, Department.name, granted, calendar_stamp(), factor, *SEAT)
        .outerjoin(Department, Department.id == Account.department_id)
        .where(Account.active.is_(True))
    )


@cache
def _known() -> Select[Any]:
    return _who().where(Account.id == bindparam("account_id"))


@cache
def _visiting() -> Select[Any]:
    """The same by the secret of a session, with what is to be known of that: no statement more for it."""
    good = living(bindparam("secret_hash"), bindparam("now"), bindparam("idle_since"))
    joined = _who().join(SignedIn, SignedIn.owner_id == Account.id).where(good)
    return joined.add_columns(SignedIn.id, SignedIn.last_seen_at, SignedIn.stamp)


@dataclass(frozen=True)
class Visit:
    """A session that is good, and who is in it."""

    person: Person
    session_id: int
    last_seen_at: datetime


def load_person(s: Session, account_id: int) -> Person | None:
    """The account, where it works, its roles and its permissions, in one statement."""
    row = s.execute(_known(), {"account_id": account_id}).first()
    return _person(*row) if row is not None else None


def load_visit(s: Session, secret_hash: str, now: datetime, idle_since: datetime) -> Visit | None:
    """Who is behind that session; None where it has ended, be it because the password is another one by now."""
    asked = {"secret_hash": secret_hash, "now": now, "idle_since": idle_since}
    row = s.execute(_visiting(), asked).first()
    if row is None:
        return None
    *told, session_id, last_seen_at, stamp = row
    person = _person(*told)
    return Visit(person, session_id, last_seen_at) if person.stamp == stamp else None


def stamp_of(password_hash: str | None) -> str:
    return hashlib.sha256((password_hash or "").encode()).hexdigest()[:16]


def needs_second_factor(required: bool = False) -> bool:
    """Must this person have a second factor? required: what the roles say (any of them), once they say something."""
    return required


def _person(account: Account, department: str | None, told: str, stamp: str, factor: bool, *seat: Any) -> Person:
    grants = [tuple(line.split("\t")) for line in (told or "").split("\n") if line]
    return Person(
        account.id,
        account.username,
        account.name,
        account.department_id,
        department,
        frozenset(r for r, _, _ in grants),
        frozenset((p, v) for _, p, v in grants),
        account.must_change_password,
        stamp_of(account.password),
        top_of(*seat),
        stamp,
        second_factor_required=needs_second_factor(),
        has_second_factor=factor,
    )


def person_scope(s: Session, account_id: int) -> Scope:
    """The scope that a request of this account would have; LookupError when it may not sign in."""
    person = load_person(s, account_id)
    if person is None:
        raise LookupError(f"no active account {account_id}")
    return scope_of(person, s)


def scope_of(person: Person, s: Session) -> Scope:
    """What the person's roles grant by declaration, as far as flask-appbuilder's tables still hold it."""
    reaches: dict[str, dict[str, Reach]] = {}
    for name, model in registries().items():
        for grant in model.__admin__.grants:
            if grant.role.value not in person.roles:
                continue
            for verb in grant.words:
                if (f"can_{verb}", name) in person.permissions:
                    held = reaches.setdefault(name, {})
                    held[verb] = max(held.get(verb, grant.reach), grant.reach)
    own = frozenset({person.department_id} if person.department_id else ())
    subtree = below(s, person.top) if person.top else frozenset[int]()
    return Scope(person.username, person.id, person.roles, reaches, own, subtree, person.department_id)


def sync(s: ScopedSession) -> dict[str, int]:
    """Write roles and permissions as declared; exact for declared roles, untouched for any other.

    Returns counts of what changed: {"granted": …, "withdrawn": …}.
    """
    wanted: dict[str, set[tuple[str, str]]] = {role.value: set(FRAMEWORK) for role in Role}
    for name, model in registries().items():
        for grant in model.__admin__.grants:
            wanted[grant.role.value] |= {(f"can_{verb}", name) for verb in grant.words}
    permissions = {p.name: p for p in s.scalars(select(Permission))}
    views = {v.name: v for v in s.scalars(select(ViewMenu))}
    pairs = {(p.permission.name, p.view_menu.name): p for p in s.scalars(select(PermissionView))}
    roles = {r.name: r for r in s.scalars(select(FabRole))}
    counts = {"granted": 0, "withdrawn": 0}
    for permission, view in sorted(set().union(*wanted.values()) - set(pairs)):
        for held, kind, word in ((permissions, Permission, permission), (views, ViewMenu, view)):
            if word not in held:
                held[word] = kind(name=word)
                s.add(held[word])
        pairs[permission, view] = PermissionView(permission=permissions[permission], view_menu=views[view])
        s.add(pairs[permission, view])
    for name, grants in wanted.items():
        role = roles.get(name) or FabRole(name=name)
        s.add(role)
        held_now = {(p.permission.name, p.view_menu.name) for p in role.permissions}
        for pair in sorted(grants - held_now):
            role.permissions.append(pairs[pair])
            counts["granted"] += 1
        for pair in sorted(held_now - grants):
            role.permissions.remove(pairs[pair])
            counts["withdrawn"] += 1
    s.flush()
    return counts
