"""A hundred thousand rows in and out: ``python -m benchmarks.transfer``. docs/benchmarks.md tells what came of it.

Rows of eight columns with two references go through the batch as the worker runs it: read from the file, judged by
every rule, written with their Events, in one transaction; before that one is cancelled half-way, and it is looked
whether anything stayed. The export of the same columns is held against one that goes row by row through the ORM.
"""

from __future__ import annotations

import argparse
import io
import resource
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

import config as settings
from benchmarks import data
from benchmarks.data import NOW
from benchmarks.sides import sign_in
from forms import exporting, sheets
from jobs.outbox import Worker
from jobs.setup import migrate
from models.account import Account
from models.batch import Batch, BatchKind, BatchState, advance, ask, begin
from models.catalogue_item import ExerciseLevel, ItemType
from models.database import Database
from models.department import Department
from models.event import Event
from models.item import Item
from models.legal_basis import LegalBasis
from models.scope import everything
from run import create_app
from translations.speech import say

COLUMNS = (
    "name",
    "department_id",
    "item_type",
    "level",
    "basic_code",
    "local_code",
    "legal_basis_id",
    "statutory_days",
)


def megabytes() -> int:
    """The most this process has held at once."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def held() -> int:
    """What this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024**2


def rows(count: int, departments: list[str], bases: list[str]) -> Iterator[list[Any]]:
    types, level = [*ItemType], say("zh", ExerciseLevel.County.label)
    for n in range(count):
        kind = types[n % len(types)]
        code = f"00{kind.value}{5_000_000 + n:08d}"  # none that the catalogue has
        seat, basis = departments[n % len(departments)], bases[n * 7 % len(bases)]
        yield [f"新办事项{n:06d}号许可", seat, say("zh", kind.label), level, code, f"NEW-{n:06d}", basis, 20]


def queued(database: Database, file: bytes, count: int, actor: int, word: str) -> int:
    with database.session(everything("benchmark", actor), write=True) as s:
        given = {"data": file, "rows": count, "state": BatchState.Checked}
        batch = begin(s, BatchKind.Import, "items", f"{word}.xlsx", NOW, **given)
        advance(batch, "ask_run")
        ask(s, batch, "run", NOW)
        return batch.id


def standing(database: Database) -> tuple[int, int]:
    with database.session(everything("benchmark")) as s:
        events = select(func.count(Event.id)).where(Event.subject_type == "items")
        return s.scalar(select(func.count(Item.id))) or 0, s.scalar(events) or 0


def imported(database: Database, worker: Worker, count: int, actor: int) -> None:
    with database.session(everything("benchmark")) as s:
        departments = [*s.scalars(select(Department.name).order_by(Department.id).limit(3000))]
        bases = [b.name for b in s.scalars(select(LegalBasis).order_by(LegalBasis.id).limit(3000))]
    stream = io.BytesIO()
    columns = exporting.heads(Item, COLUMNS, "zh")
    sheets.workbook(stream, "items", columns, rows(count, departments, bases))
    file = stream.getvalue()
    print(f"file: {count:,} rows, {len(file) / 1e6:.1f} MB of XLSX; process holds {held()} MB")

    before = standing(database)
    pk = queued(database, file, count, actor, "cancelled")
    tell = worker.board.tell

    def half_way(batch_id: int, done: int) -> None:
        tell(batch_id, done)
        if done >= count // 2:
            worker.board.stop(batch_id)

    worker.board.tell = half_way  # type: ignore[method-assign]
    worker.run_due()
    worker.board.tell = tell  # type: ignore[method-assign]
    with database.session(everything("benchmark")) as s:
        state = s.get_one(Batch, pk).state.value
    left = tuple(now - then for now, then in zip(standing(database), before, strict=True))
    print(f"cancelled half-way: state {state}; items and events more than before: {left}")

    pk = queued(database, file, count, actor, "whole")
    started, worked = time.monotonic(), time.process_time()
    worker.run_due()
    seconds, worked = time.monotonic() - started, time.process_time() - worked
    with database.session(everything("benchmark")) as s:
        batch = s.get_one(Batch, pk)
        print(f"imported: state {batch.state.value}, {batch.counts}")
    print(f"import: {seconds:.1f} s, {count / seconds:,.0f} rows/s; {worked:.1f} s of them at work on a processor")
    print(f"most memory so far: {megabytes()} MB")


def orm_rows(database: Database, names: list[str], at_once: int) -> Iterator[list[Any]]:
    """Whole rows one after the other, with what their references lead to; at_once: how many are held, 0 for all."""
    with database.session(everything("benchmark")) as s:
        statement = select(Item).order_by(Item.id)
        for item in s.scalars(statement, execution_options={"yield_per": at_once} if at_once else {}):
            cells: list[Any] = []
            for name in names:
                value = getattr(item, name)
                if name.endswith("_id"):
                    other = getattr(item, name.removesuffix("_id"))
                    value = other.name if other is not None else ""
                elif hasattr(value, "label"):
                    value = say("zh", value.label)
                cells.append("" if value is None else value)
            yield cells


def exported(database: Database) -> None:
    names = exporting.columns_for(Item, COLUMNS)
    heads = [c.heading for c in exporting.heads(Item, names, "zh")]

    def ours() -> tuple[int, float]:
        started, size = time.monotonic(), 0
        with database.session(everything("benchmark")) as s:
            cells = exporting.rows(s, Item, names, select(Item.id).order_by(Item.id), "zh")
            for piece in sheets.csv_bytes(heads, cells):
                size += len(piece)
        return size, time.monotonic() - started

    def theirs(at_once: int) -> tuple[int, float]:
        started, size = time.monotonic(), 0
        for piece in sheets.csv_bytes(heads, orm_rows(database, names, at_once)):
            size += len(piece)
        return size, time.monotonic() - started

    before = held()
    size, seconds = ours()
    print(f"export: {size / 1e6:.1f} MB of CSV in {seconds:.1f} s; process held {before} MB before, {held()} MB after")
    for at_once, word in ((1_000, "streamed as well"), (0, "all rows in memory")):
        other, slow = theirs(at_once)
        told = f"{slow:.1f} s, {slow / seconds:.1f} times as long; same bytes: {other == size}; holds {held()} MB"
        print(f"row by row through the ORM, {word}: {told}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="yizhan-transfer") as name:
        config = settings.read({}, instance=Path(name))
        migrate(config)
        database = Database(config.database)
        data.fill(database)
        worker = Worker(database, config, lambda: NOW + timedelta(minutes=1))
        with database.session(everything("benchmark")) as s:
            actor = s.scalars(select(Account.id)).one()
        imported(database, worker, args.rows, actor)
        exported(database)
        client = sign_in(create_app(config, clock=lambda: NOW, database=database), "bench", data.PASSWORD)
        before, size = held(), 0
        with client.get("/items/export?format=csv&fields=all", buffered=False) as answer:
            for piece in answer.response:
                size += len(piece)
        print(f"page: {size / 1e6:.1f} MB streamed; web process held {before} MB before, {held()} MB after")
        database.dispose()


if __name__ == "__main__":
    main()
