"""A session lives as long as its row: ended by its owner, by a new password, by closing the account, by time."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import func, select

from jobs.outbox import Worker
from jobs.tidy import tidy
from models.account import Account
from models.database import Database
from models.event import Event
from models.scope import door, everything
from models.session import SessionState, SignedIn
from models.write import save
from tests.conftest import Browser, Clock
from tests.views.pages import words
from tests.views.test_budget import counted
from tests.world import PASSWORD, World

SignIn = Callable[[str], Browser]
NEW = "ein-gutes-Passwort-7"


def alive(browser: Browser) -> bool:
    return bool(browser.get("/cases/").status_code == 200)


def rows(database: Database, **where: Any) -> list[SignedIn]:
    with database.session(everything("test")) as s:
        return [*s.scalars(select(SignedIn).filter_by(**where).order_by(SignedIn.id))]


def within(app: Flask, browser: Browser) -> dict[str, Any]:
    """What the cookie carries: it is signed, not hidden."""
    cookie = browser.client.get_cookie("session")
    assert cookie is not None
    signer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert isinstance(signer, URLSafeTimedSerializer)
    found: dict[str, Any] = signer.loads(cookie.value)
    return found


def test_the_cookie_carries_a_random_number_alone(app: Flask, sign_in: SignIn, database: Database) -> None:
    clerk = sign_in("clerk")
    carried = within(app, clerk)
    assert set(carried) - {"csrf_token", "_permanent"} == {"sid"}
    [row] = rows(database)
    assert carried["sid"] not in str(vars(row))
    assert len(carried["sid"]) >= 43


def test_a_new_number_on_every_sign_in(app: Flask, sign_in: SignIn) -> None:
    """What somebody put into a browser before its owner came opens nothing afterwards."""
    stranger = sign_in("outsider")
    planted = stranger.client.get_cookie("session")
    assert planted is not None
    victim = app.test_client()
    victim.set_cookie("session", planted.value)
    browser = Browser(victim)
    browser.post("/logout/")
    browser.post("/login/", {"username": "clerk", "password": PASSWORD})
    assert within(app, browser)["sid"] != within(app, stranger)["sid"]
    assert alive(browser)
    assert not alive(stranger)
    again = browser.client.get_cookie("session")
    browser.post("/logout/")
    browser.client.set_cookie("session", again.value if again else "")
    assert not alive(browser)  # a cookie kept from before the sign-out


def test_an_account_number_in_a_cookie_opens_nothing(app: Flask, world: World, sign_in: SignIn) -> None:
    """Signed by us or not: what older cookies carried says nothing any more."""
    client = app.test_client()
    with client.session_transaction() as held:
        held.update(_user_id=str(world.account("admin")), _fresh=True, stamp="x", sid="made-up")
    for path in ("/cases/", "/api/v1/cases/", "/api/v1/_openapi"):
        assert client.get(path).status_code in (302, 401), path


def test_ending_one(sign_in: SignIn, database: Database, world: World) -> None:
    here, there, foreign = sign_in("clerk"), sign_in("clerk"), sign_in("outsider")
    first, second, other = rows(database)
    assert foreign.get(f"/sessions/{second.id}").status_code == 404
    assert foreign.post(f"/sessions/{second.id}/do/end", {"version": 1}).status_code == 404
    assert here.json("POST", f"/api/v1/sessions/{second.id}/end", {"version": 1}).status_code == 200
    assert (alive(here), alive(there), alive(foreign)) == (True, False, True)
    with database.session(everything("test")) as s:
        told = s.scalars(select(Event).where(Event.subject_type == "sessions")).one()
        assert (told.subject_id, told.action, told.actor_id) == (second.id, "end", world.account("clerk"))
    assert words(here.text("/sessions/")).count("Werkzeug") == 2
    admin = sign_in("admin")
    assert words(admin.text("/sessions/")).count("Werkzeug") == 4
    assert admin.post(f"/sessions/{other.id}/do/end", {"version": 1}).status_code == 302
    assert not alive(foreign)
    assert alive(here)
    assert first.state is SessionState.Active


def test_everywhere_else(app: Flask, sign_in: SignIn, database: Database, world: World) -> None:
    here, others, foreign = sign_in("clerk"), [sign_in("clerk"), sign_in("clerk")], sign_in("outsider")
    sent = {"username": "clerk", "password": PASSWORD, "provider": "db", "refresh": True}
    tokens = app.test_client().post("/api/v1/security/login", json=sent).get_json()
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    refresh = {"Authorization": f"Bearer {tokens['refresh_token']}"}
    assert app.test_client().get("/api/v1/cases/", headers=bearer).status_code == 200
    renewed = app.test_client().post("/api/v1/security/refresh", headers=refresh).get_json()["access_token"]
    later = {"Authorization": f"Bearer {renewed}"}
    assert app.test_client().get("/api/v1/cases/", headers=later).status_code == 200
    assert "退出其他所有登录" in here.text("/account/")
    assert here.post("/account/sign-out-elsewhere").headers["Location"] == "/account/"
    assert "已结束 3 个登录会话" in here.text("/account/")
    assert alive(here)
    assert alive(foreign)
    assert not any(alive(other) for other in others)
    for headers in (bearer, later):
        assert app.test_client().get("/api/v1/cases/", headers=headers).status_code == 401
    assert app.test_client().post("/api/v1/security/refresh", headers=refresh).status_code == 401


def test_a_new_password_ends_the_others(sign_in: SignIn) -> None:
    here, there = sign_in("clerk"), sign_in("clerk")
    sent = {"old": PASSWORD, "new": NEW, "again": NEW}
    assert here.post("/account/password", sent).status_code == 302
    assert alive(here)
    assert not alive(there)


def test_a_given_password_ends_all(sign_in: SignIn, world: World, database: Database) -> None:
    clerk, admin, pk = sign_in("clerk"), sign_in("admin"), world.account("clerk")
    version = admin.get(f"/api/v1/accounts/{pk}").get_json()["row"]["version"]
    assert admin.post(f"/accounts/{pk}/do/reset_password", {"version": version}).status_code == 200
    assert not alive(clerk)
    assert [row.state for row in rows(database, owner_id=pk)] == [SessionState.Ended]


def test_a_password_changed_past_the_pages_ends_all(sign_in: SignIn, world: World, database: Database) -> None:
    clerk = sign_in("clerk")
    with database.session(everything("test"), write=True) as s, door(s):
        s.get_one(Account, world.account("clerk")).password = "scrypt:something else"
    assert not alive(clerk)


def test_closing_an_account_ends_all_for_good(
    app: Flask, sign_in: SignIn, world: World, database: Database, clock: Clock
) -> None:
    clerk, pk = sign_in("clerk"), world.account("clerk")
    for active in (False, True):
        with database.session(everything("test"), write=True) as s:
            account = s.get_one(Account, pk)
            assert not save(s, account, {"active": active}, now=clock(), expected_version=account.version).errors
        assert not alive(clerk)
    assert [row.state for row in rows(database, owner_id=pk)] == [SessionState.Ended]
    assert alive(sign_in("clerk"))


def test_it_ends_when_nobody_comes_and_in_any_case(sign_in: SignIn, clock: Clock, app: Flask) -> None:
    settings = app.config["APPLICATION"]
    clerk = sign_in("clerk")
    clock.moment += timedelta(minutes=settings.session_minutes)
    assert alive(clerk)
    clock.moment += timedelta(minutes=settings.session_minutes + 6)
    assert not alive(clerk)
    busy, began = sign_in("clerk"), clock.moment
    while clock.moment < began + timedelta(hours=settings.session_hours) - timedelta(minutes=30):
        clock.moment += timedelta(minutes=30)
        assert alive(busy)
    clock.moment = began + timedelta(hours=settings.session_hours)
    assert not alive(busy)


def test_seen_is_noted_now_and_then_and_in_passing(sign_in: SignIn, database: Database, clock: Clock) -> None:
    clerk = sign_in("clerk")
    began = clock.moment
    clock.moment += timedelta(minutes=4)
    clerk.get("/cases/")
    assert [row.last_seen_at for row in rows(database)] == [began]
    clock.moment += timedelta(minutes=2)
    with counted(database) as told:
        clerk.get("/cases/")
    assert any("UPDATE signed_in" in statement for statement in told)
    with counted(database) as told:
        clerk.get("/cases/")
    assert not [statement for statement in told if "UPDATE" in statement]
    [row] = rows(database)
    assert (row.last_seen_at, row.version) == (clock.moment, 1)


@pytest.mark.parametrize("engine_name", ["sqlite"], indirect=True)
def test_seen_waits_for_nobody(sign_in: SignIn, database: Database, clock: Clock) -> None:
    clerk = sign_in("clerk")
    clock.moment += timedelta(minutes=6)
    with database.session(everything("another writer"), write=True) as s:
        s.execute(select(func.count()).select_from(Account))
        assert alive(clerk)


def test_over_and_done_with(sign_in: SignIn, database: Database, worker: Worker, clock: Clock) -> None:
    one, _ = sign_in("clerk"), sign_in("approver")
    one.post("/logout/")
    clock.moment += timedelta(days=6)
    assert tidy(worker)["sessions"] == 0
    clock.moment += timedelta(days=2)
    assert tidy(worker)["sessions"] == 2
    assert rows(database) == []


def test_a_program_cannot_see_or_end_sessions(app: Flask, sign_in: SignIn) -> None:
    admin = sign_in("admin")
    made = admin.json("POST", "/api/v1/tokens/", {"name": "t", "access": "full", "expires_at": "2026-12-01T00:00:00Z"})
    pk = made.get_json()["row"]["id"]
    secret = admin.json("POST", f"/api/v1/tokens/{pk}/issue", {"version": 1}).get_json()["answer"]
    client = app.test_client()
    answer = client.get("/api/v1/sessions/", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 403


def test_the_page_says_which_is_this_one(sign_in: SignIn) -> None:
    clerk = sign_in("clerk")
    sign_in("clerk")
    page = clerk.text("/account/")
    assert page.count("本机") == 1
    assert len(re.findall(r"/sessions/\d+/do/end", page)) == 1
