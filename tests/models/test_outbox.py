"""The outbox: claimed by one, given back, never lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy import select

from models.case import Case
from models.database import Database
from models.declare import Todo
from models.outbox import LEASE, MOST_ATTEMPTS, Outbox, OutboxState, claim, close, due, post, put_back
from models.scope import ScopedSession, everything
from tests.world import NOW

Open = Callable[..., ScopedSession]


@pytest.fixture
def todo(database: Database) -> int:
    """The id of one row that is due; the reminders of the world are closed."""
    with database.session(everything("test"), write=True) as s:
        for row in s.scalars(select(Outbox)):
            close(row, OutboxState.Done)
        case = s.scalars(select(Case).limit(1)).one()
        posted = post(s, case, Todo("letter.acceptance", "letter.acceptance:1", NOW, {"a": 1}), 7)
        s.flush()
        return posted.id


def take(database: Database, id_: int, when: object = NOW) -> bool:
    with database.session(everything("test"), write=True) as s:
        return claim(s, id_, when)  # type: ignore[arg-type]


def test_what_is_posted(opened: Open, todo: int) -> None:
    row = opened().get_one(Outbox, todo)
    assert (row.kind, row.subject_type, row.event_id, row.data, row.due_at) == (
        "letter.acceptance",
        "cases",
        7,
        {"a": 1},
        NOW,
    )
    assert (row.state, row.attempts, row.claimed_at, row.note) == (OutboxState.Waiting, 0, None, None)


def test_the_same_key_is_posted_once(opened: Open, todo: int) -> None:
    s = opened(write=True)
    case = s.scalars(select(Case).limit(1)).one()
    post(s, case, Todo("other", "letter.acceptance:1", NOW))
    with pytest.raises(sa.exc.IntegrityError):
        s.flush()


def test_due_rows_oldest_first(database: Database, opened: Open, todo: int) -> None:
    with database.session(everything("test"), write=True) as s:
        case = s.scalars(select(Case).limit(1)).one()
        earlier = post(s, case, Todo("x", "earlier", NOW - timedelta(hours=1)))
        post(s, case, Todo("x", "later", NOW + timedelta(seconds=1)))
        s.flush()
        first = earlier.id
    assert due(opened(), NOW) == [first, todo]
    assert due(opened(), NOW, limit=1) == [first]
    assert due(opened(), NOW - timedelta(hours=2)) == []


def test_a_row_that_is_not_due_cannot_be_claimed(database: Database, todo: int) -> None:
    assert not take(database, todo, NOW - timedelta(seconds=1))
    assert not take(database, 987654)
    assert take(database, todo)


def test_two_workers_at_once_give_one(database: Database, opened: Open, todo: int) -> None:
    together = threading.Barrier(6)
    won: list[bool] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            together.wait(30)
            won.append(take(database, todo))
        except BaseException as error:  # noqa: BLE001 - shown by the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (errors, sorted(won)) == ([], [False] * 5 + [True])
    row = opened().get_one(Outbox, todo)
    assert (row.state, row.attempts, row.claimed_at) == (OutboxState.Claimed, 1, NOW)


def test_a_claim_outlived_by_its_lease_is_free_again(database: Database, opened: Open, todo: int) -> None:
    assert take(database, todo)
    for moment, free in ((NOW + LEASE, False), (NOW + LEASE + timedelta(seconds=1), True)):
        assert due(opened(), moment) == ([todo] if free else [])
        assert take(database, todo, moment) is free
    row = opened().get_one(Outbox, todo)
    assert (row.attempts, row.claimed_at) == (2, NOW + LEASE + timedelta(seconds=1))


def test_a_longer_lease(opened: Open, database: Database, todo: int) -> None:
    assert take(database, todo)
    s, moment = opened(write=True), NOW + timedelta(minutes=5)
    assert due(s, moment, lease=timedelta(minutes=10)) == []
    assert not claim(s, todo, moment, timedelta(minutes=10))
    assert claim(s, todo, moment)


@pytest.mark.parametrize("state", [OutboxState.Done, OutboxState.Dropped, OutboxState.Failed])
def test_a_closed_row_stays_closed(database: Database, opened: Open, todo: int, state: OutboxState) -> None:
    with database.session(everything("test"), write=True) as s:
        close(s.get_one(Outbox, todo), state, "n" * 2000)
    much_later = NOW + timedelta(days=365)
    assert due(opened(), much_later) == []
    assert not take(database, todo, much_later)
    assert opened().scalar(select(Outbox.note).where(Outbox.id == todo)) == "n" * 1000


def test_growing_pauses_up_to_failed(database: Database, opened: Open, todo: int) -> None:
    now, pauses = NOW, []
    for attempt in range(1, MOST_ATTEMPTS + 1):
        assert take(database, todo, now)
        with database.session(everything("test"), write=True) as s:
            row = s.get_one(Outbox, todo)
            assert row.attempts == attempt
            put_back(row, now, f"attempt {attempt}")
        row = opened().get_one(Outbox, todo)
        assert row.note == f"attempt {attempt}"
        if attempt == MOST_ATTEMPTS:
            assert row.state is OutboxState.Failed
            break
        assert row.state is OutboxState.Waiting
        assert not take(database, todo, row.due_at - timedelta(seconds=1))
        pauses.append((row.due_at - now).total_seconds())
        now = row.due_at
    assert pauses == [30, 60, 120, 240, 480, 960, 1920]
    assert due(opened(), NOW + timedelta(days=30)) == []


def test_a_claim_that_is_rolled_back_was_none(database: Database, opened: Open, todo: int) -> None:
    s = opened(write=True)
    assert claim(s, todo, NOW)
    s.rollback()
    s.close()
    assert take(database, todo)
    assert opened().scalar(select(Outbox.attempts).where(Outbox.id == todo)) == 1
