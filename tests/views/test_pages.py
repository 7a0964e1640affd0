"""The pages of registries and the few written by hand: what they show, keep, refuse, and never do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from forms.convert import specs
from jobs.outbox import Worker
from models import registries
from models.account import Account, set_password
from models.case import Case, CaseState
from models.database import Database
from models.department import Department
from models.event import Event
from models.item import Item, ItemState
from models.letter import Letter
from models.scope import door, everything
from models.workflow import move
from tests.conftest import Browser
from tests.world import NOW, PASSWORD, World, put, receive

SignIn = Callable[[str], Browser]
GOOD = {
    "applicant_kind": "person",
    "applicant": "申请人",
    "identifier": "11010519491231002X",
    "phone": "13800000000",
    "channel": "window",
    "received_at": "2026-06-17T09:00",
}


def flashes(page: str) -> str:
    return " ".join(re.findall(r'<div class="flash[^"]*"[^>]*>([^<]*)</div>', page))


def value_of(page: str, name: str) -> str | None:
    """What the input *name* holds (an ``<input>``; the chosen ``<option>``; the text of a ``<textarea>``)."""
    if found := re.search(rf'<input (?=[^>]*name="{name}")[^>]*value="([^"]*)"[^>]*>', page):
        ticked = 'type="checkbox"' not in found.group(0) or " checked" in found.group(0)
        return found.group(1) if ticked else ""
    if found := re.search(rf'<textarea [^>]*name="{name}"[^>]*>([^<]*)</textarea>', page):
        return found.group(1)
    if found := re.search(rf'<select [^>]*name="{name}".*?</select>', page, re.DOTALL):
        chosen = re.search(r'<option(?: value="([^"]*)")? selected>([^<]*)<', found.group(0))
        return (chosen.group(1) or chosen.group(2)) if chosen else ""
    return None


def beside(page: str, name: str) -> str:
    """The message that stands with the field *name*."""
    found = re.search(rf'id="f-{name}-why">(.*?)</div>', page)
    return re.sub(r"<[^>]+>", " ", found.group(1)).strip() if found else ""


def total(browser: Browser, path: str) -> int:
    return int(browser.get(path).get_json()["total"])


# --- lists -----------------------------------------------------------------------------------------------------------


def test_search_filters_sort_and_pages(sign_in: SignIn, world: World, database: Database) -> None:
    with database.session(everything("test", world.account("clerk")), write=True) as s:
        item = world.item("护士执业注册鲤")
        for n in range(30):
            receive(s, item, applicant=f"人{n:02d}")
    clerk = sign_in("clerk")
    assert total(clerk, "/api/v1/cases/") == 31
    first = clerk.text("/cases/?sort=applicant")
    assert "人00" in first
    assert "人25" not in first
    assert "1–25" in first
    assert 'rel="next"' in first
    second = clerk.text("/cases/?sort=applicant&page=2")
    assert "人29" in second
    assert "人00" not in second
    assert 'rel="prev"' in second
    assert clerk.text("/cases/?sort=-applicant").index("人29") < clerk.text("/cases/?sort=-applicant").index("人10")
    assert "人07" in clerk.text("/cases/?q=人07")
    assert "人08" not in clerk.text("/cases/?q=人07")
    assert total(clerk, "/api/v1/cases/?q=东卫健 人07") == 1
    assert total(clerk, "/api/v1/cases/?q=人07 人08") == 0
    assert total(clerk, "/api/v1/cases/?q=%25") == total(clerk, "/api/v1/cases/?q=_") == 0
    for query, expected in (
        (f"item_id={item}", 30),
        (f"item_id={item}&item_id={world.item('公共场所卫生许可鲤')}", 31),
        ("item_id=999999", 0),
        ("state=received", 31),
        ("state=accepted", 0),
        ("state=accepted&state=received", 31),
        ("channel=window", 31),
        ("channel=online", 0),
        ("handler_id__empty=1", 0),
        ("handler_id__empty=0", 31),
        (f"handler_id={world.account('clerk')}", 31),
        ("notice_due=overdue", 0),
        ("notice_due=week", 0),  # a holiday lies in between
    ):
        assert total(clerk, f"/api/v1/cases/?{query}") == expected, query
        page = clerk.text(f"/cases/?{query}")
        assert ("Nothing matches" in page or "没有" in page or "<tbody>" not in page) == (expected == 0), query
        assert 'class="chip on"' in page, query


def test_no_page_is_longer_than_a_hundred_rows(sign_in: SignIn) -> None:
    admin = sign_in("admin")
    for query in ("size=100000", "psize=100000", "psize=100000&size=100000", "page_size=100000", "limit=5000"):
        answer = admin.get(f"/work-days/?{query}").get_data(as_text=True)
        assert answer.count("<tr>") <= 101, query
        rest = admin.get(f"/api/v1/work-days/?{query}")
        # What REST does not know it refuses; a size it bounds.
        assert rest.status_code == (200 if query == "size=100000" else 422), query
    assert len(admin.get("/api/v1/work-days/?size=100000").get_json()["rows"]) == 100


def test_nonsense_in_the_address_is_never_an_error_of_ours(sign_in: SignIn) -> None:
    """Every argument of every list, page and REST, with everything that has ever broken a list."""
    odd = [
        "",
        "empty",
        "-1",
        "0",
        "²",
        "１",
        "9" * 5000,
        "0" * 30 + "9" * 30,
        str(2**63),
        str(2**31),
        "%00",
        "%ED%A0%80",
    ]
    odd += ["'", '"><b>', "0001-01-01", "9999-12-31", "2026-02-30", "some", "null", "[]", "%25s", "%25(x)s", "{0}"]
    admin, wrong = sign_in("admin"), []

    def drive(path: str, *allowed: int) -> None:
        answer = admin.get(path)
        raw = answer.mimetype == "text/html" and "><b>" in answer.get_data(as_text=True)
        if answer.status_code not in allowed or raw:
            wrong.append(f"{path[:120]}: {answer.status_code}")

    for name, model in registries().items():
        known = specs(model)
        for value in odd:
            # All arguments at once: each is judged by itself.
            query = "&".join(f"{n}={value}" for n in (*model.__admin__.filter_names, "q", "sort", "page", "size"))
            drive(f"/{name}/?{query}", 200)
            drive(f"/api/v1/{name}/?{query}", 200, 422)
            if value in odd[1:6]:
                drive(f"/{name}/new?" + "&".join(f"{n}={value}" for n in known), 200, 403, 404)
        for field in known:
            drive(f"/{name}/pick/{field}?q=%00", 200, 404)
            drive(f"/api/v1/{name}/?size=1&sort=-{field}", 200)
    for path in ("/verify/%00", "/verify/?code=%00", "/cases/pick/x", "/cases/1/do/x", "/cases/%00", "/import/%00"):
        drive(path, 400, 403, 404, 200)
    assert not wrong, "\n" + "\n".join(wrong)


def test_personal_fields_are_masked(sign_in: SignIn, world: World) -> None:
    clerk = sign_in("clerk")
    pk = world.case("申请人红鲤")
    for path in ("/cases/", f"/cases/{pk}", "/events/", "/"):
        assert "11010519491231002X" not in clerk.text(path), path
    assert "1101**********002X" in clerk.text(f"/cases/{pk}")
    events = clerk.get("/api/v1/events/").get_json()["rows"]
    for event in events:
        for path in (f"/events/{event['id']}", f"/api/v1/events/{event['id']}"):
            assert "11010519491231002X" not in clerk.text(path), path


# --- add and edit ----------------------------------------------------------------------------------------------------


def test_add_with_problems_keeps_everything_typed(sign_in: SignIn, world: World) -> None:
    clerk = sign_in("clerk")
    item = world.item("公共场所卫生许可鲤")
    typed = GOOD | {"applicant": "", "identifier": "110105194912310021", "channel": "post", "item_id": str(item)}
    answer = clerk.post("/cases/new", {**typed, "phone": " 138 "})
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert beside(page, "applicant")
    assert not beside(page, "phone")
    answer = clerk.post("/cases/new", {**typed, "applicant": "甲"})
    page = answer.get_data(as_text=True)
    assert beside(page, "identifier")
    assert 'href="#f-identifier"' in page
    for name in ("applicant_kind", "identifier", "phone", "channel", "received_at", "item_id"):
        assert value_of(page, name) == typed[name], name
    assert 'value="公共场所卫生许可鲤"' in page  # the reference says what was picked
    # What cannot even be converted stays as it was typed, too.
    odd = {"channel": "鸽子", "received_at": "昨天", "item_id": "abc", "applicant_kind": "organisation"}
    page = clerk.post("/cases/new", {**typed, **odd}).get_data(as_text=True)
    for name, text in odd.items():
        assert value_of(page, name) == text, name
        assert bool(beside(page, name)) == (name != "applicant_kind"), name
    assert total(clerk, "/api/v1/cases/") == 1


def test_a_number_that_only_looks_like_an_id(sign_in: SignIn, world: World) -> None:
    clerk = sign_in("clerk")
    for text in ("0" * 19 + "1" + "9" * 30, "9" * 19, str(2**63 - 1), "9" * 5000, "²", "-1"):
        answer = clerk.post("/cases/new", {**GOOD, "item_id": text})
        assert answer.status_code == 422, text[:30]
        assert beside(answer.get_data(as_text=True), "item_id"), text[:30]


def test_characters_that_cannot_be_stored(sign_in: SignIn, world: World) -> None:
    clerk = sign_in("clerk")
    item = str(world.item("公共场所卫生许可鲤"))
    for text in ("a\x00b", "\x00"):
        answer = clerk.post("/cases/new", {**GOOD, "item_id": item, "applicant": text})
        assert answer.status_code == 422, repr(text)
        assert beside(answer.get_data(as_text=True), "applicant"), repr(text)
    assert clerk.post("/login/", {"username": "a\x00b", "password": "x"}).status_code in (302, 401)


def test_a_form_shows_what_it_sends(sign_in: SignIn, world: World) -> None:
    """The edit form carries the version and every editable value, and sending it back unchanged changes nothing."""
    approver = sign_in("approver")
    pk = world.item("公共场所卫生许可鲤")
    page = approver.text(f"/items/{pk}/edit")
    before = approver.get(f"/api/v1/items/{pk}").get_json()["row"]
    sent = {n: value_of(page, n) for n, spec in specs(Item).items() if spec.info.editable == "always"}
    sent = {n: v for n, v in sent.items() if v is not None}
    assert sent["name"] == "公共场所卫生许可鲤"
    assert sent["item_type"] == "01"
    assert sent["legal_basis_id"] == str(before["legal_basis_id"])
    assert value_of(page, "version") == str(before["version"])
    for closed in ("state", "department_id", "origin", "id", "created_by_id"):
        assert value_of(page, closed) is None, closed
    answer = approver.post(f"/items/{pk}/edit", {**sent, "version": before["version"]})
    assert answer.status_code == 302
    assert approver.get(f"/api/v1/items/{pk}").get_json()["row"] == before
    answer = approver.post(f"/items/{pk}/edit", {**sent, "version": before["version"], "phone": "0531-1"})
    assert answer.status_code == 302
    after = approver.get(f"/api/v1/items/{pk}").get_json()["row"]
    assert {n for n in before if before[n] != after[n]} - {"changed_at"} == {"phone", "version", "changed_by_id"}


def test_a_stale_form_is_refused_and_kept(sign_in: SignIn, world: World) -> None:
    approver, manager = sign_in("approver"), sign_in("manager")
    pk = world.item("公共场所卫生许可鲤")
    page = approver.text(f"/items/{pk}/edit")
    sent = {n: value_of(page, n) or "" for n in specs(Item) if value_of(page, n) is not None}
    changed = manager.post(f"/items/{pk}/edit", {**sent, "phone": "0531-1"})
    assert changed.status_code == 302
    answer = approver.post(f"/items/{pk}/edit", {**sent, "address": "我写的地址", "item_type": "20"})
    assert answer.status_code in (409, 422)
    page = answer.get_data(as_text=True)
    assert 'role="alert"' in page
    assert value_of(page, "address") == "我写的地址"
    assert value_of(page, "item_type") == "20"
    kept = approver.get(f"/api/v1/items/{pk}").get_json()["row"]
    assert (kept["phone"], kept["address"]) == ("0531-1", None)
    for version in ("", "0", "x", "9" * 40):
        assert approver.post(f"/items/{pk}/edit", {**sent, "version": version}).status_code in (409, 422), version
    del sent["version"]
    assert approver.post(f"/items/{pk}/edit", sent).status_code in (409, 422)


def test_an_edit_sets_neither_state_nor_department(sign_in: SignIn, world: World, database: Database) -> None:
    manager = sign_in("manager")
    pk = world.item("公共场所卫生许可鲤")
    other = world.id(Department, name="东城区市场监督管理局")
    page = manager.text(f"/items/{pk}/edit")
    sent = {n: value_of(page, n) or "" for n in specs(Item) if value_of(page, n) is not None}
    closed = {
        "state": "cancelled",
        "department_id": other,
        "origin": "taken_over",
        "region_id": 1,
        "id": 99,
        "gap_count": 7,
    }
    closed |= {"created_by_id": 1, "changed_by_id": 1}
    with database.session(everything("test")) as s:
        before = {n: getattr(s.get_one(Item, pk), n) for n in closed if n != "changed_by_id"}
    assert manager.post(f"/items/{pk}/edit", {**sent, **closed, "phone": "1"}).status_code == 302
    with database.session(everything("test")) as s:
        item = s.get_one(Item, pk)
        assert {n: getattr(item, n) for n in before} == before
        assert item.phone == "1"
        assert item.changed_by_id == world.account("manager")


def test_a_new_row_of_a_foreign_department(sign_in: SignIn, world: World) -> None:
    """The manager's reach ends at the district: no row is made beyond it, and none is moved there."""
    manager = sign_in("manager")
    far = world.id(Department, name="西城区卫生健康局")
    sent = {"name": "新事项", "item_type": "20", "local_code": "N-1", "level": "4", "basic_code": "000199001000"}
    basis = manager.get("/api/v1/legal-bases/").get_json()["rows"][0]["id"]
    sent |= {"legal_basis_id": basis}
    refused = manager.post("/items/new", {**sent, "department_id": far})
    assert refused.status_code == 422
    assert 'id="f-department_id-why"' in refused.get_data(as_text=True)
    assert "新事项" in refused.get_data(as_text=True)  # nothing typed is lost
    assert total(sign_in("admin"), "/api/v1/items/?q=新事项") == 0
    near = world.id(Department, name="东城区卫生健康局")
    answer = manager.post("/items/new", {**sent, "department_id": near})
    assert answer.status_code == 302
    page = manager.text(answer.headers["Location"])
    assert "新事项" in page
    again = manager.post("/items/new", {**sent, "department_id": near})
    assert again.status_code == 422
    assert beside(again.get_data(as_text=True), "local_code")


def test_delete(sign_in: SignIn, world: World, database: Database) -> None:
    """Only in the first state, only with the right version, only what nobody refers to; its Events stay."""
    manager, admin = sign_in("manager"), sign_in("admin")
    published = world.item("公共场所卫生许可鲤")
    version = manager.get(f"/api/v1/items/{published}").get_json()["row"]["version"]
    answer = manager.post(f"/items/{published}/delete", {"version": version}, follow_redirects=True)
    assert 'class="flash bad"' in answer.get_data(as_text=True)
    with database.session(everything("test"), write=True) as s:
        bureau = world.id(Department, name="东城区卫生健康局")
        draft = Item()
        claimed = s.get_one(Item, published).catalogue_item_id
        put(s, draft, department_id=bureau, local_code="D-1", catalogue_item_id=claimed)
        pk = draft.id
    stale = manager.post(f"/items/{pk}/delete", {"version": 99}, follow_redirects=True)
    assert 'class="flash bad"' in stale.get_data(as_text=True)
    gone = manager.post(f"/items/{pk}/delete", {"version": draft.version}, follow_redirects=True)
    assert 'class="flash ok"' in gone.get_data(as_text=True)
    assert manager.get(f"/items/{pk}").status_code == 404
    with database.session(everything("test")) as s:
        kinds = s.scalars(select(Event.kind).where(Event.subject_type == "items", Event.subject_id == pk)).all()
        assert [k.value for k in kinds] == ["created", "deleted"]
    region = world.id(Department, name="东城区卫生健康局")
    used = admin.get(f"/api/v1/departments/{region}").get_json()["row"]["version"]
    answer = admin.post(f"/departments/{region}/delete", {"version": used}, follow_redirects=True)
    assert 'class="flash bad"' in answer.get_data(as_text=True)
    assert admin.get(f"/departments/{region}").status_code == 200


# --- moves -----------------------------------------------------------------------------------------------------------


def test_the_page_of_a_move(sign_in: SignIn, world: World) -> None:
    approver = sign_in("approver")
    pk = world.case("申请人红鲤")
    page = approver.text(f"/cases/{pk}/do/refuse")
    assert 'name="refusal_reason"' in page
    version = value_of(page, "version")
    answer = approver.post(f"/cases/{pk}/do/refuse", {"version": version, "refusal_reason": " ", "competent": "某机关"})
    kept = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert beside(kept, "refusal_reason")
    assert value_of(kept, "competent") == "某机关"
    assert value_of(kept, "version") == version
    stale = approver.post(f"/cases/{pk}/do/refuse", {"version": "77", "refusal_reason": "不属本机关"})
    assert stale.status_code in (409, 422)
    assert value_of(stale.get_data(as_text=True), "refusal_reason") == "不属本机关"
    done = approver.post(f"/cases/{pk}/do/refuse", {"version": version, "refusal_reason": "不属本机关"})
    assert done.status_code == 302
    shown = approver.text(f"/cases/{pk}")
    assert "不属本机关" in shown
    assert f"/cases/{pk}/do/accept" not in shown
    again = approver.post(f"/cases/{pk}/do/refuse", {"version": int(version or 0) + 1, "refusal_reason": "再"})
    assert again.status_code == 422
    assert approver.get(f"/cases/{pk}/do/dance").status_code == 404


def test_who_may_not_move_sees_no_button(sign_in: SignIn, world: World) -> None:
    pk = world.case("申请人红鲤")
    for person in ("manager", "auditor", "admin"):
        browser = sign_in(person)
        assert "/do/" not in browser.text(f"/cases/{pk}").replace("/cases/do/", ""), person
        assert browser.get(f"/cases/{pk}/do/accept").status_code == 403, person
        assert browser.post(f"/cases/{pk}/do/accept", {"version": 1}).status_code == 403, person
    clerk = sign_in("clerk")
    assert f"/cases/{pk}/do/accept" in clerk.text(f"/cases/{pk}")
    assert f"/cases/{pk}/do/refuse" not in clerk.text(f"/cases/{pk}")
    assert clerk.get(f"/cases/{pk}/do/refuse").status_code == 403


def test_bulk_some_done_some_refused(sign_in: SignIn, world: World, database: Database) -> None:
    with database.session(everything("test", world.account("clerk")), write=True) as s:
        cases = [receive(s, world.item("公共场所卫生许可鲤"), applicant=f"众{n}") for n in range(4)]
        assert not move(s, cases[3], "accept", now=NOW).errors
        ids = [(c.id, c.version) for c in cases]
        numbers = [c.number for c in cases]
    clerk = sign_in("clerk")
    rows = [
        f"{ids[0][0]}:{ids[0][1]}",
        f"{ids[1][0]}:{ids[1][1]}",
        f"{ids[2][0]}:88",
        f"{ids[3][0]}:{ids[3][1]}",
        "x:1",
    ]
    asked = clerk.post("/cases/do/accept", {"row": rows}).get_data(as_text=True)
    assert 'name="sure"' in asked  # it is asked first: each of them writes a letter
    with database.session(everything("test")) as s:
        assert s.get_one(Case, ids[0][0]).state is CaseState.Received
    told = clerk.post("/cases/do/accept", {"row": rows, "sure": "1"}).get_data(as_text=True)
    assert "完成 2 条，未完成 3 条" in told
    assert numbers[2] in told  # stale, and told so
    assert numbers[3] in told  # accepted before
    with database.session(everything("test")) as s:
        states = [s.get_one(Case, i).state for i, _ in ids]
        assert states == [CaseState.Accepted, CaseState.Accepted, CaseState.Received, CaseState.Accepted]
    assert clerk.post("/cases/do/accept", {}, follow_redirects=True).status_code == 200


# --- signing in and out ----------------------------------------------------------------------------------------------


ELSEWHERE = (
    "//evil.example", "/\\evil.example", "https://evil.example/", "/\t/evil.example", "/\t\\evil.example",
    "\\\\evil.example", "javascript:alert(1)", "/\n/evil.example", "///evil.example", " //evil.example",
    "evil.example", "http:/\\evil.example", "/%09/evil.example", "//evil.example@localhost/",
)  # fmt: skip


def test_no_sign_in_leads_out_of_the_house(app: Flask) -> None:
    for target in ELSEWHERE:
        browser = Browser(app.test_client())
        answers = [browser.post("/login/", {"username": "clerk", "password": PASSWORD, "next": target})]
        answers.append(browser.post("/language/", {"locale": "en", "next": target}))
        answers.append(browser.post("/login/", {"next": target}))
        for answer in answers:
            assert answer.status_code == 302, repr(target)
            assert as_a_browser_reads(answer.headers["Location"]) == "localhost", answer.headers["Location"]


def as_a_browser_reads(location: str) -> str | None:
    """The host that a browser would go to: it drops tabs and line breaks and takes \\ for /."""
    plain = re.sub(r"[\t\r\n]", "", location.strip()).replace("\\", "/")
    parts = urlsplit(plain)
    return parts.hostname or ("localhost" if not parts.scheme and not plain.startswith("//") else None)


def test_deep_link_leads_back_after_sign_in(anonymous: FlaskClient, world: World) -> None:
    browser = Browser(anonymous)
    pk = world.case("申请人红鲤")
    asked = browser.get(f"/cases/{pk}?x=1")
    assert asked.status_code == 302
    where = asked.headers["Location"]
    assert where.startswith("/login/?next=")
    page = browser.text(where)
    target = value_of(page, "next")
    assert target == f"/cases/{pk}?x=1"
    answer = browser.post("/login/", {"username": "clerk", "password": PASSWORD, "next": target})
    assert answer.headers["Location"] == target
    # What was to be posted is not repeated after a sign-in.
    assert browser.post("/logout/").status_code == 302
    assert browser.post("/cases/new", {}).headers["Location"].endswith("next=/")


def test_wrong_password_unknown_user_and_closed_account_answer_alike(
    anonymous: FlaskClient, world: World, database: Database
) -> None:
    browser = Browser(anonymous)
    with database.session(everything("test"), write=True) as s, door(s):
        s.get_one(Account, world.account("stranger")).active = False
    said = set()
    for username, password in (
        ("clerk", "wrong"),
        ("nobody1", PASSWORD),
        ("stranger", PASSWORD),
        ("clerk", ""),
        ("", ""),
    ):
        answer = browser.post("/login/", {"username": username, "password": password})
        page = re.sub(r'(csrf[-_]token" (?:content|value))="[^"]+"', r"\1", answer.get_data(as_text=True))
        said.add((answer.status_code, page.replace(f'value="{username}"', "value")))
    assert len(said) == 1
    assert said.pop()[0] == 401
    assert browser.get("/").status_code == 302
    bodies = set()
    for username, password in (("clerk", "wrong"), ("nobody1", PASSWORD), ("stranger", PASSWORD)):
        sent = {"username": username, "password": password, "provider": "db"}
        answer = anonymous.post("/api/v1/security/login", json=sent)
        bodies.add((answer.status_code, answer.get_data(as_text=True)))
    assert len(bodies) == 1
    assert bodies.pop()[0] == 401


def test_a_closed_account_is_out_at_once(sign_in: SignIn, world: World, database: Database) -> None:
    browser = sign_in("clerk")
    token = browser.client.post(
        "/api/v1/security/login", json={"username": "clerk", "password": PASSWORD, "provider": "db"}
    )
    bearer = {"Authorization": f"Bearer {token.get_json()['access_token']}"}
    assert browser.client.get("/api/v1/cases/", headers=bearer).status_code == 200
    with database.session(everything("test"), write=True) as s, door(s):
        s.get_one(Account, world.account("clerk")).active = False
    assert browser.get("/cases/").status_code == 302
    assert browser.get("/api/v1/cases/").status_code == 401
    assert browser.client.get("/api/v1/cases/", headers=bearer).status_code == 401


def test_sign_in_counts_and_sign_out(sign_in: SignIn, world: World, database: Database) -> None:
    with database.session(everything("test")) as s:
        before = s.get_one(Account, world.account("clerk")).version
    browser = sign_in("clerk")
    assert browser.get("/login/").status_code == 302  # nothing to do there
    assert browser.get("/logout/").status_code == 405  # a link on a foreign page signs nobody out
    browser.post("/login/", {"username": "clerk", "password": "wrong"})
    with database.session(everything("test")) as s:
        account = s.get_one(Account, world.account("clerk"))
        assert account.login_count == 1
        assert account.last_login is not None
        assert account.version == before  # whoever edits this account meanwhile is not called stale
    assert sign_in("admin").get("/accounts/").status_code == 200
    old = browser.client.get_cookie("session")
    assert browser.post("/logout/").status_code == 302
    assert browser.get("/cases/").status_code == 302
    assert old is not None


def test_a_given_password_must_be_replaced(sign_in: SignIn, world: World, app: Flask) -> None:
    admin = sign_in("admin")
    pk = world.account("clerk")
    version = admin.get(f"/api/v1/accounts/{pk}").get_json()["row"]["version"]
    answer = admin.post(f"/accounts/{pk}/do/reset_password", {"version": version})
    assert answer.status_code == 200
    found = re.search(r'class="answer">([^<]+)<', answer.get_data(as_text=True))
    assert found
    given = found.group(1)
    clerk = Browser(app.test_client())
    assert clerk.post("/login/", {"username": "clerk", "password": PASSWORD}).status_code == 401
    assert clerk.post("/login/", {"username": "clerk", "password": given}).status_code == 302
    for path in ("/", "/cases/", f"/cases/{world.case('申请人红鲤')}", "/items/pick/department_id", "/import/items"):
        assert clerk.get(path).headers["Location"] == "/account/password", path
    assert clerk.post("/cases/new", {}).headers["Location"] == "/account/password"
    assert clerk.get("/api/v1/cases/").status_code == 403
    sent = {"username": "clerk", "password": given, "provider": "db"}
    fresh = app.test_client()
    bearer = fresh.post("/api/v1/security/login", json=sent).get_json()["access_token"]
    assert fresh.get("/api/v1/cases/", headers={"Authorization": f"Bearer {bearer}"}).status_code == 403
    assert clerk.get("/account/password").status_code == 200
    new = "ein-neues-Passwort-9"
    assert change(clerk, given, new) == 302
    assert clerk.get("/cases/").status_code == 200
    again = Browser(app.test_client())
    assert again.post("/login/", {"username": "clerk", "password": given}).status_code == 401
    assert again.post("/login/", {"username": "clerk", "password": new}).status_code == 302


def change(browser: Browser, old: str, new: str, again: str | None = None) -> int:
    sent = {"old": old, "new": new, "again": new if again is None else again}
    return int(browser.post("/account/password", sent).status_code)


def test_rules_of_a_new_password(sign_in: SignIn, world: World, database: Database) -> None:
    clerk = sign_in("clerk")
    good = "ein-gutes-Passwort-7"
    for old, new, again in (
        ("wrong", good, good),
        ("", good, good),
        (PASSWORD, good, good + "x"),
        (PASSWORD, "short", "short"),
        (PASSWORD, "aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa"),
        (PASSWORD, PASSWORD, PASSWORD),
        (PASSWORD, "a" + "bcdefghij" * 200, "a" + "bcdefghij" * 200),
        (PASSWORD, "", ""),
        (PASSWORD, "\x00" * 12, "\x00" * 12),
    ):
        answer = clerk.post("/account/password", {"old": old, "new": new, "again": again})
        assert answer.status_code == 422, new[:20]
        page = answer.get_data(as_text=True)
        assert 'class="why"' in page
        assert good not in page
        assert PASSWORD not in page
    assert change(clerk, PASSWORD, good) == 302
    with database.session(everything("test")) as s:
        told = s.scalars(select(Event).where(Event.action == "change_password")).one()
        assert told.subject_id == told.actor_id == world.account("clerk")
        assert good not in str(told.changes)
        assert "scrypt" not in str(told.changes)


def test_a_password_is_never_shown(sign_in: SignIn, world: World) -> None:
    admin = sign_in("admin")
    pk = world.account("clerk")
    for path in (
        f"/accounts/{pk}",
        f"/accounts/{pk}/edit",
        "/accounts/",
        f"/api/v1/accounts/{pk}",
        "/api/v1/accounts/",
    ):
        assert "scrypt" not in admin.text(path), path
    assert admin.json("PUT", f"/api/v1/accounts/{pk}", {"version": 1, "password": "x"}).status_code == 422


def test_languages(sign_in: SignIn) -> None:
    browser = sign_in("clerk")
    titles = set()
    for locale, tag in (("zh", "zh-Hans"), ("zh_Hant", "zh-Hant"), ("en", "en")):
        answer = browser.post("/language/", {"locale": locale, "next": "/cases/?q=x"})
        assert answer.headers["Location"] == "/cases/?q=x"
        page = browser.text("/cases/")
        assert f'<html lang="{tag}">' in page
        titles.add(re.findall(r"<h1>([^<]*)</h1>", page)[0])
    assert len(titles) == 3
    browser.post("/language/", {"locale": "../../etc", "next": "/"})
    assert '<html lang="en">' in browser.text("/cases/")


# --- what every answer must be like ----------------------------------------------------------------------------------


def mutating(app: Flask) -> Iterator[tuple[str, str]]:
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) & {"POST", "PUT", "PATCH", "DELETE"}):
            path = re.sub(r"<int[^>]*:pk>", "1", rule.rule)
            path = path.replace("<action>", "accept").replace("<registry>", "items").replace("<version>", "v1")
            assert "<" not in path, rule
            yield method, path


def test_nothing_is_changed_without_the_token(sign_in: SignIn, app: Flask, database: Database) -> None:
    """Every mutating route, pages and REST, with the cookie and a missing, wrong or somebody else's token."""
    browser, other = sign_in("admin"), sign_in("clerk")
    with database.session(everything("test")) as s:
        before = s.scalar(select(func.count()).select_from(Event))
    wrong, seen = [], 0
    for method, path in mutating(app):
        if path == "/api/v1/security/login":
            continue  # it signs in with a password in the body and reads no cookie
        seen += 1
        for token in (None, "", "wrong", other.token()):
            headers = {"X-CSRFToken": token} if token is not None else {}
            for how in ("json", "data"):
                body = (
                    {"json": {"version": 1}} if how == "json" else {"data": {"csrf_token": token or "", "version": "1"}}
                )
                answer = browser.client.open(path, method=method, headers=headers if how == "json" else {}, **body)
                if answer.status_code != 400:
                    wrong.append(f"{method} {path} {token!r}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)
    assert seen > 40
    # A foreign site cannot make the browser send a header of ours, and the address is no place for a token.
    assert browser.client.post(f"/cases/new?csrf_token={browser.token()}").status_code == 400
    with database.session(everything("test")) as s:
        assert s.scalar(select(func.count()).select_from(Event)) == before


class Page(HTMLParser):
    """Everything in a page that the Content-Security-Policy forbids, and every host it names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.inside = ""
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.inside = tag
        if tag in ("style", "iframe", "object", "embed", "base") or (tag == "script" and not given.get("src")):
            self.wrong.append(f"<{tag}>")
        for name, value in attrs:
            if name == "style" or name.startswith("on"):
                self.wrong.append(f"{tag} {name}=")
            if name in ("href", "src", "action", "formaction", "srcset", "poster", "data"):
                parts = urlsplit((value or "").strip())
                if parts.scheme or parts.netloc:
                    self.wrong.append(f"{tag} {name}={value}")
            if name == "id":
                self.ids.append(value or "")
        if tag == "form" and (given.get("method") or "get").lower() == "get" and "csrf" in str(attrs):
            self.wrong.append("a token in an address")

    def handle_data(self, data: str) -> None:
        if self.inside == "script" and data.strip():
            self.wrong.append("inline script")
        if re.search(r"%\(\w+\)[sd]|\{\{|None,|Undefined", data):
            self.wrong.append(f"unfilled: {data.strip()[:60]}")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""


def kinds_of_pages(world: World, database: Database) -> list[tuple[str, str, dict[str, str] | None]]:
    """(who, path, what is posted) for one page of every kind, in every registry."""
    case, item = world.case("申请人红鲤"), world.item("公共场所卫生许可鲤")
    found: list[tuple[str, str, dict[str, str] | None]] = [
        ("anonymous", "/login/", None), ("anonymous", "/login/", {"username": "x<b>", "password": "y"}),
        ("anonymous", "/verify/", None), ("anonymous", "/verify/NONE", None), ("anonymous", "/nowhere", None),
        ("clerk", "/", None), ("clerk", "/account/password", None), ("clerk", "/account/password", {"old": "x"}),
        ("clerk", "/nowhere", None), ("clerk", "/verify/", None), ("clerk", "/outbox/", None),
        ("clerk", "/cases/new", {"applicant": "<script>x</script>"}),
        ("clerk", f"/cases/{case}/edit", {"applicant": ""}),
        ("clerk", f"/cases/{case}/do/accept", None), ("approver", f"/cases/{case}/do/refuse", None),
        ("approver", f"/cases/{case}/do/refuse", {"refusal_reason": ""}),
        ("clerk", "/cases/?q=<script>&state=received", None),
        ("clerk", "/cases/?q=zzz", None), ("manager", "/import/items", None), ("manager", "/import/items", {"x": "y"}),
        ("manager", "/import/batch/1/run", {"x": "y"}), ("manager", f"/items/{item}/do/cancel", None),
        ("clerk", "/cases/new", {"csrf_token": "wrong"}),
        ("admin", f"/accounts/{world.account('clerk')}/do/reset_password", None),
    ]  # fmt: skip
    with database.session(everything("test")) as s:
        for name, model in registries().items():
            person = "clerk" if name == "messages" else "admin"
            found.append((person, f"/{name}/", None))
            grants = [g for g in model.__admin__.grants if g.role.value == "administrator"]
            pk = s.scalars(select(model.id).limit(1)).first()
            if pk is not None and person == "admin":
                found.append((person, f"/{name}/{pk}", None))
                if any("edit" in g.words for g in grants):
                    found.append((person, f"/{name}/{pk}/edit", None))
            if any("add" in g.words for g in grants):
                found += [(person, f"/{name}/new", None), (person, f"/{name}/new", {"x": "y"})]
    return found


def test_every_kind_of_page(sign_in: SignIn, app: Flask, world: World, database: Database, worker: Worker) -> None:
    with database.session(everything("test", world.account("clerk")), write=True) as s:
        case = receive(s, world.item("公共场所卫生许可鲤"), applicant="要通知书的人")
        assert not move(s, case, "accept", now=NOW).errors
    worker.run_due()
    browsers = {name: sign_in(name) for name in ("clerk", "approver", "manager", "admin")}
    browsers["anonymous"] = Browser(app.test_client())
    wrong = []
    pages = kinds_of_pages(world, database)
    with database.session(everything("test")) as s:
        letter = s.scalars(select(Letter).limit(1)).one()
        pages += [("anonymous", f"/verify/{letter.code}", None), ("clerk", f"/letters/{letter.id}", None)]
    for locale in ("zh", "en"):
        for browser in browsers.values():
            browser.post("/language/", {"locale": locale, "next": "/"})
        for person, path, sent in pages:
            browser = browsers[person]
            answer = browser.get(path) if sent is None else browser.post(path, sent)
            where = f"{person} {path} {'POST' if sent else ''} {answer.status_code}"
            text = answer.get_data(as_text=True)
            page = Page(text)
            wrong += [f"{where}: {w}" for w in page.wrong]
            wrong += [f"{where}: two of id {i}" for i in set(page.ids) if page.ids.count(i) > 1]
            wrong += [f"{where}: not escaped" for bad in ("<script>x", "x<b>") if bad in text]
            if answer.status_code >= 500 or not text.startswith("<!doctype html>"):
                wrong.append(f"{where}: no page")
            wrong += [f"{where}: header {h}" for h in headers_missing(answer)]
    assert not wrong, "\n" + "\n".join(wrong)
    for path in (
        "/api/v1/cases/",
        "/health/",
        f"/letters/{letter.id}/file",
        "/items/pick/department_id",
        "/cases/9999",
    ):
        answer = browsers["clerk"].get(path)
        assert headers_missing(answer) == [], path
        answer.close()
    static = browsers["clerk"].get("/static/look.css")
    assert headers_missing(static, kept=True) == []
    assert "url(http" not in static.get_data(as_text=True)
    static.close()
    script = browsers["clerk"].get("/static/yizhan.js")
    assert not re.search(r"https?://|eval\(|innerHTML", script.get_data(as_text=True))
    script.close()


def headers_missing(answer: Any, *, kept: bool = False) -> list[str]:
    headers = answer.headers
    policy = headers.get("Content-Security-Policy", "")
    wrong = [
        d
        for d in ("default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'")
        if d not in policy
    ]
    wrong += ["unsafe"] if "unsafe" in policy or "http:" in policy or "https:" in policy else []
    wanted = {"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin"}
    wrong += [n for n, v in wanted.items() if headers.get(n) != v]
    if not kept and headers.get("Cache-Control") != "no-store":
        wrong.append("Cache-Control")
    for cookie in headers.getlist("Set-Cookie"):
        wrong += [flag for flag in ("HttpOnly", "SameSite=Lax") if flag not in cookie]
    return wrong


def test_cookies_are_for_https_where_there_is_https(config: Any) -> None:
    from dataclasses import replace

    from config import flask_settings

    assert flask_settings(replace(config, https=True))["SESSION_COOKIE_SECURE"] is True


def test_verification_tells_no_more_than_the_letter(
    anonymous: FlaskClient, world: World, database: Database, worker: Worker
) -> None:
    with database.session(everything("test", world.account("clerk")), write=True) as s:
        case = receive(s, world.item("公共场所卫生许可鲤"), applicant="验证申请人", phone="13711112222")
        assert not move(s, case, "accept", now=NOW).errors
        number = case.number
    worker.run_due()
    with database.session(everything("test")) as s:
        letter = s.scalars(select(Letter)).one()
    for path in (
        f"/verify/{letter.code}",
        f"/verify/?code={letter.code.lower()}",
        f"/verify/?code=%20{letter.code}%20",
    ):
        answer = anonymous.get(path)
        assert answer.status_code == 200, path
        page = answer.get_data(as_text=True)
        assert letter.number in page
        assert str(letter.sha256) in page
        assert "东城区卫生健康局" in page
        for hidden in ("验证申请人", "13711112222", "11010519491231002X", "002X", number, "公共场所卫生许可鲤", "王鲤"):
            assert hidden not in page, hidden
    unknown = anonymous.get("/verify/AAAA-AAAA-AAAA-AAAA")
    assert unknown.status_code == 404
    assert 'role="alert"' in unknown.get_data(as_text=True)
    assert anonymous.get(f"/letters/{letter.id}/file").status_code == 302
    # A letter that is only reserved has nothing to verify yet.
    with database.session(everything("test"), write=True) as s, door(s):
        reserved = Letter(
            number="x", kind=letter.kind, subject_type="cases", subject_id=letter.subject_id, subject_label="x",
            department_id=letter.department_id,
            year=2026, serial=99, event_id=letter.event_id - 1, code="BBBB-BBBB-BBBB-BBBB",
            created_at=NOW, changed_at=NOW,
        )  # fmt: skip
        s.add(reserved)
    assert anonymous.get("/verify/BBBB-BBBB-BBBB-BBBB").status_code == 404


def test_health(anonymous: FlaskClient) -> None:
    answer = anonymous.get("/health/")
    assert answer.status_code == 200
    assert answer.get_json()["status"] == "ok"


def test_an_unknown_address_and_method(anonymous: FlaskClient, sign_in: SignIn) -> None:
    assert anonymous.get("/nowhere").status_code == 404
    assert sign_in("clerk").get("/nowhere").status_code == 404
    assert anonymous.get("/api/v1/nowhere").get_json()["problems"][0]["code"] == "not_found"
    assert Browser(anonymous).post("/health/").status_code in (400, 405)
    assert sign_in("clerk").post("/verify/").status_code == 405


def test_a_row_in_force_says_so(sign_in: SignIn, world: World, database: Database) -> None:
    """The strip of stations, the history and the limits with their reckoning stand on the page of a case."""
    clerk = sign_in("clerk")
    pk = world.case("申请人红鲤")
    version = clerk.get(f"/api/v1/cases/{pk}").get_json()["row"]["version"]
    assert clerk.post(f"/cases/{pk}/do/accept", {"version": version}).status_code == 302
    page = clerk.text(f"/cases/{pk}")
    assert 'class="steps"' in page
    assert "王鲤" in page
    assert page.count('class="clock"') == 3
    assert page.count("<details") >= 3
    with database.session(everything("test")) as s:
        assert s.get_one(Item, world.item("公共场所卫生许可鲤")).state is ItemState.InForce


def test_an_account_without_password_cannot_sign_in(
    sign_in: SignIn, world: World, database: Database, app: Flask
) -> None:
    with database.session(everything("test"), write=True) as s:
        account = Account()
        set_password(account, "x" * 20, change=False)
        values = {"username": "nopass", "last_name": "无", "email": "nopass@example.invalid", "active": True}
        put(s, account, **values, department_id=None, roles=[])
        with door(s):
            account.password = ""
    browser = Browser(app.test_client())
    for password in ("", "\x00", " ", "x"):
        assert browser.post("/login/", {"username": "nopass", "password": password}).status_code == 401
