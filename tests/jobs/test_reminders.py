"""Reminders: on the right day, exactly once, and not about what is settled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from config import Config
from jobs.outbox import Worker
from jobs.reminders import plain
from models.account import Account
from models.case import Case, CaseState
from models.database import Database
from models.declare import Role
from models.delegation import Delegation
from models.message import Message, MessageState
from models.outbox import Outbox, OutboxState, claim
from models.role import AccessRole
from models.role_term import RoleTerm
from models.scope import everything
from models.workflow import move
from models.write import save
from tests.conftest import Clock
from tests.world import NOW, World, receive

# Received on Wednesday the 17th; the 19th to the 21st are the Dragon Boat holiday: the fifth working day is
# Thursday the 25th, and the working day before it begins at half past eight in China.
WARNING = datetime(2026, 6, 24, 0, 30, tzinfo=UTC)


@pytest.fixture
def messages(database: Database) -> Callable[[], list[Message]]:
    def read() -> list[Message]:
        with database.session(everything("test")) as s:
            return list(s.scalars(select(Message).order_by(Message.id)))

    return read


@pytest.fixture
def outbox(database: Database) -> Callable[[], dict[str, OutboxState]]:
    def read() -> dict[str, OutboxState]:
        with database.session(everything("test")) as s:
            return {row.key: row.state for row in s.scalars(select(Outbox))}

    return read


def test_one_working_day_before_and_not_before(
    worker: Worker, clock: Clock, messages: Any, outbox: Any, world: World
) -> None:
    for moment in (NOW, WARNING - timedelta(seconds=1)):
        clock.moment = moment
        assert worker.run_due() == 0
        assert messages() == []
    clock.moment = WARNING
    assert worker.run_due() == 3
    assert set(outbox().values()) == {OutboxState.Done}
    found = messages()
    assert {m.recipient_id for m in found} == {world.account(n) for n in ("clerk", "outsider", "stranger")}
    mine = next(m for m in found if m.recipient_id == world.account("clerk"))
    assert mine.params == {"number": "东卫健 2026-000001", "item": "公共场所卫生许可鲤", "due": "2026-06-25"}
    assert mine.text % mine.params
    assert (mine.subject_type, mine.subject_id) == ("cases", world.case("申请人红鲤"))
    assert (mine.state, mine.sent_at) == (MessageState.Unread, WARNING)


def test_at_once_when_that_day_has_passed(worker: Worker, database: Database, world: World, messages: Any) -> None:
    with database.session(everything("test", world.account("clerk")), write=True) as s:
        late = receive(s, world.item("公共场所卫生许可鲤"), applicant="迟到", received_at=NOW - timedelta(days=9))
    assert worker.run_due() == 1
    assert [m.subject_id for m in messages()] == [late.id]


def test_once_over_repeated_runs(worker: Worker, clock: Clock, messages: Any) -> None:
    clock.moment = WARNING
    assert [worker.run_due() for _ in range(3)] == [3, 0, 0]
    clock.moment = WARNING + timedelta(days=30)
    assert worker.run_due() == 0
    assert len(messages()) == 3


def test_once_over_two_workers(config: Config, database: Database, world: World, messages: Any, outbox: Any) -> None:
    with database.session(everything("test", world.account("clerk")), write=True) as s:
        for number in range(7):
            receive(s, world.item("护士执业注册鲤"), applicant=f"申请人{number}")
    start = threading.Barrier(2)
    done: list[int] = []
    broken: list[Exception] = []

    def work() -> None:
        own = Database(config.database)
        try:
            start.wait(10)
            done.append(Worker(own, config, lambda: WARNING).run_due())
        except Exception as error:  # noqa: BLE001 - told by the test itself
            broken.append(error)
        finally:
            own.dispose()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert broken == []
    assert sum(done) == 10  # no row was worked at twice
    assert len(messages()) == 10
    assert set(outbox().values()) == {OutboxState.Done}


def test_a_message_that_a_killed_attempt_left_is_not_told_again(
    worker: Worker, clock: Clock, database: Database, world: World, messages: Any, outbox: Any
) -> None:
    case_id = world.case("申请人红鲤")
    key = f"remind.cases.notice:{case_id}"
    with database.session(everything("test"), write=True) as s:
        row = s.scalars(select(Outbox).where(Outbox.key == key)).one()
        assert claim(s, row.id, WARNING)
        left = {
            "recipient_id": world.account("clerk"),
            "text": "left",
            "params": {},
            "subject_type": "cases",
            "subject_id": case_id,
            "state": MessageState.Unread,
            "sent_at": WARNING,
            "key": key,
        }
        assert not save(s, Message(), left, now=WARNING).errors
    clock.moment = WARNING + worker.lease
    assert worker.run_due() == 2  # the others'; the lease of this one still holds
    assert outbox()[key] is OutboxState.Claimed
    clock.moment += timedelta(seconds=1)
    assert worker.run_due() == 1
    assert outbox()[key] is OutboxState.Done
    assert [m.text for m in messages() if m.key == key] == ["left"]


@pytest.mark.parametrize("action", ["accept", "refuse"])
def test_dropped_when_the_case_is_settled(
    action: str, worker: Worker, clock: Clock, database: Database, world: World, messages: Any, outbox: Any
) -> None:
    case_id = world.case("申请人红鲤")
    with database.session(everything("test", world.account("approver")), write=True) as s:
        given = {"refusal_reason": "不属于本机关职权范围"} if action == "refuse" else {}
        assert not move(s, s.get_one(Case, case_id), action, now=NOW, given=given).errors
        # The letter is another test's business.
        s.scalars(select(Outbox).where(Outbox.kind.startswith("letter."))).one().state = OutboxState.Done
    clock.moment = WARNING
    assert worker.run_due() == 3
    assert outbox()[f"remind.cases.notice:{case_id}"] is OutboxState.Dropped
    assert case_id not in {m.subject_id for m in messages()}
    assert len(messages()) == 2


def test_nobody_to_tell(
    worker: Worker, clock: Clock, database: Database, world: World, messages: Any, outbox: Any
) -> None:
    with database.session(everything("an import without a person"), write=True) as s:
        orphan = receive(s, world.item("公共场所卫生许可鲤"), applicant="无人经办")
        assert orphan.handler_id is None
    clock.moment = WARNING
    worker.run_due()
    assert outbox()[f"remind.cases.notice:{orphan.id}"] is OutboxState.Dropped
    assert len(messages()) == 3


def test_whoever_stands_in_is_reminded_as_well(
    worker: Worker, clock: Clock, database: Database, world: World, messages: Any
) -> None:
    days = {"from_day": date(2026, 6, 24), "until_day": date(2026, 6, 24)}
    with database.session(everything("test"), write=True) as s:
        told = {"owner_id": world.account("clerk"), "deputy_id": world.account("colleague")}
        assert not save(s, Delegation(), {**told, **days}, now=NOW).errors
    clock.moment = WARNING
    assert [worker.run_due() for _ in range(2)] == [4, 0]
    case = world.case("申请人红鲤")
    about = [m.recipient_id for m in messages() if (m.subject_type, m.subject_id) == ("cases", case)]
    assert sorted(about) == sorted(world.account(n) for n in ("clerk", "colleague"))
    begun = [m for m in messages() if m.subject_type == "delegations"]
    assert [(m.recipient_id, m.params["owner"]) for m in begun] == [(world.account("colleague"), "王鲤")]


def test_both_reminders_are_settled_with_the_case(
    worker: Worker, clock: Clock, database: Database, world: World, messages: Any
) -> None:
    with database.session(everything("test"), write=True) as s:
        told = {"owner_id": world.account("clerk"), "deputy_id": world.account("colleague")}
        days = {"from_day": date(2026, 6, 24), "until_day": date(2026, 6, 24)}
        assert not save(s, Delegation(), {**told, **days}, now=NOW).errors
    clock.moment = WARNING
    worker.run_due()
    case = world.case("申请人红鲤")
    with database.session(everything("test", world.account("clerk")), write=True) as s:
        assert not move(
            s, s.get_one(Case, case), "refuse", now=WARNING, given={"refusal_reason": "不属于本机关"}
        ).errors
    worker.run_due()
    about = {m.state for m in messages() if (m.subject_type, m.subject_id) == ("cases", case)}
    assert about == {MessageState.Read}


@pytest.mark.parametrize("change", [{"department": "outsider"}, {"active": False}])
def test_nobody_is_reminded_who_stands_in_no_more(
    worker: Worker, clock: Clock, database: Database, world: World, messages: Any, change: dict[str, Any]
) -> None:
    with database.session(everything("test"), write=True) as s:
        told = {"owner_id": world.account("clerk"), "deputy_id": world.account("colleague")}
        days = {"from_day": date(2026, 6, 24), "until_day": date(2026, 6, 24)}
        assert not save(s, Delegation(), {**told, **days}, now=NOW).errors
        row = s.get_one(Account, world.account("colleague"))
        seat = s.scalars(select(Account.department_id).where(Account.username == "outsider")).one()
        values = {"department_id": seat} if "department" in change else change
        assert not save(s, row, values, now=NOW, expected_version=row.version).errors
    clock.moment = WARNING
    worker.run_due()
    case = world.case("申请人红鲤")
    about = [m.recipient_id for m in messages() if (m.subject_type, m.subject_id) == ("cases", case)]
    assert about == [world.account("clerk")]


BEGUN = "From %(from)s until %(until)s you stand in for %(owner)s."
ENDED = "You no longer stand in for %(owner)s."
LENT = date(2026, 6, 24)


@pytest.fixture
def lent(database: Database, world: World) -> int:
    """The clerk is away for two days, and a colleague stands in."""
    with database.session(everything("test"), write=True) as s:
        people = {"owner_id": world.account("clerk"), "deputy_id": world.account("colleague")}
        row, days = Delegation(), {"from_day": LENT, "until_day": LENT + timedelta(days=1)}
        assert not save(s, row, {**people, **days}, now=NOW).errors
        return row.id


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        (datetime(2026, 6, 23, 23, 0, tzinfo=UTC), []),  # seven o'clock, before anybody was told that it begins
        (WARNING, [BEGUN, ENDED]),
        (WARNING + timedelta(days=1), [BEGUN, ENDED]),
        (WARNING + timedelta(days=2), [BEGUN]),  # the last day was said beforehand
    ],
)
def test_whoever_stands_in_is_told_of_an_early_end(
    worker: Worker, clock: Clock, database: Database, world: World, messages: Any, lent: int, moment: Any, told: Any
) -> None:
    clock.moment = min(moment, WARNING)
    worker.run_due()
    clock.moment = moment
    with database.session(everything("test"), write=True) as s:
        assert not move(s, s.get_one(Delegation, lent), "end", now=moment).errors
    worker.run_due()
    clock.moment = WARNING + timedelta(days=3)
    worker.run_due()
    mine = [m for m in messages() if m.subject_type == "delegations"]
    assert [m.text for m in mine] == told
    assert {m.recipient_id for m in mine} <= {world.account("colleague")}
    assert all(m.state is MessageState.Read for m in mine if m.text == BEGUN)  # what it said holds no more


def test_whoever_stands_in_is_told_of_another_last_day(
    worker: Worker, clock: Clock, database: Database, messages: Any, lent: int
) -> None:
    """Never one that has passed: what was done in between must not look as if nobody might have done it."""
    clock.moment = WARNING
    worker.run_due()
    with database.session(everything("test"), write=True) as s:
        row = s.get_one(Delegation, lent)
        past = save(s, row, {"until_day": LENT}, now=WARNING + timedelta(days=1), expected_version=row.version)
        assert [(p.field, p.code) for p in past] == [("until_day", "past")]
        longer = {"until_day": LENT + timedelta(days=4)}
        assert not save(s, row, longer, now=WARNING, expected_version=row.version).errors
        assert not save(s, row, {"reason": "出差"}, now=WARNING, expected_version=row.version).errors
    worker.run_due()
    mine = [m for m in messages() if m.subject_type == "delegations"]
    assert [(m.text, m.params["until"]) for m in mine] == [(BEGUN, "2026-06-25"), (BEGUN, "2026-06-28")]


def test_reminders_of_a_role_for_a_time_follow_its_last_day(
    worker: Worker, clock: Clock, database: Database, world: World, messages: Any, outbox: Any
) -> None:
    with database.session(everything("test"), write=True) as s:
        role = s.scalars(select(AccessRole.id).where(AccessRole.name == Role.Approver.value)).one()
        row = RoleTerm()
        days = {"from_day": LENT, "until_day": LENT + timedelta(days=1)}
        assert not save(s, row, {"account_id": world.account("clerk"), "role_id": role, **days}, now=NOW).errors
        longer = {"until_day": LENT + timedelta(days=4)}
        assert not save(s, row, longer, now=NOW, expected_version=row.version).errors
        pk = row.id
    for day in (0, 1, 4):
        clock.moment = WARNING + timedelta(days=day)
        worker.run_due()
        ends = [m for m in messages() if (m.subject_type, m.text[:3]) == ("role-terms", "The")]
        assert len(ends) == (day == 4)
    with database.session(everything("test"), write=True) as s:
        assert not move(s, s.get_one(RoleTerm, pk), "end", now=clock.moment).errors
    worker.run_due()
    last = [m.text for m in messages() if m.subject_type == "role-terms"][-1]
    assert last == "Your role “%(role)s” for a time was ended."


def test_what_was_ended_before_it_began_is_not_announced(
    worker: Worker, clock: Clock, database: Database, world: World, messages: Any
) -> None:
    with database.session(everything("test"), write=True) as s:
        told = {"owner_id": world.account("clerk"), "deputy_id": world.account("colleague")}
        row = Delegation()
        days = {"from_day": date(2026, 6, 24), "until_day": date(2026, 6, 24)}
        assert not save(s, row, {**told, **days}, now=NOW).errors
        assert not move(s, row, "end", now=NOW).errors
    clock.moment = WARNING
    worker.run_due()
    assert [m for m in messages() if m.subject_type == "delegations"] == []


def test_the_reader_alone_sees_it(worker: Worker, clock: Clock, world: World, opened: Any) -> None:
    clock.moment = WARNING
    worker.run_due()
    for username, seen in (("clerk", 1), ("colleague", 0), ("outsider", 1), ("manager", 0), ("admin", 0)):
        s = opened(world.scope(username))
        assert len(list(s.scalars(select(Message)))) == seen, username


def test_rows_of_the_outbox_from_before_keys_named_their_registry(
    worker: Worker, clock: Clock, database: Database, world: World, messages: Any, outbox: Any
) -> None:
    """The kind, which says what to do, is as it was."""
    old = f"remind.notice:{world.case('申请人红鲤')}"
    with database.session(everything("test"), write=True) as s:
        s.scalars(select(Outbox).where(Outbox.subject_id == world.case("申请人红鲤"))).one().key = old
    clock.moment = WARNING
    worker.run_due()
    assert outbox()[old] is OutboxState.Done
    assert [m.recipient_id for m in messages() if m.key == old] == [world.account("clerk")]


@pytest.mark.parametrize(
    ("value", "kept"),
    [(date(2026, 6, 25), "2026-06-25"), (CaseState.Received, "Received"), ("x", "x"), (3, 3), (None, None)],
)
def test_values_of_a_message_are_kept_as_json_holds_them(value: Any, kept: Any) -> None:
    assert plain(value) == kept
