"""What happened to a row, in words; and the row as it was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import g
from hypothesis import given
from hypothesis import strategies as st

from models.account import Account
from models.case import Case
from models.catalogue_item import CatalogueItem
from models.database import Database
from models.item import Item
from models.scope import everything
from models.workflow import move
from models.write import save
from tests.conftest import Browser, Clock
from tests.views.pages import words
from tests.world import NOW, World
from views.history import marks, past_of

SignIn = Callable[[str], Browser]


def edit(database: Database, world: World, who: str, model: Any, pk: int, days: int, **values: Any) -> None:
    with database.session(everything("test", world.account(who)), write=True) as s:
        row = s.get_one(model, pk)
        problems = save(s, row, values, now=NOW + timedelta(days=days), also=("name",))
        assert not problems.errors, problems


def test_differences_are_told_in_words(sign_in: SignIn, world: World, database: Database) -> None:
    case = world.case("申请人红鲤")
    edit(database, world, "colleague", Case, case, 1, channel="post", phone="13911112222", applicant="申请人改名")
    with database.session(everything("test", world.account("approver")), write=True) as s:
        refusal = {"refusal_reason": "不属于本机关职权范围", "competent": "示例局"}
        assert not move(s, s.get_one(Case, case), "refuse", now=NOW + timedelta(days=2), given=refusal).errors
    page = words(sign_in("clerk").text(f"/cases/{case}?tab=history"))
    assert "不予受理 · 张鲤" in page
    assert "状态 已收件 不予受理" in page
    assert "李鲤" in page
    assert "申请渠道" in page
    assert "邮寄" in page
    assert "申请人红鲤 申请人改名" in page
    assert "13911112222" not in page, "a personal value stays masked: it says that it changed"
    assert "事项 公共场所卫生许可鲤" in page.replace("  ", " "), "a reference is told by its name"


def test_many_to_many_and_references_are_named(sign_in: SignIn, world: World, database: Database) -> None:
    from sqlalchemy import select

    from models.account import FabRole

    pk = world.account("colleague")
    with database.session(everything("test")) as s:
        approver = s.scalars(select(FabRole.id).where(FabRole.name == "approver")).one()
        clerk = s.scalars(select(FabRole.id).where(FabRole.name == "clerk")).one()
    edit(database, world, "admin", Account, pk, 1, roles=[approver, clerk])
    page = words(sign_in("admin").text(f"/accounts/{pk}?tab=history"))
    assert "部门经办人员、部门审批人员" in page or "部门审批人员、部门经办人员" in page


def test_as_it_was_on_a_day(sign_in: SignIn, world: World, database: Database, clock: Clock) -> None:
    clock.moment = NOW + timedelta(days=9)
    item = world.item("公共场所卫生许可鲤")
    edit(database, world, "manager", Item, item, 2, promise_days=3, phone="0531-1", catalogue_item_id=None)
    edit(database, world, "manager", Item, item, 4, promise_days=2, name="改名许可鲤")
    admin = sign_in("admin")
    for days, name, promise in ((0, "公共场所卫生许可鲤", "6"), (2, "公共场所卫生许可鲤", "3"), (4, "改名许可鲤", "2")):
        day = (NOW + timedelta(days=days)).date()
        body = words(admin.text(f"/items/{item}?on={day}")).partition("当前内容")[2]
        assert name in body, day
        assert f"承诺时限（工作日） {promise} " in body, day
    before = words(admin.text(f"/items/{item}?on=2026-06-16"))
    assert "不存在" in before or "尚未" in before
    # Nothing of it was written.
    with database.session(everything("test")) as s:
        assert s.get_one(Item, item).promise_days == 2


def test_the_past_keeps_to_its_reach(sign_in: SignIn, world: World) -> None:
    case = world.case("申请人红鲤")
    for path in (f"/cases/{case}?tab=history", f"/cases/{case}?on=2026-06-17"):
        assert sign_in("outsider").get(path).status_code == 404
        assert "110105194912" not in sign_in("approver").text(path)


def test_a_history_is_for_who_may_see_the_row(app: Any, world: World, database: Database) -> None:
    """The lookup runs past the scope, for the names; so it asks for itself whether the row is in reach."""
    case = world.case("申请人红鲤")
    with app.test_request_context(), database.session(everything("test")) as s:
        row = s.get_one(Case, case)
        g.db, g.person = s, None
        for who, told in (("outsider", []), ("stranger", []), ("clerk", ["王鲤"]), ("auditor", ["王鲤"])):
            g.scope = world.scope(who)
            assert [e.who for e in past_of(row)] == told, who
        g.pop("db")


def test_what_everybody_reads_has_its_whole_past(
    sign_in: SignIn, world: World, database: Database, clock: Clock
) -> None:
    """Events of the catalogue are filed under no department: whoever reads the row reads them, or its past lies."""
    clock.moment = NOW + timedelta(days=11)
    pk = world.id(CatalogueItem, name="公共场所卫生许可鲤")
    edit(database, world, "admin", CatalogueItem, pk, 10, name="改了名的目录事项")
    clerk = sign_in("clerk")
    assert "改了名的目录事项" in words(clerk.text(f"/catalogue/{pk}?tab=history"))
    then = words(clerk.text(f"/catalogue/{pk}?on=2026-06-18")).partition("当前内容")[2]
    assert "公共场所卫生许可鲤" in then
    assert "改了名的目录事项" not in then


@given(st.text(max_size=200), st.text(max_size=200))
def test_marks_lose_no_character(before: str, after: str) -> None:
    found = marks(before, after)
    if found:
        assert "".join(text for tone, text in found if tone != "ins") == before
        assert "".join(text for tone, text in found if tone != "del") == after


def test_comparing_never_takes_long() -> None:
    """Texts of a few letters in a period are the worst case of comparing: they are not compared piece by piece."""
    found = marks("甲乙丙" * 700, "乙甲丙" * 700)
    assert [tone for tone, _ in found if tone] == ["del", "ins"]


def test_long_texts_are_marked_piece_by_piece() -> None:
    before = "申请材料应当齐全，符合法定形式；" * 6
    found = marks(before, before.replace("齐全", "完整", 1))
    assert [piece for piece in found if piece[0]] == [("del", "齐全"), ("ins", "完整")]
    assert marks("短", "长") == ()


@pytest.mark.parametrize("on", ["9999-12-31", "0001-01-01", "2026-13-01", "x", "", "0000-00-00"])
def test_a_day_that_is_none_shows_the_row_as_it_is(sign_in: SignIn, world: World, on: str) -> None:
    page = sign_in("clerk").text(f"/cases/{world.case('申请人红鲤')}?on={on}")
    assert "data-edit" in page
