"""REST: tokens, the same rules as the pages, nothing written that was not declared open, a description that holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_jwt_extended import create_access_token, create_refresh_token
from sqlalchemy import func, select

from forms.convert import specs
from models import registries
from models.database import Database
from models.department import Department
from models.event import Event
from models.item import Item
from models.scope import everything
from tests.conftest import Browser
from tests.views.test_pages import GOOD, beside
from tests.world import PASSWORD, World, put
from views.api_spec import codes

SignIn = Callable[[str], Browser]


class Client:
    """REST with a bearer token and without any cookie."""

    def __init__(self, app: Flask, username: str) -> None:
        self.client = app.test_client(use_cookies=False)
        sent = {"username": username, "password": PASSWORD, "provider": "db"}
        answer = self.client.post("/api/v1/security/login", json=sent)
        assert answer.status_code == 200
        self.headers = {"Authorization": f"Bearer {answer.get_json()['access_token']}"}

    def __call__(self, method: str, path: str, sent: Any = None, **kw: Any) -> Any:
        if sent is not None:
            kw["json"] = sent
        headers = self.headers | kw.pop("headers", {})
        answer = self.client.open(f"/api/v1{path}", method=method, headers=headers, **kw)
        described(path, answer)
        return answer

    def row(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = self("GET", path).get_json()["row"]
        return found


def described(path: str, answer: Any) -> None:
    """Every code that any test of REST provokes is one that the description lists (views/api_spec.py)."""
    model = registries().get(path.split("/")[1])
    if model is not None and answer.status_code in (404, 409, 410, 422):
        strange = {p["code"] for p in answer.get_json()["problems"]} - set(codes(model))
        assert not strange, (path, strange)


@pytest.fixture
def rest(app: Flask) -> Callable[[str], Client]:
    return lambda username: Client(app, username)


def problems(answer: Any) -> dict[str | None, str]:
    return {p["field"]: p["code"] for p in answer.get_json()["problems"]}


# --- tokens ----------------------------------------------------------------------------------------------------------


def test_tokens(app: Flask, anonymous: FlaskClient, world: World) -> None:
    """A good one opens, without CSRF; wrong, old, garbage and refresh tokens do not, not even beside a cookie."""
    clerk, pk = Client(app, "clerk"), str(world.account("clerk"))
    assert clerk("GET", "/cases/").status_code == 200
    assert clerk("POST", "/cases/", {}).status_code == 422  # in, and told what is missing
    with app.app_context():
        good = create_access_token(pk)
        bad = {
            "garbage": "xxx",
            "empty": "",
            "three parts": "a.b.c",
            "changed": good[:-4] + ("AAAA" if not good.endswith("AAAA") else "BBBB"),
            "old": create_access_token(pk, expires_delta=timedelta(seconds=-5)),
            "refresh": create_refresh_token(pk),
            "nobody": create_access_token("999999"),
            "unsigned": "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + good.split(".")[1] + ".",
        }
    signed_in = Browser(app.test_client())
    signed_in.post("/login/", {"username": "admin", "password": PASSWORD})
    for what, token in bad.items():
        headers = {"Authorization": f"Bearer {token}"}
        for client in (anonymous, signed_in.client):
            for method, path in (
                ("GET", "/api/v1/cases/"),
                ("POST", "/api/v1/regions/"),
                ("DELETE", "/api/v1/regions/1"),
            ):
                answer = client.open(path, method=method, headers=headers)
                assert answer.status_code == 401, (what, method, answer.status_code)
                assert answer.get_json()["problems"][0]["code"] == "unauthorised"
    assert anonymous.get("/api/v1/cases/").status_code == 401
    for header in ("Basic Y2xlcms6eA==", "Token x", good):
        assert anonymous.get("/api/v1/cases/", headers={"Authorization": header}).status_code == 401


def test_sign_in_with_nonsense(anonymous: FlaskClient) -> None:
    for sent in ({}, [], "x", None, {"username": 1}, {"username": {"$ne": 1}, "password": [], "provider": "db"}):
        assert anonymous.post("/api/v1/security/login", json=sent).status_code in (400, 401), sent
    for provider in ("ldap", "x", None):
        sent = {"username": "clerk", "password": PASSWORD, "provider": provider}
        assert anonymous.post("/api/v1/security/login", json=sent).status_code in (400, 401), provider
    for text in ("a\x00b", "\ud800", "x" * 5000):
        sent = {"username": text, "password": text, "provider": "db"}
        assert anonymous.post("/api/v1/security/login", json=sent).status_code in (400, 401), text[:9]


def test_refresh(app: Flask, anonymous: FlaskClient) -> None:
    sent = {"username": "clerk", "password": PASSWORD, "provider": "db", "refresh": True}
    tokens = anonymous.post("/api/v1/security/login", json=sent).get_json()
    headers = {"Authorization": f"Bearer {tokens['refresh_token']}"}
    again = anonymous.post("/api/v1/security/refresh", headers=headers).get_json()["access_token"]
    assert anonymous.get("/api/v1/cases/", headers={"Authorization": f"Bearer {again}"}).status_code == 200


# --- the life of a row -----------------------------------------------------------------------------------------------


def test_a_row_from_birth_to_deletion(rest: Callable[[str], Client], world: World, database: Database) -> None:
    manager = rest("manager")
    basis = manager("GET", "/legal-bases/").get_json()["rows"][0]["id"]
    near = world.id(Department, name="东城区卫生健康局")
    sent = {"name": "新事项", "department_id": near, "item_type": "20", "local_code": "N-1", "legal_basis_id": basis}
    sent |= {"basic_code": "000199001000", "level": "4", "promise_days": 3, "statutory_days": None}
    made = manager("POST", "/items/", sent)
    assert made.status_code == 201
    row = made.get_json()["row"]
    assert {n: row[n] for n in sent} == sent
    assert row["state"] == "draft"
    assert row["created_by_id"] == world.account("manager")
    pk = row["id"]
    assert manager("POST", "/items/", {**sent, "name": "又一个"}).status_code == 409
    assert problems(manager("POST", "/items/", {**sent, "name": "又一个"})) == {"local_code": "duplicate"}
    assert [r["id"] for r in manager("GET", "/items/?q=新事项").get_json()["rows"]] == [pk]
    assert manager("GET", f"/items/{pk}").get_json()["actions"] == ["propose_set_up"]
    changed = manager("PUT", f"/items/{pk}", {"version": row["version"], "promise_days": 2})
    assert changed.status_code == 200
    assert changed.get_json()["row"]["promise_days"] == 2
    assert changed.get_json()["row"]["name"] == "新事项"
    for version in (row["version"], 99, -1, 0):
        stale = manager("PUT", f"/items/{pk}", {"version": version, "promise_days": 9})
        assert stale.status_code == 409
        assert problems(stale) == {None: "stale"}
    for version in (None, "1", True, 1.0, [], {}):
        refused = manager("PUT", f"/items/{pk}", {"version": version, "promise_days": 9})
        assert refused.status_code == 422, version
        assert problems(refused) == {"version": "required"}
    assert problems(manager("PUT", f"/items/{pk}", {"promise_days": 9})) == {"version": "required"}
    assert manager.row(f"/items/{pk}")["promise_days"] == 2
    # A PUT to the local code of another item is the same conflict as a POST.
    now = manager.row(f"/items/{pk}")["version"]
    assert manager("PUT", f"/items/{pk}", {"version": now, "local_code": "LOCAL-1"}).status_code == 409
    for query in ("", "?version=", "?version=x", "?version=-1"):
        refused = manager("DELETE", f"/items/{pk}{query}")
        assert refused.status_code == 422, query
        assert problems(refused) == {"version": "required"}, query
    assert problems(manager("DELETE", f"/items/{pk}", {"version": str(now)})) == {"version": "required"}
    stale = manager("DELETE", f"/items/{pk}?version={now - 1}")
    assert stale.status_code == 409
    assert problems(stale) == {None: "stale"}
    assert manager("DELETE", f"/items/{pk}?version={now}").status_code == 204
    assert manager("GET", f"/items/{pk}").status_code == 404
    assert manager("DELETE", f"/items/{pk}?version={now}").status_code == 404
    published = manager.row(f"/items/{world.item('公共场所卫生许可鲤')}")
    again = manager("DELETE", f"/items/{published['id']}", {"version": published["version"]})
    assert problems(again) == {None: "not_draft"}
    admin = rest("admin")
    region = admin("DELETE", f"/departments/{near}?version={admin.row(f'/departments/{near}')['version']}")
    assert region.status_code == 409
    assert problems(region) == {None: "in_use"}
    with database.session(everything("test")) as s:
        kinds = select(Event.kind).where(Event.subject_type == "items", Event.subject_id == pk).order_by(Event.seq)
        assert [k.value for k in s.scalars(kinds)] == ["created", "edited", "deleted"]


def test_actions(rest: Callable[[str], Client], world: World) -> None:
    clerk, approver = rest("clerk"), rest("approver")
    pk = world.case("申请人红鲤")
    told = approver("GET", f"/cases/{pk}").get_json()
    version = told["row"]["version"]
    assert told["actions"] == ["accept", "refuse"]
    assert clerk("GET", f"/cases/{pk}").get_json()["actions"] == ["accept"]
    assert clerk("POST", f"/cases/{pk}/refuse", {"version": version, "refusal_reason": "不属"}).status_code == 403
    assert problems(approver("POST", f"/cases/{pk}/refuse", {"version": version})) == {"refusal_reason": "required"}
    assert problems(approver("POST", f"/cases/{pk}/refuse", {"refusal_reason": "不属"})) == {"version": "required"}
    stray = {"version": version, "refusal_reason": "不属", "applicant": "别人"}
    assert problems(approver("POST", f"/cases/{pk}/refuse", stray)) == {"applicant": "unknown_field"}
    assert approver("POST", f"/cases/{pk}/refuse", {"version": 77, "refusal_reason": "不属"}).status_code == 409
    assert approver("POST", f"/cases/{pk}/dance", {"version": version}).status_code == 404
    assert approver("GET", f"/cases/{pk}/refuse").status_code == 405
    done = approver("POST", f"/cases/{pk}/refuse", {"version": version, "refusal_reason": "不属本机关"})
    assert done.status_code == 200
    assert done.get_json()["row"]["state"] == "refused"
    again = approver("POST", f"/cases/{pk}/refuse", {"version": version + 1, "refusal_reason": "再"})
    assert problems(again) == {None: "wrong_state"}
    admin = rest("admin")
    clerk_id = world.account("clerk")
    version = admin.row(f"/accounts/{clerk_id}")["version"]
    answer = admin("POST", f"/accounts/{clerk_id}/reset_password", {"version": version})
    assert len(answer.get_json()["answer"]) == 12
    assert clerk("GET", "/cases/").status_code == 401  # what was got for the old password has ended with it


def test_the_same_problems_as_the_page(
    rest: Callable[[str], Client], sign_in: SignIn, world: World, database: Database
) -> None:
    """One rule, every door: the fields and the words are those of the form."""
    clerk, browser = rest("clerk"), sign_in("clerk")
    item = world.item("公共场所卫生许可鲤")
    for changes in (
        {"applicant": ""},
        {"applicant": "长" * 101},
        {"identifier": "110105194912310021"},
        {"identifier": "abc", "applicant": ""},
        {"channel": "鸽子"},
        {"item_id": 999_999},
        {"received_at": "2027-01-01T09:00"},
        {"received_at": "昨天"},
        {"applicant_kind": "organisation"},
        {"phone": "1" * 41},
    ):
        typed = {**GOOD, "item_id": item, **changes}
        sent = {
            **typed,
            "received_at": typed["received_at"] + (":00+08:00" if "T" in str(typed["received_at"]) else ""),
        }
        answer = clerk("POST", "/cases/", sent)
        assert answer.status_code == 422, changes
        page = browser.post("/cases/new", {n: str(v) for n, v in typed.items()}).get_data(as_text=True)
        for problem in answer.get_json()["problems"]:
            assert beside(page, problem["field"]) == problem["message"].replace("“", "“"), (changes, problem)
        assert set(problems(answer)) == set(re.findall(r'id="f-(\w+)-why"', page)), changes
    with database.session(everything("test")) as s:
        assert s.scalar(select(func.count()).select_from(Item)) == 4


def test_what_nobody_may_set(rest: Callable[[str], Client], world: World, database: Database) -> None:
    """Neither on POST nor on PUT, one by one: the rest of the row would have been right."""
    manager, clerk = rest("manager"), rest("clerk")
    item = world.item("公共场所卫生许可鲤")
    near = world.id(Department, name="东城区卫生健康局")
    far = world.id(Department, name="西城区卫生健康局")
    case = {**GOOD, "received_at": "2026-06-17T09:00:00+08:00", "item_id": item}
    closed: dict[str, Any] = {
        "id": 5, "number": "x-1", "department_id": near, "state": "accepted", "handler_id": 1, "created_by_id": 1,
        "changed_by_id": 1, "created_at": "2026-01-01T00:00:00Z", "changed_at": "2026-01-01T00:00:00Z",
        "notice_due": "2030-01-01", "notice_lines": "x", "decided_at": "2026-01-01T00:00:00Z", "refusal_reason": "x",
        "promise_due": "2030-01-01", "notice_provisional": True, "password": "x", "item": {"a": 1}, "__class__": "x",
        "metadata": 1, "Case.id": 1, "": 1,
    }  # fmt: skip
    for name, value in closed.items():
        answer = clerk("POST", "/cases/", {**case, name: value})
        assert answer.status_code == 422, name
        assert problems(answer)[name] in ("read_only", "unknown_field", "type"), name
    answer = clerk("POST", "/cases/", {**case, "version": 7})
    assert answer.status_code == 422
    assert clerk("GET", "/cases/").get_json()["total"] == 1
    row = manager.row(f"/items/{item}")
    for name, value in {"state": "cancelled", "department_id": far, "origin": "taken_over", "region_id": 2, "id": 9,
                        "gap_count": 3, "created_by_id": 1, "source_link": "http://x"}.items():  # fmt: skip
        answer = manager("PUT", f"/items/{item}", {"version": row["version"], "phone": "1", name: value})
        assert answer.status_code == 422, name
        assert problems(answer)[name] in ("read_only", "unknown_field"), name
    assert manager.row(f"/items/{item}") == row
    # Sending back what was read is no offence.
    same = {n: row[n] for n in ("state", "department_id", "origin")}
    assert manager("PUT", f"/items/{item}", {"version": row["version"], **same, "phone": "2"}).status_code == 200
    pk = world.case("申请人红鲤")
    version = clerk.row(f"/cases/{pk}")["version"]
    for name, value in {"item_id": world.item("护士执业注册鲤"), "received_at": "2026-06-16T09:00:00+08:00"}.items():
        assert problems(clerk("PUT", f"/cases/{pk}", {"version": version, name: value}))[name] == "read_only"


# --- what is sent ----------------------------------------------------------------------------------------------------

ODD: list[Any] = [
    None, True, False, 0, -1, 2**31, 2**63, 10**400, 1.5, float("nan"), float("inf"), "", " ", "x", "\x00", "\ud800",
    "²", "0" * 30 + "9" * 30, "9" * 5000, "长" * 5000, [], [[]], [1, "x"], [True], [10**400],
    [2**31], [2**63], [-1], {}, {"a": {}}, "0001-01-01", "9999-12-31", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-12:00", "2026-02-30", "1000-01-01T00:00:00Z", "2026-06-17T09:00:00", "%(x)s", "{0}",
    "'; DROP TABLE item; --",
]  # fmt: skip


SHORT = [None, "\x00", 2**31, "9999-12-31T23:59:59-12:00"]  # by itself, in every field; all others in all at once


def test_any_value_for_any_field(rest: Callable[[str], Client], world: World) -> None:
    """No type, size or spelling of a value is an error of ours; what is refused names its field."""
    wrong = []
    people = {"cases": "clerk", "messages": "clerk"}
    clients = {name: rest(name) for name in ("clerk", "admin")}
    for name, model in registries().items():
        client = clients[people.get(name, "admin")]
        may_add = any("add" in g.words for g in model.__admin__.grants)
        rows = client("GET", f"/{name}/").get_json()["rows"]
        pk, version = (rows[0]["id"], rows[0].get("version")) if rows else (1, 1)
        open_ = [n for n, spec in specs(model).items() if spec.info.editable != "never"]
        required = {n for n in open_ if specs(model)[n].required}
        bodies: list[dict[str, Any]] = [dict.fromkeys(open_, value) for value in ODD]
        bodies += [{field: value} for field in (*open_, "state", "version") for value in SHORT]
        for body in bodies if may_add else bodies[:3]:
            what = f"/{name}/ {list(body)[:2]} {str(list(body.values())[:1])[:40]}"
            for answer in (
                client("POST", f"/{name}/", body),
                client("PUT", f"/{name}/{pk}", {"version": (version or 1) - 1, **body})
                if len(body) > 1 and body[open_[0]] in SHORT
                else None,
            ):
                status = answer.status_code if answer is not None else 422
                # A name alone makes a role, whatever it is; and a list of services with its source.
                texts = all(n in specs(model) and specs(model)[n].kind in ("text", "long") for n in body)
                enough = texts and required <= set(body)
                wrong += [f"{what}: {status}"] if status >= 500 or (status in (200, 201) and not enough) else []
        assert not may_add or client("POST", f"/{name}/", {}).status_code in (403, 422), name
    assert not wrong, "\n" + "\n".join(wrong)


def test_odd_values_among_good_ones(rest: Callable[[str], Client], world: World) -> None:
    """The rest of the row is right, so the odd value reaches rules, calendar and database."""
    clerk, manager = rest("clerk"), rest("manager")
    item = world.item("公共场所卫生许可鲤")
    good = {**GOOD, "received_at": "2026-06-17T09:00:00+08:00", "item_id": item}
    wrong = []
    for field in good:
        for value in ODD:
            answer = clerk("POST", "/cases/", {**good, field: value})
            if answer.status_code not in (201, 422):
                wrong.append(f"cases {field}={str(value)[:30]!r}: {answer.status_code}")
            elif answer.status_code == 422 and set(problems(answer)) - {field, "identifier", None}:
                wrong.append(f"cases {field}={str(value)[:30]!r}: {problems(answer)}")
    basis = manager("GET", "/legal-bases/").get_json()["rows"][0]["id"]
    near = world.id(Department, name="东城区卫生健康局")
    good = {"name": "新事项", "department_id": near, "item_type": "20", "local_code": "N-1", "legal_basis_id": basis,
            "basic_code": "000199001000", "level": "4", "promise_days": 3, "statutory_days": 5}  # fmt: skip
    for field in good:
        for n, value in enumerate(ODD):
            answer = manager("POST", "/items/", {**good, "local_code": f"O-{field}-{n}", field: value})
            if answer.status_code not in (201, 403, 409, 422):
                wrong.append(f"items {field}={str(value)[:30]!r}: {answer.status_code}")
    assert not wrong, "\n" + "\n".join(wrong)


def test_bodies_that_are_no_object(rest: Callable[[str], Client], world: World) -> None:
    clerk = rest("clerk")
    pk = world.case("申请人红鲤")
    bodies = [b"", b"null", b"[]", b'"x"', b"1", b"{", b"{]", b"NaN", b"Infinity", b'{"a":', b"\xff\xfe", b"\x00"]
    bodies += [b"[" * 100_000, b'{"a":' * 50_000, b'{"applicant":' + b"[" * 5000 + b"]" * 5000 + b"}"]
    bodies += [b'{"item_id":' + b"9" * 6000 + b"}", b'{"applicant": NaN}', b'{"applicant": -Infinity}']
    for data in bodies:
        for method, path in (("POST", "/cases/"), ("PUT", f"/cases/{pk}"), ("POST", f"/cases/{pk}/accept")):
            answer = clerk(method, path, data=data, content_type="application/json")
            assert answer.status_code in (400, 413, 422), (method, data[:20], answer.status_code)
            assert answer.get_json()["problems"]
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        answer = clerk("POST", "/cases/", data=b'{"applicant": "x"}', content_type=kind)
        assert answer.status_code in (400, 415, 422), kind


# --- lists -----------------------------------------------------------------------------------------------------------


def test_lists(rest: Callable[[str], Client], world: World) -> None:
    clerk = rest("clerk")
    found = clerk("GET", "/cases/?size=5&page=1").get_json()
    assert set(found) == {"rows", "total", "total_exact", "page", "size"}
    row = found["rows"][0]
    assert row["identifier"] == "1101**********002X"
    for reader in ("clerk", "auditor", "manager", "admin"):
        assert rest(reader).row(f"/cases/{row['id']}")["identifier"] == "1101**********002X", reader
    answer = clerk("GET", "/cases/?state=flying&notice_due=x")
    assert answer.status_code == 422
    assert problems(answer) == {"state": "not_in_list", "notice_due": "not_in_list"}
    assert clerk("GET", "/cases/?sort=identifier").get_json()["total"] == 1
    for name in ("pdf", "data", "password"):
        assert name not in str(specs(registries()["letters"]).keys())
    admin = rest("admin")
    for name in registries():
        told = admin("GET", f"/{name}/")
        assert told.status_code == 200, name
        assert "11010519491231002X" not in told.get_data(as_text=True), name
        assert "scrypt" not in told.get_data(as_text=True), name


def test_a_message_is_read_by_its_reader_alone(rest: Callable[[str], Client], world: World, database: Database) -> None:
    from datetime import UTC, datetime

    from models.message import Message, MessageState

    with database.session(everything("test"), write=True) as s:
        for person in ("clerk", "colleague"):
            row = {"recipient_id": world.account(person), "text": "Hello", "params": {}, "subject_type": "cases"}
            row |= {
                "subject_id": 1,
                "state": MessageState.Unread,
                "key": person,
                "sent_at": datetime(2026, 6, 1, tzinfo=UTC),
            }
            put(s, Message(), **row)
    clerk, colleague = rest("clerk"), rest("colleague")
    mine = clerk("GET", "/messages/").get_json()["rows"]
    assert [r["recipient_id"] for r in mine] == [world.account("clerk")]
    path = f"/messages/{mine[0]['id']}"
    assert colleague("GET", path).status_code == 404
    assert colleague("POST", f"{path}/read", {"version": 1}).status_code == 404
    assert clerk("POST", f"{path}/read", {"version": mine[0]["version"]}).status_code == 200


# --- the description -------------------------------------------------------------------------------------------------


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_openapi(app: Flask, rest: Callable[[str], Client]) -> None:
    """Structurally sound, and it names exactly the routes that there are."""
    answer = rest("clerk")("GET", "/_openapi")
    assert answer.status_code == 200
    told = answer.get_json()
    assert re.fullmatch(r"3\.\d+\.\d+", told["openapi"])
    assert {"title", "version"} <= set(told["info"])
    for ref in set(references(told)):
        node: Any = told
        assert ref.startswith("#/"), ref
        for part in ref[2:].split("/"):
            assert part in node, ref
            node = node[part]
    described, schemes, names = set(), told["components"]["securitySchemes"], []
    for path, item in told["paths"].items():
        shared = item.get("parameters", [])
        for method, operation in item.items():
            if method in ("parameters", "summary", "description"):
                continue
            assert method in ("get", "post", "put", "delete", "patch"), (path, method)
            described.add((method.upper(), path))
            assert operation["responses"], (path, method)
            for code, response in operation["responses"].items():
                assert re.fullmatch(r"[1-5]\d\d|default", code), (path, code)
                assert "$ref" in response or "description" in response, (path, method, code)
            parameters = [*shared, *operation.get("parameters", [])]
            for parameter in parameters:
                assert parameter["in"] in ("query", "path", "header", "cookie"), path
                assert "schema" in parameter or "content" in parameter, (path, parameter)
            in_path = {p["name"] for p in parameters if p["in"] == "path"}
            assert in_path == set(re.findall(r"\{(\w+)\}", path)), (path, method)
            assert len({(p["in"], p["name"]) for p in parameters}) == len(parameters), (path, method)
            for requirement in operation.get("security", []):
                assert set(requirement) <= set(schemes), (path, requirement)
            if "operationId" in operation:
                names.append(operation["operationId"])
            if body := operation.get("requestBody"):
                assert body["content"], path
    assert len(names) == len(set(names))
    for name, schema in told["components"]["schemas"].items():
        assert set(schema.get("required", [])) <= set(schema.get("properties", {})), name
        assert len(schema.get("required", [])) == len(set(schema.get("required", []))), name
    served = set()
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith("/api/"):
            continue
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            path = re.sub(r"<(?:[^:>]+:)?(\w+)>", r"{\1}", rule.rule)
            model = registries().get(rule.rule.split("/")[3]) if rule.rule.count("/") > 3 else None
            if model is None or not path.endswith("{action}"):
                served.add((method, path))
                continue
            admin = model.__admin__
            for step in admin.steps:
                served.add((method, path.replace("{action}", step.name)))
    assert described == served


def test_what_the_description_says_may_be_written(app: Flask, rest: Callable[[str], Client]) -> None:
    schemas = rest("admin")("GET", "/_openapi").get_json()["components"]["schemas"]
    new, change = schemas["CaseNew"], schemas["CaseChange"]
    assert {"item_id", "applicant", "identifier", "received_at"} <= set(new["properties"])
    assert not {"state", "number", "department_id", "id", "version", "created_by_id"} & set(new["properties"])
    assert "item_id" not in change["properties"]
    assert change["required"] == ["version"]
    assert {"item_id", "applicant", "identifier", "received_at"} <= set(new["required"])
    assert new["properties"]["channel"]["enum"] == ["window", "online", "mobile", "kiosk", "post"]
    assert new["properties"]["applicant"]["maxLength"] == 100


def test_the_description_is_for_those_who_signed_in(anonymous: FlaskClient) -> None:
    assert anonymous.get("/api/v1/_openapi").status_code == 401
    assert anonymous.get("/api/v9/_openapi").status_code in (401, 404)
