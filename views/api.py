"""Declared model → REST under ``/api/v1/<registry>/``: the same scope, the same doors, the same Problems as pages.

A bearer token from ``/api/v1/security/login``, or the page's session cookie with the ``X-CSRFToken`` header.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from apispec import APISpec
from flask import Response, g, jsonify, request
from flask_appbuilder.api import BaseApi, expose
from werkzeug.exceptions import HTTPException

from forms.convert import BadValue, Spec, from_json, json_schema, specs, to_json
from models.declare import Action, Admin
from models.workflow import act, can, move
from models.write import remove, save
from rules.identifiers import mask_identifier
from rules.lifecycle import Move
from rules.words import N_, Problem, Problems
from views import display
from views.blocks import flat
from views.generator import unused
from views.listing import by_id, listing, with_references
from views.registry import PK
from views.security import commit, db, demand, now

STATUS = {"stale": 409, "duplicate": 409, "in_use": 409}


class ApiProblem(HTTPException):
    """An answer other than success: always ``{"problems": [{field, code, message}]}``."""

    def __init__(self, status: int, problems: Problems) -> None:
        super().__init__()
        self.code = status
        self.response = jsonify({"problems": [display.problem_json(p) for p in problems]})
        self.response.status_code = status


def refuse(problems: Problems) -> ApiProblem:
    """409 for conflicts with what is stored, 422 for every other broken rule."""
    statuses = {STATUS.get(p.code, 422) for p in problems.errors}
    return ApiProblem(statuses.pop() if len(statuses) == 1 else 422, problems)


def one(field: str | None, code: str, message: str) -> Problems:
    return Problems([Problem(field, code, message)])


class RegistryApi(BaseApi):
    model: ClassVar[type[Any]]
    admin: ClassVar[Admin]
    version = "v1"

    @expose("/", methods=("GET",))
    def get_list(self) -> Response:
        demand(self.admin.name, "list")
        names = tuple(dict.fromkeys((*flat(self.admin.list_cells), *self.admin.field_names)))
        found = listing(db(), self.model, request.args, now(), fields=names)
        if found.problems:
            raise refuse(found.problems)
        rows = [self.told(row, masked=True) for row in found.rows]
        return jsonify({"rows": rows, "total": found.total, "page": found.page, "size": found.size})

    @expose(f"/{PK}", methods=("GET",))
    def get(self, pk: int) -> Response:
        demand(self.admin.name, "show")
        row = self.row(pk)
        actions = [m.name for m in can(db(), row)]
        return jsonify({"row": self.told(row), "label": display.label_of(row), "actions": actions})

    @expose("/", methods=("POST",))
    def post(self) -> Any:
        demand(self.admin.name, "add")
        row = self.model()
        problems = save(db(), row, self.values(body()), now=now())
        return self.done(row, problems, 201)

    @expose(f"/{PK}", methods=("PUT",))
    def put(self, pk: int) -> Any:
        demand(self.admin.name, "edit")
        row = self.row(pk)
        given = body()
        version = asked_version(given)
        values = self.values({k: v for k, v in given.items() if k != "version"})
        problems = save(db(), row, values, now=now(), expected_version=version)
        return self.done(row, problems, 200)

    @expose(f"/{PK}", methods=("DELETE",))
    def delete(self, pk: int) -> Any:
        demand(self.admin.name, "delete")
        row = self.row(pk)
        problems = remove(db(), row, now=now(), expected_version=row.version)
        if problems.errors:
            raise refuse(problems)
        commit()
        return "", 204

    @expose(f"/{PK}/<action>", methods=("POST",))
    def do(self, pk: int, action: str) -> Any:
        step = self.admin.life.find(action) if self.admin.life else None
        verb = step or next((a for a in self.admin.actions if a.name == action), None)
        if verb is None:
            raise ApiProblem(404, one(None, "no_such_action", N_("There is no such action.")))
        demand(self.admin.name, action)
        row = self.row(pk)
        given = body()
        version = asked_version(given) if hasattr(self.model, "version") else None
        values = self.values({k: v for k, v in given.items() if k != "version"})
        if step is not None:
            problems, answer = move(db(), row, action, now=now(), given=values, expected_version=version), None
        else:
            problems, answer = act(db(), row, verb, now=now(), given=values, expected_version=version)  # type: ignore[arg-type]
        return self.done(row, problems, 200, {"answer": answer} if answer else {})

    # --- shared --------------------------------------------------------------------------------------------------

    def row(self, pk: int) -> Any:
        many = tuple(n for n, spec in specs(self.model).items() if spec.kind == "many")
        statement = with_references(by_id(self.model, pk), self.model, many)
        row = db().scalars(statement).one_or_none()
        if row is None:
            raise ApiProblem(404, one(None, "not_found", N_("There is no such row, or you may not see it.")))
        return row

    def values(self, given: Mapping[str, Any]) -> dict[str, Any]:
        known = specs(self.model)
        found: dict[str, Any] = {}
        problems = Problems()
        for name, value in given.items():
            if name not in known:
                problems.append(Problem(name[:60], "unknown_field", N_("There is no such field.")))
                continue
            try:
                found[name] = from_json(known[name], value)
            except BadValue as error:
                problems.append(error.problem)
        if problems:
            raise refuse(problems)
        return found

    def told(self, row: Any, *, masked: bool = False) -> dict[str, Any]:
        """*row* as JSON. Personal fields are in full only for who may edit it, as on the pages."""
        masked = masked or not g.scope.covers("edit", row)
        data = {"id": row.id}
        for name, spec in specs(type(row)).items():
            if spec.kind == "many" and not display.loaded(row, name):
                continue
            value = to_json(spec, getattr(row, name))
            if name == "changes":
                value = display.masked_changes(row, value)
            data[name] = mask_identifier(value) if masked and spec.info.personal and isinstance(value, str) else value
        return data

    def done(self, row: Any, problems: Problems, status: int, extra: Mapping[str, Any] | None = None) -> Any:
        if problems.errors:
            raise refuse(problems)
        commit()
        shown = g.scope.may(self.admin.name, "show")
        answer = {"row": self.told(row) if shown else {"id": row.id}, **(extra or {})}
        answer["warnings"] = [display.problem_json(p) for p in problems.warnings]
        return jsonify(answer), status

    # --- OpenAPI -------------------------------------------------------------------------------------------------

    def add_api_spec(self, api_spec: APISpec) -> None:
        """Said from the declaration: what may be written, what is read, which codes come back."""
        name = self.model.__name__
        known = specs(self.model)
        api_spec.components.schema(name, row_schema(known, known))
        for suffix, new in (("New", True), ("Change", False)):
            open_ = [
                n
                for n in self.admin.field_names
                if n in known and (known[n].info.editable == "always" or (new and known[n].info.editable == "new"))
            ]
            schema = row_schema({n: known[n] for n in open_}, {n: known[n] for n in open_} if new else {})
            if not new:
                schema["properties"]["version"] = {"type": "integer"}
                schema["required"] = ["version"]
            api_spec.components.schema(f"{name}{suffix}", schema)
        refused = {"description": "problems: [{field, code, message}]"}
        shown = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
        ok = {"200": {"description": "OK", "content": shown}}
        errors = dict.fromkeys(("401", "403", "404", "409", "422"), refused)
        base, one_row = f"{self.route_base}/", f"{self.route_base}/{{pk}}"
        path_pk = {"name": "pk", "in": "path", "required": True, "schema": {"type": "integer", "format": "int64"}}
        tags = {"tags": [name], "security": [{"jwt": []}]}
        query = [
            {"name": n, "in": "query", "schema": {"type": "string"}}
            for n in ("q", "sort", "page", "size", *self.admin.filter_names)
        ]

        def content(schema: str) -> dict[str, Any]:
            ref = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
            return {"requestBody": {"required": True, "content": {"application/json": ref}}}

        gone = self.exclude_route_methods
        many_rows = {
            "get": {**tags, "parameters": query, "responses": ok | errors},
            "post": {**tags, **content(f"{name}New"), "responses": {"201": ok["200"]} | errors},
        }
        single = {
            "get": {**tags, "responses": ok | errors},
            "put": {**tags, **content(f"{name}Change"), "responses": ok | errors},
            "delete": {**tags, "responses": {"204": {"description": "Deleted"}} | errors},
        }
        for path, operations in ((base, many_rows), (one_row, single)):
            kept = {verb: said for verb, said in operations.items() if verb not in gone}
            api_spec.path(path, parameters=[path_pk] if path == one_row else [], operations=kept)
        steps: list[Move | Action] = [*(self.admin.life.moves if self.admin.life else ()), *self.admin.actions]
        for step in steps if "do" not in gone else ():
            schema = row_schema({n: known[n] for n in step.asks}, {})
            schema["properties"]["version"] = {"type": "integer"}
            schema["required"] = ["version", *getattr(step, "requires", ())]
            asked = {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
            operation = {**tags, **asked, "summary": step.label, "responses": ok | errors}
            api_spec.path(f"{one_row}/{step.name}", parameters=[path_pk], operations={"post": operation})


def row_schema(known: Mapping[str, Spec], required: Mapping[str, Spec]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": {n: json_schema(s) for n, s in known.items()}}
    if needed := [n for n, s in required.items() if s.required]:
        schema["required"] = needed
    return schema


def body() -> dict[str, Any]:
    given = request.get_json(silent=True)
    if not isinstance(given, dict):
        raise ApiProblem(422, one(None, "not_json", N_("A JSON object is expected.")))
    return given


def asked_version(given: Mapping[str, Any]) -> int:
    """The version the client read; writing without it would overwrite somebody else's work unseen."""
    version = given.get("version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise ApiProblem(422, one("version", "required", N_("Say which version of the row you read.")))
    return version


def api_for(model: type[Any]) -> type[RegistryApi]:
    admin: Admin = model.__admin__
    return type(
        f"{admin.name}.api".replace(".", "_"),
        (RegistryApi,),
        {
            "model": model,
            "admin": admin,
            "exclude_route_methods": unused(model),
            "resource_name": admin.name,
            "class_permission_name": admin.name,
            "base_permissions": [f"can_{verb}" for verb in admin.verbs],
            "openapi_spec_tag": model.__name__,
            "__doc__": f"REST of {model.__name__}.",
        },
    )
