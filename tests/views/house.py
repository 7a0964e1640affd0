"""A world with rows of the health bureau (鲤) whose ids and words are unmistakable, everybody signed in, and the
requests that drive a route.

Ids of the owner's rows begin at 7,000,000: an answer about a foreign id and one about an id that nobody has can
then be compared letter by letter once such numbers are blotted out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import JSON, Boolean, Date, Enum, Integer, String, inspect, or_, select, text
from werkzeug.routing import Rule

import config as settings
from forms.convert import Spec, specs, to_input
from jobs.board import Board
from jobs.outbox import Worker
from models import draft, registries
from models.access import person_scope
from models.account import Account, set_password
from models.base import Moment
from models.case import ApplicantKind, Case, Channel
from models.catalogue_item import CatalogueItem, ExerciseLevel, ItemType
from models.change import propose
from models.database import Database
from models.declare import Admin, Reach, Role
from models.department import Department
from models.draft import LARGEST
from models.event import Event
from models.item import Item
from models.legal_basis import LegalBasis
from models.letter import Letter
from models.role import AccessRole
from models.saved_view import LAYOUT, SavedView
from models.scope import ScopedSession, door, everything
from models.token import Token, TokenAccess
from models.workflow import act, move, reveal
from models.write import save
from run import create_app
from tests.conftest import Browser, Clock, DeafQueue
from tests.views.answers import FIRST_ID, NOBODYS_ID, everything_said
from tests.world import NOW, PASSWORD, PEOPLE, World, put

RESIDENT = "110105198806150024"
PHONE = "13900007777"
# How wide a reach must be before somebody reaches the owner's rows.
NEED = {
    "clerk": Reach.mine,
    "colleague": Reach.own,
    "approver": Reach.own,
    "manager": Reach.subtree,
    "reformer": Reach.subtree,
    "outsider": Reach.all,
    "stranger": Reach.all,
    "auditor": Reach.all,
    "admin": Reach.all,
}
FOREIGN = ("outsider", "stranger", "anonymous")
COUNTED = {"login_count", "fail_login_count", "last_login", "last_used_at", "last_seen_at"}
# Written by whoever tries to sign in or takes rows out, which is what some of the tests do.
RECORDED = {"sign-ins", "batches"}
READING = {"list", "show"}
# What a program may do with the registries that say who signs in, whatever its owner may do.
HANDS_OFF = {
    "tokens": set[str](),
    "sessions": set[str](),
    **dict.fromkeys(("accounts", "roles", "role-terms", "delegations"), READING),
}
# How somebody comes in: with the page's cookie, with a token of the sign-in, with one of the registry (all, read only).
COOKIE, BEARER, FULL, READ = "cookie", "bearer", "token", "read-only token"
DOORS = (COOKIE, BEARER, FULL, READ)
# In the name of every view, draft and token of the owner's own: nobody else reads it, not even in the same department.
PRIVATE = "私墨"
SHARED = "共用视图"


@dataclass
class House:
    app: Flask
    database: Database
    clock: Clock
    world: World
    browsers: dict[str, OneToken]
    rows: dict[str, tuple[int, int]] = field(default_factory=dict)  # registry → (id, version) of one row of the owner
    words: list[str] = field(default_factory=list)
    views: dict[str, int] = field(default_factory=dict)  # registry → the owner's view of its list
    shared: list[int] = field(default_factory=list)  # views that the role clerk may read, in the order they were made
    left: int = 0  # the owner's draft in the form of her case
    secrets: dict[tuple[str, str], str] = field(default_factory=dict)  # (person, door) → a token of the registry
    sent: int = 0  # requests, counted where they come in

    def dump(self) -> dict[str, list[Any]]:
        """Everything stored, but for the counters of sign-ins and of tokens."""
        found = {}
        with self.database.engine.connect() as connection:
            for name, model in registries().items():
                if name in RECORDED:
                    continue
                table = inspect(model).local_table
                columns = [c for c in table.columns if c.name not in COUNTED]
                found[name] = [tuple(r) for r in connection.execute(select(*columns).order_by(table.c.id))]
        return found

    def count(self) -> None:
        self.sent += 1

    def leaks(self, body: str) -> list[str]:
        return [w for w in self.words if w in body]

    def bearer(self, person: str, door: str = BEARER) -> dict[str, str]:
        if door in (FULL, READ):
            return {"Authorization": f"Bearer {self.secrets[person, door]}"}
        if person not in self._tokens:
            sent = {"username": person, "password": PASSWORD, "provider": "db"}
            answer = self.app.test_client().post("/api/v1/security/login", json=sent)
            self._tokens[person] = answer.get_json()["access_token"]
        return {"Authorization": f"Bearer {self._tokens[person]}"}

    _tokens: dict[str, str] = field(default_factory=dict)


class OneToken(Browser):
    """A browser that asks for its CSRF token once: it stays the same for the whole session."""

    kept: str | None = None

    def token(self) -> str:
        self.kept = self.kept or super().token()
        return self.kept


@contextmanager
def opened(url: str, folder: Path, fonts: Path) -> Iterator[House]:
    """A house over a copy of the world, until the block ends."""
    config = settings.read({}, instance=folder, database_url=url, font_cache=str(fonts))
    database, clock = Database(url), Clock(NOW)
    app = create_app(config, clock=clock, database=database)
    house = furnish(app, database, Worker(database, config, clock), clock)
    app.before_request_funcs[None].insert(0, house.count)
    yield house
    database.dispose()


def furnish(app: Flask, database: Database, worker: Worker, clock: Clock) -> House:
    app.extensions["yizhan_queue"] = DeafQueue()
    app.extensions["yizhan_means"].board = Board()
    app.appbuilder.sm.limiter.enabled = False  # type: ignore[attr-defined]
    world = World(database)
    high_ids(database)
    rows = build(database, worker, clock, world)
    views, shared = own_views(database, world, rows)
    secrets = own_tokens(database, world, clock, rows)
    left = own_drafts(database, world, clock, rows)
    looks(database, world, clock, rows)
    browsers = {name: OneToken(app.test_client()) for name in (*PEOPLE, "anonymous")}
    for name in PEOPLE:
        assert browsers[name].post("/login/", {"username": name, "password": PASSWORD}).status_code == 302
        browsers[name].kept = None  # signing in makes a new session
    house = House(app, database, clock, world, browsers, rows, words_of(database, rows), views, shared, left, secrets)
    for name in PEOPLE:
        house.bearer(name)
    with database.writing.connect() as connection:  # that everybody came in twice is told to everybody
        connection.execute(text("DELETE FROM message WHERE key LIKE 'device.%'"))
        connection.commit()
    return house


def high_ids(database: Database) -> None:
    with database.writing.connect() as connection:
        for model in registries().values():
            table = inspect(model).local_table.name
            if database.is_sqlite:
                connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :t"), {"t": table})
                made = "INSERT INTO sqlite_sequence (name, seq) VALUES (:t, :n)"
                connection.execute(text(made), {"t": table, "n": FIRST_ID})
                continue
            sequence = connection.scalar(text("SELECT pg_get_serial_sequence(:t, 'id')"), {"t": f'"{table}"'})
            sequence = sequence or f"{table}_id_seq"
            connection.execute(text(f"SELECT setval('{sequence}', {FIRST_ID})"))
        connection.commit()


def build(database: Database, worker: Worker, clock: Clock, world: World) -> dict[str, tuple[int, int]]:
    """The owner's rows, made as people make them: item, case, letter, message, account and their Events."""
    bureau = world.id(Department, name="东城区卫生健康局")
    clerk = world.account("clerk")
    with database.session(everything("house"), write=True) as s:
        for claimed in s.scalars(select(CatalogueItem)):  # read by all, so it must not carry the owner's mark
            put_again(s, claimed, also=("name",), name=f"目录{claimed.id}")
        basis = s.scalars(select(LegalBasis.id)).first()
        item = put(
            s,
            Item(),
            name="水产许可锦鲤",
            item_type=ItemType.Licence,
            basic_code="000124001000",
            level=ExerciseLevel.County,
            department_id=bureau,
            legal_basis_id=basis,
            local_code="LOCAL-KOI",
            statutory_days=20,
            promise_days=5,
            secret=True,
        )
        # An item in force is everybody's to read, and so would carry the owner's mark before everybody's eyes: those of
        # the owner involve secrets. What is open is tried by tests/views/test_public.py.
        for open_ in s.scalars(select(Item).where(Item.department_id == bureau)):
            put_again(s, open_, secret=True)
        assert not move(s, item, "publish", now=NOW).errors
        propose(s, item, {"name": "改名水产许可锦鲤"}, now=NOW)
        put(s, AccessRole(), name="咨询台鲤")
        seat = Account(id=FIRST_ID + 1)  # flask-appbuilder's table takes the next free number on SQLite
        set_password(seat, PASSWORD, change=False)
        roles = [r.id for r in s.get_one(Account, clerk).roles]
        values = {"username": "koi", "last_name": "锦鲤", "email": "koi@example.invalid", "active": True}
        put(s, seat, **values, department_id=bureau, roles=roles)
    with database.session(everything("house", clerk), write=True) as s:
        told = {
            "applicant_kind": ApplicantKind.Person,
            "identifier": RESIDENT,
            "phone": PHONE,
            "channel": Channel.Window,
        }
        cases = []
        for applicant in ("锦鲤甲", "锦鲤乙"):
            cases.append(Case())
            received = NOW - timedelta(hours=2)
            put(s, cases[-1], item_id=item.id, applicant=applicant, received_at=received, **told)
        assert not move(s, cases[1], "accept", now=NOW).errors
    forget_names(database)
    worker.run_due()
    clock.moment = NOW + timedelta(days=9)
    worker.run_due()  # by now the reminders are due as well
    made: dict[str, tuple[int, int]] = {}
    with database.session(everything("house"), write=True) as s:
        for name, model in registries().items():
            row = owners(s, model, bureau, clerk)
            if row is None:
                row = sample(s, model, bureau, clerk)
            made[name] = (row.id, getattr(row, "version", 1))
        made["cases"] = (cases[0].id, s.get_one(Case, cases[0].id).version)
        assert s.scalars(select(Letter.pdf).where(Letter.subject_id == cases[1].id)).one()
    return made


def forget_names(database: Database) -> None:
    """What the catalogue was called before carries the owner's mark, and its history is read by all."""
    with database.writing.connect() as connection:
        connection.execute(text("DELETE FROM event WHERE subject_type = 'catalogue'"))
        connection.commit()


def own_views(database: Database, world: World, rows: dict[str, tuple[int, int]]) -> tuple[dict[str, int], list[int]]:
    """The owner's views of every list she may read, two shared with the role clerk, and one of the outsider."""
    views: dict[str, int] = {}
    with database.session(everything("house", world.account("clerk")), write=True) as s:
        for name, model in registries().items():
            if reach_of("clerk", model.__admin__, "list") is not None:
                told = {"name": f"鲤{PRIVATE}视图", "query": "q=锦鲤", "chosen": ["changed_at"]}
                views[name] = put(s, SavedView(), subject_type=name, **told).id
        put(s, SavedView(), subject_type="cases", name=LAYOUT, chosen=["handler_id"])
        view = s.get_one(SavedView, views["cases"])
        rows["saved-views"] = (view.id, view.version)
    shared = []
    # By name, the owner of the second comes before the owner of the first.
    for person in ("colleague", "clerk"):
        with database.session(everything("house", world.account(person)), write=True) as s:
            told = {"subject_type": "cases", "name": SHARED, "query": "sort=-received_at", "shared_with": Role.Clerk}
            shared.append(put(s, SavedView(), **told).id)
    with database.session(everything("house", world.account("outsider")), write=True) as s:
        put(s, SavedView(), subject_type="cases", name="鹤的视图", query="q=鹤")
    return views, shared


def own_tokens(
    database: Database, world: World, clock: Clock, rows: dict[str, tuple[int, int]]
) -> dict[tuple[str, str], str]:
    """Two tokens of everybody that open a door, and one of the owner whose name tells whose it is."""
    issue = next(a for a in registries()["tokens"].__admin__.actions if a.name == "issue")
    secrets: dict[tuple[str, str], str] = {}
    wanted = [(p, way, f"{p} {way}") for p in PEOPLE for way in (FULL, READ)]
    for person, way, name in [*wanted, ("clerk", "", f"鲤{PRIVATE}令牌")]:
        with database.session(everything("house", world.account(person)), write=True) as s:
            access = TokenAccess.Read if way == READ else TokenAccess.Full
            token = put(s, Token(), name=name, access=access, expires_at=clock() + timedelta(days=300))
            problems, secret = act(s, token, issue, now=clock(), expected_version=token.version)
            assert not problems.errors
            secrets[person, way] = str(secret)
            rows["tokens"] = (token.id, token.version)  # the owner's comes last
    return secrets


def own_drafts(database: Database, world: World, clock: Clock, rows: dict[str, tuple[int, int]]) -> int:
    """What the outsider left in a form of a new row, the owner in one of a row and in one of a new row.

    Returns the second."""
    case, ids = rows["cases"][0], []
    for person, row_id, word in (("outsider", -1, "鹤"), ("clerk", case, "鲤"), ("clerk", -1, "鲤")):
        with database.session(everything("house", world.account(person)), write=True) as s:
            own = PRIVATE if person == "clerk" else "所留"
            typed = {"applicant": [f"{word}{own}草稿"], "phone": [PHONE if person == "clerk" else ""]}
            kept = draft.keep(s, "cases", row_id, typed, f"{word}{own}草稿", clock())
            assert kept is not None
            ids.append(kept.id)
    rows["drafts"] = (ids[2], 1)
    return ids[1]


def looks(database: Database, world: World, clock: Clock, rows: dict[str, tuple[int, int]]) -> None:
    """Whoever may has looked at the owner's personal data just now: a look by a test leaves no second Event."""
    for name, model in registries().items():
        for person in PEOPLE:
            reach = reach_of(person, model.__admin__, "reveal")
            if reach is None or (model.__admin__.scoped and reach < NEED[person]):
                continue
            with database.open(everything("house")) as s:
                scope = person_scope(s, world.account(person), NOW)
            with database.session(scope, write=True) as s:
                assert not reveal(s, s.get_one(model, rows[name][0]), now=clock())


def put_again(s: ScopedSession, row: Any, also: tuple[str, ...] = (), **values: Any) -> None:
    assert not save(s, row, values, now=NOW, expected_version=row.version, also=also).errors


def owners(s: ScopedSession, model: type[Any], bureau: int, clerk: int) -> Any:
    """The newest row that belongs to the owner, or of a reference registry any row."""
    admin: Admin = model.__admin__
    statement = select(model).order_by(model.id.desc()).limit(1)
    if not admin.scoped:
        return s.scalars(statement).first()
    if admin.owner:
        return s.scalars(statement.where(getattr(model, admin.owner) == clerk)).first()
    statement = statement.where(or_(*(getattr(model, name) == bureau for name in admin.departments)))
    if model is Event:
        statement = statement.where(Event.subject_type == "cases")
    return s.scalars(statement).first()


def sample(s: ScopedSession, model: type[Any], bureau: int, clerk: int) -> Any:
    """A row for a registry this file has never heard of: only what the columns demand, past the rules."""
    admin: Admin = model.__admin__
    row = model()
    for name, column in inspect(model).columns.items():
        if (
            column.primary_key
            or name == "version"
            or (column.nullable and name not in (*admin.departments, admin.owner))
        ):
            continue
        if name in admin.departments or name == admin.owner:
            setattr(row, name, bureau if name in admin.departments else clerk)
        elif column.default is None and column.server_default is None:
            setattr(row, name, filler(s, specs(model).get(name), column, "样例" if open_to_all(admin) else "样例鲤"))
    with door(s):
        s.add(row)
    return row


def open_to_all(admin: Admin) -> bool:
    return all(sees(person, admin) for person in ("outsider", "stranger"))


def filler(s: ScopedSession, spec: Spec | None, column: Any, words: str) -> Any:
    if spec is not None and spec.kind == "reference":
        target = next(iter(column.foreign_keys)).column
        return s.execute(select(target).order_by(target.desc()).limit(1)).scalar()
    kind = column.type
    if isinstance(kind, Enum):
        return next(iter(kind.enum_class))  # type: ignore[arg-type]
    for type_, value in ((Moment, NOW), (Date, date(2026, 6, 17)), (Boolean, False), (Integer, 1), (JSON, [])):
        if isinstance(kind, type_):
            return value
    assert isinstance(kind, String), f"tests/views/house.py has no sample for {column}"
    return words[: kind.length]


def words_of(database: Database, rows: dict[str, tuple[int, int]]) -> list[str]:
    """What only the owner's rows say."""
    words = ["鲤", RESIDENT, PHONE, "LOCAL-KOI", "koi@", "东卫健 2026", "东卫健受", PRIVATE]
    with database.session(everything("house")) as s:
        bureau = select(Department.id).where(Department.name == "东城区卫生健康局").scalar_subquery()
        for letter in s.scalars(select(Letter).where(Letter.department_id == bureau)):
            words += [letter.number, letter.code, str(letter.sha256)]
        words += s.scalars(select(Case.number).where(Case.department_id == bureau))
        token = s.get_one(Token, rows["tokens"][0])
        words += [str(token.start), str(token.secret_hash)]
        words += s.scalars(select(Event.hash).where(Event.department_id == bureau, Event.subject_type != "departments"))
    return words


def reach_of(person: str, admin: Admin, *verbs: str, door: str = COOKIE) -> Reach | None:
    """What the declaration grants, said anew: the product's own reckoning is what is on trial."""
    role: Role = PEOPLE[person][2]
    if door in (FULL, READ):
        limit = HANDS_OFF.get(admin.name, READING if door == READ else set(verbs))
        verbs = tuple(v for v in verbs if v in limit and (door == FULL or v in READING))
    found = [g.reach for g in admin.grants if g.role is role and set(verbs) & set(g.words)]
    return max(found, default=None)


def sees(person: str, admin: Admin) -> bool:
    """May *person* read the owner's rows of this registry?"""
    if person == "anonymous":
        return False
    reach = reach_of(person, admin, "list", "show")
    return reach is not None and (not admin.scoped or reach >= NEED[person])


def typed(model: type[Any], row: Any) -> dict[str, Any]:
    """What the edit form of *row* would send back unchanged."""
    sent: dict[str, Any] = {}
    for name, spec in specs(model).items():
        if spec.info.editable == "always" and spec.kind != "json":
            value = getattr(row, name)
            sent[name] = [str(o.id) for o in value] if spec.kind == "many" else to_input(spec, value)
    return sent


def invented(model: type[Any], references: dict[str, int]) -> dict[str, str]:
    """Values for a new row of *model* that leads to the given rows (registry → id).

    Where nothing leads to a row of the owner, the row would be made: so one text of it is too long.
    """
    known = specs(model).values()
    open_ = [spec for spec in known if spec.info.editable != "never"]
    targets = [getattr(spec.target, "__admin__", None) for spec in open_ if spec.kind == "reference"]
    foreign = any(target is not None and target.scoped for target in targets)
    sent = {}
    for name, spec in specs(model).items():
        if spec.info.editable == "never":
            continue
        if spec.kind == "reference" and spec.target is not None:
            sent[name] = str(references.get(spec.target.__admin__.name, NOBODYS_ID))
        elif spec.choices is not None:
            sent[name] = str(next(iter(spec.choices)).value)
        elif spec.kind in ("date", "moment"):
            sent[name] = "2026-06-16" + ("T09:00" if spec.kind == "moment" else "")
        elif spec.kind in ("text", "long"):
            sent[name] = "盗" if foreign else "盗" * ((spec.longest or 0) + 1)
        elif spec.kind == "integer":
            sent[name] = str(spec.info.minimum or 1)
    return sent


def all_rules(app: Flask) -> Iterator[Any]:
    yield from sorted(app.url_map.iter_rules(), key=lambda r: (r.rule, sorted(r.methods or ())))


# --- requests --------------------------------------------------------------------------------------------------------


@dataclass
class Knock:
    """One request. verbs: any of them opens the door; of_row: it is about one row, which must be in reach.

    about, pk: the registry of the id in it and that id, where it is not the route's own. answers: the statuses when
    the door is open and the row in reach. explains: it tells why, which only those hear who look after
    roles. to_read: the row has only to be seen for it.
    """

    method: str
    path: str
    sent: dict[str, Any] | None = None
    verbs: tuple[str, ...] = ()
    of_row: bool = False
    api: bool = False
    about: str = ""
    pk: int = 0
    answers: frozenset[int] = frozenset()
    explains: bool = False
    to_read: bool = False


OK, MOVED, LARGE = frozenset({200}), frozenset({302}), frozenset({413})


def knocks(house: House, rule: Rule, pk: int, *, honest: bool) -> list[Knock]:
    """The requests that drive *rule* about the row *pk*.

    honest: with the right version and the owner's values, as somebody would send who had seen them; otherwise with
    a version that was never there, so that who may do it changes nothing either.
    """
    name, _, method = rule.endpoint.partition(".")
    name = name.removesuffix("_api")
    model = registries()[name]
    admin: Admin = model.__admin__
    row_id, version = house.rows[name]
    version = version if honest else version + 7
    steps = admin.steps
    values = owners_form(house, model, row_id) if honest else {}
    theirs = {n: i for n, (i, _) in house.rows.items()} if pk == row_id else dict.fromkeys(house.rows, NOBODYS_ID)
    made = invented(model, theirs) if honest else {}
    page, rest = f"/{name}/", f"/api/v1/{name}/"
    # Without a version to be wrong, whoever may delete would: so they are not let in here.
    safe = honest or hasattr(model, "version")
    if rule.endpoint.startswith(f"{name}_api."):
        asked = {"version": version}
        return {
            "get_list": [Knock("GET", rest, None, ("list",), api=True)],
            "get": [Knock("GET", f"{rest}{pk}", None, ("show",), True, True)],
            "post": [Knock("POST", rest, json_of(model, made), ("add",), api=True)],
            "put": [Knock("PUT", f"{rest}{pk}", {**json_of(model, values), **asked}, ("edit",), True, True)],
            "delete": [Knock("DELETE", f"{rest}{pk}", asked, ("delete",), True, True)] if safe else [],
            "history": [Knock("GET", f"{rest}{pk}/history", None, ("show",), True, True)],
            "reveal": [Knock("POST", f"{rest}{pk}/reveal", None, ("reveal",), True, True, answers=OK)],
            "do": [Knock("POST", f"{rest}{pk}/{s.name}", asked, (s.name,), True, True) for s in steps],
        }[method]
    sent = {"version": str(version)}
    references = references_of(model)
    open_ = ("list", "show", "add", "edit")
    parts = [*(f"tab={n}" for n in (*admin.related, "history", "nothing")), "on=2026-06-17", "on=2000-01-01", "on=x"]
    view = house.views.get(name, house.rows["saved-views"][0]) if pk == row_id else NOBODYS_ID
    new_draft, left = (house.rows["drafts"][0], house.left) if pk == row_id else (NOBODYS_ID, NOBODYS_ID)
    # What is kept would be kept for good, so it is too much of it, unless it must be refused before.
    much = {"seen": "x" * (LARGEST + 1)}
    kept = {"name": "盗" * 61, "query": f"view={view}", "cell": "changed_at"}
    found = {
        "list": [
            Knock("GET", page, None, ("list",), answers=OK),
            Knock("GET", f"{page}?view={view}", None, ("list",), about="saved-views", pk=view, answers=OK),
        ],
        "export": [
            Knock("GET", f"{page}export?{q}", None, ("export",), answers=OK)
            for q in ("format=csv", "format=csv&all=1", "format=xlsx&all=1", f"format=csv&view={view}")
        ],
        "keep_view": [
            Knock("POST", f"{page}views", kept, ("list",), about="saved-views", pk=view, answers=MOVED),
        ],
        "tree": [
            Knock("GET", f"{page}tree", None, ("list",), answers=OK),
            *(Knock("GET", f"{page}tree?at={pk}{p}", None, ("list",), True, answers=OK) for p in ("", "&part=1")),
        ],
        "show": [
            Knock("GET", f"{page}{pk}", None, ("show",), True, answers=OK),
            *(Knock("GET", f"{page}{pk}?{part}", None, ("show",), True, answers=OK) for part in parts),
        ],
        "reveal": [
            Knock("GET", f"{page}{pk}/reveal", None, ("reveal",), True, answers=MOVED),
            Knock("POST", f"{page}{pk}/reveal", {}, ("reveal",), True, answers=OK),
        ],
        "file": [Knock("GET", f"{page}{pk}/file", None, ("show",), True)],
        # Besides, one must look after roles; nobody who does is kept from the row by its department.
        "access": [
            Knock("GET", f"{page}{pk}/access{q}", None, ("show",), True, explains=True)
            for q in ("", f"?person={house.rows['accounts'][0]}", f"?person={NOBODYS_ID}")
        ],
        "pick": [Knock("GET", f"{page}pick/{n}{q}", None, open_) for n in references for q in ("", "?q=鲤")]
        or [Knock("GET", f"{page}pick/nothing", None, open_)],
        "add": [
            Knock("GET", f"{page}new", None, ("add",), answers=OK),
            Knock("GET", f"{page}new?draft={new_draft}", None, ("add",), about="drafts", pk=new_draft, answers=OK),
            Knock("GET", f"{page}new?copy={pk}", None, ("add",), True, answers=OK, to_read=True),
            *(
                Knock("GET", f"{page}new?{n}={theirs[to]}", None, ("add",), about=to, pk=theirs[to], answers=OK)
                for n, to in references.items()
            ),
            Knock("POST", f"{page}new", made, ("add",)),
        ],
        "edit": [
            Knock("GET", f"{page}{pk}/edit", None, ("edit",), True),
            Knock("GET", f"{page}{row_id}/edit?draft={left}", None, ("edit",), True, about="drafts", pk=left),
            Knock("POST", f"{page}{pk}/edit", {**values, **sent}, ("edit",), True),
        ],
        "keep_draft": [
            Knock("POST", f"{page}{pk}/draft", {**values, **sent} if honest else much, ("edit",), True, answers=LARGE)
            if "pk" in rule.arguments
            else Knock("POST", f"{page}draft", much, ("add",), answers=LARGE)
        ],
        "delete": [Knock("POST", f"{page}{pk}/delete", sent, ("delete",), True)] if safe else [],
        "do": [
            Knock(
                m,
                f"{page}{pk}/do/{s.name}",
                {**dict.fromkeys(s.asks, "盗"), **sent} if m == "POST" else None,
                (s.name,),
                True,
            )
            for s in steps
            for m in ("GET", "POST")
        ],
        "do_many": [
            Knock(
                "POST",
                f"{page}do/{s.name}",
                {"row": f"{pk}:{version}", "next": page, **sure},
                (s.name,),
                answers=frozenset({200, 422}) if s.bulk else frozenset({404}),
            )
            for s in steps
            for sure in ({}, {"sure": "1"}, {"sure": "1", **dict.fromkeys(s.asks, "盗")})
        ],
    }
    return found[method]


def references_of(model: type[Any]) -> dict[str, str]:
    """Field → registry to which it leads."""
    found = {n: getattr(spec.target, "__admin__", None) for n, spec in specs(model).items() if spec.kind == "reference"}
    return {n: admin.name for n, admin in found.items() if admin is not None}


def owners_form(house: House, model: type[Any], pk: int) -> dict[str, Any]:
    with house.database.session(everything("test")) as s:
        return typed(model, s.get(model, pk))


def json_of(model: type[Any], sent: dict[str, Any]) -> dict[str, Any]:
    known = specs(model)
    return {
        n: [int(i) for i in v]
        if known[n].kind == "many"
        else int(v)
        if known[n].kind in ("reference", "integer")
        else v
        for n, v in sent.items()
        if v != "" and known[n].kind not in ("boolean", "moment")
    }


def send(house: House, person: str, knock: Knock, door: str = COOKIE) -> tuple[int, str]:
    """(status, everything the answer says: its body, its headers, and what the page after it flashes)."""
    browser = house.browsers[person]
    if door != COOKIE:
        client, held = house.app.test_client(), house.bearer(person, door)
        answer = client.open(knock.path, method=knock.method, json=knock.sent, headers=held)
    elif knock.api and knock.method != "GET":
        answer = browser.json(knock.method, knock.path, knock.sent)
    elif knock.method == "GET":
        answer = browser.get(knock.path)
    else:
        answer = browser.post(knock.path, knock.sent)
    said = everything_said(answer)
    answer.close()
    if knock.path == "/logout/":
        browser.kept = None  # a new session, a new token
    if answer.status_code == 302 and person != "anonymous" and knock.method == "POST":
        said += browser.get(answer.headers["Location"]).get_data(as_text=True)  # so that its flashes are read, too
    return answer.status_code, said


def expected(person: str, knock: Knock, admin: Admin, door: str = COOKIE) -> frozenset[int]:
    """From the declaration alone: which statuses *person* may get for a row of the owner."""
    if person == "anonymous":
        return frozenset({401 if knock.api else 302})
    reach = reach_of(person, admin, *knock.verbs, door=door)
    if reach is None or (knock.explains and reach_of(person, registries()["roles"].__admin__, "show") is None):
        return frozenset({403})
    if not knock.of_row:
        return knock.answers or frozenset({200, 302, 422, 409} if knock.method == "POST" else {200, 404})
    if not sees(person, admin):
        return frozenset({404})
    if admin.scoped and reach < NEED[person] and not knock.to_read:
        return frozenset({403})
    return knock.answers or frozenset({200, 302, 422, 409, 404})
