"""Works off the outbox: claim, do, close. Which work belongs to which kind stands in one table at the end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from jobs.batches import tell
from jobs.batches import work as work_on_batch
from jobs.changes import effect
from jobs.letters import write_letter
from jobs.limits import reckon_limits
from jobs.means import Means
from jobs.reminders import remind, settle
from models.outbox import MOST_ATTEMPTS, Outbox, OutboxState, claim, close, due, put_back
from models.scope import everything

log = logging.getLogger(__name__)

# kind, or its part before the first dot → the function that does it. Each may be begun twice: it finds what an
# earlier, killed attempt left, and closes the row in the transaction that holds the result.
WORK: dict[str, Callable[[Means, int, datetime], None]] = {}


class Worker(Means):
    """Claims what is due, does it, and closes it."""

    @property
    def lease(self) -> timedelta:
        return timedelta(seconds=self.config.claim_seconds)

    def deliver(self, outbox_id: int) -> bool:
        """Do one row of the outbox; False when it is not ours to do. An error puts it back with a growing pause."""
        now = self.clock()
        with self.database.session(everything("outbox"), write=True) as s:
            if not claim(s, outbox_id, now, self.lease):
                return False
            row = s.get_one(Outbox, outbox_id)
            kind = row.kind
            if row.attempts > MOST_ATTEMPTS:
                # An error puts a row back by itself; only work that kills its worker comes this far.
                close(row, OutboxState.Failed, f"given up after {MOST_ATTEMPTS} attempts that ended with the worker")
                return True
        try:
            work = WORK.get(kind) or WORK[kind.partition(".")[0]]
            work(self, outbox_id, now)
        except Exception as error:  # whatever it is, the row must say so and be tried again
            log.exception("outbox %s (%s) failed", outbox_id, kind)
            with self.database.session(everything("outbox"), write=True) as s:
                row = s.get_one(Outbox, outbox_id)
                # Where the lease ran out meanwhile, the row is somebody else's, and perhaps done.
                if row.state is OutboxState.Claimed and row.claimed_at == now:
                    put_back(row, self.clock(), f"{type(error).__name__}: {error}")
        return True

    def run_due(self) -> int:
        """Do everything that is due; returns how many rows were done by this worker."""
        done = 0
        while True:
            with self.database.session(everything("outbox")) as s:
                ids = due(s, self.clock(), lease=self.lease)
            count = sum(self.deliver(i) for i in ids)
            done += count
            if count == 0:
                return done


WORK.update(
    {
        "batch": tell,
        "effect": effect,
        "import": work_on_batch,
        "letter": write_letter,
        "limits": reckon_limits,
        "remind": remind,
        "settle": settle,
    }
)
