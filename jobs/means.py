"""What a job works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from config import Config
from models.database import Database


@dataclass
class Means:
    """The database, the settings, and the clock, which is read at the door of each job."""

    database: Database
    config: Config
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
