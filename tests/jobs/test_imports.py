"""``run.py import`` and ``run.py check-id`` as a person at a terminal meets them: output and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

import config as settings
import run
from config import ROOT, Config
from models.database import Database
from models.event import Event
from models.item import Item
from models.scope import everything
from tests.world import COMPANY, RESIDENT, World

DATA = ROOT / "tests" / "data"
HEADER = "department,name,area_code,item_code,task_type,dept_code\n"


@pytest.fixture
def engine_name() -> str:
    """The importer itself is tested on both; the command around it needs one."""
    return "sqlite"


def run_py(
    *words: str, config: Config | None = None, data: bytes = b"", **environ: str
) -> subprocess.CompletedProcess[bytes]:
    known = {k: v for k, v in os.environ.items() if k not in {f.metadata["env"] for f in settings.fields(Config)}}
    if config is not None:
        known |= {"YIZHAN_INSTANCE": str(config.instance), "DATABASE_URL": config.database, "LOG_LEVEL": "WARNING"}
    command = [sys.executable, str(ROOT / "run.py"), *words]
    done = subprocess.run(command, env=known | environ, input=data, capture_output=True, timeout=60, check=False)
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done


def words_of(done: subprocess.CompletedProcess[bytes]) -> tuple[int, str, str]:
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def standing(database: Database) -> tuple[int, int]:
    with database.session(everything("test")) as s:
        return tuple(s.scalar(select(func.count()).select_from(m)) or 0 for m in (Item, Event))  # type: ignore[return-value]


def test_a_dry_run_and_the_real_one(config: Config, database: Database) -> None:
    before = standing(database)
    file = str(DATA / "catalogue_with_oddities.csv")
    code, said, complained = words_of(run_py("import", "items", file, "--take-over", "--dry-run", config=config))
    assert (code, complained) == (0, "")
    assert said.splitlines()[:2] == [
        "dry run, nothing written; mapping portal-items",
        "new 60, changed 0, unchanged 0, refused 0, warned 60, rows 60",
    ]
    assert "      30  warning  department_code: code_length" in said.splitlines()
    assert standing(database) == before
    code, said, _ = words_of(run_py("import", "items", file, "--take-over", config=config))
    assert code == 0
    assert said.splitlines()[0] == "mapping portal-items"
    assert standing(database)[0] == before[0] + 60


def test_refused_rows_make_it_one(config: Config, database: Database) -> None:
    before = standing(database)
    file = str(DATA / "catalogue_with_refusals.csv")
    done = run_py("import", "items", file, "--take-over", "--json", config=config)
    assert (done.returncode, done.stderr) == (1, b"")
    told = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert [t["line"] for t in told] == list(range(2, 12))
    assert [t["outcome"] for t in told].count("refused") == 7
    assert told[0] == {
        "line": 2,
        "outcome": "refused",
        "key": "990R001",
        "name": "档案中介服务机构备案",
        "changes": {},
        "problems": [{"field": "item_type", "code": "not_in_list", "warning": False}],
    }
    assert standing(database)[0] == before[0] + 3


def test_in_the_scope_of_a_person(config: Config, database: Database, world: World, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(
        HEADER + "东城区卫生健康局,甲,990101,N-1,1,\n西城区卫生健康局,乙,990102,N-2,1,\n东城区气象局,丙,990101,N-3,1,\n"
    )
    done = run_py("import", "items", str(file), "--take-over", "--user", "manager", "--json", config=config)
    assert done.returncode == 1
    assert [json.loads(line)["outcome"] for line in done.stdout.splitlines()] == ["new", "refused", "new"]
    with database.session(everything("test")) as s:
        assert {i.created_by_id for i in s.scalars(select(Item).where(Item.local_code.in_(["N-1", "N-3"])))} == {
            world.account("manager")
        }


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["items", "/nonexistent.csv"], "No such file"),
        (["items", "FILE", "--user", "nobody"], "no active user nobody"),
        (["items", "FILE", "--user", "clerk"], "clerk may not import items"),
        (["items", "FILE", "--mapping", "/nonexistent.toml"], "The mapping nonexistent.toml cannot be read"),
        (["items", "FOREIGN"], "No mapping fits these columns: a, b"),
        (["items", "EMPTY"], "The file is empty."),
        (
            ["cases", "FILE"],
            "cases cannot be imported; catalogue, departments, items, legal-bases, list-entries",
        ),
        (["items"], "usage"),
    ],
)
def test_what_cannot_be_done_at_all_is_two(
    words: list[str],
    complaint: str,
    config: Config,
    database: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = standing(database)
    for name, text in (
        ("FILE", HEADER + "东城区卫生健康局,甲,990101,N-1,1,\n"),
        ("FOREIGN", "a,b\n1,2\n"),
        ("EMPTY", ""),
    ):
        (tmp_path / name).write_text(text)
    given = [str(tmp_path / w) if w in ("FILE", "FOREIGN", "EMPTY") else w for w in words]
    monkeypatch.setenv("YIZHAN_INSTANCE", str(config.instance))
    monkeypatch.setenv("DATABASE_URL", config.database)
    try:
        code = run.main(["import", *given, "--take-over"])
    except SystemExit as left:  # argparse
        code = left.code
    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert complaint in said.err
    assert standing(database) == before


def test_more_rows_than_set(config: Config, tmp_path: Path) -> None:
    file = tmp_path / "long.csv"
    file.write_text(HEADER + "".join(f"东城区卫生健康局,甲,990101,N-{n},1,\n" for n in range(3)))
    code, _, complained = words_of(run_py("import", "items", str(file), "--take-over", config=config, IMPORT_ROWS="2"))
    assert code == 2
    assert "At most 2 rows at a time." in complained


# --- check-id -----------------------------------------------------------------------------------------------

# No database, no settings: this must work on a bare machine, and beside a broken configuration.
UNUSABLE = {
    "DATABASE_URL": "nonsense://nowhere",
    "YIZHAN_INSTANCE": "/proc/nowhere",
    "YIZHAN_LOCALE": "xx",
    "PORT": "x",
}


def checked(kind: str, data: bytes, *words: str) -> tuple[int, list[Any]]:
    done = run_py("check-id", "--kind", kind, *words, data=data, **UNUSABLE)
    assert done.stderr == b""
    return done.returncode, [json.loads(line) for line in done.stdout.decode().splitlines()]


def test_all_valid_is_zero() -> None:
    code, told = checked("resident", f"{RESIDENT}\r\n{RESIDENT.lower()}\r\n".encode())
    assert code == 0
    assert [(t["valid"], t["normalised"]) for t in told] == [(True, RESIDENT)] * 2


def test_one_wrong_is_one_and_every_line_has_its_line() -> None:
    code, told = checked("uscc", f"{COMPANY}\n\n一二三\n".encode() + b"\xff\n" + COMPANY.encode())
    assert code == 1
    assert [t["valid"] for t in told] == [True, False, False, False, True]
    assert [t["reason"] for t in told] == [None, "blank", "length", "encoding", None]
    assert told[2]["text"] == "一二三"


def test_a_file_instead_of_standard_input(tmp_path: Path) -> None:
    file = tmp_path / "numbers.txt"
    file.write_bytes(b"\xef\xbb\xbf" + RESIDENT.encode())
    assert checked("resident", b"", str(file))[0] == 0


@pytest.mark.parametrize("words", [["--kind", "resident", "/nonexistent.txt"], ["--kind", "passport"], []])
def test_wrong_usage_is_two(words: list[str]) -> None:
    done = run_py("check-id", *words, **UNUSABLE)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr


def test_nothing_in_is_nothing_out() -> None:
    assert checked("resident", b"") == (0, [])


def test_a_reader_that_leaves_early_is_no_accident(tmp_path: Path) -> None:
    """``run.py check-id … | head -1``"""
    numbers = tmp_path / "numbers.txt"
    numbers.write_text(f"{RESIDENT}\n" * 5000)
    words = ["check-id", "--kind", "resident", str(numbers)]
    command = [sys.executable, str(ROOT / "run.py"), *words]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | UNUSABLE
    ) as process:
        assert process.stdout
        assert process.stderr
        assert json.loads(process.stdout.readline())["valid"]
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141
