"""Our generated pages beside stock flask-appbuilder: ``make bench``. docs/benchmarks.md tells how to read it.

One SQLite file, 100,000 rows with a foreign key to 3,000, one process, no network: each page is asked for in turn
from both (A B A B …), so that whatever else the machine does falls on both. The printed times are medians.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import re
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Connection, Engine, event, insert, select

import config as settings
from benchmarks import stock
from jobs.setup import migrate
from models import registries
from models.access import sync
from models.account import Account, FabRole, set_password
from models.base import metadata
from models.catalogue_item import ItemType
from models.database import Database
from models.declare import Role
from models.department import Department, DepartmentKind
from models.item import Item, ItemState
from models.region import Region, RegionLevel
from models.scope import everything
from models.work_day import seed_calendar
from models.write import save
from run import create_app

ITEMS, DEPARTMENTS = 100_000, 3_000
PASSWORD = "benchmark-password"
SECONDS = 20.0  # at most for one pair of pages
ROUNDS = 40
NOW = datetime(2026, 6, 17, 2, 0, tzinfo=UTC)


@dataclass
class Side:
    """One of the two applications, with its browser, its statements and what was measured."""

    name: str
    client: FlaskClient
    engine: Engine
    statements: int = 0
    times: dict[str, list[float]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        event.listen(self.engine, "before_cursor_execute", self._count)

    def _count(self, connection: Connection, cursor: Any, statement: str, *_: Any) -> None:
        self.statements += not statement.startswith(("BEGIN", "PRAGMA"))

    def ask(self, page: str, path: str) -> None:
        self.statements = 0
        start = time.perf_counter()
        answer = self.client.get(path)
        self.times.setdefault(page, []).append(time.perf_counter() - start)
        if answer.status_code != 200:
            raise RuntimeError(f"{self.name} {path}: {answer.status_code}")
        self.sizes[page], self.counts[page] = len(answer.get_data()), self.statements


def fill(database: Database) -> None:
    """The same rows twice: in our tables and in those of the stock application, past all rules, for speed."""
    registries()
    with database.session(everything("benchmark"), write=True) as s:
        sync(s)
        s.add_all(FabRole(name=role) for role in stock.ROLES)
        seed_calendar(s, NOW)
        region = Region()
        save(s, region, {"code": "99", "name": "示例省", "level": RegionLevel.Province}, now=NOW)
        role = s.scalars(select(FabRole.id).where(FabRole.name == Role.Administrator.value)).one()
        account = Account()
        set_password(account, PASSWORD, change=False)
        values = {"username": "bench", "last_name": "测", "email": "bench@example.invalid", "active": True}
        if problems := save(s, account, {**values, "roles": [role]}, now=NOW).errors:
            raise RuntimeError(f"{problems}")
        place = region.id
    stamps = {"created_at": NOW, "changed_at": NOW, "version": 1}
    types, states = [*ItemType], [*ItemState]
    departments = [
        {
            "id": i,
            "name": f"示例市第{i}局",
            "region_id": place,
            "kind": DepartmentKind.Functional,
            "path": f"/{i}/",
            **stamps,
        }
        for i in range(1, DEPARTMENTS + 1)
    ]
    items = [
        {
            "id": i,
            "name": f"示例事项{i * 7919 % ITEMS:06d}号许可（新办）",
            "department_id": i % DEPARTMENTS + 1,
            "region_id": place,
            "item_type": types[i % len(types)],
            "local_code": f"LOCAL-{i:06d}",
            "statutory_days": 20,
            "promise_days": i % 20,
            "phone": "0531-00000000",
            "address": "示例市政务路1号",
            "origin": "taken_over",
            "state": states[i % len(states)],
            "gap_count": i % 4,
            **stamps,
        }
        for i in range(1, ITEMS + 1)
    ]
    with database.writing.begin() as connection:
        metadata.create_all(connection, tables=[stock.StockDepartment.__table__, stock.StockItem.__table__])
        copy(connection, Department.__table__, departments)
        copy(connection, Item.__table__, items)
        copy(connection, stock.StockDepartment.__table__, departments)
        copy(connection, stock.StockItem.__table__, items)
        connection.exec_driver_sql("ANALYZE")


def copy(connection: Connection, table: Any, rows: list[dict[str, Any]]) -> None:
    """Of each row what *table* has a column for, without the enum members where it stores plain text."""
    names = [n for n in rows[0] if n in table.c]
    plain = [
        {n: getattr(row[n], "value", row[n]) if table.name.startswith("stock") else row[n] for n in names}
        for row in rows
    ]
    for start in range(0, len(plain), 20_000):
        connection.execute(insert(table), plain[start : start + 20_000])


def sign_in(app: Flask, username: str) -> FlaskClient:
    client = app.test_client()
    page = client.get("/login/").get_data(as_text=True)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    sent = {"username": username, "password": PASSWORD, "csrf_token": token.group(1) if token else ""}
    answer = client.post("/login/", data=sent)
    if answer.status_code != 302:
        raise RuntimeError(f"{username} cannot sign in: {answer.status_code}")
    return client


# page → (our address, the stock one)
PAGES = {
    "list, first page": ("/items/", "/stock-items/list/"),
    "list, one department": ("/items/?department_id=77", "/stock-items/list/?_flt_0_department=77"),
    "list, page 2,000": ("/items/?page=2000", "/stock-items/list/?page_StockItems=1999"),
    "form (edit)": ("/items/5000/edit", "/stock-items/edit/5000"),
    "REST list": ("/api/v1/items/", "/api/v1/stock-items/"),
    "REST row": ("/api/v1/items/5000", "/api/v1/stock-items/5000"),
}


def measure(ours: Side, theirs: Side, rounds: int) -> None:
    for page, paths in PAGES.items():
        for side, path in zip((ours, theirs), paths, strict=True):
            side.ask(page, path)  # once beforehand: templates compile, statements are cached
            side.times[page].clear()
        end = time.monotonic() + SECONDS
        for done in range(rounds):
            if done >= 5 and time.monotonic() > end:
                break
            ours.ask(page, paths[0])
            theirs.ask(page, paths[1])


def table(ours: Side, theirs: Side) -> str:
    lines = [
        "| page | ours ms | stock ms | stock ÷ ours | ours KB | stock KB | ours SQL | stock SQL | rounds |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for page in PAGES:
        a, b = (statistics.median(side.times[page]) * 1000 for side in (ours, theirs))
        cells = [page, f"{a:.1f}", f"{b:.1f}", f"{b / a:.1f}"]
        cells += [f"{side.sizes[page] / 1024:.1f}" for side in (ours, theirs)]
        cells += [str(side.counts[page]) for side in (ours, theirs)] + [str(len(ours.times[page]))]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def profile(client: FlaskClient, path: str, rounds: int = 40) -> None:
    client.get(path)
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(rounds):
        client.get(path)
    profiler.disable()
    print(f"\n--- {path}, {rounds} times")
    pstats.Stats(profiler).sort_stats("cumulative").print_stats(
        r"work|yizhan|jinja|sqlalchemy/orm/(session|context|util|loading)", 45
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"most rounds for each page (default {ROUNDS})")
    parser.add_argument("--profile", action="store_true", help="say where our own pages spend their time instead")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="yizhan-bench") as name:
        folder = Path(name)
        config = settings.read({}, instance=folder)
        migrate(config)
        database = Database(config.database)
        started = time.monotonic()
        fill(database)
        app = create_app(config, clock=lambda: NOW, database=database)
        client = sign_in(app, "bench")
        if args.profile:
            for path in ("/items/", "/items/5000/edit", "/api/v1/items/"):
                profile(client, path)
            return
        second = Database(config.database)
        theirs = Side("stock", sign_in(stock.build(second.engine, folder, PASSWORD), "stock"), second.engine)
        ours = Side("ours", client, database.engine)
        print(f"{ITEMS:,} rows, {DEPARTMENTS:,} departments; filled in {time.monotonic() - started:.1f} s", flush=True)
        measure(ours, theirs, args.rounds)
        print(table(ours, theirs))
        second.dispose()
        database.dispose()


if __name__ == "__main__":
    main()
