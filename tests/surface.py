"""The surface of the product as text: every route with what it demands, every column with what is open of it, and who
is granted what. tests/surface.txt is this text as it was last agreed upon; ``make surface`` writes it anew.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import inspect as mapped
from werkzeug.routing import Rule

from forms.convert import specs
from models import registries
from models.columns import columns, many
from models.declare import Admin, Role
from models.token import HANDS_OFF
from tests.world import NOW
from views import describe
from views.listing import sortable

FILE = Path(__file__).with_name("surface.txt")
HEAD = """\
What can be reached from outside, made from the code by `make surface`: a change of it is read and agreed upon here.
"""


def surface(app: Flask) -> str:
    lines = [HEAD, "# Routes: methods, path, who is let in", ""]
    rows = [(methods(rule), path(rule), let_in(app, rule)) for rule in app.url_map.iter_rules()]
    lines += aligned(sorted(rows, key=lambda row: (row[1], row[0])))
    for name, model in sorted(registries().items()):
        lines += ["", f"# {name}", "", f"rows belong to: {belonging(model.__admin__)}"]
        if model.__admin__.public is not None:
            open_ = model.__admin__.outside
            asked = dict.fromkeys((*open_.search_columns, *open_.filter_names))
            lines.append(f"open to everybody: {' '.join(open_.field_names)}; asked by: {' '.join(asked)}")
        if name in HANDS_OFF:
            lines.append(f"a token of the registry keeps: {' '.join(HANDS_OFF[name]) or 'nothing'}")
        lines += ["", *aligned(columns_of(model)), "", *aligned(grants_of(model.__admin__))]
    return "\n".join([*lines, ""])


def aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]


# --- routes ----------------------------------------------------------------------------------------------------------


def methods(rule: Rule) -> str:
    return ",".join(sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}))


def path(rule: Rule) -> str:
    return re.sub(r"<int\([^)]*\):(\w+)>", r"<\1>", rule.rule)


def let_in(app: Flask, rule: Rule) -> str:
    """Read out of the view: the verbs that it demands, or that it wants somebody who has signed in, or nobody."""
    bound = app.view_functions[rule.endpoint]
    view, owner = inspect.unwrap(bound), getattr(bound, "__self__", None)
    demanded = [spelt(one, rule, owner) for one in demands(view, owner)]
    if demanded:
        return "; ".join(dict.fromkeys(demanded))
    source = inspect.getsource(view)
    if "@protect()" in source:
        return f"can_{getattr(bound, '_permission_name', '?')} on {type(owner).__name__}"
    if "@jwt_required(" in source:
        return "who holds a refresh token"
    if type(owner).__name__ == "SignIn":  # it asks who is there to send them on
        return "everybody"
    return "who has signed in" if re.search(r"g\.person is None|\bme\(\)", source) else "everybody"


def demands(view: Callable[..., Any], owner: Any) -> Iterator[ast.Call]:
    """The calls of ``demand`` in *view*, be it in a method ``_demand`` of its own."""
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(view)))):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id == "demand":
            yield node
        elif isinstance(node.func, ast.Attribute) and node.func.attr == "_demand":
            yield from demands(owner._demand, owner)


def spelt(call: ast.Call, rule: Rule, owner: Any) -> str:
    registry, *verbs = call.args
    name = {"self.admin.name": getattr(getattr(owner, "admin", None), "name", "")}.get(ast.unparse(registry))
    told = [verb(one, rule) for one in verbs]
    return f"{' or '.join(told)} on {name or verb(registry, rule)}"


def verb(node: ast.expr, rule: Rule) -> str:
    if isinstance(node, ast.IfExp) and isinstance(node.test, ast.Name):
        return verb(node.body if node.test.id in rule.arguments else node.orelse, rule)
    return str(node.value) if isinstance(node, ast.Constant) else f"<{ast.unparse(node)}>"


# --- registries ------------------------------------------------------------------------------------------------------


def belonging(admin: Admin) -> str:
    """Through what a row belongs to somebody."""
    told = [*admin.departments, *filter(None, [admin.owner, admin.audience])]
    return ", ".join(told) if told else "everybody (reference)"


def columns_of(model: type[Any]) -> list[tuple[str, ...]]:
    """Every column, the hidden ones too; read: by REST, shown: on pages as well."""
    admin: Admin = model.__admin__
    rows = [("column", "kind", "written", "read", "personal", "filter", "search", "sort")]
    for name, spec in specs(model).items():
        rows.append(
            (
                name,
                spec.kind,
                {"always": "always", "new": "when made", "never": "-"}[spec.info.editable],
                "page REST" if name in admin.field_names else "REST",
                "personal" if spec.info.personal else "-",
                "filter" if name in admin.filter_names else "-",
                "search" if name in admin.search_columns else "-",
                "sort" if sortable(model, name) else "-",
            )
        )
    told = {*columns(model), *many(model)}
    kept = [prop.key for prop in mapped(model).column_attrs if prop.key not in told]
    rows += [(name, "-", "-", "id" if name == "id" else "hidden", "-", "-", "-", "-") for name in kept]
    return rows


def grants_of(admin: Admin) -> list[tuple[str, ...]]:
    """Role × verb × reach, one line for each role and verb; the widest where several grants say it."""
    held: dict[tuple[str, str], Any] = {}
    for grant in admin.grants:
        for word in grant.words:
            key = (grant.role.value, word)
            held[key] = max(held.get(key, grant.reach), grant.reach)
    order = [role.value for role in Role]
    rows = [(role, word, reach.name) for (role, word), reach in held.items()]
    return sorted(rows, key=lambda row: (order.index(row[0]), admin.verbs.index(row[1])))


def now_told() -> str:
    with describe.sample(NOW) as found:
        return surface(found.app)


if __name__ == "__main__":
    FILE.write_text(now_told(), encoding="utf-8")
