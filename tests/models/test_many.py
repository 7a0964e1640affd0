"""The door for many rows: what it leaves is what ``save`` leaves, row by row; on both engines."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select

from models.database import Database
from models.department import Department
from models.event import Event, broken_links
from models.item import Item
from models.legal_basis import LegalBasis
from models.many import Change, save_many
from models.region import Region
from models.scope import ScopeError, everything
from models.write import save
from tests.world import NOW, World

BASIS = {"title": "《甲法》", "article": "第一条"}
VALUES = st.fixed_dictionaries(
    {"title": st.sampled_from(["《甲法》", "《乙法》", "", "《公共场所卫生管理条例》"])},
    optional={
        "article": st.sampled_from(["第一条", "第四条", None, "长" * 70]),
        "document_number": st.sampled_from([None, "1号", "x" * 200]),
        "no_such_field": st.just(1),
    },
)
TIME = ("at", "hash", "previous_hash", "id", "subject_id")


def left(s: Any) -> tuple[list[Any], list[Any]]:
    """Rows and Events, but for ids and times."""
    rows = s.scalars(select(LegalBasis).order_by(LegalBasis.id))
    events = s.scalars(select(Event).where(Event.subject_type == "legal-bases").order_by(Event.id))
    return (
        [(r.title, r.article, r.document_number, r.version, r.created_by_id) for r in rows],
        [(e.kind, e.seq, e.changes, e.subject_label, e.actor_id) for e in events],
    )


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(several=st.lists(VALUES, max_size=5))
@pytest.mark.parametrize("engine_name", ["sqlite"], indirect=True)
def test_many_are_saved_as_each_would_be(database: Database, several: list[dict[str, Any]]) -> None:
    results = []
    for together in (True, False):
        s = database.open(everything("test"), write=True)
        try:
            if together:
                changes = [Change(values) for values in several]
                save_many(s, LegalBasis, changes, now=NOW)
                found = [[(p.field, p.code) for p in change.found] for change in changes]
            else:
                found = [[(p.field, p.code) for p in save(s, LegalBasis(), values, now=NOW)] for values in several]
            # Of a row that is refused anyhow, a twin in the same chunk, which is not stored yet, need not be told.
            others = [[told for told in row if told[1] != "duplicate"] or row for row in found]
            results.append((others, left(s)))
        finally:
            s.rollback()
            s.close()
    assert results[0] == results[1]


def test_new_changed_unchanged_and_refused_side_by_side(database: Database) -> None:
    with database.session(everything("test"), write=True) as s:
        old = s.scalars(select(Item).order_by(Item.id)).all()
        changes = [
            Change({"phone": "1"}, old[0], old[0].version),
            Change({"name": old[1].name}, old[1], old[1].version),
            Change({"promise_days": 99}, old[2], old[2].version),
            Change({"phone": "2"}, old[3], old[3].version - 1),
        ]
        save_many(s, Item, changes, now=NOW)
        codes = [[p.code for p in change.found.errors] for change in changes]
        assert codes == [[], [], ["above_statutory"], ["stale"]]
        assert [change.changes for change in changes] == [{"phone": (None, "1")}, {}, {}, {}]
    with database.session(everything("test")) as s:
        assert [(i.phone, i.promise_days, i.version) for i in s.scalars(select(Item).order_by(Item.id))] == [
            ("1", 6, 3), (None, 7, 2), (None, 8, 2), (None, 9, 2),
        ]  # fmt: skip
        assert broken_links(s) == []


def test_a_broken_constraint_refuses_its_row_alone(database: Database) -> None:
    """The database refuses the chunk; then each row stands or falls by itself."""
    with database.session(everything("test"), write=True) as s:
        taken = {"title": "《公共场所卫生管理条例》", "article": "第四条"}
        changes = [Change(BASIS), Change(taken), Change({**BASIS, "article": "第二条"})]
        save_many(s, LegalBasis, changes, now=NOW)
        assert [[(p.field, p.code) for p in c.found] for c in changes] == [[], [("article", "duplicate")], []]
    with database.session(everything("test")) as s:
        assert [r.article for r in s.scalars(select(LegalBasis).order_by(LegalBasis.id))] == [
            "第四条",
            "第一条",
            "第二条",
        ]
        assert broken_links(s) == []


def test_trees_are_settled(database: Database, world: World) -> None:
    above = world.id(Region, code="9901")
    with database.session(everything("test"), write=True) as s:
        values = [{"code": f"99010{n}", "name": f"区{n}", "level": "county", "parent_id": above} for n in (5, 6)]
        save_many(s, Region, [Change(v) for v in values], now=NOW)
    with database.session(everything("test")) as s:
        rows = s.scalars(select(Region).where(Region.code.in_(["990105", "990106"])))
        assert all(row.path == f"{row.parent.path}{row.id}/" for row in rows)


def test_a_chunk_costs_few_statements(database: Database) -> None:
    told: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda c, u, statement, *_: told.append(statement))
    with database.session(everything("test"), write=True) as s:
        save_many(s, LegalBasis, [Change({**BASIS, "article": f"第{n}条"}) for n in range(100)], now=NOW)
    assert len([t for t in told if t.startswith("INSERT")]) <= 4
    assert len(told) < 20


def test_nothing_else_slips_through(database: Database, world: World) -> None:
    with database.session(everything("test"), write=True) as s:
        stray = s.get_one(Department, world.id(Department, short="东政"))
        stray.phone = "1"
        with pytest.raises(ScopeError):
            save_many(s, LegalBasis, [Change(BASIS)], now=NOW)
        s.rollback()
