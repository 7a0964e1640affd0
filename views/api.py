"""Declared model → REST under ``/api/v1/<registry>/``: the same scope, the same doors, the same Problems as pages.

A bearer token (of ``/api/v1/security/login``, or one of the registry ``tokens``), or the page's session cookie with the
``X-CSRFToken`` header. What can be asked and answered is told by docs/rest.md and, from the declaration, by
views/api_spec.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from apispec import APISpec
from flask import Response, g, jsonify, request
from flask_appbuilder.api import BaseApi, expose
from werkzeug.exceptions import HTTPException

from forms.convert import BadValue, from_json, specs, to_json
from forms.masks import half_masked, is_mask, mask
from models.base import personal_fields
from models.declare import Action, Admin
from models.event import REVEAL
from models.replay import NO_ROW, Replay, claim, fingerprint
from models.workflow import act, move, reveal
from models.write import remove, save
from rules.words import N_, Problem, Problems
from views import api_spec, blocks, display
from views.filters import filters
from views.generator import unused
from views.history import count_past, past_of
from views.listing import DEEPEST, LARGEST_PAGE, PAGE, by_id, listing, whole, with_references
from views.registry import PK, number
from views.security import commit, db, demand, now

KEY = "Idempotency-Key"


class ApiProblem(HTTPException):
    """An answer other than success: always ``{"problems": [{field, code, message}]}``."""

    def __init__(self, status: int, problems: Problems) -> None:
        super().__init__()
        self.code = status
        self.response = jsonify({"problems": [display.problem_json(p) for p in problems]})
        self.response.status_code = status


def refuse(problems: Problems) -> ApiProblem:
    """409 for conflicts with what is stored, 410 for what is no more, 422 for nearly every other broken rule."""
    statuses = {api_spec.STATUS.get(p.code, 422) for p in problems.errors}
    return ApiProblem(statuses.pop() if len(statuses) == 1 else 422, problems)


def one(field: str | None, code: str, message: str, /, **params: Any) -> Problems:
    return Problems([Problem(field, code, message, params)])


LIST_ARGUMENTS = ("q", "sort", "page", "size", "fields")


class RegistryApi(BaseApi):
    model: ClassVar[type[Any]]
    admin: ClassVar[Admin]
    version = "v1"

    @expose("/", methods=("GET",))
    def get_list(self) -> Response:
        demand(self.admin.name, "list")
        names = self.asked_fields()
        # A mistyped filter that filters nothing would hand a program everything.
        known = {
            *LIST_ARGUMENTS,
            *(argument for f in filters(self.model, request.args, db(), self.admin) for argument in f.arguments),
        }
        if unknown := sorted({*request.args} - known):
            message = N_("There is no argument “%(name)s”.")
            raise refuse(Problems([Problem(None, "unknown_argument", message, {"name": n[:60]}) for n in unknown]))
        found = listing(db(), self.model, request.args, now(), fields=names)
        if found.problems:
            raise refuse(found.problems)
        rows = [self.told(row, names) for row in found.rows]
        return jsonify(
            {
                "rows": rows,
                "total": found.total,
                "total_exact": found.exact,
                "page": found.page,
                "size": found.size,
            }
        )

    @expose(f"/{PK}", methods=("GET",))
    def get(self, pk: int) -> Response:
        demand(self.admin.name, "show")
        row = self.row(pk)
        actions = [button.name for button in blocks.buttons(row)]
        return jsonify({"row": self.told(row), "label": display.label_of(row), "actions": actions})

    @expose(f"/{PK}/history", methods=("GET",))
    def history(self, pk: int) -> Response:
        """The row's Events, newest first."""
        demand(self.admin.name, "show")
        demand("events", "list", "show")
        row = self.row(pk)
        page, size = whole(request.args, "page", 1, DEEPEST), whole(request.args, "size", PAGE, LARGEST_PAGE)
        rows = [
            {
                "seq": past.seq,
                "at": past.at.isoformat(),
                "kind": past.kind.value,
                "action": past.action,
                "actor": past.who or None,
                "on_behalf_of": past.behalf or None,
                "changes": display.masked_changes(self.admin.name, past.changes),
            }
            for past in past_of(row, page=page, size=size)
        ]
        return jsonify({"rows": rows, "total": count_past(row), "page": page, "size": size})

    @expose("/", methods=("POST",))
    def post(self) -> Any:
        demand(self.admin.name, "add")
        given = body()
        replay = self.replay(given)
        if replay is not None and replay.subject_id != NO_ROW:
            return self.replayed(replay, given)
        row = self.model()
        problems = save(db(), row, self.values(given), now=now())
        if replay is not None and not problems.errors:
            replay.subject_id = row.id
        return self.done(row, problems, 201)

    @expose(f"/{PK}", methods=("PUT",))
    def put(self, pk: int) -> Any:
        demand(self.admin.name, "edit")
        row = self.row(pk)
        given = body()
        version = self.asked_version(given)
        values = self.values({k: v for k, v in given.items() if k != "version"}, row)
        problems = save(db(), row, values, now=now(), expected_version=version)
        return self.done(row, problems, 200)

    @expose(f"/{PK}", methods=("DELETE",))
    def delete(self, pk: int) -> Any:
        demand(self.admin.name, "delete")
        row = self.row(pk)
        given = body(optional=True)
        if "version" in request.args:
            given["version"] = number(request.args["version"])
        problems = remove(db(), row, now=now(), expected_version=self.asked_version(given))
        if problems.errors:
            raise refuse(problems)
        commit()
        return "", 204

    @expose(f"/{PK}/reveal", methods=("POST",))
    def reveal(self, pk: int) -> Any:
        """The personal fields in full, once it is on record who looks at them."""
        demand(self.admin.name, REVEAL)
        row = self.row(pk)
        if problems := reveal(db(), row, now=now()):
            raise refuse(problems)
        commit()
        known = specs(self.model)
        return jsonify({"row": {n: to_json(known[n], getattr(row, n)) for n in personal_fields(self.model)}})

    @expose(f"/{PK}/<action>", methods=("POST",))
    def do(self, pk: int, action: str) -> Any:
        step = self.admin.step(action)
        if step is None:
            raise refuse(one(None, "no_such_action", N_("There is no such action.")))
        demand(self.admin.name, action)
        row = self.row(pk)
        given = body()
        version = self.asked_version(given)
        values = self.values({k: v for k, v in given.items() if k != "version"}, row)
        if isinstance(step, Action):
            problems, answer = act(db(), row, step, now=now(), given=values, expected_version=version)
        else:
            problems, answer = move(db(), row, action, now=now(), given=values, expected_version=version), None
        return self.done(row, problems, 200, {"answer": display.told(answer)} if answer else {})

    # --- shared --------------------------------------------------------------------------------------------------

    def find(self, pk: int) -> Any | None:
        many = [n for n, spec in specs(self.model).items() if spec.kind == "many"]
        return db().scalars(with_references(by_id(self.model, pk), self.model, many)).one_or_none()

    def row(self, pk: int) -> Any:
        row = self.find(pk)
        if row is None:
            raise ApiProblem(404, one(None, "not_found", N_("There is no such row, or you may not see it.")))
        return row

    def asked_fields(self) -> tuple[str, ...]:
        """The columns that ``fields`` chooses; else all, but no many-to-many, which costs a statement of its own."""
        known = specs(self.model)
        asked = [n for text in request.args.getlist("fields") for n in map(str.strip, text.split(",")) if n]
        if not asked:
            return tuple(n for n, spec in known.items() if spec.kind != "many")
        strange = [n for n in asked if n not in known and n != "id"]
        if strange:
            message = N_("There is no field “%(name)s”.")
            raise refuse(Problems(Problem("fields", "unknown_field", message, {"name": n[:60]}) for n in strange))
        return tuple(dict.fromkeys(n for n in asked if n != "id"))

    def asked_version(self, given: Mapping[str, Any]) -> int | None:
        """The version the client read; writing without it would overwrite somebody else's work unseen."""
        if not hasattr(self.model, "version"):
            return None
        version = given.get("version")
        if not isinstance(version, int) or isinstance(version, bool):
            raise ApiProblem(422, one("version", "required", N_("Say which version of the row you read.")))
        return version

    def values(self, given: Mapping[str, Any], row: Any = None) -> dict[str, Any]:
        """Typed values of what was sent. row: what it is about; the mask of a personal value leaves that as it is."""
        known, personal = specs(self.model), personal_fields(self.model) if row is not None else ()
        found: dict[str, Any] = {}
        problems = Problems()
        for name, value in given.items():
            if name not in known:
                problems.append(Problem(name[:60], "unknown_field", N_("There is no such field.")))
                continue
            if name in personal and isinstance(value, str):
                if is_mask(known[name], getattr(row, name), value):
                    found[name] = getattr(row, name)
                    continue
                if problem := half_masked(known[name], getattr(row, name), value):
                    problems.append(problem)
                    continue
            try:
                found[name] = from_json(known[name], value)
            except BadValue as error:
                problems.append(error.problem)
        if problems:
            raise refuse(problems)
        return found

    def told(self, row: Any, names: Iterable[str] | None = None) -> dict[str, Any]:
        """*row* as JSON, whole or by *names*; personal fields are masked for everybody, as on the pages."""
        known = specs(self.model)
        data = {"id": row.id}
        for name in known if names is None else names:
            value = to_json(known[name], getattr(row, name))
            if name == "changes":
                value = display.masked_changes(row.subject_type, value)
            data[name] = mask(known[name], value) if value and known[name].info.personal else value
        return data

    def done(self, row: Any, problems: Problems, status: int, extra: Mapping[str, Any] | None = None) -> Any:
        if problems.errors:
            raise refuse(problems)
        commit()
        shown = g.scope.may(self.admin.name, "show")
        answer = {"row": self.told(row) if shown else {"id": row.id}, **(extra or {})}
        answer["warnings"] = [display.problem_json(p) for p in problems.warnings]
        return jsonify(answer), status

    # --- a request that is sent again ------------------------------------------------------------------------------

    def replay(self, given: Mapping[str, Any]) -> Replay | None:
        """What is kept under the request's Idempotency-Key, if it has one."""
        key = request.headers.get(KEY)
        if key is None:
            return None
        if not 1 <= len(key) <= 200 or not key.isascii() or not key.isprintable():
            message = N_("An Idempotency-Key has 1 to 200 printable ASCII characters.")
            raise refuse(one(KEY, "idempotency_key", message))
        return claim(db(), g.person.id, key, self.admin.name, given, now())

    def replayed(self, replay: Replay, given: Mapping[str, Any]) -> Any:
        """The answer to a request that was carried out before: its row as it stands now."""
        if (replay.subject_type, replay.fingerprint) != (self.admin.name, fingerprint(given)):
            message = N_("This Idempotency-Key was used for another request.")
            raise refuse(one(KEY, "idempotency_mismatch", message))
        row = self.find(replay.subject_id)
        if row is None:
            message = N_("The row that this request made is gone, or you may no longer see it.")
            raise refuse(one(None, "gone", message))
        answer, status = self.done(row, Problems(), 201)
        return answer, status, {"Idempotent-Replayed": "true"}

    def add_api_spec(self, spec: APISpec) -> None:
        api_spec.describe(spec, self.model, self.route_base, self.exclude_route_methods)


def body(*, optional: bool = False) -> dict[str, Any]:
    given = request.get_json(silent=True)
    if optional and not request.get_data():
        return {}
    if not isinstance(given, dict):
        raise ApiProblem(422, one(None, "not_json", N_("A JSON object is expected.")))
    return given


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
