"""The door for changes of state: accept and refuse, with their dates, letters and Events."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy import select

from models.account import Account
from models.case import Case, CaseState
from models.database import Database
from models.event import Event, EventKind, broken_links
from models.item import Item, ItemState
from models.letter import Letter
from models.message import Message
from models.outbox import Outbox, OutboxState
from models.profile import Profile, lookup
from models.region import Region
from models.scope import Forbidden, ScopedSession, everything
from models.workflow import act, can, move
from models.write import save
from rules.words import Problems
from tests.world import NOW, World, put, receive

CHINA = ZoneInfo("Asia/Shanghai")
LATER = NOW + timedelta(hours=2)
As = Callable[[str], ScopedSession]


@pytest.fixture
def as_(world: World, opened: Callable[..., ScopedSession]) -> As:
    """A writing session as that person."""
    return lambda username="": opened(world.scope(username) if username else None, write=True)


def codes(problems: Problems) -> set[tuple[str | None, str]]:
    return {(p.field, p.code) for p in problems}


def mine(s: ScopedSession) -> Case:
    return s.scalars(select(Case).where(Case.applicant == "申请人红鲤")).one()


def go(s: ScopedSession, row: Any, action: str, now: datetime = LATER, **given: Any) -> Problems:
    return move(s, row, action, now=now, given=given, expected_version=row.version)


def letters(s: ScopedSession) -> list[Outbox]:
    return list(s.scalars(select(Outbox).where(Outbox.kind.startswith("letter.")).order_by(Outbox.id)))


def last_event(s: ScopedSession) -> Event:
    return s.scalars(select(Event).order_by(Event.id.desc()).limit(1)).one()


def china(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=CHINA).astimezone(UTC)  # type: ignore[arg-type,misc]


# ---- accepting and refusing


def test_accept(as_: As, world: World) -> None:
    s = as_("clerk")
    case = mine(s)
    version = case.version
    assert go(s, case, "accept") == []
    s.commit()
    s.expire(case)
    assert (case.state, case.decided_at, case.version) == (CaseState.Accepted, LATER, version + 1)
    assert (case.changed_at, case.changed_by_id) == (LATER, world.account("clerk"))
    told = last_event(s)
    assert (told.kind, told.action, told.subject_id, told.at) == (EventKind.Moved, "accept", case.id, LATER)
    assert told.changes["state"] == ["received", "accepted"]
    assert told.changes["promise_due"] == [None, case.promise_due.isoformat()]
    [todo] = letters(s)
    assert (todo.kind, todo.key, todo.event_id) == ("letter.acceptance", f"letter.acceptance:{told.id}", told.id)
    assert (todo.subject_type, todo.subject_id, todo.due_at, todo.state) == (
        "cases",
        case.id,
        LATER,
        OutboxState.Waiting,
    )
    assert s.info["posted"] == [todo.id]


def test_refuse(as_: As) -> None:
    s = as_("approver")
    case = mine(s)
    assert go(s, case, "refuse", refusal_reason="不属于本机关职权", competent="东城区市场监督管理局") == []
    s.commit()
    s.expire(case)
    assert (case.state, case.decided_at) == (CaseState.Refused, LATER)
    assert (case.refusal_reason, case.competent) == ("不属于本机关职权", "东城区市场监督管理局")
    assert (case.promise_due, case.statutory_due) == (None, None)
    assert [t.kind for t in letters(s)] == ["letter.refusal"]
    assert last_event(s).changes["refusal_reason"] == [None, "不属于本机关职权"]


@pytest.mark.parametrize("decided", ["accept", "refuse"])
def test_every_wrong_state(as_: As, decided: str) -> None:
    s = as_("approver")
    case = mine(s)
    assert not go(s, case, decided, **({"refusal_reason": "x"} if decided == "refuse" else {})).errors
    state, version, events = case.state, case.version, last_event(s).id
    for action, given in (("accept", {}), ("refuse", {"refusal_reason": "y"})):
        problems = go(s, case, action, **given)
        assert codes(problems) == {(None, "wrong_state")}
        assert problems[0].params["state"] == state.label
    assert (case.state, case.version, last_event(s).id, len(letters(s))) == (state, version, events, 1)
    assert can(s, case) == []


@pytest.mark.parametrize("given", [{}, {"refusal_reason": None}, {"refusal_reason": ""}, {"competent": "x"}])
def test_a_refusal_states_its_reason(as_: As, given: dict[str, Any]) -> None:
    s = as_("approver")
    case = mine(s)
    assert codes(go(s, case, "refuse", **given)) == {("refusal_reason", "required")}
    assert (case.state, case.competent, letters(s)) == (CaseState.Received, None, [])


def test_answers_are_checked_like_fields(as_: As) -> None:
    s = as_("approver")
    case = mine(s)
    assert codes(go(s, case, "refuse", refusal_reason="x", competent="鲤" * 101)) == {("competent", "too_long")}
    assert codes(go(s, case, "refuse", refusal_reason="x\x00")) == {("refusal_reason", "characters")}
    assert codes(go(s, case, "refuse", refusal_reason="x", state=CaseState.Accepted)) == {("state", "unknown_field")}
    assert codes(go(s, case, "accept", refusal_reason="x")) == {("refusal_reason", "unknown_field")}
    assert codes(go(s, case, "accept", department_id=5)) == {("department_id", "unknown_field")}
    assert (case.state, case.refusal_reason, letters(s)) == (CaseState.Received, None, [])
    assert go(s, case, "accept") == []


@pytest.mark.parametrize("username", ["clerk", "colleague", "manager", "auditor", "admin"])
def test_the_window_has_no_veto(as_: As, username: str) -> None:
    """D11, 济南“在泉城·全办成”: refusing is a decision of the department, so only the approver may."""
    s = as_(username)
    case = mine(s)
    with pytest.raises(Forbidden):
        go(s, case, "refuse", refusal_reason="x")
    assert "refuse" not in {m.name for m in can(s, case)}
    assert case.state is CaseState.Received


def test_who_can_do_what(world: World, opened: Callable[..., ScopedSession]) -> None:
    offered = {}
    for username in ("clerk", "approver", "auditor", "manager"):
        s = opened(world.scope(username))
        offered[username] = [m.name for m in can(s, mine(s))]
    assert offered == {"clerk": ["accept"], "approver": ["accept", "refuse"], "auditor": [], "manager": []}


def test_a_foreign_case(as_: As, opened: Callable[..., ScopedSession], world: World) -> None:
    s, other = as_("approver"), opened()
    foreign = other.get_one(Case, world.case("申请人白鹤"))
    other.expunge(foreign)
    other.close()
    s.add(foreign)
    for action, given in (("accept", {}), ("refuse", {"refusal_reason": "x"})):
        with pytest.raises(Forbidden):
            go(s, foreign, action, **given)
    assert can(s, foreign) == []


def test_an_item_cancelled_meanwhile(as_: As) -> None:
    """A04: 不得变相实施未列入目录内的政务服务事项."""
    change = as_("")
    item = change.scalars(select(Item).where(Item.name == "公共场所卫生许可鲤")).one()
    assert go(change, item, "cancel") == []
    change.commit()
    s = as_("approver")
    case = mine(s)
    problems = go(s, case, "accept")
    assert codes(problems) == {(None, "item_not_in_force")}
    assert problems[0].params == {"state": ItemState.Cancelled.label}
    assert (case.state, case.promise_due, letters(s)) == (CaseState.Received, None, [])
    assert go(s, case, "refuse", refusal_reason="事项已取消") == []
    s.commit()
    clerk = as_("clerk")
    values = {"item_id": item.id, "applicant": "x", "identifier": "11010519491231002X", "received_at": NOW}
    assert codes(save(clerk, Case(), values, now=NOW)) == {("item_id", "item_not_in_force")}


def test_a_stale_version(as_: As) -> None:
    s = as_("clerk")
    case = mine(s)
    for wrong in (None, case.version - 1, case.version + 1):
        assert codes(move(s, case, "accept", now=LATER, expected_version=wrong)) == {(None, "stale")}
    assert (case.state, letters(s)) == (CaseState.Received, [])
    s.connection().execute(sa.update(Case.__table__).values(version=Case.__table__.c.version + 1))
    assert codes(go(s, case, "accept")) == {(None, "stale")}
    assert letters(s) == []
    s.refresh(case)
    assert go(s, case, "accept") == []


def test_unknown_moves(as_: As) -> None:
    s = as_("clerk")
    with pytest.raises(LookupError):
        go(s, mine(s), "approve")
    with pytest.raises(LookupError):
        move(s, s.scalars(select(Region)).first(), "accept", now=NOW)


def test_a_move_that_the_database_refuses_leaves_nothing(as_: As) -> None:
    """The letter's key is unique: where one stands already, the whole move is undone."""
    s = as_("clerk")
    case = mine(s)
    following = s.connection().execute(sa.text("SELECT max(id) FROM event")).scalar() + 1
    taken = {"kind": "x", "key": f"letter.acceptance:{following}", "subject_type": "cases", "subject_id": case.id}
    s.add(Outbox(**taken, data={}, due_at=NOW))
    s.flush()
    with pytest.raises(sa.exc.IntegrityError):
        go(s, case, "accept")
    assert (case.state, case.decided_at) == (CaseState.Received, None)
    assert s.scalars(select(Event).where(Event.action == "accept")).all() == []


@pytest.mark.parametrize("action", ["publish", "cancel"])
def test_moves_of_an_item_need_their_grant(as_: As, action: str) -> None:
    s = as_("approver")
    item = s.scalars(select(Item).limit(1)).one()
    with pytest.raises(Forbidden):
        go(s, item, action)


def test_nobody_is_granted_to_issue_a_letter(as_: As, world: World, database: Database) -> None:
    with database.session(everything("letters"), write=True) as s:
        case = mine(s)
        event = s.scalars(select(Event.id).limit(1)).one()
        values = {
            "number": "1",
            "kind": "acceptance",
            "subject_type": "cases",
            "subject_id": case.id,
            "subject_label": "1",
            "department_id": case.department_id,
        }
        letter = put(s, Letter(), **values, event_id=event, year=2026, serial=1, code="A")
        assert codes(move(s, letter, "issue", now=NOW)) == {(None, "constraint")}  # it has no bytes
        id_ = letter.id
    for username in ("admin", "approver", "manager"):
        s = as_(username)
        with pytest.raises(Forbidden):
            go(s, s.get_one(Letter, id_), "issue")
        s.rollback()


def test_reading_a_message(as_: As, world: World, database: Database) -> None:
    with database.session(everything("test"), write=True) as s:
        values = {"text": "x", "params": {}, "subject_type": "cases", "subject_id": 1, "sent_at": NOW, "key": "k"}
        put(s, Message(), recipient_id=world.account("clerk"), **values)
    s = as_("clerk")
    message = s.scalars(select(Message)).one()
    assert go(s, message, "read") == []
    assert message.read_at == LATER
    assert codes(go(s, message, "read")) == {(None, "wrong_state")}


def test_a_declared_action_leaves_an_event(as_: As, world: World) -> None:
    s = as_("admin")
    account = s.get_one(Account, world.account("clerk"))
    reset = Account.__admin__.actions[0]
    version, password = account.version, account.password
    assert codes(act(s, account, reset, now=LATER, expected_version=version + 1)[0]) == {(None, "stale")}
    problems, answer = act(s, account, reset, now=LATER, expected_version=version)
    s.commit()
    assert (problems, len(answer or "")) == ([], 12)
    assert account.password != password
    assert account.must_change_password
    assert account.version == version + 1
    told = last_event(s)
    assert (told.kind, told.action, told.actor_id) == (EventKind.Done, "reset_password", world.account("admin"))
    assert answer not in str(told.changes)
    assert account.password not in str(told.changes)
    s.close()
    clerk = as_("clerk")
    with pytest.raises(Forbidden):
        act(clerk, clerk.get_one(Account, world.account("clerk")), reset, now=LATER, expected_version=version + 1)


def test_the_chain_holds_after_all_of_it(as_: As, opened: Callable[..., ScopedSession]) -> None:
    s = as_("approver")
    assert go(s, mine(s), "accept") == []
    s.commit()
    assert broken_links(opened()) == []


# ---- dates


@pytest.mark.parametrize(
    ("days", "received", "due"),
    [
        (5, china(2026, 4, 30, 15), date(2026, 5, 11)),  # D06, complex: Saturday 9 May works
        (1, china(2026, 4, 30, 15), date(2026, 5, 6)),  # D06, simple
        (5, china(2026, 9, 30, 16), date(2026, 10, 13)),  # D07, complex: Saturday 10 October works
        (1, china(2026, 9, 30, 16), date(2026, 10, 8)),  # D07, simple: so nobody was told by 9 October
        (5, china(2026, 4, 30, 23, 59), date(2026, 5, 11)),
        (5, china(2026, 5, 1, 0, 1), date(2026, 5, 11)),  # received on a holiday: the next five working days
    ],
)
def test_the_limit_to_accept_or_refuse(
    as_: As, database: Database, world: World, days: int, received: datetime, due: date
) -> None:
    with database.session(everything("test"), write=True) as s:
        profile = s.scalars(select(Profile)).one()
        assert not save(s, profile, {"notice_days": days}, now=NOW).errors
    s = as_("clerk")
    case = receive(s, world.item("公共场所卫生许可鲤"), now=received, received_at=received)
    assert (case.notice_due, case.notice_provisional) == (due, False)
    counted = [values["workdays"] for _, values in case.notice_lines if "workdays" in values]
    assert counted == [days]
    assert case.number == f"东卫健 {received.astimezone(CHINA).year}-000002"


def test_the_reminder_comes_one_working_day_before(as_: As, world: World) -> None:
    s = as_("clerk")
    case = receive(s, world.item("公共场所卫生许可鲤"), now=china(2026, 9, 30, 16))
    reminder = s.scalars(select(Outbox).where(Outbox.key == f"remind.cases.notice:{case.id}")).one()
    assert reminder.due_at == china(2026, 10, 12, 8, 30)


@pytest.mark.parametrize(
    ("promise", "accepted", "due", "statutory"),
    [
        (15, china(2026, 9, 22, 11), date(2026, 10, 20), date(2026, 10, 27)),  # D15: the promise clock from acceptance
        (0, china(2026, 9, 22, 11), date(2026, 9, 22), date(2026, 10, 27)),  # handled on the spot
        (None, china(2026, 9, 22, 11), None, date(2026, 10, 27)),
        (15, china(2026, 9, 21, 23, 59), date(2026, 10, 19), date(2026, 10, 26)),
    ],
)
def test_the_promise_runs_from_acceptance(
    as_: As, database: Database, promise: int | None, accepted: datetime, due: date | None, statutory: date
) -> None:
    with database.session(everything("test"), write=True) as s:
        item = s.scalars(select(Item).where(Item.name == "公共场所卫生许可鲤")).one()
        assert not save(s, item, {"promise_days": promise}, now=NOW).errors
    s = as_("clerk")
    case = mine(s)
    assert go(s, case, "accept", now=accepted) == []
    assert (case.promise_due, case.statutory_due, case.decision_provisional) == (due, statutory, False)
    assert (case.promise_lines is None) == (promise is None)


def test_the_nearest_region_that_says_something_wins(as_: As, database: Database, world: World) -> None:
    """The city says five days; what its district says wins there, and nowhere else; silence is no zero."""
    region = {code: world.id(Region, code=code) for code in ("99", "9901", "990101", "990102")}

    def found(name: str) -> dict[str, Any]:
        with database.session(everything("test")) as s:
            return {code: lookup(s, s.get_one(Region, id_), name) for code, id_ in region.items()}

    def write(code: str, **values: Any) -> None:
        with database.session(everything("test"), write=True) as s:
            row = s.scalars(select(Profile).where(Profile.region_id == region[code])).one_or_none() or Profile()
            given = values if row.id else {"region_id": region[code], **values}
            assert not save(s, row, given, now=NOW).errors

    city = (5, "泉城市")
    assert found("notice_days") == {"99": (5, None), "9901": city, "990101": city, "990102": city}
    write("99", notice_days=3, court="示例省法院")
    assert found("notice_days") == {"99": (3, "示例省"), "9901": city, "990101": city, "990102": city}
    write("990101", notice_days=1)
    assert found("notice_days") == {"99": (3, "示例省"), "9901": city, "990101": (1, "东城区"), "990102": city}
    assert found("court")["990101"] == ("示例省法院", "示例省")
    assert found("warn_days")["990101"] == (1, "泉城市")
    assert found("source")["99"] == (None, None)
    received = china(2026, 4, 30, 15)
    for username, name, due in (("clerk", "公共场所卫生许可鲤", 6), ("stranger", "公共场所卫生许可鹭", 11)):
        s = as_(username)
        assert receive(s, world.item(name), now=received, received_at=received).notice_due == date(2026, 5, due)
        s.commit()
    write("9901", notice_days=None)
    assert found("notice_days")["990102"] == (3, "示例省")
    # What was promised to an applicant does not move when the rule does.
    with database.session(everything("test")) as s:
        old = s.scalars(select(Case.notice_due).where(Case.received_at == received).order_by(Case.id)).all()
    assert old == [date(2026, 5, 6), date(2026, 5, 11)]


def test_no_profile_goes_above_the_law(database: Database) -> None:
    """《中华人民共和国行政许可法》第三十二条: five days at most."""
    with database.session(everything("test"), write=True) as s:
        profile = s.scalars(select(Profile)).one()
        for days, code in ((6, "too_large"), (0, "too_small")):
            assert codes(save(s, profile, {"notice_days": days}, now=NOW)) == {("notice_days", code)}
