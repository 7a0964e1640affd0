"""Runs a worker that kills itself at a named spot. Started by test_killed.py as a process of its own.

Usage: python -m tests.jobs.killed SPOT DATABASE_URL INSTANCE FONTS MOMENT
"""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import config as settings
import jobs.letters
import jobs.reminders
import notices
from jobs.outbox import WORK, Worker
from models import registries
from models.database import Database


def die(*args: Any, **kw: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after(done: Callable[..., Any]) -> Callable[..., None]:
    """*done*, and then the end."""

    def work(*args: Any, **kw: Any) -> None:
        done(*args, **kw)
        die()

    return work


def claimed_only() -> None:
    for kind in WORK:
        WORK[kind] = die


def message_written() -> None:
    jobs.reminders.close = die  # type: ignore[assignment]


def number_reserved() -> None:
    notices.render = die  # type: ignore[assignment]


def number_not_committed() -> None:
    jobs.letters.reserve = after(jobs.letters.reserve)  # type: ignore[assignment]


def quickly(kind: str, data: Any, **kw: Any) -> notices.Rendered:
    """In place of half a second of rendering, for the spots that are not about it."""
    pdf = f"%PDF {kind} {kw['number']}".encode()
    return notices.Rendered(pdf, "", 1, hashlib.sha256(pdf).hexdigest(), "t" * 64, "{}", "d" * 64)


def rendered() -> None:
    notices.render = after(notices.render)  # type: ignore[assignment]


def bytes_written() -> None:
    jobs.letters.close = die  # type: ignore[assignment]


def committed() -> None:
    for kind, work in list(WORK.items()):
        WORK[kind] = after(work)


SPOTS: dict[str, Callable[[], None]] = {
    f.__name__: f
    for f in (
        claimed_only,
        message_written,
        number_reserved,
        number_not_committed,
        rendered,
        bytes_written,
        committed,
    )
}


def main(spot: str, url: str, instance: str, fonts: str, moment: str) -> None:
    registries()
    config = settings.read({}, instance=Path(instance), database_url=url, font_cache=fonts)
    if spot != "rendered":
        notices.render = quickly
    SPOTS[spot]()
    now = datetime.fromisoformat(moment)
    Worker(Database(url), config, lambda: now).run_due()


if __name__ == "__main__":
    main(*sys.argv[1:])
