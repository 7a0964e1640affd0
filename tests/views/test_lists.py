"""Lists as people ask for them: filters, chips, order, saved views, columns; trees, the one search, the workbench."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from sqlalchemy import insert, select
from werkzeug.datastructures import MultiDict

from models.case import Case
from models.catalogue_item import ItemType
from models.database import Database
from models.declare import Reach
from models.department import Department
from models.draft import Draft
from models.event import Event
from models.item import Item
from models.region import Region
from models.saved_view import LAYOUT, SavedView
from models.scope import Scope, everything
from models.write import save
from tests.conftest import Browser, Clock
from tests.views.pages import chips, first_cells, main, words
from tests.world import NOW, World, receive
from views.listing import COUNTED, listing, rounded

SignIn = Callable[[str], Browser]


def asked(database: Database, scope: Scope, model: Any, text: str, clock: Clock) -> Any:
    args: MultiDict[str, str] = MultiDict([tuple(part.split("=", 1)) for part in text.split("&") if part])
    with database.session(scope) as s:
        found = listing(s, model, args, clock(), fields=())
        assert not found.problems, found.problems
        return found


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("state=in_force", "公共场所卫生许可鲤 公共场所卫生许可鹭 护士执业注册鲤 食品经营许可鹤"),
        ("state=draft", ""),
        ("state=draft&state=in_force&q=鲤", "公共场所卫生许可鲤 护士执业注册鲤"),
        ("gap_count__from=1&gap_count__to=1&q=鹤", "食品经营许可鹤"),
        ("gap_count__from=2", ""),
        ("catalogue_item_id__empty=1", ""),
        ("catalogue_item_id__empty=0&q=鹭", "公共场所卫生许可鹭"),
        ("sort=-name", "食品经营许可鹤 护士执业注册鲤 公共场所卫生许可鹭 公共场所卫生许可鲤"),
    ],
)
def test_filters_of_items(database: Database, world: World, clock: Clock, query: str, names: str) -> None:
    found = asked(database, world.scope("admin"), Item, query, clock)
    got = [row.name for row in found.rows]
    assert (got if "sort" in query else sorted(got)) == (names.split() if "sort" in query else sorted(names.split()))
    assert found.total == len(names.split())
    assert found.exact


def test_this_department_and_all_below(database: Database, world: World, clock: Clock) -> None:
    government = world.id(Department, name="东城区人民政府")
    alone = asked(database, world.scope("admin"), Item, f"department_id={government}", clock)
    below = asked(database, world.scope("admin"), Item, f"department_id={government}&department_id__below=1", clock)
    assert (alone.total, below.total) == (0, 3)
    city = world.id(Department, name="泉城市人民政府")
    both = f"department_id={government}&department_id={city}&department_id__below=1"
    assert asked(database, world.scope("admin"), Item, both, clock).total == 4
    # A clerk asks the same and gets no more than is in reach.
    assert asked(database, world.scope("clerk"), Item, both, clock).total == 2


def test_days_of_a_moment_are_days_in_china(database: Database, world: World, clock: Clock) -> None:
    # NOW is ten in the morning of the 17th in China; the cases came in an hour before.
    for query, count in (
        ("received_at__from=2026-06-17", 3),
        ("received_at__to=2026-06-17", 3),
        ("received_at__from=2026-06-18", 0),
        ("received_at__to=2026-06-16", 0),
        ("received_at=2026-06-17", 3),
        ("received_at=2026-06-16", 0),
        ("notice_due__from=2026-06-25&notice_due__to=2026-06-25", 3),
        ("notice_due=overdue", 0),
        ("handler_id=me", 0),
    ):
        assert asked(database, world.scope("auditor"), Case, query, clock).total == count, query
    assert asked(database, world.scope("clerk"), Case, "handler_id=me", clock).total == 1


def test_counts_and_estimates_stay_in_reach(database: Database, world: World, clock: Clock) -> None:
    """The number of rows stands in a part of the statement of its own: it is scoped all the same."""
    for username, count in (("clerk", 2), ("outsider", 1), ("stranger", 1), ("manager", 3), ("auditor", 4)):
        found = asked(database, world.scope(username), Item, "", clock)
        assert (found.total, len(found.rows)) == (count, count), username
    anonymous = Scope(name="nobody")
    assert asked(database, anonymous, Item, "", clock).total == 0


def test_a_reference_is_sorted_as_its_own_list_is(database: Database, world: World, clock: Clock) -> None:
    for query in ("sort=department_id", "sort=-department_id"):
        rows = asked(database, world.scope("admin"), Item, query, clock).rows
        with database.session(everything("test")) as s:
            paths = {d.id: d.path for d in s.scalars(select(Department))}
        got = [paths[row.department_id] for row in rows]
        assert got == sorted(got, reverse=query.startswith("sort=-"))
    tree = asked(database, world.scope("admin"), Department, "sort=parent_id", clock)
    assert len(tree.rows) == tree.total == 7


def test_a_big_table_is_counted_so_far_and_then_estimated(database: Database, world: World, clock: Clock) -> None:
    department, region = world.id(Department, short="东卫健"), world.id(Region, code="990101")
    stamps = {"created_at": NOW, "changed_at": NOW, "version": 1}
    rows = [
        {"name": f"批量{i}", "local_code": f"B-{i}", "department_id": department, "region_id": region,
         "item_type": ItemType.Licence.value, "origin": "taken_over", "state": "in_force", "gap_count": 4, **stamps}
        for i in range(12_300)
    ]  # fmt: skip
    with database.writing.begin() as connection:
        connection.execute(insert(Item.__table__), rows)
    found = asked(database, world.scope("clerk"), Item, "q=批量", clock)
    assert not found.exact
    assert found.total == 12_000
    assert found.more
    last = asked(database, world.scope("clerk"), Item, f"q=批量&page={12_300 // 25}", clock)
    assert (len(last.rows), last.more) == (25, False)
    assert last.total == last.last == 12_300, "on the last page it is known how many there are"
    assert last.exact
    few = asked(database, world.scope("clerk"), Item, "q=批量1229", clock)
    assert few.exact
    assert few.total == 11
    # Whoever may see none of them is told of none.
    assert asked(database, world.scope("outsider"), Item, "q=批量", clock).total == 0


@pytest.mark.parametrize(("number", "said"), [(12_345, 12_000), (10_000, 10_000), (987_654, 990_000), (99, 99)])
def test_an_estimate_says_two_digits(number: int, said: int) -> None:
    assert rounded(number) == said
    assert COUNTED == 10_000


def test_chips_say_what_is_asked_and_take_it_away(sign_in: SignIn, world: World) -> None:
    browser = sign_in("auditor")
    government = world.id(Department, name="东城区人民政府")
    page = browser.text(
        f"/items/?state=in_force&state=draft&department_id={government}&department_id__below=1&gap_count__to=3&sort=-name"
    )
    told = chips(page)
    assert len(told) == 3
    assert told[1].endswith("东城区人民政府、含下级")
    assert first_cells(page) == ["食品经营许可鹤", "护士执业注册鲤", "公共场所卫生许可鲤"]
    # Taking the department away leaves the others and the order.
    link = next(
        h for h in __import__("re").findall(r'<a class="chip on" href="([^"]+)"', page) if "department" not in h
    )
    rest = browser.text(link.replace("&amp;", "&"))
    assert len(chips(rest)) == 2
    assert len(first_cells(rest)) == 4


@pytest.mark.parametrize(
    "query",
    ["received_at__from=yesterday", "notice_due=never", "state=nonsense", "item_id=x", "received_at__to=9999-99-99"],
)
def test_nonsense_is_told_and_filters_nothing(sign_in: SignIn, query: str) -> None:
    page = sign_in("clerk").text(f"/cases/?{query}")
    assert 'class="flash bad"' in page
    assert len(first_cells(page)) == 1
    assert chips(page) == []


# --- saved views and columns -----------------------------------------------------------------------------------------


def test_columns_are_chosen_and_kept(sign_in: SignIn, database: Database) -> None:
    browser = sign_in("clerk")
    answer = browser.post(
        "/cases/views", {"query": "state=received", "cell": ["applicant/channel", "phone", "nonsense"]}
    )
    assert answer.status_code == 302
    assert answer.location == "/cases/?state=received"
    page = browser.text("/cases/")
    heads = page[page.index("<thead>") : page.index("</thead>")]
    assert "联系电话" in heads
    assert "状态" not in heads
    assert "办件编号" in heads, "the column that leads to the row always stays"
    assert "13800" not in page, "a personal field stays masked in a list"
    assert "联系电话" not in sign_in("colleague").text("/cases/").partition("<thead>")[2].partition("</thead>")[0]
    with database.session(everything("test")) as s:
        kept = s.scalars(select(SavedView)).one()
        assert (kept.name, kept.chosen, kept.query) == (LAYOUT, ["applicant/channel", "phone"], None)
    browser.post("/cases/views", {"query": ""})
    assert "状态" in browser.text("/cases/").partition("<thead>")[2].partition("</thead>")[0]


def test_a_view_is_saved_replaced_shared_and_deleted(sign_in: SignIn, database: Database) -> None:
    clerk = sign_in("clerk")
    answer = clerk.post(
        "/cases/views", {"name": "本周要办", "query": "state=received&sort=notice_due", "shared_with": "clerk"}
    )
    assert "view=" in answer.location
    page = clerk.text(answer.location)
    assert "本周要办" in page
    assert len(chips(page)) == 1
    again = clerk.post("/cases/views", {"name": "本周要办", "query": "notice_due=week", "shared_with": "clerk"})
    assert again.status_code == 302
    with database.session(everything("test")) as s:
        view = s.scalars(select(SavedView)).one()
        assert (view.query, view.version) == ("notice_due=week", 2)
        pk = view.id
    # A person of that role sees it, may not delete it; somebody of another role does not even see it.
    outsider = sign_in("outsider")
    assert "本周要办" in outsider.text("/cases/")
    assert outsider.post(f"/saved-views/{pk}/delete", {"version": "2"}).status_code == 403
    assert outsider.post(f"/saved-views/{pk}/edit", {"name": "x", "version": "2"}).status_code == 403
    approver = sign_in("approver")
    assert "本周要办" not in approver.text("/cases/")
    assert approver.get(f"/saved-views/{pk}").status_code == 404
    # The same question shows each of them their own rows.
    assert first_cells(outsider.text(f"/cases/?state=received&view={pk}")) != first_cells(
        clerk.text(f"/cases/?state=received&view={pk}")
    )
    assert clerk.post(f"/saved-views/{pk}/delete", {"version": "2", "next": "/cases/"}).location == "/cases/"
    assert "本周要办" not in clerk.text("/cases/")


def test_views_are_shared_only_with_ones_own_roles(sign_in: SignIn) -> None:
    browser = sign_in("clerk")
    browser.post("/cases/views", {"name": "给审计", "query": "", "shared_with": "auditor"})
    assert "只能" in words(browser.text("/cases/")) or "共享" in words(browser.text("/cases/"))
    assert "给审计" not in sign_in("auditor").text("/cases/")
    admin = sign_in("admin")
    admin.post("/cases/views", {"name": "给经办人", "query": "state=received", "shared_with": "clerk"})
    assert "给经办人" in browser.text("/cases/")


def test_no_view_without_the_list(sign_in: SignIn) -> None:
    assert sign_in("clerk").post("/outbox/views", {"name": "x"}).status_code == 403


# --- trees -----------------------------------------------------------------------------------------------------------


def test_a_tree_opens_branch_by_branch(sign_in: SignIn, world: World) -> None:
    browser = sign_in("clerk")
    top = main(browser.text("/departments/tree"))
    assert "泉城市人民政府" in top
    assert "东城区卫生健康局" not in top
    east = world.id(Department, name="东城区人民政府")
    page = main(browser.text(f"/departments/tree?at={east}"))
    for name in ("泉城市人民政府", "东城区卫生健康局", "西城区人民政府"):
        assert name in page
    assert "西城区卫生健康局" not in page
    part = browser.text(f"/departments/tree?at={east}&part=1")
    assert "<html" not in part
    assert words(part).count("东城区") >= 3
    assert "泉城市人民政府" not in part
    assert browser.get("/items/tree").status_code == 404
    assert browser.get("/departments/tree?at=999999").status_code == 404


def test_a_branch_is_moved_with_everything_below(sign_in: SignIn, world: World, database: Database) -> None:
    admin = sign_in("admin")
    east, west = world.id(Department, name="东城区人民政府"), world.id(Department, name="西城区人民政府")
    version = admin.get(f"/api/v1/departments/{east}").get_json()["row"]["version"]
    below = str(world.id(Department, short="东卫健"))
    loop = admin.post(f"/departments/{east}/do/relocate", {"parent_id": below, "version": version})
    assert loop.status_code == 422
    assert "自身" in main(loop.get_data(as_text=True))
    done = admin.post(f"/departments/{east}/do/relocate", {"parent_id": str(west), "version": version})
    assert done.status_code == 302
    assert "3" in words(admin.text(done.location))
    with database.session(everything("test")) as s:
        paths = {d.name: d.path for d in s.scalars(select(Department))}
        told = s.scalars(select(Event).where(Event.subject_type == "departments", Event.action == "relocate")).one()
        assert told.changes["parent_id"][1] == west
    assert all(paths[n].startswith(paths["西城区人民政府"]) for n in ("东城区人民政府", "东城区卫生健康局"))
    stale = admin.post(f"/departments/{east}/do/relocate", {"parent_id": "", "version": version})
    assert stale.status_code == 422


def test_a_manager_moves_nothing_out_of_reach(sign_in: SignIn, world: World) -> None:
    manager = sign_in("manager")
    health, west = world.id(Department, short="东卫健"), world.id(Department, short="西政")
    version = manager.get(f"/api/v1/departments/{health}").get_json()["row"]["version"]
    answer = manager.post(f"/departments/{health}/do/relocate", {"parent_id": str(west), "version": version})
    assert answer.status_code == 422
    assert "下级" in main(answer.get_data(as_text=True)).partition("需要更正")[2][:60]
    assert sign_in("clerk").post(f"/departments/{health}/do/relocate", {"version": "1"}).status_code == 403
    page = manager.text(f"/departments/{health}/edit")
    assert 'name="parent_id"' not in page, "the place in the tree changes by the action alone"


# --- search and workbench --------------------------------------------------------------------------------------------


def test_one_search_over_everything_in_reach(sign_in: SignIn, world: World) -> None:
    clerk, outsider = sign_in("clerk"), sign_in("outsider")
    found = clerk.get("/find/?q=鲤&short=1").get_json()["groups"]
    titles = [group["title"] for group in found]
    assert "事项" in titles
    assert "办件" in titles
    assert all("鹤" not in row["label"] and "鹭" not in row["label"] for group in found for row in group["rows"])
    hidden = outsider.get("/find/?q=红鲤&short=1").get_json()["groups"]
    assert hidden == []
    assert clerk.get("/find/?q=鲤").status_code == 200
    assert "至少" in main(clerk.text("/find/?q=x"))
    short = [r["href"] for g in found for r in g["rows"] if g["title"] == "办件"]
    assert short == [f"/cases/{world.case('申请人红鲤')}"]


def test_a_personal_number_is_no_search_word(sign_in: SignIn) -> None:
    browser = sign_in("clerk")
    assert browser.get("/find/?q=1101051949&short=1").get_json()["groups"] == []
    whole = browser.get("/find/?q=11010519491231002X&short=1").get_json()["groups"]
    assert [g["title"] for g in whole] == ["办件"]


def test_the_workbench_is_what_models_declare(sign_in: SignIn, world: World, database: Database, clock: Clock) -> None:
    clerk = sign_in("clerk")
    page = words(clerk.text("/"))
    assert "待受理" in page
    assert "申请人红鲤" in page
    assert "鹤" not in page
    clock.moment = NOW.replace(month=7)
    clerk = sign_in("clerk")
    late = clerk.text("/")
    assert '<a class="card stat bad" href="/cases/?notice_due=overdue"' in late
    assert words(late).count("超期") >= 1
    # What one did last: the case one received, not what others did.
    assert "东卫健 2026-000001" in page
    with database.session(everything("test", world.account("colleague")), write=True) as s:
        receive(s, world.item("护士执业注册鲤"), applicant="别人的")
    assert "东卫健 2026-000002" not in words(clerk.text("/")).partition("近期办理")[2]
    assert "2026-000001" not in words(sign_in("auditor").text("/")).partition("近期办理")[2]


def test_the_calendar_of_next_year_is_missed_in_november(sign_in: SignIn, clock: Clock) -> None:
    admin = sign_in("admin")
    assert "2027" not in words(admin.text("/"))
    clock.moment = NOW.replace(month=11)
    assert "2027" in words(sign_in("admin").text("/"))


def test_a_calendar_that_is_kept_is_read_anew_when_it_changes(
    sign_in: SignIn, database: Database, clock: Clock
) -> None:
    from models.work_day import WorkDay

    clerk = sign_in("clerk")
    assert "还有 5 个工作日" in words(clerk.text("/cases/"))
    for workday, left in ((False, 4), (True, 5)):
        with database.session(everything("test"), write=True) as s:
            row = s.scalars(select(WorkDay).where(WorkDay.day == date(2026, 6, 23))).one()
            assert not save(s, row, {"workday": workday}, now=NOW).errors
        assert f"还有 {left} 个工作日" in words(clerk.text("/cases/"))


def test_badges_count_what_is_in_reach(sign_in: SignIn, clock: Clock) -> None:
    clock.moment = NOW.replace(month=7)
    for username, count in (("clerk", "1"), ("auditor", "3")):
        page = sign_in(username).text("/verify/")
        menu = page[page.index('<nav id="nav"') : page.index("</nav>")]
        assert f'href="/cases/">办件 <b title="已超期">{count}<' in menu, username


def test_drafts_and_views_belong_to_their_owner(sign_in: SignIn, database: Database, world: World) -> None:
    assert Draft.__admin__.owner == SavedView.__admin__.owner == "owner_id"
    assert all(g.reach is Reach.mine for m in (Draft, SavedView) for g in m.__admin__.grants)
    admin = sign_in("admin")
    sign_in("clerk").post("/cases/views", {"name": "我的", "query": ""})
    assert "我的" not in first_cells(admin.text("/saved-views/"))


def test_what_a_list_is_narrowed_by_is_shown_on_a_narrow_screen_too(sign_in: SignIn) -> None:
    manager = sign_in("manager")
    assert re.search(r'<td class="hide">\d', manager.text("/items/"))
    page = manager.text("/items/?gap_count__from=0")
    assert re.search(r'<td data-head="缺项">\d', page)
    assert 'class="hide"' not in page
