"""The record of changes: chained, complete, and never changed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import select

from models.case import Case
from models.database import Database
from models.event import Event, EventKind, broken_links, record
from models.item import Item
from models.scope import ScopedSession, everything
from models.write import attempt, save
from rules.words import Problems
from tests.world import NOW, World

Open = Callable[..., ScopedSession]
TABLE = Event.__table__


@pytest.fixture
def told(database: Database, world: World) -> list[int]:
    """Ids of the Events of one case: received, then edited twice."""
    with database.session(everything("test"), write=True) as s:
        case = s.get_one(Case, world.case("申请人红鲤"))
        for phone in ("1", "2"):
            assert save(s, case, {"phone": phone}, now=NOW) == []
        chain = select(Event.id).where(Event.subject_type == "cases", Event.subject_id == case.id).order_by(Event.seq)
        return list(s.scalars(chain))


def test_each_event_carries_the_hash_of_the_one_before(opened: Open, told: list[int]) -> None:
    events = [opened().get_one(Event, i) for i in told]
    assert [e.seq for e in events] == [1, 2, 3]
    assert [e.previous_hash for e in events] == [None, events[0].hash, events[1].hash]
    assert all(e.hash == e.digest() and len(e.hash) == 64 for e in events)
    assert len({e.hash for e in events}) == 3


def test_an_untouched_record_holds(opened: Open, told: list[int]) -> None:
    assert broken_links(opened()) == []


TAMPERED: dict[str, Any] = {
    "subject_label": "别的",
    "department_id": None,
    "actor_id": 1,
    "on_behalf_of_id": 1,
    "at": NOW + timedelta(seconds=1),
    "kind": EventKind.Done,
    "action": "accept",
    "changes": {"phone": ["1", "3"]},
    "batch": "b",
    "previous_hash": None,
    "hash": "0" * 64,
    "seq": 9,
    "subject_id": 987,
    "subject_type": "laws",
}


@pytest.mark.parametrize("column", TAMPERED)
def test_tampering_is_found(database: Database, opened: Open, told: list[int], column: str) -> None:
    with database.writing.begin() as connection:
        changed = connection.execute(TABLE.update().where(TABLE.c.id == told[1]).values({column: TAMPERED[column]}))
        assert changed.rowcount == 1
    assert broken_links(opened()) != []


def test_every_column_is_tried() -> None:
    assert set(TAMPERED) | {"id"} == set(TABLE.columns.keys())


def test_a_removed_event_is_found(database: Database, opened: Open, told: list[int]) -> None:
    with database.writing.begin() as connection:
        connection.execute(TABLE.delete().where(TABLE.c.id == told[1]))
    assert [(r, seq) for r, _, seq in broken_links(opened())] == [("cases", 3)]


def test_a_forged_event_needs_all_that_follow_forged_too(database: Database, opened: Open, told: list[int]) -> None:
    with opened() as s:
        event = s.get_one(Event, told[1])
        s.expunge(event)
    event.changes = {"phone": ["1", "forged"]}
    with database.writing.begin() as connection:
        forged = {"changes": event.changes, "hash": event.digest()}
        connection.execute(TABLE.update().where(TABLE.c.id == told[1]).values(forged))
    assert [seq for _, _, seq in broken_links(opened())] == [3]


def test_the_digest_does_not_depend_on_the_zone_of_the_clock(database: Database, opened: Open, world: World) -> None:
    there = NOW.astimezone(timezone(timedelta(hours=8))).replace(microsecond=123456)
    with database.session(everything("test"), write=True) as s:
        assert save(s, s.get_one(Case, world.case("申请人红鲤")), {"phone": "1"}, now=there) == []
    assert broken_links(opened()) == []
    assert opened().scalars(select(Event).order_by(Event.id.desc()).limit(1)).one().at == there


@pytest.mark.parametrize(
    "change",
    [
        lambda s, e: (setattr(e, "action", "x"), s.flush()),
        lambda s, e: (s.delete(e), s.flush()),
        lambda s, e: s.execute(sa.update(Event).values(action="x")),
        lambda s, e: s.execute(sa.delete(Event)),
        lambda s, e: s.execute(sa.update(TABLE).values(action="x")),
        lambda s, e: s.execute(sa.delete(TABLE).where(TABLE.c.id == e.id)),
        lambda s, e: s.query(Event).update({"action": "x"}),
        lambda s, e: s.query(Event).delete(),
    ],
)
def test_events_are_never_changed_or_removed(opened: Open, told: list[int], change: Any) -> None:
    """Not even by a session that may do everything."""
    s = opened(write=True)
    with pytest.raises(RuntimeError, match="never changed or removed"):
        change(s, s.get_one(Event, told[0]))
    s.rollback()
    assert broken_links(s) == []
    assert s.scalar(select(Event.action).where(Event.id == told[0])) is None


def again(event: Event) -> dict[str, Any]:
    return {c.key: getattr(event, c.key) for c in TABLE.columns if c.key != "id"}


def test_a_number_in_sequence_is_given_once(database: Database, opened: Open, told: list[int]) -> None:
    with opened() as s:
        values = again(s.get_one(Event, told[0]))
    with database.writing.connect() as connection:
        with pytest.raises(sa.exc.IntegrityError):
            connection.execute(TABLE.insert().values(values))
        connection.rollback()
        connection.execute(TABLE.insert().values({**values, "seq": 77}))
        connection.rollback()


def test_who_was_first_wins_where_two_tell_at_once(opened: Open, world: World) -> None:
    """Both have read the same last link. The second is told that the row changed, and the chain does not fork."""
    s = opened(write=True)
    case = s.get_one(Case, world.case("申请人红鲤"))

    def change() -> Problems:
        mine = record(s, case, EventKind.Done, NOW, action="mine")
        values = {**again(mine), "action": "theirs"}
        theirs = Event(**{k: v for k, v in values.items() if k != "hash"})
        s.connection().execute(TABLE.insert().values({**values, "hash": theirs.digest()}))
        s.flush()
        return Problems()

    assert [p.code for p in attempt(s, case, change)] == ["stale"]
    assert save(s, case, {"phone": "1"}, now=NOW) == []
    s.commit()
    assert broken_links(s) == []


def test_concurrent_writers_do_not_fork_the_chain(database: Database, opened: Open, world: World) -> None:
    """Eight people save the form they all opened at the same version: one is right, seven are told so."""
    ids = {"cases": world.case("申请人红鲤"), "items": world.item("公共场所卫生许可鲤")}
    with database.session(everything("test")) as s:
        version = {"cases": s.get_one(Case, ids["cases"]).version, "items": s.get_one(Item, ids["items"]).version}
    answers: list[list[str]] = []
    errors: list[BaseException] = []
    together = threading.Barrier(8)

    def write(number: int) -> None:
        try:
            together.wait(30)
            codes = []
            for name, model in (("cases", Case), ("items", Item)):
                with database.session(everything("test"), write=True) as s:
                    row: Any = s.get_one(model, ids[name])
                    found = save(s, row, {"phone": str(number)}, now=NOW, expected_version=version[name])
                    codes.append("".join(p.code for p in found) or "saved")
            answers.append(codes)
        except BaseException as error:  # noqa: BLE001 - shown by the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    for column in range(2):
        assert sorted(codes[column] for codes in answers) == ["saved"] + ["stale"] * 7
    s = opened()
    assert broken_links(s) == []
    for name, id_ in ids.items():
        seqs = s.scalars(select(Event.seq).where(Event.subject_type == name, Event.subject_id == id_)).all()
        assert sorted(seqs) == list(range(1, len(seqs) + 1))


def test_what_is_told_of_values_of_every_kind(opened: Open, world: World) -> None:
    s = opened(write=True)
    case = s.get_one(Case, world.case("申请人红鲤"))
    told = s.scalars(select(Event).where(Event.subject_type == "cases", Event.subject_id == case.id)).one()
    assert told.changes["state"] == [None, "received"]
    assert told.changes["received_at"] == [None, case.received_at.isoformat()]
    assert told.changes["notice_due"] == [None, case.notice_due.isoformat()]
    assert told.changes["item_id"] == [None, case.item_id]
    assert not {"version", "created_at", "changed_at", "created_by_id", "changed_by_id", "id"} & set(told.changes)


def test_a_batch_stands_on_its_events(opened: Open, world: World) -> None:
    s = opened(write=True)
    s.info["batch"] = "2026-06-17"
    case = s.get_one(Case, world.case("申请人红鲤"))
    assert save(s, case, {"phone": "1"}, now=NOW) == []
    last = s.scalars(select(Event).order_by(Event.id.desc()).limit(1)).one()
    assert last.batch == "2026-06-17"
    assert broken_links(s) == []
