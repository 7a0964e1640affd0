"""What a declaration yields, as text for whoever writes one: ``python run.py describe [REGISTRY]``.

Read off the declaration, off the routes that were really made, and off a database of its own that is thrown away.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import event, func, select

import config as settings
import notices
from forms.convert import Spec, specs
from forms.fields import editable
from jobs import demo
from jobs.setup import migrate, write_declared
from models import registries
from models.access import load_person
from models.account import Account, FabRole, set_password
from models.database import Database
from models.declare import Admin, Reach, Role
from models.department import Department
from models.scope import ScopedSession, everything
from models.session import SignedInBy, begin
from models.write import save
from rules.deadlines import local_day
from views.app import build
from views.registry import PK

HOW_FAR = {
    Reach.mine: "rows that name the person",
    Reach.own: "rows of the own department",
    Reach.subtree: "rows of the own department and all below",
    Reach.all: "all rows",
}
EMPTY = "-"


class NoSuchRegistry(LookupError):
    """Says in its text which registries there are, the likeliest first."""


# --- text ------------------------------------------------------------------------------------------------------------


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Lines of a table whose columns are as wide as they must be; the last one may run on."""
    cells = [tuple(heads), *(tuple(str(c) if c != "" else EMPTY for c in row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads) - 1)]
    return ["  " + "  ".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[-1]]) for row in cells]


def section(title: str, lines: Iterable[str]) -> list[str]:
    found = [*lines]
    return ["", title, *(found or [f"  {EMPTY}"])]


def yes(value: object) -> str:
    return "yes" if value else ""


# --- from the declaration alone --------------------------------------------------------------------------------------


def overview() -> str:
    """All registries in the order of the menu: name, model with its file, whose rows they are, verbs granted."""
    rows = []
    for name, model in registries().items():
        admin: Admin = model.__admin__
        granted = {verb for grant in admin.grants for verb in grant.words}
        verbs = " ".join(v for v in admin.verbs if v in granted)
        rows.append((name, model.__name__, admin.menu.value, belonging(admin), verbs))
    return "\n".join(line.removeprefix("  ") for line in table(("name", "model", "menu", "rows of", "verbs"), rows))


def belonging(admin: Admin) -> str:
    """Whose the rows are, in few words."""
    found = [f"department ({', '.join(admin.departments)})"] if admin.departments else []
    found += [f"person ({admin.owner})"] if admin.owner else []
    found += [f"role ({admin.audience})"] if admin.audience else []
    return " or ".join(found) or "everybody (reference)"


def find(asked: str) -> type[Any]:
    """The model of a registry by its name or its class name. Raises NoSuchRegistry."""
    known = registries()
    for name, model in known.items():
        if asked.casefold() in (name, model.__name__.casefold()):
            return model
    near = get_close_matches(asked.casefold(), known, n=3)
    raise NoSuchRegistry(f"there is no registry {asked!r}; there are {', '.join([*near, *sorted({*known} - {*near})])}")


def head(model: type[Any]) -> list[str]:
    admin: Admin = model.__admin__
    facts = [
        ("model", f"{model.__name__} in {model.__module__.replace('.', '/')}.py, table {model.__tablename__}"),
        ("titles", f"{admin.title} / {admin.one}, menu {admin.menu.label}"),
        ("rows of", belonging(admin) + (f"; the department follows {admin.follows}" if admin.follows else "")),
        ("told apart by", ", ".join(admin.natural_key)),
        ("called by", admin.label),
        ("order", admin.order),
        ("tabs", ", ".join(admin.related)),
        ("file", admin.file or ""),
    ]
    rules = [w for w in ("check", "derive", "settle") if getattr(admin, w) is not None]
    return [admin.name, *(line for line in table(("", ""), [*facts, ("rules", ", ".join(rules))])[1:])]


def columns_of(model: type[Any]) -> list[str]:
    admin: Admin = model.__admin__
    listed = {n for names in admin.list_cells for n in names}
    rows = [
        (
            name,
            kind(spec),
            yes(spec.required),
            spec.info.editable,
            yes(spec.info.personal),
            yes(name in listed),
            yes(name in admin.search_columns),
            yes(name in admin.filter_names),
            next((g.title for g in admin.groups if name in g.names), ""),
        )
        for name, spec in specs(model).items()
    ]
    return table(
        ("name", "kind", "required", "editable", "personal", "list", "search", "filter", "section of the form"), rows
    )


def kind(spec: Spec) -> str:
    if spec.kind in ("reference", "many"):
        target = getattr(spec.target, "__admin__", None)
        return f"{spec.kind} to {target.name}" if target is not None else spec.kind
    if spec.choices is not None:
        return f"choice of {len(spec.choices)}"
    return f"{spec.kind} up to {spec.longest}" if spec.longest else spec.kind


def moves(admin: Admin) -> list[str]:
    if admin.life is None:
        return []
    rows = [
        (
            m.name,
            f"{', '.join(s.value for s in m.sources)} → {m.target.value}",
            ", ".join(f"{n}*" if n in m.requires else n for n in m.asks),
            yes(m.bulk),
            ", ".join(m.tells),
            granted_to(admin, m.name),
        )
        for m in admin.life.moves
    ]
    stay = f"  fields may be edited while: {', '.join(s.value for s in admin.life.open_in) or 'always'}"
    return [*table(("move", "from → to", "asks (* required)", "bulk", "letter", "granted to"), rows), stay]


def actions(admin: Admin) -> list[str]:
    rows = [(a.name, ", ".join(a.asks), yes(a.bulk), granted_to(admin, a.name)) for a in admin.actions]
    return table(("action", "asks", "bulk", "granted to"), rows) if rows else []


def granted_to(admin: Admin, verb: str) -> str:
    roles = {g.role.value: None for g in admin.grants if verb in g.words}
    return ", ".join(roles) or "nobody (jobs alone)"


def permissions(admin: Admin) -> list[str]:
    rows = [(g.role.value, g.can, HOW_FAR[g.reach]) for role in Role for g in admin.grants if g.role is role]
    return table(("role", "may", "how far"), rows)


def letters(admin: Admin) -> list[str]:
    known = notices.kinds()
    rows = [
        (f"notices/{name}/", m.name, known[name].title, f"…{known[name].code}〔year〕serial号")
        for m in (admin.life.moves if admin.life else ())
        for name in m.tells
        if name in known
    ]
    return table(("folder", "told by", "title", "number"), rows) if rows else []


def reminders(admin: Admin) -> list[str]:
    rows = [(r.name, r.to, ", ".join(s.value for s in r.states) or "any", r.text) for r in admin.reminders]
    return table(("reminder", "to", "while", "text"), rows) if rows else []


def workbench(admin: Admin) -> list[str]:
    desk = admin.desk
    rows = [("figure", f.label, f.where) for f in desk.figures]
    rows += [("block", b.title, f"{b.where} by {b.order}" if b.order else b.where) for b in desk.blocks]
    rows += [("badge of the menu", "", admin.badge)] if admin.badge else []
    rows += [("remarks", "", desk.remarks.__name__)] if desk.remarks is not None else []
    return table(("what", "title", "rows it asks for"), rows) if rows else []


# --- from an application over a database that is thrown away ---------------------------------------------------------


@dataclass
class Sample:
    """The application over the demonstration, and somebody who holds every role."""

    app: Flask
    database: Database
    account_id: int
    now: datetime
    statements: int = 0

    def client(self) -> Any:
        """A browser in which that person has signed in."""
        with self.database.session(everything("describe"), write=True) as s:
            person = load_person(s, self.account_id, self.now)
            assert person is not None
            _, secret = begin(
                s,
                person.id,
                stamp=person.stamp,
                how=SignedInBy.Password,
                address="",
                device="describe",
                now=self.now,
                hours=1,
            )
        client = self.app.test_client()
        with client.session_transaction() as kept:
            kept["sid"] = secret
        return client

    def count(self, client: Any, path: str) -> str:
        """Statements that the page costs once the process is warm; its status where it cannot be had."""
        client.get(path)
        self.statements = 0
        answer = client.get(path)
        return str(self.statements) if answer.status_code == 200 else f"{EMPTY} (answer {answer.status_code})"


class NoQueue:
    """Nothing is handed on: what is posted here is thrown away with its database."""

    def hand_over(self, outbox_ids: Iterable[int]) -> None:
        return None


@contextmanager
def sample(now: datetime) -> Iterator[Sample]:
    """A :class:`Sample` as of *now*, gone at the end."""
    with tempfile.TemporaryDirectory() as folder:
        config = settings.read({}, instance=Path(folder))
        migrate(config)
        database = Database(config.database)
        write_declared(database)
        demo.fill(config, now)
        with database.session(everything("describe"), write=True) as s:
            account = everybody(s, now)
        found = Sample(build(config, database, NoQueue(), lambda: now), database, account, now)

        def counted(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
            found.statements += not statement.startswith("BEGIN")

        event.listen(database.engine, "before_cursor_execute", counted)
        try:
            yield found
        finally:
            database.dispose()


def everybody(s: ScopedSession, now: datetime) -> int:
    """An account that holds every role, in some department."""
    account = Account()
    set_password(account, "never used", change=False)
    roles = [*s.scalars(select(FabRole.id).where(FabRole.name.in_([r.value for r in Role])))]
    seat = s.scalar(select(func.max(Department.id)))
    names = {"username": "describe", "last_name": "describe", "email": "describe@localhost", "active": True}
    problems = save(s, account, {**names, "roles": roles, "department_id": seat}, now=now)
    assert not problems.errors, problems
    return int(account.id)


def a_row(found: Sample, model: type[Any]) -> tuple[int | None, str]:
    """(id of some row, where it comes from); the demonstration's, or one made of the plainest values."""
    with found.database.session(everything("describe", found.account_id), write=True) as s:
        held = s.scalar(select(func.max(model.id)))
        if held is not None:
            return held, "on the demonstration's rows"
        admin: Admin = model.__admin__
        if not any("add" in g.words for g in admin.grants):
            return None, "without any row: nobody adds one by hand"
        row, asked = model(), [specs(model)[n] for n in editable(model, admin.field_names, new=True)]
        values = {spec.name: plainest(s, spec, found.now) for spec in asked if spec.required}
        problems = save(s, row, values, now=found.now)
        if not problems.errors:
            return row.id, "on one row made of the plainest values"
        said = ", ".join(f"{p.field or 'row'}: {p.code}" for p in problems.errors)
        return None, f"without any row; one of the plainest values was refused ({said})"


def plainest(s: ScopedSession, spec: Spec, now: datetime) -> Any:
    """Some value that the column can hold."""
    if spec.choices is not None:
        return next(iter(spec.choices))
    if spec.kind == "reference":
        return s.scalar(select(func.max(spec.target.id))) if spec.target is not None else None
    values: dict[str, Any] = {
        "integer": spec.info.minimum or 1,
        "boolean": False,
        "date": local_day(now),
        "moment": now,
    }
    return values.get(spec.kind, "x")


def routes(app: Flask, admin: Admin) -> list[str]:
    """Every route of the registry's pages and of its REST, as Flask holds them."""
    rows = []
    for rule in sorted(app.url_map.iter_rules(), key=lambda r: (r.rule, sorted(r.methods or ()))):
        if rule.rule.startswith((f"/{admin.name}/", f"/api/v1/{admin.name}/")):
            methods = " ".join(sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}))
            rows.append((methods, rule.rule.replace(PK, "<pk>"), rule.endpoint))
    return table(("methods", "path", "endpoint"), rows)


def costs(found: Sample, model: type[Any]) -> list[str]:
    admin: Admin = model.__admin__
    pk, source = a_row(found, model)
    pages = [("list", f"/{admin.name}/"), ("REST list", f"/api/v1/{admin.name}/")]
    if any("add" in g.words for g in admin.grants):
        pages.insert(1, ("new", f"/{admin.name}/new"))
    if pk is not None:
        pages += [("row", f"/{admin.name}/{pk}"), ("history of a row", f"/{admin.name}/{pk}?tab=history")]
        pages += [("REST row", f"/api/v1/{admin.name}/{pk}")]
    client = found.client()
    return [*table(("page", "statements"), [(name, found.count(client, path)) for name, path in pages]), f"  {source}"]


def describe(asked: str, now: datetime) -> str:
    """Everything about one registry. Raises NoSuchRegistry."""
    model = find(asked)
    admin: Admin = model.__admin__
    with sample(now) as found:
        lines = [
            *head(model),
            *section("Columns", columns_of(model)),
            *section("Life cycle", moves(admin)),
            *section("Actions", actions(admin)),
            *section("Permissions", permissions(admin)),
            *section("Letters", letters(admin)),
            *section("Reminders", reminders(admin)),
            *section("Workbench", workbench(admin)),
            *section("Routes", routes(found.app, admin)),
            *section("Statements for each page, for somebody who holds every role", costs(found, model)),
        ]
    return "\n".join(line.rstrip() for line in lines)
