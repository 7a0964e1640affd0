"""The queue only hands over and ticks: losing it loses nothing. And the consumer itself, as a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from huey import PostgresHuey, SqliteHuey
from sqlalchemy import select, update

from config import ROOT, Config
from jobs.outbox import Worker
from jobs.queue import Queue
from models.database import Database
from models.message import Message
from models.outbox import Outbox, OutboxState
from models.scope import everything
from tests.conftest import Clock
from tests.world import World, receive

WARNING = datetime(2026, 6, 24, 0, 30, tzinfo=UTC)
LONG_AGO = datetime(2026, 1, 5, tzinfo=UTC)


@pytest.fixture
def queue(config: Config, worker: Worker) -> Iterator[Queue]:
    found = Queue(config, worker)
    yield found
    if found._huey is not None:
        found._huey.storage.close()


def states(database: Database) -> list[OutboxState]:
    with database.session(everything("test")) as s:
        return list(s.scalars(select(Outbox.state).order_by(Outbox.id)))


def ids(database: Database) -> list[int]:
    with database.session(everything("test")) as s:
        return list(s.scalars(select(Outbox.id).order_by(Outbox.id)))


def test_the_queue_follows_the_database(queue: Queue, engine_name: str, config: Config) -> None:
    file = config.instance / "queue.db"
    assert not file.exists()  # nothing is made before it is used
    assert isinstance(queue.huey, {"sqlite": SqliteHuey, "postgresql": PostgresHuey}[engine_name])
    assert file.exists() == (engine_name == "sqlite")
    assert queue.huey is queue.huey


def test_names_that_queued_messages_carry(queue: Queue) -> None:
    """Renaming a task orphans what is queued."""
    registry = queue.huey._registry
    assert {name.rpartition(".")[2] for name in registry._registry} == {"deliver", "tick", "tidy"}
    tasks = {task.name: task for task in registry.periodic_tasks}
    assert {*tasks} == {"tick", "tidy"}
    tick, tidy = tasks["tick"], tasks["tidy"]
    assert [m for m in range(60) if tidy.validate_datetime(datetime(2026, 6, 1, 3, m))] == [7]
    assert all(
        tick.validate_datetime(datetime(2026, 6, day, hour, minute))
        for day in (1, 30)
        for hour in (0, 23)
        for minute in (0, 59)
    )


def test_handed_over_and_done(queue: Queue, database: Database, clock: Clock) -> None:
    clock.moment = WARNING
    first, second, third = ids(database)
    queue.hand_over([second, first])
    assert states(database) == [OutboxState.Waiting] * 3
    assert queue.huey.pending_count() == 2
    while (task := queue.huey.dequeue()) is not None:
        queue.huey.execute(task)
    assert states(database) == [OutboxState.Done, OutboxState.Done, OutboxState.Waiting]
    assert third not in (first, second)
    # Answers that nobody fetches would pile up for ever.
    assert queue.huey.result_count() == 0


def test_a_row_handed_over_twice_is_done_once(queue: Queue, database: Database, clock: Clock) -> None:
    clock.moment = WARNING
    first = ids(database)[0]
    queue.hand_over([first, first])
    queue.worker.run_due()
    while (task := queue.huey.dequeue()) is not None:
        queue.huey.execute(task)
    with database.session(everything("test")) as s:
        assert len(s.scalars(select(Message)).all()) == 3


def test_a_queue_that_is_down_harms_nobody(
    config: Config, worker: Worker, database: Database, clock: Clock, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    blocked = tmp_path / "not-a-folder"
    blocked.write_text("")
    if database.is_sqlite:
        broken = replace(config, instance=blocked / "instance")
    else:
        broken = replace(config, database_url="postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    Queue(broken, worker).hand_over(ids(database))
    assert sum("waits for the next tick" in r.message for r in caplog.records) == 3
    clock.moment = WARNING
    assert worker.run_due() == 3


def test_the_queue_deleted_loses_nothing(config: Config, worker: Worker, database: Database, clock: Clock) -> None:
    clock.moment = WARNING
    queue = Queue(config, worker)
    queue.hand_over(ids(database))
    assert queue.huey.pending_count() == 3
    queue.huey.storage.close()
    if database.is_sqlite:
        for file in config.instance.glob("queue.db*"):
            file.unlink()
    else:
        with database.engine.begin() as connection:
            for table in ("kv", "schedule", "task", "counter"):
                connection.exec_driver_sql(f"DROP TABLE huey_{table}")
    fresh = Queue(config, worker)
    assert fresh.huey.pending_count() == 0
    tick = next(task for task in fresh.huey._registry.periodic_tasks if task.name == "tick")
    fresh.huey.execute(tick)
    assert states(database) == [OutboxState.Done] * 3
    fresh.huey.storage.close()


# --- the consumer, a process of its own ---------------------------------------------------------------------


@pytest.fixture
def consumer(config: Config, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts ``run.py worker`` over this test's database; whatever still runs at the end is killed."""
    started: list[subprocess.Popen[bytes]] = []
    log = (tmp_path / "worker.log").open("wb")

    def start() -> subprocess.Popen[bytes]:
        environ = os.environ | {
            "YIZHAN_INSTANCE": str(config.instance),
            "DATABASE_URL": config.database,
            "FONT_CACHE": str(config.fonts),
            "YIZHAN_DEMO": "1",
            "LOG_LEVEL": "INFO",
            "HUEY_URL": "",
        }
        started.append(subprocess.Popen([sys.executable, "run.py", "worker"], cwd=ROOT, env=environ, stderr=log))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
    log.close()


def wait_for(what: Callable[[], bool], seconds: float = 30) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.05)
    return False


def make_due(database: Database) -> None:
    """The process reads the real clock, which may stand anywhere."""
    with database.session(everything("test"), write=True) as s:
        s.execute(update(Outbox).values(due_at=LONG_AGO))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_consumer_works_and_stops_cleanly(
    number: signal.Signals,
    consumer: Any,
    database: Database,
    config: Config,
    worker: Worker,
    world: World,
    tmp_path: Path,
) -> None:
    make_due(database)
    log = tmp_path / "worker.log"
    process = consumer()
    # What waited while no worker ran is done at once, not at the next tick.
    assert wait_for(lambda: set(states(database)) == {OutboxState.Done}), log.read_text()
    with database.session(everything("test", world.account("clerk")), write=True) as s:
        receive(s, world.item("公共场所卫生许可鲤"), applicant="后来者")
    make_due(database)
    queue = Queue(config, worker)
    (new,) = [i for i, state in zip(ids(database), states(database), strict=True) if state is OutboxState.Waiting]
    # Far from the next minute, so that what is done was handed over and not found by a tick.
    assert wait_for(lambda: datetime.now(UTC).second < 50)
    queue.hand_over([new])
    assert wait_for(lambda: set(states(database)) == {OutboxState.Done}, 8), log.read_text()
    assert wait_for(lambda: queue.huey.pending_count() == 0)
    queue.huey.storage.close()
    process.send_signal(number)
    assert process.wait(timeout=15) == 0
    said = log.read_text()
    assert "Traceback" not in said
    assert "ERROR" not in said
    with database.session(everything("test")) as s:
        assert len(s.scalars(select(Message)).all()) == 4


@pytest.mark.parametrize("engine_name", ["sqlite"], indirect=True)  # the start is the same on both
def test_a_signal_during_start_is_no_accident(consumer: Any, tmp_path: Path) -> None:
    """``run.py up`` may be stopped at any moment."""
    process = consumer()
    maps = Path(f"/proc/{process.pid}/maps")
    assert wait_for(lambda: "sqlalchemy" in maps.read_text())  # in the middle of its imports
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=15) in (0, 130)
    assert "Traceback" not in (tmp_path / "worker.log").read_text()
