"""A registry is one file: a copy of the product with ``models/notice_board.py`` and nothing else has all of it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from config import ROOT

LEFT_OUT = shutil.ignore_patterns(
    ".git",
    ".venv",
    "venv",
    "instance",
    "__pycache__",
    "tests",
    "benchmarks",
    "docs",
    ".*_cache",
    "node_modules",
    "*.db",
)

REGISTRY = '''"""公告: what a hall tells its visitors."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, relationship

from models.base import Row, field, ref
from models.declare import Admin, Grant, Group, MenuGroup, Reach, Role
from models.department import Department
from models.legal_basis import LegalBasis
from rules.lifecycle import Lifecycle, Move
from rules.words import LabelEnum, N_, Problem


class BoardKind(LabelEnum):
    News = "news", N_("News")
    Closure = "closure", N_("Closure")


class BoardState(LabelEnum):
    Draft = "draft", N_("Draft")
    Posted = "posted", N_("Posted")


class NoticeBoard(Row):
    __table_args__ = (
        UniqueConstraint("department_id", "title"),
        Index("ix_notice_board_department_id_id", "department_id", "id"),
    )

    title: Mapped[str] = field(N_("Title"), String(100))
    kind: Mapped[BoardKind] = field(N_("Kind"), default=BoardKind.News)
    department_id: Mapped[int] = ref("department.id", N_("Department"), editable="new", index=False)
    legal_basis_id: Mapped[int | None] = ref("legal_basis.id", N_("Legal basis"))
    shown_until: Mapped[date | None] = field(N_("Shown until"))
    state: Mapped[BoardState] = field(N_("State"), editable="never", default=BoardState.Draft)

    department: Mapped[Department] = relationship()
    legal_basis: Mapped[LegalBasis | None] = relationship()

    @staticmethod
    def check(row: Any, now: Any) -> list[Problem]:
        if row.kind is BoardKind.Closure and row.legal_basis_id is None:
            return [Problem("legal_basis_id", "closure_needs_basis", N_("A closure states its legal basis."))]
        return []


NoticeBoard.__admin__ = Admin(
    name="notice-boards",
    title=N_("Notice boards"),
    one=N_("Notice"),
    menu=MenuGroup.Items,
    label="title",
    cells="title kind department_id state shown_until",
    search="title",
    filters="kind state department_id",
    departments=("department_id",),
    groups=(Group(N_("Basics"), "title kind department_id legal_basis_id shown_until state"),),
    check=NoticeBoard.check,
    life=Lifecycle(
        states=BoardState,
        initial=BoardState.Draft,
        steps=(BoardState.Draft, BoardState.Posted),
        moves=(Move("post", N_("Post"), (BoardState.Draft,), BoardState.Posted, tone="main"),),
    ),
    grants=(
        Grant(Role.Clerk, "list show add edit delete post", Reach.own),
        Grant(Role.Auditor, "list show", Reach.all),
    ),
)
'''

DRIVER = '''"""Runs inside the copy: a database from the migrations and this one table, the world, then every door."""

import re
import sys
import warnings
from pathlib import Path

warnings.simplefilter("error")
folder, tests = Path(sys.argv[1]), sys.argv[2]
sys.path[:0] = [str(Path.cwd()), tests]

import config as settings
from sqlalchemy import func, select

from jobs.setup import migrate
from models import registries
from models.account import Account
from models.database import Database
from models.event import Event
from models.scope import everything

config = settings.read({}, instance=folder)
migrate(config)
board = registries()["notice-boards"]
database = Database(config.database)
with database.writing.begin() as connection:
    board.__table__.create(connection)

from run import create_app
import world

world.build(database)  # which runs sync
from views.checks import mistakes

assert mistakes(registries().values()) == []
app = create_app(config, clock=lambda: world.NOW, database=database)
app.appbuilder.sm.limiter.enabled = False


def browser(username):
    client = app.test_client()
    page = client.get("/login/").get_data(as_text=True)
    sent = {"csrf_token": token(page), "username": username, "password": world.PASSWORD}
    assert client.post("/login/", data=sent).status_code == 302
    client.token = token(client.get("/").get_data(as_text=True))
    return client


def token(page):
    return re.search(r'name="csrf-token" content="([^"]+)"', page).group(1)


def text(client, path, status=200):
    answer = client.get(path)
    assert answer.status_code == status, (path, answer.status_code)
    return answer.get_data(as_text=True)


def post(client, path, **sent):
    return client.post(path, data={"csrf_token": client.token, **sent})


def rest(client, method, path, sent=None):
    return client.open("/api/v1" + path, method=method, json=sent, headers={"X-CSRFToken": client.token})


clerk, outsider, auditor, approver = map(browser, ("clerk", "outsider", "auditor", "approver"))
with database.session(everything("test")) as s:
    seat = s.scalars(select(Account.department_id).where(Account.username == "clerk")).one()
    basis = s.scalars(select(func.min(select(registries()["legal-bases"].id).scalar_subquery()))).one()

# The menu, the empty list, the form.
for who in (clerk, outsider, auditor):
    assert '"/notice-boards/"' in text(who, "/")
assert '"/notice-boards/"' not in text(approver, "/")
text(approver, "/notice-boards/", 403)
text(auditor, "/notice-boards/new", 403)
assert "<tbody>" not in text(clerk, "/notice-boards/")
form = text(clerk, "/notice-boards/new")
for name in ("title", "kind", "department_id", "legal_basis_id", "shown_until"):
    assert f'name="{name}"' in form, name
assert 'name="state"' not in form

# Add: what is wrong stands beside its field, with everything typed; then it stands.
typed = {"title": "闭馆鲤", "kind": "closure", "department_id": seat, "shown_until": "2026-07-01", "legal_basis_id": ""}
refused = post(clerk, "/notice-boards/new", **typed)
page = refused.get_data(as_text=True)
assert refused.status_code == 422
assert 'id="f-legal_basis_id-why"' in page and "闭馆鲤" in page and 'value="closure" selected' in page
choices = clerk.get("/notice-boards/pick/legal_basis_id?q=卫生").get_json()["choices"]
assert [c["id"] for c in choices] == [basis]
made = post(clerk, "/notice-boards/new", **{**typed, "legal_basis_id": basis})
assert made.status_code == 302, made.get_data(as_text=True)
where = made.headers["Location"]
pk = int(where.rsplit("/", 1)[1])
assert "闭馆鲤" in text(clerk, where) and "闭馆鲤" in text(clerk, "/notice-boards/?kind=closure&q=闭馆")
# A second of that title.
assert post(clerk, "/notice-boards/new", **{**typed, "legal_basis_id": basis}).status_code == 422

# Edit, with the version the form carried.
version = re.search(r'name="version" value="(\\d+)"', text(clerk, where + "/edit")).group(1)
typed |= {"legal_basis_id": basis, "title": "闭馆锦鲤", "state": "posted"}
assert post(clerk, where + "/edit", **typed, version=version).status_code == 302
assert post(clerk, where + "/edit", **typed, version=version).status_code in (409, 422)
row = rest(clerk, "GET", f"/notice-boards/{pk}").get_json()
assert (row["row"]["title"], row["row"]["state"], row["actions"]) == ("闭馆锦鲤", "draft", ["post"])

# Nobody else's: the outsider finds nothing, by no door.
assert "鲤" not in text(outsider, "/notice-boards/")
for path in (where, where + "/edit", where + "/do/post"):
    text(outsider, path, 404)
for path in ("/edit", "/delete", "/do/post"):
    assert post(outsider, where + path, version=row["row"]["version"]).status_code == 404, path
for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/post")):
    assert rest(outsider, method, f"/notice-boards/{pk}{path}", {"version": 2}).status_code == 404, method
assert rest(outsider, "GET", "/notice-boards/").get_json()["total"] == 0
assert rest(auditor, "GET", "/notice-boards/").get_json()["total"] == 1
assert post(outsider, "/notice-boards/new", **{**typed, "title": "盗"}).status_code == 422  # for the owner's department

# REST, with the same problems; the move, on its page and in bulk.
sent = {"title": "新闻鲤", "department_id": seat, "kind": "closure"}
assert rest(clerk, "POST", "/notice-boards/", sent).get_json()["problems"][0]["code"] == "closure_needs_basis"
second = rest(clerk, "POST", "/notice-boards/", {**sent, "kind": "news"}).get_json()["row"]
until = {"version": 1, "shown_until": "2026-08-01"}
assert rest(clerk, "PUT", f"/notice-boards/{second['id']}", until).status_code == 200
text(clerk, where + "/do/post")
assert post(clerk, where + "/do/post", version=row["row"]["version"]).status_code == 302
assert post(clerk, "/notice-boards/do/post", row=f"{second['id']}:2").status_code == 302
third = rest(clerk, "POST", "/notice-boards/", {**sent, "kind": "news", "title": "第三"}).get_json()["row"]
assert post(clerk, where + "/delete", version=row["row"]["version"] + 1).status_code == 302
text(clerk, where)  # it is posted, so it stays
assert post(clerk, f"/notice-boards/{third['id']}/delete", version=1).status_code == 302
text(clerk, f"/notice-boards/{third['id']}", 404)

# The record of changes, and the description of the API.
with database.session(everything("test")) as s:
    told = select(Event.subject_id, Event.kind, Event.action).where(Event.subject_type == "notice-boards")
    kinds = [(i, k.value, a) for i, k, a in s.execute(told.order_by(Event.id))]
assert kinds == [
    (pk, "created", None), (pk, "edited", None), (second["id"], "created", None), (second["id"], "edited", None),
    (pk, "moved", "post"), (second["id"], "moved", "post"),
    (third["id"], "created", None), (third["id"], "deleted", None),
], kinds
assert "闭馆锦鲤" in text(clerk, "/events/?subject_type=notice-boards")
assert "/api/v1/notice-boards/{pk}/post" in rest(clerk, "GET", "/_openapi").get_json()["paths"]
database.dispose()
print("all of it")
'''


def hashes(folder: Path) -> dict[str, str]:
    found = (p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in found}


def test_one_file_is_a_registry(tmp_path: Path) -> None:
    copy, instance, helpers = tmp_path / "copy", tmp_path / "instance", tmp_path / "helpers"
    shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
    helpers.mkdir()
    shutil.copyfile(ROOT / "tests" / "world.py", helpers / "world.py")
    before = hashes(copy)
    assert "models/item.py" in before
    (copy / "models" / "notice_board.py").write_text(REGISTRY, encoding="utf-8")
    driver = tmp_path / "driver.py"
    driver.write_text(DRIVER, encoding="utf-8")
    environment = {n: v for n, v in os.environ.items() if not n.startswith("PYTEST")} | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, str(driver), str(instance), str(helpers)],
        cwd=copy, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    assert "all of it" in done.stdout
    after = hashes(copy)
    assert set(after) - set(before) == {"models/notice_board.py"}
    assert {name for name, value in before.items() if after[name] != value} == set()
