"""Nothing typed is lost: conflicts side by side, drafts, forms that come too late; copies; bulk actions that ask."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from jobs.tidy import tidy
from models.case import Case, CaseState
from models.database import Database
from models.draft import Draft
from models.item import Item
from models.message import Message
from models.scope import everything
from models.write import save
from tests.conftest import Browser, Clock
from tests.views.pages import attribute, fields, opened, words
from tests.world import NOW, PASSWORD, RESIDENT, World, receive

SignIn = Callable[[str], Browser]


def change(database: Database, world: World, who: str, case: int, **values: Any) -> None:
    with database.session(world.scope(who), write=True) as s:
        row = s.get_one(Case, case)
        problems = save(s, row, values, now=NOW, expected_version=row.version)
        assert not problems.errors, problems


# --- two editors -----------------------------------------------------------------------------------------------------


def test_different_fields_of_two_editors_are_both_kept(sign_in: SignIn, world: World, database: Database) -> None:
    case = world.case("申请人红鲤")
    clerk = sign_in("clerk")
    sent = opened(clerk, f"/cases/{case}/edit", phone=["13911112222"])
    change(database, world, "colleague", case, applicant="申请人改")
    answer = clerk.post(f"/cases/{case}/edit", sent)
    assert answer.status_code == 409
    page = answer.get_data(as_text=True)
    assert "李鲤" in words(page)
    assert 'name="take-' not in page, "nobody has to choose where nobody contradicts"
    merged = fields(page)
    assert (merged["phone"], merged["applicant"]) == (["13911112222"], ["申请人改"])
    assert clerk.post(f"/cases/{case}/edit", merged).status_code == 302
    with database.session(everything("test")) as s:
        row = s.get_one(Case, case)
        assert (row.phone, row.applicant) == ("13911112222", "申请人改")


@pytest.mark.parametrize(("side", "applicant"), [("theirs", "申请人甲"), ("mine", "申请人乙")])
def test_one_field_of_two_editors_is_chosen_side_by_side(
    sign_in: SignIn, world: World, database: Database, side: str, applicant: str
) -> None:
    case = world.case("申请人红鲤")
    clerk = sign_in("clerk")
    sent = opened(clerk, f"/cases/{case}/edit", applicant=["申请人乙"], channel=["post"])
    change(database, world, "colleague", case, applicant="申请人甲", phone="13900001111")
    page = clerk.post(f"/cases/{case}/edit", sent).get_data(as_text=True)
    table = words(page[re.search(r'<table class="[^"]*diff', page).start() :].partition("</table>")[0])
    assert "申请人甲" in table
    assert "申请人乙" in table
    assert "13900001111" not in table, "what only the other changed is no question"
    choice = {**fields(page), "take-applicant": side}
    assert fields(page)["phone"] == ["139****1111"], "the other's value is taken over unseen"
    assert "13900001111" not in page
    assert fields(page)["channel"] == ["post"]
    assert clerk.post(f"/cases/{case}/edit", choice).status_code == 302
    with database.session(everything("test")) as s:
        row = s.get_one(Case, case)
        assert (row.applicant, row.phone, row.channel.value) == (applicant, "13900001111", "post")


def test_a_third_change_is_a_conflict_again(sign_in: SignIn, world: World, database: Database) -> None:
    case = world.case("申请人红鲤")
    clerk = sign_in("clerk")
    sent = opened(clerk, f"/cases/{case}/edit", applicant=["乙"])
    change(database, world, "colleague", case, applicant="甲")
    page = clerk.post(f"/cases/{case}/edit", sent).get_data(as_text=True)
    change(database, world, "colleague", case, applicant="丙")
    again = clerk.post(f"/cases/{case}/edit", {**fields(page), "take-applicant": "mine"})
    assert again.status_code == 409
    assert "丙" in words(again.get_data(as_text=True))


def test_both_changed_to_the_same_is_no_conflict(sign_in: SignIn, world: World, database: Database) -> None:
    case = world.case("申请人红鲤")
    clerk = sign_in("clerk")
    sent = opened(clerk, f"/cases/{case}/edit", applicant=["同名"])
    change(database, world, "colleague", case, applicant="同名")
    page = clerk.post(f"/cases/{case}/edit", sent).get_data(as_text=True)
    assert 'name="take-' not in page


def test_a_conflict_keeps_what_cannot_even_be_read(sign_in: SignIn, world: World, database: Database) -> None:
    item = world.item("公共场所卫生许可鲤")
    admin, manager = sign_in("admin"), sign_in("manager")
    sent = opened(admin, f"/items/{item}/edit", promise_days=["三天"])
    assert (
        manager.post(f"/items/{item}/edit", opened(manager, f"/items/{item}/edit", promise_days=["4"])).status_code
        == 302
    )
    answer = admin.post(f"/items/{item}/edit", sent)
    assert answer.status_code == 422
    assert fields(answer.get_data(as_text=True))["promise_days"] == ["三天"]


# --- drafts ----------------------------------------------------------------------------------------------------------


def test_a_draft_is_kept_offered_resumed_and_gone_once_sent(sign_in: SignIn, world: World, database: Database) -> None:
    clerk = sign_in("clerk")
    sent = opened(clerk, "/cases/new", applicant=["半途"], identifier=["1101"])
    kept = clerk.post("/cases/draft", sent)
    assert kept.status_code == 200
    assert "10:00" in kept.get_json()["kept"]
    page = clerk.text("/cases/new")
    offered = re.findall(r'/cases/new\?draft=(\d+)"', page)
    assert len(offered) == 1
    assert fields(page)["applicant"] == [""]
    resumed = fields(clerk.text(f"/cases/new?draft={offered[0]}"))
    assert (resumed["applicant"], resumed["identifier"]) == (["半途"], ["1101"])
    other = sign_in("colleague")
    assert "半途" not in other.text(f"/cases/new?draft={offered[0]}"), "a draft is its owner's alone"
    assert "?draft=" not in other.text("/cases/new")
    # Another form of the same kind has a draft of its own.
    clerk.post("/cases/draft", opened(clerk, "/cases/new", applicant=["另一份"]))
    clerk.post("/cases/draft", {**resumed, "applicant": ["半途"]})
    assert len(re.findall(r"\?draft=\d+", clerk.text("/cases/new"))) == 2
    good = {
        "item_id": str(world.item("护士执业注册鲤")),
        "applicant_kind": "person",
        "identifier": "11010519491231002X",
    }
    assert clerk.post("/cases/new", {**resumed, **good}).status_code == 302
    with database.session(everything("test")) as s:
        assert [d.typed["applicant"] for d in s.scalars(select(Draft))] == [["另一份"]]


def test_a_draft_of_an_edit_knows_the_version_it_began_with(sign_in: SignIn, world: World, database: Database) -> None:
    case = world.case("申请人红鲤")
    clerk = sign_in("clerk")
    clerk.post(f"/cases/{case}/draft", opened(clerk, f"/cases/{case}/edit", applicant=["草稿"]))
    change(database, world, "colleague", case, applicant="别人")
    link = re.findall(rf"/cases/{case}/edit\?draft=\d+", clerk.text(f"/cases/{case}/edit"))[0]
    page = clerk.text(link)
    assert fields(page)["applicant"] == ["草稿"]
    answer = clerk.post(f"/cases/{case}/edit", fields(page))
    assert answer.status_code == 409
    assert "别人" in words(answer.get_data(as_text=True))


def test_who_may_not_write_keeps_no_draft(sign_in: SignIn, world: World) -> None:
    case = world.case("申请人红鲤")
    assert sign_in("outsider").post(f"/cases/{case}/draft", {"applicant": "x"}).status_code == 404
    assert sign_in("auditor").post("/cases/draft", {"applicant": "x"}).status_code == 403
    assert sign_in("clerk").post("/cases/draft", {"applicant": "x" * 300_000}).status_code == 413
    assert sign_in("clerk").client.post("/cases/draft", data={"applicant": "x"}).status_code == 400


def test_a_draft_is_thrown_away_by_hand_or_after_two_weeks(
    sign_in: SignIn, world: World, database: Database, clock: Clock, worker: Any
) -> None:
    clerk = sign_in("clerk")
    clerk.post("/cases/draft", {"applicant": "甲"})
    page = clerk.text("/cases/new")
    action = re.findall(r'action="(/drafts/\d+/delete)"', page)[0]
    assert sign_in("colleague").post(action).status_code == 404
    assert clerk.post(action, {"next": "/cases/new"}).location == "/cases/new"
    assert "?draft=" not in clerk.text("/cases/new")
    clerk.post("/cases/draft", {"applicant": "乙"})
    clock.moment = NOW + timedelta(days=13)
    assert tidy(worker)["drafts"] == 0
    clock.moment = NOW + timedelta(days=15)
    assert tidy(worker)["drafts"] == 1
    assert tidy(worker)["drafts"] == 0


# --- forms that come too late ----------------------------------------------------------------------------------------

HERE = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}


def hidden(page: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for tag in re.findall(r'<input type="hidden"[^>]*>', page):
        found.setdefault(attribute(tag, "name"), []).append(attribute(tag, "value"))
    found.pop("csrf_token", None)
    return found


def test_a_form_after_the_sign_in_ended(sign_in: SignIn, world: World, app: Any, database: Database) -> None:
    clerk = sign_in("clerk")
    item = str(world.item("护士执业注册鲤"))
    sent = opened(clerk, "/cases/new", applicant=["迟到"], identifier=["11010519491231002X"], item_id=[item])
    sent["applicant_kind"] = ["person"]
    clerk.post("/logout/")
    answer = clerk.client.post("/cases/new", data={**sent, "csrf_token": "old"}, headers=HERE)
    assert answer.status_code == 401
    page = answer.get_data(as_text=True)
    kept = hidden(page)
    assert dict(json.loads(kept["kept"][0]))["applicant"] == "迟到"
    wrong = clerk.post(
        "/login/", {"username": "clerk", "password": "wrong", "next": kept["next"][0], "kept": kept["kept"][0]}
    )
    assert hidden(wrong.get_data(as_text=True))["kept"] == kept["kept"], "a mistyped password loses nothing either"
    signed = clerk.post(
        "/login/",
        {"username": "clerk", "password": PASSWORD, "next": kept["next"][0], "kept": kept["kept"][0]},
    )
    again = hidden(signed.get_data(as_text=True))
    assert again["applicant"] == ["迟到"]
    assert clerk.post("/cases/new", again).status_code == 302
    with database.session(everything("test")) as s:
        assert s.scalar(select(func.count()).select_from(Case).where(Case.applicant == "迟到")) == 1


def test_a_form_with_an_old_token(sign_in: SignIn, world: World) -> None:
    case = world.case("申请人红鲤")
    clerk = sign_in("clerk")
    sent = opened(clerk, f"/cases/{case}/edit", applicant=["旧页面"])
    answer = clerk.client.post(f"/cases/{case}/edit", data={**sent, "csrf_token": "old"}, headers=HERE)
    assert answer.status_code == 400
    again = hidden(answer.get_data(as_text=True))
    assert again["applicant"] == ["旧页面"]
    assert clerk.post(f"/cases/{case}/edit", again).status_code == 302


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}]
)
def test_a_forged_form_finds_nothing_prepared(sign_in: SignIn, world: World, headers: dict[str, str]) -> None:
    clerk = sign_in("clerk")
    answer = clerk.client.post("/cases/new", data={"applicant": "伪造"}, headers=headers)
    assert answer.status_code == 400
    assert "伪造" not in answer.get_data(as_text=True)


def test_a_password_is_never_carried_along(sign_in: SignIn) -> None:
    clerk = sign_in("clerk")
    answer = clerk.client.post("/account/password", data={"old": "geheim-alt", "new": "geheim-neu"}, headers=HERE)
    assert answer.status_code == 400
    assert "geheim" not in answer.get_data(as_text=True)


@pytest.mark.parametrize("kept", ["[1]", "{", '{"a": 1}', "[[1,2,3]]", "null"])
def test_a_sign_in_page_with_nonsense_kept(app: Any, kept: str) -> None:
    browser = Browser(app.test_client())
    answer = browser.post("/login/", {"username": "clerk", "password": PASSWORD, "next": "/cases/", "kept": kept})
    assert answer.status_code in (200, 302)


# --- copies and bulk -------------------------------------------------------------------------------------------------


def test_a_copy_leaves_out_what_must_differ(sign_in: SignIn, world: World) -> None:
    item = world.item("公共场所卫生许可鲤")
    page = sign_in("admin").text(f"/items/new?copy={item}")
    got = fields(page)
    assert got["name"] == ["公共场所卫生许可鲤"]
    assert got["local_code"] == [""]
    assert got["promise_days"] == ["6"]
    assert "version" not in got
    foreign = sign_in("outsider").get(f"/cases/new?copy={world.case('申请人红鲤')}")
    assert foreign.status_code == 404


def test_a_copy_leaves_personal_fields_empty(sign_in: SignIn, world: World, database: Database) -> None:
    case = world.case("申请人红鲤")
    page = sign_in("clerk").text(f"/cases/new?copy={case}")
    assert (fields(page)["identifier"], fields(page)["applicant"]) == ([""], ["申请人红鲤"])
    assert RESIDENT not in page
    assert RESIDENT not in sign_in("approver").get(f"/cases/new?copy={case}").get_data(as_text=True)


def test_many_refusals_with_one_reason(sign_in: SignIn, world: World, database: Database) -> None:
    with database.session(everything("test", world.account("clerk")), write=True) as s:
        more = [receive(s, world.item("护士执业注册鲤"), applicant=f"批量{i}").id for i in range(3)]
    approver = sign_in("approver")
    foreign = world.case("申请人白鹤")
    rows = [f"{pk}:1" for pk in more] + [f"{foreign}:1", f"{more[0]}:1", "x:1"]
    asks = approver.post("/cases/do/refuse", {"row": rows, "next": "/cases/?state=received"})
    page = asks.get_data(as_text=True)
    assert 'name="refusal_reason"' in page
    assert "鹤" not in page
    with database.session(everything("test")) as s:
        assert s.scalar(select(func.count()).select_from(Case).where(Case.state == CaseState.Refused)) == 0
    half = {"row": rows, "sure": "1", "competent": "示例局", "next": "/cases/?state=received"}
    empty = approver.post("/cases/do/refuse", half)
    assert empty.status_code == 422
    assert fields(empty.get_data(as_text=True))["competent"] == ["示例局"]
    assert fields(empty.get_data(as_text=True))["row"] == rows
    done = approver.post("/cases/do/refuse", {"row": rows, "sure": "1", "refusal_reason": "材料不属本机关"})
    told = words(done.get_data(as_text=True))
    assert "完成 3 条，未完成 3 条" in told
    assert "鹤" not in told
    with database.session(everything("test")) as s:
        refused = [*s.scalars(select(Case).where(Case.state == CaseState.Refused))]
        assert sorted(c.id for c in refused) == sorted(more)
        assert {c.refusal_reason for c in refused} == {"材料不属本机关"}


def test_many_messages_are_read_at_once_without_a_question(sign_in: SignIn, world: World, database: Database) -> None:
    with database.session(everything("test"), write=True) as s:
        for i in range(2):
            values = {
                "recipient_id": world.account("clerk"), "text": "x", "params": {}, "subject_type": "cases",
                "subject_id": 1, "sent_at": NOW, "key": f"k{i}",
            }  # fmt: skip
            assert not save(s, Message(), values, now=NOW).errors
        ids = [*s.scalars(select(Message.id))]
    answer = sign_in("clerk").post("/messages/do/read", {"row": [f"{pk}:1" for pk in ids]})
    assert "完成 2 条" in words(answer.get_data(as_text=True))


def test_bulk_needs_rows_and_a_bulk_action(sign_in: SignIn) -> None:
    admin = sign_in("admin")
    assert admin.post("/accounts/do/reset_password", {"row": ["1:1"]}).status_code == 404
    assert sign_in("approver").post("/cases/do/refuse", {}).status_code == 302
    assert sign_in("clerk").post("/cases/do/refuse", {"row": ["1:1"]}).status_code == 403
    assert Item.__admin__.life is not None
