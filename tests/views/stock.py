"""A stock flask-appbuilder application, as its documentation shows one: nothing is slowed down and nothing is mended.

It runs as a process of its own (python -m tests.views.stock FOLDER), away from our tables and our security manager,
and takes one JSON line for each request; tests/views/stock_client.py speaks with it.
"""

# ruff: noqa: RUF012 - columns are listed in flask-appbuilder's own form
from __future__ import annotations

import enum
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

from flask import Flask, g, redirect
from flask.testing import FlaskClient
from flask_appbuilder import AppBuilder, Model, ModelRestApi, ModelView
from flask_appbuilder.actions import action
from flask_appbuilder.models.mixins import AuditMixin, FileColumn
from flask_appbuilder.models.sqla.base import SQLA
from flask_appbuilder.models.sqla.filters import FilterEqualFunction
from flask_appbuilder.models.sqla.interface import SQLAInterface
from flask_appbuilder.views import MasterDetailView
from flask_wtf.csrf import CSRFProtect
from sqlalchemy import Column, Enum, ForeignKey, Integer, Interval, String, Uuid, event, inspect, select
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import relationship
from wtforms.validators import NumberRange

PASSWORD = "correct-horse-battery"
SEATS = {"clerk": 1, "colleague": 1, "outsider": 2}  # who works in which bureau
BUREAUS = 500


class Colour(enum.Enum):
    Red = "red"
    Green = "green"


class Bureau(Model):
    __tablename__ = "bureau"

    id = Column(Integer, primary_key=True)
    name = Column(String(50), nullable=False)

    def __repr__(self) -> str:
        return str(self.name)


class Paper(Model):
    __tablename__ = "paper"

    id = Column(Integer, primary_key=True)
    name = Column(String(50), nullable=False)
    code = Column(String(20), unique=True)
    days = Column(Integer)
    bureau_id = Column(Integer, ForeignKey("bureau.id"), nullable=False)
    bureau = relationship(Bureau)

    def __repr__(self) -> str:
        return str(self.name)


class Upload(Model):
    __tablename__ = "upload"

    id = Column(Integer, primary_key=True)
    name = Column(String(50), nullable=False)
    file = Column(FileColumn)
    bureau_id = Column(Integer, ForeignKey("bureau.id"))
    bureau = relationship(Bureau)


class Note(AuditMixin, Model):
    __tablename__ = "note"

    id = Column(Integer, primary_key=True)
    name = Column(String(50), nullable=False)


class Span(Model):
    __tablename__ = "span"

    id = Column(Integer, primary_key=True)
    name = Column(String(50))
    lasts = Column(Interval)
    mark = Column(Uuid)


class Flag(Model):
    """Its values are stored, not the names of its members, as SQLAlchemy's values_callable says it."""

    __tablename__ = "flag"

    id = Column(Integer, primary_key=True)
    colour = Column(Enum(Colour, values_callable=lambda kind: [m.value for m in kind]))
    named = Column(Enum(Colour))


class SomebodyElses(Model):
    """A table that no view shows; another program's migrations make it."""

    __tablename__ = "somebodyelses"

    id = Column(Integer, primary_key=True)


def own_bureau() -> int | None:
    return SEATS.get(g.user.username)


class Bureaus(ModelView):
    datamodel = SQLAInterface(Bureau)
    list_columns = ["name"]
    base_filters = [["id", FilterEqualFunction, own_bureau]]


class AllBureaus(ModelView):
    datamodel = SQLAInterface(Bureau)
    list_columns = ["name"]


class Uploads(ModelView):
    datamodel = SQLAInterface(Upload)
    list_columns = ["name"]
    base_filters = [["bureau_id", FilterEqualFunction, own_bureau]]


class BureauUploads(ModelView):
    datamodel = SQLAInterface(Upload)
    list_columns = ["name"]


class BureausMaster(MasterDetailView):
    datamodel = SQLAInterface(Bureau)
    list_columns = ["name"]
    base_filters = [["id", FilterEqualFunction, own_bureau]]
    related_views = [BureauUploads]


class Papers(ModelView):
    datamodel = SQLAInterface(Paper)
    list_columns = ["name", "code", "days"]
    add_columns = edit_columns = ["name", "code", "days", "bureau"]
    base_filters = [["bureau_id", FilterEqualFunction, own_bureau]]
    validators_columns = {"days": [NumberRange(min=1)]}

    @action("stamp", "Stamp", "Stamp it?")
    def stamp(self, papers: Any) -> Any:
        for paper in papers if isinstance(papers, list) else [papers]:
            paper.code = "stamped"
            self.datamodel.edit(paper)
        return redirect(self.get_redirect())

    def pre_add(self, item: Paper) -> None:
        if item.name == "forbidden":
            raise ValueError("such a name is not permitted")

    pre_update = pre_add


class Notes(ModelView):
    datamodel = SQLAInterface(Note)
    list_columns = ["name", "created_on"]
    add_columns = edit_columns = ["name"]


class Spans(ModelView):
    datamodel = SQLAInterface(Span)
    add_columns = ["name", "lasts"]


class Marks(ModelView):
    datamodel = SQLAInterface(Span)
    add_columns = ["name", "mark"]


class Flags(ModelView):
    datamodel = SQLAInterface(Flag)
    add_columns = edit_columns = ["colour"]


class NamedFlags(ModelView):
    datamodel = SQLAInterface(Flag)
    list_columns = ["named"]
    add_columns = edit_columns = ["named"]


class PapersApi(ModelRestApi):
    datamodel = SQLAInterface(Paper)
    resource_name = "papers"
    allow_browser_login = True
    pre_add = pre_update = Papers.pre_add


class NotesApi(ModelRestApi):
    datamodel = SQLAInterface(Note)
    resource_name = "notes"
    allow_browser_login = True


APIS = (PapersApi, NotesApi)
PAGES = (Bureaus, AllBureaus, BureauUploads, BureausMaster, Uploads, Papers, Notes, Spans, Marks, Flags, NamedFlags)
STATEMENTS: list[str] = []


def build(folder: Path, pages: tuple[Any, ...] = PAGES) -> Flask:
    app = Flask("stock", root_path=str(folder))
    app.config.update(
        SECRET_KEY="a test's key, used nowhere else",
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{folder / 'stock.db'}",
        AUTH_TYPE=1,
        UPLOAD_FOLDER=f"{folder / 'uploads'}/",
        IMG_UPLOAD_FOLDER=f"{folder / 'uploads'}/",
        IMG_UPLOAD_URL="/uploads/",
        LANGUAGES={code: {"flag": "cn", "name": code} for code in ("en", "zh", "zh_HK", "zh_TW")},
    )
    CSRFProtect(app)
    db = SQLA(app)
    with app.app_context():
        builder = AppBuilder(app, db.session)
        for page in pages:
            builder.add_view(page, page.__name__)
        for api in APIS:
            builder.add_api(api)
    return app


def furnish(app: Flask) -> None:
    """Two bureaus with a paper and an upload each, 498 bureaus more, and people with every permission of our views."""
    sm, session = app.appbuilder.sm, app.appbuilder.session  # type: ignore[attr-defined]
    role = sm.add_role("Clerk")
    names = {view.__name__ for view in (*PAGES, *APIS)} | {"ResetMyPasswordView"}
    for permission in session.scalars(select(sm.permissionview_model)):
        if permission.view_menu.name in names:
            sm.add_permission_role(role, permission)
    for person in (*SEATS, "visitor", "reader"):
        assert sm.add_user(person, person, "User", f"{person}@example.invalid", role, PASSWORD)
    session.add_all(Bureau(id=n, name=f"Bureau {n}") for n in range(1, BUREAUS + 1))
    for n, name in ((1, "carp"), (2, "crane")):
        session.add(Paper(id=n, name=f"{name} paper", code=name, days=5, bureau_id=n))
        session.add(Upload(id=n, name=f"{name} upload", bureau_id=n))
    session.add(Flag(id=1, colour=Colour.Red, named=Colour.Red))
    session.commit()


class Door:
    """One browser for each person, who signs in when first asked for."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.clients: dict[str, tuple[FlaskClient, str]] = {}

    def enter(self, person: str, password: str = PASSWORD) -> tuple[FlaskClient, str]:
        client = self.app.test_client()
        sent = {"username": person, "password": password, "csrf_token": token(client, "/login/")}
        client.post("/login/", data=sent)
        return client, token(client, "/notes/add")

    def ask(self, person: str, path: str, method: str, form: Any, sent: Any, file: Any) -> dict[str, Any]:
        if person not in self.clients:
            self.clients[person] = self.enter(person)
        client, held = self.clients[person]
        STATEMENTS.clear()
        given: dict[str, Any] = {"json": sent} if sent is not None else {}
        if method == "POST" and sent is None:
            given = {"data": {"csrf_token": held, **(form or {})}}
            if file:
                given["data"]["file"] = (io.BytesIO(b"content"), file)
        answer = client.open(path, method=method, **given)
        body = answer.get_data().decode("utf-8", "replace")
        return {"status": answer.status_code, "headers": [*answer.headers], "body": body, "statements": [*STATEMENTS]}

    def may_enter(self, person: str, password: str) -> bool:
        return bool(self.enter(person, password)[1])

    def validators(self) -> int:
        return len(Papers.validators_columns["days"])

    def outside_a_request(self) -> str:
        """What a command gets that makes a row with AuditMixin."""
        with self.app.app_context():
            session = self.app.appbuilder.session  # type: ignore[attr-defined]
            session.add(Note(name="from a command"))
            try:
                session.commit()
            except SQLAlchemyError as error:
                session.rollback()
                return str(error.orig)  # type: ignore[attr-defined]
        return ""

    def two_classes_on_one_table(self) -> list[str]:
        """The columns of a table that two modules have declared without knowing of each other."""

        class First(Model):
            __tablename__ = "twice"
            id = Column(Integer, primary_key=True)
            name = Column(String(50), nullable=False)

        class Second(Model):
            __tablename__ = "twice"
            id = Column(Integer, primary_key=True)
            name = Column(Integer)
            amount = Column(Integer)

        return [f"{c.name} {c.type}" for c in First.__table__.columns]


def token(client: FlaskClient, path: str) -> str:
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get(path).get_data(as_text=True))
    return found.group(1) if found else ""


def main(folder: Path) -> None:
    told, sys.stdout = sys.stdout, sys.stderr  # nothing that is printed may mix with the answers

    def tell(what: Any) -> None:
        print(json.dumps(what), file=told, flush=True)

    # Nothing here outlives the tests, and a start commits a thousand times.
    event.listen(Engine, "connect", lambda connection, record: connection.execute("PRAGMA synchronous=OFF"))
    event.listen(Engine, "before_cursor_execute", lambda c, cursor, sql, *rest: STATEMENTS.append(sql))
    started, tables = [], []
    for pages in (PAGES, PAGES[:1], PAGES):  # on an empty database, and twice on what the first start has written
        STATEMENTS.clear()
        app = build(folder, pages)
        started.append([*STATEMENTS])
        with app.app_context():
            tables = tables or inspect(app.extensions["sqlalchemy"].engine).get_table_names()
    with app.app_context():
        furnish(app)
    door = Door(app)
    tell({"starts": started, "tables": tables})
    for line in sys.stdin:
        name, given = json.loads(line)
        tell(getattr(door, name)(**given))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
