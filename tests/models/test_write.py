"""The door for edits: what it refuses, what it leaves behind, and that nothing slips past it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from models import registries
from models.account import Account
from models.case import ApplicantKind, Case, CaseState, Channel
from models.catalogue_item import ExerciseLevel, ItemType
from models.columns import columns
from models.columns import many as many_of
from models.database import Database
from models.department import Department, DepartmentKind
from models.event import Event, EventKind, broken_links
from models.item import Item, ItemState, Origin
from models.legal_basis import LegalBasis
from models.outbox import Outbox
from models.profile import Profile
from models.region import Region, RegionLevel
from models.scope import Forbidden, ScopedSession, ScopeError, everything
from models.tree import RELOCATE
from models.work_day import WorkDay
from models.workflow import act, move
from models.write import remove, save
from rules.words import Problems
from tests.world import COMPANY, NOW, RESIDENT, World, put, receive

LATER = NOW + timedelta(hours=1)
Open = Callable[..., ScopedSession]


@pytest.fixture
def as_(world: World, opened: Open) -> Callable[[str], ScopedSession]:
    """A writing session as that person."""
    return lambda username: opened(world.scope(username), write=True)


def codes(problems: Problems) -> set[tuple[str | None, str]]:
    return {(p.field, p.code) for p in problems}


def mine(session: ScopedSession) -> Case:
    return session.scalars(select(Case).where(Case.applicant == "申请人红鲤")).one()


def item_of(session: ScopedSession, name: str = "公共场所卫生许可鲤") -> Item:
    return session.scalars(select(Item).where(Item.name == name)).one()


def edit(session: ScopedSession, row: Any, **values: Any) -> Problems:
    return save(session, row, values, now=LATER, expected_version=row.version)


def relocated(session: ScopedSession, row: Any, parent: int | None) -> Problems:
    problems, _ = act(session, row, RELOCATE, now=LATER, given={"parent_id": parent}, expected_version=row.version)
    return problems


def application(item_id: int, **more: Any) -> dict[str, Any]:
    return {
        "item_id": item_id,
        "applicant_kind": ApplicantKind.Person,
        "applicant": "新申请人",
        "identifier": RESIDENT,
        "channel": Channel.Window,
        "received_at": NOW,
        **more,
    }


def counted(session: ScopedSession, model: type[Any]) -> int:
    return int(session.scalar(select(func.count()).select_from(model)) or 0)


def stored(database: Database, model: type[Any], id_: int) -> dict[str, Any]:
    """The row as the database holds it, whatever a session still thinks."""
    with database.engine.connect() as connection:
        table = model.__table__
        return dict(connection.execute(sa.select(table).where(table.c.id == id_)).mappings().one())


# ---- what may be given


REFUSED: list[tuple[dict[str, Any], tuple[str, str]]] = [
    ({"applicant": None}, ("applicant", "required")),
    ({"applicant": ""}, ("applicant", "required")),
    ({"identifier": None}, ("identifier", "required")),
    ({"channel": None}, ("channel", "required")),
    ({"applicant_kind": None}, ("applicant_kind", "required")),
    ({"applicant": "鲤" * 101}, ("applicant", "too_long")),
    ({"phone": "1" * 41}, ("phone", "too_long")),
    ({"identifier": RESIDENT + "1"}, ("identifier", "too_long")),
    ({"applicant": "a\x00b"}, ("applicant", "characters")),
    ({"applicant": "a\ud800b"}, ("applicant", "characters")),
    ({"identifier": "110105194912310021"}, ("identifier", "identifier_checksum")),
    ({"nonsense": 1}, ("nonsense", "unknown_field")),
    ({"id": 77}, ("id", "unknown_field")),
    ({"__class__": Item}, ("__class__", "unknown_field")),
    ({"item": None}, ("item", "unknown_field")),
    ({"metadata": None}, ("metadata", "unknown_field")),
    ({"state": CaseState.Accepted}, ("state", "read_only")),
    ({"department_id": 5}, ("department_id", "read_only")),
    ({"version": 9}, ("version", "read_only")),
    ({"number": "东卫健 2026-000009"}, ("number", "read_only")),
    ({"handler_id": None}, ("handler_id", "read_only")),
    ({"item_id": 2}, ("item_id", "read_only")),
    ({"received_at": LATER}, ("received_at", "read_only")),
    ({"created_by_id": 1}, ("created_by_id", "read_only")),
    ({"changed_at": LATER}, ("changed_at", "read_only")),
    ({"refusal_reason": "x"}, ("refusal_reason", "read_only")),
    ({"notice_due": None}, ("notice_due", "read_only")),
]


def test_refused_values(as_: Any, database: Database) -> None:
    s = as_("clerk")
    case = mine(s)
    before, events = stored(database, Case, case.id), counted(s, Event)
    answers = [(values, codes(edit(s, case, **{"phone": "7", **values}))) for values, _ in REFUSED]
    assert answers == [(values, {expected}) for values, expected in REFUSED]
    s.commit()
    assert stored(database, Case, case.id) == before
    assert counted(s, Event) == events
    # The row is as it was, and so is the session: the next edit goes through.
    assert (case.applicant, case.phone, case.state) == ("申请人红鲤", None, CaseState.Received)
    assert edit(s, case, phone="138") == []
    s.commit()
    assert stored(database, Case, case.id)["phone"] == "138"


REFUSED_OF_ITEMS: list[tuple[dict[str, Any], tuple[str, str]]] = [
    ({"promise_days": -1}, ("promise_days", "too_small")),
    ({"statutory_days": 366}, ("statutory_days", "too_large")),
    ({"promise_days": 21}, ("promise_days", "above_statutory")),
    ({"basic_code": "0001"}, ("basic_code", "inherited")),
    ({"catalogue_item_id": 987654}, ("catalogue_item_id", "not_found")),
    ({"state": ItemState.Cancelled}, ("state", "read_only")),
    ({"origin": Origin.TakenOver}, ("origin", "read_only")),
    ({"gaps": []}, ("gaps", "read_only")),
    ({"gap_count": 3}, ("gap_count", "read_only")),
]


def test_refused_values_of_an_item(as_: Any) -> None:
    s = as_("manager")
    answers = [(values, codes(edit(s, item_of(s), **values))) for values, _ in REFUSED_OF_ITEMS]
    assert answers == [(values, {expected}) for values, expected in REFUSED_OF_ITEMS]
    assert item_of(s).version == 2  # made, then put in force


def test_bounds_themselves_are_allowed(as_: Any) -> None:
    s = as_("manager")
    item = item_of(s)
    assert edit(s, item, promise_days=0, statutory_days=365) == []
    assert (item.promise_days, item.statutory_days) == (0, 365)


def test_longest_text_fits_both_engines(as_: Any, database: Database) -> None:
    s = as_("clerk")
    case = mine(s)
    assert edit(s, case, applicant="𠮷" * 100) == []
    s.commit()
    assert stored(database, Case, case.id)["applicant"] == "𠮷" * 100


def test_a_new_row_says_what_is_missing_and_nothing_else(as_: Any) -> None:
    """The number, the department and the limit are derived: people are not asked for them."""
    s = as_("clerk")
    problems = save(s, Case(), {}, now=NOW)
    assert codes(problems) == {(n, "required") for n in ("item_id", "applicant", "identifier", "received_at")}
    assert codes(save(s, Case(), {**application(1), "item_id": None}, now=NOW)) == {("item_id", "required")}
    assert not list(s.new)


def test_mass_assignment_of_a_new_row(as_: Any, world: World) -> None:
    s = as_("clerk")
    values = application(world.item("公共场所卫生许可鲤"))
    extra = {
        "state": CaseState.Accepted,
        "department_id": 1,
        "version": 3,
        "handler_id": 1,
        "number": "1",
        "decided_at": NOW,
    }
    for name, value in extra.items():
        assert codes(save(s, Case(), {**values, name: value}, now=NOW)) == {(name, "read_only")}
    assert codes(save(s, Case(), {**values, "id": 77}, now=NOW)) == {("id", "unknown_field")}
    assert counted(s, Case) == 1


def test_defaults_hold_for_a_new_row_only(as_: Any, world: World) -> None:
    s = as_("clerk")
    values = application(world.item("公共场所卫生许可鲤"))
    del values["channel"], values["applicant_kind"]
    case = Case()
    assert save(s, case, values, now=NOW) == []
    assert (case.channel, case.applicant_kind) == (Channel.Window, ApplicantKind.Person)


# ---- versions, Events, stamps


def test_an_edit_leaves_a_version_an_event_and_stamps(as_: Any, world: World, database: Database) -> None:
    s = as_("colleague")
    case = mine(s)
    version, events, created = case.version, counted(s, Event), (case.created_at, case.created_by_id)
    assert edit(s, case, phone="138", applicant="新名") == []
    s.commit()
    assert case.version == version + 1 == stored(database, Case, case.id)["version"]
    assert (case.changed_at, case.changed_by_id) == (LATER, world.account("colleague"))
    assert (case.created_at, case.created_by_id) == created
    assert counted(s, Event) == events + 1
    told = s.scalars(select(Event).order_by(Event.id.desc()).limit(1)).one()
    assert (told.subject_type, told.subject_id, told.kind, told.actor_id, told.department_id, told.at) == (
        "cases",
        case.id,
        EventKind.Edited,
        world.account("colleague"),
        case.department_id,
        LATER,
    )
    assert told.changes == {"applicant": ["申请人红鲤", "新名"], "phone": [None, "1*8"]}


def test_stamps_of_a_new_row(as_: Any, world: World) -> None:
    s = as_("clerk")
    case = Case()
    assert save(s, case, application(world.item("公共场所卫生许可鲤")), now=NOW) == []
    me = world.account("clerk")
    assert (case.created_at, case.created_by_id, case.changed_at, case.changed_by_id) == (NOW, me, NOW, me)
    assert (case.handler_id, case.state, case.version) == (me, CaseState.Received, 1)
    told = s.scalars(select(Event).where(Event.subject_type == "cases", Event.subject_id == case.id)).one()
    assert (told.kind, told.seq, told.previous_hash) == (EventKind.Created, 1, None)
    assert told.changes["applicant"] == [None, "新申请人"]
    assert "phone" not in told.changes
    assert s.scalars(select(Outbox.key).where(Outbox.event_id == told.id)).all() == [f"remind.cases.notice:{case.id}"]


@pytest.mark.parametrize("username", ["clerk", "manager", "admin"])
def test_an_unchanged_save_is_no_change(as_: Any, username: str) -> None:
    s = as_(username)
    model = Case if username == "clerk" else Item if username == "manager" else Account
    row: Any = s.scalars(select(model).order_by(model.id)).first()
    version, events = row.version, counted(s, Event)
    same = {n: getattr(row, n) for n, (_, info) in columns(model).items() if info.editable == "always"}
    same |= {n: [o.id for o in getattr(row, n)] for n in many_of(model)}
    assert not save(s, row, same, now=LATER, expected_version=version).errors
    s.commit()
    s.refresh(row)
    assert (row.version, counted(s, Event)) == (version, events)
    assert getattr(row, "changed_at", NOW) == NOW


def test_a_stale_version_is_refused(as_: Any, database: Database) -> None:
    s = as_("clerk")
    case = mine(s)
    before = stored(database, Case, case.id)
    for wrong in (None, 0, -1, 99):
        assert codes(save(s, case, {"applicant": "新名"}, now=LATER, expected_version=wrong)) == {(None, "stale")}
    assert case.applicant == "申请人红鲤"
    s.commit()
    assert stored(database, Case, case.id) == before


def test_the_second_of_two_forms_is_refused(as_: Any, database: Database) -> None:
    first = as_("clerk")
    seen = mine(first).version
    assert edit(first, mine(first), phone="1") == []
    first.commit()
    second = as_("colleague")
    case = mine(second)
    assert codes(save(second, case, {"phone": "2"}, now=LATER, expected_version=seen)) == {(None, "stale")}
    second.commit()
    assert stored(database, Case, case.id)["phone"] == "1"


def test_a_row_that_changed_under_the_session_is_refused(as_: Any, database: Database) -> None:
    """The form's version still agrees with what was loaded, but not with what is stored."""
    s = as_("clerk")
    case = mine(s)
    s.connection().execute(sa.update(Case.__table__).values(version=Case.__table__.c.version + 1, phone="other"))
    assert codes(edit(s, case, phone="2")) == {(None, "stale")}
    s.refresh(case)
    assert case.phone == "other"
    assert edit(s, case, phone="2") == []


def test_a_change_of_roles_alone_is_a_new_version(as_: Any, world: World) -> None:
    s = as_("admin")
    account = s.get_one(Account, world.account("colleague"))
    version, role = account.version, s.get_one(Account, world.account("approver")).roles[0]
    assert edit(s, account, roles=[role.id]) == []
    assert account.version == version + 1
    assert [r.name for r in account.roles] == ["approver"]
    told = s.scalars(select(Event).where(Event.subject_type == "accounts").order_by(Event.id.desc()).limit(1)).one()
    assert list(told.changes) == ["roles"]
    assert codes(save(s, account, {"roles": []}, now=LATER, expected_version=version)) == {(None, "stale")}
    assert codes(edit(s, account, roles=[role.id, 987])) == {("roles", "not_found")}
    assert [r.name for r in account.roles] == ["approver"]


def test_nothing_slips_through_with_another_row(as_: Any, database: Database) -> None:
    s = as_("manager")
    stray, other = item_of(s), item_of(s, "护士执业注册鲤")
    stray.phone = "smuggled"
    with pytest.raises(ScopeError):
        edit(s, other, phone="1")
    with pytest.raises(ScopeError):
        move(s, other, "publish", now=LATER, expected_version=other.version)
    s.rollback()
    assert stored(database, Item, stray.id)["phone"] is None
    assert stored(database, Item, other.id)["state"] == ItemState.InForce.value


# ---- constraints of the database


def test_unique_constraint_names_the_field(as_: Any, world: World) -> None:
    s = as_("admin")
    region = s.scalars(select(Region).where(Region.code == "990101")).one()
    assert codes(save(s, Region(), {"code": "990101", "name": "x", "level": RegionLevel.City}, now=NOW)) == {
        ("code", "duplicate")
    }
    same = {"name": "东城区卫生健康局", "region_id": region.id}
    problems = save(s, Department(), same, now=NOW)
    assert codes(problems) == {("name", "duplicate")}
    assert problems[0].params["fields"] == ["region_id", "name"]
    profile = s.scalars(select(Profile)).one()
    assert codes(save(s, Profile(), {"region_id": profile.region_id}, now=NOW)) == {("region_id", "duplicate")}
    day = s.scalars(select(WorkDay).limit(1)).one()
    twice = {"day": day.day, "workday": True, "source": "x"}
    assert codes(save(s, WorkDay(), twice, now=NOW)) == {("day", "duplicate")}
    role = s.get_one(Account, world.account("auditor")).roles[0].id
    person = {"username": "clerk", "last_name": "x", "email": "new@example.invalid", "active": True, "roles": [role]}
    assert codes(save(s, Account(), person, now=NOW)) == {("username", "duplicate")}
    again = {**person, "username": "new", "email": "clerk@example.invalid"}
    assert codes(save(s, Account(), again, now=NOW)) == {("email", "duplicate")}
    # The session is usable after all these.
    assert save(s, Region(), {"code": "990103", "name": "南城区", "level": RegionLevel.County}, now=NOW) == []
    s.commit()
    assert counted(s, Region) == 5


def test_unique_constraint_on_edit(as_: Any) -> None:
    s = as_("manager")
    item = item_of(s)
    assert codes(edit(s, item, local_code="LOCAL-2")) == {("local_code", "duplicate")}
    assert item.local_code == "LOCAL-1"


def test_check_constraint_comes_back_in_words(opened: Open) -> None:
    """A job may set what people may not; the database still ties the state to what it requires."""
    s = opened(write=True)
    case = mine(s)
    problems = save(s, case, {"state": CaseState.Refused, "decided_at": NOW}, now=NOW)
    assert codes(problems) == {("refusal_reason", "constraint")}
    assert "reason" in problems[0].message
    problems = save(s, case, {"state": CaseState.Accepted}, now=NOW)
    assert codes(problems) == {(None, "constraint")}
    assert case.state is CaseState.Received
    assert save(s, case, {"phone": "1"}, now=NOW) == []


def test_a_reference_that_vanished_is_a_problem(opened: Open) -> None:
    s = opened(write=True)
    item = item_of(s)
    assert codes(save(s, item, {"catalogue_item_id": 999}, now=NOW)) == {("catalogue_item_id", "not_found")}
    assert codes(save(s, item, {"catalogue_item_id": 2**63 - 1}, now=NOW)) == {("catalogue_item_id", "not_found")}


# ---- reach


def test_a_reference_out_of_reach_is_not_found(as_: Any, world: World) -> None:
    s = as_("clerk")
    foreign, missing = world.item("食品经营许可鹤"), 987654
    answers = [codes(save(s, Case(), application(i), now=NOW)) for i in (foreign, missing)]
    assert answers == [{("item_id", "not_found")}] * 2  # whether it exists is not told


def test_foreign_rows_are_forbidden(opened: Open, as_: Any, world: World) -> None:
    """A row that got into the hands of somebody's session all the same is not changed by it."""
    s = as_("clerk")
    for applicant in ("申请人白鹤", "申请人苍鹭"):
        other = opened()
        foreign = other.get_one(Case, world.case(applicant))
        other.expunge(foreign)
        s.add(foreign)
        with pytest.raises(Forbidden):
            edit(s, foreign, phone="7")
        with pytest.raises(Forbidden):
            remove(s, foreign, now=NOW, expected_version=foreign.version)
        s.expunge(foreign)
    assert stored(world.database, Case, world.case("申请人白鹤"))["phone"] is None


@pytest.mark.parametrize(
    ("username", "model"),
    [
        ("clerk", Item),
        ("auditor", Case),
        ("manager", Case),
        ("approver", Case),
        ("clerk", Department),
        ("outsider", Account),
    ],
)
def test_adding_and_editing_without_a_grant_is_forbidden(as_: Any, username: str, model: type[Any]) -> None:
    s = as_(username)
    with pytest.raises(Forbidden):
        save(s, model(), {}, now=NOW)
    row: Any = s.scalars(select(model).limit(1)).one()
    with pytest.raises(Forbidden):
        edit(s, row, phone="7")
    with pytest.raises(Forbidden):
        remove(s, row, now=NOW, expected_version=row.version)


def test_a_new_row_in_a_foreign_department_is_refused(as_: Any, world: World, database: Database) -> None:
    s = as_("manager")
    basis = s.scalars(select(LegalBasis.id)).one()
    values = {
        "name": "新事项",
        "item_type": ItemType.Licence,
        "basic_code": "000123009000",
        "level": ExerciseLevel.County,
        "legal_basis_id": basis,
        "local_code": "NEW",
    }
    foreign, own = world.id(Department, short="西卫健"), world.id(Department, short="东卫健")
    refused = save(s, Item(), {**values, "department_id": foreign}, now=NOW)
    assert codes(refused) == {("department_id", "out_of_reach")}  # beside the field, with what was typed kept
    assert counted(s, Item) == 3
    assert save(s, Item(), {**values, "department_id": own}, now=NOW) == []
    s.commit()


def test_a_row_cannot_be_moved_into_another_department(as_: Any, world: World, database: Database) -> None:
    s = as_("manager")
    item = item_of(s)
    near, far = world.id(Department, short="东市监"), world.id(Department, short="西卫健")
    for target in (near, far):
        assert codes(edit(s, item, department_id=target)) == {("department_id", "read_only")}
    # Where a declaration lets people change the superior, both ends must be in reach.
    own = s.get_one(Department, world.id(Department, short="东卫健"))
    foreign = s.get_one(Department, far)
    before = stored(database, Department, own.id)
    for parent in (world.id(Department, short="西政"), world.id(Department, short="泉政"), None):
        assert codes(relocated(s, own, parent)) == {("parent_id", "out_of_reach")}
        assert codes(edit(s, own, parent_id=parent)) == {("parent_id", "read_only")}
    with pytest.raises(Forbidden):
        relocated(s, foreign, own.parent_id)
    s.commit()
    assert stored(database, Department, own.id) == before
    assert relocated(s, own, world.id(Department, short="东审批")) == []
    assert own.path.endswith(f"/{own.parent_id}/{own.id}/")
    for above in ({"parent_id": foreign.id}, {}):
        refused = save(s, Department(), {"name": "新", "region_id": foreign.region_id, **above}, now=NOW)
        assert codes(refused) == {("parent_id", "out_of_reach")}


def test_a_department_cannot_stand_below_itself(as_: Any, world: World) -> None:
    s = as_("admin")
    top = s.get_one(Department, world.id(Department, short="东政"))
    below = world.id(Department, short="东卫健")
    for parent in (top.id, below):
        assert codes(relocated(s, top, parent)) == {("parent_id", "loop")}


def test_a_branch_moves_with_its_top(as_: Any, world: World) -> None:
    s = as_("admin")
    top = s.get_one(Department, world.id(Department, short="东政"))
    assert relocated(s, top, world.id(Department, short="西政")) == []
    paths = s.scalars(select(Department.path).where(Department.parent_id == top.id)).all()
    assert len(paths) == 3
    assert all(path.startswith(top.path) for path in paths)
    assert top.path.count("/") == 4


# ---- removing


def draft(s: ScopedSession, world: World) -> Item:
    values = {
        "name": "草稿",
        "item_type": ItemType.Licence,
        "basic_code": "000123009000",
        "level": ExerciseLevel.County,
        "legal_basis_id": s.scalars(select(LegalBasis.id)).one(),
        "local_code": "DRAFT",
        "department_id": world.id(Department, short="东卫健"),
    }
    item: Item = put(s, Item(), **values)
    return item


def test_a_draft_is_removed_and_its_events_stay(as_: Any, world: World) -> None:
    s = as_("manager")
    item = draft(s, world)
    s.commit()
    id_ = item.id
    assert codes(remove(s, item, now=LATER, expected_version=item.version + 1)) == {(None, "stale")}
    assert codes(remove(s, item, now=LATER)) == {(None, "stale")}
    assert remove(s, item, now=LATER, expected_version=item.version) == []
    s.commit()
    assert s.get(Item, id_) is None
    told = s.scalars(
        select(Event).where(Event.subject_type == "items", Event.subject_id == id_).order_by(Event.seq)
    ).all()
    assert [t.kind for t in told] == [EventKind.Created, EventKind.Deleted]
    assert told[1].changes["name"] == ["草稿", None]


def test_what_left_its_first_state_stays(as_: Any) -> None:
    s = as_("manager")
    assert codes(remove(s, item_of(s), now=LATER, expected_version=item_of(s).version)) == {(None, "not_draft")}
    assert item_of(s).name == "公共场所卫生许可鲤"


def test_what_others_refer_to_stays(as_: Any) -> None:
    s = as_("admin")
    events = counted(s, Event)
    for model in (Region, LegalBasis, Department):
        row: Any = s.scalars(select(model).order_by(model.id).limit(1)).one()
        assert codes(remove(s, row, now=LATER, expected_version=row.version)) == {(None, "in_use")}, model
        assert s.get(model, row.id) is not None
    s.commit()
    assert counted(s, Event) == events


def test_a_department_that_nobody_refers_to_is_removed(as_: Any, world: World) -> None:
    """Its own Events do not count as references."""
    s = as_("admin")
    region, parent = world.id(Region, code="990101"), world.id(Department, short="东政")
    values = {"name": "误建的局", "region_id": region, "parent_id": parent, "kind": DepartmentKind.Functional}
    department = put(s, Department(), **values)
    assert edit(s, department, phone="1") == []
    s.commit()
    assert remove(s, department, now=LATER, expected_version=department.version) == []
    s.commit()
    assert broken_links(s) == []


# ---- A01, the five attributes

FIVE = ("basic_code", "legal_basis_id", "level")


@pytest.mark.parametrize("missing", FIVE)
def test_our_items_have_five_attributes(as_: Any, world: World, missing: str) -> None:
    """《济南市政务服务标准化管理办法》 A01: name, type, basic code, legal basis, level."""
    s = as_("manager")
    item = draft(s, world)
    assert codes(edit(s, item, **{missing: None})) == {(missing, "missing")}
    assert getattr(item, missing) is not None
    for name in ("name", "item_type"):
        assert codes(edit(s, item, **{name: None})) == {(name, "required")}
    claimed = item_of(s)
    assert edit(s, claimed, **{missing: None}) == []  # A02: taken from the catalogue item again
    assert getattr(claimed, missing) is not None


def test_items_taken_over_may_lack_them_and_say_so(opened: Open, world: World) -> None:
    s = opened(write=True)
    values = {"name": "接管", "item_type": ItemType.Licence, "local_code": "T", "origin": Origin.TakenOver}
    item = Item()
    problems = save(s, item, {**values, "department_id": world.id(Department, short="东卫健")}, now=NOW)
    assert not problems.errors
    assert {p.field for p in problems.warnings} == {*FIVE, "national_code"}
    assert (item.gaps, item.gap_count) == ([*FIVE, "national_code"], 4)
    assert codes(save(s, item, {"origin": Origin.Ours}, now=NOW)) >= {(n, "missing") for n in FIVE}


@pytest.mark.parametrize("missing", FIVE)
def test_the_database_itself_demands_them(database: Database, world: World, missing: str) -> None:
    table, id_ = Item.__table__, world.item("公共场所卫生许可鲤")
    change = sa.update(table).where(table.c.id == id_)
    with database.writing.connect() as connection:
        with pytest.raises(sa.exc.IntegrityError, match="five_attributes"):
            connection.execute(change.values(**{missing: None}))
        connection.rollback()
        connection.execute(change.values(**{missing: None, "origin": Origin.TakenOver}))
        with pytest.raises(sa.exc.IntegrityError, match="five_attributes"):
            connection.execute(change.values(origin=Origin.Ours))
        connection.rollback()


@pytest.mark.parametrize("column", ["state", "origin", "item_type"])
def test_the_database_knows_the_members_of_a_list(database: Database, column: str) -> None:
    with database.writing.connect() as connection, pytest.raises(sa.exc.IntegrityError):
        connection.execute(sa.text(f"UPDATE item SET {column} = 'nonsense'"))


# ---- any text at all

ANY_TEXT = st.one_of(
    st.text(st.characters(), max_size=120),  # lone surrogates and NUL too
    st.text("鲤a1 \u3000\u200b\n\t'\"%_\\\x00\ud800𠮷é\u0301", max_size=20),
    st.just("x" * 301),
    st.sampled_from(["", " ", COMPANY, RESIDENT, RESIDENT.lower(), "%(name)s", "{}", "\u202e", "０００１２３"]),
)


@pytest.fixture
def texts(opened: Open, world: World) -> tuple[ScopedSession, dict[type[Any], Any]]:
    s = opened(everything("test", world.account("admin")), write=True)
    rows = {Case: mine(s), Item: draft(s, world)}
    s.expire_all()
    return s, rows


TEXTS = [
    *((Case, name) for name in ("applicant", "identifier", "phone")),
    *((Item, name) for name in ("name", "local_code", "basic_code", "national_code", "phone", "address")),
]


def test_any_text_is_kept_or_refused(texts: tuple[ScopedSession, dict[type[Any], Any]]) -> None:
    s, rows = texts

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(where=st.sampled_from(TEXTS), text=ANY_TEXT)
    def check(where: tuple[type[Any], str], text: str) -> None:
        model, name = where
        row = rows[model]
        longest = columns(model)[name][0].type.length  # type: ignore[attr-defined]
        before = getattr(row, name)
        version = row.version
        problems = save(s, row, {name: text}, now=LATER, expected_version=version)
        s.expire(row)
        kept = getattr(row, name)
        if problems.errors:
            assert {p.field for p in problems.errors} == {name}
            assert (kept, row.version) == (before, version)
            return
        wanted = text.strip().upper() if (model, name) == (Case, "identifier") else text
        assert kept == (wanted or None)
        assert len(kept or "") <= longest
        assert row.version == version + (kept != before)

    check()
    s.commit()
    assert broken_links(s) == []


def test_receiving_gives_what_was_typed(as_: Any, world: World) -> None:
    s = as_("clerk")
    case = receive(s, world.item("公共场所卫生许可鲤"), applicant="张 三", identifier=RESIDENT.lower())
    s.commit()
    s.expire(case)
    assert (case.applicant, case.identifier) == ("张 三", RESIDENT)
    assert codes(save(s, Case(), application(case.item_id, applicant_kind=ApplicantKind.Organisation), now=NOW)) == {
        ("identifier", "identifier_checksum")
    }
    future = application(case.item_id, received_at=LATER)
    assert codes(save(s, Case(), future, now=NOW)) == {("received_at", "future")}


def test_no_column_stores_a_none_of_its_own() -> None:
    """A new row holds None where nobody set anything, and its INSERT fills in the defaults."""
    named = [(model, name, column) for model in registries().values() for name, (column, _) in columns(model).items()]
    assert [f"{model.__name__}.{name}" for model, name, column in named if column.type.should_evaluate_none] == []
