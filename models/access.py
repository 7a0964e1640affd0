"""Who may do what: grants → roles in flask-appbuilder's tables; an account → the scope of its sessions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    String,
    Text,
    bindparam,
    case,
    cast,
    extract,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy.orm import Session, aliased

from models import registries
from models.account import Account, FabRole, Permission, PermissionView, ViewMenu, user_role
from models.declare import READING, RIGHTS, MenuGroup, Reach, Role
from models.delegation import Delegation
from models.department import SEAT, Department, below, top_of
from models.role import AccessRole, RoleState, capped, declared, told_as
from models.role_term import RoleTerm
from models.scope import Lent, Scope, ScopedSession
from models.second_factor import SecondFactor
from models.session import SignedIn, SignedInBy, living
from models.term import running
from models.work_day import calendar_stamp
from models.write import save
from rules.deadlines import local_day

# flask-appbuilder's own views that everybody who has signed in may use.
FRAMEWORK = (("can_get", "OpenApi"),)


@dataclass(frozen=True)
class Holding:
    """A role that somebody has. lender: whose it is where it is lent (id, name); until: its last day where it ends.

    grants: what it grants when it was put together here, as JSON keeps it; None for a declared role.
    """

    role: str
    lender: tuple[int, str] | None = None
    until: str | None = None
    second_factor: bool = False
    grants: Mapping[str, Mapping[str, str]] | None = None


@dataclass(frozen=True)
class Person:
    """Who has signed in, as flask-login, the templates and the scope need it; no row of a session."""

    id: int
    username: str
    name: str
    department_id: int | None
    department: str | None
    holdings: tuple[Holding, ...]
    permissions: frozenset[tuple[str, str, str]]  # role, permission, view: as flask-appbuilder's tables hold them
    must_change_password: bool
    stamp: str  # changes with the password: a session that was made with another one has ended
    top: str | None = None  # path of the department at which the subtree in reach begins
    calendar: str = ""  # changes with the working-day calendar, which is then read anew
    has_second_factor: bool = False
    is_authenticated: bool = True
    is_active: bool = True
    is_anonymous: bool = False

    @property
    def roles(self) -> frozenset[str]:
        """Names of one's own roles: for good, or for a time that is running."""
        return frozenset(h.role for h in self.holdings if h.lender is None)

    @property
    def second_factor_required(self) -> bool:
        return any(h.second_factor for h in self.holdings if h.lender is None)

    def get_id(self) -> str:
        return str(self.id)


def _held() -> CompoundSelect[Any]:
    """(role, lender, last day) of whatever the account of the statement around it holds on the day :today.

    What is held for a time, or lent, is not lent on. Nobody lends who may not sign in, or works elsewhere by now.
    """
    today: BindParameter[date] = bindparam("today")
    owner = aliased(Account)
    nobody, for_good = literal(0), literal("")
    for_a_time = select(AccessRole.role_id, nobody, _said_day(RoleTerm.until_day)).join(RoleTerm.role)
    lent = select(user_role.c.role_id, Delegation.owner_id, _said_day(Delegation.until_day))
    lent = lent.join(Delegation, Delegation.owner_id == user_role.c.user_id)
    lent = lent.join(owner, owner.id == Delegation.owner_id)
    return union_all(
        select(user_role.c.role_id.label("role_id"), nobody.label("lender"), for_good.label("until"))
        .where(user_role.c.user_id == Account.id)
        .correlate(Account),
        for_a_time.where(RoleTerm.account_id == Account.id, running(RoleTerm, today)).correlate(Account),
        lent.where(
            Delegation.deputy_id == Account.id,
            running(Delegation, today),
            owner.active.is_(True),
            owner.department_id == Account.department_id,
            Delegation.department_id == Account.department_id,
        ).correlate(Account),
    )


def _said_day(day: Any) -> ColumnElement[str]:
    """20261201, whatever form of dates the database is set to."""
    number = extract("year", day) * 10_000 + extract("month", day) * 100 + extract("day", day)
    return cast(cast(number, Integer), String)


def _one_line(text: Any) -> ColumnElement[str]:
    """A name cannot break the lines it stands in."""
    return func.replace(func.replace(text, "\t", " "), "\n", " ")


@cache
def _who() -> Select[Any]:
    """The statement of :func:`load_person`: built once, for every request begins with it.

    Roles and permissions come as lines of text, one column each: a join would repeat the account for each of them.
    """
    held = _held().subquery()
    lender = aliased(Account)
    roles = [
        _one_line(AccessRole.name),
        cast(held.c.lender, String),
        _one_line(func.coalesce(lender.last_name + lender.first_name, "")),
        held.c.until,
        case((AccessRole.second_factor, "1"), else_=""),
        case((AccessRole.state == RoleState.Made, func.coalesce(cast(AccessRole.grants, Text), "{}")), else_=""),
    ]
    holdings = (
        select(_lines(roles))
        .select_from(held)
        .join(AccessRole, AccessRole.role_id == held.c.role_id)
        .outerjoin(lender, lender.id == held.c.lender)
        .where(AccessRole.state != RoleState.Retired)
        .scalar_subquery()
    )
    again = _held().subquery()
    permissions = (
        select(_lines([FabRole.name, Permission.name, ViewMenu.name]))
        .where(FabRole.id.in_(select(again.c.role_id)))
        .join(FabRole.permissions)
        .join(PermissionView.permission)
        .join(PermissionView.view_menu)
        .scalar_subquery()
    )
    factor = select(SecondFactor.id).where(SecondFactor.account_id == Account.id).correlate(Account).exists()
    return (
        select(Account, Department.name, holdings, permissions, calendar_stamp(), factor, *SEAT)
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
    return joined.add_columns(SignedIn.id, SignedIn.last_seen_at, SignedIn.how, SignedIn.stamp)


@dataclass(frozen=True)
class Visit:
    """A session that is good, and who is in it."""

    person: Person
    session_id: int
    last_seen_at: datetime
    how: SignedInBy


def _lines(parts: list[Any]) -> Any:
    """Rows as lines, their values with tabs between."""
    line = parts[0]
    for part in parts[1:]:
        line = line + "\t" + part
    return func.aggregate_strings(line, "\n")


def load_person(s: Session, account_id: int, now: datetime) -> Person | None:
    """The account, where it works, its roles and its permissions, in one statement."""
    row = s.execute(_known(), {"account_id": account_id, "today": local_day(now)}).first()
    return _person(*row) if row is not None else None


def load_visit(s: Session, secret_hash: str, now: datetime, idle_since: datetime) -> Visit | None:
    """Who is behind that session; None where it has ended, be it because the password is another one by now."""
    asked = {"secret_hash": secret_hash, "now": now, "idle_since": idle_since, "today": local_day(now)}
    row = s.execute(_visiting(), asked).first()
    if row is None:
        return None
    *told, session_id, last_seen_at, how, stamp = row
    person = _person(*told)
    return Visit(person, session_id, last_seen_at, how) if person.stamp == stamp else None


def stamp_of(password_hash: str | None) -> str:
    return hashlib.sha256((password_hash or "").encode()).hexdigest()[:16]


def _person(
    account: Account, department: str | None, held: str, permissions: str, stamp: str, factor: bool, *seat: Any
) -> Person:
    return Person(
        account.id,
        account.username,
        account.name,
        account.department_id,
        department,
        tuple(sorted(map(_holding, _split(held)), key=lambda h: (h.lender is not None, h.role))),
        frozenset((r, p, v) for r, p, v in _split(permissions)),
        account.must_change_password,
        stamp_of(account.password),
        top_of(*seat),
        stamp,
        has_second_factor=factor,
    )


def _split(text: str | None) -> list[list[str]]:
    return [line.split("\t") for line in (text or "").split("\n") if line]


def _holding(parts: list[str]) -> Holding:
    role, lender, name, until, second_factor, grants = parts
    owner = (int(lender), name) if lender != "0" else None
    return Holding(role, owner, until or None, bool(second_factor), json.loads(grants) if grants else None)


def person_scope(s: Session, account_id: int, now: datetime) -> Scope:
    """The scope that a request of this account would have; LookupError when it may not sign in."""
    person = load_person(s, account_id, now)
    if person is None:
        raise LookupError(f"no active account {account_id}")
    return scope_of(person, s)


def grants_of(person: Person, holding: Holding) -> Iterator[tuple[str, str, Reach]]:
    """(registry, verb, reach) that *holding* grants: of a declared role as far as flask-appbuilder's tables still hold
    it, of one made here as far as the declarations go.

    Lent is nothing that is a person's own and nothing that hands out rights, which would outlast the loan; and nothing
    at all of a role that demands a second factor, to somebody who has none.
    """
    if holding.lender is not None and holding.second_factor and not person.has_second_factor:
        return
    if holding.grants is None:
        granted = declared(_DECLARED[holding.role]) if holding.role in _DECLARED else {}
        held = {(p, v) for r, p, v in person.permissions if r == holding.role}
    else:
        granted, held = capped(holding.grants), None
    for name, verbs in granted.items():
        personal = registries()[name].__admin__.menu is MenuGroup.Mine
        for verb, reach in verbs.items():
            if held is not None and (f"can_{verb}", name) not in held:
                continue
            kept = personal or reach is Reach.mine or (name in RIGHTS and verb not in READING)
            if holding.lender is None or not kept:
                yield name, verb, reach


_DECLARED = {role.value: role for role in Role}


def scope_of(person: Person, s: Session) -> Scope:
    """What the person's own roles grant, and what is lent besides."""
    reaches: dict[str, dict[str, Reach]] = {}
    lent: dict[str, dict[str, Lent]] = {}
    for holding in person.holdings:  # one's own come first
        for name, verb, reach in grants_of(person, holding):
            verbs = reaches.setdefault(name, {})
            before = verbs.get(verb)
            if before is not None and before >= reach:
                continue
            verbs[verb] = reach
            if holding.lender is not None:
                own = lent.get(name, {}).get(verb)
                lent.setdefault(name, {})[verb] = Lent(holding.lender[0], own.own if own else before)
    own_seat = frozenset({person.department_id} if person.department_id else ())
    subtree = below(s, person.top) if person.top else frozenset[int]()
    return Scope(person.username, person.id, person.roles, reaches, own_seat, subtree, person.department_id, lent=lent)


def stored_pairs(s: Session) -> dict[str, set[tuple[str, str]]]:
    """Role → (permission, view) as flask-appbuilder's tables hold them, where they may be withdrawn by hand."""
    found: dict[str, set[tuple[str, str]]] = {}
    statement = select(FabRole.name, Permission.name, ViewMenu.name).join(FabRole.permissions)
    statement = statement.join(PermissionView.permission).join(PermissionView.view_menu)
    for role, permission, view in s.execute(statement):
        found.setdefault(role, set()).add((permission, view))
    return found


def sync(s: ScopedSession, now: datetime, words: Mapping[str, str] | None = None) -> dict[str, int]:
    """Write roles and permissions as declared; exact for declared roles, untouched for any other.

    words: role → what it is called in the languages of the pages, for searches. Returns counts of what changed:
    {"granted": …, "withdrawn": …}. What changed stands in the history of each role.
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
        roles[name] = role
        held_now = {(p.permission.name, p.view_menu.name) for p in role.permissions}
        for pair in sorted(grants - held_now):
            role.permissions.append(pairs[pair])
            counts["granted"] += 1
        for pair in sorted(held_now - grants):
            role.permissions.remove(pairs[pair])
            counts["withdrawn"] += 1
    s.flush()
    known = {r.name: r for r in s.scalars(select(AccessRole))}
    for one in Role:
        _keep_declared(s, known.get(one.value), one, roles[one.value], (words or {}).get(one.value), now)
    return counts


def _keep_declared(
    s: ScopedSession, row: AccessRole | None, role: Role, held: FabRole, words: str | None, now: datetime
) -> None:
    """The row of a declared role, with what it grants from now on."""
    values: dict[str, Any] = {"grants": told_as(declared(role)), "state": RoleState.Declared}
    if words:
        values["words"] = words[:300]
    if row is None:
        row = AccessRole()
        row.role = held
        values["name"] = role.value
    problems = save(s, row, values, now=now)
    if problems.errors:
        raise RuntimeError(f"role {role.value}: {problems}")
