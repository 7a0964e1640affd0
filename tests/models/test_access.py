"""Roles put together here, roles for a time, stand-ins: what they grant, when, and how far at the most."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from alembic import command
from sqlalchemy import select

from config import Config
from jobs.setup import alembic
from models import registries
from models.access import load_person, stored_pairs, sync
from models.account import Account, FabRole, PermissionView, ViewMenu
from models.case import Case
from models.database import Database
from models.declare import READING, RIGHTS, Reach, Role
from models.delegation import Delegation, deputies
from models.event import Event, broken_links
from models.role import AccessRole, RoleState, capped, choosable, declared, everybodys, grant_problems, told_as
from models.role_term import RoleTerm
from models.scope import Scope, everything
from models.second_factor import switch_on
from models.term import TermState, end_past
from models.why import verdicts
from models.workflow import move
from models.write import save
from rules.totp import new_secret
from rules.words import Problems
from tests.world import NOW, World, put

TODAY = date(2026, 6, 17)
DAY = timedelta(days=1)
SEE_CASES = {"cases": {"list": "own", "show": "own"}, "items": {"list": "own", "show": "own"}}


def put_together(database: Database, name: str, grants: dict[str, dict[str, str]], **values: Any) -> int:
    with database.session(everything("test"), write=True) as s:
        role = put(s, AccessRole(), name=name, grants=grants, **values)
        return int(role.id)


def give_for_good(database: Database, world: World, person: str, role_id: int) -> None:
    with database.session(everything("test"), write=True) as s:
        account = s.get_one(Account, world.account(person))
        held = s.get_one(AccessRole, role_id).role_id
        roles = [*(r.id for r in account.roles), held]
        assert not save(s, account, {"roles": roles}, now=NOW, expected_version=account.version).errors


def give_for_a_time(database: Database, world: World, person: str, role_id: int, first: date, last: date) -> int:
    with database.session(everything("test"), write=True) as s:
        told = {"account_id": world.account(person), "role_id": role_id, "from_day": first, "until_day": last}
        row = RoleTerm()
        made = NOW - max(TODAY - first, timedelta())  # agreed on its first day, if that has been
        assert not save(s, row, told, now=made).errors
        return int(row.id)


def stand_in(database: Database, world: World, owner: str, deputy: str, first: date, last: date) -> int:
    with database.session(everything("test"), write=True) as s:
        told = {"owner_id": world.account(owner), "deputy_id": world.account(deputy)}
        return int(put(s, Delegation(), **told, from_day=first, until_day=last).id)


def role_of(world: World, role: Role) -> int:
    return world.id(AccessRole, name=role.value)


# --- declared roles --------------------------------------------------------------------------------------------------


def test_sync_keeps_what_is_declared(database: Database) -> None:
    with database.session(everything("test")) as s:
        rows = {r.name: r for r in s.scalars(select(AccessRole))}
        assert set(rows) == {role.value for role in Role}
        for role in Role:
            assert rows[role.value].state is RoleState.Declared
            assert rows[role.value].grants == told_as(declared(role))


def test_an_older_database_keeps_its_roles(config: Config, database: Database, world: World) -> None:
    """From the schema that knew flask-appbuilder's roles alone: people can work before ``sync`` has run."""
    command.downgrade(alembic(database), "0003")
    command.upgrade(alembic(database), "head")
    assert world.scope("clerk").roles == {"clerk"}
    assert world.scope("clerk").reach("cases", "accept") is Reach.own
    with database.session(everything("test"), write=True) as s:
        assert sync(s, NOW) == {"granted": 0, "withdrawn": 0}
        rows = {r.name: r.grants for r in s.scalars(select(AccessRole))}
    assert rows == {role.value: told_as(declared(role)) for role in Role}


def test_sync_again_changes_nothing(database: Database) -> None:
    with database.session(everything("test"), write=True) as s:
        before = s.query(Event).count()
        assert sync(s, NOW) == {"granted": 0, "withdrawn": 0}
        assert s.query(Event).count() == before


def test_what_sync_changes_stands_in_the_history_of_the_role(database: Database) -> None:
    """As after an upgrade whose declarations grant more."""
    with database.session(everything("test"), write=True) as s:
        row = s.scalars(select(AccessRole).where(AccessRole.name == "clerk")).one()
        older = {n: dict(v) for n, v in (row.grants or {}).items()}
        older["cases"].pop("accept")
        older["items"]["list"] = "mine"
        assert not save(s, row, {"grants": older}, now=NOW).errors
        sync(s, NOW)
        event = s.scalars(select(Event).where(Event.subject_id == row.id, Event.subject_type == "roles")
                          .order_by(Event.seq.desc())).first()  # fmt: skip
        assert event is not None
        was, will = event.changes["grants"]
        assert "accept" not in was["cases"]
        assert will["cases"]["accept"] == "own"


def test_a_withdrawn_permission_is_gone_until_the_next_sync(database: Database, world: World) -> None:
    with database.session(everything("test"), write=True) as s:
        role = s.scalars(select(FabRole).where(FabRole.name == "clerk")).one()
        gone = next(p for p in role.permissions if (p.permission.name, p.view_menu.name) == ("can_accept", "cases"))
        role.permissions.remove(gone)
    assert world.scope("clerk").reach("cases", "accept") is None
    assert world.scope("clerk").reach("cases", "edit") is Reach.own
    with database.session(everything("test"), write=True) as s:
        assert ("can_accept", "cases") not in stored_pairs(s)["clerk"]
        sync(s, NOW)
    assert world.scope("clerk").reach("cases", "accept") is Reach.own


# --- roles put together here -----------------------------------------------------------------------------------------


def codes(grants: Any) -> list[str]:
    return [p.code for p in grant_problems(grants)]


@pytest.mark.parametrize(
    ("grants", "expected"),
    [
        (SEE_CASES, []),
        ({}, []),
        ({**SEE_CASES, "cases": {"list": "all", "show": "all"}}, ["narrow_reference"]),
        ({"cases": {"list": "own", "show": "own"}}, ["narrow_reference"]),
        ({**SEE_CASES, "cases": {"accept": "own"}}, ["needs_show"]),
        ({**SEE_CASES, "cases": {"list": "own", "accept": "own"}}, ["needs_show"]),
        ({**SEE_CASES, "cases": {"list": "subtree", "show": "own"}}, ["uneven", "narrow_reference"]),
        ({**SEE_CASES, "cases": {**SEE_CASES["cases"], "accept": "all"}}, ["beyond_declared"]),
        ({**SEE_CASES, "cases": {**SEE_CASES["cases"], "delete": "own"}}, ["beyond_declared"]),
        ({**SEE_CASES, "cases": {**SEE_CASES["cases"], "accept": "everywhere"}}, ["beyond_declared"]),
        ({"nothing": {"list": "own"}}, ["beyond_declared"]),
        # What hands out rights, however narrow: the holder could make themselves administrator.
        ({"accounts": {"list": "own", "show": "own"}}, []),
        ({"accounts": {"list": "own", "show": "own", "edit": "own"}}, ["beyond_declared"]),
        ({"accounts": {"list": "all", "show": "all", "reset_password": "own"}}, ["beyond_declared"]),
        ({"role-terms": {"list": "mine", "show": "mine", "add": "mine"}}, ["beyond_declared"]),
        ({"roles": {"list": "all", "show": "all", "edit": "all"}}, ["beyond_declared"]),
        ({"delegations": {"list": "own", "show": "own", "add": "own"}}, ["beyond_declared"]),
    ],
)
def test_a_role_is_a_choice_among_what_is_declared(grants: Any, expected: list[str]) -> None:
    registries()
    assert codes(grants) == expected


def test_no_role_reaches_further_than_its_widest_declaration() -> None:
    """Whatever stands in the table, be it from an older version of the product."""
    far = {n: dict.fromkeys((*v, "nonsense"), "all") for n, v in declared().items()}
    assert capped(far) == choosable()
    writing = {n: set(v) - set(READING) for n, v in choosable().items()}
    assert {n for n in RIGHTS if writing[n]} == set()
    assert writing["cases"] == {"add", "edit", "export", "accept", "refuse", "reveal"}


def test_a_role_put_together_here(database: Database, world: World) -> None:
    role = put_together(database, "咨询台", SEE_CASES)
    with database.session(everything("test"), write=True) as s:
        seat = s.scalars(select(Account.department_id).where(Account.username == "clerk")).one()
        account = Account()
        account.id = 900
        held = s.get_one(AccessRole, role).role_id
        put(s, account, username="desk", last_name="台", email="d@example.invalid", active=True,
            department_id=seat, roles=[held])  # fmt: skip
    scope = world.scope("desk")
    assert scope.roles == {"咨询台"}
    chosen = {n: v for n, v in scope.reaches.items() if n not in everybodys()}
    assert chosen == {n: dict.fromkeys(("list", "show"), Reach.own) for n in ("cases", "items")}
    assert set(everybodys()) >= {"messages", "sessions", "sign-ins", "tokens", "drafts"}  # nobody goes without
    assert scope.reach("messages", "list") is Reach.mine
    with database.session(scope) as s:
        assert [c.applicant for c in s.scalars(select(Case))] == ["申请人红鲤"]


def test_a_retired_role_grants_nothing(database: Database, world: World) -> None:
    role = put_together(database, "咨询台", {"outbox": {"list": "all", "show": "all"}})
    give_for_good(database, world, "clerk", role)
    assert world.scope("clerk").may("outbox", "list")
    with database.session(everything("test"), write=True) as s:
        assert not move(s, s.get_one(AccessRole, role), "retire", now=NOW).errors
    assert not world.scope("clerk").may("outbox", "list")
    assert world.scope("clerk").may("cases", "accept")


def test_declared_roles_are_not_retired_nor_their_names_taken(database: Database, world: World) -> None:
    with database.session(everything("test"), write=True) as s:
        clerk = s.get_one(AccessRole, role_of(world, Role.Clerk))
        assert [p.code for p in move(s, clerk, "retire", now=NOW).errors] == ["wrong_state"]
    with database.session(everything("test"), write=True) as s:
        assert [p.code for p in save(s, AccessRole(), {"name": "auditor"}, now=NOW).errors] == ["duplicate"]


def test_a_role_may_ask_for_a_second_factor(database: Database, world: World) -> None:
    def needs(person: str) -> bool:
        with database.session(everything("test")) as s:
            found = load_person(s, world.account(person), NOW)
            assert found is not None
            return found.second_factor_required

    assert not needs("clerk")
    with database.session(everything("test"), write=True) as s:
        row = s.get_one(AccessRole, role_of(world, Role.Approver))
        assert not save(s, row, {"second_factor": True}, now=NOW, expected_version=row.version).errors
    assert needs("approver")
    assert not needs("clerk")
    stand_in(database, world, "approver", "clerk", TODAY, TODAY)
    assert not needs("clerk")  # what is lent asks nothing of one's own sign-in


# --- for a time ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "last", "holds"), [
    (TODAY, TODAY, True),
    (TODAY - 5 * DAY, TODAY, True),
    (TODAY, TODAY + 5 * DAY, True),
    (TODAY + DAY, TODAY + 5 * DAY, False),
])  # fmt: skip
def test_a_role_for_a_time(database: Database, world: World, first: date, last: date, holds: bool) -> None:
    give_for_a_time(database, world, "clerk", role_of(world, Role.Approver), first, last)
    assert world.scope("clerk").may("cases", "refuse") is holds
    assert world.scope("clerk").may("cases", "edit")
    after = world.scope("clerk", NOW + (last - TODAY + DAY))
    assert not after.may("cases", "refuse")


def test_days_are_days_in_china(database: Database, world: World) -> None:
    """Until the 17th: at 15:59 UTC it is still the 17th there, at 16:00 it is not."""
    give_for_a_time(database, world, "clerk", role_of(world, Role.Approver), TODAY, TODAY)
    late = NOW.replace(hour=15, minute=59)
    assert world.scope("clerk", late).may("cases", "refuse")
    assert not world.scope("clerk", late + timedelta(minutes=1)).may("cases", "refuse")


def test_a_term_that_is_ended_by_hand_ends_at_once(database: Database, world: World) -> None:
    pk = give_for_a_time(database, world, "clerk", role_of(world, Role.Approver), TODAY, TODAY + 9 * DAY)
    with database.session(everything("test"), write=True) as s:
        assert not move(s, s.get_one(RoleTerm, pk), "end", now=NOW).errors
    assert not world.scope("clerk").may("cases", "refuse")
    with database.session(everything("test")) as s:
        assert s.get_one(RoleTerm, pk).until_day == TODAY


@pytest.mark.parametrize(("values", "code"), [
    ({"from_day": TODAY - DAY}, ("from_day", "past")),
    ({"until_day": TODAY, "from_day": TODAY + DAY}, ("until_day", "order")),
    ({"until_day": TODAY + 400 * DAY}, ("until_day", "too_long")),
    ({"role": Role.Clerk}, ("role_id", "held")),
])  # fmt: skip
def test_terms_that_make_no_sense(
    database: Database, world: World, values: dict[str, Any], code: tuple[str, str]
) -> None:
    days = {"from_day": TODAY, "until_day": TODAY} | {n: v for n, v in values.items() if n != "role"}
    told = {"account_id": world.account("clerk"), "role_id": role_of(world, values.get("role", Role.Approver)), **days}
    with database.session(everything("test"), write=True) as s:
        assert [(p.field, p.code) for p in save(s, RoleTerm(), told, now=NOW).errors] == [code]


def test_nothing_is_agreed_twice_for_a_day(database: Database, world: World) -> None:
    approver = role_of(world, Role.Approver)
    give_for_a_time(database, world, "clerk", approver, TODAY, TODAY + 2 * DAY)
    stand_in(database, world, "approver", "clerk", TODAY, TODAY + 2 * DAY)
    for first, last, found in ((2, 4, True), (1, 1, True), (3, 4, False)):
        days = {"from_day": TODAY + first * DAY, "until_day": TODAY + last * DAY}
        term = {"account_id": world.account("clerk"), "role_id": approver, **days}
        absent = {"owner_id": world.account("approver"), "deputy_id": world.account("clerk"), **days}
        for model, told in ((RoleTerm, term), (Delegation, absent)):
            with database.session(everything("test"), write=True) as s:
                codes = [p.code for p in save(s, model(), told, now=NOW).errors]
                assert codes == (["overlap"] if found else []), (model, first, last)
                s.rollback()


def test_what_is_over_is_closed_once(database: Database, world: World) -> None:
    give_for_a_time(database, world, "clerk", role_of(world, Role.Approver), TODAY, TODAY)
    stand_in(database, world, "approver", "clerk", TODAY, TODAY)
    later = NOW + DAY
    for count in (1, 0):
        with database.session(everything("test"), write=True) as s:
            assert end_past(s, RoleTerm, NOW) == 0
            assert [end_past(s, term, later) for term in (RoleTerm, Delegation)] == [count, count]
    with database.session(everything("test")) as s:
        (row,) = s.scalars(select(RoleTerm))
        assert (row.state, row.until_day) == (TermState.Ended, TODAY)


# --- standing in -----------------------------------------------------------------------------------------------------


def test_whoever_stands_in_may_what_the_absent_person_may(database: Database, world: World) -> None:
    stand_in(database, world, "approver", "clerk", TODAY, TODAY + DAY)
    scope = world.scope("clerk")
    assert scope.reach("cases", "refuse") is Reach.own
    assert scope.roles == {"clerk"}
    assert not world.scope("clerk", NOW + 2 * DAY).may("cases", "refuse")
    assert not world.scope("colleague").may("cases", "refuse")


def test_what_is_done_by_a_lent_right_is_on_record_in_both_names(database: Database, world: World) -> None:
    stand_in(database, world, "approver", "clerk", TODAY, TODAY)
    case = world.case("申请人红鲤")
    with database.session(world.scope("clerk"), write=True) as s:
        row = s.get_one(Case, case)
        assert not save(s, row, {"phone": "13900001111"}, now=NOW, expected_version=row.version).errors
        told = {"refusal_reason": "不属于本机关职权范围"}
        assert not move(s, row, "refuse", now=NOW, given=told, expected_version=row.version).errors
    with database.session(everything("test")) as s:
        edited, refused = s.scalars(select(Event).where(Event.subject_type == "cases", Event.subject_id == case)
                                    .order_by(Event.seq)).all()[-2:]  # fmt: skip
        assert (edited.actor_id, edited.on_behalf_of_id) == (world.account("clerk"), None)
        assert (refused.actor_id, refused.on_behalf_of_id) == (world.account("clerk"), world.account("approver"))
        assert broken_links(s) == []
        refused.on_behalf_of_id = None
        assert refused.digest() != refused.hash  # nobody strikes it out unnoticed
        s.rollback()


def test_nothing_personal_is_lent(database: Database, world: World) -> None:
    before = world.scope("clerk")
    stand_in(database, world, "approver", "clerk", TODAY, TODAY)
    after = world.scope("clerk")
    for name in ("messages", "tokens", "saved-views", "drafts"):
        assert after.reaches[name] == before.reaches[name]
        assert name not in after.lent
    with database.session(after) as s:
        assert {row.recipient_id for row in s.scalars(select(registries()["messages"]))} <= {world.account("clerk")}


def test_nothing_that_hands_out_rights_is_lent(database: Database, world: World) -> None:
    """Else a day of standing in could be made a year, or an account of one's own."""
    with database.session(everything("test"), write=True) as s:
        boss = s.get_one(Account, world.account("colleague"))
        roles = [s.scalars(select(FabRole.id).where(FabRole.name == "administrator")).one()]
        assert not save(s, boss, {"roles": roles}, now=NOW, expected_version=boss.version).errors
    before = world.scope("clerk")
    stand_in(database, world, "colleague", "clerk", TODAY, TODAY)
    after = world.scope("clerk")
    assert after.may("outbox", "retry")  # so something is lent
    for name in RIGHTS:
        gained = set(after.reaches[name]) - set(before.reaches.get(name, {}))
        assert gained <= set(READING), name
        widened = {v for v, reach in after.reaches[name].items() if reach != before.reaches.get(name, {}).get(v)}
        assert widened <= set(READING), name


def test_a_right_that_demands_a_second_factor_is_lent_only_to_who_has_one(database: Database, world: World) -> None:
    stand_in(database, world, "approver", "clerk", TODAY, TODAY)
    assert world.scope("clerk").may("cases", "refuse")
    with database.session(everything("test"), write=True) as s:
        row = s.get_one(AccessRole, role_of(world, Role.Approver))
        assert not save(s, row, {"second_factor": True}, now=NOW, expected_version=row.version).errors
    assert not world.scope("clerk").may("cases", "refuse")
    assert world.scope("clerk").may("cases", "accept")
    with database.session(everything("test"), write=True) as s:
        switch_on(s, s.get_one(Account, world.account("clerk")), new_secret(), 1, "k" * 40, NOW)
    assert world.scope("clerk").may("cases", "refuse")


def test_a_stand_in_does_not_come_to_life_elsewhere(database: Database, world: World) -> None:
    """Both move to another department: what was agreed in the old one is over."""
    stand_in(database, world, "approver", "clerk", TODAY, TODAY)
    with database.session(everything("test"), write=True) as s:
        seat = s.scalars(select(Account.department_id).where(Account.username == "outsider")).one()
        for person in ("approver", "clerk"):
            row = s.get_one(Account, world.account(person))
            assert not save(s, row, {"department_id": seat}, now=NOW, expected_version=row.version).errors
        assert deputies(s, world.account("approver"), NOW) == []
    assert not world.scope("clerk").may("cases", "refuse")


def test_odd_names_break_no_line(database: Database, world: World) -> None:
    """A program may store what forms clean away."""
    with database.session(everything("test"), write=True) as s:
        owner = s.get_one(Account, world.account("approver"))
        assert not save(s, owner, {"last_name": "张\t鲤\n"}, now=NOW, expected_version=owner.version).errors
    stand_in(database, world, "approver", "clerk", TODAY, TODAY)
    assert world.scope("clerk").may("cases", "refuse")


def test_a_name_that_is_taken(database: Database) -> None:
    with database.session(everything("test"), write=True) as s:
        s.add(FabRole(name="来自别处"))
        s.flush()
        assert [p.code for p in save(s, AccessRole(), {"name": "来自别处"}, now=NOW).errors] == ["duplicate"]


def test_what_is_lent_is_not_lent_on(database: Database, world: World) -> None:
    stand_in(database, world, "approver", "clerk", TODAY, TODAY)
    stand_in(database, world, "clerk", "colleague", TODAY, TODAY)
    give_for_a_time(database, world, "clerk", role_of(world, Role.Auditor), TODAY, TODAY)
    assert not world.scope("colleague").may("cases", "refuse")
    assert not world.scope("colleague").may("outbox", "list")


@pytest.mark.parametrize("change", [{"active": False}, {"elsewhere": True}])
def test_nobody_lends_who_has_gone(database: Database, world: World, change: dict[str, Any]) -> None:
    stand_in(database, world, "approver", "clerk", TODAY, TODAY)
    assert world.scope("clerk").may("cases", "refuse")
    with database.session(everything("test"), write=True) as s:
        row = s.get_one(Account, world.account("approver"))
        seat = s.scalars(select(Account.department_id).where(Account.username == "outsider")).one()
        values = {"department_id": seat} if "elsewhere" in change else change
        assert not save(s, row, values, now=NOW, expected_version=row.version).errors
    assert not world.scope("clerk").may("cases", "refuse")


def names(database: Database, scope: Scope, **told: Any) -> Problems:
    with database.session(scope, write=True) as s:
        return save(s, Delegation(), {"from_day": TODAY, "until_day": TODAY, **told}, now=NOW)


@pytest.mark.parametrize(("owner", "deputy", "code"), [
    (None, "colleague", None),
    ("clerk", "colleague", None),
    (None, None, ("deputy_id", "required")),
    (None, "clerk", ("deputy_id", "oneself")),
    (None, "outsider", ("deputy_id", "not_found")),
    ("colleague", "clerk", (None, "out_of_reach")),
])  # fmt: skip
def test_one_names_ones_own_stand_in(
    database: Database, world: World, owner: str | None, deputy: str | None, code: Any
) -> None:
    told = {n: world.account(p) for n, p in (("owner_id", owner), ("deputy_id", deputy)) if p}
    problems = names(database, world.scope("clerk"), **told)
    found = [(p.field, p.code) for p in problems.errors]
    assert [c for _, c in found] == ([code[1]] if code else []), found


def test_an_administrator_names_one_for_whoever_is_ill(database: Database, world: World) -> None:
    clerk, colleague, outsider = (world.account(p) for p in ("clerk", "colleague", "outsider"))
    scope = world.scope("admin")
    assert not names(database, scope, owner_id=clerk, deputy_id=colleague).errors
    wrong = names(database, scope, owner_id=clerk, deputy_id=outsider)
    assert [(p.field, p.code) for p in wrong.errors] == [("deputy_id", "elsewhere")]
    nobody = names(database, scope, owner_id=world.account("auditor"), deputy_id=outsider)
    assert [(p.field, p.code) for p in nobody.errors] == [("owner_id", "no_department")]


def test_colleagues_see_who_is_absent_and_outsiders_do_not(database: Database, world: World) -> None:
    pk = stand_in(database, world, "approver", "clerk", TODAY, TODAY)
    for person, sees in (("colleague", True), ("clerk", True), ("manager", True), ("outsider", False)):
        with database.session(world.scope(person)) as s:
            assert (s.get(Delegation, pk) is not None) is sees, person
    with database.session(everything("test")) as s:
        assert deputies(s, world.account("approver"), NOW) == [world.account("clerk")]
        assert deputies(s, world.account("approver"), NOW + DAY) == []


# --- why -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("person", "verb", "allowed"), [
    ("clerk", "accept", True),
    ("clerk", "refuse", False),
    ("outsider", "accept", False),
    ("manager", "show", True),
    ("manager", "accept", False),
    ("approver", "refuse", True),
    ("auditor", "show", True),
])  # fmt: skip
def test_why(database: Database, world: World, person: str, verb: str, allowed: bool) -> None:
    """The answer is always what the scope would do; here over one case of the health bureau."""
    with database.session(everything("test")) as s:
        row = s.get_one(Case, world.case("申请人红鲤"))
        who = load_person(s, world.account(person), NOW)
        assert who is not None
        found = {v.verb: v for v in verdicts(who, world.scope(person), row)}
    assert set(found) >= {"show", "accept", "refuse", "edit"}
    assert found[verb].allowed is allowed
    assert found[verb].lines
    for one in found.values():
        assert one.allowed <= world.scope(person).covers(one.verb, row)


def test_why_not_for_reasons_of_state_or_of_withdrawal(database: Database, world: World) -> None:
    case = world.case("申请人红鲤")
    with database.session(everything("test"), write=True) as s:
        assert not move(s, s.get_one(Case, case), "accept", now=NOW).errors
        edit = s.scalars(select(PermissionView).join(ViewMenu).where(ViewMenu.name == "cases")).all()
        role = s.scalars(select(FabRole).where(FabRole.name == "clerk")).one()
        role.permissions.remove(next(p for p in edit if p.permission.name == "can_edit"))
    with database.session(everything("test")) as s:
        row = s.get_one(Case, case)
        who = load_person(s, world.account("clerk"), NOW)
        assert who is not None
        found = {v.verb: v for v in verdicts(who, world.scope("clerk"), row)}
    assert not found["accept"].allowed
    assert "state" in found["accept"].lines[-1].params
    assert not found["edit"].allowed
