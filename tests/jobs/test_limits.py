"""After a notice was loaded: limits that run, their reminders, Events, and who is told."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from forms.importing import run
from jobs import limits
from jobs.outbox import Worker
from models.account import Account
from models.arrangement import carry_out, plan
from models.case import OPENING, Case
from models.database import Database
from models.delegation import Delegation
from models.event import Event, broken_links
from models.limits import LIMITS, RECKON
from models.message import Message
from models.outbox import Outbox, OutboxState
from models.scope import everything
from models.work_day import WorkDay
from models.workflow import move
from models.write import remove, save
from rules.deadlines import SHANGHAI
from rules.notice import read
from tests.conftest import Clock
from tests.rules.notices import notice
from tests.world import World, receive

BEFORE = datetime(2027, 2, 3, 2, 0, tzinfo=UTC)  # the day before the invented Spring Festival's last working day
TITLE = "国务院办公厅关于2027年部分节假日安排的通知"


def load(database: Database, text: str, actor: int | None, now: datetime) -> int | None:
    """Load a notice as that person; the id of the work it leaves, if any."""
    with database.session(everything("test", actor), write=True) as s:
        planned = plan(s, read(text), replace=False)
        assert not carry_out(s, planned, now).errors
        posted: list[int] = s.info.get("posted", [])
        return posted[-1] if posted else None


@pytest.fixture
def cases(database: Database, world: World, clock: Clock) -> dict[str, int]:
    """One case that waits, one that is accepted, one that is refused."""
    clock.moment = BEFORE
    found = {}
    with database.session(everything("test", world.account("clerk")), write=True) as s:
        for name in ("waits", "accepted", "refused"):
            found[name] = receive(s, world.item("公共场所卫生许可鲤"), now=BEFORE, applicant=name).id
        assert not move(s, s.get_one(Case, found["accepted"]), "accept", now=BEFORE).errors
        told = {"refusal_reason": "不属于本机关职权范围"}
        assert not move(s, s.get_one(Case, found["refused"]), "refuse", now=BEFORE, given=told).errors
    return found


def case(database: Database, pk: int) -> Case:
    with database.session(everything("test")) as s:
        return s.get_one(Case, pk)


def events(database: Database, pk: int) -> list[Event]:
    with database.session(everything("test")) as s:
        mine = (Event.subject_type == "cases") & (Event.subject_id == pk) & (Event.action == RECKON)
        return [*s.scalars(select(Event).where(mine))]


def test_limits_move_with_events_and_reminders(
    database: Database, world: World, worker: Worker, cases: dict[str, int]
) -> None:
    waits = case(database, cases["waits"])
    assert (waits.notice_due, waits.notice_provisional) == (date(2027, 2, 12), True)
    decided = case(database, cases["accepted"])
    assert decided.decision_provisional
    admin = world.account("admin")
    load(database, notice(2027), admin, BEFORE)
    worker.run_due()

    after = case(database, cases["waits"])
    # 4 February, then the weekend that is worked, and three days more.
    assert (after.notice_due, after.notice_provisional) == (date(2027, 2, 17), False)
    assert [line[1]["source"] for line in after.notice_lines if "source" in line[1]] == [TITLE]
    accepted = case(database, cases["accepted"])
    assert accepted.promise_due is not None
    assert decided.promise_due is not None
    assert accepted.promise_due > decided.promise_due
    assert not accepted.decision_provisional
    assert accepted.notice_due == decided.notice_due  # it has run out with the acceptance
    refused = case(database, cases["refused"])
    assert refused.notice_due == date(2027, 2, 12)

    [told] = events(database, cases["waits"])
    assert told.actor_id == admin
    assert told.changes["notice_due"] == ["2027-02-12", "2027-02-17"]
    assert "promise_due" in events(database, cases["accepted"])[0].changes
    assert events(database, cases["refused"]) == []
    with database.session(everything("test")) as s:
        key = f"remind.cases.notice:{cases['waits']}"
        reminder = s.scalars(select(Outbox).where(Outbox.key == key)).one()
        assert reminder.due_at == datetime.combine(date(2027, 2, 16), OPENING, SHANGHAI)
        assert broken_links(s) == []


def test_whoever_loaded_it_is_told(database: Database, world: World, worker: Worker, cases: dict[str, int]) -> None:
    todo = load(database, notice(2027), world.account("admin"), BEFORE)
    worker.run_due()
    with database.session(everything("test")) as s:
        message = s.scalars(select(Message).where(Message.recipient_id == world.account("admin"))).one()
        assert message.params == {"title": TITLE, "days": 365, "moved": 3, "rows": 2}
        row = s.get_one(Outbox, todo)
        assert row.state is OutboxState.Done
        moved = {(r, pk, clock): (old, new) for r, pk, _, clock, old, new in row.data["moved"]}
        assert moved["cases", cases["waits"], "Accept or refuse by"] == ("2027-02-12", "2027-02-17")
        assert {pk for _, pk, _ in moved} == {cases["waits"], cases["accepted"]}


def told(database: Database, person: int) -> list[Message]:
    """What that person's inbox says of moved limits."""
    with database.session(everything("test")) as s:
        mine = (Message.recipient_id == person) & Message.key.startswith(f"{LIMITS}:")
        return [*s.scalars(select(Message).where(mine).order_by(Message.id))]


def test_who_has_the_rows_in_hand_is_told_once(
    database: Database, world: World, worker: Worker, cases: dict[str, int]
) -> None:
    """Both cases and all three limits in one message; whoever loaded it has one of their own."""
    load(database, notice(2027), world.account("admin"), BEFORE)
    worker.run_due()
    [message] = told(database, world.account("clerk"))
    waits = case(database, cases["waits"])
    assert (message.subject_type, message.subject_id) == ("cases", waits.id)
    assert (message.text, message.params) == (limits.YOURS, {"row": waits.number, "rows": 2, "moved": 3})
    assert told(database, world.account("colleague")) == []


def test_one_moved_limit_is_told_with_its_dates(database: Database, world: World, worker: Worker, clock: Clock) -> None:
    clock.moment = BEFORE
    with database.session(everything("test", world.account("clerk")), write=True) as s:
        number = receive(s, world.item("公共场所卫生许可鲤"), now=BEFORE).number
    load(database, notice(2027), None, BEFORE)
    worker.run_due()
    [message] = told(database, world.account("clerk"))
    dates = {"old": "2027-02-12", "new": "2027-02-17"}
    assert (message.text, message.params) == (
        limits.ONE_LIMIT,
        {"row": number, "clock": "Accept or refuse by", **dates},
    )


def test_several_limits_of_one_row(database: Database, world: World, worker: Worker, clock: Clock) -> None:
    clock.moment = BEFORE
    with database.session(everything("test", world.account("clerk")), write=True) as s:
        row = receive(s, world.item("公共场所卫生许可鲤"), now=BEFORE)
        assert not move(s, row, "accept", now=BEFORE).errors
        number = row.number
    load(database, notice(2027), None, BEFORE)
    worker.run_due()
    [message] = told(database, world.account("clerk"))
    assert (message.text, message.params) == (limits.ONE_ROW, {"row": number, "rows": 1, "moved": 2})


@pytest.mark.parametrize("change", [{"department_id": "outsider"}, {"active": False}])
def test_who_may_not_see_the_rows_any_more_is_told_nothing(
    database: Database, world: World, worker: Worker, cases: dict[str, int], change: dict[str, Any]
) -> None:
    with database.session(everything("test"), write=True) as s:
        row = s.get_one(Account, world.account("clerk"))
        seat = s.scalars(select(Account.department_id).where(Account.username == "outsider")).one()
        values = {"department_id": seat} if "department_id" in change else change
        assert not save(s, row, values, now=BEFORE, expected_version=row.version).errors
    load(database, notice(2027), world.account("admin"), BEFORE)
    worker.run_due()
    assert case(database, cases["waits"]).notice_due == date(2027, 2, 17)
    assert told(database, world.account("clerk")) == []
    assert len(told(database, world.account("admin"))) == 1


def test_who_stands_in_is_told_as_well(
    database: Database, world: World, worker: Worker, clock: Clock, cases: dict[str, int]
) -> None:
    with database.session(everything("test"), write=True) as s:
        people = {"owner_id": world.account("clerk"), "deputy_id": world.account("colleague")}
        days = {"from_day": BEFORE.date(), "until_day": BEFORE.date()}
        assert not save(s, Delegation(), {**people, **days}, now=BEFORE).errors
    load(database, notice(2027), world.account("admin"), BEFORE)
    worker.run_due()
    waits = case(database, cases["waits"])
    [mine] = told(database, world.account("clerk"))
    [theirs] = told(database, world.account("colleague"))
    counts = {"row": waits.number, "rows": 2, "moved": 3}
    assert (mine.text, mine.params) == (limits.YOURS, counts)
    assert (theirs.text, theirs.params) == (limits.THEIRS, {**counts, "owner": "王鲤"})


def test_loading_it_again_changes_nothing(
    database: Database, world: World, worker: Worker, cases: dict[str, int]
) -> None:
    load(database, notice(2027), world.account("admin"), BEFORE)
    worker.run_due()
    with database.session(everything("test")) as s:
        before = s.scalar(select(func.count(Event.id)))
    assert load(database, notice(2027), world.account("admin"), BEFORE) is None
    worker.run_due()
    with database.session(everything("test")) as s:
        assert s.scalar(select(func.count(Event.id))) == before


def test_an_amended_notice_is_loaded_over_it(
    database: Database, world: World, worker: Worker, cases: dict[str, int]
) -> None:
    """It moves what it moves, and loading the first one again does not take it back."""
    admin = world.account("admin")
    load(database, notice(2027), admin, BEFORE)
    worker.run_due()
    longer = (
        "国务院办公厅关于延长2027年春节假期的通知\n"
        "一、延长2027年春节假期至2月15日（星期一），2月16日（星期二）起正常上班。"
    )
    load(database, longer, admin, BEFORE)
    worker.run_due()
    assert case(database, cases["waits"]).notice_due == date(2027, 2, 19)
    assert len(events(database, cases["waits"])) == 2
    assert load(database, notice(2027), admin, BEFORE) is None
    with database.session(everything("test")) as s:
        planned = plan(s, read(notice(2027)), replace=False)
        assert [c.before.day.isoformat() for c in planned.kept] == ["2027-02-14", "2027-02-15"]
        assert len(plan(s, read(notice(2027)), replace=True).moving) == 2


def test_a_reminder_that_was_sent_is_not_sent_again(
    database: Database, world: World, worker: Worker, clock: Clock, cases: dict[str, int]
) -> None:
    clock.moment = datetime(2027, 2, 11, 2, 0, tzinfo=UTC)
    worker.run_due()
    load(database, notice(2027), world.account("admin"), clock.moment)
    worker.run_due()
    clock.moment = datetime(2027, 2, 20, 2, 0, tzinfo=UTC)
    worker.run_due()
    with database.session(everything("test")) as s:
        mine = Message.key == f"remind.cases.notice:{cases['waits']}"
        assert s.scalar(select(func.count(Message.id)).where(mine)) == 1


class Killed(BaseException):
    """The worker is gone, without a word."""


@pytest.mark.parametrize("after", [0, 1, 3, 5])
def test_a_killed_worker_forgets_and_repeats_nothing(
    database: Database, world: World, worker: Worker, clock: Clock, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    clock.moment = BEFORE
    with database.session(everything("test", world.account("clerk")), write=True) as s:
        pks = [receive(s, world.item("公共场所卫生许可鲤"), now=BEFORE, applicant=f"第{i}").id for i in range(5)]
    todo = load(database, notice(2027), world.account("admin"), BEFORE)
    assert todo is not None
    monkeypatch.setattr(limits, "BATCH", 2)
    real, count = limits.reckon, 0

    def dies(*args: Any) -> None:
        nonlocal count
        if count == after:
            raise Killed
        count += 1
        real(*args)

    monkeypatch.setattr(limits, "reckon", dies)
    if after < 5:
        with pytest.raises(Killed):
            worker.deliver(todo)
    else:
        worker.deliver(todo)
    monkeypatch.setattr(limits, "reckon", real)
    clock.moment = BEFORE + timedelta(minutes=5)  # its lease is over
    worker.run_due()
    for pk in pks:
        assert case(database, pk).notice_due == date(2027, 2, 17)
        assert len(events(database, pk)) == 1
    with database.session(everything("test")) as s:
        row = s.get_one(Outbox, todo)
        assert row.state is OutboxState.Done
        assert row.data["limits"] == row.data["rows"] == len(row.data["moved"]) == 5
        assert s.scalar(select(func.count(Message.id)).where(Message.subject_type == "work-days")) == 1
    [message] = told(database, world.account("clerk"))
    assert (message.params["rows"], message.params["moved"]) == (5, 5)


def test_much_work_is_done_in_turns(
    database: Database, world: World, worker: Worker, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.moment = BEFORE
    with database.session(everything("test", world.account("clerk")), write=True) as s:
        for i in range(5):
            receive(s, world.item("公共场所卫生许可鲤"), now=BEFORE, applicant=f"第{i}")
    todo = load(database, notice(2027), world.account("admin"), BEFORE)
    assert todo is not None
    monkeypatch.setattr(limits, "BATCH", 1)
    monkeypatch.setattr(limits, "BATCHES", 2)
    monkeypatch.setattr(limits, "MOST_TOLD", 3)
    assert worker.deliver(todo)
    with database.session(everything("test")) as s:
        row = s.get_one(Outbox, todo)
        assert (row.state, row.attempts, row.data["limits"]) == (OutboxState.Waiting, 0, 2)
    worker.run_due()
    with database.session(everything("test")) as s:
        row = s.get_one(Outbox, todo)
        assert (row.state, row.data["limits"], len(row.data["moved"])) == (OutboxState.Done, 5, 3)


def test_who_took_over_is_left_to_it(
    database: Database, world: World, worker: Worker, clock: Clock, cases: dict[str, int]
) -> None:
    """A worker whose lease has run out leaves the rows to the other."""
    todo = load(database, notice(2027), world.account("admin"), BEFORE)
    assert todo is not None
    with database.session(everything("test"), write=True) as s:
        row = s.get_one(Outbox, todo)
        row.state, row.claimed_at = OutboxState.Claimed, BEFORE + timedelta(seconds=61)
    limits.reckon_limits(worker, todo, BEFORE)
    assert events(database, cases["waits"]) == []
    with database.session(everything("test")) as s:
        assert s.get_one(Outbox, todo).state is OutboxState.Claimed


def test_no_row_is_decided_by_a_setting_that_changed(
    database: Database, world: World, worker: Worker, cases: dict[str, int]
) -> None:
    """The limit keeps its five days, whatever the profile says now."""
    from models.profile import Profile
    from models.write import save

    with database.session(everything("test"), write=True) as s:
        profile = s.scalars(select(Profile)).first()
        assert profile is not None
        assert not save(s, profile, {"notice_days": 3}, now=BEFORE).errors
    load(database, notice(2027), world.account("admin"), BEFORE)
    worker.run_due()
    assert case(database, cases["waits"]).notice_due == date(2027, 2, 17)


def test_the_calendar_is_firm_for_the_whole_year(database: Database, world: World) -> None:
    load(database, notice(2027), world.account("admin"), BEFORE)
    with database.session(everything("test")) as s:
        year = WorkDay.day.between(date(2027, 1, 1), date(2027, 12, 31))
        rows = s.scalars(select(WorkDay).where(year)).all()
        assert len(rows) == 365
        assert {(row.source, row.provisional) for row in rows} == {(TITLE, False)}


# --- days changed by hand --------------------------------------------------------------------------------------------

SUBMITTED = date(2027, 2, 9)  # a working day before the limit of the case that waits


def by_hand(database: Database, world: World, *, day: date = SUBMITTED, now: datetime = BEFORE, **values: Any) -> None:
    """The administrator enters a day or changes it, on its page."""
    with database.session(world.scope("admin"), write=True) as s:
        row = s.scalars(select(WorkDay).where(WorkDay.day == day)).one_or_none() or WorkDay()
        given = {"day": day, "source": "泉城市人民政府通告", **values} if row.id is None else values
        assert not save(s, row, given, now=now, expected_version=row.version).errors


def works(database: Database) -> list[Outbox]:
    with database.session(everything("test")) as s:
        return [*s.scalars(select(Outbox).where(Outbox.kind == LIMITS).order_by(Outbox.id))]


def test_a_day_changed_by_hand_moves_limits(
    database: Database, world: World, worker: Worker, cases: dict[str, int]
) -> None:
    """Entered, put right again, and taken away: each time the limits say what the calendar says."""
    pk, admin = cases["waits"], world.account("admin")
    assert case(database, pk).notice_due == date(2027, 2, 12)
    by_hand(database, world, workday=False, name="临时放假")
    worker.run_due()
    assert case(database, pk).notice_due == date(2027, 2, 15)
    assert events(database, pk)[0].actor_id == admin
    with database.session(everything("test")) as s:
        told = s.scalars(select(Message).where(Message.recipient_id == admin)).one()
        assert (told.text, told.params["days"]) == (limits.BY_HAND, 1)
        assert told.params["moved"] == len(works(database)[0].data["moved"]) >= 1
    by_hand(database, world, workday=True)
    worker.run_due()
    assert case(database, pk).notice_due == date(2027, 2, 12)
    by_hand(database, world, workday=False)
    worker.run_due()
    with database.session(world.scope("admin"), write=True) as s:
        row = s.scalars(select(WorkDay).where(WorkDay.day == SUBMITTED)).one()
        assert not remove(s, row, now=BEFORE, expected_version=row.version).errors
    worker.run_due()
    assert case(database, pk).notice_due == date(2027, 2, 12)
    assert len(works(database)) == 4
    assert {todo.state for todo in works(database)} == {OutboxState.Done}


def test_many_days_are_one_piece_of_work(
    database: Database, world: World, worker: Worker, cases: dict[str, int]
) -> None:
    """By an import as well; and what has been begun takes nothing in any more."""
    text = "day,workday,source\n2027-02-08,0,通告\n2027-02-09,0,通告\n"
    with database.session(world.scope("admin"), write=True) as s:
        run(s, text.encode(), registry="work-days", most=10, now=BEFORE)
    by_hand(database, world, day=date(2027, 2, 5), workday=False)
    (todo,) = works(database)
    assert (todo.data["first"], todo.data["changed"]) == ("2027-02-05", 3)
    assert todo.data["moving"] == ["2027-02-05", "2027-02-08", "2027-02-09"]
    with database.session(everything("test"), write=True) as s:
        s.get_one(Outbox, todo.id).data = {**todo.data, "at": ["cases", 10**6]}
    by_hand(database, world, day=date(2027, 2, 10), workday=False)
    assert [one.data["first"] for one in works(database)] == ["2027-02-05", "2027-02-10"]


def test_what_changes_no_day_moves_nothing(
    database: Database, world: World, worker: Worker, cases: dict[str, int]
) -> None:
    by_hand(database, world, workday=True, name="开放日")
    worker.run_due()
    assert case(database, cases["waits"]).notice_due == date(2027, 2, 12)
    count = len(works(database))
    by_hand(database, world, name="别的名称")
    assert len(works(database)) == count
    load(database, notice(2027), world.account("admin"), BEFORE)  # posts its own work, and one alone
    assert len(works(database)) == count + 1


def test_a_command_that_fills_the_calendar_leaves_no_work(database: Database) -> None:
    with database.session(everything("test"), write=True) as s:
        assert not save(s, WorkDay(), {"day": SUBMITTED, "workday": False, "source": "x"}, now=BEFORE).errors
    assert works(database) == []
