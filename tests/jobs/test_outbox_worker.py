"""The worker: who may have a row, when, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from jobs.outbox import WORK, Worker
from models.case import Case
from models.database import Database
from models.declare import Todo
from models.outbox import MOST_ATTEMPTS, Outbox, OutboxState, claim, close, due, post, put_back
from models.scope import everything
from tests.conftest import Clock
from tests.world import NOW, World

Done = list[tuple[int, datetime]]


def finish(worker: Worker, outbox_id: int) -> None:
    with worker.database.session(everything("test"), write=True) as s:
        close(s.get_one(Outbox, outbox_id), OutboxState.Done)


@pytest.fixture
def put(database: Database, world: World) -> Callable[..., int]:
    """A row of the outbox about some case."""

    def go(kind: str = "test.work", key: str = "k", at: datetime = NOW) -> int:
        with database.session(everything("test"), write=True) as s:
            row = post(s, s.get_one(Case, world.case("申请人红鲤")), Todo(kind, key, at))
            s.flush()
            return row.id

    return go


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> Done:
    """What the work ``test`` was asked to do; it closes its row."""
    found: Done = []

    def work(worker: Worker, outbox_id: int, now: datetime) -> None:
        found.append((outbox_id, now))
        finish(worker, outbox_id)

    monkeypatch.setitem(WORK, "test", work)
    return found


@pytest.fixture
def row(database: Database) -> Callable[[int], Outbox]:
    def read(outbox_id: int) -> Outbox:
        with database.session(everything("test")) as s:
            return s.get_one(Outbox, outbox_id)

    return read


def failing(error: Exception) -> Any:
    def work(worker: Worker, outbox_id: int, now: datetime) -> None:
        raise error

    return work


def test_one_claim_wins(put: Any, database: Database, row: Any) -> None:
    outbox_id = put()
    with database.session(everything("one"), write=True) as s:
        assert claim(s, outbox_id, NOW)
    with database.session(everything("two"), write=True) as s:
        assert not claim(s, outbox_id, NOW)
    assert (row(outbox_id).state, row(outbox_id).claimed_at, row(outbox_id).attempts) == (OutboxState.Claimed, NOW, 1)


def test_not_before_its_time(put: Any, worker: Worker, clock: Clock, done: Done) -> None:
    outbox_id = put(at=NOW + timedelta(hours=1))
    assert not worker.deliver(outbox_id)
    assert worker.run_due() == 0
    clock.moment = NOW + timedelta(hours=1)
    assert worker.deliver(outbox_id)
    assert done == [(outbox_id, clock.moment)]
    assert not worker.deliver(outbox_id)


@pytest.mark.parametrize("state", [OutboxState.Done, OutboxState.Dropped, OutboxState.Failed])
def test_closed_rows_stay_closed(
    state: OutboxState, put: Any, worker: Worker, clock: Clock, database: Database, done: Done
) -> None:
    outbox_id = put()
    with database.session(everything("test"), write=True) as s:
        close(s.get_one(Outbox, outbox_id), state)
    clock.moment = NOW + timedelta(minutes=10)
    assert not worker.deliver(outbox_id)
    assert worker.run_due() == 0
    assert done == []


def test_a_lost_claim_is_free_after_its_lease(
    put: Any, worker: Worker, clock: Clock, database: Database, done: Done, row: Any
) -> None:
    outbox_id = put()
    with database.session(everything("test"), write=True) as s:
        assert claim(s, outbox_id, NOW, worker.lease)
    clock.moment = NOW + worker.lease
    assert worker.run_due() == 0
    clock.moment += timedelta(microseconds=1)
    assert worker.run_due() == 1
    assert (len(done), row(outbox_id).state, row(outbox_id).attempts) == (1, OutboxState.Done, 2)


def test_oldest_first_and_as_many_as_asked_for(put: Any, database: Database) -> None:
    ids = [put(key=str(n), at=NOW - timedelta(minutes=n)) for n in range(4)]
    with database.session(everything("test")) as s:
        assert due(s, NOW) == ids[::-1]
        assert due(s, NOW, limit=2) == [ids[3], ids[2]]


def test_more_than_one_helping(put: Any, worker: Worker, done: Done, database: Database) -> None:
    put(key="first")
    with database.session(everything("test"), write=True) as s:
        case = s.scalars(select(Case).limit(1)).one()
        for number in range(250):
            post(s, case, Todo("test.work", f"many{number}", NOW))
    assert worker.run_due() == 251
    assert len({outbox_id for outbox_id, _ in done}) == 251


def test_one_bad_row_holds_up_nobody(
    put: Any, worker: Worker, done: Done, row: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(WORK, "bad", failing(ValueError("kaputt")))
    bad, good = put("bad.work", "a", NOW - timedelta(hours=1)), put(key="b")
    assert worker.run_due() == 2
    assert [outbox_id for outbox_id, _ in done] == [good]
    assert (row(bad).state, row(bad).note) == (OutboxState.Waiting, "ValueError: kaputt")
    assert row(bad).due_at == NOW + timedelta(seconds=30)


def test_an_unknown_kind_says_so(put: Any, worker: Worker, row: Any) -> None:
    outbox_id = put("nobody.knows")
    assert worker.run_due() == 1
    assert row(outbox_id).state is OutboxState.Waiting
    assert row(outbox_id).note == "KeyError: 'nobody'"


def test_a_whole_kind_goes_before_its_first_part(
    put: Any, worker: Worker, done: Done, monkeypatch: pytest.MonkeyPatch, row: Any
) -> None:
    monkeypatch.setitem(WORK, "test.special", failing(ValueError("special")))
    assert worker.deliver(put("test.special"))
    assert done == []


def test_a_long_note_is_cut(put: Any, worker: Worker, row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WORK, "bad", failing(ValueError("长" * 5000)))
    outbox_id = put("bad.work")
    worker.run_due()
    assert len(row(outbox_id).note) == 1000


def test_pauses_grow_until_the_row_stands_failed() -> None:
    pauses = []
    for attempt in range(1, MOST_ATTEMPTS + 1):
        row = Outbox(attempts=attempt, state=OutboxState.Claimed, due_at=NOW)
        put_back(row, NOW, "note")
        pauses.append((row.due_at - NOW).total_seconds())
    assert pauses == [30, 60, 120, 240, 480, 960, 1920, 0]
    assert row.state is OutboxState.Failed


def test_a_slow_worker_does_not_undo_what_another_did_meanwhile(
    put: Any, worker: Worker, clock: Clock, database: Database, row: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease runs out at work; a second worker does the row; then the first one fails."""

    def slow(first: Worker, outbox_id: int, now: datetime) -> None:
        clock.moment = now + worker.lease + timedelta(seconds=1)
        monkeypatch.setitem(WORK, "test", lambda w, i, n: finish(w, i))
        assert Worker(database, worker.config, clock).deliver(outbox_id)
        raise RuntimeError("too late")

    monkeypatch.setitem(WORK, "test", slow)
    outbox_id = put()
    assert worker.deliver(outbox_id)
    assert (row(outbox_id).state, row(outbox_id).note) == (OutboxState.Done, None)


def test_a_slow_worker_leaves_the_second_one_its_claim(
    put: Any, worker: Worker, clock: Clock, database: Database, row: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = NOW + worker.lease + timedelta(seconds=1)

    def slow(first: Worker, outbox_id: int, now: datetime) -> None:
        with database.session(everything("second"), write=True) as s:
            assert claim(s, outbox_id, later, worker.lease)
        clock.moment = later
        raise RuntimeError("too late")

    monkeypatch.setitem(WORK, "test", slow)
    outbox_id = put()
    worker.deliver(outbox_id)
    assert (row(outbox_id).state, row(outbox_id).claimed_at) == (OutboxState.Claimed, later)


def test_keys_are_unique(put: Any) -> None:
    put(key="same")
    with pytest.raises(IntegrityError):
        put(key="same")


def test_every_kind_that_is_posted_has_its_work(database: Database) -> None:
    with database.session(everything("test")) as s:
        kinds = set(s.scalars(select(Outbox.kind)))
    assert kinds == {"remind.notice"}
    assert {"batch", "effect", "import", "letter", "limits", "remind", "settle"} == set(WORK)


def test_work_that_kills_its_worker_is_given_up(
    database: Database, put: Callable[..., int], row: Callable[[int], Outbox], worker: Worker, clock: Clock, done: Done
) -> None:
    """A killed worker cannot put its row back; after as many claims as an error may have, it stands as failed."""
    outbox_id = put()
    for _ in range(MOST_ATTEMPTS):
        with database.session(everything("test"), write=True) as s:
            assert claim(s, outbox_id, clock.moment)
        clock.moment += timedelta(minutes=5)
    assert worker.deliver(outbox_id)
    assert row(outbox_id).state is OutboxState.Failed
    assert done == []
    assert not worker.deliver(outbox_id)
