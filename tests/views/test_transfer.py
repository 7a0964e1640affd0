"""Import and export on the pages: a file out, changed by script, in again, and taken back to the byte."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import openpyxl
import pytest
from sqlalchemy import func, select

from config import Config
from jobs.outbox import Worker
from models.batch import Batch, BatchKind, BatchState
from models.change import Change, ChangeState
from models.database import Database
from models.event import Event, broken_links
from models.item import Item
from models.legal_basis import LegalBasis
from models.message import Message
from models.scope import everything
from models.workflow import move
from tests.conftest import Browser
from tests.views.pages import main
from tests.world import NOW, World, put

SignIn = Callable[[str], Browser]


@pytest.fixture
def manager(sign_in: SignIn) -> Browser:
    return sign_in("manager")


def table(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))


def written(rows: list[dict[str, str]], encoding: str = "utf-8") -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode(encoding)


def upload(browser: Browser, registry: str, data: bytes, name: str = "list.csv", **options: str) -> str:
    """Upload and look: the address of the batch."""
    sent = {"file": (io.BytesIO(data), name), **options}
    answer = browser.post(f"/import/{registry}", sent, content_type="multipart/form-data")
    assert answer.status_code == 302, main(answer.get_data(as_text=True))
    return str(answer.headers["Location"])


def go(browser: Browser, batch: str) -> str:
    assert browser.post(f"{batch}/run").status_code == 302
    return main(browser.text(batch))


def batch_of(database: Database, path: str) -> Batch:
    with database.session(everything("test")) as s:
        return s.get_one(Batch, int(path.rpartition("/")[2]))


def requests(database: Database) -> list[Change]:
    with database.session(everything("test")) as s:
        return [*s.scalars(select(Change).order_by(Change.id))]


def stored(database: Database) -> tuple[Any, ...]:
    with database.session(everything("test")) as s:
        events = s.scalar(select(func.count(Event.id)).where(Event.subject_type == "items"))
        return (*s.execute(select(func.count(Item.id), func.sum(Item.version))).one(), events)


@pytest.fixture
def fifty(database: Database, world: World) -> list[int]:
    """Fifty more items of the health bureau."""
    department, basis = world.id(Item, name="公共场所卫生许可鲤"), world.id(LegalBasis, article="第四条")
    made = []
    with database.session(everything("test"), write=True) as s:
        like = s.get_one(Item, department)
        for n in range(50):
            values = {"name": f"示例事项{n:02d}", "local_code": f"S-{n:02d}", "department_id": like.department_id}
            values |= {"item_type": like.item_type, "level": like.level, "basic_code": f"000123{n + 500:03d}000"}
            made.append(put(s, Item(), **values, legal_basis_id=basis, statutory_days=20, promise_days=10).id)
            assert not move(s, s.get_one(Item, made[-1]), "publish", now=NOW).errors
    return made


WRONG: list[tuple[str, str, str]] = [
    ("事项类型", "行政魔法", "不在可选范围内"),
    ("行使层级", "星际", "不在可选范围内"),
    ("基本编码", "12", ""),
    ("承诺时限（工作日）", "99", "不得"),
    ("法定时限（工作日）", "二十", ""),
    ("法定时限（工作日）", "999", ""),
    ("部门", "西城区卫生健康局", ""),
    ("设定依据", "《没有的法》第一条", "没有"),
    ("状态", "草稿", ""),
    ("名称", "长" * 301, ""),
]


@pytest.mark.usefixtures("fifty")
def test_out_changed_in_and_taken_back(manager: Browser, database: Database, worker: Worker, clock: Any) -> None:
    """Forty cells are changed by script: ten of them are under control, and ten are wrong."""
    first = manager.get("/items/export?format=csv&fields=all").get_data()
    rows = [row for row in table(first) if row["地方编码"].startswith("S-")]
    assert len(rows) == 50
    for n, row in enumerate(rows[:20]):
        column, value = (("咨询电话", f"0531-{n:04d}"), ("办理地点", f"一号窗口{n}"), ("承诺时限（工作日）", "7"))[
            n % 3
        ]
        row[column] = value
    for row in rows[20:30]:
        row["名称"] += "（改）"
    for row, (column, value, _) in zip(rows[30:40], WRONG, strict=True):
        row[column] = value
    before = stored(database)
    clock.moment = NOW + timedelta(minutes=1)
    batch = upload(manager, "items", written(rows))
    assert stored(database) == before
    page = main(manager.text(batch))
    assert "试导入：尚未写入数据" in page
    counts = batch_of(database, batch).counts
    assert counts == {
        "rows": 50, "new": 0, "changed": 20, "unchanged": 10, "proposed": 10, "refused": 10, "warned": 0,
    }  # fmt: skip
    refused = main(manager.text(f"{batch}?kind=refused"))
    for row, (_, _, words) in zip(rows[30:40], WRONG, strict=True):
        assert row["地方编码"] in refused
        assert words in refused
    assert "示例事项20 → 示例事项20（改）" in main(manager.text(f"{batch}?kind=proposed"))
    changed = main(manager.text(f"{batch}?kind=changed"))
    assert "承诺时限（工作日）：10 → 7" in changed
    go(manager, batch)
    assert batch_of(database, batch).state is BatchState.Done
    assert stored(database)[2] == before[2] + 20
    assert [c.state for c in requests(database)] == [ChangeState.Draft] * 10
    second = manager.get("/items/export?format=csv&fields=all").get_data()
    assert second != first
    again = upload(manager, "items", second)
    assert batch_of(database, again).counts["unchanged"] == batch_of(database, again).rows
    pk = batch.rpartition("/")[2]
    assert manager.post(f"/batches/{pk}/do/undo", {"version": ""}).status_code == 302
    worker.run_due()
    assert batch_of(database, batch).state is BatchState.Undone
    assert manager.get("/items/export?format=csv&fields=all").get_data() == first
    assert [c.state for c in requests(database)] == [ChangeState.Withdrawn] * 10
    with database.session(everything("test")) as s:
        assert broken_links(s) == []
        token = batch_of(database, batch).token
        assert s.scalar(select(func.count(Event.id)).where(Event.batch == token)) == 2 * 20 + 2 * 10
        said = [m.text % m.params for m in s.scalars(select(Message).where(Message.key.startswith("batch:")))]
    assert len(said) == 1


def test_what_was_made_goes_again_unless_something_leads_to_it(
    sign_in: SignIn, database: Database, worker: Worker
) -> None:
    admin = sign_in("admin")
    data = "法律名称,条款\n《甲法》,第一条\n《乙法》,第二条\n".encode()
    page = admin.text("/import/legal-bases")
    assert "下载模板" in page
    labels = [
        c.value
        for c in next(
            openpyxl.load_workbook(io.BytesIO(admin.get("/import/legal-bases/template").data)).active.iter_rows()
        )
    ]
    data = (",".join(map(str, labels[:2])) + "\n《甲法》,第一条\n《乙法》,第二条\n").encode()
    batch = upload(admin, "legal-bases", data)
    go(admin, batch)
    with database.session(everything("test"), write=True) as s:
        made = s.scalars(select(LegalBasis).where(LegalBasis.title == "《乙法》")).one()
        item = s.scalars(select(Item)).first()
        assert item is not None
        from models.write import save

        values = {"legal_basis_id": made.id, "catalogue_item_id": None}
        assert not save(s, item, values, now=NOW, also=("legal_basis_id",)).errors
    pk = batch.rpartition("/")[2]
    admin.post(f"/batches/{pk}/do/undo")
    worker.run_due()
    assert batch_of(database, batch).state is BatchState.Done
    page = main(admin.text(batch))
    assert "未能撤销：“《乙法》第二条”。" in page
    assert "“事项”" in page
    with database.session(everything("test"), write=True) as s:
        assert s.scalar(select(func.count(LegalBasis.id))) == 3
        item = s.scalars(select(Item).where(Item.legal_basis_id == made.id)).one()
        other = s.scalars(select(LegalBasis.id).where(LegalBasis.article == "第四条")).one()
        assert not save(s, item, {"legal_basis_id": other}, now=NOW, also=("legal_basis_id",)).errors
    admin.post(f"/batches/{pk}/do/undo")
    worker.run_due()
    assert batch_of(database, batch).state is BatchState.Undone
    with database.session(everything("test")) as s:
        assert s.scalar(select(func.count(LegalBasis.id))) == 1


def test_what_was_made_on_the_way_is_told_of(manager: Browser, database: Database, worker: Worker) -> None:
    head = "department,main_item,name,area_code,item_code,task_type,dept_code,link"
    text = f"{head}\n东城区气象局,,人工影响天气,990101000000,W-1,1,,\n东城区气象局,,防雷,990101000000,W-2,1,X9,\n"
    before = manager.get("/departments/export?format=csv&fields=all").get_data()
    batch = upload(manager, "items", text.encode(), take_over="1")
    go(manager, batch)
    assert "东城区气象局" in manager.text("/departments/")
    manager.post(f"/batches/{batch.rpartition('/')[2]}/do/undo")
    worker.run_due()
    assert batch_of(database, batch).state is BatchState.Undone
    assert "W-1" not in manager.text("/items/")
    # The record of what was done in a department never goes, so the department itself stays, and that is said.
    assert "东城区气象局" in main(manager.text(batch))
    assert manager.get("/departments/export?format=csv&fields=all").get_data() != before


def test_refused_rows_come_back_and_go_in_mended(manager: Browser, database: Database) -> None:
    first = manager.get("/items/export?format=csv&fields=all").get_data()
    rows = table(first)
    for row in rows:
        row["承诺时限（工作日）"] = "88"
    batch = upload(manager, "items", written(rows))
    data = manager.get(f"{batch}/refused").get_data()
    sheet = openpyxl.load_workbook(io.BytesIO(data)).active
    lines = [[str(c or "") for c in line] for line in sheet.iter_rows(values_only=True)]
    assert lines[0] == ["未通过原因", *rows[0]]
    assert all(line[0] for line in lines[1:])
    assert len(lines) == len(rows) + 1
    place = lines[0].index("承诺时限（工作日）")
    book = openpyxl.Workbook()
    for number, line in enumerate(lines):
        book.active.append([*line[:place], line[place] if number == 0 else 3, *line[place + 1 :]])
    stream = io.BytesIO()
    book.save(stream)
    again = upload(manager, "items", stream.getvalue(), "mended.xlsx")
    assert batch_of(database, again).counts["changed"] == len(rows)


def test_columns_of_a_foreign_file_are_asked_for_and_remembered(manager: Browser, database: Database) -> None:
    rows = table(manager.get("/items/export?format=csv").get_data())
    foreign = [
        {"辖区": r["行政区划"], "编号": r["地方编码"], "问讯": f"0531-{r['地方编码']}", "备注": "x"} for r in rows
    ]
    batch = upload(manager, "items", written(foreign))
    page = manager.text(batch)
    assert "对应各列" in page
    assert batch_of(database, batch).state is BatchState.Uploaded
    answer = manager.post(f"{batch}/columns", {"column-0": "region_id", "column-1": "region_id"})
    assert answer.status_code == 422
    assert "重复对应" in answer.get_data(as_text=True)
    meant = {"column-0": "region_id", "column-1": "local_code", "column-2": "phone", "name": "外来清单"}
    assert manager.post(f"{batch}/columns", meant).status_code == 302
    assert batch_of(database, batch).counts["changed"] == len(rows)
    assert "own:外来清单" in manager.text("/import/items")
    again = upload(manager, "items", written(foreign), mapping="own:外来清单")
    assert batch_of(database, again).state is BatchState.Checked
    by_itself = upload(manager, "items", written(foreign))
    assert batch_of(database, by_itself).mapping == "外来清单"


def test_all_or_nothing(manager: Browser, database: Database) -> None:
    rows = table(manager.get("/items/export?format=csv&fields=all").get_data())
    rows[0]["咨询电话"], rows[1]["承诺时限（工作日）"] = "12345", "300"
    before = stored(database)
    batch = upload(manager, "items", written(rows), mode="whole")
    assert "正式导入" not in main(manager.text(batch))
    manager.post(f"{batch}/run")
    assert batch_of(database, batch).state is BatchState.Refused
    assert stored(database) == before


def test_empty_cells_say_nothing_unless_told_to(manager: Browser, database: Database) -> None:
    rows = table(manager.get("/items/export?format=csv&fields=all").get_data())
    for row in rows:
        row["法定时限（工作日）"] = ""
    kept = upload(manager, "items", written(rows))
    assert batch_of(database, kept).counts["unchanged"] == len(rows)
    cleared = upload(manager, "items", written(rows), clears="1")
    assert batch_of(database, cleared).counts["changed"] == len(rows)


@pytest.mark.parametrize("kind", ["csv", "xlsx", "csv&encoding=gb18030"])
@pytest.mark.parametrize(
    "registry", ["regions", "departments", "legal-bases", "catalogue", "items", "work-days", "profiles"]
)
def test_ones_own_export_changes_nothing(
    registry: str, kind: str, sign_in: SignIn, database: Database, worker: Worker
) -> None:
    admin = sign_in("admin")
    data = admin.get(f"/{registry}/export?format={kind}&fields=all").get_data()
    batch = upload(admin, registry, data, f"x.{kind[:4]}")
    worker.run_due()
    found = batch_of(database, batch)
    assert found.counts["unchanged"] == found.rows > 0
    assert found.state is BatchState.Checked


def test_a_large_file_is_the_workers(
    manager: Browser, database: Database, worker: Worker, app: Any, config: Config
) -> None:
    app.config["APPLICATION"] = Config(**{**config.__dict__, "rows_at_once": 1})
    data = manager.get("/items/export?format=csv&fields=all").get_data()
    rows = table(data)
    for row in rows:
        row["咨询电话"] = "12345"
    batch = upload(manager, "items", written(rows))
    assert batch_of(database, batch).state is BatchState.Checking
    assert "data-part" in manager.text(batch)
    assert "data-part" in manager.text(f"{batch}/part")
    worker.run_due()
    assert batch_of(database, batch).state is BatchState.Checked
    assert "data-part" not in manager.text(f"{batch}/part")
    manager.post(f"{batch}/run")
    assert batch_of(database, batch).state is BatchState.Waiting
    worker.run_due()
    assert batch_of(database, batch).state is BatchState.Done
    assert "导入完成" in manager.text("/messages/")
    assert manager.get("/items/export?format=csv&fields=all").get_data() != data


def test_cancelled_before_it_began_and_half_way(
    manager: Browser, database: Database, worker: Worker, app: Any, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.config["APPLICATION"] = Config(**{**config.__dict__, "rows_at_once": 1})
    app.extensions["yizhan_means"].board = worker.board
    rows = table(manager.get("/items/export?format=csv&fields=all").get_data())
    for row in rows:
        row["咨询电话"] = "12345"
    before = stored(database)
    batch = upload(manager, "items", written(rows))
    manager.post(f"{batch}/cancel")
    assert batch_of(database, batch).state is BatchState.Cancelled
    worker.run_due()
    assert batch_of(database, batch).state is BatchState.Cancelled
    second = upload(manager, "items", written(rows))
    worker.run_due()
    manager.post(f"{second}/run")
    pk = int(second.rpartition("/")[2])
    monkeypatch.setattr("forms.rows.SIZE", 1)
    tell = worker.board.tell

    def told(batch_id: int, done: int) -> None:
        tell(batch_id, done)
        if done == 2:
            worker.board.stop(pk)

    monkeypatch.setattr(worker.board, "tell", told)
    worker.run_due()
    assert batch_of(database, second).state is BatchState.Cancelled
    assert stored(database) == before


def test_an_export_is_what_the_list_shows(sign_in: SignIn, database: Database, world: World) -> None:
    clerk = sign_in("clerk")
    rows = table(clerk.get("/cases/export?format=csv").get_data())
    assert [row["申请人"] for row in rows] == ["申请人红鲤"]
    whole = clerk.get("/cases/export?format=csv&fields=all").get_data().decode()
    assert "11010519491231002X" not in whole
    assert "1101**" in whole or "****" in whole
    assert table(clerk.get("/cases/export?format=csv&q=没有的").get_data()) == []
    assert sign_in("outsider").get("/tokens/export").status_code == 404
    with clerk.get("/cases/export") as answer:
        assert "2026-06-17.xlsx" in answer.headers["Content-Disposition"]
    with database.session(everything("test")) as s:
        told = [*s.scalars(select(Batch).where(Batch.kind == BatchKind.Export).order_by(Batch.id))]
    mine = world.account("clerk")
    assert [(b.subject_type, b.rows, b.owner_id) for b in told] == [("cases", n, mine) for n in (1, 1, 0, 1)]


def test_somebody_elses_batch_is_theirs(sign_in: SignIn, manager: Browser) -> None:
    rows = table(manager.get("/items/export?format=csv&fields=all").get_data())
    batch = upload(manager, "items", written(rows))
    for person, status in (("clerk", 404), ("stranger", 404), ("auditor", 200), ("admin", 200)):
        assert sign_in(person).get(batch).status_code == status, person
    for person in ("auditor", "admin"):
        browser = sign_in(person)
        assert browser.post(f"{batch}/run").status_code == 403
        assert browser.get(f"{batch}/refused").status_code == 403
        assert browser.post(f"{batch}/columns").status_code == 403
        assert browser.post(f"{batch}/cancel").status_code == 403
