"""Batches in the worker: done once whatever happens, told in the inbox, forgotten in time; on both engines."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from jobs import batches
from jobs.board import Board, QueueBoard
from jobs.outbox import Worker
from jobs.tidy import tidy
from models.account import Account
from models.batch import Batch, BatchKind, BatchMode, BatchState, advance, ask, begin
from models.database import Database
from models.event import Event
from models.legal_basis import LegalBasis
from models.message import Message
from models.outbox import Outbox, OutboxState
from models.scope import Scope, everything
from tests.world import NOW, World

FILE = "title,article\n《甲法》,第一条\n《乙法》,第一条\n".encode()


@pytest.fixture
def admin(world: World) -> Scope:
    return world.scope("admin")


def waiting(database: Database, scope: Scope, data: bytes = FILE, step: str = "run", **values: Any) -> int:
    with database.session(scope, write=True) as s:
        given = {"data": data, "rows": 2, "state": BatchState.Checked if step == "run" else BatchState.Uploaded}
        batch = begin(s, BatchKind.Import, "legal-bases", "list.csv", NOW, **{**given, **values})
        advance(batch, f"ask_{step}")
        ask(s, batch, step, NOW)
        return batch.id


def state(database: Database, pk: int) -> BatchState:
    with database.session(everything("test")) as s:
        return s.get_one(Batch, pk).state


def standing(database: Database) -> tuple[int, int]:
    with database.session(everything("test")) as s:
        events = s.scalar(select(func.count(Event.id)).where(Event.subject_type == "legal-bases"))
        return s.scalar(select(func.count(LegalBasis.id))) or 0, events or 0


def test_done_once_and_told(database: Database, worker: Worker, admin: Scope, world: World) -> None:
    pk = waiting(database, admin)
    assert worker.run_due() == 2  # the import, then the message about it
    assert state(database, pk) is BatchState.Done
    assert standing(database) == (3, 3)
    with database.session(everything("test")) as s:
        row = s.scalars(select(Outbox).where(Outbox.kind == "import.run")).one()
        assert row.state is OutboxState.Done
        message = s.scalars(select(Message).where(Message.subject_type == "batches")).one()
        assert (message.recipient_id, message.subject_id) == (world.account("admin"), pk)
        batch, outbox_id = s.get_one(Batch, pk), row.id
        assert {e.batch for e in s.scalars(select(Event).where(Event.batch.is_not(None)))} == {batch.token}
        assert {e.actor_id for e in s.scalars(select(Event).where(Event.batch == batch.token))} == {batch.owner_id}
    # Begun a second time (a claim whose lease ran out), it finds that it is over.
    batches.work(worker, outbox_id, NOW)
    assert standing(database) == (3, 3)


@pytest.mark.parametrize("step", ["check", "run", "undo"])
def test_what_is_to_be_told_is_handed_on_at_once(
    database: Database, worker: Worker, admin: Scope, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the commit, so that whoever does it finds it; nobody waits for the next tick."""
    pk = waiting(database, admin, step="check" if step == "check" else "run")
    if step == "undo":
        worker.run_due()
        with database.session(admin, write=True) as s:
            batch = s.get_one(Batch, pk)
            advance(batch, "ask_undo")
            ask(s, batch, "undo", NOW)
    handed: list[tuple[str, OutboxState]] = []

    def follow(ids: Any) -> None:
        with database.session(everything("test")) as s:
            handed.extend((o.kind, o.state) for o in (s.get_one(Outbox, i) for i in ids))

    monkeypatch.setattr(worker, "follow", follow)
    worker.run_due()
    told = {"check": "batch.checked", "run": "batch.done", "undo": "batch.undone"}[step]
    assert handed == [(told, OutboxState.Waiting)]


def test_killed_in_between_it_leaves_nothing_and_begins_anew(
    database: Database, worker: Worker, admin: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    pk = waiting(database, admin)
    before = standing(database)

    class Killed(BaseException):
        """As a kill would: nothing of ours catches it."""

    def killed(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(batches, "_tell", killed)  # the last thing before the commit
        with pytest.raises(Killed):
            worker.run_due()
    assert standing(database) == before
    assert state(database, pk) is BatchState.Waiting
    worker.clock.moment += timedelta(minutes=5)  # type: ignore[attr-defined]
    worker.run_due()
    assert state(database, pk) is BatchState.Done
    assert standing(database) == (3, 3)


def test_by_the_right_of_who_asked(database: Database, worker: Worker, admin: Scope) -> None:
    """Whoever may no longer import when the worker comes to it does not."""
    pk = waiting(database, admin)
    with database.session(everything("test"), write=True) as s:
        account = s.get_one(Account, admin.actor)
        account.roles = []
        from models.scope import door

        with door(s, account):
            s.flush()
    worker.run_due()
    assert standing(database) == (1, 1)
    assert state(database, pk) is BatchState.Failed
    with database.session(everything("test")) as s:
        assert s.get_one(Batch, pk).note == [batches.NOT_ANY_MORE, {}]


@pytest.mark.parametrize(
    ("data", "mode", "step", "end"),
    [
        (FILE, BatchMode.Valid, "check", BatchState.Checked),
        (b"\x00\x00", BatchMode.Valid, "check", BatchState.Refused),
        (b"\x00\x00", BatchMode.Valid, "run", BatchState.Refused),
        (FILE + "《丙法》,\n".encode(), BatchMode.Whole, "run", BatchState.Refused),
        (FILE + "《丙法》,\n".encode(), BatchMode.Valid, "run", BatchState.Done),
    ],
)
def test_how_it_ends(
    data: bytes, mode: BatchMode, step: str, end: BatchState, database: Database, worker: Worker, admin: Scope
) -> None:
    pk = waiting(database, admin, data, step, mode=mode)
    worker.run_due()
    assert state(database, pk) is end
    assert standing(database) == ((3, 3) if end is BatchState.Done else (1, 1))
    with database.session(everything("test")) as s:
        text = s.scalars(select(Message.text).where(Message.subject_type == "batches")).one()
        assert text == batches.TOLD[end]


def test_cancelled(database: Database, worker: Worker, admin: Scope) -> None:
    pk = waiting(database, admin)
    worker.board.stop(pk)
    worker.run_due()
    assert state(database, pk) is BatchState.Cancelled
    assert standing(database) == (1, 1)
    assert not worker.board.stopped(pk)


def test_what_was_given_up_is_over(database: Database, worker: Worker, admin: Scope) -> None:
    pk = waiting(database, admin)
    with database.session(everything("test"), write=True) as s:
        s.scalars(select(Outbox).where(Outbox.kind == "import.run")).one().state = OutboxState.Failed
    assert tidy(worker)["abandoned"] == 1
    assert state(database, pk) is BatchState.Failed
    worker.run_due()
    with database.session(everything("test")) as s:
        assert s.scalar(select(func.count(Message.id)).where(Message.subject_type == "batches")) == 1


def test_bytes_go_in_time_and_the_record_stays(database: Database, worker: Worker, admin: Scope) -> None:
    pk = waiting(database, admin)
    worker.run_due()
    assert tidy(worker)["batches"] == 0
    worker.clock.moment += timedelta(days=31)  # type: ignore[attr-defined]
    assert tidy(worker)["batches"] == 1
    with database.session(everything("test")) as s:
        assert s.execute(select(Batch.data, Batch.report, Batch.before).where(Batch.id == pk)).one() == (None,) * 3
        assert s.get_one(Batch, pk).new == 2


def test_the_board_may_be_lost() -> None:
    board = Board()
    board.tell(1, 5)
    assert (board.done(1), board.stopped(1)) == (5, False)
    board.forget(1)
    assert board.done(1) is None

    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise OSError("gone")

    lost = QueueBoard(Broken)
    lost.tell(1, 5)
    lost.stop(1)
    assert (lost.done(1), lost.stopped(1)) == (None, False)
    lost.forget(1)
