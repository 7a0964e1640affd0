"""Every route the application knows, driven as everybody: nobody learns or changes what lies out of reach.

The routes come from ``app.url_map`` and what is sent from the declarations, so a new registry is covered by itself;
a route written by hand must be added to ``BY_HAND`` or the first test fails.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from werkzeug.routing import Rule

from forms.convert import specs
from models import registries
from models.case import Case
from models.database import Database
from models.declare import Action, Admin, Reach
from models.department import Department
from models.event import Event
from models.item import Item
from models.letter import Letter
from models.message import Message
from models.scope import everything
from run import create_app
from tests import conftest
from tests.conftest import ENGINES, Clock, Templates
from tests.views.house import (
    COOKIE,
    DOORS,
    FOREIGN,
    FULL,
    NEED,
    NOBODYS_ID,
    PHONE,
    PRIVATE,
    READ,
    SHARED,
    House,
    Knock,
    all_rules,
    blotted,
    expected,
    furnish,
    knocks,
    reach_of,
    references_of,
    sees,
    send,
)
from tests.views.pages import first_cells
from tests.world import NOW, PEOPLE

# The house is built once for each engine; with several workers it would be built by each of them.
EVERYBODY = (*PEOPLE, "anonymous")
# Where the address carries no registry: (method, path, what is sent, statuses for who has signed in, for who has not).
BY_HAND: dict[str, list[tuple[str, str, Any, set[int], set[int]]]] = {
    "static": [("GET", "/static/look.css", None, {200}, {200})],
    "Workbench.index": [("GET", "/", None, {200}, {302})],
    "Language.choose": [("POST", "/language/", {"locale": "zh", "next": "/cases/"}, {302}, {302})],
    "MyAccount.profile": [("GET", "/account/", None, {200}, {302})],
    # KOI stands in what the owner's rows are called, and alone tells nothing when it comes back in the search box.
    "Find.page": [("GET", f"/find/?q={q}{end}", None, {200}, {302}) for q in ("KOI", "7") for end in ("", "&short=1")],
    "MyAccount.password": [
        ("GET", "/account/password", None, {200}, {302}),
        ("POST", "/account/password", {"old": "x", "new": "y"}, {422}, {302}),
    ],
    "Verify.show": [
        ("GET", "/verify/", None, {200}, {200}),
        ("GET", "/verify/AAAA-AAAA-AAAA-AAAA", None, {404}, {404}),
    ],
    "Health.health": [("GET", "/health/", None, {200}, {200})],
    "SignIn.login": [("GET", "/login/", None, {302}, {200}), ("POST", "/login/", {"username": "koi"}, {302}, {401})],
    "SignIn.logout": [("POST", "/logout/", {}, {302}, {302})],
    "SecurityApi.login": [("POST", "/api/v1/security/login", {}, {400}, {400})],
    "SecurityApi.refresh": [("POST", "/api/v1/security/refresh", {}, {401, 422}, {401, 422})],
    "OpenApi.get": [("GET", "/api/v1/_openapi", None, {200}, {401})],
    "Import.upload": [
        ("GET", "/import/items", None, {200, 403}, {302}),
        ("POST", "/import/items", {}, {422, 403}, {302}),
        ("GET", "/import/cases", None, {404}, {404}),
    ],
    "Import.carry_out": [("POST", "/import/items/run", {"ticket": "x"}, {422, 403}, {302})],
}


@pytest.fixture(scope="module", params=ENGINES)
def house(
    request: pytest.FixtureRequest, templates: Templates, tmp_path_factory: pytest.TempPathFactory, fonts: Path
) -> Iterator[House]:
    """One house for the whole file: every test leaves it as it was, and ``unchanged`` makes sure of that."""
    folder = tmp_path_factory.mktemp("house")
    url = templates.copy(request.param, folder)
    config = conftest.settings.read({}, instance=folder, database_url=url, font_cache=str(fonts))
    database, clock = Database(url), Clock(NOW)
    app = create_app(config, clock=clock, database=database)
    yield furnish(app, database, conftest.Worker(database, config, clock), clock)
    database.dispose()


@pytest.fixture(autouse=True)
def unchanged(house: House) -> Iterator[None]:
    before = house.dump()
    yield
    assert house.dump() == before


# --- every route -----------------------------------------------------------------------------------------------------


def told_too_much(house: House, person: str, name: str, said: str) -> list[str]:
    """Words of the owner that *person* should never read; of what she keeps for herself not even her own people do.

    That somebody made a view or a token is on record, and the record is read by who supervises.
    """
    if person in FOREIGN:
        return house.leaks(said)
    supervises = person in ("admin", "auditor") and name in ("events", "Find")
    return [PRIVATE] if person != "clerk" and not supervises and PRIVATE in said else []


@pytest.mark.parametrize("person", EVERYBODY)
def test_every_route(house: House, person: str) -> None:
    wrong: list[str] = []
    for rule in all_rules(house.app):
        name = rule.endpoint.partition(".")[0].removesuffix("_api")
        if name not in registries():
            wrong += by_hand(house, person, rule)
            continue
        admin: Admin = registries()[name].__admin__
        pk = house.rows[name][0]
        may = person != "anonymous" and may_change(person, admin)
        mine = knocks(house, rule, pk, honest=not may)
        nobodys = knocks(house, rule, NOBODYS_ID, honest=not may)
        driven = {k.method for k in mine} or ((rule.methods or set()) if may else set())
        if missing := (rule.methods or set()) - {"HEAD", "OPTIONS"} - driven:
            wrong.append(f"{rule}: {missing} not driven")
        for knock, twin in zip(mine, nobodys, strict=True):
            owned: Admin = registries()[knock.about or name].__admin__
            for door in DOORS if knock.api and person != "anonymous" else (COOKIE,):
                where = f"{person} {knock.method} {knock.path} ({door})"
                status, said = send(house, person, knock, door)
                if status not in expected(person, knock, admin, door):
                    wrong.append(f"{where}: {status}, not {expected(person, knock, admin, door)}")
                if leaked := told_too_much(house, person, name, said):
                    wrong.append(f"{where}: {status} tells {leaked}")
                if "盗" in said and person in FOREIGN and status == 302 and not knock.answers:
                    wrong.append(f"{where}: something was made")
                if knock != twin and not sees(person, owned):
                    status_, said_ = send(house, person, twin, door)
                    if (status, blotted(said, knock.pk or pk)) != (status_, blotted(said_)):
                        wrong.append(f"{where}: not the same as for an id that nobody has ({status_})")
    assert not wrong, "\n" + "\n".join(wrong)


def may_change(person: str, admin: Admin) -> bool:
    """Is there anything in this registry that *person* may do to the owner's row?"""
    verbs = {v for g in admin.grants for v in g.words} - {"list", "show"}
    reach = reach_of(person, admin, *verbs)
    return reach is not None and (not admin.scoped or reach >= NEED[person])


def by_hand(house: House, person: str, rule: Rule) -> list[str]:
    if rule.endpoint not in BY_HAND:
        return [f"{rule} ({rule.endpoint}) is not known to this test; say in BY_HAND how to drive it"]
    wrong = []
    driven = {method for method, *_ in BY_HAND[rule.endpoint]}
    if missing := (rule.methods or set()) - {"HEAD", "OPTIONS"} - driven:
        wrong.append(f"{rule}: {missing} not driven")
    for method, path, sent, inside, outside in BY_HAND[rule.endpoint]:
        if rule.endpoint == "SignIn.logout" and person != "anonymous":
            continue  # the session is needed still; tests/views/test_pages.py signs out
        status, said = send(house, person, Knock(method, path, sent, api=path.startswith("/api/")))
        allowed = outside if person == "anonymous" else inside
        if status not in allowed:
            wrong.append(f"{person} {method} {path}: {status}, not {allowed}")
        if leaked := told_too_much(house, person, rule.endpoint.partition(".")[0], said):
            wrong.append(f"{person} {method} {path}: tells {leaked}")
    return wrong


def test_the_owner_does_see_it(house: House) -> None:
    """Without this the tests above would pass on an empty world."""
    clerk = house.browsers["clerk"]
    for name in ("cases", "letters", "messages", "events", "accounts", "items", "saved-views", "drafts", "tokens"):
        pk = house.rows[name][0]
        assert clerk.get(f"/{name}/{pk}").status_code == 200, name
        assert house.leaks(clerk.text(f"/{name}/")), name
        assert clerk.get(f"/api/v1/{name}/{pk}").get_json()["row"]["id"] == pk, name
    answer = clerk.get(f"/letters/{house.rows['letters'][0]}/file")
    assert answer.status_code == 200
    assert answer.data.startswith(b"%PDF")
    for reader in ("manager", "auditor", "admin"):
        assert house.browsers[reader].get(f"/cases/{house.rows['cases'][0]}").status_code == 200, reader


# --- side doors ------------------------------------------------------------------------------------------------------


# How an address can ask for a row by its id, or for a place among ids.
ASKED = (
    "{f}={i}",
    "{f}={i}&{f}={own}",
    "{f}={i}&{f}__below=1",
    "{f}={i}&{f}__empty=0",
    "{f}={i}&{f}__empty=1",
    "{f}__from={i}",
    "{f}__from={i}&{f}__to={i}",
    "{f}={i}&sort=-{f}",
)


def test_filters_searches_and_sorts_tell_nothing(house: House) -> None:
    """Whatever is asked of a list, it answers with one's own rows and counts no others."""
    browser = house.browsers["outsider"]
    bureau = house.world.id(Department, name="东城区卫生健康局")
    wrong = []
    for name, model in registries().items():
        admin: Admin = model.__admin__
        if reach_of("outsider", admin, "list") is None or not admin.scoped:
            continue
        own = browser.get(f"/api/v1/{name}/").get_json()["total"]
        # On the page as well only what it could say more about than REST does: its words and its chips.
        shown = ["", "q=鲤", "q=13900007777", "q=LOCAL-KOI", "q=%25", "q=_", "size=100000", "page=2", "page=999999"]
        shown += [f"sort={minus}{n}" for n in references_of(model) for minus in ("", "-")]
        asked = [f"sort=-{n}" for n in specs(model)]
        for field in admin.filter_names:
            choices = [m.value for m in specs(model)[field].choices or ()]
            shown += [f"{field}={v}" for v in (bureau, "empty", *choices)]
            shown += [f"{field}={bureau}&{field}__below=1", f"{field}__empty=0"]
            asked += [f"{field}=me", f"{field}__empty=1"]
            asked += [f"{field}__from={v}&{field}__to={w}" for v, w in (("0", "9999999"), ("2000-01-01", "2999-01-01"))]
        for query in (*shown, *asked):
            for base in (f"/{name}/", f"/api/v1/{name}/") if query in shown else (f"/api/v1/{name}/",):
                path = f"{base}?{query}"
                answer = browser.get(path)
                house.sent += 1
                said = re.sub(r'value="[^"]*"', "", answer.get_data(as_text=True).replace(query, ""))
                if answer.status_code not in (200, 422):
                    wrong.append(f"{path}: {answer.status_code}")
                if leaked := house.leaks(said):
                    wrong.append(f"{path}: tells {leaked}")
                if path.startswith("/api") and answer.status_code == 200 and answer.get_json()["total"] > own:
                    wrong.append(f"{path}: counts more than one's own")
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize("person", ["outsider", "stranger"])
def test_a_foreign_id_in_a_filter_is_as_unknown_as_any(house: House, person: str) -> None:
    browser = house.browsers[person]
    wrong = []
    compared = set()
    for name, model in registries().items():
        admin: Admin = model.__admin__
        if reach_of(person, admin, "list") is None:
            continue
        led = {n: to for n, to in references_of(model).items() if n in admin.filter_names}
        led |= {"subject_id": "cases"} if "subject_id" in admin.filter_names else {}
        for field, to in led.items():
            if sees(person, registries()[to].__admin__):
                continue
            compared.add((name, field))
            for form in ASKED:
                for base in (f"/{name}/?", f"/api/v1/{name}/?"):
                    ids = (house.rows[to][0], NOBODYS_ID)
                    paths = [base + form.format(f=field, i=i, own=house.world.account(person)) for i in ids]
                    answers = [browser.get(path) for path in paths]
                    house.sent += 2
                    theirs, nobodys = ((a.status_code, blotted(a.get_data(as_text=True))) for a in answers)
                    if theirs != nobodys or house.leaks(theirs[1]):
                        wrong.append(f"{paths[0]} is not the same as for an id that nobody has")
    assert not wrong, "\n" + "\n".join(wrong)
    assert {("cases", "item_id"), ("cases", "handler_id"), ("letters", "subject_id")} <= compared


def test_the_search_over_everything(house: House) -> None:
    """Words of the owner find what words do that nobody wrote."""

    def found(person: str, word: str) -> str:
        page = house.browsers[person].text(f"/find/?q={quote(word)}")
        return blotted(page.replace(html.escape(word), "").replace(quote(word), ""))

    words = [*dict.fromkeys(w for w in house.words if len(w) < 40), "锦鲤", "王鲤", SHARED]
    for person in ("outsider", "stranger"):
        nothing = found(person, "鼍龙")
        for word in words:
            assert house.browsers[person].get(f"/find/?short=1&q={quote(word)}").get_json() == {"groups": []}, word
            assert found(person, word) == nothing, (person, word)
    assert house.browsers["outsider"].get("/find/?short=1&q=鹤").get_json()["groups"]
    groups = house.browsers["clerk"].get("/find/?short=1&q=鲤").get_json()["groups"]
    assert {row["href"].split("/")[1] for group in groups for row in group["rows"]} >= {"cases", "items", "tokens"}
    for person in ("colleague", "approver", "manager"):
        assert house.browsers[person].get(f"/find/?short=1&q={PRIVATE}").get_json() == {"groups": []}


@pytest.mark.parametrize("person", ["outsider", "stranger"])
def test_counts_and_workbench_are_ones_own(house: House, person: str) -> None:
    browser = house.browsers[person]
    mine = house.world.scope(person).own
    with house.database.session(everything("test")) as s:
        for name, model in (("cases", Case), ("items", Item), ("letters", Letter), ("events", Event)):
            own = s.query(model).where(model.department_id.in_(mine)).count()  # type: ignore[attr-defined]
            assert browser.get(f"/api/v1/{name}/").get_json()["total"] == own, name
            counted = re.search(r"<h1>[^<]*</h1><small>\D*(\d+)", browser.text(f"/{name}/"))
            assert counted, name
            assert int(counted.group(1)) == own, name
        inbox = s.query(Message).filter_by(recipient_id=house.world.account(person)).count()
    assert browser.get("/api/v1/messages/").get_json()["total"] == inbox == 1
    workbench = browser.text("/")
    assert not house.leaks(workbench)
    figures = [
        int(n) for n in re.findall(r'class="card stat[^"]*"[^>]*><span[^>]*>[^<]*</span><b>(\d+)</b>', workbench)
    ]
    assert figures == [1, 0, 1, 1]  # overdue, due today, to be accepted, items with gaps: each one's own
    assert badges(workbench) == {"messages": 1, "cases": 1}
    assert badges(house.browsers["clerk"].text("/")) == {"messages": 2, "cases": 2}


def badges(page: str) -> dict[str, int]:
    menu = page[page.index('<nav id="nav"') : page.index("</nav>")]
    return {name: int(n) for name, n in re.findall(r'href="/([\w-]+)/"[^>]*>[^<]*<b[^>]*>(\d+)<', menu)}


def test_what_i_did_last_is_mine(house: House) -> None:
    def done(person: str) -> set[str]:
        page = house.browsers[person].text("/")
        found = re.search(r'<ul class="check rows">(.*?)</ul>', page, re.DOTALL)
        return set(re.findall(r'href="([^"]+)"', found.group(1))) if found else set()

    assert f"/cases/{house.rows['cases'][0]}" in done("clerk")
    assert done("outsider") == {f"/cases/{house.world.case('申请人白鹤')}"}
    assert done("stranger") == {f"/cases/{house.world.case('申请人苍鹭')}"}
    assert done("colleague") == set()


def test_every_link_leads_to_what_one_may_see(house: House) -> None:
    """From page to page as the outsider, as far as links lead: nothing foreign, and none that is refused."""
    browser = house.browsers["outsider"]
    todo, seen, wrong = ["/"], {"/"}, []
    while todo and len(seen) < 600:
        path = todo.pop()
        answer = browser.get(path)
        house.sent += 1
        said = answer.get_data().decode("utf-8", "replace")
        if answer.status_code != 200 or house.leaks(said):
            wrong.append(f"{path}: {answer.status_code} {house.leaks(said)}")
        if answer.mimetype != "text/html":
            continue
        for href in re.findall(r'href="(/[^"#]*)"', said):
            link = re.sub(r"([?&])(sort|size|page)=[^&]*", r"\1", html.unescape(href)).rstrip("?&").replace("?&", "?")
            if link not in seen and not link.startswith("/static"):
                seen.add(link)
                todo.append(link)
    assert not wrong, "\n" + "\n".join(wrong)
    assert {link.split("/")[1] for link in seen} >= {*house.views, "account", "saved-views", "drafts", "tokens"}


def test_related_lists_hold_only_ones_own(house: House) -> None:
    """The page of the owner's department is open to all; its items and people are not, and nobody counts them."""
    bureau = house.world.id(Department, name="东城区卫生健康局")
    assert house.leaks(house.browsers["clerk"].text(f"/departments/{bureau}"))
    assert len(first_cells(house.browsers["clerk"].text(f"/departments/{bureau}?tab=items"))) == 3
    empty = house.world.id(Department, name="泉城市人民政府")
    for person in ("outsider", "stranger"):
        assert not house.leaks(house.browsers[person].text(f"/departments/{bureau}"))
        for tab in ("items", "accounts"):
            pages = [house.browsers[person].text(f"/departments/{pk}?tab={tab}") for pk in (bureau, empty)]
            assert not house.leaks(pages[0])
            same = [
                blotted(re.sub(rf"{n}|(departments/|department_id=){pk}", "", p))
                for p, pk, n in zip(pages, (bureau, empty), ("东城区卫生健康局", "泉城市人民政府"), strict=True)
            ]
            assert same[0] == same[1], (person, tab)
    with house.database.session(everything("test")) as s:
        catalogue = s.query(Item).filter_by(name="公共场所卫生许可鲤").one().catalogue_item_id
    assert not house.leaks(house.browsers["outsider"].text(f"/catalogue/{catalogue}"))
    assert first_cells(house.browsers["clerk"].text(f"/catalogue/{catalogue}?tab=items"))
    assert not first_cells(house.browsers["outsider"].text(f"/catalogue/{catalogue}?tab=items"))


@pytest.mark.parametrize("person", ["outsider", "stranger"])
def test_references_to_foreign_rows_are_as_unknown_as_any(house: House, person: str) -> None:
    """Writing a row that leads to a foreign one must not tell that the foreign one exists."""
    browser = house.browsers[person]
    item = house.rows["items"][0]
    sent = {"applicant_kind": "person", "applicant": "某人", "identifier": "11010519491231002X"}
    sent |= {"channel": "window", "received_at": "2026-06-17T09:00"}
    pages = [browser.post("/cases/new", {**sent, "item_id": str(i)}) for i in (item, NOBODYS_ID)]
    assert [p.status_code for p in pages] == [422, 422]
    bodies = [blotted(p.get_data(as_text=True)) for p in pages]
    assert bodies[0] == bodies[1]
    sent["received_at"] += ":00+08:00"
    answers = [browser.json("POST", "/api/v1/cases/", {**sent, "item_id": i}) for i in (item, NOBODYS_ID)]
    assert [a.status_code for a in answers] == [422, 422]
    assert answers[0].get_json() == answers[1].get_json()
    assert {p["field"]: p["code"] for p in answers[0].get_json()["problems"]}["item_id"] == "not_found"


@pytest.mark.parametrize("sure", [{}, {"sure": "1"}, {"sure": "1", "refusal_reason": "盗"}])
def test_bulk_steps_of_foreign_rows(house: House, sure: dict[str, str]) -> None:
    """Mixed with an own row that is refused for its own reason, and with nonsense; each registry, each step."""
    own = house.world.case("申请人白鹤")
    driven = set()
    for name, model in registries().items():
        admin: Admin = model.__admin__
        for step in [step for step in admin.steps if step.bulk]:
            for person in ("outsider", "stranger"):
                if reach_of(person, admin, step.name) is None or sees(person, admin):
                    continue
                driven.add((name, step.name))
                pk, version = house.rows[name]
                said = []
                for i in (pk, NOBODYS_ID):
                    rows = [
                        f"{i}:{version}",
                        f"{own}:99",
                        "²:1",
                        "1:" + "9" * 5000,
                        ":",
                        "x",
                        f"{own}",
                        f"{i}:{version}",
                    ]
                    rows = rows if name == "cases" else [f"{i}:{version}"]
                    answer = house.browsers[person].post(f"/{name}/do/{step.name}", {"row": rows, **sure})
                    said.append(answer.get_data(as_text=True))
                    assert answer.status_code == 200
                assert not house.leaks(said[0])
                assert blotted(said[0]) == blotted(said[1]), (person, name, step.name)
    assert {("cases", "accept"), ("messages", "read"), ("letters", "issue"), ("tokens", "revoke")} & driven


def test_a_letter_and_its_file(house: House) -> None:
    pk = house.rows["letters"][0]
    for person in EVERYBODY:
        answers = [house.browsers[person].get(f"/letters/{i}/file") for i in (pk, NOBODYS_ID)]
        if person in FOREIGN:
            same = [(a.status_code, blotted(a.get_data(as_text=True))) for a in answers]
            assert same[0] == same[1], person
        else:
            assert answers[0].status_code == 200, person
            assert answers[0].mimetype == "application/pdf"
        assert answers[1].status_code == (302 if person == "anonymous" else 404)


def test_events_of_foreign_rows(house: House) -> None:
    """Not in the list, not by id, not on anybody's page."""
    with house.database.session(everything("test")) as s:
        foreign = [e.id for e in s.query(Event) if e.subject_type == "cases" and e.subject_id == house.rows["cases"][0]]
    assert foreign
    for person in ("outsider", "stranger"):
        for pk in foreign:
            assert house.browsers[person].get(f"/events/{pk}").status_code == 404
            assert house.browsers[person].get(f"/api/v1/events/{pk}").status_code == 404


def test_huge_and_odd_ids(house: House) -> None:
    """A number that no column holds is as absent as any other, on both engines."""
    admin = house.browsers["admin"]
    for name in registries():
        for pk in (0, 2**31, 2**63 - 1, 2**63, "-1", "%E2%91%A0", "1e3"):
            for path in (f"/{name}/{pk}", f"/api/v1/{name}/{pk}"):
                assert admin.get(path).status_code in (404, 405), path  # 405: no such id for GET, so werkzeug


def test_every_registry_is_told_apart(house: House) -> None:
    """Each scoped registry has a row of the owner here, and one of the two reaches is really narrow."""
    for name, model in registries().items():
        admin: Admin = model.__admin__
        assert name in house.rows
        assert not isinstance(admin.actions, Action)
        if admin.scoped:
            reaches = {reach_of(p, admin, "list", "show") for p in ("outsider", "auditor", "clerk")}
            assert reaches != {None}, f"{name} is read by nobody"
    narrow = [
        n
        for n, m in registries().items()
        if m.__admin__.scoped and reach_of("outsider", m.__admin__, "list") in (Reach.mine, Reach.own)
    ]
    mine = {"drafts", "saved-views", "tokens"}
    assert {"cases", "items", "letters", "messages", "events", "accounts"} | mine <= set(narrow)
    assert all(
        house.rows[name][0] >= 7_000_000 for name in (*mine, "cases", "items", "letters", "messages", "accounts")
    )


# --- what is one's own -----------------------------------------------------------------------------------------------


def test_a_shared_view_tells_its_name_and_not_whose_it_is(house: House) -> None:
    first, second = house.shared
    for person, own in (("outsider", ["鹤的视图"]), ("stranger", [])):
        browser = house.browsers[person]
        page = browser.text("/saved-views/")
        assert not house.leaks(page)
        assert sorted(first_cells(page)) == sorted([SHARED, SHARED, *own])
        assert page.count("（无权查看）") == 2
        rows = browser.get("/api/v1/saved-views/").get_json()["rows"]
        assert sorted(r["id"] for r in rows if r["name"] == SHARED) == [first, second]
        listed = browser.text("/cases/")
        assert listed.count(f"view={first}") == listed.count(f"view={second}") == 1
        assert f"saved-views/{first}/delete" not in listed
        used = browser.text(f"/cases/?view={first}")
        assert f"<small>{SHARED} " in used
        for path in ("", "?tab=history", "?tab=saved-views"):
            said = browser.text(f"/saved-views/{first}{path}")
            assert SHARED in said
            assert "tab=history" not in said.partition("<main")[2]
            assert not house.leaks(said + used + listed), path
            assert f"saved-views/{first}/edit" not in said
        assert browser.get(f"/api/v1/saved-views/{first}/history").get_json()["total"] == 0
        assert not house.leaks(browser.text(f"/saved-views/new?copy={first}"))
    for person in ("approver", "manager", "auditor", "admin"):
        browser = house.browsers[person]
        assert browser.get("/api/v1/saved-views/").get_json()["total"] == 0, person
        assert SHARED not in browser.text("/cases/"), person
        assert browser.get(f"/saved-views/{first}").status_code == 404, person


def test_a_shared_view_is_its_owners_to_change(house: House) -> None:
    pk = house.shared[1]
    for person in ("colleague", "outsider", "stranger"):
        browser = house.browsers[person]
        page, rest = f"/saved-views/{pk}", f"/api/v1/saved-views/{pk}"
        sent = {"name": "盗", "query": "", "shared_with": "", "version": "1"}
        for path in ("/edit", f"/edit?draft={house.left}"):
            assert browser.get(page + path).status_code == 403, (person, path)
        for path in ("/edit", "/delete", "/draft"):
            assert browser.post(page + path, sent).status_code == 403, (person, path)
        assert browser.json("PUT", rest, {"name": "盗", "version": 1}).status_code == 403
        assert browser.json("DELETE", rest, {"version": 1}).status_code == 403
        for door in (FULL, READ):
            for method in ("PUT", "DELETE"):
                assert send(house, person, Knock(method, rest, {"version": 1}, api=True), door)[0] == 403
    assert house.browsers["clerk"].get(f"/saved-views/{pk}/edit").status_code == 200


def test_lists_are_not_sorted_by_the_names_of_foreign_people(house: House) -> None:
    first, second = house.shared  # the colleague's, then the clerk's

    def order(person: str, sort: str) -> list[int]:
        rows = house.browsers[person].get(f"/api/v1/saved-views/?sort={sort}").get_json()["rows"]
        return [r["id"] for r in rows if r["id"] in house.shared]

    assert order("clerk", "owner_id") == order("colleague", "owner_id") == [second, first]
    assert order("outsider", "owner_id") == [first, second]
    assert order("outsider", "-owner_id") == [second, first]


def test_drafts_are_offered_to_who_typed_them(house: House) -> None:
    case, own = house.rows["cases"][0], PRIVATE
    edit, new = f"/cases/{case}/edit", "/cases/new"
    resumed = (f"{edit}?draft={house.left}", f"{new}?draft={house.rows['drafts'][0]}")
    clerk = house.browsers["clerk"]
    for path, again in zip((edit, new), resumed, strict=True):
        assert again in clerk.text(path)
        assert own in clerk.text(again)
    for path in (edit, new, *resumed, f"{new}?copy={case}"):
        page = house.browsers["colleague"].text(path)
        assert own not in page
        assert PHONE not in page.replace(f'value="{PHONE}"', "")  # the row's own number she may edit
        assert "/drafts/" not in page[page.index("<main") :]
    outsider = house.browsers["outsider"]
    for path in (new, resumed[1]):
        assert not house.leaks(outsider.text(path))
    offered = re.findall(r'href="/cases/new\?draft=(\d+)"', outsider.text(new))
    assert len(offered) == 1
    assert "鹤所留草稿" in outsider.text(f"{new}?draft={offered[0]}")
    assert own not in clerk.text(f"{new}?draft={offered[0]}")


def test_a_token_of_the_registry_opens_no_page(house: House) -> None:
    client = house.app.test_client()
    for door in (FULL, READ):
        for path in ("/", "/cases/", "/find/?q=1", "/account/", f"/letters/{house.rows['letters'][0]}/file"):
            answer = client.get(path, headers=house.bearer("clerk", door))
            assert answer.status_code == 401, path
            assert not house.leaks(answer.get_data(as_text=True))
