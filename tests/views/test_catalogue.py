"""同一事项比对, 精简情况, 类别: numbers on the pages against an independent count (A10, A11, A16, A18)."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from sqlalchemy import select

from models.catalogue_item import CatalogueItem, CatalogueState, ExerciseLevel, ItemType, ServiceClass
from models.database import Database
from models.department import Department
from models.item import Item, ItemState, Origin
from models.legal_basis import LegalBasis
from models.reconciliation import Reconciliation
from models.scope import everything
from models.write import save
from tests.conftest import Browser
from tests.world import NOW, World

FIVE = ("name", "basic_code", "item_type", "legal_basis_id", "materials")


def drifting(database: Database, world: World) -> int:
    """Two districts' copies of ten entries, some of them told otherwise; returns how many differ."""
    with database.session(everything("test"), write=True) as s:
        basis = s.scalars(select(LegalBasis)).one()
        other = LegalBasis()
        assert not save(s, other, {"title": "《另一条例》", "article": "第一条"}, now=NOW).errors
        seats = [world.id(Department, name=n) for n in ("东城区卫生健康局", "东城区市场监督管理局")]
        for number in range(10):
            shared = {
                "name": f"事项{number}",
                "item_type": ItemType.Licence,
                "basic_code": f"000166{number:03d}000",
                "legal_basis_id": basis.id,
                "level": ExerciseLevel.County,
                "materials": "1.申请表\n2.身份证明",
            }
            entry = CatalogueItem()
            assert not save(s, entry, {**shared, "state": CatalogueState.InForce}, now=NOW).errors
            otherwise = (
                {},
                {"name": f"事项{number}（改）"},
                {"basic_code": f"000167{number:03d}000"},
                {"item_type": ItemType.Confirmation},
                {"legal_basis_id": other.id},
                {"materials": "身份证明\n申请表"},  # the same in another order
                {"materials": "申请表"},
                {"phone": "0531-1"},
                {"materials": None, "legal_basis_id": None},
                {},
            )[number]
            told = {**shared, "origin": Origin.TakenOver, "state": ItemState.InForce, **otherwise}
            for place, seat in enumerate(seats):
                # Every second one says by its code or name alone which entry it is.
                claimed = entry.id if place == 0 else None
                row = Item()
                values = {**told, "department_id": seat, "local_code": f"D-{number}-{place}"}
                assert not save(s, row, {**values, "catalogue_item_id": claimed}, now=NOW).errors
        return 2 * 6


def counted(database: Database) -> dict[str, int]:
    """The same question asked otherwise: row by row, with the entry found by hand."""
    found = dict.fromkeys(FIVE, 0)
    with database.session(everything("test")) as s:
        entries = [*s.scalars(select(CatalogueItem))]
        for item in s.scalars(select(Item).where(Item.local_code.startswith("D-"))):
            number = item.local_code.split("-")[1]
            [entry] = [e for e in entries if e.basic_code == f"000166{int(number):03d}000"]
            for name in FIVE:
                ours, theirs = getattr(item, name), getattr(entry, name)
                if name == "materials":
                    ours, theirs = (
                        {re.sub(r"^\d\.", "", m) for m in (v or "").split("\n") if m} for v in (ours, theirs)
                    )
                found[name] += ours != theirs
    return found


def test_drift_and_the_standard_adopted(sign_in: Callable[[str], Browser], database: Database, world: World) -> None:
    number = drifting(database, world)
    manager = sign_in("manager")
    page = manager.text("/catalogue-check/drift")
    assert f"{number} 项不一致" in page
    expected = counted(database)
    labels = {
        "name": "名称",
        "basic_code": "基本编码",
        "item_type": "事项类型",
        "legal_basis_id": "设定依据",
        "materials": "申请材料",
    }
    for name, label in labels.items():
        assert f"{label}：{expected[name]}<" in page, name
    rows = re.findall(r'name="row" value="(\d+:\d+)"', page)
    assert len(rows) == number
    answer = manager.post("/items/do/adopt", {"row": rows, "sure": "1"})
    assert answer.get_data(as_text=True).count('class="tag ok"') == number
    assert "各项事项均与标准一致" in manager.text("/catalogue-check/drift").replace("各事项", "各项事项")
    assert counted(database) == dict.fromkeys(FIVE, 0)


def test_drift_is_told_within_reach(sign_in: Callable[[str], Browser], database: Database, world: World) -> None:
    drifting(database, world)
    assert "6 项不一致" in sign_in("clerk").text("/catalogue-check/drift")
    stranger = sign_in("stranger").text("/catalogue-check/drift")
    assert "各事项均与标准一致" in stranger
    assert "事项1" not in stranger


def test_two_of_one_code_that_the_catalogue_does_not_have(
    sign_in: Callable[[str], Browser], database: Database, world: World
) -> None:
    with database.session(everything("test"), write=True) as s:
        for place, name in enumerate(("东城区卫生健康局", "东城区市场监督管理局")):
            told = {"name": f"同码事项{place}", "item_type": ItemType.Licence, "basic_code": "000155001000"}
            told |= {"origin": Origin.TakenOver, "state": ItemState.InForce, "local_code": f"S-{place}"}
            assert not save(s, Item(), {**told, "department_id": world.id(Department, name=name)}, now=NOW).errors
    page = sign_in("manager").text("/catalogue-check/drift")
    assert "未列入基本目录" in page
    assert 'name="row"' not in page


def test_what_was_cut(sign_in: Callable[[str], Browser], database: Database, world: World) -> None:
    with database.session(everything("test"), write=True) as s:
        item = s.get_one(Item, world.item("公共场所卫生许可鲤"))
        for values in (
            {"materials": "申请表\n平面图\n检测报告", "promise_days": 10},
            {"materials": "申请表", "promise_days": 4},
            {"materials": "申请表\n承诺书", "promise_days": 3},
            {"phone": "0531-1"},
        ):
            assert not save(s, item, values, now=NOW).errors
    manager = sign_in("manager")
    page = re.sub(r"\s+", "", re.sub(r"<[^>]+>", "|", manager.text("/catalogue-check/reductions?year=2026")))
    # 3 → 1 → 2 materials; 6 → 10 → 4 → 3 days.
    assert re.search(r"东城区卫生健康局\|+1\|+1\|+3\|", page), page
    assert "该年度没有精简记录" in manager.text("/catalogue-check/reductions?year=2020")
    assert "该年度没有精简记录" in sign_in("stranger").text("/catalogue-check/reductions?year=2026")


def test_classes_are_counted_on_the_workbench(
    sign_in: Callable[[str], Browser], database: Database, world: World
) -> None:
    assert len(ServiceClass) == 16
    with database.session(everything("test"), write=True) as s:
        for number, kind in enumerate((ServiceClass.Health, ServiceClass.Health, ServiceClass.Environment)):
            told = {"name": f"服务{number}", "item_type": ItemType.PublicService, "service_class": kind}
            told |= {"origin": Origin.TakenOver, "state": ItemState.InForce, "local_code": f"C-{number}"}
            seat = world.id(Department, name="东城区卫生健康局")
            assert not save(s, Item(), {**told, "department_id": seat}, now=NOW).errors
    page = sign_in("clerk").text("/")
    told = re.findall(r'service_class=(\w+)">[^<]+</a> <span class="muted">(\d+)', page)
    assert told == [("health", "2"), ("environment", "1")]
    assert "service_class=" not in sign_in("stranger").text("/").partition("<main")[2]


def listed(database: Database) -> bytes:
    """Another system's list of what :func:`drifting` made: some codes and names otherwise, some rows missing."""
    lines = ["序号,事项编码,事项名称"]
    with database.session(everything("test")) as s:
        for number, item in enumerate(
            s.scalars(select(Item).where(Item.local_code.startswith("D-")).order_by(Item.id))
        ):
            if number % 7 == 6:
                continue  # only here
            code = f"OTHER-{number}" if number % 5 == 4 else item.local_code
            lines.append(f"{number},{code},{'别名' if number % 3 == 2 else item.name}")
    return "\n".join([*lines, "98,ELSE-1,别处事项一", "99,ELSE-2,别处事项二"]).encode("gb18030")


def test_another_systems_list(sign_in: Callable[[str], Browser], database: Database, world: World) -> None:
    """A13, with the numbers counted otherwise: code against code, then name against name, by hand."""
    drifting(database, world)
    data = listed(database)
    manager = sign_in("manager")
    sent = {"system": "双屏互动系统", "file": (io.BytesIO(data), "list.csv")}
    answer = manager.post("/reconcile/", sent, content_type="multipart/form-data")
    assert answer.status_code == 302
    with database.session(everything("test")) as s:
        row = s.scalars(select(Reconciliation)).one()
        reach = world.scope("manager").subtree
        ours = {i.local_code: i.name for i in s.scalars(select(Item).where(Item.department_id.in_(reach)))}
    theirs = [line.split(",")[1:] for line in data.decode("gb18030").split("\n")[1:]]
    by_code = [code for code, _ in theirs if code in ours]
    left = [name for code, name in ours.items() if code not in by_code]
    by_name = 0
    for code, name in theirs:
        if code not in ours and name in left:
            left.remove(name)
            by_name += 1
    expected = (len(by_code), by_name, len(left), len(theirs) - len(by_code) - by_name)
    assert (row.by_code, row.by_name, row.only_here, row.only_there) == expected
    assert min(expected) > 0
    page = manager.text(f"/reconcile/{row.id}?part=there")
    assert "别处事项一" in page
    assert page.count("<tr>") - 1 == expected[3]
    told = manager.get(f"/reconcile/{row.id}/file").get_data().decode("utf-8-sig").strip().split("\r\n")
    assert len(told) - 1 == sum(expected)
    # For another department it is as absent as one that nobody has.
    assert sign_in("approver").get(f"/reconcile/{row.id}").status_code == 404
    assert sign_in("outsider").get(f"/reconcile/{row.id}").status_code == 404


def test_a_list_that_says_neither_code_nor_name(sign_in: Callable[[str], Browser], database: Database) -> None:
    manager = sign_in("manager")
    for data, words in ((b"a,b\n1,2\n", "没有编码列或者名称列"), (b"", "请选择文件"), (b"\x00\x01", "文本文件")):
        sent = {"system": "某系统", "file": (io.BytesIO(data), "list.csv")}
        answer = manager.post("/reconcile/", sent, content_type="multipart/form-data")
        assert answer.status_code == 422
        assert words in answer.get_data(as_text=True)
        assert 'value="某系统"' in answer.get_data(as_text=True)
    sent = {"system": "某系统", "code": "b", "file": (io.BytesIO(b"a,b\n1,LOCAL-1\n"), "list.csv")}
    assert manager.post("/reconcile/", sent, content_type="multipart/form-data").status_code == 302
    with database.session(everything("test")) as s:
        assert s.scalars(select(Reconciliation.by_code)).one() == 1


@pytest.mark.parametrize("path", ["/items/", "/catalogue-check/drift", "/catalogue-check/reductions"])
def test_the_menu_says_to_which_registry_a_page_belongs(sign_in: Callable[[str], Browser], path: str) -> None:
    page = sign_in("manager").text(path)
    assert re.findall(r'<a href="([^"]+)" class="on" aria-current="page">', page) == ["/items/"]
