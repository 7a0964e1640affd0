"""What flask-appbuilder 5.3.0's REST gets wrong, in pairs as in tests/views/test_defects.py."""

from __future__ import annotations

from typing import Any

import pytest

from models.department import Department
from models.item import Item
from models.scope import everything
from tests.views.ours import Ours, why
from tests.views.stock_client import Stock
from tests.views.test_pages import GOOD, value_of
from tests.world import World

pytestmark = pytest.mark.usefixtures("ours")  # made while the stock application starts


def problems(answer: Any) -> dict[str | None, str]:
    return {p["field"]: p["code"] for p in answer.get_json()["problems"]}


def a_case(world: World, **changes: Any) -> dict[str, Any]:
    item = world.item("公共场所卫生许可鲤")
    return {**GOOD, "received_at": "2026-06-17T09:00:00+08:00", "item_id": item, **changes}


def test_who_made_it_and_when_stock(stock: Stock) -> None:
    """AuditMixin's columns are open by default: a client says who made a row and when, and even must say it."""
    refused = stock.ask("clerk", "/api/v1/notes/", "POST", sent={"name": "honest"})
    assert set(refused.json["message"]) == {"created_by", "changed_by"}
    lie = {"name": "lie", "created_on": "2000-01-01T00:00:00", "created_by": 2, "changed_by": 2}
    made = stock.ask("clerk", "/api/v1/notes/", "POST", sent=lie)
    assert made.status == 201
    stored = f"SELECT created_on, created_by_fk FROM note WHERE id = {made.json['id']}"
    assert stock.stored(stored) == [("2000-01-01 00:00:00.000000", 2)]
    path = f"/api/v1/notes/{made.json['id']}"
    assert stock.ask("clerk", path, "PUT", sent={"created_on": "1999-01-01T00:00:00", "created_by": 3}).status == 200
    assert stock.stored(stored) == [("1999-01-01 00:00:00.000000", 3)]


def test_who_made_it_and_when_ours(ours: Ours) -> None:
    clerk, case = ours("clerk"), ours.world.case("申请人红鲤")
    row = clerk.get(f"/api/v1/cases/{case}").get_json()["row"]
    lie = {"created_at": "2000-01-01T00:00:00Z", "created_by_id": 1, "changed_by_id": 1, "created_on": "2000-01-01"}
    for name, value in lie.items():
        made = clerk.json("POST", "/api/v1/cases/", a_case(ours.world, **{name: value}))
        put = clerk.json("PUT", f"/api/v1/cases/{case}", {"version": row["version"], name: value})
        for answer in (made, put):
            assert answer.status_code == 422, name
            assert problems(answer)[name] in ("read_only", "unknown_field"), name
    assert clerk.get(f"/api/v1/cases/{case}").get_json()["row"] == row


def test_a_rule_at_rest_stock(stock: Stock) -> None:
    """What ``pre_add`` raises is told to a person on the page, and is a server's fault in REST."""
    answer = stock.ask("clerk", "/api/v1/papers/", "POST", sent={"name": "forbidden", "bureau": 1})
    assert (answer.status, answer.json) == (500, {"message": "Fatal error"})
    pk = stock.paper("clerk")
    assert stock.ask("clerk", f"/api/v1/papers/{pk}", "PUT", sent={"name": "forbidden"}).status == 500


def test_a_rule_at_rest_ours(ours: Ours) -> None:
    clerk = ours("clerk")
    answer = clerk.json("POST", "/api/v1/cases/", a_case(ours.world, received_at="2027-01-01T09:00:00+08:00"))
    assert answer.status_code == 422
    [problem] = answer.get_json()["problems"]
    assert problem["field"] == "received_at"
    assert problem["code"]
    assert problem["message"]


def test_duplicates_stock(stock: Stock) -> None:
    """The same key twice is the server's fault on POST, and on PUT the words of the database with all its SQL."""
    stock.paper("clerk", code="taken")
    again = stock.ask("clerk", "/api/v1/papers/", "POST", sent={"name": "again", "bureau": 1, "code": "taken"})
    assert again.status == 500
    changed = stock.ask("clerk", f"/api/v1/papers/{stock.paper('clerk')}", "PUT", sent={"code": "taken"})
    assert changed.status == 422
    assert "UPDATE paper SET" in changed.json["message"]


def test_duplicates_ours(ours: Ours) -> None:
    manager = ours("manager")
    row = manager.get(f"/api/v1/items/{ours.world.item('护士执业注册鲤')}").get_json()["row"]
    names = ("name", "department_id", "item_type", "level", "basic_code", "legal_basis_id", "catalogue_item_id")
    again = manager.json("POST", "/api/v1/items/", {**{n: row[n] for n in names}, "local_code": "LOCAL-1"})
    changed = {"version": row["version"], "local_code": "LOCAL-1"}
    for answer in (again, manager.json("PUT", f"/api/v1/items/{row['id']}", changed)):
        assert answer.status_code == 409
        assert problems(answer) == {"local_code": "duplicate"}


def test_one_rule_at_every_door_stock(stock: Stock) -> None:
    """The validators of the page are unknown to REST."""
    page = stock.post("clerk", "/papers/add", name="minus", days="-5", bureau="1")
    assert page.status == 200
    assert "Number must be at least 1." in page.body
    assert stock.paper("clerk", days=-5)


def test_one_rule_at_every_door_ours(ours: Ours) -> None:
    manager, pk = ours("manager"), ours.world.item("公共场所卫生许可鲤")
    page = manager.text(f"/items/{pk}/edit")
    names = ("name", "item_type", "level", "basic_code", "local_code", "legal_basis_id", "version")
    sent = {n: value_of(page, n) or "" for n in names} | {"statutory_days": "20", "promise_days": "21"}
    on_page = manager.post(f"/items/{pk}/edit", sent)
    at_rest = manager.json("PUT", f"/api/v1/items/{pk}", {"version": int(sent["version"]), "promise_days": 21})
    assert [on_page.status_code, at_rest.status_code] == [422, 422]
    [problem] = at_rest.get_json()["problems"]
    assert (problem["field"], problem["code"]) == ("promise_days", "above_statutory")
    assert why(on_page.get_data(as_text=True), "promise_days") == problem["message"]
    with ours.database.session(everything("test")) as s:
        assert s.get_one(Item, pk).promise_days != 21


def test_a_cookie_without_a_token_stock(stock: Stock) -> None:
    """REST is exempt from CSRFProtect, also where allow_browser_login takes the cookie that any page can send."""
    pk = stock.paper("clerk")
    answer = stock.ask("clerk", f"/api/v1/papers/{pk}", "PUT", sent={"name": "forged"})
    assert answer.status == 200
    assert stock.stored(f"SELECT name FROM paper WHERE id = {pk}") == [("forged",)]


def test_a_cookie_without_a_token_ours(ours: Ours) -> None:
    manager, pk = ours("manager"), ours.world.id(Department, name="东城区卫生健康局")
    row = manager.get(f"/api/v1/departments/{pk}").get_json()["row"]
    for headers in ({}, {"X-CSRFToken": "wrong"}):
        sent = {"version": row["version"], "phone": "0531-666"}
        answer = manager.client.put(f"/api/v1/departments/{pk}", json=sent, headers=headers)
        assert answer.status_code == 400
        assert problems(answer) == {None: "csrf"}
    with ours.database.session(everything("test")) as s:
        assert s.get_one(Department, pk).phone is None
    answer = manager.json("PUT", f"/api/v1/departments/{pk}", {"version": row["version"], "phone": "0531-666"})
    assert answer.status_code == 200  # so it was the token
