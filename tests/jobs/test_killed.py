"""Workers killed where it hurts: real processes, SIGKILL, and a second worker that puts everything right."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from config import ROOT, Config
from jobs.outbox import Worker
from models.case import Case
from models.counter import Counter
from models.database import Database
from models.event import Event, broken_links
from models.letter import Letter, LetterState
from models.message import Message
from models.outbox import Outbox, OutboxState
from models.scope import everything
from models.workflow import move
from tests.conftest import Clock
from tests.world import NOW, World

WARNING = datetime(2026, 6, 24, 0, 30, tzinfo=UTC)


def kill(spot: str, config: Config, moment: datetime) -> None:
    """Let a worker run until it is dead."""
    words = [spot, config.database, str(config.instance), str(config.fonts), moment.isoformat()]
    done = subprocess.run(
        [sys.executable, "-m", "tests.jobs.killed", *words], cwd=ROOT, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def everything_in(database: Database, model: type[Any]) -> list[Any]:
    with database.session(everything("test")) as s:
        return list(s.scalars(select(model).order_by(model.id)))


def recover(worker: Worker, clock: Clock, moment: datetime) -> int:
    """A second worker: powerless while the lease holds, then at work."""
    clock.moment = moment + worker.lease
    early = worker.run_due()
    clock.moment += timedelta(seconds=1)
    return early + worker.run_due()


@pytest.mark.parametrize("spot", ["claimed_only", "message_written", "committed"])
def test_one_message(spot: str, config: Config, worker: Worker, clock: Clock, database: Database) -> None:
    with database.session(everything("test"), write=True) as s:  # one row is enough
        for row in list(s.scalars(select(Outbox).order_by(Outbox.id)))[1:]:
            row.state = OutboxState.Dropped
    kill(spot, config, WARNING)
    left = everything_in(database, Outbox)[0]
    # Only the kill after the commit leaves a message; whatever else the dead process had written is gone.
    assert left.state is (OutboxState.Done if spot == "committed" else OutboxState.Claimed)
    assert len(everything_in(database, Message)) == (1 if spot == "committed" else 0)
    assert recover(worker, clock, WARNING) == (0 if spot == "committed" else 1)
    assert everything_in(database, Outbox)[0].state is OutboxState.Done
    assert len(everything_in(database, Message)) == 1
    assert len([e for e in everything_in(database, Event) if e.subject_type == "messages"]) == 1


LETTER_SPOTS = {  # spot → (letters, numbers) that the dead worker leaves behind
    "claimed_only": (0, 0),
    "number_not_committed": (0, 0),
    "number_reserved": (1, 1),
    "rendered": (1, 1),
    "bytes_written": (1, 1),
    "committed": (1, 1),
}


@pytest.mark.parametrize("spot", LETTER_SPOTS)
def test_one_letter_with_one_number(
    spot: str, config: Config, worker: Worker, clock: Clock, database: Database, world: World
) -> None:
    with database.session(everything("test", world.account("approver")), write=True) as s:
        assert not move(s, s.get_one(Case, world.case("申请人红鲤")), "accept", now=NOW).errors
        outbox_id = s.info["posted"][-1]

    def numbers() -> list[int]:
        return [c.value for c in everything_in(database, Counter) if c.kind == "letter.acceptance"]

    kill(spot, config, NOW)
    committed = spot == "committed"
    found = everything_in(database, Letter)
    assert (len(found), sum(numbers())) == LETTER_SPOTS[spot]
    assert {x.state for x in found} <= {LetterState.Issued if committed else LetterState.Reserved}
    promised = [(x.number, x.code) for x in found]

    assert recover(worker, clock, NOW) == (0 if committed else 1)
    with database.session(everything("test")) as s:
        (letter,) = s.scalars(select(Letter))
        assert (letter.state, letter.number, letter.serial) == (LetterState.Issued, "东卫健受〔2026〕1号", 1)
        assert letter.sha256 == hashlib.sha256(letter.pdf).hexdigest()
        assert promised in ([], [(letter.number, letter.code)])
        assert s.get_one(Outbox, outbox_id).state is OutboxState.Done
        told = s.scalars(select(Event).where(Event.subject_type == "letters").order_by(Event.seq)).all()
        assert [e.action for e in told] == [None, "issue"]
        assert broken_links(s) == []
    assert numbers() == [1]
