"""What a job works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from config import Config
from jobs.board import Board
from models.database import Database


@dataclass
class Means:
    """The database, the settings, the clock, which is read at the door of each job, and the board of long work."""

    database: Database
    config: Config
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    board: Board = field(default_factory=Board)
