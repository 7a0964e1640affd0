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

import pytest

from models import registries
from models.declare import Action, Admin, Reach
from models.department import Department
from tests.conftest import ENGINES, Templates
from tests.views import proofs
from tests.views.house import (
    FULL,
    PHONE,
    PRIVATE,
    READ,
    SHARED,
    House,
    Knock,
    opened,
    reach_of,
    send,
)
from tests.views.pages import first_cells
from tests.views.proofs import EVERYBODY, FIVE_KINDS, STRANGERS, badges, counting
from tests.world import PEOPLE

# The house is built once for each engine; with several workers it would be built by each of them.
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
    # 1: the first declared role; everybody who may read roles may read all of them.
    "Matrix.table": [
        ("GET", f"/matrix/{q}", None, {200, 403}, {302})
        for q in ("", "?registry=cases&reach=own&verb=accept&changed=1")
    ],
    "Matrix.export": [("GET", "/matrix/export", None, {200, 403}, {302})],
    "Matrix.role": [
        ("GET", "/matrix/1", None, {200, 403}, {302}),
        ("POST", "/matrix/1", {"cases.list": "all"}, {403}, {302}),
    ],
    "Catalogue.drift": [("GET", "/catalogue-check/drift", None, {200, 403}, {302})],
    "Reconcile.upload": [
        ("GET", "/reconcile/", None, {200, 403}, {302}),
        ("POST", "/reconcile/", {"system": "x"}, {422, 403}, {302}),
    ],
    # 1: nobody has one; the owner's own is tried by tests/views/test_catalogue.py.
    "Reconcile.result": [("GET", "/reconcile/1", None, {404, 403}, {302})],
    "Reconcile.file": [("GET", "/reconcile/1/file", None, {404, 403}, {302})],
    "Catalogue.reductions": [("GET", "/catalogue-check/reductions", None, {200, 403}, {302})],
    "WorkYear.now": [("GET", "/work-days/year/", None, {200}, {302})],
    "WorkYear.table": [("GET", f"/work-days/year/{year}", None, {200}, {302}) for year in (1949, 2026, 2027, 2100)],
    # 1: the first day of the calendar, which everybody may see.
    "WorkYear.of_day": [("GET", "/work-days/1/year", None, {200}, {302})],
    "WorkYear.load": [
        ("GET", "/work-days/notice", None, {200, 403}, {302}),
        ("POST", "/work-days/notice", {"text": "x"}, {422, 403}, {302}),
    ],
    "WorkYear.confirm": [("POST", "/work-days/notice/confirm", {"text": "x", "stamp": "1"}, {422, 403}, {302})],
    "WorkYear.moved": [("GET", "/work-days/notice/1", None, {404, 403}, {302})],
    "Public.index": [("GET", "/public/", None, {302}, {302})],
    **{
        f"public-{name}.list": [
            ("GET", f"/public/{name}/{q}", None, {200}, {200})
            for q in ("", "?q=KOI", "?q=LOCAL", "?sort=-gap_count&gap_count__from=0&secret=1&state=draft&page=2")
        ]
        for name in ("items", "catalogue")
    },
    # 1: of the catalogue everybody reads what is in force; the owner's own items involve secrets.
    "public-items.show": [("GET", "/public/items/1", None, {404}, {404})],
    "public-catalogue.show": [("GET", "/public/catalogue/1", None, {200}, {200})],
    "Verify.show": [
        ("GET", "/verify/", None, {200}, {200}),
        ("GET", "/verify/AAAA-AAAA-AAAA-AAAA", None, {404}, {404}),
    ],
    "Health.health": [("GET", "/health/", None, {200}, {200})],
    "SignIn.login": [("GET", "/login/", None, {302}, {200}), ("POST", "/login/", {"username": "koi"}, {302}, {401})],
    # Nobody stands between password and code; there is no provider here; each has no second factor yet.
    "SignIn.code": [("GET", "/login/code", None, {302}, {302}), ("POST", "/login/code", {"code": "1"}, {302}, {401})],
    "SignIn.unified": [("GET", "/login/unified", None, {404}, {404})],
    "SignIn.back": [("GET", "/login/unified/back?code=x&state=y", None, {404}, {404})],
    "MyAccount.sign_out_elsewhere": [("POST", "/account/sign-out-elsewhere", {}, {302}, {302})],
    "SecondFactor.page": [
        ("GET", "/account/second-factor/", None, {200}, {302}),
        ("POST", "/account/second-factor/", {"code": "12345"}, {422}, {302}),
    ],
    "SecondFactor.picture": [("GET", "/account/second-factor/picture", None, {200}, {302})],
    "SignIn.logout": [("POST", "/logout/", {}, {302}, {302})],
    "SecurityApi.login": [("POST", "/api/v1/security/login", {}, {400}, {400})],
    "SecurityApi.refresh": [("POST", "/api/v1/security/refresh", {}, {401, 422}, {401, 422})],
    "OpenApi.get": [("GET", "/api/v1/_openapi", None, {200}, {401})],
    "Import.upload": [
        ("GET", "/import/items", None, {200, 403}, {302}),
        ("POST", "/import/items", {}, {422, 403}, {302}),
        ("GET", "/import/cases", None, {404}, {404}),
    ],
    "Import.template": [
        ("GET", "/import/items/template", None, {200, 403}, {302}),
        ("GET", "/import/departments/template", None, {200, 403}, {302}),
    ],
    # 1: an id that no batch has; whose they are is tried in tests/views/test_transfer.py.
    "Import.batch": [("GET", "/import/batch/1", None, {404}, {302})],
    "Import.part": [("GET", "/import/batch/1/part", None, {404}, {302})],
    "Import.refused": [("GET", "/import/batch/1/refused", None, {404}, {302})],
    "Import.columns": [("POST", "/import/batch/1/columns", {"column-0": "name"}, {404}, {302})],
    "Import.carry_out": [("POST", "/import/batch/1/run", {}, {404}, {302})],
    "Import.cancel": [("POST", "/import/batch/1/cancel", {}, {404}, {302})],
}


@pytest.fixture(scope="module", params=ENGINES)
def house(
    request: pytest.FixtureRequest, templates: Templates, tmp_path_factory: pytest.TempPathFactory, fonts: Path
) -> Iterator[House]:
    """One house for the whole file: every test leaves it as it was, and ``unchanged`` makes sure of that."""
    folder = tmp_path_factory.mktemp("house")
    with opened(templates.copy(request.param, folder), folder, fonts) as found:
        yield found


@pytest.fixture(autouse=True)
def unchanged(house: House) -> Iterator[None]:
    before = house.dump()
    yield
    assert house.dump() == before


# Everybody on one engine, the five kinds of people on the other; two strangers there, one here.
EACH = [*(("sqlite", person) for person in EVERYBODY), *(("postgresql", person) for person in FIVE_KINDS)]
STRANGE = [*(("sqlite", person) for person in STRANGERS), ("postgresql", "outsider")]
everybody = pytest.mark.parametrize(("house", "person"), EACH, indirect=["house"], scope="module")
strangers = pytest.mark.parametrize(("house", "person"), STRANGE, indirect=["house"], scope="module")


def assert_nothing(wrong: proofs.Findings) -> None:
    assert not wrong, "\n" + "\n".join(wrong)


# --- every route -----------------------------------------------------------------------------------------------------


@everybody
def test_every_route(house: House, person: str) -> None:
    assert_nothing(proofs.routes(house, person, BY_HAND))


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


@strangers
def test_filters_searches_sorts_and_fields_tell_nothing(house: House, person: str) -> None:
    """Pages put to the database what REST puts to it: one person's, on one engine, are enough."""
    pages = person == "outsider" and house.database.engine.dialect.name == "sqlite"
    assert_nothing(proofs.lists(house, person, pages=pages))


@strangers
def test_a_foreign_id_in_a_filter_is_as_unknown_as_any(house: House, person: str) -> None:
    assert_nothing(proofs.ids_in_filters(house, person))


@strangers
def test_searches_and_pickers_find_nothing_foreign(house: House, person: str) -> None:
    assert_nothing(proofs.search(house, person) + proofs.pickers(house, person))


def test_searches_and_pickers_do_find_what_is_ones_own(house: House) -> None:
    assert house.browsers["outsider"].get("/find/?short=1&q=鹤").get_json()["groups"]
    groups = house.browsers["clerk"].get("/find/?short=1&q=鲤").get_json()["groups"]
    assert {row["href"].split("/")[1] for group in groups for row in group["rows"]} >= {"cases", "items", "tokens"}
    for word in ("鲤", "KOI", "水产许可"):
        assert house.browsers["clerk"].get(f"/cases/pick/item_id?q={word}").get_json()["choices"] or word == "KOI"


@pytest.mark.parametrize("person", STRANGERS)
def test_counts_and_workbench_are_ones_own(house: House, person: str) -> None:
    assert_nothing(proofs.counts(house, person))
    assert badges(house.browsers["clerk"].text("/")) == {"messages": 2, "cases": 2}


@pytest.mark.parametrize("person", sorted(PEOPLE))
def test_what_people_keep_for_themselves(house: House, person: str) -> None:
    assert_nothing(proofs.kept_to_oneself(house, person))


def test_what_i_did_last_is_mine(house: House) -> None:
    def done(person: str) -> set[str]:
        page = house.browsers[person].text("/")
        found = re.search(r'<ul class="check rows">(.*?)</ul>', page, re.DOTALL)
        return set(re.findall(r'href="([^"]+)"', found.group(1))) if found else set()

    assert f"/cases/{house.rows['cases'][0]}" in done("clerk")
    assert done("outsider") == {f"/cases/{house.world.case('申请人白鹤')}"}
    assert done("stranger") == {f"/cases/{house.world.case('申请人苍鹭')}"}
    assert done("colleague") == set()


@pytest.mark.parametrize("house", ["sqlite"], indirect=True, scope="module")
def test_every_link_leads_to_what_one_may_see(house: House) -> None:
    """From page to page as the outsider, as far as links lead: nothing foreign, and none that is refused."""
    browser = house.browsers["outsider"]
    todo, seen, wrong = ["/"], {"/"}, []
    while todo and len(seen) < 900:
        path = todo.pop()
        with counting(house, "outsider"):
            answer = browser.get(path)
        said = answer.get_data().decode("utf-8", "replace")
        if answer.status_code != 200 or house.leaks(said):
            wrong.append(f"{path}: {answer.status_code} {house.leaks(said)}")
        if answer.mimetype != "text/html":
            continue
        for href in re.findall(r'href="(/[^"#]*)"', said):
            link = re.sub(r"([?&])(sort|size|page)=[^&]*", r"\1", html.unescape(href)).rstrip("?&").replace("?&", "?")
            # One year is like the next, and one export like another.
            link = re.sub(r"/year/\d+", "/year/2026", re.sub(r"/export\?.*", "/export", link))
            if link not in seen and not link.startswith("/static"):
                seen.add(link)
                todo.append(link)
    assert_nothing(wrong)
    assert {link.split("/")[1] for link in seen} >= {*house.views, "account", "saved-views", "drafts", "tokens"}


@strangers
def test_related_lists_hold_only_ones_own(house: House, person: str) -> None:
    assert_nothing(proofs.related(house, person))


def test_related_lists_do_hold_ones_own(house: House) -> None:
    clerk = house.browsers["clerk"]
    pk = house.world.id(Department, name="东城区卫生健康局")
    assert house.leaks(clerk.text(f"/departments/{pk}"))
    assert len(first_cells(clerk.text(f"/departments/{pk}?tab=items"))) == 3
    item = clerk.get(f"/api/v1/items/{house.world.item('公共场所卫生许可鲤')}").get_json()["row"]
    assert first_cells(clerk.text(f"/catalogue/{item['catalogue_item_id']}?tab=items"))


@strangers
def test_references_to_foreign_rows_are_as_unknown_as_any(house: House, person: str) -> None:
    assert_nothing(proofs.references(house, person))


@pytest.mark.parametrize("sure", [{}, {"sure": "1"}, {"sure": "1", "refusal_reason": "盗"}])
def test_bulk_steps_of_foreign_rows(house: House, sure: dict[str, str]) -> None:
    driven = set()
    for person in STRANGERS:
        wrong, steps = proofs.bulk(house, person, sure)
        assert_nothing(wrong)
        driven |= steps
    assert driven >= {("cases", "accept"), ("messages", "read"), ("tokens", "revoke")}


@pytest.mark.parametrize("person", EVERYBODY)
def test_a_letter_and_its_file(house: House, person: str) -> None:
    assert_nothing(proofs.files(house, person))


@pytest.mark.parametrize("person", ["clerk", "approver", "manager", "auditor", "admin"])
def test_what_is_exported_is_masked(house: House, person: str) -> None:
    assert_nothing(proofs.exports_are_masked(house, person))


@pytest.mark.parametrize("person", STRANGERS)
def test_events_of_foreign_rows(house: House, person: str) -> None:
    assert_nothing(proofs.events(house, person))


@pytest.mark.parametrize("person", STRANGERS)
def test_a_shared_view_is_read_as_it_stands(house: House, person: str) -> None:
    assert_nothing(proofs.shared_views(house, person))


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
        rows = house.browsers[person].get(f"/api/v1/saved-views/?size=100&sort={sort}").get_json()["rows"]
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
