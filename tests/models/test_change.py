"""变更申请 (A02, A05–A07, A14–A17): each step in order and none left out, by whom, and what happens on the day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from jobs.outbox import Worker
from models.catalogue_item import CatalogueItem, CatalogueSource, CatalogueState, ExerciseLevel, ItemType, ServiceClass
from models.change import OPEN, Change, ChangeKind, ChangeState, propose, save_and_propose
from models.department import Department
from models.event import Event
from models.item import Item, ItemState, Origin
from models.legal_basis import LegalBasis
from models.message import Message
from models.outbox import Outbox, OutboxState
from models.participant import Participant
from models.region import Region
from models.scope import Forbidden, ScopedSession
from models.workflow import act, move
from models.write import save
from rules.words import Problems, RuleError
from tests.conftest import Clock
from tests.world import NOW, World

As = Callable[[str], ScopedSession]
TODAY = date(2026, 6, 17)
POWER = {"item_type": ItemType.Licence}
OUTDATED = "It was changed meanwhile, so that this request speaks of what is no longer there."
NAME = "公共场所卫生许可（新）鲤"


@pytest.fixture
def as_(world: World, opened: Callable[..., ScopedSession]) -> As:
    """A writing session as that person; of nobody, of a job."""
    return lambda username: opened(world.scope(username) if username else None, write=True)


@pytest.fixture(autouse=True)
def unclaimed(as_: As) -> None:
    """The item of these tests was set up by its department: what is claimed changes in the catalogue."""
    s = as_("")
    assert not save(s, koi(s), {"catalogue_item_id": None}, now=NOW).errors
    s.commit()


def codes(problems: Any) -> set[tuple[str | None, str]]:
    return {(p.field, p.code) for p in problems}


def koi(s: ScopedSession) -> Item:
    return s.scalars(select(Item).where(Item.name == "公共场所卫生许可鲤")).one()


def nurse(s: ScopedSession) -> Item:
    """A claimed one."""
    return s.scalars(select(Item).where(Item.name == "护士执业注册鲤")).one()


def created(s: ScopedSession, world: World, **values: Any) -> Item:
    """An item that the bureau sets up itself."""
    item = Item()
    told = {
        "name": "自设事项鲤",
        "item_type": ItemType.PublicService,
        "basic_code": "002099001000",
        "level": ExerciseLevel.County,
        "department_id": world.id(Department, name="东城区卫生健康局"),
        "legal_basis_id": s.scalars(select(LegalBasis.id)).first(),
        "local_code": "OWN-1",
    }
    problems = save(s, item, {**told, **values}, now=NOW)
    assert not problems.errors, problems
    return item


def go(s: ScopedSession, change: Change, action: str, now: datetime = NOW, **given: Any) -> Problems:
    return move(s, change, action, now=now, given=given, expected_version=change.version)


def proposed(as_: As, name: str = NAME) -> int:
    s = as_("manager")
    change = propose(s, koi(s), {"name": name}, now=NOW)
    assert not save(s, change, {"reason": "国务院文件调整"}, now=NOW, expected_version=change.version)
    assert go(s, change, "submit") == []
    s.commit()
    return change.id


def filed(as_: As, pk: int, effective_on: date = TODAY) -> Change:
    s = as_("reformer")
    change = s.get_one(Change, pk)
    if change.state is ChangeState.Submitted:
        assert go(s, change, "agree", opinion="同意") == []
    told = {"filing_number": "省备〔2026〕1号", "filed_on": TODAY, "effective_on": effective_on}
    assert go(s, change, "file_it", **told) == []
    s.commit()
    return change


# --- the way ---------------------------------------------------------------------------------------------------------


def test_from_the_proposal_to_its_day(as_: As, worker: Worker, clock: Clock, world: World) -> None:
    pk = proposed(as_)
    filed(as_, pk, TODAY + timedelta(days=3))
    worker.run_due()
    s = as_("")
    assert (koi(s).name, s.get_one(Change, pk).state) == ("公共场所卫生许可鲤", ChangeState.Filed)
    s.rollback()
    clock.moment = datetime.fromisoformat("2026-06-19T23:59:59+08:00")
    worker.run_due()
    s = as_("")
    assert s.get_one(Change, pk).state is ChangeState.Filed
    s.rollback()
    clock.moment = datetime.fromisoformat("2026-06-20T00:00:00+08:00")
    worker.run_due()
    worker.run_due()
    s = as_("")
    change = s.get_one(Change, pk)
    item = s.scalars(select(Item).where(Item.name == NAME)).one()
    assert (change.state, change.kind, item.version) == (ChangeState.InEffect, ChangeKind.Name, 4)
    told = s.scalars(select(Event).where(Event.subject_type == "items", Event.subject_id == item.id))
    assert [e.changes for e in told if "name" in e.changes][-1] == {"name": ["公共场所卫生许可鲤", NAME]}
    messages = [*s.scalars(select(Message).where(Message.recipient_id == world.account("manager")))]
    assert [m.params["subject"] for m in messages if m.subject_type == "changes"] == ["公共场所卫生许可鲤"]


@pytest.mark.parametrize(
    ("before", "action"),
    [
        ((), "agree"),
        ((), "file_it"),
        ((), "take_effect"),
        (("submit",), "file_it"),
        (("submit",), "take_effect"),
        (("submit", "agree"), "take_effect"),
        (("submit", "agree"), "submit"),
        (("submit", "withdraw"), "agree"),
        (("submit", "return_it"), "file_it"),
    ],
)
def test_no_step_is_skipped(as_: As, before: tuple[str, ...], action: str) -> None:
    s = as_("manager")
    change = propose(s, koi(s), {"name": NAME}, now=NOW)
    assert not save(s, change, {"reason": "x"}, now=NOW, expected_version=change.version)
    s.commit()
    given = {
        "file_it": {"filing_number": "1", "filed_on": TODAY, "effective_on": TODAY},
        "return_it": {"opinion": "否"},
    }
    s = as_("")  # whoever it is, a job included
    change = s.get_one(Change, change.id)
    for step in before:
        assert go(s, change, step, **given.get(step, {})) == []
    assert codes(go(s, change, action, **given.get(action, {}))) == {(None, "wrong_state")}
    assert koi(s).name == "公共场所卫生许可鲤"


def test_who_may_take_which_step(as_: As) -> None:
    pk = proposed(as_)
    for person, action in (
        ("manager", "agree"),
        ("approver", "agree"),
        ("clerk", "agree"),
        ("admin", "agree"),
        ("reformer", "submit"),
        ("approver", "file_it"),
        ("admin", "take_effect"),
        ("manager", "take_effect"),
        ("reformer", "take_effect"),
    ):
        s = as_(person)
        with pytest.raises(Forbidden):
            go(s, s.get_one(Change, pk), action)
        s.rollback()
    for person in ("outsider", "stranger"):
        s = as_(person)
        assert s.get(Change, pk) is None
        s.rollback()


def test_nobody_reviews_their_own_proposal(as_: As, world: World) -> None:
    pk = proposed(as_)
    s = as_("")
    change = s.get_one(Change, pk)
    assert not save(s, change, {"proposed_by_id": world.account("reformer")}, now=NOW).errors
    s.commit()
    s = as_("reformer")
    assert codes(go(s, s.get_one(Change, pk), "agree")) == {(None, "own_proposal")}
    assert codes(go(s, s.get_one(Change, pk), "return_it", opinion="否")) == {(None, "own_proposal")}


def test_no_day_before_the_filing(as_: As) -> None:
    pk = proposed(as_)
    s = as_("reformer")
    change = s.get_one(Change, pk)
    assert go(s, change, "agree") == []
    day = timedelta(days=1)
    told = {"filing_number": "1", "filed_on": TODAY, "effective_on": TODAY}
    for given, found in (
        ({"effective_on": TODAY - day}, ("effective_on", "before_filing")),
        ({"filed_on": TODAY + day, "effective_on": TODAY + day}, ("filed_on", "future")),
        ({"filed_on": TODAY - day}, ("filed_on", "before_review")),
        ({"filing_number": None}, ("filing_number", "required")),
    ):
        assert codes(go(s, change, "file_it", **{**told, **given})) == {found}
    assert go(s, change, "file_it", **told) == []


def test_it_comes_back_with_an_opinion_and_goes_again(as_: As, worker: Worker, world: World) -> None:
    pk = proposed(as_)
    s = as_("reformer")
    assert codes(go(s, s.get_one(Change, pk), "return_it")) == {("opinion", "required")}
    assert go(s, s.get_one(Change, pk), "return_it", opinion="依据不足") == []
    s.commit()
    worker.run_due()
    s = as_("manager")
    message = s.scalars(select(Message).where(Message.subject_type == "changes")).one()
    assert message.params["opinion"] == "依据不足"
    change = s.get_one(Change, pk)
    assert not save(s, change, {"reason": "补充依据"}, now=NOW, expected_version=change.version)
    assert go(s, change, "submit") == []


def test_without_a_reason_it_is_not_submitted(as_: As) -> None:
    s = as_("manager")
    change = propose(s, koi(s), {"name": NAME}, now=NOW)
    assert codes(go(s, change, "submit")) == {("reason", "required")}


def test_what_changed_meanwhile_stands_in_its_way(as_: As, worker: Worker, world: World) -> None:
    pk = proposed(as_)
    filed(as_, pk)
    s = as_("")
    item = koi(s)
    assert not save(s, item, {"name": "另一名称鲤"}, now=NOW, also=("name",)).errors
    s.commit()
    worker.run_due()
    s = as_("")
    change = s.get_one(Change, pk)
    assert (change.state, s.get_one(Item, change.subject_id).name) == (ChangeState.Blocked, "另一名称鲤")
    assert [message for message, _ in change.hindrance or ()] == [OUTDATED]
    row = s.scalars(select(Outbox).where(Outbox.kind == "effect")).one()
    assert row.state is OutboxState.Done
    told = s.scalars(select(Message).where(Message.subject_type == "changes")).one()
    assert told.recipient_id == world.account("manager")


def test_a_rule_that_it_would_break_is_told_when_it_is_proposed(as_: As) -> None:
    s = as_("manager")
    item = koi(s)
    with pytest.raises(RuleError) as caught:
        propose(s, item, {"basic_code": "xyz"}, now=NOW)
    assert codes(caught.value.problems) >= {("basic_code", "code_length")}
    assert (item.basic_code, item.version) == ("000123001000", 3)
    assert s.scalars(select(Change)).all() == []


def test_one_request_at_a_time(as_: As) -> None:
    s = as_("approver")
    first = propose(s, koi(s), {"name": NAME}, now=NOW)
    again = propose(s, koi(s), {"level": ExerciseLevel.City}, now=NOW)
    assert first.id == again.id
    assert (again.kind, {*again.changes}) == (ChangeKind.Basics, {"name", "level"})
    s.commit()
    proposed_by = as_("manager")
    change = proposed_by.get_one(Change, first.id)
    assert not save(proposed_by, change, {"reason": "x"}, now=NOW, expected_version=change.version)
    assert go(proposed_by, change, "submit") == []
    with pytest.raises(RuleError) as caught:
        propose(proposed_by, koi(proposed_by), {"name": "三"}, now=NOW)
    assert codes(caught.value.problems) == {(None, "under_way")}
    assert caught.value.problems[0].about == ("changes", first.id)
    assert ChangeState.InEffect not in OPEN


# --- what needs approval, and what does not --------------------------------------------------------------------------


def test_what_needs_no_approval_applies_at_once(as_: As) -> None:
    s = as_("manager")
    item = koi(s)
    assert save(s, item, {"phone": "0531-1"}, now=NOW, expected_version=item.version) == []
    refused = save(s, item, {"phone": "0531-2", "name": NAME}, now=NOW, expected_version=item.version)
    assert codes(refused) == {("name", "controlled")}
    assert (item.phone, item.name) == ("0531-1", "公共场所卫生许可鲤")
    problems, change = save_and_propose(
        s, item, {"phone": "0531-2", "name": NAME}, now=NOW, expected_version=item.version
    )
    assert not problems.errors
    assert change is not None
    assert (item.phone, item.name) == ("0531-2", "公共场所卫生许可鲤")
    assert change.changes == {"name": ["公共场所卫生许可鲤", NAME]}


def test_a_job_does_not_skip_it_either(as_: As) -> None:
    s = as_("")
    assert codes(save(s, koi(s), {"name": NAME}, now=NOW)) == {("name", "controlled")}
    assert codes(save(s, koi(s), {"state": ItemState.Cancelled, "name": NAME}, now=NOW)) == {("name", "controlled")}


def test_a_draft_is_still_ones_own(as_: As, world: World) -> None:
    s = as_("manager")
    item = created(s, world)
    assert save(s, item, {"name": "改名鲤"}, now=NOW, expected_version=item.version) == []


def test_a_gap_is_filled_without_a_request(as_: As, world: World) -> None:
    s = as_("")
    item = Item()
    told = {"name": "旧事项鲤", "item_type": ItemType.Licence, "local_code": "OLD-1", "origin": Origin.TakenOver}
    told |= {"department_id": world.id(Department, name="东城区卫生健康局"), "state": ItemState.InForce}
    assert not save(s, item, told, now=NOW).errors
    s.commit()
    s = as_("manager")
    item = s.get_one(Item, item.id)
    found = save(s, item, {"level": ExerciseLevel.County}, now=NOW, expected_version=item.version)
    assert (found.errors, item.level) == ([], ExerciseLevel.County)
    assert codes(save(s, item, {"level": ExerciseLevel.City}, now=NOW, expected_version=item.version).errors) == {
        ("level", "controlled")
    }


# --- 设立, 取消, 下放 -------------------------------------------------------------------------------------------------


def with_reason(s: ScopedSession, change: Change, **values: Any) -> None:
    told = {"reason": "上级文件", "superior_document": "鲁政发〔2026〕1号", **values}
    assert not save(s, change, told, now=NOW, expected_version=change.version).errors
    assert go(s, change, "submit") == []
    s.commit()


def test_what_is_created_needs_a_change_and_what_is_claimed_does_not(as_: As, worker: Worker, world: World) -> None:
    s = as_("manager")
    item = created(s, world)
    assert codes(move(s, item, "publish", now=NOW, expected_version=item.version)) == {(None, "needs_set_up")}
    change = propose(s, item, {}, now=NOW, kind=ChangeKind.SetUp)
    with_reason(s, change)
    filed(as_, change.id)
    worker.run_due()
    s = as_("manager")
    assert s.get_one(Item, item.id).state is ItemState.InForce
    s.rollback()
    claimed = Item()
    entry = CatalogueItem()
    job = as_("")
    shared = {
        "name": "认领事项",
        "item_type": ItemType.Licence,
        "basic_code": "000188001000",
        "level": ExerciseLevel.County,
    }
    basis = job.scalars(select(LegalBasis.id)).first()
    job.rollback()
    job = as_("")
    assert not save(job, entry, {**shared, "legal_basis_id": basis, "state": CatalogueState.InForce}, now=NOW).errors
    job.commit()
    s = as_("manager")
    told = {"catalogue_item_id": entry.id, "local_code": "C-1", "department_id": item.department_id}
    assert save(s, claimed, told, now=NOW) == []
    assert (claimed.name, claimed.basic_code, claimed.legal_basis_id) == ("认领事项", "000188001000", basis)
    assert move(s, claimed, "publish", now=NOW, expected_version=claimed.version) == []


def test_abolished_by_a_finished_change_alone(as_: As, worker: Worker) -> None:
    s = as_("manager")
    with pytest.raises(Forbidden):
        move(s, koi(s), "cancel", now=NOW, expected_version=koi(s).version)
    change = propose(s, koi(s), {}, now=NOW, kind=ChangeKind.Cancel)
    assert change.changes == {"state": ["in_force", "cancelled"]}
    with_reason(s, change)
    filed(as_, change.id)
    worker.run_due()
    s = as_("")
    assert koi(s).state is ItemState.Cancelled


def test_devolved_and_taken_over(as_: As, worker: Worker, world: World) -> None:
    successor = world.id(Department, name="西城区卫生健康局")
    s = as_("manager")
    change = propose(s, koi(s), {}, now=NOW, kind=ChangeKind.Devolve)
    assert not save(s, change, {"reason": "放权"}, now=NOW, expected_version=change.version).errors
    assert codes(go(s, change, "submit")) == {("successor_id", "required")}
    with_reason(s, change, successor_id=successor)
    filed(as_, change.id)
    worker.run_due()
    s = as_("")
    first, second = s.scalars(select(Item).where(Item.name == "公共场所卫生许可鲤").order_by(Item.id))
    assert (first.state, second.state) == (ItemState.Devolved, ItemState.InForce)
    assert (second.department_id, second.region_id) == (successor, world.id(Region, name="西城区"))
    assert (second.basic_code, second.level) == (first.basic_code, ExerciseLevel.County)


def test_what_cannot_be_taken_over_stays_where_it_is(as_: As, worker: Worker, world: World) -> None:
    """The successor has an item of that code already: nothing happens, and the request says why."""
    successor = world.id(Department, name="东城区市场监督管理局")
    s = as_("manager")
    change = propose(s, koi(s), {}, now=NOW, kind=ChangeKind.Devolve)
    with_reason(s, change, successor_id=successor)
    filed(as_, change.id)
    worker.run_due()
    s = as_("")
    assert (koi(s).state, s.get_one(Change, change.id).state) == (ItemState.InForce, ChangeState.Blocked)


def test_the_entry_changes_and_all_who_claimed_it(as_: As, worker: Worker) -> None:
    s = as_("")
    entry = nurse(s).catalogue_item_id
    s.rollback()
    s = as_("admin")
    change = propose(s, s.get_one(CatalogueItem, entry), {"name": NAME}, now=NOW)
    assert not save(s, change, {"reason": "x"}, now=NOW, granted=True, expected_version=change.version).errors
    s.commit()
    s = as_("")
    assert go(s, s.get_one(Change, change.id), "submit") == []
    s.commit()
    filed(as_, change.id)
    worker.run_due()
    s = as_("")
    assert s.get_one(CatalogueItem, entry).name == NAME
    assert {i.name for i in s.scalars(select(Item).where(Item.catalogue_item_id == entry))} == {NAME}


# --- claiming, bases, participants -----------------------------------------------------------------------------------


def test_a_code_that_exists_is_claimed_and_not_created_again(as_: As, world: World) -> None:
    s = as_("manager")
    entry = s.scalars(select(CatalogueItem.id).where(CatalogueItem.basic_code == "000123001000")).one()
    item = Item()
    told = {
        "name": "又一公共场所许可",
        "item_type": ItemType.Licence,
        "basic_code": "000123001000",
        "local_code": "D-1",
    }
    told |= {"department_id": world.id(Department, name="东城区卫生健康局"), "level": ExerciseLevel.County}
    found = save(s, item, {**told, "legal_basis_id": 1}, now=NOW)
    assert codes(found.errors) == {("catalogue_item_id", "to_be_claimed")}
    assert found.errors[0].about == ("catalogue", entry)


def test_what_is_claimed_is_not_said_otherwise(as_: As, world: World) -> None:
    s = as_("manager")
    item = Item()
    told = {"catalogue_item_id": nurse(s).catalogue_item_id, "name": "别的名称", "local_code": "D-1"}
    told["department_id"] = world.id(Department, name="东城区卫生健康局")
    found = save(s, item, told, now=NOW)
    assert codes(found.errors) == {("name", "inherited")}


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"legal_basis_id": None}, {("legal_basis_id", "missing")}),
        ({"legal_basis_id": None, "long_handled": True}, {("basis_due", "required")}),
        ({"basis_due": date(2026, 12, 31)}, {("basis_due", "no_exception")}),
        ({**POWER, "long_handled": True, "basis_due": date(2026, 12, 31)}, {("long_handled", "no_public_service")}),
        ({**POWER, "service_class": ServiceClass.Health}, {("service_class", "no_public_service")}),
        ({"legal_basis_id": None, "long_handled": True, "basis_due": date(2026, 12, 31)}, set()),
    ],
)  # fmt: skip
def test_a_basis_that_follows(as_: As, world: World, values: dict[str, Any], found: set[Any]) -> None:
    """A14: only a public service, only with a day."""
    s = as_("manager")
    item = created(s, world)
    problems = save(s, item, values, now=NOW, expected_version=item.version)
    assert codes(problems.errors) == found


def test_a_listed_power_is_pointed_out(as_: As, world: World) -> None:
    s = as_("manager")
    item = Item()
    told = {
        "name": "公共场所卫生许可鲤",
        "item_type": ItemType.PublicService,
        "local_code": "P-1",
        "basic_code": "002099001000",
    }
    told |= {
        "department_id": world.id(Department, name="东城区卫生健康局"),
        "level": ExerciseLevel.County,
        "legal_basis_id": 1,
    }
    problems = save(s, item, told, now=NOW)
    assert (codes(problems.errors), codes(problems.warnings)) == (set(), {("name", "listed_power")})


def test_one_lead_and_others_that_take_part(as_: As, world: World) -> None:
    s = as_("manager")
    lead, other = (world.id(Department, name=n) for n in ("东城区卫生健康局", "东城区市场监督管理局"))
    row = Participant()
    assert codes(save(s, row, {"item_id": koi(s).id, "participant_id": lead}, now=NOW)) == {("participant_id", "lead")}
    row = Participant()
    assert save(s, row, {"item_id": koi(s).id, "participant_id": other}, now=NOW) == []
    assert row.department_id == lead
    again = Participant()
    assert codes(save(s, again, {"item_id": koi(s).id, "participant_id": other}, now=NOW)) == {
        ("participant_id", "duplicate")
    }


def test_a_level_looks_after_its_own_entries(as_: As) -> None:
    """A08: entries of another level can be read and not changed."""
    s = as_("")
    entry = CatalogueItem()
    told = {
        "name": "省级事项",
        "item_type": ItemType.Licence,
        "basic_code": "000177001000",
        "level": ExerciseLevel.Province,
    }
    told |= {"legal_basis_id": 1, "source": CatalogueSource.Above}
    assert not save(s, entry, told, now=NOW).errors
    s.commit()
    s = as_("manager")
    assert s.get(CatalogueItem, entry.id) is not None
    with pytest.raises(Forbidden):
        save(s, s.get_one(CatalogueItem, entry.id), {"name": "x"}, now=NOW, expected_version=1)


def test_filling_in_leaves_alone_what_is_there(as_: As, world: World) -> None:
    s = as_("")
    fill = next(a for a in Item.__admin__.actions if a.name == "fill")
    told = {"item_type": ItemType.Licence, "origin": Origin.TakenOver, "state": ItemState.InForce}
    told["department_id"] = world.id(Department, name="东城区卫生健康局")
    items = [Item(), Item()]
    assert not save(s, items[0], {**told, "name": "甲鲤", "local_code": "G-1"}, now=NOW).errors
    assert not save(
        s, items[1], {**told, "name": "乙鲤", "local_code": "G-2", "level": ExerciseLevel.City}, now=NOW
    ).errors
    s.commit()
    s = as_("manager")
    for pk in (items[0].id, items[1].id):
        item = s.get_one(Item, pk)
        found, _ = act(
            s,
            item,
            fill,
            now=NOW,
            given={"level": ExerciseLevel.County, "legal_basis_id": 1},
            expected_version=item.version,
        )
        assert not found.errors
    assert [s.get_one(Item, i.id).level for i in items] == [ExerciseLevel.County, ExerciseLevel.City]
    assert [s.get_one(Item, i.id).gaps for i in items] == [["basic_code", "national_code"]] * 2
    item = s.get_one(Item, items[0].id)
    found, _ = act(s, item, fill, now=NOW, given={"level": ExerciseLevel.City}, expected_version=item.version)
    assert codes(found) == {(None, "nothing_missing")}
