"""What nobody may learn or do, as functions: each drives the house and returns what it found wrong, in words.

tests/views/test_outsider.py demands that they find nothing; tests/views/test_breaks.py breaks the product on purpose
and demands that they find it. endpoints, names: only these routes or registries, where one break is looked for.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from sqlalchemy import false
from werkzeug.routing import Rule

from forms.convert import specs
from forms.tables import read_rows
from models import registries
from models.account import Account
from models.case import Case
from models.declare import Admin
from models.department import Department
from models.event import Event
from models.item import Item
from models.letter import Letter
from models.message import Message
from models.scope import everything
from tests import ledger
from tests.views.answers import LENGTH, NOBODYS_ID, apart, blotted, differ, everything_said
from tests.views.house import (
    COOKIE,
    DOORS,
    FOREIGN,
    NEED,
    PHONE,
    PRIVATE,
    RESIDENT,
    SHARED,
    House,
    Knock,
    all_rules,
    expected,
    knocks,
    reach_of,
    references_of,
    sees,
    send,
)
from tests.views.pages import first_cells
from tests.world import PEOPLE

Findings = list[str]
ByHand = Mapping[str, list[tuple[str, str, Any, set[int], set[int]]]]
EVERYBODY = (*PEOPLE, "anonymous")
STRANGERS = ("outsider", "stranger")
FIVE_KINDS = ("clerk", "colleague", "manager", "outsider", "anonymous")
# By each of the doors; whoever differs from these by role alone comes in by the page's cookie.
BY_EVERY_DOOR = ("clerk", "colleague", "manager", "outsider", "admin")
# Kept by everybody for oneself: not even a superior, an auditor or an administrator reads another's.
OWN = ("drafts", "saved-views", "tokens")
NOTHING = "鼍龙"  # a word that nobody wrote


@contextmanager
def counting(house: House, *people: str, **more: Any) -> Iterator[None]:
    """Put what is driven meanwhile on the record."""
    before = house.sent
    yield
    ledger.note("who sees what", people=people, **more, requests=house.sent - before)


# --- every route -----------------------------------------------------------------------------------------------------


def routes(
    house: House, person: str, by_hand: ByHand | None = None, endpoints: Callable[[str], bool] | None = None
) -> Findings:
    """Every route as *person*: the statuses of the declaration, no word of the owner's, nothing that an id which
    nobody has would not be answered as well."""
    wrong: Findings = []
    for rule in all_rules(house.app):
        if endpoints is not None and not endpoints(rule.endpoint):
            continue
        name = rule.endpoint.partition(".")[0].removesuffix("_api")
        with counting(house, person, routes=[f"{rule}"]):
            wrong += route(house, person, rule) if name in registries() else hand(house, person, rule, by_hand or {})
    return wrong


def route(house: House, person: str, rule: Rule) -> Findings:
    wrong: Findings = []
    name = rule.endpoint.partition(".")[0].removesuffix("_api")
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
        for door in DOORS if knock.api and person in BY_EVERY_DOOR else (COOKIE,):
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
                if status != status_ or differ(said, said_, knock.pk or pk):
                    wrong.append(f"{where}: not the same as for an id that nobody has ({status_})")
    return wrong


def told_too_much(house: House, person: str, name: str, said: str) -> list[str]:
    """Words of the owner that *person* should never read; of what she keeps for herself not even her own people do.

    That somebody made a view or a token is on record, and the record is read by who supervises.
    """
    if person in FOREIGN:
        return house.leaks(said)
    supervises = person in ("admin", "auditor") and name in ("events", "Find")
    return [PRIVATE] if person != "clerk" and not supervises and PRIVATE in said else []


def may_change(person: str, admin: Admin) -> bool:
    """Is there anything in this registry that *person* may do to the owner's row?"""
    verbs = {v for g in admin.grants for v in g.words} - {"list", "show"}
    reach = reach_of(person, admin, *verbs)
    return reach is not None and (not admin.scoped or reach >= NEED[person])


def hand(house: House, person: str, rule: Rule, by_hand: ByHand) -> Findings:
    """A route that no declaration makes, as the table says it is driven."""
    if rule.endpoint not in by_hand:
        return [f"{rule} ({rule.endpoint}) is not known to this test; say in BY_HAND how to drive it"]
    wrong = []
    driven = {method for method, *_ in by_hand[rule.endpoint]}
    if missing := (rule.methods or set()) - {"HEAD", "OPTIONS"} - driven:
        wrong.append(f"{rule}: {missing} not driven")
    for method, path, sent, inside, outside in by_hand[rule.endpoint]:
        if rule.endpoint in ("SignIn.logout", "MyAccount.sign_out_elsewhere") and person != "anonymous":
            continue  # the session is needed still; tests/views/test_pages.py signs out
        status, said = send(house, person, Knock(method, path, sent, api=path.startswith("/api/")))
        allowed = outside if person == "anonymous" else inside
        if status not in allowed:
            wrong.append(f"{person} {method} {path}: {status}, not {allowed}")
        if leaked := told_too_much(house, person, rule.endpoint.partition(".")[0], said):
            wrong.append(f"{person} {method} {path}: tells {leaked}")
    return wrong


# --- lists: filters, searches, sorts, chosen fields, counts ----------------------------------------------------------


def lists(house: House, person: str, *, names: tuple[str, ...] = (), pages: bool = True) -> Findings:
    """Whatever is asked of a list, it answers with one's own rows and counts no others. pages: not of REST alone."""
    browser = house.browsers[person]
    bureau = house.world.id(Department, name="东城区卫生健康局")
    wrong: Findings = []
    for name, model in registries().items():
        admin: Admin = model.__admin__
        if reach_of(person, admin, "list") is None or not admin.scoped or (names and name not in names):
            continue
        own = browser.get(f"/api/v1/{name}/").get_json()["total"]
        # On the page as well only what it could say more about than REST does: its words and its chips.
        shown = ["", "q=鲤", "q=13900007777", "q=LOCAL-KOI", "q=%25", "q=_", "size=100000", "page=2", "page=999999"]
        shown += [f"sort={minus}{n}" for n in references_of(model) for minus in ("", "-")]
        asked = [f"{word}={minus}{n}" for n in specs(model) for word, minus in (("sort", "-"), ("fields", ""))]
        asked += [f"q={quote(w)}" for w in (RESIDENT, PRIVATE, "东卫健 2026")] + ["fields=" + ",".join(specs(model))]
        for field in admin.filter_names:
            choices = [m.value for m in specs(model)[field].choices or ()]
            shown += [f"{field}={v}" for v in (bureau, "empty", *choices)]
            shown += [f"{field}={bureau}&{field}__below=1", f"{field}__empty=0"]
            asked += [f"{field}=me", f"{field}__empty=1"]
            asked += [f"{field}__from={v}&{field}__to={w}" for v, w in (("0", "9999999"), ("2000-01-01", "2999-01-01"))]
        with counting(house, person, routes=[f"/{name}/", f"/api/v1/{name}/"]):
            for query in (*shown, *asked):
                for base in (f"/{name}/", f"/api/v1/{name}/")[0 if pages and query in shown else 1 :]:
                    wrong += asked_of_a_list(house, person, f"{base}?{query}", query, own)
    return wrong


def asked_of_a_list(house: House, person: str, path: str, query: str, own: int) -> Findings:
    wrong: Findings = []
    answer = house.browsers[person].get(path)
    said = re.sub(r'value="[^"]*"', "", everything_said(answer).replace(query, ""))
    if answer.status_code not in (200, 422):
        wrong.append(f"{person} {path}: {answer.status_code}")
    if leaked := told_too_much(house, person, "", said):
        wrong.append(f"{person} {path}: tells {leaked}")
    if path.startswith("/api") and answer.status_code == 200 and answer.get_json()["total"] > own:
        wrong.append(f"{person} {path}: counts more than one's own")
    return wrong


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


def ids_in_filters(house: House, person: str, names: tuple[str, ...] = ()) -> Findings:
    """A foreign id in a filter is as unknown as any."""
    browser = house.browsers[person]
    wrong: Findings = []
    compared = set()
    for name, model in registries().items():
        admin: Admin = model.__admin__
        if reach_of(person, admin, "list") is None or (names and name not in names):
            continue
        led = {n: to for n, to in references_of(model).items() if n in admin.filter_names}
        led |= {"subject_id": "cases"} if "subject_id" in admin.filter_names else {}
        for field, to in led.items():
            if sees(person, registries()[to].__admin__):
                continue
            compared.add((name, field))
            with counting(house, person, routes=[f"/{name}/", f"/api/v1/{name}/"]):
                for form in ASKED:
                    for base in (f"/{name}/?", f"/api/v1/{name}/?"):
                        ids = (house.rows[to][0], NOBODYS_ID)
                        paths = [base + form.format(f=field, i=i, own=house.world.account(person)) for i in ids]
                        answers = [browser.get(path) for path in paths]
                        theirs, nobodys = ((a.status_code, blotted(everything_said(a))) for a in answers)
                        if theirs != nobodys or house.leaks(theirs[1]):
                            wrong.append(f"{paths[0]} is not the same as for an id that nobody has")
    if not names and not {("cases", "item_id"), ("cases", "handler_id"), ("letters", "subject_id")} <= compared:
        wrong.append(f"only {compared} were compared")
    return wrong


def search(house: House, person: str) -> Findings:
    """In the search over everything, words of the owner find what words do that nobody wrote."""
    browser = house.browsers[person]

    def found(word: str) -> str:
        answer = browser.get(f"/find/?q={quote(word)}")
        # The word stands in the page up to six times, as it is and in addresses: its length says nothing.
        said = LENGTH.sub("", everything_said(answer))
        return blotted(said.replace(html.escape(word), "").replace(quote(word), ""))

    wrong: Findings = []
    words = [*dict.fromkeys(w for w in house.words if len(w) < 40), "锦鲤", "王鲤", SHARED]
    with counting(house, person, routes=["/find/"]):
        nothing = found(NOTHING)
        for word in words:
            if browser.get(f"/find/?short=1&q={quote(word)}").get_json() != {"groups": []}:
                wrong.append(f"{person}: the search for {word} finds something")
            if found(word) != nothing:
                wrong.append(f"{person}: the page of the search for {word} is another one")
    return wrong


def pickers(house: House, person: str, names: tuple[str, ...] = ()) -> Findings:
    """In a picker, words of the owner find what words do that nobody wrote."""
    browser = house.browsers[person]
    wrong: Findings = []
    for name, model in registries().items():
        if reach_of(person, model.__admin__, "list", "show", "add", "edit") is None or (names and name not in names):
            continue
        for field, to in references_of(model).items():
            if registries()[to].__admin__.scoped is False:
                continue
            with counting(house, person, routes=[f"/{name}/pick/<name>"]):
                for word in ("鲤", "KOI", "koi@", "水产许可", "锦鲤甲", RESIDENT):
                    path = f"/{name}/pick/{field}?q="
                    theirs, nobodys = (browser.get(path + quote(w)) for w in (word, NOTHING))
                    if everything_said(theirs) != everything_said(nobodys):
                        wrong.append(f"{person} {path}{word}: finds something")
    return wrong


# --- counts ----------------------------------------------------------------------------------------------------------


def counts(house: House, person: str) -> Findings:
    """Totals of lists, figures and badges of the workbench are those of one's own rows."""
    browser = house.browsers[person]
    mine = house.world.scope(person).own
    told: list[tuple[str, Any, Any]] = []
    with house.database.session(everything("test")) as s, counting(house, person, routes=["/"]):
        for name, model in (("cases", Case), ("items", Item), ("letters", Letter), ("events", Event)):
            own = s.query(model).where(model.department_id.in_(mine)).count()  # type: ignore[attr-defined]
            told.append((f"/api/v1/{name}/", browser.get(f"/api/v1/{name}/").get_json()["total"], own))
            counted = re.search(r"<h1>[^<]*</h1><small>\D*(\d+)", browser.text(f"/{name}/"))
            told.append((f"/{name}/", counted and int(counted.group(1)), own))
        inbox = s.query(Message).filter_by(recipient_id=house.world.account(person)).count()
        told.append(("/api/v1/messages/", browser.get("/api/v1/messages/").get_json()["total"], inbox))
        workbench = browser.text("/")
    stat = r'class="card stat[^"]*"[^>]*><span[^>]*>[^<]*</span><b>(\d+)</b>'
    # Overdue, due today, to be accepted, items with gaps, bases overdue, changes in two states: each one's own.
    told.append(("figures of the workbench", [int(n) for n in re.findall(stat, workbench)], [1, 0, 1, 1, 0, 0, 0]))
    told.append(("badges of the menu", badges(workbench), {"messages": inbox, "cases": 1}))
    wrong = [f"{person} {what}: {found}, not {own}" for what, found, own in told if found != own]
    return wrong + [f"{person} /: tells {leaked}" for leaked in house.leaks(workbench)]


def badges(page: str) -> dict[str, int]:
    menu = page[page.index('<nav id="nav"') : page.index("</nav>")]
    return {name: int(n) for name, n in re.findall(r'href="/([\w-]+)/"[^>]*>[^<]*<b[^>]*>(\d+)<', menu)}


def kept_to_oneself(house: House, person: str) -> Findings:
    """What people keep for themselves is in nobody else's lists and counts: not of her own people, not of superiors."""
    browser = house.browsers[person]
    wrong: Findings = []
    with house.database.session(everything("test")) as s:
        actor = s.query(Account).filter_by(username=person).one()
        for name in OWN:
            model = registries()[name]
            hidden = model.__admin__.hides(model) if model.__admin__.hides else false()
            own = s.query(model).filter_by(owner_id=actor.id).where(~hidden).count()
            if name == "saved-views":
                roles = [r.name for r in actor.roles]
                others = s.query(model).where(model.owner_id != actor.id, ~hidden)  # type: ignore[attr-defined]
                own += sum(v.shared_with is not None and v.shared_with.value in roles for v in others)
            answer = browser.get(f"/api/v1/{name}/").get_json()
            if answer["total"] != own:
                wrong.append(f"{person} {name}: {answer['total']}, not {own}")
    if person != "clerk":
        wrong += lists(house, person, names=OWN, pages=False)
        shown = browser.get(f"/find/?short=1&q={PRIVATE}").get_json()
        if person not in ("admin", "auditor") and shown != {"groups": []}:
            wrong.append(f"{person}: the search finds {shown}")
    return wrong


# --- pages about rows ------------------------------------------------------------------------------------------------


def related(house: House, person: str) -> Findings:
    """The page of the owner's department is open to all; its items and people are not, and nobody counts them."""
    browser = house.browsers[person]
    wrong: Findings = []
    bureau, empty = (house.world.id(Department, name=n) for n in ("东城区卫生健康局", "泉城市人民政府"))
    with house.database.session(everything("test")) as s:
        catalogue = s.query(Item).filter_by(name="公共场所卫生许可鲤").one().catalogue_item_id
    with counting(house, person, routes=["/departments/<pk>", "/catalogue/<pk>"]):
        for path in (f"/departments/{bureau}", f"/catalogue/{catalogue}"):
            if leaked := house.leaks(browser.text(path)):
                wrong.append(f"{person} {path}: tells {leaked}")
        for tab in ("items", "accounts"):
            pages = [browser.text(f"/departments/{pk}?tab={tab}") for pk in (bureau, empty)]
            same = [
                blotted(re.sub(rf"{n}|(departments/|department_id=){pk}", "", p))
                for p, pk, n in zip(pages, (bureau, empty), ("东城区卫生健康局", "泉城市人民政府"), strict=True)
            ]
            if house.leaks(pages[0]) or same[0] != same[1]:
                wrong.append(f"{person} /departments/…?tab={tab}: not that of a department without any")
        if first_cells(browser.text(f"/catalogue/{catalogue}?tab=items")):
            wrong.append(f"{person} /catalogue/…?tab=items: shows foreign items")
    return wrong


def files(house: House, person: str) -> Findings:
    """A letter's file is for those who see the letter; for others it is as absent as one that nobody has."""
    pk = house.rows["letters"][0]
    with counting(house, person, routes=["/letters/<pk>/file"]):
        theirs, nobodys = (house.browsers[person].get(f"/letters/{i}/file") for i in (pk, NOBODYS_ID))
    wrong: Findings = []
    if person in FOREIGN:
        said = [(a.status_code, blotted(everything_said(a))) for a in (theirs, nobodys)]
        if said[0] != said[1]:
            wrong.append(f"{person} /letters/{pk}/file: {theirs.status_code}, not the same as for none")
    elif not sees(person, Letter.__admin__):
        return [] if theirs.status_code == nobodys.status_code == 403 else [f"{person}: {theirs.status_code}"]
    elif theirs.status_code != 200 or theirs.mimetype != "application/pdf":
        wrong.append(f"{person} /letters/{pk}/file: {theirs.status_code}")
    if nobodys.status_code != (302 if person == "anonymous" else 404):
        wrong.append(f"{person}: a file that nobody has is {nobodys.status_code}")
    return wrong


def exports_are_masked(house: House, person: str) -> Findings:
    """What goes out as a file says no number in full, in any encoding or kind."""
    wrong: Findings = []
    for query in ("format=csv", "format=csv&encoding=gb18030", "format=xlsx"):
        data = house.browsers[person].get(f"/cases/export?{query}&fields=all").get_data()
        _, rows = read_rows(data, 1000)
        cells = [cell for _, row in rows for cell in row.values()]
        if leaked := [number for number in (RESIDENT, PHONE) if any(number in cell for cell in cells)]:
            wrong.append(f"{person} /cases/export?{query}: tells {leaked}")
        if not any("*" in cell for cell in cells):
            wrong.append(f"{person} /cases/export?{query}: holds no masked number at all")
    return wrong


def events(house: House, person: str) -> Findings:
    """Events of foreign rows are not to be had by id either."""
    with house.database.session(everything("test")) as s:
        foreign = [e.id for e in s.query(Event) if e.subject_type == "cases" and e.subject_id == house.rows["cases"][0]]
    wrong = [] if foreign else ["the owner's case has no Events"]
    with counting(house, person, routes=["/events/<pk>", "/api/v1/events/<pk>"]):
        paths = [f"{base}{pk}" for pk in foreign for base in ("/events/", "/api/v1/events/")]
        told = {path: house.browsers[person].get(path).status_code for path in paths}
    return wrong + [f"{person} {path}: {status}" for path, status in told.items() if status != 404]


# --- what would change something -------------------------------------------------------------------------------------


def references(house: House, person: str) -> Findings:
    """Writing a row that leads to a foreign one must not tell that the foreign one exists."""
    browser, item = house.browsers[person], house.rows["items"][0]
    sent: dict[str, Any] = {"applicant_kind": "person", "applicant": "某人", "identifier": "11010519491231002X"}
    sent |= {"channel": "window", "received_at": "2026-06-17T09:00"}
    wrong: Findings = []
    with counting(house, person, routes=["/cases/new", "/api/v1/cases/"]):
        answers = [browser.post("/cases/new", {**sent, "item_id": str(i)}) for i in (item, NOBODYS_ID)]
        sent["received_at"] += ":00+08:00"
        answers += [browser.json("POST", "/api/v1/cases/", {**sent, "item_id": i}) for i in (item, NOBODYS_ID)]
    for theirs, nobodys in (answers[:2], answers[2:]):
        said = [blotted(everything_said(a)) for a in (theirs, nobodys)]
        if (theirs.status_code, nobodys.status_code) != (422, 422) or said[0] != said[1]:
            wrong.append(f"{person}: a case of a foreign item is {theirs.status_code}, not as one of none")
    problems = (answers[2].get_json() or {}).get("problems", ())
    if {p["field"]: p["code"] for p in problems}.get("item_id") != "not_found":
        wrong.append(f"{person}: a case of a foreign item is not told to have none")
    return wrong


def bulk(house: House, person: str, sure: Mapping[str, str], names: tuple[str, ...] = ()) -> tuple[Findings, set[Any]]:
    """Each step of each registry on foreign rows, mixed with an own row that is refused for its own reason, and with
    nonsense. Returns also (registry, step) of what was driven."""
    own = house.world.case("申请人白鹤")
    wrong: Findings = []
    driven = set()
    for name, model in registries().items():
        admin: Admin = model.__admin__
        for step in [step for step in admin.steps if step.bulk and (not names or name in names)]:
            if reach_of(person, admin, step.name) is None or sees(person, admin):
                continue
            driven.add((name, step.name))
            pk, version = house.rows[name]
            said = []
            with counting(house, person, routes=[f"/{name}/do/<action>"]):
                for i in (pk, NOBODYS_ID):
                    odd = [f"{own}:99", "²:1", "1:" + "9" * 5000, ":", "x", f"{own}", f"{i}:{version}"]
                    rows = [f"{i}:{version}", *(odd if name == "cases" else ())]
                    answer = house.browsers[person].post(f"/{name}/do/{step.name}", {"row": rows, **sure})
                    said.append(blotted(everything_said(answer)))
                    if answer.status_code != 200:
                        wrong.append(f"{person} /{name}/do/{step.name}: {answer.status_code}")
            if house.leaks(said[0]) or said[0] != said[1]:
                told = apart(*said)
                wrong.append(f"{person} /{name}/do/{step.name}: not the same as for an id that nobody has: {told}")
    return wrong, driven


# --- what is shared --------------------------------------------------------------------------------------------------


def shared_views(house: House, person: str) -> Findings:
    """A view that somebody shared tells its name and what it asks: not whose it is, not what it was; and it is its
    owner's alone to change."""
    browser, first = house.browsers[person], house.shared[1]
    page, rest = f"/saved-views/{first}", f"/api/v1/saved-views/{first}"
    wrong: Findings = []
    with counting(house, person, routes=["/saved-views/<pk>", "/saved-views/new", "/api/v1/saved-views/<pk>/history"]):
        for path in (page, f"{page}?tab=history", "/saved-views/", f"/saved-views/new?copy={first}", "/cases/"):
            said = browser.text(path)
            if leaked := house.leaks(said):
                wrong.append(f"{person} {path}: tells {leaked}")
            if "tab=history" in said.partition("<main")[2]:
                wrong.append(f"{person} {path}: offers a history")
            if re.search(rf"saved-views/{first}/(edit|delete)", said):
                wrong.append(f"{person} {path}: offers a change")
        if (total := browser.get(f"{rest}/history").get_json()["total"]) != 0:
            wrong.append(f"{person} {rest}/history: {total} Events")
        sent = {"name": "盗", "query": "", "shared_with": "", "version": "7"}
        tried = [browser.get(page + end) for end in ("/edit", f"/edit?draft={house.left}")]
        tried += [browser.post(page + end, sent) for end in ("/edit", "/delete", "/draft")]
        tried += [browser.json(m, rest, {"version": 7}) for m in ("PUT", "DELETE")]
    wrong += [f"{person} {a.request.method} {a.request.path}: {a.status_code}" for a in tried if a.status_code != 403]
    return wrong
