"""Signing in under attack: pauses that grow, an owner who gets in all the same, answers that tell nothing, a record
that stays readable."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

import config as settings
from benchmarks.attack import attack
from jobs.outbox import Worker
from jobs.tidy import tidy
from models import throttle
from models.account import Account
from models.database import Database
from models.message import Message
from models.scope import everything
from models.sign_in import MOST_IN_WINDOW, Attempt, Outcome
from models.throttle import Counter, Throttle, claim
from rules.throttle import PERSON
from tests.conftest import Browser, Clock
from tests.views.pages import words
from tests.views.test_budget import counted
from tests.world import NOW, PASSWORD, World
from views import entrance

SignIn = Callable[[str], Browser]


def knock(browser: Browser, username: str, password: str = "wrong", **kw: Any) -> Any:
    return browser.post("/login/", {"username": username, "password": password}, **kw)


def program(client: FlaskClient, username: str, password: str = "wrong", **kw: Any) -> Any:
    sent = {"username": username, "password": password, "provider": "db"}
    return client.post("/api/v1/security/login", json=sent, **kw)


def statuses(browser: Browser, username: str, times: int) -> list[int]:
    return [knock(browser, username).status_code for _ in range(times)]


def attempts(database: Database, outcome: Outcome) -> list[Attempt]:
    with database.session(everything("test")) as s:
        return [*s.scalars(select(Attempt).where(Attempt.outcome == outcome).order_by(Attempt.id))]


@contextmanager
def hashes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every password hash that is worked out."""
    seen: list[str] = []
    real = entrance.check_password_hash

    def check(stored: str, given: str) -> bool:
        seen.append(given)
        return bool(real(stored, given))

    with monkeypatch.context() as patch:
        patch.setattr(entrance, "check_password_hash", check)
        yield seen


# --- pauses ----------------------------------------------------------------------------------------------------------


def test_pauses_grow_and_end(app: Flask, clock: Clock) -> None:
    browser = Browser(app.test_client())
    assert statuses(browser, "clerk", 6) == [401] * 5 + [429]
    for seconds in (1, 2, 4, 8):
        clock.moment += timedelta(seconds=seconds, microseconds=-1)
        answer = knock(browser, "clerk")
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
        clock.moment += timedelta(microseconds=1)
        assert knock(browser, "clerk").status_code == 401
        assert knock(browser, "clerk").headers["Retry-After"] == str(2 * seconds)
    clock.moment += timedelta(minutes=15)
    assert knock(browser, "clerk", PASSWORD).status_code == 302


def test_waiting_is_always_the_end_of_it(app: Flask, clock: Clock) -> None:
    """While a pause lasts nothing is counted: asking again and again makes it no longer."""
    browser = Browser(app.test_client())
    statuses(browser, "clerk", 200)
    clock.moment += timedelta(seconds=1)
    assert knock(browser, "clerk", PASSWORD).status_code == 302


def test_no_pause_is_longer_than_a_quarter_of_an_hour(app: Flask, clock: Clock) -> None:
    browser = Browser(app.test_client())
    for _ in range(39):
        answer = knock(browser, "clerk")
        if answer.status_code == 429:
            assert int(answer.headers["Retry-After"]) <= 15 * 60
            clock.moment += timedelta(seconds=int(answer.headers["Retry-After"]))
    answer = knock(browser, "clerk")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, str(15 * 60))
    assert "15 分钟" in answer.get_data(as_text=True)


def test_both_doors_and_the_old_password_count_together(app: Flask, sign_in: SignIn) -> None:
    """A program and a page are two doors of one house."""
    clerk, client = sign_in("clerk"), app.test_client()
    assert [program(client, "clerk").status_code for _ in range(5)] == [401] * 5
    answer = program(client, "clerk", PASSWORD)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert answer.get_json()["problems"][0]["code"] == "paused"
    assert knock(Browser(app.test_client()), "CLERK", PASSWORD).status_code == 429
    # The browser of the owner is counted for itself, there as well.
    sent = {"old": "wrong", "new": "ein-gutes-Passwort-7", "again": "ein-gutes-Passwort-7"}
    answers = [clerk.post("/account/password", sent) for _ in range(6)]
    assert "尝试次数过多" not in answers[4].get_data(as_text=True)
    assert "尝试次数过多" in answers[5].get_data(as_text=True)
    sent["old"] = PASSWORD
    assert "尝试次数过多" in clerk.post("/account/password", sent).get_data(as_text=True)


def test_the_owner_gets_in_on_a_known_device_while_the_attack_runs(app: Flask, sign_in: SignIn, clock: Clock) -> None:
    owner = sign_in("clerk")
    assert owner.post("/logout/").status_code == 302
    attacker = Browser(app.test_client())
    for _ in range(30):
        knock(attacker, "clerk")
        clock.moment += timedelta(seconds=20)
    assert knock(attacker, "clerk", PASSWORD).status_code == 429
    assert knock(owner, "clerk", PASSWORD).status_code == 302
    # Nor did the owner's success open the door to the attacker again.
    assert knock(attacker, "clerk", PASSWORD).status_code == 429


def test_a_known_device_is_no_licence_to_guess(app: Flask, sign_in: SignIn) -> None:
    owner = sign_in("clerk")
    owner.post("/logout/")
    assert statuses(owner, "clerk", 6) == [401] * 5 + [429]
    # For other names it is a stranger like any other, and its cookie cannot be written by hand.
    assert statuses(owner, "approver", 6) == [401] * 5 + [429]
    cookie = owner.client.get_cookie("device")
    assert cookie is not None
    assert (cookie.http_only, cookie.same_site, cookie.path) == (True, "Lax", "/")
    forged = app.test_client()
    forged.set_cookie("device", cookie.value[:-2] + "xx")
    statuses(Browser(app.test_client()), "manager", 6)
    assert knock(Browser(forged), "manager", PASSWORD).status_code == 429


def test_one_address_many_names(app: Flask, clock: Clock, sign_in: SignIn, database: Database) -> None:
    """A list of names, one password each: the address pauses, for names it has not tried as well, but not for those who
    have come in from there before."""
    clerk = sign_in("clerk")
    clerk.post("/logout/")
    attacker = Browser(app.test_client())
    answers = [knock(attacker, f"name{n}").status_code for n in range(70)]
    assert answers == [401] * 60 + [429] * 10
    assert knock(attacker, "approver", PASSWORD).status_code == 429
    elsewhere = {"REMOTE_ADDR": "10.9.8.7"}
    assert knock(attacker, "approver", PASSWORD, environ_overrides=elsewhere).status_code == 302
    assert knock(clerk, "clerk", PASSWORD).status_code == 302
    clock.moment += timedelta(seconds=1)
    assert knock(Browser(app.test_client()), "manager", PASSWORD).status_code == 302
    # However many names: one row for the address while it pauses.
    [paused] = attempts(database, Outcome.Paused)[:1]
    assert (paused.count, paused.name, paused.account_id) == (10, None, None)


def test_attempts_at_the_same_moment_do_not_slip_through(database: Database) -> None:
    """Of thirty at once five are looked at, as of thirty one after another."""
    with ThreadPoolExecutor(10) as pool:
        found = [*pool.map(lambda _: claim(database, [Counter("k" * 64, PERSON)], NOW), range(30))]
    assert sum(pause is None for pause in found) <= PERSON.free
    with database.session(everything("test")) as s:
        row = s.scalars(select(Throttle)).one()
        assert row.serial == sum(pause is None for pause in found)


def test_a_busy_hall_never_waits(database: Database) -> None:
    """Three hundred people come in through one address within a minute, one in ten mistypes."""
    moment = NOW
    counters = [Counter("a" * 64, entrance.ADDRESS)]
    for n in range(300):
        moment += timedelta(milliseconds=200)
        assert claim(database, counters, moment) is None, n
        if n % 10:
            with database.session(everything("test"), write=True) as s:
                throttle.take_back(s, counters[0])


# --- what the answers tell -------------------------------------------------------------------------------------------


def test_unknown_names_and_wrong_passwords_cost_the_same(
    app: Flask, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One hash, the same statements, the same words; while paused no hash at all."""
    browser, seen = Browser(app.test_client()), set()
    for n, username in enumerate(("clerk", "nobody")):
        alone = {"REMOTE_ADDR": f"10.3.3.{n}"}  # an address is counted once it has failed
        with hashes(monkeypatch) as hashed, counted(database) as told:
            answer = knock(browser, username, environ_overrides=alone)
        assert hashed == ["wrong"]
        page = re.sub(r'value="[^"]*"', "", answer.get_data(as_text=True))
        seen.add((answer.status_code, page, tuple(re.sub(r"\s+", " ", statement) for statement in told)))
    assert len(seen) == 1
    seen = set()
    for username in ("clerk", "nobody"):
        statuses(browser, username, 5)
        with hashes(monkeypatch) as hashed, counted(database) as told:
            answer = knock(browser, username, PASSWORD)
            spoken = program(app.test_client(), username, PASSWORD)
        assert hashed == []
        page = re.sub(r'value="[^"]*"', "", answer.get_data(as_text=True))
        statements = tuple(re.sub(r"\s+", " ", statement) for statement in told)
        seen.add((answer.status_code, page, spoken.status_code, spoken.get_data(as_text=True), statements))
    assert len(seen) == 1


@pytest.mark.parametrize("password", ["", "\x00", "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace")])
def test_whatever_is_sent_is_hashed_once(app: Flask, monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    browser = Browser(app.test_client())
    for username in ("clerk", "nobody", "", "\x00"):
        with hashes(monkeypatch) as hashed:
            assert knock(browser, username, password).status_code == 401
        assert len(hashed) == 1


def test_no_transaction_is_open_while_a_password_is_hashed(
    app: Flask, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = entrance.check_password_hash

    def check(stored: str, given: str) -> bool:
        with database.session(everything("another writer"), write=True) as s:  # would wait for ever behind a lock
            s.execute(select(func.count()).select_from(Account))
        assert database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        return bool(real(stored, given))

    monkeypatch.setattr(entrance, "check_password_hash", check)
    assert knock(Browser(app.test_client()), "clerk", PASSWORD).status_code == 302
    assert program(app.test_client(), "clerk", PASSWORD).status_code == 200


def test_an_e_mail_address_is_no_user_name(app: Flask) -> None:
    """It would be a second allowance to guess at one account."""
    assert knock(Browser(app.test_client()), "clerk@example.invalid", PASSWORD).status_code == 401
    assert knock(Browser(app.test_client()), "Clerk", PASSWORD).status_code == 302


def test_a_right_password_forgets_what_was_mistyped(app: Flask) -> None:
    browser = Browser(app.test_client())
    statuses(browser, "clerk", 4)
    assert knock(browser, "clerk", PASSWORD).status_code == 302
    assert statuses(Browser(app.test_client()), "clerk", 5) == [401] * 5


# --- the record ------------------------------------------------------------------------------------------------------


def test_what_was_typed_as_a_name_is_not_kept(app: Flask, database: Database, sign_in: SignIn) -> None:
    browser = Browser(app.test_client())
    for typed in ("hunter2-mein-Passwort", "hunter2-mein-Passwort", "andere"):
        knock(browser, typed)
    one, other = attempts(database, Outcome.Wrong)
    assert (one.count, other.count) == (2, 1)
    assert one.name
    assert one.name != other.name
    dump = [str(vars(row)) for row in (one, other)]
    assert "hunter2" not in "".join(dump)
    page = sign_in("auditor").text("/sign-ins/")
    assert one.name in page
    assert "hunter2" not in page


def test_everybody_sees_attempts_on_the_own_account(app: Flask, sign_in: SignIn, world: World) -> None:
    browser = Browser(app.test_client())
    knock(browser, "clerk", environ_overrides={"REMOTE_ADDR": "10.66.6.6"})
    knock(browser, "approver", environ_overrides={"REMOTE_ADDR": "10.77.7.7"})
    clerk = sign_in("clerk")
    for path in ("/sign-ins/", "/account/"):
        page = words(clerk.text(path))
        assert "用户名或密码有误" in page
        assert "10.66.6.6" in page
        assert "10.77.7.7" not in page
    both = words(sign_in("auditor").text("/sign-ins/"))
    assert "10.66.6.6" in both
    assert "10.77.7.7" in both
    rows = clerk.get("/api/v1/sign-ins/").get_json()["rows"]
    assert {row["account_id"] for row in rows} == {world.account("clerk")}
    assert all("key" not in row for row in rows)


def test_an_attack_is_a_few_rows(app: Flask, database: Database, clock: Clock) -> None:
    """The small sister of ``python -m benchmarks.attack``."""
    found = attack(app, database, clock, 600, username="clerk", password=PASSWORD)
    assert found.signed_in
    assert found.looked_at <= 30
    assert found.rows <= 12
    assert sum(row.count for row in attempts(database, Outcome.Paused)) == found.paused


def test_many_addresses_fill_no_table(app: Flask, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.sign_in.MOST_IN_WINDOW", 20)
    browser = Browser(app.test_client())
    for n in range(40):
        knock(browser, f"name{n}", environ_overrides={"REMOTE_ADDR": f"10.0.0.{n}"})
    rows = attempts(database, Outcome.Wrong)
    assert len(rows) == 21
    assert (rows[-1].address, rows[-1].count) == ("*", 20)
    assert MOST_IN_WINDOW < 1000


def test_a_new_window_is_a_new_row(app: Flask, database: Database, clock: Clock) -> None:
    browser = Browser(app.test_client())
    for _ in range(2):
        knock(browser, "clerk")
        knock(browser, "clerk")
        clock.moment += timedelta(minutes=10)
    assert [row.count for row in attempts(database, Outcome.Wrong)] == [2, 2]


def test_the_record_is_kept_for_its_time(app: Flask, database: Database, worker: Worker, clock: Clock) -> None:
    browser = Browser(app.test_client())
    statuses(browser, "clerk", 6)
    assert settings.Config().sign_in_days >= 180
    clock.moment += timedelta(days=worker.config.sign_in_days - 1)
    assert (tidy(worker)["sign-ins"], tidy(worker)["throttles"]) == (0, 0)
    with database.session(everything("test")) as s:
        assert s.scalar(select(func.count()).select_from(Throttle)) == 0  # forgotten long ago
    clock.moment += timedelta(days=2)
    assert tidy(worker)["sign-ins"] == 2


def test_a_new_device_is_told_to_the_owner(app: Flask, sign_in: SignIn, database: Database) -> None:
    def told() -> list[Message]:
        with database.session(everything("test")) as s:
            return [*s.scalars(select(Message).where(Message.text == entrance.NEW_DEVICE))]

    clerk = sign_in("clerk")
    assert told() == []  # nothing to compare it with
    clerk.post("/logout/")
    assert knock(clerk, "clerk", PASSWORD).status_code == 302
    assert told() == []
    agent = {"User-Agent": "Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36"}
    other = Browser(app.test_client())
    knock(other, "clerk", PASSWORD, environ_overrides={"REMOTE_ADDR": "10.1.1.1"}, headers=agent)
    [message] = told()
    assert message.params == {"device": "Chrome · Windows", "address": "10.1.1.1"}
    assert "Chrome · Windows，地址 10.1.1.1" in words(clerk.text("/messages/"))
    for _ in range(3):  # programs have no cookie: once a day is enough
        assert program(app.test_client(), "clerk", PASSWORD).status_code == 200
    assert len(told()) == 2


def test_many_people_at_one_machine_are_all_known_there(app: Flask) -> None:
    browser = Browser(app.test_client())
    for person in ("clerk", "colleague", "approver"):
        assert knock(browser, person, PASSWORD).status_code == 302
        browser.post("/logout/")
    for person in ("clerk", "colleague", "approver"):
        statuses(Browser(app.test_client()), person, 6)
        assert knock(browser, person, PASSWORD).status_code == 302
        browser.post("/logout/")


def test_the_cookies_of_an_installation_with_https(config: settings.Config, database: Database, clock: Clock) -> None:
    from run import create_app

    app = create_app(replace(config, https=True), clock=clock, database=database)
    app.appbuilder.sm.limiter.enabled = False
    client = app.test_client()
    page = client.get("/login/", base_url="https://localhost").get_data(as_text=True)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert token
    sent = {"csrf_token": token.group(1), "username": "clerk", "password": PASSWORD}
    headers = {"Referer": "https://localhost/login/"}
    answer = client.post("/login/", base_url="https://localhost", data=sent, headers=headers)
    assert answer.status_code == 302
    cookies = answer.headers.getlist("Set-Cookie")
    assert {cookie.partition("=")[0] for cookie in cookies} == {"__Host-session", "__Host-device"}
    for cookie in cookies:
        parts = {part.strip() for part in cookie.split(";")}
        assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= parts
        assert not [part for part in parts if part.startswith("Domain")]
