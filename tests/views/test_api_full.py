"""REST to the end: chosen fields, history, requests sent again, tokens, and a description that knows every code."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, func, select

from forms.convert import specs
from models import registries, replay
from models.account import Account
from models.case import Case
from models.database import Database
from models.department import Department
from models.draft import Draft
from models.event import Event
from models.replay import Replay
from models.scope import door, everything
from models.token import NOTED_EVERY, Token
from tests.conftest import Browser, Clock
from tests.views.test_api import Client, described, problems
from tests.views.test_pages import GOOD
from tests.world import NOW, PASSWORD, RESIDENT, World
from views import api_spec
from views.api_spec import codes

SignIn = Callable[[str], Browser]
Rest = Callable[[str], Client]


@pytest.fixture
def rest(app: Flask) -> Rest:
    return lambda username: Client(app, username)


class Program(Client):
    """A program with a token of *owner*; no cookie."""

    def __init__(self, app: Flask, owner: Client, **given: Any) -> None:
        sent = {"name": "程序", "access": "full", "expires_at": (NOW + timedelta(days=30)).isoformat(), **given}
        made = owner("POST", "/tokens/", sent)
        assert made.status_code == 201, made.get_json()
        self.token = made.get_json()["row"]
        issued = owner("POST", f"/tokens/{self.token['id']}/issue", {"version": self.token["version"]})
        self.secret = issued.get_json()["answer"]
        self.client, self.owner = app.test_client(use_cookies=False), owner
        self.headers = {"Authorization": f"Bearer {self.secret}"}

    def noted(self) -> Any:
        return self.owner.row(f"/tokens/{self.token['id']}")["last_used_at"]


def a_case(world: World, **changes: Any) -> dict[str, Any]:
    item = world.item("公共场所卫生许可鲤")
    return {**GOOD, "received_at": "2026-06-17T09:00:00+08:00", "item_id": item, **changes}


def cases(database: Database) -> int:
    with database.session(everything("test")) as s:
        return s.scalar(select(func.count()).select_from(Case)) or 0


# --- lists ---------------------------------------------------------------------------------------------------------


def test_chosen_fields(rest: Rest) -> None:
    clerk, admin = rest("clerk"), rest("admin")
    for asked in ("number,state", " number , state ,number,", "id,number,state", "number&fields=state"):
        row = clerk("GET", f"/cases/?fields={asked}").get_json()["rows"][0]
        assert set(row) == {"id", "number", "state"}, asked
    assert set(clerk("GET", "/cases/?fields=id").get_json()["rows"][0]) == {"id"}
    row = clerk("GET", "/cases/?fields=").get_json()["rows"][0]
    assert set(row) == {"id", *specs(Case)}
    assert clerk("GET", "/cases/?fields=identifier").get_json()["rows"][0]["identifier"] == "1101**********002X"
    for asked, strange in (("number,nothing", ["nothing"]), ("password,secret_hash", ["password", "secret_hash"])):
        answer = clerk("GET", f"/cases/?fields={asked}")
        assert answer.status_code == 422
        assert [(p["field"], p["code"]) for p in answer.get_json()["problems"]] == [
            ("fields", "unknown_field") for _ in strange
        ]
        assert all(n in str(answer.get_json()) for n in strange)
    for odd in ("%00", "%ff%fe", "长" * 3000, "," * 500, "__class__", "metadata", "roles.id"):
        assert admin("GET", f"/accounts/?fields={odd}").status_code in (200, 422), odd
    assert "roles" not in admin("GET", "/accounts/").get_json()["rows"][0]
    assert admin("GET", "/accounts/?fields=roles").get_json()["rows"][0]["roles"]
    account = admin("GET", "/accounts/").get_json()["rows"][0]["id"]
    assert admin.row(f"/accounts/{account}")["roles"]


def test_how_much_a_list_asks_of_the_database(rest: Rest, database: Database) -> None:
    """Who it is, the ids with their number, the rows; a many-to-many one more, and only when it is asked for."""
    admin, clerk = rest("admin"), rest("clerk")
    told: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda _c, _x, statement, *_: told.append(statement))

    def asked(client: Client, path: str) -> int:
        told.clear()
        assert client("GET", path).status_code == 200
        return len([t for t in told if t.lstrip().upper().startswith("SELECT")])

    before = asked(clerk, "/cases/1")  # who it is, and one row
    assert asked(clerk, "/cases/") == before + 1
    assert asked(clerk, "/cases/?fields=number&state=received&sort=-number") == before + 1
    lone = asked(admin, "/accounts/")
    assert lone <= before + 1
    assert asked(admin, "/accounts/?fields=roles,username") == lone + 1


def test_what_has_no_version_needs_none(rest: Rest, database: Database, world: World) -> None:
    """A draft is one person's alone; it is thrown away without saying which version of it."""
    with database.session(everything("test"), write=True) as s:
        draft = {"subject_type": "cases", "subject_id": 0, "label": "草稿", "saved_at": NOW, "typed": {}}
        row = Draft(owner_id=world.account("clerk"), **draft)
        s.add(row)
        s.flush()
    for other in ("colleague", "outsider"):
        assert rest(other)("DELETE", f"/drafts/{row.id}").status_code == 404, other
    assert rest("clerk")("DELETE", f"/drafts/{row.id}").status_code == 204


# --- what happened ---------------------------------------------------------------------------------------------------


def test_history(rest: Rest, world: World) -> None:
    """Newest first, with names and masked numbers, for whoever sees the row; 404 for everybody else."""
    clerk, pk = rest("clerk"), world.case("申请人红鲤")
    version = clerk.row(f"/cases/{pk}")["version"]
    sent = {"version": version, "identifier": "110105198806150024", "applicant": "申请人锦鲤"}
    assert clerk("PUT", f"/cases/{pk}", sent).status_code == 200
    assert rest("approver")("POST", f"/cases/{pk}/accept", {"version": version + 1}).status_code == 200
    for reader in ("clerk", "colleague", "approver", "manager", "auditor", "admin"):
        answer = rest(reader)("GET", f"/cases/{pk}/history")
        assert answer.status_code == 200, reader
        told = answer.get_json()
        assert [(e["seq"], e["kind"], e["action"], e["actor"]) for e in told["rows"]] == [
            (3, "moved", "accept", "张鲤"),
            (2, "edited", None, "王鲤"),
            (1, "created", None, "王鲤"),
        ], reader
        assert told["total"] == 3
        assert told["rows"][0]["changes"]["state"] == ["received", "accepted"]
        assert told["rows"][1]["changes"] == {
            "identifier": ["1101**********002X", "1101**********0024"],
            "applicant": ["申请人红鲤", "申请人锦鲤"],
        }
        assert told["rows"][0]["at"].startswith("2026-06-17T02:00:00")
        assert RESIDENT not in answer.get_data(as_text=True)
    for reader in ("outsider", "stranger"):
        client = rest(reader)
        mine, nobodys = (client("GET", f"/cases/{i}/history") for i in (pk, 999_999))
        assert (mine.status_code, mine.get_json()) == (nobodys.status_code, nobodys.get_json())
        assert mine.status_code == 404
    second = clerk("GET", f"/cases/{pk}/history?size=2&page=2").get_json()
    assert [e["seq"] for e in second["rows"]] == [1]
    assert (second["page"], second["size"], second["total"]) == (2, 2, 3)
    assert clerk("GET", f"/cases/{pk}/history?size=5000").get_json()["size"] == 100
    assert clerk("GET", f"/cases/{pk}/history?page=900000").get_json()["rows"] == []
    assert clerk("POST", f"/cases/{pk}/history", {"version": 1}).status_code == 404


def test_history_without_a_cookie_is_closed(anonymous: FlaskClient, world: World) -> None:
    assert anonymous.get(f"/api/v1/cases/{world.case('申请人红鲤')}/history").status_code == 401


def test_the_systems_own_doing_has_no_actor(rest: Rest, world: World) -> None:
    told = rest("admin")("GET", f"/items/{world.item('护士执业注册鲤')}/history").get_json()["rows"]
    assert [e["actor"] for e in told] == [None, None]


def test_actions_that_are_no_moves(app: Flask, rest: Rest, world: World, database: Database) -> None:
    admin, clerk = rest("admin"), rest("clerk")
    path = f"/accounts/{world.account('clerk')}"
    assert "reset_password" in admin("GET", path).get_json()["actions"]
    assert clerk("GET", path).get_json()["actions"] == []
    program = Program(app, clerk)
    token = f"/tokens/{program.token['id']}"
    told = clerk("GET", token).get_json()
    assert set(told["actions"]) == {"issue", "revoke"}
    assert clerk("POST", f"{token}/revoke", {"version": told["row"]["version"]}).status_code == 200
    assert clerk("GET", token).get_json()["actions"] == []  # issue is offered only while the token is active
    again = clerk("POST", f"{token}/issue", {"version": told["row"]["version"] + 1})
    assert problems(again) == {None: "revoked"}


# --- requests that are sent again ------------------------------------------------------------------------------------


def test_the_same_request_twice_makes_one_row(rest: Rest, world: World, database: Database) -> None:
    clerk, sent, key = rest("clerk"), a_case(world), {"Idempotency-Key": "4f6c ~!"}
    first = clerk("POST", "/cases/", sent, headers=key)
    assert first.status_code == 201
    assert "Idempotent-Replayed" not in first.headers
    row = first.get_json()["row"]
    assert clerk("PUT", f"/cases/{row['id']}", {"version": row["version"], "phone": "139"}).status_code == 200
    again = clerk("POST", "/cases/", dict(reversed(sent.items())), headers=key)
    assert again.status_code == 201
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.get_json()["row"]["id"] == row["id"]
    assert again.get_json()["row"]["phone"] == "1*9"  # as it stands now
    assert cases(database) == 4
    for path, other in (("/cases/", {**sent, "applicant": "别人"}), ("/cases/", {})):
        answer = clerk("POST", path, other, headers=key)
        assert answer.status_code == 422
        assert problems(answer) == {"Idempotency-Key": "idempotency_mismatch"}
    # Another person's key is another key, and no key is no promise.
    assert rest("colleague")("POST", "/cases/", sent, headers=key).headers.get("Idempotent-Replayed") is None
    assert clerk("POST", "/cases/", sent).status_code == 201
    assert cases(database) == 6
    with database.session(everything("test")) as s:
        events = select(func.count()).select_from(Event).where(Event.subject_id == row["id"])
        assert s.scalar(events.where(Event.subject_type == "cases")) == 2


def test_another_registry_with_the_same_key(rest: Rest) -> None:
    admin, sent = rest("admin"), {"title": "《某条例》", "article": "第一条"}
    key = {"Idempotency-Key": "k"}
    assert admin("POST", "/legal-bases/", sent, headers=key).status_code == 201
    answer = admin("POST", "/regions/", sent, headers=key)
    assert problems(answer) == {"Idempotency-Key": "idempotency_mismatch"}


def test_a_refused_request_leaves_its_key_free(rest: Rest, world: World, database: Database) -> None:
    clerk, key = rest("clerk"), {"Idempotency-Key": "k"}
    for wrong in ({}, a_case(world, applicant=""), {"nothing": 1}):
        answer = clerk("POST", "/cases/", wrong, headers=key)
        assert answer.status_code == 422
        assert "idempotency_mismatch" not in problems(answer).values()
    assert clerk("POST", "/cases/", a_case(world), headers=key).status_code == 201
    with database.session(everything("test")) as s:
        assert [r.subject_id > 0 for r in s.scalars(select(Replay))] == [True]


@pytest.mark.parametrize("key", ["", "x" * 201, "schlüssel", "a\tb", "\x7f"])
def test_keys_that_are_none(rest: Rest, world: World, key: str, database: Database) -> None:
    answer = rest("clerk")("POST", "/cases/", a_case(world), headers={"Idempotency-Key": key})
    assert answer.status_code == 422
    assert problems(answer) == {"Idempotency-Key": "idempotency_key"}
    assert cases(database) == 3


def test_what_was_made_may_be_gone(rest: Rest, world: World, database: Database) -> None:
    manager, clerk, key = rest("manager"), rest("clerk"), {"Idempotency-Key": "k"}
    near = world.id(Department, name="东城区卫生健康局")
    basis = manager("GET", "/legal-bases/").get_json()["rows"][0]["id"]
    sent = {"name": "新事项", "department_id": near, "item_type": "20", "local_code": "N-1", "legal_basis_id": basis}
    sent |= {"basic_code": "000199001000", "level": "4"}
    row = manager("POST", "/items/", sent, headers=key).get_json()["row"]
    assert manager("DELETE", f"/items/{row['id']}?version={row['version']}").status_code == 204
    again = manager("POST", "/items/", sent, headers=key)
    assert again.status_code == 410
    assert problems(again) == {None: "gone"}
    # Whoever works elsewhere by now learns no more of it than that.
    assert clerk("POST", "/cases/", a_case(world), headers=key).status_code == 201
    with database.session(everything("test"), write=True) as s, door(s):
        s.get_one(Account, world.account("clerk")).department_id = world.id(Department, name="东城区市场监督管理局")
    again = clerk("POST", "/cases/", a_case(world), headers=key)
    assert (again.status_code, problems(again)) == (410, {None: "gone"})


def test_two_at_the_same_moment_make_one_row(
    app: Flask, rest: Rest, world: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both look before either has written (PostgreSQL); or one waits for the other's lock (SQLite)."""
    look, meeting = replay._find, threading.Barrier(2)

    def look_together(*asked: Any) -> Any:
        found = look(*asked)
        with suppress(threading.BrokenBarrierError):
            meeting.wait(timeout=1)
        return found

    monkeypatch.setattr(replay, "_find", look_together)
    clients, sent, answers = [rest("clerk"), rest("clerk")], a_case(world), []

    def post(client: Client) -> None:
        answers.append(client("POST", "/cases/", sent, headers={"Idempotency-Key": "race"}))

    threads = [threading.Thread(target=post, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [a.status_code for a in answers] == [201, 201]
    assert len({a.get_json()["row"]["id"] for a in answers}) == 1
    assert sorted(a.headers.get("Idempotent-Replayed", "") for a in answers) == ["", "true"]
    assert cases(database) == 4


# --- tokens ----------------------------------------------------------------------------------------------------------


def test_a_token_is_its_owner_and_no_more(app: Flask, rest: Rest, world: World, database: Database) -> None:
    mine, theirs = world.case("申请人红鲤"), world.case("申请人白鹤")
    programs = {name: Program(app, rest(name)) for name in ("clerk", "colleague", "outsider")}
    for name, seen, unseen in (("clerk", mine, theirs), ("colleague", mine, theirs), ("outsider", theirs, mine)):
        program = programs[name]
        assert program("GET", f"/cases/{seen}").status_code == 200, name
        assert program("GET", f"/cases/{unseen}").status_code == 404, name
        assert program("GET", f"/cases/{unseen}/history").status_code == 404, name
        assert [r["id"] for r in program("GET", "/cases/").get_json()["rows"]] == [seen], name
        assert program("POST", f"/cases/{unseen}/accept", {"version": 1}).status_code == 404, name
        assert program("GET", "/outbox/").status_code == 403, name
    made = programs["clerk"]("POST", "/cases/", a_case(world))  # neither cookie nor CSRF
    assert made.status_code == 201
    assert made.get_json()["row"]["created_by_id"] == world.account("clerk")
    assert "Set-Cookie" not in made.headers
    with database.session(everything("test")) as s:
        told = s.scalars(select(Event).order_by(Event.id.desc()).limit(1)).one()
        assert (told.actor_id, told.kind.value) == (world.account("clerk"), "created")


def test_a_token_that_reads(app: Flask, rest: Rest, world: World) -> None:
    program, pk = Program(app, rest("clerk"), access="read"), world.case("申请人红鲤")
    told = program("GET", f"/cases/{pk}").get_json()
    assert told["actions"] == []
    assert told["row"]["identifier"] == "1101**********002X"
    version = told["row"]["version"]
    assert program("GET", f"/cases/{pk}/history").status_code == 200
    for method, path, sent in (
        ("POST", "/cases/", a_case(world)),
        ("PUT", f"/cases/{pk}", {"version": version, "phone": "1"}),
        ("POST", f"/cases/{pk}/accept", {"version": version}),
        ("DELETE", f"/cases/{pk}?version={version}", None),
    ):
        assert program(method, path, sent).status_code in (403, 405), (method, path)


def test_a_token_for_some_registries(app: Flask, rest: Rest, world: World) -> None:
    """Other doors stay shut, while rules still see the item that a case is about."""
    program = Program(app, rest("clerk"), registries="cases")
    for path in ("/items/", f"/items/{world.item('公共场所卫生许可鲤')}", "/departments/", "/messages/", "/events/"):
        assert program("GET", path).status_code == 403, path
    assert program("GET", f"/cases/{world.case('申请人红鲤')}/history").status_code == 403
    made = program("POST", "/cases/", a_case(world))
    assert made.status_code == 201, made.get_json()
    row = made.get_json()["row"]
    assert program("POST", f"/cases/{row['id']}/accept", {"version": row["version"]}).status_code == 200
    foreign = program("POST", "/cases/", a_case(world, item_id=world.item("食品经营许可鹤")))
    assert problems(foreign) == {"item_id": "not_found"}


def test_a_token_manages_no_sign_in(app: Flask, rest: Rest, world: World) -> None:
    program, pk = Program(app, rest("admin")), world.account("clerk")
    for path in ("/tokens/", f"/tokens/{program.token['id']}"):
        assert program("GET", path).status_code == 403, path
    own = f"/tokens/{program.token['id']}"
    assert program("POST", "/tokens/", {"name": "x"}).status_code == 403
    for path in (f"{own}/issue", f"{own}/revoke"):
        assert program("POST", path, {"version": 2}).status_code == 403, path
    version = program.row(f"/accounts/{pk}")["version"]
    assert program("GET", f"/accounts/{pk}").get_json()["actions"] == []
    assert program("PUT", f"/accounts/{pk}", {"version": version, "active": False}).status_code == 403
    assert program("POST", f"/accounts/{pk}/reset_password", {"version": version}).status_code == 403
    assert program("POST", "/accounts/", {"username": "x"}).status_code == 403
    assert program("POST", "/security/refresh").status_code in (401, 422)
    assert program("GET", "/_openapi").status_code == 200


def refused(program: Program) -> bool:
    answer = program("GET", "/cases/")
    if answer.status_code != 401:
        return False
    assert answer.get_json()["problems"][0]["code"] == "unauthorised"
    return True


def test_when_a_token_ends(app: Flask, rest: Rest, world: World, database: Database, clock: Clock) -> None:
    clerk = rest("clerk")
    one, two, three = (Program(app, clerk, name=f"程序{n}") for n in range(3))
    for end in (one.secret[:-1], one.secret + "x", "yz_", "yz_" + "a" * 5000, "yz_ä", "yz_\x00"):
        with suppress(ValueError):  # what no header may hold
            headers = {"Authorization": f"Bearer {end}"}
            assert one.client.get("/api/v1/cases/", headers=headers).status_code == 401, end
    version = clerk.row(f"/tokens/{one.token['id']}")["version"]
    assert not refused(one)
    assert clerk("POST", f"/tokens/{one.token['id']}/revoke", {"version": version}).status_code == 200
    assert refused(one)
    assert not refused(two)
    clock.moment = NOW + timedelta(days=30)
    assert refused(two)
    clock.moment = NOW
    with database.session(everything("test"), write=True) as s, door(s):
        s.get_one(Account, world.account("clerk")).active = False
    assert refused(three)


def test_a_password_that_must_be_changed_closes_tokens(app: Flask, rest: Rest, world: World) -> None:
    program, admin, pk = Program(app, rest("clerk")), rest("admin"), world.account("clerk")
    version = admin.row(f"/accounts/{pk}")["version"]
    given = admin("POST", f"/accounts/{pk}/reset_password", {"version": version}).get_json()["answer"]
    assert program("GET", "/cases/").status_code == 403
    browser = Browser(app.test_client())
    assert browser.post("/login/", {"username": "clerk", "password": given}).status_code == 302
    page = browser.client.get("/account/password").get_data(as_text=True)
    csrf = page.partition('name="csrf-token" content="')[2].partition('"')[0]
    new = {"old": given, "new": "ein-neues-Passwort-9", "again": "ein-neues-Passwort-9", "csrf_token": csrf}
    assert browser.client.post("/account/password", data=new).status_code == 302
    assert program("GET", "/cases/").status_code == 200


def test_a_token_opens_no_pages(app: Flask, rest: Rest, sign_in: SignIn, world: World) -> None:
    program, browser = Program(app, rest("outsider")), sign_in("clerk")
    for path in ("/", "/cases/", "/account/password", "/import/items", "/verify/"):
        for client in (program.client, browser.client):
            assert client.get(path, headers=program.headers).status_code == 401, path
    # Beside a cookie the token alone decides, whoever the cookie belongs to.
    pk = world.case("申请人红鲤")
    assert browser.client.get(f"/api/v1/cases/{pk}").status_code == 200
    assert browser.client.get(f"/api/v1/cases/{pk}", headers=program.headers).status_code == 404
    assert browser.client.get(f"/cases/{pk}").status_code == 200


def test_the_secret_is_shown_once(app: Flask, rest: Rest, database: Database) -> None:
    clerk = rest("clerk")
    program, path = Program(app, clerk), "/tokens/"
    with database.session(everything("test")) as s:
        stored = s.scalars(select(Token.secret_hash)).one()
    path += str(program.token["id"])
    for said in (clerk("GET", "/tokens/"), clerk("GET", path), clerk("GET", f"{path}/history")):
        assert program.secret not in said.get_data(as_text=True)
        assert str(stored) not in said.get_data(as_text=True)
    for other in ("colleague", "outsider", "admin", "auditor"):
        assert rest(other)("GET", path).status_code == 404, other
        assert rest(other)("POST", f"{path}/issue", {"version": 2}).status_code == 404, other


def test_its_use_is_noted(app: Flask, rest: Rest, clock: Clock) -> None:
    program = Program(app, rest("clerk"))
    assert program.noted() is None
    for moment, noted in (
        (NOW, NOW),
        (NOW + timedelta(minutes=9), NOW),
        (NOW + NOTED_EVERY + timedelta(minutes=1), NOW + NOTED_EVERY + timedelta(minutes=1)),
    ):
        clock.moment = moment
        assert program("GET", "/cases/").status_code == 200
        assert program.noted() == noted.isoformat()


def test_noting_it_never_keeps_a_request_waiting(
    app: Flask, rest: Rest, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    program = Program(app, rest("clerk"))
    caplog.set_level(logging.INFO, "views.security")
    with database.session(everything("test"), write=True) as other:
        replay.purge(other, NOW)  # the lock of a writer
        begun = time.monotonic()
        assert program("GET", "/cases/").status_code == 200
        assert time.monotonic() - begun < 5
    assert ("is not noted" in caplog.text) == database.is_sqlite
    assert (program.noted() is None) == database.is_sqlite
    assert program("GET", "/cases/").status_code == 200
    assert program.noted() is not None


def test_what_sign_in_gave_ends_with_the_password(app: Flask, anonymous: FlaskClient, sign_in: SignIn) -> None:
    sent = {"username": "clerk", "password": PASSWORD, "provider": "db", "refresh": True}
    got = anonymous.post("/api/v1/security/login", json=sent).get_json()
    headers = {name: {"Authorization": f"Bearer {got[name]}"} for name in ("access_token", "refresh_token")}
    browser = sign_in("clerk")
    assert anonymous.get("/api/v1/cases/", headers=headers["access_token"]).status_code == 200
    assert anonymous.post("/api/v1/security/refresh", headers=headers["refresh_token"]).status_code == 200
    new = "ein-neues-Passwort-9"
    assert browser.post("/account/password", {"old": PASSWORD, "new": new, "again": new}).status_code == 302
    assert anonymous.get("/api/v1/cases/", headers=headers["access_token"]).status_code == 401
    assert anonymous.post("/api/v1/security/refresh", headers=headers["refresh_token"]).status_code == 401
    again = anonymous.post("/api/v1/security/login", json={**sent, "password": new}).get_json()
    fresh = {"Authorization": f"Bearer {again['access_token']}"}
    assert anonymous.get("/api/v1/cases/", headers=fresh).status_code == 200


# --- the description -------------------------------------------------------------------------------------------------


def module(text: str, **names: Any) -> tuple[Any, dict[str, Any]]:
    found = ModuleType("rules.sample")
    vars(found).update(names)
    return api_spec.ast.parse(text), vars(found)


def test_codes_are_read_out_of_the_rules() -> None:
    text = """
def f(spec, row, reason, now):
    message = N_("One.")
    yield Problem("a", "first", message, {"x": 1})
    message = N_("Two.") if row else N_("Three.")
    yield Problem(None, "second", message)
    raise RuleError.one(None, "third", N_("Four."))
    raise spec.refuse("fourth", N_("Five."), value=1) from None
    yield Problem("a", "fifth" if now else "sixth", N_("Six."))
    yield Problem("a", f"code_{reason}", REASONS[str(reason)])
    yield Problem("a", f"other_{reason}", UNKNOWN[reason])
    yield Problem(blamed, p.code, p.message, p.params)
    session.scalars(statement).one()
    raise refuse(found)
"""
    found = dict(api_spec._told(*module(text, REASONS={"x": "X.", "y": "Y."}), {}))
    assert found == {
        "first": "One.",
        "second": "Two. / Three.",
        "third": "Four.",
        "fourth": "Five.",
        "fifth": "Six.",
        "sixth": "Six.",
        "code_x": "X.",
        "code_y": "Y.",
        "other_*": "",
    }


def test_every_registry_tells_its_own_codes(app: Flask) -> None:
    known = {name: codes(model) for name, model in registries().items()}
    shared = {"required", "stale", "too_long", "not_in_list", "unknown_field", "wrong_state", "type", "gone"}
    assert all(shared <= set(found) for found in known.values())
    assert {"future", "item_not_in_force", "identifier_checksum"} <= set(known["cases"])
    assert {"above_statutory", "missing", "code_type"} <= set(known["items"])
    assert "loop" in known["regions"]  # of a helper that the model imports
    assert "loop" in known["departments"]
    assert not {"future", "loop", "blanks", "past"} & set(known["items"])
    assert known["cases"]["future"] == "This lies in the future."
    assert all(message for found in known.values() for message in found.values())


def test_the_description_lists_the_codes(rest: Rest) -> None:
    told = rest("clerk")("GET", "/_openapi").get_json()
    for name, model in registries().items():
        schema = told["components"]["schemas"][f"{model.__name__}Problem"]
        assert set(schema["properties"]) == {"field", "code", "message"}
        assert schema["properties"]["code"]["enum"] == [*codes(model)], name
        answers = told["paths"][f"/api/v1/{name}/"]["get"]["responses"]
        for code in codes(model):
            status = str(api_spec.STATUS.get(code, 422))
            assert f"`{code}`" in answers[status]["description"], (name, code)
    conflict = told["paths"]["/api/v1/cases/{pk}"]["put"]["responses"]["409"]
    assert {"`stale`", "`duplicate`"} <= set(conflict["description"].replace(":", " ").split())


def test_codes_without_a_table_are_a_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_spec, "codes", lambda _model: {"code_*": "", "stale": "Stale."})
    spec = api_spec.APISpec("x", "v1", "3.0.2")
    api_spec._errors(spec, Case)
    code = spec.to_dict()["components"]["schemas"]["CaseProblem"]["properties"]["code"]
    assert code == {"anyOf": [{"type": "string", "enum": ["stale"]}, {"type": "string", "pattern": "^code_.+$"}]}


def test_what_can_be_asked_is_described(rest: Rest) -> None:
    paths = rest("clerk")("GET", "/_openapi").get_json()["paths"]

    def arguments(path: str, method: str, where: str) -> set[str]:
        return {p["name"] for p in paths[path][method].get("parameters", []) if p["in"] == where}

    assert {"fields", "q", "sort", "page", "size", "state"} <= arguments("/api/v1/cases/", "get", "query")
    assert arguments("/api/v1/cases/", "post", "header") == {"Idempotency-Key"}
    assert arguments("/api/v1/items/{pk}", "delete", "query") == {"version"}
    assert arguments("/api/v1/cases/{pk}/history", "get", "query") == {"page", "size"}
    answered = paths["/api/v1/cases/"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert set(answered["properties"]) == {"rows", "total", "total_exact", "page", "size"}


def test_a_code_that_is_not_listed_fails_these_tests(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check that every client of these tests makes does see."""
    clerk = rest("clerk")
    answer = clerk.client.post("/api/v1/cases/", json={}, headers=clerk.headers)
    described("/cases/", answer)
    monkeypatch.setattr("tests.views.test_api.codes", lambda _model: {})
    with pytest.raises(AssertionError):
        described("/cases/", answer)
