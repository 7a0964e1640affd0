"""What a page may cost: statements and kilobytes of each kind, everything counted (who it is, rights, menu)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from models.database import Database
from models.scope import everything
from tests.conftest import Browser
from tests.world import World, receive

SignIn = Callable[[str], Browser]


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """Every statement, but for what opens and closes transactions."""
    told: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA", "SAVEPOINT", "RELEASE")):
            told.append(statement)

    engines = {database.engine, database.writing}
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    yield told
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)


# kind of page, path, statements, kilobytes; {case} and {item} are rows of the health bureau
PAGES = [
    ("list", "/cases/", 6, 20),
    ("list, filtered", "/cases/?state=received&received_at__from=2026-06-01&q=鲤&sort=-applicant", 6, 20),
    ("list", "/items/", 6, 20),
    ("list", "/departments/", 6, 20),
    ("list", "/accounts/", 7, 20),  # one more: the roles of each user
    ("list", "/events/", 6, 30),
    ("tree", "/departments/tree", 4, 10),
    ("show", "/cases/{case}", 6, 20),
    ("show", "/items/{item}", 6, 20),
    ("related tab", "/items/{item}?tab=cases", 6, 20),
    ("form", "/cases/new", 6, 20),
    ("form", "/cases/{case}/edit", 6, 20),
    ("form", "/items/{item}/edit", 6, 20),
    ("action", "/cases/{case}/do/accept", 6, 10),
    ("REST list", "/api/v1/cases/", 4, 10),
    ("REST list", "/api/v1/items/?state=in_force&size=100", 4, 10),
    ("REST row", "/api/v1/items/{item}", 4, 4),
    ("picker", "/cases/pick/item_id?q=许可", 3, 4),
]


@pytest.mark.parametrize(("kind", "path", "statements", "kilobytes"), PAGES)
@pytest.mark.parametrize("username", ["clerk", "approver"])
def test_no_page_costs_more(
    sign_in: SignIn,
    world: World,
    database: Database,
    username: str,
    kind: str,
    path: str,
    statements: int,
    kilobytes: int,
) -> None:
    with database.session(everything("test", world.account("clerk")), write=True) as s:
        for i in range(3):  # so that a statement for each row would be seen
            receive(s, world.item("护士执业注册鲤"), applicant=f"多{i}")
    browser = sign_in(username)
    asked = path.format(case=world.case("申请人红鲤"), item=world.item("公共场所卫生许可鲤"))
    first = browser.get(asked)
    if first.status_code == 403:
        assert (username, asked) in {
            ("clerk", f"/items/{world.item('公共场所卫生许可鲤')}/edit"),
            ("approver", "/cases/new"),
            ("approver", f"/cases/{world.case('申请人红鲤')}/edit"),
        }
        return
    with counted(database) as told:
        answer = browser.get(asked)
    assert answer.status_code == 200
    assert len(told) <= statements, f"{kind} {asked}: {len(told)}\n" + "\n".join(told)
    assert len(answer.get_data()) <= kilobytes * 1024, f"{kind} {asked}: {len(answer.get_data())} bytes"
