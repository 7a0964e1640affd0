"""The huey object and, on this one page, everything that is scheduled.

huey only ticks and fans out: what there is to do stands in the outbox, so a lost queue, a missed tick or a task
that runs twice does no harm.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

from huey import Huey, PostgresHuey, RedisHuey, SqliteHuey, crontab

from config import Config
from jobs.board import QueueBoard
from jobs.outbox import Worker
from jobs.tidy import tidy

log = logging.getLogger(__name__)


def storage(config: Config) -> Huey:
    """The queue follows the database unless HUEY_URL says Redis. SqliteHuey makes its file here, not at import.

    No results are kept: nobody reads them, so they would pile up for ever.
    """
    if config.huey_url:
        return RedisHuey("yizhan", url=config.huey_url, results=False)
    if config.database.startswith("sqlite"):
        config.instance.mkdir(parents=True, exist_ok=True, mode=0o700)
        return SqliteHuey("yizhan", filename=str(config.instance / "queue.db"), results=False)
    dsn = config.database.replace("postgresql+psycopg://", "postgresql://")
    return PostgresHuey("yizhan", dsn=dsn, results=False)


class Queue:
    """Tasks over one :class:`Worker`. The huey behind it is built at first use."""

    def __init__(self, config: Config, worker: Worker) -> None:
        self.config, self.worker = config, worker
        worker.follow = self.hand_over
        self._huey: Huey | None = None
        worker.board = QueueBoard(lambda: self.huey)
        self._lock = threading.Lock()  # two first requests at once must find one whole queue

    @property
    def huey(self) -> Huey:
        with self._lock:
            if self._huey is None:
                self._huey = self._build()
        return self._huey

    def _build(self) -> Huey:
        found = storage(self.config)
        # The names are stored in queued messages: renaming one orphans what is queued.
        self.deliver = found.task(name="deliver")(self.worker.deliver)
        # Every minute (huey's crontabs are UTC; a minute is the same everywhere).
        self.tick = found.periodic_task(crontab(minute="*"), name="tick")(self.worker.run_due)
        self.tidy = found.periodic_task(crontab(minute="7"), name="tidy")(lambda: tidy(self.worker))
        return found

    def hand_over(self, outbox_ids: Iterable[int]) -> None:
        """Ask a worker to do these now. If the queue does not answer, the next tick finds them all the same."""
        for outbox_id in outbox_ids:
            try:
                _ = self.huey
                self.deliver(outbox_id)
            except Exception:  # a queue that is down must not undo what was committed
                log.exception("outbox %s waits for the next tick", outbox_id)

    def consume(self, workers: int = 2) -> None:
        """Run the worker until it is told to stop. Its first tick comes at once, so what waited is not kept waiting.

        Nothing is done before: the consumer must be there to hear a signal while a long row is worked at.
        """
        # SIGTERM lets the work in hand finish: it is what service managers send, and what "up" can send at any moment
        # of the start without a traceback.
        consumer = self.huey.create_consumer(
            workers=workers, periodic=True, initial_delay=0.1, max_delay=1.0, graceful_signal="TERM"
        )
        consumer.run()
