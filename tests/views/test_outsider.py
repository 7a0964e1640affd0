"""Every route the application knows, driven as everybody: nobody learns or changes what lies out of reach.

The routes come from ``app.url_map`` and what is sent from the declarations, so a new registry is covered by itself;
a route written by hand must be added to ``BY_HAND`` or the first test fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    FOREIGN,
    NEED,
    NOBODYS_ID,
    House,
    all_rules,
    blotted,
    furnish,
    invented,
    reach_of,
    sees,
    typed,
)
from tests.world import NOW, PEOPLE

# The house is built once for each engine; with several workers it would be built by each of them.
pytestmark = pytest.mark.xdist_group("outsider")
EVERYBODY = (*PEOPLE, "anonymous")
# Where the address carries no registry: (method, path, what is sent, statuses for who has signed in, for who has not).
BY_HAND: dict[str, list[tuple[str, str, Any, set[int], set[int]]]] = {
    "static": [("GET", "/static/look.css", None, {200}, {200})],
    "Workbench.index": [("GET", "/", None, {200}, {302})],
    "Language.choose": [("POST", "/language/", {"locale": "zh", "next": "/cases/"}, {302}, {302})],
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


@dataclass
class Knock:
    """One request. verbs: any of them opens the door; of_row: it is about one row, which must be in reach."""

    method: str
    path: str
    sent: dict[str, Any] | None = None
    verbs: tuple[str, ...] = ()
    of_row: bool = False
    api: bool = False


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
    steps = [*(admin.life.moves if admin.life else ()), *admin.actions]
    values = owners_form(house, model, row_id) if honest else {}
    theirs = {n: i for n, (i, _) in house.rows.items()} if pk == row_id else dict.fromkeys(house.rows, NOBODYS_ID)
    made = invented(model, theirs) if honest else {}
    page, rest = f"/{name}/", f"/api/v1/{name}/"
    if rule.endpoint.startswith(f"{name}_api."):
        asked = {"version": version}
        return {
            "get_list": [Knock("GET", rest, None, ("list",), api=True)],
            "get": [Knock("GET", f"{rest}{pk}", None, ("show",), True, True)],
            "post": [Knock("POST", rest, json_of(model, made), ("add",), api=True)],
            "put": [Knock("PUT", f"{rest}{pk}", {**json_of(model, values), **asked}, ("edit",), True, True)],
            # Without a version to be wrong, whoever may delete would: so they are not let in here.
            "delete": [Knock("DELETE", f"{rest}{pk}", asked, ("delete",), True, True)]
            if honest or hasattr(model, "version")
            else [],
            "history": [Knock("GET", f"{rest}{pk}/history", None, ("show",), True, True)],
            "do": [Knock("POST", f"{rest}{pk}/{s.name}", asked, (s.name,), True, True) for s in steps],
        }[method]
    sent = {"version": str(version)}
    references = [n for n, spec in specs(model).items() if spec.kind == "reference" and spec.target is not None]
    references = [n for n in references if hasattr(specs(model)[n].target, "__admin__")]
    open_ = ("list", "show", "add", "edit")
    found = {
        "list": [Knock("GET", page, None, ("list",))],
        "show": [Knock("GET", f"{page}{pk}", None, ("show",), True)],
        "file": [Knock("GET", f"{page}{pk}/file", None, ("show",), True)],
        "pick": [Knock("GET", f"{page}pick/{n}{q}", None, open_) for n in references for q in ("", "?q=鲤")]
        or [Knock("GET", f"{page}pick/nothing", None, open_)],
        "add": [Knock("GET", f"{page}new", None, ("add",)), Knock("POST", f"{page}new", made, ("add",))],
        "edit": [
            Knock("GET", f"{page}{pk}/edit", None, ("edit",), True),
            Knock("POST", f"{page}{pk}/edit", {**values, **sent}, ("edit",), True),
        ],
        "delete": [Knock("POST", f"{page}{pk}/delete", sent, ("delete",), True)],
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
        "do_many": [Knock("POST", f"{page}do/{s.name}", {"row": f"{pk}:{version}"}, (s.name,)) for s in steps],
    }
    return found[method]


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


def send(house: House, person: str, knock: Knock, *, bearer: bool = False) -> tuple[int, str]:
    """(status, everything the answer says: its body, where it leads, and what the page after it flashes)."""
    browser = house.browsers[person]
    if bearer:
        client = house.app.test_client()
        answer = client.open(knock.path, method=knock.method, json=knock.sent, headers=house.bearer(person))
    elif knock.api and knock.method != "GET":
        answer = browser.json(knock.method, knock.path, knock.sent)
    elif knock.method == "GET":
        answer = browser.get(knock.path)
    else:
        answer = browser.post(knock.path, knock.sent)
    said = answer.get_data().decode("utf-8", "replace") + answer.headers.get("Location", "")
    answer.close()
    if knock.path == "/logout/":
        browser.kept = None  # a new session, a new token
    if answer.status_code == 302 and person != "anonymous" and knock.method == "POST":
        said += browser.get(answer.headers["Location"]).get_data(as_text=True)  # so that its flashes are read, too
    return answer.status_code, said


def expected(person: str, knock: Knock, admin: Admin) -> set[int]:
    """From the declaration alone: which statuses *person* may get for a row of the owner."""
    if person == "anonymous":
        return {401} if knock.api else {302}
    reach = reach_of(person, admin, *knock.verbs)
    if reach is None:
        return {403}
    if not knock.of_row:
        return {200, 302, 422, 409, 403, 404} if knock.method == "POST" else {200, 404}
    if not sees(person, admin):
        return {404}
    return {200, 302, 422, 409, 404} if not admin.scoped or reach >= NEED[person] else {403}


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
        driven = {k.method for k in mine} | ({"DELETE"} if may else set())
        if missing := (rule.methods or set()) - {"HEAD", "OPTIONS"} - driven:
            wrong.append(f"{rule}: {missing} not driven")
        for knock, twin in zip(mine, nobodys, strict=True):
            for bearer in (False, True) if knock.api and person != "anonymous" else (False,):
                where = f"{person} {knock.method} {knock.path}{' (bearer)' if bearer else ''}"
                status, said = send(house, person, knock, bearer=bearer)
                if status not in expected(person, knock, admin):
                    wrong.append(f"{where}: {status}, not {expected(person, knock, admin)}")
                if person in FOREIGN and (leaked := house.leaks(said)):
                    wrong.append(f"{where}: {status} tells {leaked}")
                if "盗" in said and person in FOREIGN and status == 302:
                    wrong.append(f"{where}: something was made")
                if knock != twin and not sees(person, admin):
                    status_, said_ = send(house, person, twin, bearer=bearer)
                    if (status, blotted(said, pk)) != (status_, blotted(said_)):
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
        if person in FOREIGN and (leaked := house.leaks(said)):
            wrong.append(f"{person} {method} {path}: tells {leaked}")
    return wrong


def test_the_owner_does_see_it(house: House) -> None:
    """Without this the tests above would pass on an empty world."""
    clerk = house.browsers["clerk"]
    for name in ("cases", "letters", "messages", "events", "accounts", "items"):
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


def test_filters_searches_and_sorts_tell_nothing(house: House) -> None:
    """A foreign id in a filter gives what an unknown one gives, and so does every sort; counts count one's own."""
    person = "outsider"
    browser = house.browsers[person]
    bureau = house.world.id(Department, name="东城区卫生健康局")
    wrong = []
    for name, model in registries().items():
        admin: Admin = model.__admin__
        if reach_of(person, admin, "list") is None:
            continue
        own = browser.get(f"/api/v1/{name}/").get_json()["total"]
        asked = ["", "q=鲤", "q=13900007777", "q=LOCAL-KOI", "q=%25", "q=_", "size=100000", "page=2", "page=999999"]
        asked += [f"sort=-{n}" for n, spec in specs(model).items() if spec.info.personal or n in admin.filter_names]
        for field in admin.filter_names:
            spec = specs(model)[field]
            asked += [f"{field}={v}" for v in (bureau, "empty", "1", *(m.value for m in spec.choices or ()))]
            if spec.kind == "reference" and spec.target is not None and hasattr(spec.target, "__admin__"):
                theirs = house.rows[spec.target.__admin__.name][0]
                pages = [browser.get(f"/{name}/?{field}={i}") for i in (theirs, NOBODYS_ID)]
                same = [(p.status_code, blotted(p.get_data(as_text=True))) for p in pages]
                if spec.target.__admin__.scoped and theirs > 7_000_000 and same[0] != same[1]:
                    wrong.append(f"/{name}/?{field}={theirs} differs from one that nobody has")
        for query in asked:
            for path in (f"/{name}/?{query}", f"/api/v1/{name}/?{query}") if admin.scoped else ():
                answer = browser.get(path)
                said = re.sub(r'value="[^"]*"', "", answer.get_data(as_text=True).replace(query, ""))
                if answer.status_code not in (200, 422):
                    wrong.append(f"{path}: {answer.status_code}")
                if leaked := house.leaks(said):
                    wrong.append(f"{path}: tells {leaked}")
                if path.startswith("/api") and answer.status_code == 200 and answer.get_json()["total"] > own:
                    wrong.append(f"{path}: counts more than one's own")
    assert not wrong, "\n" + "\n".join(wrong)


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


def test_related_lists_hold_only_ones_own(house: House) -> None:
    """The page of the owner's department is open to all; its items and people are not."""
    bureau = house.world.id(Department, name="东城区卫生健康局")
    assert house.leaks(house.browsers["clerk"].text(f"/departments/{bureau}"))
    for person in ("outsider", "stranger"):
        assert not house.leaks(house.browsers[person].text(f"/departments/{bureau}"))
    with house.database.session(everything("test")) as s:
        catalogue = s.query(Item).filter_by(name="公共场所卫生许可鲤").one().catalogue_item_id
    assert not house.leaks(house.browsers["outsider"].text(f"/catalogue/{catalogue}"))


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


def test_bulk_moves_of_foreign_rows(house: House) -> None:
    """Mixed with an own row that is refused for its own reason, and with nonsense."""
    pk, version = house.rows["cases"]
    own = house.world.case("申请人白鹤")
    browser = house.browsers["outsider"]
    rows = [f"{own}:99", f"{pk}:{version}", f"{NOBODYS_ID}:1", "²:1", "1:" + "9" * 5000, ":", "x", f"{own}"]
    answer = browser.post("/cases/do/accept", {"row": rows}, follow_redirects=True)
    assert answer.status_code == 200
    said = answer.get_data(as_text=True)
    assert not house.leaks(said)
    flash = re.search(r'<div class="flash bad"[^>]*>([^<]+)', said)
    assert flash
    assert flash.group(1).count(str(pk)) == flash.group(1).count(str(NOBODYS_ID)) == 1
    said_of = [re.search(rf"{i}(\S+?)[\d²\s]", flash.group(1)) for i in (pk, NOBODYS_ID)]
    assert len({m and m.group(1) for m in said_of}) == 1


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
    assert {"cases", "items", "letters", "messages", "events", "accounts"} <= set(narrow)
