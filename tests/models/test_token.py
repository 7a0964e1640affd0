"""Tokens and replays: what a secret opens, how far, for how long; and a key that makes one row."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError

from models import registries
from models.case import Case
from models.database import Database, is_busy
from models.declare import Reach
from models.event import Event
from models.item import Item
from models.replay import KEPT, NO_ROW, Replay, claim, fingerprint, purge
from models.scope import READING, Forbidden, Scope, ScopedSession, ScopeError, everything
from models.token import (
    LONGEST_LIFE,
    NOTED_EVERY,
    PREFIX,
    Token,
    TokenAccess,
    is_to_note,
    living,
    note_use,
    scope_for,
)
from models.workflow import act, move
from models.write import save
from tests.world import NOW, World, put

Opened = Callable[..., ScopedSession]
ISSUE = next(a for a in Token.__admin__.actions if a.name == "issue")


def token(s: ScopedSession, **values: Any) -> tuple[Token, str]:
    """A token of whoever *s* belongs to, with its secret."""
    given = {"name": "程序", "expires_at": NOW + timedelta(days=30), **values}
    row = put(s, Token(), **given)
    problems, secret = act(s, row, ISSUE, now=NOW, expected_version=row.version)
    assert not problems
    return row, str(secret)


# --- narrowing ---------------------------------------------------------------------------------------------------


def grants(scope: Scope) -> set[tuple[str, str, Reach]]:
    return {(name, verb, reach) for name, held in scope.reaches.items() for verb, reach in held.items()}


@pytest.mark.parametrize("person", ["admin", "manager", "clerk", "approver", "auditor", "outsider"])
def test_narrowing_never_widens(world: World, person: str) -> None:
    whole = world.scope(person)
    verbs = ("list", "show", "add", "dance")
    for narrow in (
        whole.narrowed(),
        whole.narrowed(verbs=READING),
        whole.narrowed(verbs=()),
        whole.narrowed(registries=("cases", "nothing")),
        whole.narrowed(verbs=verbs, registries=("cases", "accounts", "tokens"), only={"tokens": ()}),
        whole.narrowed(verbs=READING).narrowed(verbs=("list", "add")),
    ):
        assert grants(narrow) <= grants(whole)
        for name in registries():
            assert (narrow.reading(name) or 0) <= (whole.reading(name) or 0), name
    assert grants(whole.narrowed()) == grants(whole)
    assert {v for _, v, _ in grants(whole.narrowed(verbs=READING))} <= set(READING)
    assert {n for n, _, _ in grants(whole.narrowed(registries=("cases",)))} <= {"cases"}
    kept = whole.narrowed(verbs=verbs, only={"cases": ("list",)}).reaches.get("cases", {})
    assert set(kept) <= {"list"}
    assert grants(whole.narrowed(verbs=READING).narrowed(verbs=("list", "add"))) == grants(
        whole.narrowed(verbs=("list",))
    )


def test_a_command_is_not_narrowed() -> None:
    with pytest.raises(ScopeError, match="cannot be narrowed"):
        everything("test").narrowed(verbs=READING)


def test_rules_still_see_what_doors_no_longer_show(world: World, opened: Opened) -> None:
    """A case can be judged and accepted although the token opens neither items nor departments."""
    clerk = world.scope("clerk")
    narrow = clerk.narrowed(registries=("cases",))
    s = opened(narrow, write=True)
    case = s.get_one(Case, world.case("申请人红鲤"))
    assert case.item.name == "公共场所卫生许可鲤"
    assert not narrow.may("items", "list", "show")
    with pytest.raises(Forbidden):
        narrow.demand("show", case.item)
    assert not move(s, case, "accept", now=NOW, expected_version=case.version).errors
    assert s.scalar(select(func.count()).select_from(Item)) == 2  # still no more than the clerk's own
    with pytest.raises(Forbidden):
        save(s, case.item, {"phone": "1"}, now=NOW, expected_version=case.item.version)


def test_what_a_token_narrows_to(world: World, opened: Opened) -> None:
    admin = world.scope("admin")
    s = opened(admin, write=True)
    row, _ = token(s, access=TokenAccess.Full)
    scope = scope_for(row, admin)
    assert not scope.may("tokens", *Token.__admin__.verbs)
    assert scope.may("accounts", "list")
    assert scope.may("accounts", "show")
    assert not scope.may("accounts", "add", "edit", "reset_password")
    assert scope.may("items", "edit", "publish")
    row.access = TokenAccess.Read
    assert {v for _, v, _ in grants(scope_for(row, admin))} == set(READING)
    row.registries = "items  regions tokens"
    assert set(scope_for(row, admin).reaches) == {"items", "regions", "tokens"}
    assert not scope_for(row, admin).may("tokens", "list")
    row.access = TokenAccess.Full
    assert scope_for(row, admin).may("items", "delete")
    assert not scope_for(row, admin).may("cases", "list")
    s.rollback()


# --- secrets -----------------------------------------------------------------------------------------------------


def test_a_secret_lives_until_it_is_replaced_revoked_or_over(world: World, opened: Opened) -> None:
    s = opened(world.scope("clerk"), write=True)
    row, secret = token(s)
    assert secret.startswith(PREFIX)
    assert secret.startswith(row.start)
    assert len(secret) == 46
    found = living(s, secret, NOW)
    assert found is not None
    assert found.id == row.id
    for wrong in ("", PREFIX, secret[:-1], secret + "x", secret.lower(), row.start, row.secret_hash):
        assert living(s, str(wrong), NOW) is None, wrong
    assert living(s, secret, row.expires_at - timedelta(seconds=1)) is not None
    assert living(s, secret, row.expires_at) is None
    problems, second = act(s, row, ISSUE, now=NOW, expected_version=row.version)
    assert not problems
    assert living(s, secret, NOW) is None
    assert living(s, str(second), NOW) is not None
    assert not move(s, row, "revoke", now=NOW, expected_version=row.version).errors
    assert living(s, str(second), NOW) is None
    problems, third = act(s, row, ISSUE, now=NOW, expected_version=row.version)
    assert [p.code for p in problems] == ["revoked"]
    assert third is None
    told = str([e.changes for e in opened().scalars(select(Event))])
    assert secret not in told
    assert str(row.secret_hash) not in told


def test_who_has_no_token_yet_is_nobody(world: World, opened: Opened) -> None:
    """A token whose secret was never made cannot be found by none."""
    s = opened(world.scope("clerk"), write=True)
    put(s, Token(), name="程序", expires_at=NOW + timedelta(days=1))
    for nothing in ("", "None", "null"):
        assert living(s, nothing, NOW) is None


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"expires_at": NOW}, "expires_at", "past"),
        ({"expires_at": NOW + LONGEST_LIFE + timedelta(days=1)}, "expires_at", "too_long"),
        ({"registries": "cases nothing"}, "registries", "not_in_list"),
        ({"owner_id": 1}, "owner_id", "read_only"),
        ({"secret_hash": "x"}, "secret_hash", "unknown_field"),
    ],
)
def test_rules(world: World, opened: Opened, changes: dict[str, Any], field: str, code: str) -> None:
    s = opened(world.scope("clerk"), write=True)
    given = {"name": "程序", "expires_at": NOW + timedelta(days=1), **changes}
    assert [(p.field, p.code) for p in save(s, Token(), given, now=NOW)] == [(field, code)]


def test_a_token_is_its_owners_alone(world: World, database: Database, opened: Opened) -> None:
    with database.session(world.scope("clerk"), write=True) as s:
        row, _ = token(s)
    assert row.owner_id == world.account("clerk")
    for person, seen in (("clerk", 1), ("colleague", 0), ("outsider", 0), ("manager", 0), ("admin", 0), ("auditor", 0)):
        assert opened(world.scope(person)).scalar(select(func.count()).select_from(Token)) == seen, person


def test_its_use_is_noted_now_and_then(world: World, database: Database) -> None:
    with database.session(world.scope("clerk"), write=True) as s:
        row, _ = token(s)
    version, times = row.version, []
    for moment in (NOW, NOW + NOTED_EVERY, NOW + NOTED_EVERY + timedelta(seconds=1)):
        with database.hurried(everything("test")) as s:
            note_use(s, row.id, moment)
        with database.session(everything("test")) as s:
            row = s.get_one(Token, row.id)
        times.append(row.last_used_at)
        assert not is_to_note(row, moment)
    assert times == [NOW, NOW, NOW + NOTED_EVERY + timedelta(seconds=1)]
    assert row.version == version  # whoever edits it meanwhile is not called stale


def test_a_hurried_session_does_not_wait(world: World, database: Database) -> None:
    """On SQLite, where there is one writer at a time, it gives up; afterwards the connection is patient again."""
    noted = update(Replay).values(key="x")
    with database.session(everything("test"), write=True) as other:
        other.execute(noted)
        begun = time.monotonic()
        if database.is_sqlite:
            with pytest.raises(OperationalError) as caught, database.hurried(everything("test")) as s:
                s.execute(noted)
            assert is_busy(caught.value)
        else:
            with database.hurried(everything("test")) as s:
                s.execute(noted)
        assert time.monotonic() - begun < 5
    with database.hurried(everything("test")) as s:
        s.execute(noted)
    if database.is_sqlite:
        with database.engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 15_000


# --- replays -----------------------------------------------------------------------------------------------------


def test_a_key_is_claimed_once(database: Database) -> None:
    with database.session(everything("test"), write=True) as s:
        first = claim(s, 1, "k", "cases", {"a": 1, "b": [2]}, NOW)
        assert first.subject_id == NO_ROW
        first.subject_id = 7
    with database.session(everything("test"), write=True) as s:
        again = claim(s, 1, "k", "items", {"b": [2], "a": 1}, NOW)
        assert (again.id, again.subject_id, again.subject_type) == (first.id, 7, "cases")
        assert again.fingerprint == fingerprint({"b": [2], "a": 1})
        assert again.fingerprint != fingerprint({"a": 1, "b": [2, 3]})
        for account, key in ((2, "k"), (1, "K"), (1, "k ")):
            assert claim(s, account, key, "cases", {}, NOW).subject_id == NO_ROW


def test_old_keys_are_forgotten(database: Database) -> None:
    with database.session(everything("test"), write=True) as s:
        for n, age in enumerate((timedelta(0), KEPT, KEPT + timedelta(seconds=1), KEPT * 2)):
            claim(s, 1, f"k{n}", "cases", {}, NOW - age).subject_id = 1
    with database.session(everything("test"), write=True) as s:
        assert purge(s, NOW) == 2
        assert purge(s, NOW) == 0
    with database.session(everything("test")) as s:
        assert [*s.scalars(select(Replay.key).order_by(Replay.key))] == ["k0", "k1"]
