"""OpenAPI of the registries, said from the declarations: what may be asked and written, and which codes come back.

The codes of a registry's rules are read out of the rules themselves (:func:`codes`), so that no list of them can be
forgotten.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from apispec import APISpec

from forms.convert import Spec, json_schema, specs
from models.base import per_model, personal_fields
from models.declare import Admin
from views.filters import Filter
from views.listing import LARGEST_PAGE, sortable

# What is answered to a broken rule of this code; to any other, 422.
STATUS = {"no_such_action": 404, "stale": 409, "duplicate": 409, "in_use": 409, "gone": 410}
# Where the rules of every registry stand, besides its own file.
SHARED = (
    "models.write",
    "models.columns",
    "models.constraints",
    "models.workflow",
    "rules.lifecycle",
    "forms.convert",
    "forms.masks",
    "views.filters",
    "views.listing",
    "views.api",
)
ROOMS = ("rules", "models")


# --- codes -----------------------------------------------------------------------------------------------------------


@per_model
def codes(model: type[Any]) -> Mapping[str, str]:
    """Code → message id of everything that REST can find wrong with a row of *model*, sorted by code.

    Read from ``Problem(field, "code", N_("…"))``, ``RuleError.one(field, "code", …)`` and ``spec.refuse("code", …)``
    in the shared rules, the model's own file and the helpers that it imports. ``f"code_{reason}"`` beside
    ``REASONS[reason]`` stands for one code for each key of REASONS; without such a table it is told as ``code_*``.
    Where several places give one code, the message is that of the first.
    """
    own = sys.modules[model.__module__]
    trees = ((_tree(own), vars(own)), *_helpers(own))
    found: dict[str, str] = {}
    for code, message in (*_shared(), *(told for tree, names in trees for told in _told(tree, names, {}))):
        found.setdefault(code, message)
    return dict(sorted(found.items()))


@cache
def _shared() -> list[tuple[str, str]]:
    modules = map(import_module, SHARED)
    return [told for module in modules for told in _told(_tree(module), vars(module), {})]


@cache
def _tree(module: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(module))


def _helpers(module: ModuleType) -> Iterator[tuple[ast.AST, dict[str, Any]]]:
    """What *module* imports from other files of ours, with the names around it: the file, but of another registry's
    file nothing besides the imported functions."""
    for line in _tree(module).body:
        if not isinstance(line, ast.ImportFrom) or (line.module or "").partition(".")[0] not in ROOMS:
            continue
        helper = import_module(line.module or "")
        wanted = {alias.name for alias in line.names}
        its_own = [value for value in vars(helper).values() if getattr(value, "__module__", "") == helper.__name__]
        if not any(hasattr(value, "__admin__") for value in its_own):
            yield _tree(helper), vars(helper)
            continue
        for node in _tree(helper).body:
            if isinstance(node, ast.FunctionDef) and node.name in wanted:
                yield node, vars(helper)


def _told(node: ast.AST, names: Mapping[str, Any], said: dict[str, ast.expr]) -> Iterator[tuple[str, str]]:
    """(code, message id) of every problem made below *node*. said: what variables were set to before it."""
    if isinstance(node, ast.FunctionDef):
        said = dict(said)
    for child in ast.iter_child_nodes(node):
        yield from _told(child, names, said)
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        said[node.targets[0].id] = node.value
    elif isinstance(node, ast.Call):
        called = getattr(node.func, "id", getattr(node.func, "attr", ""))
        first = {"Problem": 1, "one": 1, "refuse": 0}.get(called)
        if first is not None and len(node.args) >= first + 2:
            code, message = (said.get(a.id, a) if isinstance(a, ast.Name) else a for a in node.args[first : first + 2])
            yield from _spelt(code, message, names)


def _spelt(code: ast.expr, message: ast.expr, names: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if isinstance(code, ast.Constant):
        yield str(code.value), _sentence(message)
    elif isinstance(code, ast.IfExp):
        yield from _spelt(code.body, message, names)
        yield from _spelt(code.orelse, message, names)
    elif isinstance(code, ast.JoinedStr):
        pattern = "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in code.values)
        table = names.get(getattr(message.value, "id", "")) if isinstance(message, ast.Subscript) else None
        if pattern.count("*") == 1 and isinstance(table, Mapping):
            yield from ((pattern.replace("*", key), text) for key, text in table.items())
        else:
            yield pattern, _sentence(message)


def _sentence(message: ast.expr) -> str:
    """The message ids that stand in an expression."""
    marked = [n for n in ast.walk(message) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "N_"]
    return " / ".join(str(call.args[0].value) for call in marked if isinstance(call.args[0], ast.Constant))


# --- OpenAPI ---------------------------------------------------------------------------------------------------------

TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
WHERE_PK = {"name": "pk", "in": "path", "required": True, "schema": {"type": "integer", "format": "int64"}}
PAGES = [
    {"name": "page", "in": "query", "schema": {"type": "integer", "minimum": 1, "default": 1}},
    {"name": "size", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE}},
]
AGAIN = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "1 to 200 printable ASCII characters of your choice, kept for a week. The same request with the "
    "same key makes no second row: it is answered with the first one as it stands now, and Idempotent-Replayed: true.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
}
VERSION = {
    "name": "version",
    "in": "query",
    "required": True,
    "description": "The version of the row that you read; it may stand in a JSON body instead.",
    "schema": NUMBER,
}
PAST = {
    "seq": NUMBER,
    "at": {"type": "string", "format": "date-time"},
    "kind": TEXT,
    "action": {"type": "string", "nullable": True},
    "actor": {"type": "string", "nullable": True, "description": "Name; null for the system."},
    "on_behalf_of": {"type": "string", "nullable": True, "description": "Whose right it was, where it was lent."},
    "changes": {"type": "object", "additionalProperties": {"type": "array", "items": {}, "minItems": 2, "maxItems": 2}},
}


def described(schema: Mapping[str, Any], description: str = "OK") -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def asked(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def named(schema: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{schema}"}


def listed(item: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    counted = {"total": NUMBER, "page": NUMBER, "size": NUMBER}
    return {"type": "object", "properties": {"rows": {"type": "array", "items": item}, **counted, **more}}


def row_schema(known: Mapping[str, Spec], required: Mapping[str, Spec]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": {n: json_schema(s) for n, s in known.items()}}
    if needed := [n for n, s in required.items() if s.required]:
        schema["required"] = needed
    return schema


def describe(spec: APISpec, model: type[Any], base: str, gone: Collection[str]) -> None:
    """Add the registry of *model*, served under *base*, to *spec*. gone: methods that have no route."""
    admin: Admin = model.__admin__
    name, tags = model.__name__, {"tags": [model.__name__], "security": [{"jwt": []}, {"api_key": []}]}
    _schemas(spec, model)
    errors = _errors(spec, model)
    warnings = {"type": "array", "items": named(f"{name}Problem")}
    done = {"type": "object", "properties": {"row": named(name), "warnings": warnings, "answer": TEXT}}
    shown = {"row": named(name), "label": TEXT, "actions": {"type": "array", "items": TEXT}}
    replayed = {"Idempotent-Replayed": {"description": "The row was made by an earlier request.", "schema": TEXT}}
    counted = {"type": "boolean", "description": "false: total is an estimate"}
    single = f"{base}/{{pk}}"
    routes: dict[str, tuple[str, str, dict[str, Any]]] = {
        "get_list": (
            f"{base}/",
            "get",
            {
                "parameters": _arguments(model),
                "responses": {"200": described(listed(named(name), total_exact=counted))},
            },
        ),
        "post": (
            f"{base}/",
            "post",
            {
                "parameters": [AGAIN],
                **asked(named(f"{name}New")),
                "responses": {"201": {**described(done, "Made"), "headers": replayed}},
            },
        ),
        "get": (single, "get", {"responses": {"200": described({"type": "object", "properties": shown})}}),
        "put": (single, "put", {**asked(named(f"{name}Change")), "responses": {"200": described(done)}}),
        "delete": (
            single,
            "delete",
            {
                "parameters": [VERSION] if hasattr(model, "version") else [],
                "responses": {"204": {"description": "Deleted"}},
            },
        ),
        "history": (
            f"{single}/history",
            "get",
            {
                "summary": "What happened to the row, newest first; personal values are masked",
                "parameters": PAGES,
                "responses": {"200": described(listed({"type": "object", "properties": PAST}))},
            },
        ),
    }
    known = specs(model)
    full = {"row": row_schema({n: known[n] for n in personal_fields(model)}, {})}
    routes["reveal"] = (
        f"{single}/reveal",
        "post",
        {
            "summary": "The personal fields in full; who looks at them is put on record",
            "responses": {"200": described({"type": "object", "properties": full})},
        },
    )
    for step in admin.steps:
        schema = row_schema({n: known[n] for n in step.asks}, {})
        needed = list(step.requires)
        if hasattr(model, "version"):
            schema["properties"]["version"] = NUMBER
            needed.insert(0, "version")
        if needed:
            schema["required"] = needed
        operation = {"summary": step.label, **asked(schema), "responses": {"200": described(done)}}
        routes[f"do {step.name}"] = (f"{single}/{step.name}", "post", operation)
    for method, (path, verb, operation) in routes.items():
        if method.partition(" ")[0] in gone:
            continue
        operation["responses"] |= errors
        spec.path(path, parameters=[WHERE_PK] if "{pk}" in path else [], operations={verb: {**tags, **operation}})


def _schemas(spec: APISpec, model: type[Any]) -> None:
    """The row as it is read, and what may be written of it when it is made and when it is changed."""
    admin: Admin = model.__admin__
    known = specs(model)
    read = row_schema(known, {})
    for n in personal_fields(model):
        read["properties"][n]["description"] += " (masked; in full by reveal)"
    read["properties"] = {"id": {"type": "integer", "format": "int64"}, **read["properties"]}
    spec.components.schema(model.__name__, {**read, "required": ["id"]})
    for suffix, new in (("New", True), ("Change", False)):
        open_ = {
            n: known[n]
            for n in admin.field_names
            if n in known and (known[n].info.editable == "always" or (new and known[n].info.editable == "new"))
        }
        schema = row_schema(open_, open_ if new else {})
        if not new:
            for n in personal_fields(model):
                if n in schema["properties"]:
                    schema["properties"][n]["description"] += " (the masked text, sent back, leaves it as it is)"
            schema["properties"]["version"] = {**NUMBER, "description": "The version of the row that you read."}
            schema["required"] = ["version"]
        spec.components.schema(f"{model.__name__}{suffix}", schema)


def _errors(spec: APISpec, model: type[Any]) -> dict[str, Any]:
    """The answers other than success, with the codes that the registry's rules give."""
    found = codes(model)
    plain = [c for c in found if "*" not in c]
    patterns = [{"type": "string", "pattern": f"^{c.replace('*', '.+')}$"} for c in found if "*" in c]
    listed_ = {"type": "string", "enum": plain}
    code = {"anyOf": [listed_, *patterns]} if patterns else listed_
    field = {"type": "string", "nullable": True, "description": "null: the whole row"}
    problem = {"type": "object", "properties": {"field": field, "code": code, "message": TEXT}}
    name = model.__name__
    spec.components.schema(f"{name}Problem", {**problem, "required": ["field", "code", "message"]})
    several = {"type": "object", "properties": {"problems": {"type": "array", "items": named(f"{name}Problem")}}}
    if "Problems" not in spec.components.schemas:
        anything = {**problem, "properties": {"field": field, "code": TEXT, "message": TEXT}}
        spec.components.schema(
            "Problems", {"type": "object", "properties": {"problems": {"type": "array", "items": anything}}}
        )
    answers: dict[str, Any] = {}
    for status, title in (("401", "Not signed in"), ("403", "Not permitted")):
        answers[status] = described(named("Problems"), title)
    missing = "No such row in your reach (`not_found`)"
    for status, title in (("404", missing), ("409", "Conflict"), ("410", "Gone"), ("422", "Refused")):
        its = [f"- `{c}`: {m}" if m else f"- `{c}`" for c, m in found.items() if str(STATUS.get(c, 422)) == status]
        answers[status] = described(several, "\n".join([f"{title}; codes:", "", *its]))
    return answers


def _arguments(model: type[Any]) -> list[dict[str, Any]]:
    admin: Admin = model.__admin__
    known = specs(model)
    told: dict[str, tuple[str, Mapping[str, Any]]] = {
        "q": ("Words, all of which a row must hold", TEXT),
        "fields": ("Columns to tell, with commas between; else all but lists of ids: " + ", ".join(known), TEXT),
        "sort": (
            "A column, with - before it for descending: " + ", ".join(n for n in known if sortable(model, n)),
            {"type": "string", "default": admin.order},
        ),
    }
    for one in (Filter(known[n], model) for n in admin.filter_names):
        told[one.name] = (one.spec.label, TEXT)
        if one.ranged:
            told[f"{one.name}__from"] = (f"{one.spec.label}: this or more", TEXT)
            told[f"{one.name}__to"] = (f"{one.spec.label}: this or less", TEXT)
        if one.nullable:
            told[f"{one.name}__empty"] = (f"{one.spec.label}: 1 for empty, 0 for filled in", TEXT)
        if one.deep:
            told[f"{one.name}__below"] = (f"1: {one.name} with everything below it", TEXT)
    found = [{"name": n, "in": "query", "description": d, "schema": schema} for n, (d, schema) in told.items()]
    return [*found, *PAGES]
