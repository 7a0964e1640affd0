"""The house: who may import whom, which package belongs in which room, how long a file may be, who reads the clock."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

import pytest

from config import ROOT

# Whom a room may import; itself goes without saying.
ROOMS: dict[str, set[str]] = {
    "config": set(),
    "rules": set(),
    "models": {"rules"},
    "notices": {"rules"},
    "forms": {"rules", "models", "translations"},
    "translations": set(),
    "jobs": {"rules", "models", "forms", "notices", "config", "translations"},
    "migrations": {"models", "config", "jobs"},
    "views": {"rules", "models", "forms", "notices", "jobs", "config", "translations"},
    "run": {"rules", "models", "forms", "notices", "jobs", "views", "config", "migrations", "translations"},
}

# Which package from outside a room may import; a file's own name stands for that file alone.
PACKAGES: dict[str, set[str]] = {
    "rules": {"chinese_calendar"},
    "rules/scripts.py": {"opencc"},  # its tables of Simplified and Traditional characters
    "rules/passwords.py": {"zxcvbn"},  # lists of what people choose, and how to count the guesses
    "models": {"sqlalchemy"},
    "models/base.py": {"flask_appbuilder"},  # its metadata is shared, so that foreign keys reach the users
    "models/account.py": {"flask_appbuilder", "werkzeug"},  # its user table; the hash that its sign-in checks
    "models/second_factor.py": {"cryptography"},  # secrets that must be read again are encrypted
    "notices": {"fontTools", "jinja2", "markupsafe", "pylopdf_fonts_zh_cn", "reportlab", "segno", "xhtml2pdf"},
    "forms": {"sqlalchemy", "wtforms"},
    "forms/sheets.py": {"xlsxwriter"},  # workbooks are written by it, and read by our own reader
    "translations": {"babel"},
    "jobs": {"babel", "huey", "sqlalchemy"},
    "jobs/setup.py": {"alembic"},
    "migrations": {"alembic", "sqlalchemy"},
    "views": {
        "apispec",
        "flask",
        "flask_appbuilder",
        "flask_babel",
        "flask_jwt_extended",
        "flask_login",
        "flask_wtf",
        "itsdangerous",
        "jwt",
        "markupsafe",
        "sqlalchemy",
        "werkzeug",
        "wtforms",
    },
    "views/manager.py": {"marshmallow"},  # what flask-appbuilder's schema of a sign-in raises
    "views/my_account.py": {"segno"},  # the picture that an authenticator app reads
    "views/oidc.py": {"authlib", "joserfc", "requests"},
    "run": {"flask", "waitress"},
}

LONGEST = 500
# The clock is read at the doors only: a request, a job, a command.
DOORS = ("run.py", "views/security.py", "jobs/")
CLOCKS = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("time", "time"),
    ("time", "time_ns"),
    ("time", "localtime"),
    ("time", "gmtime"),
}


def files() -> Iterator[tuple[str, str]]:
    """(path, text) of every file of the product."""
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if room_of(name) in ROOMS:
            yield name, path.read_text(encoding="utf-8")


def room_of(name: str) -> str:
    return name.partition("/")[0].removesuffix(".py")


def imported(text: str) -> Iterator[str]:
    """Every module named by an import, those inside functions and for type checkers too, and those by name."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports say the whole name"
            yield node.module or ""
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
            parts = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
            if parts and not parts[0].startswith("."):
                yield "".join(parts)


def test_every_room_is_in_the_table() -> None:
    found = {p.name for p in ROOT.iterdir() if p.is_dir() and (p / "__init__.py").exists()}
    found |= {p.stem for p in ROOT.glob("*.py")}
    assert found - {"tests", "benchmarks"} == set(ROOMS)
    assert {room_of(name) for name, _ in files()} == set(ROOMS)


def test_rooms_import_only_downwards() -> None:
    wrong = [
        f"{name} imports {module}"
        for name, text in files()
        for module in imported(text)
        if (top := module.split(".")[0]) in ROOMS and top not in ROOMS[room_of(name)] | {room_of(name)}
    ]
    assert wrong == []


def test_nobody_imports_the_tests() -> None:
    assert [
        n for n, text in files() if {m.split(".")[0] for m in imported(text)} & {"tests", "benchmarks", "pytest"}
    ] == []


def outside(text: str) -> set[str]:
    return {m.split(".")[0] for m in imported(text)} - sys.stdlib_module_names - set(ROOMS)


def test_packages_stay_in_their_rooms() -> None:
    wrong = {}
    for name, text in files():
        if extra := outside(text) - PACKAGES.get(room_of(name), set()) - PACKAGES.get(name, set()):
            wrong[name] = sorted(extra)
    assert wrong == {}


@pytest.mark.parametrize("package", ["flask", "flask_appbuilder"])
def test_the_framework_stays_in_its_rooms(package: str) -> None:
    users = {name for name, text in files() if package in outside(text)}
    allowed = {"flask": {"run.py"}, "flask_appbuilder": {"models/base.py", "models/account.py"}}[package]
    assert {n for n in users if not n.startswith("views/")} <= allowed
    assert any(n.startswith("views/") for n in users)


def test_the_walk_sees_imports_wherever_they_stand() -> None:
    hidden = """
def f():
    import flask.json
    if True:
        from views.app import build
class C:
    from jobs import queue
import importlib
importlib.import_module(f"views.{x}")
"""
    assert sorted(imported(hidden)) == ["flask.json", "importlib", "jobs", "views.", "views.app"]
    assert outside(hidden) == {"flask"}


def test_no_file_is_a_god_module() -> None:
    long = {n: count for n, text in files() if (count := text.count("\n")) > LONGEST and "/versions/" not in n}
    assert long == {}


def clock_reads(text: str) -> list[int]:
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute):
            owner = node.value
            name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            if (name, node.attr) in CLOCKS:
                found.append(node.lineno)
        if (
            isinstance(node, ast.ImportFrom)
            and node.module == "time"
            and {a.name for a in node.names} & {"time", "time_ns"}
        ):
            found.append(node.lineno)
    return sorted(found)


def test_the_clock_is_read_at_the_doors() -> None:
    read = {name: lines for name, text in files() if (lines := clock_reads(text))}
    assert {n: lines for n, lines in read.items() if not n.startswith(DOORS)} == {}
    assert {"run.py", "jobs/means.py"} <= set(read)  # or the walk would see nothing at all


@pytest.mark.parametrize(
    "text",
    [
        "datetime.now(UTC)",
        "x = datetime.datetime.now",
        "date.today()",
        "time.time()",
        "from time import time",
        "datetime.utcnow()",
    ],
)
def test_every_way_to_read_the_clock_is_seen(text: str) -> None:
    assert clock_reads(text) == [1]
