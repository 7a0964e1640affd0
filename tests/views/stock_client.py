"""Speaks with the stock application of tests/views/stock.py, which runs as a process of its own."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from config import ROOT


@dataclass(frozen=True)
class Answer:
    """One answer, and the SQL that was run for it."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: str
    statements: Sequence[str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")


class Stock:
    """The running process, in China's time zone; it ends with ours."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.views.stock", str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
                env={**os.environ, "TZ": "Asia/Shanghai"},
            )

    @cached_property
    def told(self) -> dict[str, Any]:
        """What the process saw while it started: ``starts``, the statements of each; ``tables``, those there after."""
        found: dict[str, Any] = self._read()
        return found

    def _read(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(self.log()[-4000:])
        return json.loads(line)

    def call(self, name: str, **given: Any) -> Any:
        """What the method *name* of the process's ``Door`` returns."""
        assert self.told  # or its first line would be taken for the answer
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([name, given]) + "\n")
        self.process.stdin.flush()
        return self._read()

    def ask(
        self,
        person: str,
        path: str,
        method: str = "GET",
        *,
        form: Mapping[str, Any] | None = None,
        sent: Any = None,
        file: str | None = None,
    ) -> Answer:
        """*form*: fields of a page's form, sent with its CSRF token; *sent*: JSON, sent without one."""
        given = {"person": person, "path": path, "method": method, "form": form, "sent": sent, "file": file}
        return Answer(**self.call("ask", **given))

    def get(self, person: str, path: str) -> Answer:
        return self.ask(person, path)

    def post(self, person: str, path: str, **form: Any) -> Answer:
        return self.ask(person, path, "POST", form=form)

    def paper(self, person: str, **values: Any) -> int:
        """A new paper of that person's bureau, made over REST; its id."""
        bureau = 2 if person == "outsider" else 1
        answer = self.ask(person, "/api/v1/papers/", "POST", sent={"name": "paper", "bureau": bureau, **values})
        assert answer.status == 201, answer
        return int(answer.json["id"])

    def upload(self, person: str, file: str) -> tuple[int, str]:
        """A new row of the person's bureau with that file; its id, and the name the file is stored under."""
        self.ask(person, "/uploads/add", "POST", form={"name": file, "bureau": "1"}, file=file)
        [(pk, name)] = self.stored("SELECT id, file FROM upload ORDER BY id DESC LIMIT 1")
        return pk, name

    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")

    def stored(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "stock.db")) as connection:
            return connection.execute(sql).fetchall()

    def stop(self) -> None:
        self.process.communicate(timeout=60)
        shutil.rmtree(self.folder, ignore_errors=True)


@cache
def running() -> Stock:
    """One for all who ask in this process: it takes two seconds to start."""
    stock = Stock(Path(tempfile.mkdtemp(prefix="yzstock")))
    atexit.register(stock.stop)
    return stock
