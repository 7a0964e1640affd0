"""The second factor: set up with a code, asked at each sign-in, good once; lost phones; who must have one."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from models import second_factor
from models.access import load_person
from models.account import Account
from models.database import Database
from models.declare import Role
from models.event import Event
from models.role import AccessRole
from models.scope import everything
from models.second_factor import RecoveryCode, SecondFactor, accepts
from models.sign_in import Attempt, Outcome
from models.write import save
from rules import totp
from tests.conftest import Browser, Clock
from tests.views.pages import words
from tests.world import NOW, PASSWORD, World

SignIn = Callable[[str], Browser]
HALF_MINUTE = timedelta(seconds=30)
NEW = "ein-gutes-Passwort-7"


def set_up(browser: Browser, clock: Clock) -> tuple[str, list[str]]:
    """Switch it on as a person does; returns the secret and the recovery codes."""
    page = browser.text("/account/second-factor/")
    found = re.search(r'class="answer">([A-Z2-7 ]+)<', page)
    assert found
    secret = found.group(1).replace(" ", "")
    answer = browser.post("/account/second-factor/", {"password": PASSWORD, "code": code_now(secret, clock)})
    assert answer.status_code == 200
    codes = re.findall(r'<li class="answer">([A-Z2-7-]+)</li>', answer.get_data(as_text=True))
    assert len(codes) == 10
    clock.moment += HALF_MINUTE
    return secret, codes


def code_now(secret: str, clock: Clock) -> str:
    return totp.code_of(secret, totp.step_at(clock()))


def first_step(app: Flask, person: str = "clerk", password: str = PASSWORD, **sent: Any) -> Browser:
    browser = Browser(app.test_client())
    answer = browser.post("/login/", {"username": person, "password": password, **sent})
    assert (answer.status_code, "验证码" in answer.get_data(as_text=True)) == (200, True)
    return browser


def second_step(browser: Browser, code: str, **sent: Any) -> Any:
    return browser.post("/login/code", {"code": code, **sent})


def alive(browser: Browser) -> bool:
    return bool(browser.get("/cases/").status_code == 200)


def events(database: Database) -> list[str | None]:
    with database.session(everything("test")) as s:
        told = select(Event.action).where(Event.subject_type == "accounts", Event.action.is_not(None))
        return [*s.scalars(told.order_by(Event.id))]


def test_two_steps(app: Flask, sign_in: SignIn, clock: Clock, world: World) -> None:
    secret, _ = set_up(sign_in("clerk"), clock)
    browser = first_step(app, next=f"/cases/{world.case('申请人红鲤')}")
    assert not alive(browser)
    assert browser.get("/api/v1/cases/").status_code == 401
    answer = second_step(browser, code_now(secret, clock), next=f"/cases/{world.case('申请人红鲤')}")
    assert answer.headers["Location"] == f"/cases/{world.case('申请人红鲤')}"
    assert alive(browser)


def test_a_form_that_came_too_late_goes_along(app: Flask, sign_in: SignIn, clock: Clock) -> None:
    secret, _ = set_up(sign_in("clerk"), clock)
    kept = '[["applicant", "泉城示例烘焙坊"]]'
    page = first_step(app, next="/cases/new", kept=kept)
    answer = second_step(page, code_now(secret, clock), next="/cases/new", kept=kept)
    assert "泉城示例烘焙坊" in answer.get_data(as_text=True)


def test_each_code_is_good_once(app: Flask, sign_in: SignIn, clock: Clock) -> None:
    secret, codes = set_up(sign_in("clerk"), clock)
    code = code_now(secret, clock)
    assert second_step(first_step(app), code).status_code == 302
    assert second_step(first_step(app), code).status_code == 401
    assert second_step(first_step(app), codes[3].lower().replace("-", " ")).status_code == 302
    assert second_step(first_step(app), codes[3]).status_code == 401
    assert second_step(first_step(app), codes[4]).status_code == 302


def test_of_two_at_the_same_moment_one_is_right(sign_in: SignIn, clock: Clock, database: Database, config: Any) -> None:
    """Both read the row before either wrote: the conditional statement decides."""
    secret, _ = set_up(sign_in("clerk"), clock)
    code = code_now(secret, clock)
    with database.session(everything("test")) as s:
        pk = s.scalars(select(SecondFactor.account_id)).one()
    right = []
    for _ in range(2):
        with database.session(everything("test"), write=True) as s:
            right.append(accepts(s, pk, code, config.secret_key, clock()))
    assert right == [True, False]


def test_a_clock_may_be_half_a_minute_off(app: Flask, sign_in: SignIn, clock: Clock) -> None:
    secret, _ = set_up(sign_in("clerk"), clock)
    clock.moment += timedelta(minutes=5)
    for away, status in ((-2, 401), (2, 401), (-1, 302), (1, 302)):
        code = totp.code_of(secret, totp.step_at(clock()) + away)
        assert second_step(first_step(app), code).status_code == status, away


def test_the_first_step_lasts_five_minutes(app: Flask, sign_in: SignIn, clock: Clock) -> None:
    secret, _ = set_up(sign_in("clerk"), clock)
    browser, late = first_step(app), first_step(app)
    clock.moment += timedelta(minutes=4, seconds=59)
    assert second_step(browser, code_now(secret, clock)).status_code == 302
    clock.moment += timedelta(seconds=1)
    assert second_step(late, code_now(secret, clock)).status_code == 401
    assert late.get("/login/code").headers["Location"].startswith("/login/")


def test_without_the_first_step_no_code_is_looked_at(app: Flask, sign_in: SignIn, clock: Clock) -> None:
    secret, _ = set_up(sign_in("clerk"), clock)
    stranger = Browser(app.test_client())
    assert second_step(stranger, code_now(secret, clock)).status_code == 401
    assert not alive(stranger)


def test_a_new_password_ends_a_first_step(app: Flask, sign_in: SignIn, clock: Clock) -> None:
    clerk = sign_in("clerk")
    secret, _ = set_up(clerk, clock)
    half = first_step(app)
    assert clerk.post("/account/password", {"old": PASSWORD, "new": NEW, "again": NEW}).status_code == 302
    assert second_step(half, code_now(secret, clock)).status_code == 401


def test_codes_are_held_up_like_passwords(app: Flask, sign_in: SignIn, clock: Clock, database: Database) -> None:
    owner = sign_in("clerk")
    secret, _ = set_up(owner, clock)
    owner.post("/logout/")
    attacker = first_step(app)
    assert [second_step(attacker, "000000").status_code for _ in range(6)] == [401] * 5 + [429]
    answer = second_step(attacker, code_now(secret, clock))
    assert (answer.status_code, "尝试次数过多" in answer.get_data(as_text=True)) == (429, True)
    with database.session(everything("test")) as s:
        wrong = s.scalars(select(Attempt).where(Attempt.outcome == Outcome.WrongCode)).one()
        assert wrong.count == 5
    # The owner's own browser is counted for itself.
    assert owner.post("/login/", {"username": "clerk", "password": PASSWORD}).status_code == 200
    assert second_step(owner, code_now(secret, clock)).status_code == 302


def test_rest_refuses_the_password_alone(app: Flask, sign_in: SignIn, clock: Clock) -> None:
    set_up(sign_in("clerk"), clock)
    sent = {"username": "clerk", "password": PASSWORD, "provider": "db"}
    answer = app.test_client().post("/api/v1/security/login", json=sent)
    assert (answer.status_code, answer.get_json()["problems"][0]["code"]) == (403, "second_factor")
    sent["password"] = "wrong"
    assert app.test_client().post("/api/v1/security/login", json=sent).status_code == 401


def test_the_secret_is_not_to_be_read_from_the_database(
    app: Flask, sign_in: SignIn, clock: Clock, database: Database, config: Any, caplog: pytest.LogCaptureFixture
) -> None:
    secret, codes = set_up(sign_in("clerk"), clock)
    with database.session(everything("test")) as s:
        stored = s.scalars(select(SecondFactor)).one()
        assert secret not in stored.secret
        assert second_factor.opened(stored.secret, config.secret_key) == secret
        assert second_factor.opened(stored.secret, "x" * 48) is None
        hashes = [*s.scalars(select(RecoveryCode.code_hash))]
        assert not {totp.plain(code) for code in codes} & set(hashes)
    # With another key the app's codes are lost, the recovery codes are not.
    with database.session(everything("test"), write=True) as s:
        assert not accepts(s, stored.account_id, code_now(secret, clock), "x" * 48, clock())
        assert accepts(s, stored.account_id, codes[0], "x" * 48, clock())
    assert "SECRET_KEY" in caplog.text


def test_set_up_takes_a_right_code(sign_in: SignIn, clock: Clock, database: Database) -> None:
    clerk = sign_in("clerk")
    clerk.text("/account/second-factor/")
    answer = clerk.post("/account/second-factor/", {"password": PASSWORD, "code": "000000"})
    assert answer.status_code == 422
    assert "验证码有误" in answer.get_data(as_text=True)
    picture = clerk.get("/account/second-factor/picture")
    assert (picture.mimetype, picture.data[:4]) == ("image/png", b"\x89PNG")
    assert picture.headers["Cache-Control"] == "no-store"
    with database.session(everything("test")) as s:
        assert s.scalars(select(SecondFactor)).all() == []
    set_up(clerk, clock)
    assert clerk.get("/account/second-factor/picture").status_code == 404
    assert events(database) == ["second_factor_on"]
    assert "启用二次验证" in words(sign_in("admin").text("/events/"))


def test_an_offer_is_its_owners(app: Flask, sign_in: SignIn) -> None:
    """A cookie planted in another browser sets nobody up with a secret that somebody else knows."""
    stranger, clerk = sign_in("outsider"), sign_in("clerk")
    stranger.text("/account/second-factor/")
    with stranger.client.session_transaction() as held:
        offer = held["offer"]
    with clerk.client.session_transaction() as held:
        held["offer"] = offer
    assert clerk.get("/account/second-factor/picture").status_code == 404


def test_switching_off_takes_password_and_code(app: Flask, sign_in: SignIn, clock: Clock, database: Database) -> None:
    clerk = sign_in("clerk")
    secret, codes = set_up(clerk, clock)

    def ask(what: str, password: str, code: str) -> Any:
        return clerk.post("/account/second-factor/", {"what": what, "password": password, "code": code})

    assert ask("off", "wrong", code_now(secret, clock)).status_code == 422
    assert ask("off", PASSWORD, "000000").status_code == 422
    answer = ask("codes", PASSWORD, code_now(secret, clock))
    fresh = re.findall(r'<li class="answer">([A-Z2-7-]+)</li>', answer.get_data(as_text=True))
    assert len(fresh) == 10
    assert second_step(first_step(app), codes[0]).status_code == 401
    assert ask("off", PASSWORD, fresh[0]).headers["Location"] == "/account/"
    plain = Browser(app.test_client())
    assert plain.post("/login/", {"username": "clerk", "password": PASSWORD}).status_code == 302
    assert events(database) == ["second_factor_on", "recovery_codes", "second_factor_off"]
    with database.session(everything("test")) as s:
        assert s.scalars(select(RecoveryCode)).all() == []


def test_the_administrator_can_take_it_away(
    app: Flask, sign_in: SignIn, clock: Clock, world: World, database: Database
) -> None:
    set_up(sign_in("clerk"), clock)
    admin, pk = sign_in("admin"), world.account("clerk")

    def ask(browser: Browser) -> Any:
        version = admin.get(f"/api/v1/accounts/{pk}").get_json()["row"]["version"]
        return browser.post(f"/accounts/{pk}/do/reset_second_factor", {"version": version})

    assert ask(sign_in("manager")).status_code == 403
    assert ask(admin).status_code == 302
    assert Browser(app.test_client()).post("/login/", {"username": "clerk", "password": PASSWORD}).status_code == 302
    assert ask(admin).status_code == 422
    assert events(database) == ["second_factor_on", "reset_second_factor"]


def test_recovery_codes_run_low_and_are_counted(app: Flask, sign_in: SignIn, clock: Clock) -> None:
    clerk = sign_in("clerk")
    _, codes = set_up(clerk, clock)
    assert "恢复码还剩 10 个" in html.unescape(clerk.text("/account/"))
    for code in codes[:7]:
        assert second_step(first_step(app), code).status_code == 302
    page = clerk.text("/account/")
    assert '<span class="sub due warn">恢复码还剩 3 个。</span>' in page


# --- who must have one -----------------------------------------------------------------------------------------------


def require(database: Database, role: Role) -> None:
    """As an administrator ticks it on the page of the role."""
    with database.session(everything("test"), write=True) as s:
        row = s.scalars(select(AccessRole).where(AccessRole.name == role.value)).one()
        assert not save(s, row, {"second_factor": True}, now=NOW, expected_version=row.version).errors


def test_nobody_must_by_default(database: Database, world: World) -> None:
    with database.session(everything("test")) as s:
        person = load_person(s, world.account("admin"), NOW)
    assert person is not None
    assert (person.second_factor_required, person.has_second_factor) == (False, False)


def test_whoever_must_sets_it_up_before_anything_else(
    app: Flask, sign_in: SignIn, clock: Clock, database: Database
) -> None:
    clerk = sign_in("clerk")
    sent = {"username": "clerk", "password": PASSWORD, "provider": "db"}
    token = app.test_client().post("/api/v1/security/login", json=sent).get_json()["access_token"]
    require(database, Role.Clerk)
    for path in ("/", "/cases/", "/account/", "/sessions/"):
        assert clerk.get(path).headers["Location"] == "/account/second-factor/", path
    assert clerk.post("/cases/new", {}).headers["Location"] == "/account/second-factor/"
    assert clerk.get("/api/v1/cases/").status_code == 403
    bearer = {"Authorization": f"Bearer {token}"}
    assert app.test_client().get("/api/v1/cases/", headers=bearer).status_code == 403
    assert "您的角色必须启用二次验证" in clerk.text("/account/second-factor/")
    assert clerk.get("/account/second-factor/picture").status_code == 200
    secret, _ = set_up(clerk, clock)
    assert clerk.get("/cases/").status_code == 200
    refused = {"what": "off", "password": PASSWORD, "code": code_now(secret, clock)}
    assert clerk.post("/account/second-factor/", refused).status_code == 422
    assert "停用二次验证" not in clerk.text("/account/second-factor/")


def test_a_given_password_comes_first(sign_in: SignIn, database: Database, world: World) -> None:
    require(database, Role.Clerk)
    clerk = sign_in("clerk")
    with database.session(everything("test"), write=True) as s:
        s.execute(update(Account).where(Account.id == world.account("clerk")).values(must_change_password=True))
    assert clerk.get("/cases/").headers["Location"] == "/account/password"
    assert clerk.post("/account/password", {"old": PASSWORD, "new": NEW, "again": NEW}).status_code == 302
    assert clerk.get("/cases/").headers["Location"] == "/account/second-factor/"
