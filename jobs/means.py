"""What a job works with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from config import Config
from models.database import Database


@dataclass
class Means:
    """The database, the settings, and the clock, which is read at the door of each job.

    follow: takes ids of the outbox that a job has just posted, to be done at once where there is a queue; where there
    is none, the next tick finds them.
    """

    database: Database
    config: Config
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    follow: Callable[[Iterable[int]], None] = lambda ids: None
