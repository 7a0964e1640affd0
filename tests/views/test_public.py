"""Pages that are open to everybody: what is in force and not secret, all of it and nothing besides (A09, H18, H19)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from models.catalogue_item import CatalogueItem, CatalogueState
from models.database import Database
from models.item import Item, ItemState
from models.scope import Forbidden, everything, outside
from models.write import save
from tests.conftest import Browser
from tests.views.answers import NOBODYS_ID, blotted, everything_said
from tests.world import NOW, World

SignIn = Callable[[str], Browser]
LIST = "/public/items/"


def text(client: Any, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, path
    return str(answer.get_data(as_text=True))


def total(page: str) -> int:
    return int(re.search(r"<small>(\d+) 条</small>", page).group(1))  # type: ignore[union-attr]


def names(page: str) -> list[str]:
    return re.findall(r'<td><a href="/public/\w+/\d+">([^<]+)</a>', page)


def change(database: Database, model: type[Any], pk: int, **values: Any) -> None:
    with database.session(everything("test"), write=True) as s:
        row = s.get_one(model, pk)
        assert not save(s, row, values, now=NOW, expected_version=row.version, also=tuple(values)).errors


@pytest.fixture
def library(database: Database, world: World) -> list[str]:
    """40 items more: every fourth a draft, every fifth secret. The names of those in force that are not."""
    with database.session(everything("test"), write=True) as s:
        model = s.get_one(Item, world.item("护士执业注册鲤"))
        for number in range(40):
            values = {n: getattr(model, n) for n in ("department_id", "item_type", "level", "legal_basis_id")}
            values |= {"name": f"公开与否{number:02d}", "basic_code": f"000177{number:03d}000"}
            values |= {"local_code": f"P-{number}", "secret": number % 5 == 0, "phone": "0531-7"}
            if number % 4:
                values["state"] = ItemState.InForce
            assert not save(s, Item(), values, now=NOW, also=("state",)).errors
        # Counted without the product's own words for it.
        rows = s.execute(select(Item.name, Item.state, Item.secret)).all()
    return sorted(name for name, state, secret in rows if state.value == "in_force" and not secret)


def test_all_that_is_in_force_and_not_secret(
    anonymous: FlaskClient, sign_in: SignIn, library: list[str], database: Database
) -> None:
    """Without signing in, and no less or more after it, whoever one is."""
    assert len(library) == 4 + 24
    with database.session(everything("test")) as s:
        in_force = s.scalar(select(func.count(Item.id)).where(Item.state == ItemState.InForce)) or 0
        secret = s.scalar(select(func.count(Item.id)).where(Item.state == ItemState.InForce, Item.secret)) or 0
    for client in (anonymous, sign_in("outsider"), sign_in("admin")):
        page = text(client, LIST)
        assert total(page) == in_force - secret == len(library)
        found = names(page) + names(text(client, f"{LIST}?page=2"))
        assert sorted(found) == library
    assert anonymous.get("/public/").headers["Location"] == LIST
    assert LIST not in text(anonymous, "/login/")
    assert 'href="/public/"' in text(anonymous, "/login/")


def test_a_page_says_what_is_open_and_nothing_else(anonymous: FlaskClient, library: list[str], world: World) -> None:
    page = text(anonymous, f"{LIST}{world.item('公开与否01')}")
    for said in ("公开与否01", "东城区卫生健康局", "0531-7", "P-1", "行政许可", "《公共场所卫生管理条例》"):
        assert said in page, said
    for kept in ("缺项", "来源", "历史", "版本", "起草", 'href="/departments', 'href="/items'):
        assert kept not in page, kept


def test_what_is_not_open_is_not_there(
    anonymous: FlaskClient, sign_in: SignIn, library: list[str], database: Database, world: World
) -> None:
    secret, draft = world.item("公开与否05"), world.item("公开与否04")
    claiming, cancelled = world.item("公共场所卫生许可鹭"), world.item("食品经营许可鹤")
    assert names(text(anonymous, f"{LIST}?q=鹭")) == ["公共场所卫生许可鹭"]
    with database.session(everything("test")) as s:
        entry = s.get_one(Item, claiming).catalogue_item_id
    assert entry is not None
    change(database, CatalogueItem, entry, secret=True)
    change(database, Item, cancelled, state=ItemState.Cancelled)
    assert text(anonymous, "/public/catalogue/").count("鹭") == 0
    for client in (anonymous, sign_in("admin"), sign_in("clerk")):
        nobodys = client.get(f"{LIST}{NOBODYS_ID}")
        for pk in (secret, draft, claiming, cancelled):
            answer = client.get(f"{LIST}{pk}")
            assert answer.status_code == 404
            theirs, absent = blotted(everything_said(answer), pk), blotted(everything_said(nobodys))
            assert re.sub(r"length \d+", "", theirs) == re.sub(r"length \d+", "", absent)
        assert client.get(f"/public/catalogue/{entry}").status_code == 404
        for asked in ("公开与否05", "P-5", "鹭", "鹤", "P-4"):
            page = text(client, f"{LIST}?q={asked}")
            assert not {"公开与否05", "公开与否04", "公共场所卫生许可鹭", "食品经营许可鹤"} & {*names(page)}, asked
    # What can be chosen is what open rows refer to: of the two departments whose only items are gone, nothing is left.
    assert re.findall(r"<option value=\"\d+\">([^<]*局)</option>", text(anonymous, LIST)) == ["东城区卫生健康局"]


def test_closed_fields_cannot_be_asked_for(anonymous: FlaskClient, library: list[str]) -> None:
    """Neither filtered nor sorted by: else whoever asks often enough learns what they hold."""
    plain = names(text(anonymous, LIST))
    for asked in (
        "origin=taken_over",
        "gap_count__from=1",
        "state=draft",
        "secret=1",
        "sort=-gap_count",
        "sort=version",
    ):
        assert names(text(anonymous, f"{LIST}?{asked}")) == plain, asked
    assert names(text(anonymous, f"{LIST}?sort=-name")) != plain
    nothing = text(anonymous, f"{LIST}?item_type=20")
    assert names(nothing) == []
    assert "请减少筛选条件" in nothing
    wrong = text(anonymous, f"{LIST}?department_id=nonsense")
    assert 'role="alert"' in wrong


def test_the_catalogue_is_open_as_far_as_it_is_in_force(anonymous: FlaskClient, database: Database) -> None:
    before = names(text(anonymous, "/public/catalogue/"))
    assert len(before) == 4
    with database.session(everything("test")) as s:
        pk = s.scalars(select(CatalogueItem.id).order_by(CatalogueItem.id)).first()
    assert pk is not None
    change(database, CatalogueItem, pk, state=CatalogueState.Cancelled)
    assert len(names(text(anonymous, "/public/catalogue/"))) == 3


def test_the_scope_of_open_pages_grants_nothing(database: Database, world: World) -> None:
    with database.session(outside()) as s:
        row = s.get_one(Item, world.item("护士执业注册鲤"))
        assert not any(s.scope.covers(verb, row) for verb in Item.__admin__.verbs)
        assert not s.scope.may("items", *Item.__admin__.verbs)
        assert row.department.name == "东城区卫生健康局"
        with pytest.raises(Forbidden):
            save(s, row, {"phone": "1"}, now=NOW, expected_version=row.version)
