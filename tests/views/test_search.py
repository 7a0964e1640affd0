"""Search across scripts and vocabulary where people meet it: lists, the one search, pickers, REST."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from models.database import Database
from models.legal_basis import LegalBasis
from models.scope import everything
from tests.conftest import Browser
from tests.world import put

SignIn = Callable[[str], Browser]
STORED = ("優化營商環境條例", "政务信息共享办法")


@pytest.fixture(autouse=True)
def bases(database: Database) -> None:
    with database.session(everything("test"), write=True) as s:
        for title in STORED:
            put(s, LegalBasis(), title=title, article="第一条")


@pytest.mark.parametrize(
    ("asked", "title"), [("优化", STORED[0]), ("優化", STORED[0]), ("資訊共用", STORED[1]), ("信息共享", STORED[1])]
)
def test_both_scripts_everywhere(sign_in: SignIn, asked: str, title: str) -> None:
    admin = sign_in("admin")
    assert title in admin.text(f"/legal-bases/?q={asked}")
    assert title in admin.text(f"/find/?q={asked}")
    labels = [row["label"] for row in admin.get(f"/items/pick/legal_basis_id?q={asked}").get_json()["choices"]]
    assert [label for label in labels if title in label]
    rest = admin.get(f"/api/v1/legal-bases/?q={asked}").get_json()
    assert [row["title"] for row in rest["rows"]] == [title]


def test_a_search_says_what_it_also_looked_for(sign_in: SignIn) -> None:
    admin = sign_in("admin")
    for path in ("/legal-bases/?q=资讯共用", "/find/?q=资讯共用"):
        assert "同时查找：信息共享" in admin.text(path)
    for path in ("/items/pick/legal_basis_id?q=资讯共用", "/find/?q=资讯共用&short=1"):
        assert admin.get(path).get_json()["also"] == "同时查找：信息共享"
    for path in ("/legal-bases/?q=优化", "/legal-bases/", "/find/?q=优化"):
        assert "同时查找" not in admin.text(path)
    assert "also" not in admin.get("/items/pick/legal_basis_id?q=优化").get_json()
