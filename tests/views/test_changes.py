"""受控的基本信息: what the pages and REST make of a change that nobody makes alone (A05–A07)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from models.change import Change, ChangeState
from models.database import Database
from models.item import Item, ItemState
from models.scope import everything
from models.write import save
from tests.conftest import Browser
from tests.world import NOW, World

NAME = "公共场所卫生许可鲤"
OTHER = "公共场所许可（改）鲤"


@pytest.fixture
def item(database: Database, world: World) -> int:
    """An item in force that its department set up itself."""
    with database.session(everything("test"), write=True) as s:
        row = s.get_one(Item, world.item(NAME))
        assert not save(s, row, {"catalogue_item_id": None}, now=NOW).errors
        return row.id


def stored(database: Database, pk: int) -> Item:
    with database.session(everything("test")) as s:
        return s.get_one(Item, pk)


def requests(database: Database) -> list[Change]:
    with database.session(everything("test")) as s:
        return [*s.scalars(select(Change).order_by(Change.id))]


def form(browser: Browser, path: str) -> dict[str, Any]:
    """What a form would send back as it was opened."""
    page = browser.text(path).partition("<main")[2]
    sent = dict(re.findall(r'<input[^>]*name="([\w-]+)"[^>]*value="([^"]*)"', page))
    sent |= dict(re.findall(r'<select id="f-\w+" name="(\w+)".*?<option value="([^"]*)" selected', page))
    return {n: v for n, v in sent.items() if n not in ("csrf_token", "propose", "secret", "long_handled")}


def test_the_form_keeps_what_was_typed_and_offers_the_way(
    sign_in: Callable[[str], Browser], database: Database, item: int
) -> None:
    manager = sign_in("manager")
    page = manager.text(f"/items/{item}/edit")
    assert page.count("该项只能通过变更申请调整。") == 5
    sent = {**form(manager, f"/items/{item}/edit"), "name": OTHER, "phone": "0531-7"}
    answer = manager.post(f"/items/{item}/edit", sent)
    said = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert "该项属于受控的基本信息" in said
    assert f'value="{OTHER}"' in said
    assert stored(database, item).phone is None
    answer = manager.post(f"/items/{item}/edit", {**sent, "propose": "1"})
    [change] = requests(database)
    assert (answer.status_code, answer.location) == (302, f"/changes/{change.id}/edit")
    row = stored(database, item)
    assert (row.name, row.phone) == (NAME, "0531-7")
    assert change.changes == {"name": [NAME, OTHER]}
    shown = manager.text(f"/changes/{change.id}")
    assert f"<del>{NAME}</del>" in shown
    assert f"<ins>{OTHER}</ins>" in shown


def test_a_telephone_applies_at_once(sign_in: Callable[[str], Browser], database: Database, item: int) -> None:
    manager = sign_in("manager")
    sent = {**form(manager, f"/items/{item}/edit"), "phone": "0531-8"}
    assert manager.post(f"/items/{item}/edit", sent).status_code == 302
    assert (stored(database, item).phone, requests(database)) == ("0531-8", [])


def test_rest_says_why_and_changes_nothing(sign_in: Callable[[str], Browser], database: Database, item: int) -> None:
    manager = sign_in("manager")
    version = stored(database, item).version
    answer = manager.json("PUT", f"/api/v1/items/{item}", {"name": OTHER, "phone": "0531-9", "version": version})
    assert answer.status_code == 422
    assert [(p["field"], p["code"]) for p in answer.get_json()["problems"]] == [("name", "controlled")]
    assert (stored(database, item).name, stored(database, item).phone) == (NAME, None)
    for sent in ({"state": "cancelled"}, {"state": "devolved"}):
        answer = manager.json("PUT", f"/api/v1/items/{item}", {**sent, "version": version})
        assert (answer.status_code, answer.get_json()["problems"][0]["code"]) == (422, "read_only")
    answer = manager.json("POST", "/api/v1/changes/", {"subject_type": "items", "subject_id": item})
    assert answer.status_code in (403, 404, 405)


@pytest.mark.parametrize("person", ["manager", "approver", "clerk", "admin", "reformer"])
def test_nobody_takes_a_step_that_is_a_jobs(
    sign_in: Callable[[str], Browser], database: Database, item: int, person: str
) -> None:
    browser = sign_in(person)
    for path in (f"/items/{item}/do/cancel", f"/items/{item}/do/devolve"):
        assert browser.post(path, {"version": "3"}).status_code == 403
    for action in ("cancel", "devolve"):  # of many at once as well
        answer = browser.post(f"/items/do/{action}", {"row": f"{item}:3", "sure": "1"})
        assert answer.status_code == 403
    assert stored(database, item).state is ItemState.InForce


def test_many_are_proposed_at_once_and_none_is_done(
    sign_in: Callable[[str], Browser], database: Database, item: int
) -> None:
    manager = sign_in("manager")
    version = stored(database, item).version
    answer = manager.post("/items/do/propose_cancel", {"row": f"{item}:{version}", "sure": "1"})
    assert answer.status_code == 200
    assert [(c.state, c.changes) for c in requests(database)] == [
        (ChangeState.Draft, {"state": ["in_force", "cancelled"]})
    ]
    assert stored(database, item).state is ItemState.InForce


def test_the_whole_way_on_the_pages(
    sign_in: Callable[[str], Browser], database: Database, item: int, worker: Any
) -> None:
    manager, reformer = sign_in("manager"), sign_in("reformer")
    version = str(stored(database, item).version)
    sent = {**form(manager, f"/items/{item}/do/propose"), "name": OTHER, "version": version}
    answer = manager.post(f"/items/{item}/do/propose", sent)
    [change] = requests(database)
    assert answer.location == f"/changes/{change.id}"
    path = f"/changes/{change.id}"

    def step(browser: Browser, action: str, **given: str) -> int:
        version = requests(database)[0].version
        return int(browser.post(f"{path}/do/{action}", {"version": str(version), **given}).status_code)

    assert step(manager, "submit") == 422  # without its reason
    reason = {"reason": "国务院文件调整", "version": str(change.version)}
    assert manager.post(f"{path}/edit", reason).status_code == 302
    assert step(manager, "agree") == 403
    assert step(reformer, "file_it", filing_number="1", filed_on="2026-06-17", effective_on="2026-06-17") == 422
    assert step(manager, "submit") == 302
    assert "公共场所卫生许可鲤" in reformer.text("/changes/?state=submitted")
    assert step(reformer, "agree", opinion="同意") == 302
    assert step(reformer, "file_it", filing_number="1", filed_on="2026-06-17", effective_on="2026-06-16") == 422
    assert step(reformer, "file_it", filing_number="省备1号", filed_on="2026-06-17", effective_on="2026-06-17") == 302
    worker.run_due()
    assert stored(database, item).name == OTHER
    assert requests(database)[0].state is ChangeState.InEffect
    assert "公共场所卫生许可鲤”的名称变更已实施" in manager.text("/messages/")
