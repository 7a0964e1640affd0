"""How far an import is, and whether somebody wants it to stop: told from process to process beside the database.

While an import holds SQLite's write lock nothing can be written there. What stands here may be lost at any moment, and
then nothing is wrong: a page shows no progress, a wish to cancel is said once more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)


class Board:
    """Of one process: for commands and tests."""

    def __init__(self) -> None:
        self._told: dict[str, Any] = {}

    def _put(self, key: str, value: Any) -> None:
        self._told[key] = value

    def _look(self, key: str) -> Any:
        return self._told.get(key)

    def _forget(self, key: str) -> None:
        self._told.pop(key, None)

    def tell(self, batch_id: int, done: int) -> None:
        """So many rows are behind it."""
        self._put(f"batch.done.{batch_id}", done)

    def done(self, batch_id: int) -> int | None:
        found = self._look(f"batch.done.{batch_id}")
        return found if isinstance(found, int) else None

    def stop(self, batch_id: int) -> None:
        self._put(f"batch.stop.{batch_id}", 1)

    def stopped(self, batch_id: int) -> bool:
        return self._look(f"batch.stop.{batch_id}") is not None

    def forget(self, batch_id: int) -> None:
        for word in ("done", "stop"):
            self._forget(f"batch.{word}.{batch_id}")


class QueueBoard(Board):
    """In the storage of the queue, which web and worker share. Where that does not answer, nothing is told."""

    def __init__(self, huey: Callable[[], Any]) -> None:
        self._huey = huey

    def _put(self, key: str, value: Any) -> None:
        self._quietly(lambda: self._huey().put(key, value))

    def _look(self, key: str) -> Any:
        return self._quietly(lambda: self._huey().get(key, peek=True))

    def _forget(self, key: str) -> None:
        self._quietly(lambda: self._huey().get(key))

    @staticmethod
    def _quietly(do: Callable[[], Any]) -> Any:
        try:
            return do()
        except Exception:  # whatever it is, an import does not fail over its progress
            log.exception("the board of imports does not answer")
            return None
