"""No file that is sent makes a request hold more than 200 MB, be it broken, folded together or merely large."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from config import ROOT, Config
from forms.sheets import Column, workbook
from models.batch import Batch
from models.database import Database
from models.region import Region
from models.scope import everything
from tests import ledger
from tests.forms.test_files import BROKEN, bomb, mangled

MOST_MEGABYTES = 200
LARGE = 100_000  # rows: as many as are taken


def rows() -> Iterator[list[str]]:
    for number in range(LARGE):
        yield [f"99{number:010d}", f"某某街道第{number}居民委员会", "village", "东城区", "", "", "", ""]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "sent"
    folder.mkdir()
    for number, (data, *_) in enumerate(BROKEN.values()):
        (folder / f"broken-{number:02d}.xlsx").write_bytes(data)
    (folder / "bomb.xlsx").write_bytes(bomb())
    for number in range(30):
        (folder / f"mangled-{number:02d}.csv").write_bytes(mangled(number))
    heads = ["code", "name", "level", "parent_id", "a", "b", "c", "d"]
    with (folder / "large.xlsx").open("wb") as stream:
        workbook(stream, "x", [Column(name) for name in heads], rows())
    lines = [",".join(heads), *(",".join(row) for row in rows())]
    (folder / "large.csv").write_text("\n".join(lines), encoding="utf-8")
    (folder / "wide.csv").write_text("code,name\n" + ('01,"' + "长" * 3000 + '"\n') * 2000, encoding="utf-8")
    return folder


@pytest.mark.parametrize("engine_name", ["sqlite"], indirect=True)
def test_no_upload_takes_more(config: Config, database: Database, files: Path) -> None:
    command = [sys.executable, "-m", "tests.views.heavy", str(config.instance), config.database, str(files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == len([*files.iterdir()])
    assert {status for _, status, _ in told} <= {302, 413, 422}, told
    worst = max(told, key=lambda one: one[2])
    print(told)
    assert worst[2] < MOST_MEGABYTES, worst
    with database.session(everything("test")) as s:
        assert s.scalar(select(func.count(Batch.id)).where(Batch.rows == LARGE)) == 2
        assert s.scalar(select(func.count(Region.id)).where(Region.name.startswith("某某街道"))) == 0
    ledger.note("memory", megabytes_at_most=int(worst[2]))
