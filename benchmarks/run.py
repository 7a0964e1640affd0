"""Our generated pages beside stock flask-appbuilder and Django's admin: ``make bench``. docs/benchmarks.md tells more.

One SQLite file, 100,000 rows with three foreign keys to 3,000 each, one process, no network: each page is asked for in
turn from all three (A B C A B C …), so that whatever else the machine does falls on all. The times are medians.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import re
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import config as settings
from benchmarks import data, django_side, sides, stock
from benchmarks.data import NOW, PASSWORD, SAVED, SHOWN, WORD
from benchmarks.sides import Side, flask_side, sign_in
from jobs.setup import migrate
from models.database import Database
from run import create_app

SECONDS = 20.0  # at most for one row of the table
ROUNDS = 40
SAVE = "save"
STATE, TEXT = "in_force", quote(WORD)
LIST, STOCK, LEAN = "/items/", "/stock-items/list/", "/stock-lean/list/"
ADMIN = f"/admin/{django_side.LABEL}/item/"

# page → (our address, the stock one, Django's); None where a side has no such page
PAGES: dict[str, tuple[str, str | None, str | None]] = {
    "list": (LIST, STOCK, ADMIN),
    "list, search box without references": (LIST, LEAN, None),
    "list, one state": (f"{LIST}?state={STATE}", f"{STOCK}?_flt_3_state={STATE}", f"{ADMIN}?state__exact={STATE}"),
    "list, one department": (
        f"{LIST}?department_id=77",
        f"{STOCK}?_flt_0_department=77",
        f"{ADMIN}?department__id__exact=77",
    ),
    "list, searched": (f"{LIST}?q={TEXT}", f"{STOCK}?_flt_2_name={TEXT}", f"{ADMIN}?q={TEXT}"),
    "list, page 2,000": (f"{LIST}?page=2000", f"{STOCK}?page_StockItems=1999", f"{ADMIN}?p=2000"),
    "show": (f"/items/{SHOWN}", f"/stock-items/show/{SHOWN}", f"{ADMIN}{SHOWN}/change/#viewer"),
    "form, new": ("/items/new", "/stock-items/add", f"{ADMIN}add/"),
    "form, edit": (f"/items/{SHOWN}/edit", f"/stock-items/edit/{SHOWN}", f"{ADMIN}{SHOWN}/change/"),
    "form, edit, suggestions": (
        f"/items/{SHOWN}/edit",
        None,
        f"/suggest/{django_side.LABEL}/item/{SHOWN}/change/",
    ),
    SAVE: (f"/items/{SAVED}/edit", f"/stock-items/edit/{SAVED}", f"{ADMIN}{SAVED}/change/"),
    "REST list": ("/api/v1/items/", "/api/v1/stock-items/", None),
    "REST row": (f"/api/v1/items/{SHOWN}", f"/api/v1/stock-items/{SHOWN}", None),
}


def turn(side: Side, page: str, path: str, number: int) -> None:
    if page == SAVE:
        side.save(page, path, phone(number))
    else:
        side.ask(page, path)


def phone(number: int) -> str:
    return f"0531-{number:08d}"


def measure(page: str, asked: list[tuple[Side, str]], rounds: int) -> int:
    """Ask all sides in turn; returns how often."""
    for side, path in asked:
        turn(side, page, path, 1)  # once beforehand: templates compile, statements are cached
        side.times[page].clear()
    same_rows(page, [side for side, _ in asked])
    end = time.monotonic() + SECONDS
    done = 0
    while done < rounds and (done < 5 or time.monotonic() < end):
        done += 1
        for side, path in asked:
            turn(side, page, path, done + 1)
    return done


def same_rows(page: str, asked: list[Side]) -> None:
    """A list that shows other rows would be no comparison."""
    found = [sorted(set(re.findall(r"LOCAL-\d{6}", side.body.decode()))) for side in asked]
    if any(codes != found[0] for codes in found) or (page.startswith("list") and len(found[0]) != 25):
        raise RuntimeError(f"{page}: {list(zip((s.name for s in asked), found, strict=True))}")


HEAD = """| page | ours ms | stock ms | Django ms | stock ÷ ours | Django ÷ ours | KB | SQL | rounds |
|---|--:|--:|--:|--:|--:|--:|--:|--:|"""


def line(page: str, all_sides: list[Side], done: int) -> str:
    medians = [statistics.median(s.times[page]) * 1000 if page in s.times else None for s in all_sides]
    ours = medians[0]
    assert ours is not None
    cells = [page, *(said(m) for m in medians), *(said(m and m / ours) for m in medians[1:])]
    cells.append(" / ".join(said(s.sizes[page] / 1024) if page in s.sizes else "–" for s in all_sides))
    cells.append(" / ".join(str(s.counts.get(page, "–")) for s in all_sides))
    return f"| {' | '.join([*cells, str(done)])} |"


def said(number: float | None) -> str:
    return "–" if number is None else f"{number:.1f}"


def profile(side: Side, page: str, rounds: int) -> None:
    """Where one of our pages spends its time."""
    path = PAGES[page][0]
    turn(side, page, path, 1)
    profiler = cProfile.Profile()
    for number in range(rounds):
        sent = side.form(path) | {"phone": phone(number + 2)} if page == SAVE else {}
        profiler.enable()
        status, _ = side.post(path, sent) if page == SAVE else side.get(path)
        profiler.disable()
        assert status in (200, 302), status
    print(f"\n--- {page}: {path}, {rounds} times")
    for order in ("cumulative", "tottime"):
        pstats.Stats(profiler).sort_stats(order).print_stats(60)


def compare(all_sides: list[Side], pages: list[str], rounds: int) -> None:
    print(HEAD)
    for page in pages:
        asked = [(s, path) for s, path in zip(all_sides, PAGES[page], strict=True) if path is not None]
        done = measure(page, asked, rounds)
        print(line(page, all_sides, done), flush=True)


def prove_saved(path: Path, rounds: int) -> None:
    """A save that wrote nothing would be quick."""
    with sqlite3.connect(path) as connection:
        for table in ("item", "stock_item", f"{django_side.LABEL}_item"):
            (found,) = connection.execute(f"SELECT phone FROM {table} WHERE id = {SAVED}").fetchone()
            if found != phone(rounds + 1):
                raise RuntimeError(f"{table} holds {found}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"most rounds for each page (default {ROUNDS})")
    parser.add_argument("--page", choices=PAGES, action="append", help="this row of the table alone (repeatable)")
    parser.add_argument("--profile", choices=PAGES, help="say where this page of ours spends its time instead")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="yizhan-bench") as name:
        folder = Path(name)
        config = settings.read({}, instance=folder)
        migrate(config)
        database = Database(config.database)
        started = time.monotonic()
        data.fill(database)
        app = create_app(config, clock=lambda: NOW, database=database)
        ours = flask_side("ours", sign_in(app, "bench", PASSWORD), database.engine)
        if args.profile:
            profile(ours, args.profile, args.rounds)
            return
        second = Database(config.database)
        client = sign_in(stock.build(second.engine, folder, PASSWORD), "stock", PASSWORD)
        theirs = flask_side("stock", client, second.engine)
        path = Path(str(database.url.database))
        third = sides.django_side("Django", django_side.build(path))
        with database.writing.begin() as connection:
            data.copy(connection, f"{django_side.LABEL}_")
            connection.exec_driver_sql("ANALYZE")
        print(f"{data.ITEMS:,} rows; filled in {time.monotonic() - started:.1f} s", flush=True)
        compare([ours, theirs, third], args.page or list(PAGES), args.rounds)
        if SAVE in ours.times:
            prove_saved(path, len(ours.times[SAVE]))
        second.dispose()
        database.dispose()


if __name__ == "__main__":
    main()
