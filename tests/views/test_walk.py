"""What a day at the window is owed: nothing typed is lost when others were faster, nothing impossible is offered,
everything wrong is said at once."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import select

from jobs.outbox import Worker
from models.case import Case
from models.database import Database
from models.department import Department
from models.item import Item
from models.message import Message, MessageState
from models.saved_view import SavedView
from models.scope import everything
from models.workflow import move
from models.write import remove, save
from tests.conftest import Browser, Clock
from tests.views.pages import fields, main, opened, words
from tests.world import NOW, PASSWORD, World, receive

SignIn = Callable[[str], Browser]


def done(database: Database, world: World, who: str, case: int, step: str, **given: str) -> None:
    """Somebody else carries *step* out on the case."""
    with database.session(world.scope(who), write=True) as s:
        row = s.get_one(Case, case)
        assert not move(s, row, step, now=NOW, given=given, expected_version=row.version).errors


def box(page: str) -> list[str]:
    """The lines of the box of problems."""
    found = re.search(r'id="problems".*?</div>', page, re.DOTALL)
    return [words(line) for line in re.findall(r"<li>(.*?)</li>", found.group(0))] if found else []


# --- copies ----------------------------------------------------------------------------------------------------------


def test_a_copy_begins_now(sign_in: SignIn, world: World, clock: Clock) -> None:
    """The moment of receipt of another case would be overdue at once."""
    clock.moment = NOW + timedelta(days=20)
    got = fields(sign_in("clerk").text(f"/cases/new?copy={world.case('申请人红鲤')}"))
    assert got["received_at"] == ["2026-07-07T10:00"]
    assert got["item_id"] == [str(world.item("公共场所卫生许可鲤"))]


# --- others were faster ----------------------------------------------------------------------------------------------


def test_what_was_typed_stays_readable_when_the_row_was_closed(
    sign_in: SignIn, world: World, database: Database
) -> None:
    case, clerk = world.case("申请人红鲤"), sign_in("clerk")
    sent = opened(clerk, f"/cases/{case}/edit", applicant=["改了一半"])
    assert clerk.post(f"/cases/{case}/draft", sent).status_code == 200
    link = re.findall(rf"/cases/{case}/edit\?draft=\d+", clerk.text(f"/cases/{case}/edit"))[0]
    done(database, world, "approver", case, "refuse", refusal_reason="不属本机关职权")
    answer = clerk.post(f"/cases/{case}/edit", sent)
    assert answer.status_code == 409
    late = clerk.get(link)
    assert late.status_code == 409
    for page in (answer.get_data(as_text=True), late.get_data(as_text=True)):
        assert fields(page)["applicant"] == ["改了一半"]
        assert "不予受理" in words(page)
        assert "张鲤" in words(page), "who was faster"
        assert "保存 " not in main(page), "nothing is offered that cannot be done"
    assert clerk.get(f"/cases/{case}/edit").status_code == 302


def test_what_was_typed_stays_readable_when_the_row_is_gone(sign_in: SignIn, world: World, database: Database) -> None:
    admin = sign_in("admin")
    with database.session(everything("test"), write=True) as s:
        item = Item()
        shared = {
            n: getattr(s.get_one(Item, world.item("公共场所卫生许可鲤")), n) for n in ("department_id", "item_type")
        }
        rest = {"basic_code": "000123009000", "legal_basis_id": 1, "level": "4"}
        assert not save(s, item, {"name": "误建", "local_code": "X-1", **shared, **rest}, now=NOW).errors
        pk = item.id
    sent = opened(admin, f"/items/{pk}/edit", address=["刚打好的地址"])
    admin.post(f"/items/{pk}/draft", sent)
    link = re.findall(rf"/items/{pk}/edit\?draft=\d+", admin.text(f"/items/{pk}/edit"))[0]
    with database.session(everything("test"), write=True) as s:
        assert not remove(s, s.get_one(Item, pk), now=NOW).errors
    for answer in (admin.post(f"/items/{pk}/edit", sent), admin.get(link)):
        assert answer.status_code == 404
        assert fields(answer.get_data(as_text=True))["address"] == ["刚打好的地址"]
    assert admin.get(f"/items/{pk}/edit").status_code == 404
    foreign = sign_in("outsider").post(f"/cases/{world.case('申请人红鲤')}/edit", {"applicant": "外人", "version": "1"})
    assert foreign.status_code == 404
    assert "鲤" not in foreign.get_data(as_text=True)


def test_an_overtaken_step_is_not_offered_again(sign_in: SignIn, world: World, database: Database) -> None:
    case, clerk = world.case("申请人红鲤"), sign_in("clerk")
    done(database, world, "approver", case, "refuse", refusal_reason="不属本机关职权")
    late = clerk.post(f"/cases/{case}/do/accept", {"version": "1"})
    assert late.status_code == 422
    assert "需要更正" not in main(late.get_data(as_text=True))
    for page in (late.get_data(as_text=True), clerk.get(f"/cases/{case}/do/accept").get_data(as_text=True)):
        assert "不予受理" in main(page)
        assert "请重新提交" not in page
        assert not re.search(r'<button class="btn (main|bad)"', page)


def test_a_refusal_that_came_too_late_keeps_its_reason(sign_in: SignIn, world: World, database: Database) -> None:
    case = world.case("申请人红鲤")
    done(database, world, "clerk", case, "accept")
    sent = {"version": "1", "refusal_reason": "写了很久的理由"}
    page = sign_in("approver").post(f"/cases/{case}/do/refuse", sent).get_data(as_text=True)
    assert "写了很久的理由" in page
    assert not re.search(r'<button class="btn (main|bad)"', page)


# --- everything wrong at once ----------------------------------------------------------------------------------------


def test_everything_wrong_is_said_at_once_in_the_order_of_the_form(sign_in: SignIn, world: World) -> None:
    admin = sign_in("admin")
    known = admin.get(f"/api/v1/items/{world.item('公共场所卫生许可鲤')}").get_json()["row"]
    sent = {
        "department_id": str(known["department_id"]),
        "item_type": "01",
        "level": "4",
        "basic_code": "12",
        "local_code": known["local_code"],
        "legal_basis_id": str(known["legal_basis_id"]),
        "statutory_days": "二十",
    }
    page = admin.post("/items/new", sent).get_data(as_text=True)
    assert [line.partition("：")[0] for line in box(page)] == ["名称", "基本编码", "地方编码", "法定时限（工作日）"]
    page = admin.post("/items/new", {**sent, "statutory_days": "5", "promise_days": "9"}).get_data(as_text=True)
    assert [line.partition("：")[0] for line in box(page)] == ["名称", "基本编码", "地方编码", "承诺时限（工作日）"]


def test_a_rule_that_needs_what_is_missing_waits(sign_in: SignIn, world: World) -> None:
    page = sign_in("clerk").post("/cases/new", {"identifier": "123", "applicant_kind": "person"}).get_data(as_text=True)
    assert [line.partition("：")[0] for line in box(page)] == [
        "事项",
        "收件时间",
        "申请人",
        "身份证号或统一社会信用代码",
    ]


# --- many rows, and what is shown once -------------------------------------------------------------------------------


def test_rows_of_a_bulk_step_are_known_by_more_than_a_number(sign_in: SignIn, world: World, database: Database) -> None:
    with database.session(everything("test", world.account("clerk")), write=True) as s:
        case = receive(s, world.item("护士执业注册鲤"), applicant="甲乙丙").id
    approver = sign_in("approver")
    asks = approver.post("/cases/do/refuse", {"row": [f"{case}:1"], "next": "/cases/?state=received"})
    assert "护士执业注册鲤 · 甲乙丙" in main(asks.get_data(as_text=True))
    assert 'name="next" value="/cases/?state=received"' in asks.get_data(as_text=True).partition("<main")[0], "language"
    sure = {"row": [f"{case}:1"], "sure": "1", "refusal_reason": "材料不属本机关"}
    assert "护士执业注册鲤 · 甲乙丙" in main(approver.post("/cases/do/refuse", sure).get_data(as_text=True))


def test_the_language_can_be_changed_after_any_form(sign_in: SignIn, world: World) -> None:
    approver = sign_in("approver")
    page = approver.post("/cases/do/refuse", {"row": [f"{world.case('申请人红鲤')}:1"]}).get_data(as_text=True)
    onward = re.findall(r'action="/language/".*?name="next" value="([^"]*)"', page)[0]
    assert approver.get(onward).status_code == 200


def test_a_secret_says_that_it_is_shown_once_and_whose_it_is(sign_in: SignIn, world: World) -> None:
    admin = sign_in("admin")
    pk = world.account("clerk")
    version = admin.get(f"/api/v1/accounts/{pk}").get_json()["row"]["version"]
    page = admin.post(f"/accounts/{pk}/do/reset_password", {"version": version}).get_data(as_text=True)
    assert "仅显示这一次" in main(page)
    assert "clerk" in main(page)
    assert "data-copy" in page


# --- forms that come too late ----------------------------------------------------------------------------------------

HERE = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}


def carried(page: str) -> dict[str, str]:
    """What the page of a sign-in carries on."""
    inputs = re.findall(r'<input type="hidden" name="(kept|next)" value="([^"]*)"', page)
    return {name: html.unescape(value) for name, value in inputs}


def test_a_form_is_carried_through_the_sign_in_for_its_owner_alone(sign_in: SignIn, world: World) -> None:
    clerk = sign_in("clerk")
    sent = opened(clerk, "/cases/new", applicant=["只给本人看"])
    clerk.post("/logout/")
    page = clerk.client.post("/cases/new", data={**sent, "csrf_token": "old"}, headers=HERE).get_data(as_text=True)
    for who, seen in (("outsider", False), ("clerk", True)):
        browser = Browser(clerk.client.application.test_client())
        answer = browser.post("/login/", {"username": who, "password": PASSWORD, **carried(page)})
        text = answer.get_data(as_text=True) if answer.status_code == 200 else browser.text(answer.location)
        assert ("只给本人看" in text) == seen, who
        assert ("属于其他用户" in text) != seen, who


def test_a_form_of_the_one_before_is_not_shown_to_whoever_signed_in_since(sign_in: SignIn) -> None:
    sent = opened(sign_in("clerk"), "/cases/new", applicant=["只给本人看"])
    other = sign_in("outsider")
    for by in (sent["by"], ["nonsense"]):
        answer = other.client.post("/cases/new", data={**sent, "by": by, "csrf_token": "old"}, headers=HERE)
        assert answer.status_code == 400
        assert "只给本人看" not in answer.get_data(as_text=True)


def test_what_is_sent_again_is_said_in_words(sign_in: SignIn, world: World) -> None:
    clerk, case = sign_in("clerk"), world.case("申请人红鲤")
    sent = opened(clerk, f"/cases/{case}/edit", applicant=["改名"], channel=["post"])
    page = clerk.client.post(f"/cases/{case}/edit", data={**sent, "csrf_token": "old"}, headers=HERE)
    shown = words(page.get_data(as_text=True))
    assert "东卫健 2026-000001 · 修改" in shown
    assert "邮寄" in shown
    assert "自然人" in shown
    assert "版本" not in shown
    made = opened(clerk, "/cases/new", item_id=[str(world.item("护士执业注册鲤"))])
    page = clerk.client.post("/cases/new", data={**made, "csrf_token": "old"}, headers=HERE)
    assert "护士执业注册鲤" in words(page.get_data(as_text=True))
    page = clerk.client.post(f"/cases/{case}/do/accept", data={"version": "1", "csrf_token": "old"}, headers=HERE)
    assert "东卫健 2026-000001 · 受理" in words(page.get_data(as_text=True))


# --- finding ---------------------------------------------------------------------------------------------------------


def test_records_are_found_by_who_where_and_when(sign_in: SignIn, world: World, database: Database) -> None:
    done(database, world, "clerk", world.case("申请人红鲤"), "accept")
    auditor, clerk = sign_in("auditor"), world.account("clerk")
    seats = auditor.get("/api/v1/departments/?q=东卫健").get_json()["rows"]
    for asked, some in (
        (f"actor_id={clerk}&kind=moved&subject_type=cases", 1),
        (f"actor_id={world.account('outsider')}&kind=moved&subject_type=cases", 0),
        (f"department_id={seats[0]['id']}&kind=moved&subject_type=cases", 1),
        ("at=2026-06-17&kind=moved&subject_type=cases", 1),
        ("at__from=2026-06-18", 0),
    ):
        assert auditor.get(f"/api/v1/events/?{asked}").get_json()["total"] == some, asked
    assert auditor.get(f"/api/v1/letters/?department_id={seats[0]['id']}").status_code == 200


def test_the_one_search_leaves_records_out(sign_in: SignIn) -> None:
    groups = sign_in("auditor").get("/find/?short=1&q=东卫健").get_json()["groups"]
    assert [group["title"] for group in groups] == ["办件", "部门"]


# --- what is said ----------------------------------------------------------------------------------------------------


def test_a_new_account_says_what_must_follow(sign_in: SignIn) -> None:
    admin = sign_in("admin")
    sent = opened(admin, "/accounts/new", username=["newcomer"], last_name=["新人"], email=["n@example.invalid"])
    answer = admin.post("/accounts/new", sent)
    assert answer.status_code == 302
    assert "尚不能登录" in words(admin.text(answer.location))


def test_reminders_of_what_is_decided_are_read(
    sign_in: SignIn, world: World, database: Database, clock: Clock, worker: Worker
) -> None:
    clock.moment = NOW + timedelta(days=9)  # past the day of warning
    worker.run_due()
    with database.session(everything("test")) as s:
        mine = select(Message.state).where(Message.recipient_id == world.account("clerk"))
        assert s.scalars(mine).all() == [MessageState.Unread]
    done(database, world, "approver", world.case("申请人红鲤"), "refuse", refusal_reason="不属本机关职权")
    worker.run_due()
    with database.session(everything("test")) as s:
        assert s.scalars(mine).all() == [MessageState.Read]
        assert s.scalar(select(Message.version).where(Message.recipient_id == world.account("clerk"))) == 2


def test_counts_of_the_menu_say_what_they_count(sign_in: SignIn, clock: Clock) -> None:
    clock.moment = NOW + timedelta(days=30)
    menu = sign_in("clerk").text("/").partition("</nav>")[0]
    assert re.search(r'<b title="[^"]*超期[^"]*">1<span class="hidden"> [^<]*超期', menu)


def test_a_draft_is_called_by_what_was_typed_and_leads_on(sign_in: SignIn, world: World) -> None:
    clerk = sign_in("clerk")
    item = [str(world.item("护士执业注册鲤"))]
    clerk.post("/cases/draft", opened(clerk, "/cases/new", applicant=["半途"], item_id=item))
    page = clerk.text("/drafts/")
    assert "收件 · 护士执业注册鲤 · 半途" in words(page)
    assert "护士执业注册鲤 · 半途" in main(clerk.text("/")), "the workbench reminds of it"
    shown = clerk.text(re.findall(r'href="(/drafts/\d+)"', page)[0])
    onward = html.unescape(re.findall(r'href="(/cases/new\?draft=\d+)"', shown)[0])
    assert fields(clerk.text(onward))["applicant"] == ["半途"]
    assert "草稿" not in main(sign_in("colleague").text("/"))


def test_a_day_that_cannot_be_shown_is_told(sign_in: SignIn, world: World) -> None:
    clerk, case = sign_in("clerk"), world.case("申请人红鲤")
    assert "尚未到来" in words(clerk.text(f"/cases/{case}?on=2026-06-18"))
    assert "不是有效日期" in words(clerk.text(f"/cases/{case}?on=2026-02-30"))
    assert "尚未到来" not in words(clerk.text(f"/cases/{case}?on=2026-06-17"))


def test_ones_own_columns_are_no_view(sign_in: SignIn, database: Database) -> None:
    clerk = sign_in("clerk")
    clerk.post("/cases/views", {"query": "", "cell": ["applicant/channel", "phone"]})
    assert clerk.get("/api/v1/saved-views/").get_json()["total"] == 0
    assert "我的列" not in main(clerk.text("/saved-views/"))
    with database.session(everything("test")) as s:
        pk = s.scalars(select(SavedView.id)).one()
    for path in (f"/saved-views/{pk}", f"/saved-views/{pk}/edit", f"/api/v1/saved-views/{pk}"):
        assert clerk.get(path).status_code == 404, path
    assert "我的列" in main(sign_in("admin").text("/events/?subject_type=saved-views"))


def test_a_letter_just_ordered_is_being_written(
    sign_in: SignIn, world: World, database: Database, worker: Worker
) -> None:
    case, clerk = world.case("申请人红鲤"), sign_in("clerk")
    assert "正在生成" not in main(clerk.text(f"/cases/{case}"))
    done(database, world, "clerk", case, "accept")
    assert "文书正在生成" in main(clerk.text(f"/cases/{case}"))
    worker.run_due()
    assert "正在生成" not in main(clerk.text(f"/cases/{case}"))


def test_a_view_says_when_it_is_replaced_left_and_keeps_its_columns(sign_in: SignIn) -> None:
    clerk = sign_in("clerk")
    sent = {"name": "本周", "query": "state=received"}
    first = clerk.post("/cases/views", sent)
    assert "已保存" in words(clerk.text(first.location))
    assert "已更新" in words(clerk.text(clerk.post("/cases/views", sent).location))
    view = re.findall(r"view=(\d+)", first.location)[0]
    assert "本周 ·" in main(clerk.text(f"/cases/?state=received&view={view}"))
    assert "本周 (已调整)" in main(clerk.text(f"/cases/?view={view}"))
    columns = {"query": "state=received", "view": view, "cell": ["phone"]}
    back = clerk.post("/cases/views", columns).location
    assert f"view={view}" in back
    assert "联系电话" in clerk.text(back).partition("<thead>")[2].partition("</thead>")[0]
    assert "联系电话" not in clerk.text("/cases/").partition("<thead>")[2].partition("</thead>")[0]


def test_a_token_begins_with_an_end_that_is_taken_and_boxes(sign_in: SignIn) -> None:
    clerk = sign_in("clerk")
    page = clerk.text("/tokens/new")
    assert fields(page)["expires_at"] == ["2026-09-15T10:00"]
    assert '<input type="checkbox" name="registries" value="cases"' in page
    answer = clerk.post("/tokens/new", opened(clerk, "/tokens/new", name=["抓取程序"], registries=["cases", "items"]))
    assert answer.status_code == 302
    assert "办件、事项" in main(clerk.text(answer.location))
    assert clerk.get("/api/v1/tokens/").get_json()["rows"][0]["registries"] == "cases items"
    assert fields(clerk.text(f"{answer.location}/edit"))["registries"] == ["cases", "items"]


def test_a_list_keeps_its_size_and_finds_what_is_mine(sign_in: SignIn) -> None:
    page = sign_in("clerk").text("/cases/?size=50")
    assert '<input type="hidden" name="size" value="50">' in page
    assert re.search(r'name="handler_id" value="me"> 本人', page)
    assert '<option value="-notice_due">' in page, "the order can be chosen without heads"


def test_states_are_sorted_as_they_are_declared(sign_in: SignIn, world: World, database: Database) -> None:
    with database.session(everything("test", world.account("clerk")), write=True) as s:
        more = [receive(s, world.item("护士执业注册鲤"), applicant=name).id for name in ("受理", "退回")]
    done(database, world, "clerk", more[0], "accept")
    done(database, world, "approver", more[1], "refuse", refusal_reason="不属本机关职权")
    rows = sign_in("clerk").get("/api/v1/cases/?sort=state").get_json()["rows"]
    assert [row["state"] for row in rows] == ["received", "accepted", "refused"]


def test_suggestions_say_their_state_and_what_is_over_comes_last(
    sign_in: SignIn, world: World, database: Database
) -> None:
    with database.session(everything("test"), write=True) as s:
        assert not move(s, s.get_one(Item, world.item("公共场所卫生许可鲤")), "cancel", now=NOW).errors
    clerk = sign_in("clerk")
    found = clerk.get("/cases/pick/item_id").get_json()["choices"]
    assert [one["label"] for one in found] == ["护士执业注册鲤", "公共场所卫生许可鲤"]
    assert [one["note"].rpartition(" · ")[2] for one in found] == ["有效", "已取消"]
    people = clerk.get("/cases/pick/handler_id?q=clerk").get_json()["choices"]
    assert (people[0]["label"], people[0]["note"]) == ("王鲤", "clerk")


def test_a_refused_deletion_says_what_refers_to_the_row(sign_in: SignIn, world: World) -> None:
    admin = sign_in("admin")
    basis = admin.get("/api/v1/legal-bases/").get_json()["rows"][0]
    answer = admin.post(f"/legal-bases/{basis['id']}/delete", {"version": basis["version"]}, follow_redirects=True)
    assert "中有记录引用本记录" in words(answer.get_data(as_text=True))


def test_background_work_is_said_in_words(sign_in: SignIn, world: World, database: Database) -> None:
    done(database, world, "clerk", world.case("申请人红鲤"), "accept")
    page = main(sign_in("admin").text("/outbox/"))
    assert "受理通知书 letter.acceptance:" in page
    assert "提醒 remind.cases.notice:" in page


def test_a_move_in_the_tree_tells_no_paths(sign_in: SignIn, world: World, database: Database) -> None:
    pk = world.id(Department, name="东城区卫生健康局")
    assert "路径" not in main(sign_in("admin").text(f"/departments/{pk}?tab=history"))
