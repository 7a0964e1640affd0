"""The matrix, roles put together on screen, why, and what a lent right looks like on a page."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from models import registries
from models.access import sync
from models.account import Account, FabRole
from models.case import Case
from models.database import Database
from models.declare import REACHES, Role
from models.delegation import Delegation
from models.event import Event
from models.role import AccessRole, RoleState, declared
from models.role_term import RoleTerm
from models.scope import everything
from models.token import Token, TokenAccess
from models.workflow import act
from models.write import save
from tests.conftest import Browser, Clock
from tests.views.pages import main, words
from tests.world import NOW, World, put

SignIn = Callable[[str], Browser]
TODAY = date(2026, 6, 17)
SEEN = {"cases.list": "own", "cases.show": "own", "items.list": "own", "items.show": "own"}


def exported(browser: Browser, query: str = "") -> list[list[str]]:
    answer = browser.get(f"/matrix/export{query}")
    assert answer.status_code == 200
    assert answer.mimetype == "text/csv"
    return list(csv.reader(io.StringIO(answer.get_data(as_text=True).removeprefix("\ufeff"))))[1:]


def english(browser: Browser) -> Browser:
    browser.post("/language/", {"locale": "en", "next": "/"})
    return browser


def test_the_matrix_says_what_is_declared(sign_in: SignIn) -> None:
    told = exported(english(sign_in("admin")))
    wanted = sum(len(verbs) for role in Role for verbs in declared(role).values())
    assert len(told) == wanted
    assert ["Cases", "Accept", "Department clerk", "Own department", ""] in told
    assert {row[3] for row in told} == set(REACHES.values())


@pytest.mark.parametrize(("query", "check"), [
    ("?role=clerk", lambda row: row[2] == "Department clerk"),
    ("?registry=cases", lambda row: row[0] == "Cases"),
    ("?verb=accept", lambda row: row[1] == "Accept"),
    ("?role=auditor&registry=cases", lambda row: row[0] == "Cases" and row[2] == "Auditor"),
])  # fmt: skip
def test_the_matrix_narrowed(sign_in: SignIn, query: str, check: Callable[[list[str]], bool]) -> None:
    every = exported(english(sign_in("auditor")))
    found = exported(english(sign_in("auditor")), query)
    assert found == [row for row in every if check(row)]
    assert 0 < len(found) < len(every)


def test_the_matrix_tells_what_has_changed_since_the_last_sync(sign_in: SignIn, database: Database) -> None:
    admin = english(sign_in("admin"))
    assert exported(admin, "?changed=1") == []
    with database.session(everything("test"), write=True) as s:
        row = s.scalars(select(AccessRole).where(AccessRole.name == "clerk")).one()
        older = {n: dict(v) for n, v in (row.grants or {}).items()}
        older["cases"].pop("accept")  # declared since
        older["cases"]["list"] = "mine"  # reaches further since
        older["cases"]["delete"] = "own"  # no longer declared
        assert not save(s, row, {"grants": older}, now=NOW).errors
        role = s.scalars(select(FabRole).where(FabRole.name == "approver")).one()
        role.permissions.remove(
            next(p for p in role.permissions if (p.permission.name, p.view_menu.name) == ("can_refuse", "cases"))
        )
    told = {(row[1], row[2]): row[3:] for row in exported(admin, "?changed=1")}
    clerk = "Department clerk"
    assert told.pop(("Accept", clerk)) == ["Own department", "declared since the last sync"]
    assert told.pop(("List", clerk)) == [
        "Own department", "reaches otherwise since the last sync before: Own rows"]  # fmt: skip
    assert told.pop(("Delete", clerk)) == ["", "no longer declared since the last sync before: Own department"]
    assert told.pop(("Refuse to accept", "Department approver")) == [
        "Own department", "withdrawn by hand in the tables"]  # fmt: skip
    # The lines hold their other roles too, of which nothing has changed.
    assert {change for _, change in told.values()} == {""}
    with database.session(everything("test"), write=True) as s:
        sync(s, NOW)
    assert exported(admin, "?changed=1") == []


def test_a_role_is_put_together_on_screen(sign_in: SignIn, database: Database, world: World) -> None:
    admin = sign_in("admin")
    assert admin.post("/roles/new", {"name": "咨询台"}).status_code == 302
    role = world.id(AccessRole, name="咨询台")
    refused = admin.post(f"/matrix/{role}", {"version": "1", "cases.accept": "own", "items.list": "own"})
    assert refused.status_code == 422
    page = refused.get_data(as_text=True)
    assert "“办件”：能够操作的人员须同时能够查看。" in words(page)
    assert '<option value="own" selected>' in page  # what was chosen is there still
    beyond = admin.post(f"/matrix/{role}", {"version": "1", **SEEN, "accounts.reset_password": "nonsense"})
    assert beyond.status_code == 422
    assert admin.post(f"/matrix/{role}", {"version": "1", **SEEN}).status_code == 302
    # Somebody else's page from before: what only they changed is added, what both did is asked about.
    add = {**SEEN, "cases.accept": "own"}
    assert admin.post(f"/matrix/{role}", {"was": [], **add}).status_code == 302
    was = [f"{name}=own" for name in SEEN]
    both = admin.post(f"/matrix/{role}", {"was": was, **SEEN, "cases.list": "", "cases.show": "", "cases.accept": ""})
    assert both.status_code == 422
    other = admin.post(f"/matrix/{role}", {"was": was, **SEEN, "cases.accept": "subtree"})
    assert "“办件：受理”：他人已将此项设为“本部门”" in words(other.get_data(as_text=True))
    kept = [*was, "cases.accept=own"]
    assert admin.post(f"/matrix/{role}", {"was": kept, **SEEN, "cases.accept": ""}).status_code == 302
    history = words(admin.text(f"/roles/{role}?tab=history"))
    assert "办件：列表 — 本部门" in history
    with database.session(everything("test")) as s:
        row = s.get_one(AccessRole, role)
        assert (row.grants, row.state) == ({"cases": {"list": "own", "show": "own"},
                                            "items": {"list": "own", "show": "own"}}, RoleState.Made)  # fmt: skip


@pytest.mark.parametrize(("person", "status"), [("admin", 403), ("auditor", 403), ("clerk", 403)])
def test_declared_roles_are_not_edited(sign_in: SignIn, world: World, person: str, status: int) -> None:
    role = world.id(AccessRole, name="clerk")
    assert sign_in(person).post(f"/matrix/{role}", {"version": "1", **SEEN}).status_code == status


@pytest.mark.parametrize("path", ["/matrix/", "/matrix/export", "/matrix/1", "/roles/", "/roles/1"])
def test_only_who_looks_after_roles_reads_them(sign_in: SignIn, path: str) -> None:
    for person, status in (("admin", 200), ("auditor", 200), ("clerk", 403), ("manager", 403)):
        assert sign_in(person).get(path).status_code == status, person


def test_why_in_words(sign_in: SignIn, world: World) -> None:
    case, outsider, clerk = world.case("申请人红鲤"), world.account("outsider"), world.account("clerk")
    auditor = sign_in("auditor")
    said = main(auditor.text(f"/cases/{case}/access?person={outsider}"))
    assert "受理 否 “部门经办人员”有此权限（本部门），但本条不在该范围内。" in said
    assert "不予受理 否 该用户的角色均无此权限。 有此权限的角色：部门审批人员（本部门）。" in said
    assert "本条所属：东城区卫生健康局" in said
    assert "受理 是 “部门经办人员”有此权限（本部门），本条在该范围内。" in main(
        auditor.text(f"/cases/{case}/access?person={clerk}")
    )
    assert "权限说明" in auditor.text(f"/cases/{case}")
    assert "权限说明" not in sign_in("clerk").text(f"/cases/{case}")
    assert sign_in("clerk").get(f"/cases/{case}/access").status_code == 403


def test_a_lent_right_on_the_page(sign_in: SignIn, database: Database, world: World, clock: Clock) -> None:
    """The clerk stands in for the approver: the button is there today, its use says for whom, tomorrow it is gone."""
    case = world.case("申请人红鲤")
    with database.session(everything("test"), write=True) as s:
        told = {"owner_id": world.account("approver"), "deputy_id": world.account("clerk")}
        put(s, Delegation(), **told, from_day=TODAY, until_day=TODAY)
        version = s.get_one(Case, case).version
    clerk = sign_in("clerk")
    assert "您正在代张鲤办理" in words(clerk.text("/"))
    assert "由王鲤代办" in words(sign_in("approver").text("/"))
    assert f"/cases/{case}/do/refuse" in clerk.text(f"/cases/{case}")
    assert f"/cases/{case}/do/refuse" not in sign_in("colleague").text(f"/cases/{case}")
    admin = main(sign_in("admin").text(f"/cases/{case}/access?person={world.account('clerk')}"))
    assert "部门审批人员 · 代张鲤 · 至6月17日" in admin
    clock.moment = NOW + timedelta(days=1)
    assert sign_in("clerk").get(f"/cases/{case}/do/refuse").status_code == 403
    clock.moment = NOW
    sent = {"version": str(version), "refusal_reason": "不属于本机关职权范围"}
    assert clerk.post(f"/cases/{case}/do/refuse", sent).status_code == 302
    assert "王鲤 （代张鲤）" in words(clerk.text(f"/cases/{case}?tab=history"))
    with database.session(everything("test")) as s:
        event = s.scalars(select(Event).where(Event.subject_type == "cases").order_by(Event.id.desc())).first()
        assert event is not None
        assert event.on_behalf_of_id == world.account("approver")


def test_a_role_for_a_time_on_screen(sign_in: SignIn, world: World, clock: Clock) -> None:
    admin, colleague = sign_in("admin"), sign_in("colleague")
    role = world.id(AccessRole, name="approver")
    sent = {"account_id": str(world.account("colleague")), "role_id": str(role), "reason": "审批岗轮休"}
    days = {"from_day": "2026-06-17", "until_day": "2026-06-18"}
    assert admin.post("/role-terms/new", {**sent, **days}).status_code == 302
    case = world.case("申请人红鲤")
    assert f"/cases/{case}/do/refuse" in colleague.text(f"/cases/{case}")
    assert "部门审批人员" in words(colleague.text("/role-terms/"))
    assert sign_in("clerk").text("/role-terms/").count("<tr>") == 0
    term = world.id(RoleTerm, reason="审批岗轮休")
    assert sign_in("colleague").post(f"/role-terms/{term}/do/end", {"version": "1"}).status_code == 403
    clock.moment = NOW + timedelta(days=2)
    assert f"/cases/{case}/do/refuse" not in sign_in("colleague").text(f"/cases/{case}")


def test_what_a_retired_role_would_grant_can_be_read(sign_in: SignIn, world: World) -> None:
    admin = sign_in("admin")
    admin.post("/roles/new", {"name": "咨询台"})
    role = world.id(AccessRole, name="咨询台")
    admin.post(f"/matrix/{role}", {"version": "1", **SEEN})
    assert admin.post(f"/roles/{role}/do/retire", {"version": "2"}).status_code == 302
    assert "本部门" in main(admin.text(f"/matrix/{role}"))
    assert "咨询台" not in admin.text("/matrix/")


def test_no_token_makes_a_right_that_outlives_it(app: Any, database: Database, world: World, clock: Clock) -> None:
    """Whatever its owner may do on pages."""
    issue = next(a for a in registries()["tokens"].__admin__.actions if a.name == "issue")
    for person, registry, values in (
        ("clerk", "delegations", {"deputy_id": world.account("colleague")}),
        ("admin", "role-terms", {"account_id": world.account("clerk"), "role_id": 1}),
        ("admin", "roles", {"name": "新角色"}),
    ):
        with database.session(everything("test", world.account(person)), write=True) as s:
            told = {"name": registry, "access": TokenAccess.Full, "expires_at": NOW + timedelta(days=5)}
            token = put(s, Token(), **told)
            _, secret = act(s, token, issue, now=NOW, expected_version=token.version)
        sent = {**values, **({} if registry == "roles" else {"from_day": "2026-06-17", "until_day": "2026-06-20"})}
        headers = {"Authorization": f"Bearer {secret}"}
        answer = app.test_client().post(f"/api/v1/{registry}/", json=sent, headers=headers)
        assert answer.status_code == 403, (registry, answer.get_json())
        assert app.test_client().get(f"/api/v1/{registry}/", headers=headers).status_code == 200


def test_pickers_find_roles_by_what_they_are_called(sign_in: SignIn, database: Database) -> None:
    """In any language of the pages, and those put together here by their name."""
    with database.session(everything("test"), write=True) as s:
        sync(s, NOW, {"approver": "部门审批人员 部門審批人員 Department approver"})
        put(s, AccessRole(), name="审批咨询")

    def found(text: str) -> list[str]:
        answer: Any = sign_in("admin").get(f"/role-terms/pick/role_id?q={text}").get_json()
        return [choice["label"] for choice in answer["choices"]]

    assert set(found("审批")) == {"部门审批人员", "审批咨询"}
    assert set(found("審批")) == {"部门审批人员", "审批咨询"}  # a search finds both scripts
    assert found("approver") == ["部门审批人员"]


def test_a_role_that_people_hold_can_still_be_given(sign_in: SignIn, database: Database, world: World) -> None:
    """The form of an account offers it beside the declared ones."""
    admin = sign_in("admin")
    admin.post("/roles/new", {"name": "咨询台"})
    account = world.account("clerk")
    page = admin.text(f"/accounts/{account}/edit")
    assert "咨询台" in page
    with database.session(everything("test")) as s:
        row = s.get_one(Account, account)
        held = [str(r.id) for r in row.roles]
        made = str(s.scalars(select(AccessRole.role_id).where(AccessRole.name == "咨询台")).one())
        sent = {"last_name": row.last_name, "email": row.email, "department_id": str(row.department_id), "active": "1"}
        version = str(row.version)
    assert (
        admin.post(f"/accounts/{account}/edit", {**sent, "roles": [*held, made], "version": version}).status_code == 302
    )
    assert world.scope("clerk").roles == {"clerk", "咨询台"}
