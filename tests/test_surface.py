"""What can be reached from outside does not change unnoticed: tests/surface.txt says what was agreed upon."""

from __future__ import annotations

import ast
import difflib

import pytest
from flask import Flask
from werkzeug.routing import Rule

from models import registries
from models.scope import Scope
from tests import ledger, surface


@pytest.fixture(scope="module")
def told() -> str:
    return surface.now_told()


def test_the_surface_is_what_was_agreed_upon(told: str) -> None:
    agreed = surface.FILE.read_text(encoding="utf-8")
    changes = difflib.unified_diff(agreed.splitlines(), told.splitlines(), "agreed", "now", lineterm="", n=1)
    found = "\n".join(changes)
    assert not found, f"the surface is another one; if that is meant, run `make surface` and commit it:\n{found}"
    ledger.note("surface lock", lines=told.count("\n"))


def test_every_route_and_registry_is_told(told: str) -> None:
    for name in registries():
        assert f"\n# {name}\n" in told
        assert f" /{name}/ " in told
        assert f" /api/v1/{name}/ " in told


def test_what_is_demanded_is_read_out_of_the_views(told: str) -> None:
    routes = told.partition("# Routes")[2].partition("\n# ")[0].splitlines()[2:]
    lines = {(method, path): who for method, path, who in (line.split(None, 2) for line in routes if line)}
    assert lines["GET", "/cases/<pk>"] == "show on cases"
    assert lines["POST", "/cases/<pk>/draft"] == "edit on cases"
    assert lines["POST", "/cases/draft"] == "add on cases"
    assert lines["POST", "/cases/do/<action>"] == "<action> on cases"
    assert lines["GET", "/"] == "who has signed in"
    assert [path for (_, path), who in lines.items() if who == "everybody"] == [
        "/api/v1/security/login",
        "/health/",
        "/language/",
        "/login/",
        "/login/code",
        "/login/unified",
        "/login/unified/back",
        "/logout/",
        "/public/",
        "/public/catalogue/",
        "/public/catalogue/<pk>",
        "/public/items/",
        "/public/items/<pk>",
        "/static/<path:filename>",
        "/verify/",
        "/verify/<code>",
    ]


def test_a_view_that_demands_nothing_is_told_to_let_everybody_in() -> None:
    app = Flask("x")
    app.add_url_rule("/x", "x", lambda: "")
    app.add_url_rule("/y", "y", lambda: str(Scope.may))
    assert {surface.let_in(app, rule) for rule in app.url_map.iter_rules() if rule.endpoint in "xy"} == {"everybody"}


def test_a_verb_may_hang_on_the_route() -> None:
    call = ast.parse('demand(self.admin.name, "edit" if pk else "add")').body[0].value  # type: ignore[attr-defined]
    owner = type("Owner", (), {"admin": type("Admin", (), {"name": "things"})})()
    assert surface.spelt(call, Rule("/things/<pk>", endpoint="x"), owner) == "add on things"  # bound to no map yet
