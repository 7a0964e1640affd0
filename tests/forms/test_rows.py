"""The engine for any registry: which row a line means, what its cells say, what is refused and why; on both engines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from forms.importing import Report, Stopped, run
from forms.outcomes import Kept, OutcomeKind, kept_form, outcome_of, unpacked
from models.catalogue_item import CatalogueItem
from models.change import Change as Proposal
from models.database import Database
from models.department import Department, DepartmentKind
from models.event import Event
from models.item import Item
from models.legal_basis import LegalBasis
from models.region import Region, RegionLevel
from models.scope import Forbidden, everything
from models.work_day import WorkDay
from rules.words import RuleError
from tests.world import NOW, World, put

Load = Callable[..., Report]


@pytest.fixture
def load(database: Database) -> Load:
    def go(registry: str, text: str, *, scope: Any = None, **options: Any) -> Report:
        with database.session(scope or everything("test"), write=True) as s:
            return run(s, text.encode(), registry=registry, most=1000, now=NOW, **options)

    return go


def code_of(database: Database, name: str) -> str:
    with database.session(everything("test")) as s:
        return s.scalars(select(CatalogueItem.basic_code).where(CatalogueItem.name == name)).one()


def told(report: Report) -> list[Any]:
    return [(o.kind.value, *[(p.field, p.code) for p in o.problems]) for o in report.outcomes]


def test_labels_of_three_languages_names_of_fields_and_codes(load: Load, database: Database) -> None:
    for head, level, above in (
        ("行政区划代码,名称,层级,上级行政区划", "township", "东城区"),
        ("code,name,level,parent_id", "township", "990101"),
        ("Region code,Name,Level,Superior region", "Street or town", "东城区"),
    ):
        report = load("regions", f"{head}\n990101001,鲤街道,{level},{above}\n")
        assert told(report) in ([("new",)], [("unchanged",)]), head
    with database.session(everything("test")) as s:
        row = s.scalars(select(Region).where(Region.code == "990101001")).one()
        assert (row.level, row.parent.name) == (RegionLevel.Township, "东城区")
        assert row.path.startswith(row.parent.path)


def test_rows_may_lead_to_rows_before_them(load: Load) -> None:
    text = "code,name,level,parent_id\n9903,新市,city,示例省\n990301,新区,county,新市\n990301001,新街,township,990301\n"
    assert told(load("regions", text)) == [("new",)] * 3
    assert told(load("regions", text)) == [("unchanged",)] * 3
    backwards = "code,name,level,parent_id\n990401,甲区,county,甲市\n9904,甲市,city,示例省\n"
    assert told(load("regions", backwards)) == [("refused", ("parent_id", "not_found")), ("new",)]


def test_a_name_of_several_is_refused_with_what_to_write(load: Load, database: Database, world: World) -> None:
    with database.session(everything("test"), write=True) as s:
        for name in ("东城区", "西城区"):
            region = world.id(Region, name=name)
            put(s, Department(), name="同名局", kind=DepartmentKind.Functional, region_id=region)
    head = "地方编码,名称,部门,事项类型,行使层级,基本编码,设定依据"
    line = "T-1,甲事项,{},行政许可,县级,000123900000,《公共场所卫生管理条例》第四条"
    (outcome,) = load("items", f"{head}\n{line.format('同名局')}\n").outcomes
    (problem,) = outcome.problems
    assert (problem.field, problem.code) == ("department_id", "ambiguous")
    assert problem.params["choices"] == "东城区 / 同名局; 西城区 / 同名局"
    assert told(load("items", f"{head}\n{line.format('东城区 / 同名局')}\n")) == [("new",)]
    # What the row has already may be said by the name that others share.
    assert told(load("items", f"{head}\n{line.format('同名局')}\n")) == [("unchanged",)]


def test_without_the_whole_key_what_never_changes_tells_rows_apart(load: Load, database: Database) -> None:
    head = "地方编码,名称,部门,事项类型,行使层级,基本编码,设定依据\n"
    line = "LOCAL-1,{},{},行政许可,县级,{},《公共场所卫生管理条例》第四条\n"
    known, new = (
        line.format("公共场所卫生许可鲤", "东城区卫生健康局", ""),
        line.format("新事项", "西城区卫生健康局", "000123901000"),
    )
    report = load("items", head + known + new)
    assert told(report) == [("unchanged",), ("new",)]
    assert told(load("items", "地方编码,名称\nLOCAL-1,又改\n")) == [("refused", ("region_id", "ambiguous"))]


def test_a_row_twice_in_the_file(load: Load) -> None:
    report = load("legal-bases", "title,article\n《甲法》,第一条\n《乙法》,第一条\n《甲法》,第一条\n")
    assert told(report) == [("new",), ("new",), ("refused", ("article", "twice_in_file"))]
    assert report.outcomes[2].problems[0].params == {"line": 2}


def test_fields_that_rules_fill_in_may_be_repeated(load: Load, database: Database) -> None:
    head = "region_id,local_code,state,gaps,phone\n"
    same = load("items", head + "990101,LOCAL-1,有效,实施编码,123\n")
    assert told(same) == [("changed",)]
    other = load("items", head + "990101,LOCAL-1,草稿,实施编码,123\n990101,LOCAL-2,有效,别的,\n")
    assert told(other) == [("refused", ("state", "read_only")), ("refused", ("gaps", "read_only"))]


def test_days_in_every_shape(load: Load, database: Database) -> None:
    text = "day,workday,source\n2031-01-02,否,甲\n2031/1/3,no,甲\n47852,0,甲\n2031年1月5日,false,甲\n2031-13-01,否,甲\n"
    assert told(load("work-days", text)) == [("new",)] * 4 + [("refused", ("day", "not_a_date"))]
    with database.session(everything("test")) as s:
        days = s.scalars(select(WorkDay.day).where(WorkDay.source == "甲").order_by(WorkDay.day))
        assert [day.isoformat() for day in days] == ["2031-01-02", "2031-01-03", "2031-01-04", "2031-01-05"]


def test_everything_wrong_with_a_row_is_told_at_once(load: Load) -> None:
    text = "local_code,region_id,basic_code,item_type,statutory_days,promise_days\nLOCAL-1,990101,1,魔法,999,x\n"
    assert told(load("items", text, clears=True)) == [
        (
            "refused",
            ("item_type", "not_in_list"),
            ("promise_days", "not_a_number"),
            ("basic_code", "inherited"),
            ("statutory_days", "too_large"),
        )
    ]


def test_a_person_imports_as_far_as_they_reach(load: Load, world: World, database: Database) -> None:
    head = "region_id,local_code,phone\n"
    text = head + "990101,LOCAL-1,1\n990102,LOCAL-4,1\n"
    assert told(load("items", text, scope=world.scope("manager"))) == [
        ("changed",),
        # Of a row that is out of reach nothing is told: it is one without what a new row needs.
        told(load("items", head + "990102,NOBODYS,1\n", scope=world.scope("manager")))[0],
    ]
    with pytest.raises(Forbidden):
        load("items", text, scope=world.scope("clerk"))


def test_what_is_controlled_is_proposed_and_the_rest_applied(load: Load, database: Database, world: World) -> None:
    code = code_of(database, "护士执业注册鲤")
    report = load("catalogue", f"basic_code,name,materials\n{code},改名,申请表\n")
    (outcome,) = report.outcomes
    assert (outcome.kind, report.counts["proposed"]) == (OutcomeKind.Proposed, 1)
    assert outcome.changes == {"name": ("护士执业注册鲤", "改名"), "materials": (None, "申请表")}
    with database.session(everything("test")) as s:
        row = s.scalars(select(CatalogueItem).where(CatalogueItem.basic_code == code)).one()
        assert (row.name, row.materials) == ("护士执业注册鲤", "申请表")
        assert s.scalars(select(Proposal.changes)).one() == {"name": ["护士执业注册鲤", "改名"]}


def test_nothing_is_proposed_where_the_rest_is_refused(load: Load, database: Database, world: World) -> None:
    code = code_of(database, "护士执业注册鲤")
    report = load("catalogue", f"basic_code,name,service_class\n{code},改名,policy\n")
    assert told(report) == [("refused", ("name", "controlled"), ("service_class", "no_public_service"))]
    with database.session(everything("test")) as s:
        row = s.scalars(select(CatalogueItem).where(CatalogueItem.basic_code == code)).one()
        assert (row.name, row.service_class) == ("护士执业注册鲤", None)
        assert s.scalars(select(Proposal)).all() == []


def test_it_stops_where_it_is_asked_to(load: Load, database: Database) -> None:
    def tick(done: int) -> None:
        raise Stopped

    text = "title,article\n" + "".join(f"《法{n}》,第一条\n" for n in range(20))
    with pytest.raises(Stopped):
        load("legal-bases", text, tick=tick)
    with database.session(everything("test")) as s:
        assert s.scalar(select(func.count(LegalBasis.id))) == 1
        assert s.scalar(select(func.count(Event.id)).where(Event.subject_type == "legal-bases")) == 1


def test_headings_that_mean_nothing(load: Load) -> None:
    with pytest.raises(RuleError) as refused:
        load("regions", "甲,乙\n1,2\n")
    assert [p.code for p in refused.value.problems] == ["no_mapping"]
    assert load("regions", "code,name,别的\n990101,东城区,x\n").ignored == ("别的",)


def test_a_report_is_kept_as_it_is(load: Load) -> None:
    report = load("items", "region_id,local_code,promise_days\n990101,LOCAL-1,3\n990101,LOCAL-2,99\n")
    kept = Kept()
    for outcome in report.outcomes:
        kept.add(kept_form(outcome))
    again = [outcome_of(line) for line in unpacked(kept.packed())]
    assert [(o.line, o.kind, o.key, o.name, [p.code for p in o.problems]) for o in again] == [
        (o.line, o.kind, o.key, o.name, [p.code for p in o.problems]) for o in report.outcomes
    ]
    assert [*again[0].changes] == ["promise_days"]


def test_items_stay_as_they_were(load: Load, database: Database) -> None:
    with database.session(everything("test")) as s:
        before = [*s.execute(select(Item.id, Item.version, Item.name).order_by(Item.id))]
    load("items", "region_id,local_code,name\n990101,LOCAL-1,公共场所卫生许可鲤\n")
    with database.session(everything("test")) as s:
        assert [*s.execute(select(Item.id, Item.version, Item.name).order_by(Item.id))] == before
