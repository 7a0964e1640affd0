"""What people of other departments try that would change something: each time in a world of its own."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from models.account import Account, FabRole
from models.case import Case, CaseState
from models.database import Database
from models.declare import Role
from models.draft import Draft
from models.event import Event
from models.item import Item
from models.saved_view import SavedView
from models.scope import everything
from models.token import Token, TokenState
from models.write import save
from tests.conftest import Browser
from tests.views.answers import NOBODYS_ID, apart, blotted, differ, everything_said
from tests.views.pages import words
from tests.world import NOW, World

SignIn = Callable[[str], Browser]
NAME = "全部收到的"


def same(browser: Browser, theirs: str, nobodys: str, pk: int, sent: Any = None) -> int:
    """The status of both requests, which must be answered letter by letter alike."""
    asked = [browser.get(path) if sent is None else browser.post(path, sent) for path in (theirs, nobodys)]
    assert asked[0].status_code == asked[1].status_code, theirs
    said = [everything_said(answer) for answer in asked]
    assert not differ(*said, pk), f"{theirs}: {apart(blotted(said[0], pk), blotted(said[1]))}"
    return int(asked[0].status_code)


def count(database: Database, model: type[Any], **values: Any) -> int:
    with database.session(everything("test")) as s:
        return s.scalar(select(func.count()).select_from(model).filter_by(**values)) or 0


def keep_view(browser: Browser, **sent: Any) -> None:
    answer = browser.post("/cases/views", {"name": NAME, "query": "sort=-received_at", **sent})
    assert answer.status_code == 302
    assert "view=" in answer.headers["Location"]


# --- views -----------------------------------------------------------------------------------------------------------


def sees_view(browser: Browser, pk: int) -> set[bool]:
    """By each way that there is: the views of the list, the registry, the row, REST, an address that names it."""
    listed = browser.text("/saved-views/")
    rows = browser.get("/api/v1/saved-views/").get_json()
    return {
        NAME in browser.text("/cases/"),
        NAME in browser.text(f"/cases/?view={pk}"),
        NAME in listed,
        browser.get(f"/saved-views/{pk}").status_code == 200,
        browser.get(f"/saved-views/new?copy={pk}").status_code == 200,
        browser.get(f"/api/v1/saved-views/{pk}").status_code == 200,
        rows["total"] == 1,
        [r["id"] for r in rows["rows"]] == [pk],
    }


def test_a_view_loses_its_audience_at_once(sign_in: SignIn, world: World) -> None:
    clerk, outsider, stranger = sign_in("clerk"), sign_in("outsider"), sign_in("stranger")
    keep_view(clerk, shared_with="")
    pk = world.id(SavedView, name=NAME)
    assert sees_view(outsider, pk) == {False}
    keep_view(clerk, shared_with="clerk")
    assert sees_view(outsider, pk) == sees_view(stranger, pk) == {True}
    assert sees_view(sign_in("approver"), pk) == {False}
    # Taken back where it was made …
    keep_view(clerk, shared_with="")
    assert sees_view(outsider, pk) == sees_view(stranger, pk) == {False}
    # … and on its own page, and by REST.
    for way in ("page", "rest"):
        keep_view(clerk, shared_with="clerk")
        assert sees_view(outsider, pk) == {True}, way
        version = clerk.get(f"/api/v1/saved-views/{pk}").get_json()["row"]["version"]
        if way == "page":
            sent = {"name": NAME, "shared_with": "", "version": version}
            assert clerk.post(f"/saved-views/{pk}/edit", sent).status_code == 302
        else:
            sent = {"shared_with": None, "version": version}
            assert clerk.json("PUT", f"/api/v1/saved-views/{pk}", sent).status_code == 200
        assert sees_view(outsider, pk) == sees_view(stranger, pk) == {False}, way
    for path in (f"/saved-views/{pk}", f"/saved-views/{pk}/edit", f"/saved-views/new?copy={pk}", f"/cases/?view={pk}"):
        same(outsider, path, path.replace(str(pk), str(NOBODYS_ID)), pk)


def test_who_leaves_the_role_leaves_the_audience(sign_in: SignIn, world: World, database: Database) -> None:
    keep_view(sign_in("clerk"), shared_with="clerk")
    pk, outsider = world.id(SavedView, name=NAME), sign_in("outsider")
    assert sees_view(outsider, pk) == {True}
    with database.session(everything("test"), write=True) as s:
        account = s.get_one(Account, world.account("outsider"))
        approver = s.scalars(select(FabRole.id).where(FabRole.name == Role.Approver.value)).one()
        assert not save(s, account, {"roles": [approver]}, now=NOW, expected_version=account.version).errors
    assert sees_view(outsider, pk) == {False}


def test_a_view_of_the_same_name_is_ones_own(sign_in: SignIn, world: World, database: Database) -> None:
    """Neither replaced nor refused: that there is another one of that name is not told."""
    keep_view(sign_in("clerk"), shared_with="clerk")
    mine = world.id(SavedView, name=NAME)
    outsider = sign_in("outsider")
    keep_view(outsider, query="q=x", shared_with="")
    with database.session(everything("test")) as s:
        rows = {v.owner_id: (v.id, v.query, v.version) for v in s.scalars(select(SavedView))}
    assert rows[world.account("clerk")] == (mine, "sort=-received_at", 1)
    assert rows[world.account("outsider")][1] == "q=x"
    # A foreign id of a row is no way to give it to oneself, or oneself's to somebody else.
    sent = {"name": "y", "subject_type": "cases", "owner_id": world.account("outsider"), "id": mine, "version": 1}
    assert outsider.json("PUT", f"/api/v1/saved-views/{mine}", sent).status_code in (403, 422)
    assert outsider.json("POST", "/api/v1/saved-views/", sent).status_code == 422
    assert outsider.post(f"/saved-views/{mine}/delete", {"version": 1}).status_code == 403
    assert count(database, SavedView) == 2


def test_what_was_shared_is_the_view_as_it_stands(sign_in: SignIn, world: World) -> None:
    """Neither what it asked before it was shared, nor who did it."""
    clerk, outsider = sign_in("clerk"), sign_in("outsider")
    keep_view(clerk, query="q=墨迹", shared_with="")
    keep_view(clerk, query="q=x", shared_with="clerk")
    pk = world.id(SavedView, name=NAME)
    paths = ("", "?tab=history", "?tab=nothing")
    assert "墨迹" in clerk.text(f"/saved-views/{pk}?tab=history")
    for said in (outsider.text(f"/saved-views/{pk}{path}") for path in paths):
        assert "墨迹" not in said
        assert "鲤" not in said
    assert outsider.get(f"/saved-views/{pk}?on=2026-06-17").status_code == 403
    told = outsider.get(f"/api/v1/saved-views/{pk}/history").get_json()
    assert (told["rows"], told["total"]) == ([], 0)
    told = clerk.get(f"/api/v1/saved-views/{pk}/history").get_json()
    assert len(told["rows"]) == told["total"] == 2


# --- drafts ----------------------------------------------------------------------------------------------------------


def test_no_draft_of_a_foreign_row(sign_in: SignIn, world: World, database: Database) -> None:
    outsider = sign_in("outsider")
    typed = {"applicant": "盗", "version": "1"}
    case = world.case("申请人红鲤")
    assert same(outsider, f"/cases/{case}/draft", f"/cases/{NOBODYS_ID}/draft", case, typed) == 404
    for person, path, status in (
        ("outsider", f"/items/{world.item('公共场所卫生许可鲤')}/draft", 403),  # a clerk edits no item at all
        ("approver", f"/items/{world.item('食品经营许可鹤')}/draft", 404),
        ("manager", f"/items/{world.item('公共场所卫生许可鹭')}/draft", 404),
        ("manager", f"/cases/{case}/draft", 403),
    ):
        assert sign_in(person).post(path, typed).status_code == status, (person, path)
    assert count(database, Draft) == 0
    assert outsider.post(f"/cases/{world.case('申请人白鹤')}/draft", typed).status_code == 200
    assert count(database, Draft) == 1


def test_a_draft_is_offered_to_nobody_else(sign_in: SignIn, world: World, database: Database) -> None:
    case = world.case("申请人红鲤")
    clerk, colleague = sign_in("clerk"), sign_in("colleague")
    for path in ("/cases", f"/cases/{case}"):
        assert clerk.post(f"{path}/draft", {"applicant": "未送出的墨"}).status_code == 200
    with database.session(everything("test")) as s:
        drafts = [*s.scalars(select(Draft.id).order_by(Draft.id))]
    new, edit = "/cases/new", f"/cases/{case}/edit"
    for form, pk in ((new, drafts[0]), (edit, drafts[1])):
        assert f"{form}?draft={pk}" in clerk.text(form)
        assert "未送出的墨" in clerk.text(f"{form}?draft={pk}")
        for path in (form, f"{form}?draft={pk}"):
            assert "未送出的墨" not in colleague.text(path)
            assert "/drafts/" not in colleague.text(path).partition("<main")[2]
        same(colleague, f"{form}?draft={pk}", f"{form}?draft={NOBODYS_ID}", pk)
    for person in ("colleague", "outsider", "manager", "auditor", "admin"):
        browser = sign_in(person)
        assert browser.get("/api/v1/drafts/").get_json()["total"] == 0
        for pk in drafts:
            assert same(browser, f"/drafts/{pk}", f"/drafts/{NOBODYS_ID}", pk) == 404
            assert same(browser, f"/drafts/{pk}/delete", f"/drafts/{NOBODYS_ID}/delete", pk, {}) == 404
            assert browser.json("DELETE", f"/api/v1/drafts/{pk}").status_code == 404
    # Each keeps and sends what is one's own.
    assert colleague.post(f"/cases/{case}/draft", {"applicant": "别人的"}).status_code == 200
    theirs = world.id(Draft, owner_id=world.account("colleague"))
    assert "未送出的墨" in clerk.text(f"{edit}?draft={drafts[1]}")
    assert "别人的" in colleague.text(f"{edit}?draft={theirs}")
    assert "别人的" not in clerk.text(f"{edit}?draft={theirs}")
    assert clerk.post(f"/drafts/{drafts[1]}/delete", {}).status_code == 302
    assert count(database, Draft, owner_id=world.account("clerk")) == 1
    assert count(database, Draft, owner_id=world.account("colleague")) == 1


# --- tokens ----------------------------------------------------------------------------------------------------------


def test_a_foreign_token_is_neither_issued_nor_revoked(
    sign_in: SignIn, world: World, database: Database, app: Any
) -> None:
    clerk, outsider = sign_in("clerk"), sign_in("outsider")
    sent = {"name": "夜间对账", "access": "full", "expires_at": (NOW + timedelta(days=30)).isoformat()}
    pk = clerk.json("POST", "/api/v1/tokens/", sent).get_json()["row"]["id"]
    made = clerk.json("POST", f"/api/v1/tokens/{pk}/issue", {"version": 1}).get_json()
    secret, version = made["answer"], made["row"]["version"]
    for browser in (outsider, sign_in("colleague"), sign_in("admin")):
        for step in ("issue", "revoke"):
            path = "/tokens/{}/do/" + step
            assert same(browser, path.format(pk), path.format(NOBODYS_ID), pk) == 404
            assert same(browser, path.format(pk), path.format(NOBODYS_ID), pk, {"version": version}) == 404
            rest = browser.json("POST", f"/api/v1/tokens/{pk}/{step}", {"version": version})
            assert rest.status_code == 404
        for sure in ({}, {"sure": "1"}):
            answer = browser.post("/tokens/do/revoke", {"row": f"{pk}:{version}", **sure})
            assert "夜间对账" not in answer.get_data(as_text=True)
        # The name is taken for its owner alone.
        assert browser.json("POST", "/api/v1/tokens/", sent).status_code == 201
    assert count(database, Token, id=pk, state=TokenState.Active) == 1
    held = {"Authorization": f"Bearer {secret}"}
    client = app.test_client()
    total = client.get("/api/v1/cases/", headers=held).get_json()["total"]
    assert total == clerk.get("/api/v1/cases/").get_json()["total"]
    foreign = world.case("申请人白鹤")
    assert client.get(f"/api/v1/cases/{foreign}", headers=held).status_code == 404
    assert clerk.post(f"/tokens/{pk}/do/revoke", {"version": version}).status_code == 302
    assert client.get("/api/v1/cases/", headers=held).status_code == 401


def test_a_key_of_somebody_else_replays_nothing(sign_in: SignIn, world: World, database: Database) -> None:
    """Each person's Idempotency-Keys are her own: the same key and body of another person make another row."""
    sent = {"subject_type": "cases", "name": NAME}
    made = {}
    for person in ("clerk", "outsider"):
        browser = sign_in(person)
        headers = {"X-CSRFToken": browser.token(), "Idempotency-Key": "k-1"}
        answers = [browser.client.post("/api/v1/saved-views/", json=sent, headers=headers) for _ in range(2)]
        assert [a.status_code for a in answers] == [201, 201]
        assert [a.headers.get("Idempotent-Replayed") for a in answers] == [None, "true"]
        ids = {a.get_json()["row"]["id"] for a in answers}
        assert len(ids) == 1
        made[person] = ids.pop()
    assert made["clerk"] != made["outsider"]
    assert count(database, SavedView) == 2


# --- imports ---------------------------------------------------------------------------------------------------------


def test_an_import_neither_changes_nor_finds_foreign_rows(sign_in: SignIn, world: World, database: Database) -> None:
    """A manager of another district: the codes of foreign items are refused as codes that nobody has."""
    with database.session(everything("test"), write=True) as s:
        account = s.get_one(Account, world.account("stranger"))
        manager = s.scalars(select(FabRole.id).where(FabRole.name == Role.Management.value)).one()
        assert not save(s, account, {"roles": [manager]}, now=NOW, expected_version=account.version).errors
    stranger = sign_in("stranger")
    before = count(database, Item), count(database, Event)
    for take_over in ({}, {"take_over": "1"}):
        told = []
        for code in ("LOCAL-1", "LOCAL-9"):
            lines = ["实施部门,行政区划代码,事项名称,地方编码,事项类型", f"东城区卫生健康局,990101,盗,{code},行政许可"]
            sent = {"file": (io.BytesIO("\n".join(lines).encode()), "list.csv"), "mapping": "own-items", **take_over}
            answer = stranger.post("/import/items", sent, content_type="multipart/form-data")
            assert answer.status_code == 302
            batch = answer.headers["Location"]
            page = stranger.text(batch)
            done = stranger.post(f"{batch}/run", follow_redirects=True).get_data(as_text=True)
            assert "鲤" not in done
            pk = batch.rpartition("/")[2]
            own = rf"/import/batch/{pk}|/batches/{pk}|batch=[0-9a-f]{{32}}"
            told.append([blotted(re.sub(own, "", p.replace(code, "#"))) for p in (page, done)])
        assert told[0] == told[1]
    assert (count(database, Item), count(database, Event)) == before
    # Nor by somebody else's dry run.
    sent = {"file": (io.BytesIO("\n".join(lines).encode()), "list.csv"), "mapping": "own-items"}
    foreign = sign_in("manager").post("/import/items", sent, content_type="multipart/form-data").headers["Location"]
    for step in ("run", "columns", "cancel"):
        assert stranger.post(f"{foreign}/{step}").status_code == 404
    assert (count(database, Item), count(database, Event)) == before


# --- many rows at once -----------------------------------------------------------------------------------------------


def test_one_own_among_foreign_rows(sign_in: SignIn, world: World, database: Database) -> None:
    own, foreign = world.case("申请人白鹤"), world.case("申请人红鲤")
    before = count(database, Event, subject_type="cases")
    outsider = sign_in("outsider")
    asked = []
    for pk in (foreign, NOBODYS_ID):
        page = outsider.post("/cases/do/accept", {"row": [f"{pk}:1", f"{own}:1"]}).get_data(as_text=True)
        assert f'value="{own}:1"' in page
        assert "鲤" not in page
        asked.append(blotted(page.replace(f'value="{pk}:1"', "")))
    assert asked[0] == asked[1]
    rows = [f"{foreign}:1", f"{own}:1", f"{NOBODYS_ID}:1"]
    assert count(database, Event, subject_type="cases") == before
    done = outsider.post("/cases/do/accept", {"row": rows, "sure": "1"}).get_data(as_text=True)
    table = done.partition("<tbody>")[2].partition("</tbody>")[0]
    told = sorted(words(row) for row in table.split("</tr>") if row.strip())
    assert len(told) == 3
    refused = [t.replace(str(pk), "#", 1) for pk in (foreign, NOBODYS_ID) for t in told if t.startswith(f"{pk} ")]
    assert len(refused) == 2
    assert refused[0] == refused[1]
    assert "鲤" not in done
    assert count(database, Event, subject_type="cases") == before + 1
    assert count(database, Case, id=own, state=CaseState.Accepted) == 1
    assert count(database, Case, id=foreign, state=CaseState.Received, version=1) == 1
