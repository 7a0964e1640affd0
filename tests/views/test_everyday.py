"""Days of work: what went wrong once between people, pages and the clock, and must not again."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask, request

from config import Config
from jobs.outbox import Worker
from models.case import Case
from models.database import Database
from models.department import Department
from models.letter import Letter
from models.region import Region
from models.scope import everything
from models.workflow import move
from run import create_app
from tests.conftest import Browser, Clock
from tests.world import NOW, PASSWORD, RESIDENT, World, put, receive
from views.security import local_path

SignIn = Callable[[str], Browser]


def test_departments_of_one_name_never_share_a_number(database: Database, world: World, worker: Worker) -> None:
    """区经信局 exists in every district; without a short name the region tells their numbers apart."""
    numbers = []
    for seat in ("东城区卫生健康局", "西城区卫生健康局"):
        with database.session(everything("test"), write=True) as s:
            department = s.get_one(Department, world.id(Department, name=seat))
            put(s, department, short=None, name="卫生健康局")
    for who, item in (("clerk", "公共场所卫生许可鲤"), ("stranger", "公共场所卫生许可鹭")):
        with database.session(everything("test", world.account(who)), write=True) as s:
            case = receive(s, world.item(item))
            assert move(s, case, "accept", now=NOW) == []
            numbers.append(case.number)
    worker.run_due()
    with database.session(everything("test")) as s:
        numbers += [letter.number for letter in s.query(Letter)]
    assert len(set(numbers)) == 4, numbers
    assert all(n.startswith(("东城区卫生健康局", "西城区卫生健康局")) for n in numbers)


def test_a_short_name_fits_into_a_number_and_is_nobody_elses(sign_in: SignIn, world: World) -> None:
    admin = sign_in("admin")
    path = f"/api/v1/departments/{world.id(Department, short='东卫健')}"
    version = admin.get(path).get_json()["row"]["version"]
    for short, code, status in (("东 卫健", "blanks", 422), ("西卫健", "duplicate", 409)):
        answer = admin.json("PUT", path, {"version": version, "short": short})
        assert answer.status_code == status
        assert [p["code"] for p in answer.get_json()["problems"]] == [code]


def test_a_strange_argument_is_no_accident(sign_in: SignIn) -> None:
    clerk = sign_in("clerk")
    for name in ("endpoint", "_external", "_scheme", "_method", "_anchor", "values", "self"):
        page = clerk.text(f"/items/?{name}=x&page=1")
        assert "http://" not in page


def test_a_masked_number_cannot_be_searched_out(sign_in: SignIn) -> None:
    auditor = sign_in("auditor")
    for piece in (RESIDENT[6:14], RESIDENT[:6], RESIDENT[-4:], "%", "_" * 18):
        assert auditor.get(f"/api/v1/cases/?q={piece}").get_json()["total"] == 0, piece
    assert auditor.get(f"/api/v1/cases/?q={RESIDENT.lower()}").get_json()["total"] == 3


def test_a_new_password_ends_other_sessions(app: Flask, sign_in: SignIn) -> None:
    here, elsewhere = sign_in("clerk"), sign_in("clerk")
    new = "quite-another-horse"
    answer = here.post("/account/password", {"old": PASSWORD, "new": new, "again": new})
    assert answer.status_code == 302
    assert here.get("/cases/").status_code == 200
    assert elsewhere.get("/cases/").status_code == 302
    assert "/login/" in elsewhere.get("/cases/").headers["Location"]


def test_a_decided_case_stays_as_it_was_decided(database: Database, sign_in: SignIn, world: World) -> None:
    """A letter has been issued on what the fields say."""
    case_id = world.case("申请人红鲤")
    with database.session(everything("test"), write=True) as s:
        assert move(s, s.get_one(Case, case_id), "accept", now=NOW) == []
    clerk = sign_in("clerk")
    assert f"/cases/{case_id}/edit" not in clerk.text(f"/cases/{case_id}")
    row = clerk.get(f"/api/v1/cases/{case_id}").get_json()["row"]
    answer = clerk.json("PUT", f"/api/v1/cases/{case_id}", {"version": row["version"], "applicant": "别人"})
    assert answer.status_code == 422
    assert [p["code"] for p in answer.get_json()["problems"]] == ["not_open"]


def test_whoever_was_overtaken_sees_by_what_and_may_save_again(sign_in: SignIn, world: World) -> None:
    clerk, colleague = sign_in("clerk"), sign_in("colleague")
    path = f"/cases/{world.case('申请人红鲤')}/edit"
    sent = {"applicant_kind": "person", "identifier": RESIDENT, "channel": "window", "version": "1"}
    assert colleague.post(path, {**sent, "applicant": "同事改的"}).status_code == 302
    answer = clerk.post(path, {**sent, "applicant": "我改的"})
    page = answer.get_data(as_text=True)
    assert answer.status_code == 409
    assert "我改的" in page
    assert "同事改的" in page
    assert "李鲤" in page
    assert 'name="version" value="2"' in page
    assert clerk.post(path, {**sent, "applicant": "我改的", "version": "2"}).status_code == 302


def test_a_promise_that_is_late_says_so(database: Database, sign_in: SignIn, world: World, clock: Clock) -> None:
    case_id = world.case("申请人红鲤")
    with database.session(everything("test"), write=True) as s:
        assert move(s, s.get_one(Case, case_id), "accept", now=NOW) == []
    clock.moment = NOW + timedelta(days=60)
    page = sign_in("clerk").text(f"/cases/{case_id}")
    assert page.count("超期") == 2  # the promise and the statutory limit; the first limit has been kept


def test_a_department_made_by_mistake_can_go_again(sign_in: SignIn, world: World) -> None:
    admin = sign_in("admin")
    region = world.id(Region, name="东城区")
    made = admin.json("POST", "/api/v1/departments/", {"name": "误建部门", "region_id": region, "kind": "functional"})
    assert made.status_code == 201
    row = made.get_json()["row"]
    assert admin.json("DELETE", f"/api/v1/departments/{row['id']}?version={row['version']}").status_code == 204


def test_what_is_refused_comes_first_however_long_the_list(sign_in: SignIn) -> None:
    lines = ["department,main_item,name,area_code,item_code,task_type,dept_code,link"]
    lines += [f"东城区卫生健康局,,事项{n},990101000000,N-{n},1,," for n in range(230)]
    lines.append("东城区卫生健康局,,坏的一行,990101000000,N-999,88,,")
    manager = sign_in("manager")
    sent = {"file": (io.BytesIO("\n".join(lines).encode()), "list.csv"), "take_over": "1"}
    answer = manager.post("/import/items", sent, content_type="multipart/form-data", follow_redirects=True)
    assert "坏的一行" in answer.get_data(as_text=True)


@pytest.mark.parametrize("engine_name", ["sqlite"], indirect=True)
def test_busy_is_a_page_not_a_breakdown(
    database: Database, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    clerk = sign_in("clerk")
    token = clerk.token()
    with database.writing.connect() as holder:
        holder.exec_driver_sql("UPDATE item SET version = version WHERE 0")  # somebody else is writing
        monkeypatch.setattr("models.database.BUSY_MILLISECONDS", 50)
        database.engine.dispose()
        answer = clerk.client.post(
            "/cases/new", data={"csrf_token": token, "item_id": world.item("公共场所卫生许可鲤")}
        )
        holder.rollback()
    assert answer.status_code == 503
    assert "<nav" in answer.get_data(as_text=True)


@pytest.mark.parametrize(("proxies", "seen"), [(0, "127.0.0.1"), (1, "10.1.2.3")])
def test_only_a_trusted_proxy_may_say_who_asks(
    config: Config, database: Database, clock: Clock, proxies: int, seen: str
) -> None:
    """The allowance of attempts to sign in goes by address."""
    app = create_app(replace(config, proxies=proxies), clock=clock, database=database)
    addresses: list[str | None] = []
    app.before_request(lambda: addresses.append(request.remote_addr))
    app.test_client().get("/health/", headers={"X-Forwarded-For": "192.0.2.9, 10.1.2.3"})
    assert addresses == [seen]


@pytest.mark.parametrize(
    "target", ["//evil.example", "/\\evil.example", "/\t/evil.example", "https://evil.example", "", "x"]
)
def test_no_redirect_leaves_the_house(target: str) -> None:
    assert local_path(target) == "/"
    assert local_path("/items/?q=1") == "/items/?q=1"
