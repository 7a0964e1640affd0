"""What a job works with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from config import Config
from jobs.board import Board
from models.database import Database


@dataclass
class Means:
    """The database, the settings, the clock, which is read at the door of each job, and the board of long work.

    follow: takes ids of the outbox that a job has just posted, to be done at once where there is a queue; where there
    is none, the next tick finds them.
    """

    database: Database
    config: Config
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    board: Board = field(default_factory=Board)
    follow: Callable[[Iterable[int]], None] = lambda ids: None
