"""The importer: nothing lost, nothing invented, every row by itself; on both engines."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from forms.importing import OutcomeKind, Report, lines, run
from models import registries
from models.change import Change
from models.database import Database
from models.department import Department, DepartmentKind
from models.event import Event, EventKind, broken_links
from models.item import Item, ItemState, Origin
from models.region import Region, RegionLevel
from models.scope import Forbidden, Scope, everything
from rules.identifiers import check_uscc
from rules.words import RuleError
from tests.world import NOW, World

DATA = Path(__file__).parents[1] / "data"
ODDITIES = (DATA / "catalogue_with_oddities.csv").read_bytes()
REFUSALS = (DATA / "catalogue_with_refusals.csv").read_bytes()
HEADER = ["department", "name", "area_code", "item_code", "task_type", "dept_code"]
LATER = NOW + timedelta(days=1)
EAST, WEST = "990101000000", "990102000000"

Import = Callable[..., Report]


@pytest.fixture
def load(database: Database) -> Import:
    """Import and commit; a dry run rolls back, as every door does."""

    def go(
        data: bytes, *, scope: Scope | None = None, dry_run: bool = False, take_over: bool = True, **kw: Any
    ) -> Report:
        session = database.open(scope or everything("test import"), write=True)
        options = {"registry": "items", "mapping": None, "most": 20_000, "now": NOW, **kw}
        try:
            report = run(session, data, take_over=take_over, dry_run=dry_run, **options)
            if dry_run:
                session.rollback()
            else:
                session.commit()
        finally:
            session.close()
        return report

    return go


@pytest.fixture
def counted(database: Database) -> Callable[[], dict[str, int]]:
    """How many rows every registry has, with versions of items and the numbers of Events."""

    def count() -> dict[str, int]:
        with database.session(everything("count")) as s:
            found = {name: s.scalar(select(func.count()).select_from(m)) or 0 for name, m in registries().items()}
            found["versions"] = s.scalar(select(func.sum(Item.version))) or 0
            found["department versions"] = s.scalar(select(func.sum(Department.version))) or 0
            return found

    return count


def table(*rows: list[str], header: list[str] | None = None, **dialect: Any) -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, **{"lineterminator": "\n", **dialect})
    writer.writerow(header or HEADER)
    writer.writerows(rows)
    return stream.getvalue().encode()


def row(
    name: str = "新事项",
    *,
    department: str = "东城区卫生健康局",
    region: str = EAST,
    code: str = "N-1",
    kind: str = "1",
    seat: str = "",
) -> list[str]:
    return [department, name, region, code, kind, seat]


def codes(report: Report) -> list[list[tuple[str | None, str]]]:
    return [[(p.field, p.code) for p in o.problems] for o in report.outcomes]


def kinds(report: Report) -> list[str]:
    return [o.kind.value for o in report.outcomes]


@pytest.fixture
def items(database: Database) -> Callable[..., list[Item]]:
    def read(**values: Any) -> list[Item]:
        with database.session(everything("test")) as s:
            return list(s.scalars(select(Item).filter_by(**values).order_by(Item.local_code)))

    return read


# --- a catalogue taken over ---------------------------------------------------------------------------------


def test_dry_run_says_all_and_changes_nothing(load: Import, counted: Any) -> None:
    before = counted()
    dry = load(ODDITIES, dry_run=True)
    assert counted() == before
    assert dry.dry_run
    real = load(ODDITIES)
    assert counted() != before
    assert list(lines(real)) == list(lines(dry))
    assert real.causes == dry.causes


def test_take_over(load: Import, counted: Any, database: Database) -> None:
    before = counted()
    report = load(ODDITIES)
    assert report.counts == {"new": 60, "changed": 0, "unchanged": 0, "refused": 0, "warned": 60, "rows": 60}
    # The first line holds the headings; no cell of this file has a line break.
    assert [o.line for o in report.outcomes] == list(range(2, 62))
    after = counted()
    grown = {name: after[name] - before[name] for name in ("items", "departments", "regions")}
    assert grown == {"items": 60, "departments": 13, "regions": 1}
    causes = {(p.field, p.code): n for p, n in report.causes}
    assert causes == {
        ("basic_code", "missing"): 60,
        ("legal_basis_id", "missing"): 60,
        ("level", "missing"): 60,
        ("national_code", "missing"): 60,
        ("department_code", "code_length"): 30,
        ("department_code", "code_temporary"): 3,
        ("department", "department_made"): 13,
        ("name", "same_name"): 2,
        ("region_code", "region_made"): 1,
    }
    assert all(p.warning for p, _ in report.causes)
    numbers = [n for _, n in report.causes]
    assert numbers == sorted(numbers, reverse=True)
    with database.session(everything("test")) as s:
        batch = list(s.scalars(select(Event).where(Event.batch == report.batch)))
        made = Counter(told.subject_type for told in batch if told.kind is EventKind.Created)
        assert made == {"items": 60, "departments": 13, "regions": 1}
        # Two departments came with a second code.
        assert Counter(told.subject_type for told in batch if told.kind is EventKind.Edited) == {"departments": 2}
        assert broken_links(s) == []


def test_items_are_in_force_with_their_gaps_told(load: Import, items: Any) -> None:
    load(ODDITIES)
    found = items(origin=Origin.TakenOver)
    assert len(found) == 60
    assert {i.state for i in found} == {ItemState.InForce}
    assert {tuple(i.gaps) for i in found} == {("basic_code", "legal_basis_id", "level", "national_code")}
    assert {i.gap_count for i in found} == {4}
    assert all(
        i.source_link.startswith("http://zwfw.example.invalid/item?areaCode=990202000000&itemCode=") for i in found
    )
    assert Counter(i.item_type.value for i in found) == Counter(
        f"{int(r['task_type']):02d}" for r in csv.DictReader(io.StringIO(ODDITIES.decode("utf-8-sig")))
    )
    # Written as in the source: brackets of full width, names with 其他, names that stand twice.
    names = [i.name for i in found]
    assert "企业投资项目备案（技术改造除外）" in names
    assert sum("其他" in name for name in names) == 5
    assert names.count("求职创业补贴申领") == 2


def test_departments_are_made_once_with_every_code_they_came_with(load: Import, database: Database) -> None:
    load(ODDITIES)
    with database.session(everything("test")) as s:
        region = s.scalars(select(Region).where(Region.code == "990202")).one()
        assert (region.name, region.level, region.parent.code) == ("990202", RegionLevel.County, "99")
        made = {d.name: d for d in s.scalars(select(Department).where(Department.region_id == region.id))}
    assert len(made) == 13
    assert {d.kind for d in made.values()} == {DepartmentKind.Functional}
    assert made["南城区卫生健康局"].credit_code == "11990202000000297Y"
    assert made["南城区卫生健康局"].aliases is None
    # Written in lower case in the source.
    assert made["南城区残疾人联合会"].credit_code == "11990202000000430E"
    assert made["南城区残疾人联合会"].aliases is None
    # A short code first, the true one later.
    assert (made["南城区交通运输局"].credit_code, made["南城区交通运输局"].aliases) == ("1199020200000022XU", ["11736"])
    both = made["南城区人力资源和社会保障局"]
    assert (both.credit_code, both.aliases) == (None, ["119902020877823_6918", "119902020877823_6391"])
    assert made["南城区烟草专卖局"].aliases == ["TE9902020105116050"]
    assert all(check_uscc(d.credit_code).valid for d in made.values() if d.credit_code)


def test_departments_made_stand_below_the_government_of_their_region(
    load: Import, database: Database, world: World
) -> None:
    load(table(row(department="东城区气象局")))
    with database.session(everything("test")) as s:
        made = s.scalars(select(Department).where(Department.name == "东城区气象局")).one()
    assert made.parent_id == world.id(Department, name="东城区人民政府")


def test_the_same_file_again_changes_nothing(load: Import, counted: Any) -> None:
    load(ODDITIES)
    before = counted()
    again = load(ODDITIES, now=LATER)
    assert again.counts == {"new": 0, "changed": 0, "unchanged": 60, "refused": 0, "warned": 60, "rows": 60}
    assert counted() == before  # no Event, no version, no department


def test_a_changed_cell_is_one_change_with_old_and_new(load: Import, counted: Any, database: Database) -> None:
    load(ODDITIES)
    before = counted()
    edited = ODDITIES.replace("居住证签注".encode(), "居住证签注（年度）".encode())
    report = load(edited, now=LATER)
    assert report.counts | {"warned": 0} == {
        "new": 0,
        "changed": 0,
        "unchanged": 59,
        "proposed": 1,
        "refused": 0,
        "warned": 0,
        "rows": 60,
    }
    outcome = next(o for o in report.outcomes if o.kind is OutcomeKind.Proposed)
    assert outcome.changes == {"name": ("居住证签注", "居住证签注（年度）")}
    after = counted()
    # The item stays as it is until the request has taken effect.
    assert {n: after[n] - before[n] for n in after if after[n] != before[n]} == {"changes": 1, "events": 1}
    with database.session(everything("test")) as s:
        told = s.scalars(select(Event).where(Event.batch == report.batch)).one()
        change = s.scalars(select(Change)).one()
    assert (told.subject_type, told.subject_id) == ("changes", change.id)
    assert change.changes == {"name": ["居住证签注", "居住证签注（年度）"]}


def test_an_empty_cell_says_nothing(load: Import, items: Any) -> None:
    """A list without telephone numbers must not wipe out those that people filled in."""
    header = ["实施部门", "行政区划代码", "事项名称", "地方编码", "事项类型", "咨询电话", "承诺时限"]
    known = ["东城区卫生健康局", "990101", "新事项", "N-1", "行政许可"]
    load(table([*known, "0531-123", "3"], header=header))
    assert kinds(load(table([*known, "", ""], header=header))) == ["unchanged"]
    assert (items(local_code="N-1")[0].phone, items(local_code="N-1")[0].promise_days) == ("0531-123", 3)


def test_an_item_stays_with_its_department(load: Import, items: Any, world: World) -> None:
    load(table(row()))
    report = load(table(row(department="东城区市场监督管理局")))
    assert kinds(report) == ["unchanged"]
    assert ("department_id", "other_department") in codes(report)[0]
    assert items(local_code="N-1")[0].department_id == world.id(Department, name="东城区卫生健康局")


# --- refusals -----------------------------------------------------------------------------------------------


def test_refused_rows_are_refused_alone(load: Import, items: Any, database: Database) -> None:
    report = load(REFUSALS)
    refused = {o.line: [(p.field, p.code) for p in o.problems.errors] for o in report.outcomes if o.problems.errors}
    assert refused == {
        2: [("item_type", "not_in_list")],
        4: [("local_code", "required")],
        6: [("local_code", "twice_in_file")],
        7: [("name", "too_long")],
        9: [("department", "required")],
        10: [("region_code", "format")],
        11: [("name", "required")],
    }
    assert {o.line for o in report.outcomes if o.kind is OutcomeKind.New} == {3, 5, 8}
    assert report.counts == {"new": 3, "changed": 0, "unchanged": 0, "refused": 7, "warned": 3, "rows": 10}
    assert sorted(i.name for i in items(origin=Origin.TakenOver)) == [
        "医师执业注册",
        "国家档案馆档案利用",
        "营业性演出审批",
    ]
    with database.session(everything("test")) as s:
        made = set(s.scalars(select(Department.name).join(Region).where(Region.code == "990202")))
        assert made == {"南城区档案局", "南城区卫生健康局", "南城区文化广电和旅游局"}
        assert not s.scalars(select(Event).where(Event.subject_label.startswith("公众聚集文化活动"))).all()
    # Once more: what stood is unchanged, what was refused is refused for the same reasons.
    again = load(REFUSALS, now=LATER)
    assert again.counts == {"new": 0, "changed": 0, "unchanged": 3, "refused": 7, "warned": 3, "rows": 10}
    assert {
        o.line: [(p.field, p.code) for p in o.problems.errors] for o in again.outcomes if o.problems.errors
    } == refused


def test_errors_stand_before_warnings_among_the_causes(load: Import) -> None:
    causes = load(REFUSALS).causes
    assert [p.warning for p, _ in causes] == sorted(p.warning for p, _ in causes)
    assert not causes[0][0].warning
    assert causes[-1][0].warning


def test_what_a_refused_row_had_made_is_made_again_by_the_next(load: Import, items: Any) -> None:
    """Region and department go with the refused row's savepoint; their ids are given out again."""
    far, further = "990301000000", "990401000000"
    report = load(
        table(
            row("长" * 301, department="甲局", region=far, code="A-1"),
            row("长" * 301, department="乙局", region=further, code="A-1"),
            row("好", department="甲局", region=far, code="A-2"),
            row("好", department="乙局", region=further, code="A-2"),
        )
    )
    assert kinds(report) == ["refused", "refused", "new", "new"]
    assert "same_name" not in {code for found in codes(report) for _, code in found}
    assert len(items(local_code="A-2")) == 2


def test_without_take_over_places_must_be_known(load: Import, items: Any) -> None:
    header = ["实施部门", "行政区划代码", "事项名称", "地方编码", "事项类型"]
    rows = (
        ["东城区卫生健康局", "990102000000", "甲", "A-1", "公共服务"],
        ["东城区卫生健康局", "990909", "乙", "A-2", "公共服务"],
        ["东城区卫生健康局", "990101", "丙", "A-3", "公共服务"],
    )
    report = load(table(*rows, header=header), take_over=False)
    assert codes(report)[:2] == [[("department", "no_department")], [("region_code", "no_region")]]
    # An item of our own needs its five attributes.
    assert codes(report)[2] == [("basic_code", "missing"), ("legal_basis_id", "missing"), ("level", "missing")]
    assert kinds(report) == ["refused"] * 3
    assert items(local_code="A-3") == []


def test_cells_without_a_heading_are_no_guesswork(load: Import, items: Any) -> None:
    """A comma in an unquoted name shifts every cell after it."""
    report = load(table(row(), [*row("乙", code="N-2"), "", " "], [*row("丙", code="N-3"), "多"]))
    assert kinds(report) == ["new", "new", "refused"]
    assert codes(report)[2] == [(None, "surplus")]
    assert items(local_code="N-3") == []


# --- whose rows ---------------------------------------------------------------------------------------------


def test_management_imports_into_its_own_branch_only(load: Import, world: World, items: Any, counted: Any) -> None:
    before = counted()
    report = load(
        table(
            row("东城新事项", code="N-1"),
            row("东城新部门的事项", department="东城区气象局", code="N-2"),
            row("西城新事项", department="西城区卫生健康局", region=WEST, code="N-3"),
            row("西城新部门的事项", department="西城区气象局", region=WEST, code="N-4"),
            row("公共场所卫生许可鹭", department="西城区卫生健康局", region=WEST, code="LOCAL-4"),
            row("西城部门的代码", department="西城区卫生健康局", region=WEST, code="N-5", seat="12345"),
            row("陌生地方的事项", department="北城区卫生健康局", region="990909000000", code="N-6"),
        ),
        scope=world.scope("manager"),
    )
    assert kinds(report) == ["new", "new", *["refused"] * 5]
    assert codes(report)[2:6] == [
        [("department_id", "out_of_reach")],
        [("department", "out_of_reach")],
        [("department_id", "out_of_reach")],
        [("department", "forbidden")],
    ]
    assert codes(report)[6] == [("region_code", "no_region")]
    after = counted()
    assert {n: after[n] - before[n] for n in ("items", "departments", "regions")} == {
        "items": 2,
        "departments": 1,
        "regions": 0,
    }
    # Nothing of the other district's row stands in the report, not even that it is there.
    told = json.dumps(list(lines(report))[4], ensure_ascii=False)
    assert json.loads(told)["changes"] == {}
    assert items(local_code="LOCAL-4")[0].version == 2  # made, then published; untouched since
    with world.database.session(everything("test")) as s:
        assert {e.actor_id for e in s.scalars(select(Event).where(Event.batch == report.batch))} == {
            world.account("manager")
        }


@pytest.mark.parametrize("username", ["clerk", "approver", "auditor"])
def test_others_may_not_import(username: str, load: Import, world: World, counted: Any) -> None:
    before = counted()
    with pytest.raises(Forbidden):
        load(table(row()), scope=world.scope(username))
    assert counted() == before


# --- shapes of files ----------------------------------------------------------------------------------------

SHAPES = {
    "utf-8": lambda text: text.encode(),
    "utf-8 with mark": lambda text: text.encode("utf-8-sig"),
    "gb 18030": lambda text: text.encode("gb18030"),
    "tabs": lambda text: text.replace(",", "\t").encode(),
    "semicolons": lambda text: text.replace(",", ";").encode(),
    "crlf": lambda text: text.replace("\n", "\r\n").encode(),
    "blank lines": lambda text: text.replace("\n", "\n\n").encode(),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(shape: str, load: Import, items: Any) -> None:
    text = table(row("甲（一）"), row("乙", code="N-2")).decode()
    report = load(SHAPES[shape](text))
    assert kinds(report) == ["new", "new"]
    assert [i.name for i in items(origin=Origin.TakenOver)] == ["甲（一）", "乙"]


def test_line_breaks_in_quotes_are_one_row_and_blanks_are_tidied(load: Import, items: Any) -> None:
    data = table(row("公共场所\r\n卫生　许可 "), row("乙", code="N-2"), lineterminator="\r\n")
    report = load(data)
    assert [o.line for o in report.outcomes] == [3, 4]  # the line a row ends on
    assert [i.name for i in items(origin=Origin.TakenOver)] == ["公共场所 卫生 许可", "乙"]


@pytest.mark.parametrize("first", ["=", "+", "-", "@"])
def test_cells_that_a_spreadsheet_would_run_are_stored_as_they_are(first: str, load: Import, items: Any) -> None:
    name = f'{first}HYPERLINK("http://example.invalid","点")'
    assert kinds(load(table(row(name)))) == ["new"]
    assert items(local_code="N-1")[0].name == name


def test_both_mappings_are_chosen_by_their_columns(load: Import, items: Any) -> None:
    header = ["事项名称", "地方编码", "实施部门", "行政区划代码", "事项类型", "行使层级", "法定时限", "办理地点"]
    report = load(
        table(["甲", "M-1", "东城区卫生健康局", "990101", "公共服务", "县级", "20", "政务中心"], header=header)
    )
    assert report.mapping == "own-items"
    found = items(local_code="M-1")[0]
    assert (found.item_type.value, found.level.value, found.statutory_days, found.address) == (
        "20",
        "4",
        20,
        "政务中心",
    )
    assert found.gaps == ["basic_code", "legal_basis_id", "national_code"]


def test_a_mapping_of_ones_own(load: Import, tmp_path: Path, items: Any) -> None:
    path = tmp_path / "mine.toml"
    columns = 'name = "N"\nlocal_code = "C"\ndepartment = "D"\nregion_code = "R"\nitem_type = "T"\n'
    path.write_text(f'registry = "items"\ntitle = "Mine"\n[columns]\n{columns}[values.item_type]\nx = "20"\n')
    data = table(["甲", "M-1", "东城区卫生健康局", "990101", "x"], header=["N", "C", "D", "R", "T"])
    assert load(data, mapping=str(path)).mapping == "mine"
    assert items(local_code="M-1")[0].item_type.value == "20"


@pytest.mark.parametrize("engine_name", ["sqlite"], indirect=True)  # no engine is asked
@pytest.mark.parametrize(
    "text",
    [
        "this is no toml [",
        'title = "x"',
        'title = "x"\nregistry = "items"\ncolumns = "name"',
        'title = "x"\nregistry = "items"\n[columns]\nno_such_field = "N"',
        'title = "x"\nregistry = "items"\n[columns]\ngaps = "N"',
        'title = "x"\nregistry = "items"\n[columns]\ndepartment_id = "N"',
        None,
    ],
)
def test_mappings_that_cannot_be_used(text: str | None, load: Import, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(RuleError) as refused:
        load(table(row()), mapping=str(path))
    assert [(p.field, p.code) for p in refused.value.problems] == [("mapping", "mapping")]


BROKEN = {
    "random bytes": (bytes(range(128, 256)) * 40, "encoding"),
    "nul": (table(row()) + b"\x00", "not_text"),
    "nul far inside": (table(*[row(code=f"N-{n}") for n in range(300)]) + b"\x00\n", "not_text"),
    "utf-16": (table(row()).decode().encode("utf-16"), "not_text"),
    "zip": (b"PK\x03\x04\x14\x00\x06\x00", "workbook"),
    "empty": (b"", "empty"),
    "blank": (b"\xef\xbb\xbf \r\n\r\n", "empty"),
    "foreign columns": (b"a,b,c\n1,2,3\n", "no_mapping"),
    "heading missing": (b"\n" + table(row()), "no_mapping"),
    "doubled column": (table(row(), header=[*HEADER[:5], "name"]), "doubled_column"),
    "1,000 columns": (",".join(f"c{n}" for n in range(1000)).encode() + b"\n", "too_wide"),
    "million characters": (table(row("长" * 1_000_000)), "csv"),
    "million characters in the heading": (table(row(), header=[*HEADER[:5], "长" * 1_000_000]), "csv"),
    "open quote": (table(row()) + b'"' + table(row(code="N-2")), "csv"),
    "over the limit": (table(*[row(code=f"N-{n}") for n in range(6)]), "too_long"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_change_nothing(name: str, load: Import, counted: Any) -> None:
    before = counted()
    data, code = BROKEN[name]
    with pytest.raises(RuleError) as refused:
        load(data, most=5)
    assert [(p.field, p.code) for p in refused.value.problems] == [("file", code)]
    for problem in refused.value.problems:
        assert problem.message % problem.params  # the sentence has all its values
    assert counted() == before


def test_headings_alone_are_an_import_of_nothing(load: Import, counted: Any) -> None:
    before = counted()
    assert load(table()).counts["rows"] == 0
    assert counted() == before


def test_as_many_rows_as_allowed(load: Import) -> None:
    assert kinds(load(table(*[row(code=f"N-{n}") for n in range(5)]), most=5)) == ["new"] * 5


# --- anything at all ----------------------------------------------------------------------------------------

CELL = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            "",
            " ",
            "1",
            "10",
            "99",
            "东城区卫生健康局",
            EAST,
            "990101",
            "LOCAL-1",
            "N-1",
            "20",
            "0" * 12,
            "9" * 19,
            "\u200b",
            "=1+1",
            "TE9902020105116050",
            "11990202000000430e",
            "\ufeff",
            "長" * 301,
            "\x1c",
            "'",
            '"',
        ]
    ),
)


@pytest.fixture
def session_of(database: Database) -> Iterator[Callable[[], Any]]:
    sessions = []

    def make() -> Any:
        sessions.append(database.open(everything("test"), write=True))
        return sessions[-1]

    yield make
    for session in sessions:
        session.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.lists(CELL, max_size=8), max_size=8), take_over=st.booleans())
def test_any_table_is_answered_line_by_line(session_of: Any, rows: list[list[str]], *, take_over: bool) -> None:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows(rows)
    try:
        data = stream.getvalue().encode()
    except UnicodeEncodeError:
        return  # half a character cannot stand in a file
    session = session_of()
    words: dict[str, Any] = {"registry": "items", "mapping": None, "take_over": take_over, "most": 100, "now": NOW}
    try:
        if b"\x00" in data:
            with pytest.raises(RuleError) as refused:
                run(session, data, dry_run=False, **words)
            assert [(p.field, p.code) for p in refused.value.problems] == [("file", "not_text")]
            return
        report = run(session, data, dry_run=False, **words)
        said = [cells for cells in rows if any(cell.strip() for cell in cells)]
        assert len(report.outcomes) == len(said)
        assert len({o.line for o in report.outcomes}) == len(said)
        for outcome in report.outcomes:
            assert bool(outcome.problems.errors) == (outcome.kind is OutcomeKind.Refused)
        assert json.dumps(list(lines(report)))
        session.flush()
    finally:
        session.rollback()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=400))
def test_any_bytes_are_answered(session_of: Any, data: bytes) -> None:
    session = session_of()
    try:
        with pytest.raises(RuleError):
            run(session, data, registry="items", mapping=None, take_over=True, dry_run=True, most=100, now=NOW)
    finally:
        session.rollback()
