"""Every way past the scope that was found (and each was found by trying) is closed: scoped, or refused.

鲤 is the clerk's own department, 鹤 the bureau next door, 鹭 the other district.
"""

from __future__ import annotations

import ast
import dataclasses
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask_appbuilder.security.sqla.models import Role as FabRole
from flask_appbuilder.security.sqla.models import User
from sqlalchemy import delete, exists, func, lambda_stmt, literal, orm, select, text, union, union_all, update
from sqlalchemy.orm import Bundle, aliased, contains_eager, joinedload, selectinload, subqueryload

from config import ROOT
from models import registries
from models.account import Account
from models.case import Case
from models.database import Database
from models.declare import Reach
from models.department import Department
from models.event import Event, EventKind, record
from models.item import Item
from models.letter import Letter
from models.message import Message
from models.region import Region
from models.scope import ANONYMOUS, UNSCOPED, Forbidden, Scope, ScopedSession, ScopeError, everything, scoped_models
from tests.world import NOW, World, put

MINE, BUREAU, DISTRICT = "申请人红鲤", "申请人白鹤", "申请人苍鹭"
ITEMS = [("公共场所卫生许可鲤",), ("护士执业注册鲤",)]
FOREIGN = Case.applicant.in_([BUREAU, DISTRICT])
Open = Callable[..., ScopedSession]


@pytest.fixture
def clerk(world: World, opened: Open) -> ScopedSession:
    return opened(world.scope("clerk"))


@pytest.fixture
def writer(world: World, opened: Open) -> ScopedSession:
    return opened(world.scope("clerk"), write=True)


@pytest.fixture
def wide(world: World, opened: Open) -> ScopedSession:
    """The clerk, but reading every case: items stay those of the own department."""
    scope = world.scope("clerk")
    return opened(dataclasses.replace(scope, reaches={**scope.reaches, "cases": {"list": Reach.all}}))


def _recursive() -> Any:
    first = select(Case.id).cte("counting", recursive=True)
    return first.union_all(select(Case.id).where(Case.id > first.c.id))


def _alias() -> Any:
    return aliased(Case)


# What runs, and exactly what it gives: never more than the rows of the own department.
SCOPED: dict[str, tuple[Callable[[], Any], list[Any]]] = {
    "columns": (lambda: select(Case.applicant), [(MINE,)]),
    "bundle": (lambda: select(Bundle("b", Case.applicant)), [((MINE,),)]),
    "count": (lambda: select(func.count()).select_from(Case), [(1,)]),
    "count of a column": (lambda: select(func.count(Case.id)), [(1,)]),
    "count in an expression": (lambda: select((func.count(Case.id) + 0).label("n")), [(1,)]),
    "count named only in WHERE": (lambda: select(func.count()).where(Case.id > 0), [(1,)]),
    "aggregate": (lambda: select(func.max(Case.applicant)), [(MINE,)]),
    "function": (lambda: select(func.upper(Item.name)).order_by(Item.id), ITEMS),
    "window": (lambda: select(func.count().over(), Case.applicant), [(1, MINE)]),
    "distinct": (lambda: select(Case.applicant).distinct(), [(MINE,)]),
    "asked for by name": (lambda: select(Case.applicant).where(FOREIGN), []),
    "always true": (lambda: select(Case.applicant).where(sa.or_(sa.true(), Case.id > 0)), [(MINE,)]),
    "literal over a condition": (lambda: select(literal(1)).where(FOREIGN), []),
    "exists": (lambda: select(exists(select(Case).where(FOREIGN))), [(False,)]),
    "exists of a column": (lambda: select(literal(1)).where(exists(Case.id).where(FOREIGN)), []),
    "exists below a wider registry": (lambda: select(Department.name).where(exists().where(FOREIGN)), []),
    "exists that claims to be correlated": (
        lambda: select(Department.name).where(select(literal(1)).where(FOREIGN).correlate(Case).exists()),
        [],
    ),
    "exists of a literal": (lambda: select(Department.name).where(select(literal(1)).where(FOREIGN).exists()), []),
    "in a select": (
        lambda: select(Department.name).where(Department.id.in_(select(Case.department_id))),
        [("东城区卫生健康局",)],
    ),
    "scalar subquery": (lambda: select(select(func.count(Case.id)).scalar_subquery()), [(1,)]),
    "scalar subquery without a column": (
        lambda: select(select(func.count()).where(Case.id > 0).scalar_subquery()),
        [(1,)],
    ),
    "count over a subquery": (
        lambda: select(Region.code, select(func.count()).select_from(select(Case).subquery()).scalar_subquery()).limit(
            1
        ),
        [("99", 1)],
    ),
    "correlated": (
        lambda: (
            select(select(Case.applicant).where(Case.department_id == Department.id).scalar_subquery())
            .where(Department.kind == "functional")
            .order_by(Department.id)
        ),
        [(MINE,), (None,), (None,)],
    ),
    "alias": (lambda: select(_alias().applicant), [(MINE,)]),
    "subquery": (lambda: select(select(Case).subquery().c.applicant), [(MINE,)]),
    "alias of a subquery": (lambda: select(aliased(Case, select(Case).subquery()).applicant), [(MINE,)]),
    "alias of the bare table": (lambda: select(aliased(Case, Case.__table__.alias()).applicant), [(MINE,)]),
    "joined subquery": (
        lambda: select((s := select(Case).subquery()).c.applicant, Department.short).join(
            s, s.c.department_id == Department.id
        ),
        [(MINE, "东卫健")],
    ),
    "cte": (lambda: select(select(Case.applicant).cte().c.applicant), [(MINE,)]),
    "recursive cte": (lambda: select(func.count()).select_from(select(_recursive().c.id).subquery()), [(1,)]),
    "union": (lambda: union(select(Case.applicant), select(Item.name)), [(MINE,), *ITEMS]),
    "union below": (
        lambda: select(union_all(select(Case.applicant), select(Item.name)).subquery().c.applicant),
        [(MINE,), *ITEMS],
    ),
    "join": (lambda: select(Case.applicant, Item.name).join(Case.item), [(MINE, ITEMS[0][0])]),
    "join from a wider registry": (
        lambda: select(Case.applicant).select_from(Department).join(Case, Case.department_id == Department.id),
        [(MINE,)],
    ),
    "only the joined side is scoped": (
        lambda: select(Department.short).join(Case, Case.department_id == Department.id),
        [("东卫健",)],
    ),
    "cross product in WHERE": (lambda: select(Department.name).where(Case.department_id == Department.id, FOREIGN), []),
    "users": (lambda: select(func.count()).select_from(Account), [(3,)]),
    "users by the framework's own class": (lambda: select(func.count()).select_from(User), [(3,)]),
    "users through their roles": (
        lambda: select(User.username).select_from(FabRole).join(FabRole.user),
        [("approver",), ("clerk",), ("colleague",)],
    ),
    "bare column of an entity that is there": (
        lambda: select(Case).with_only_columns(Case.applicant).where(Case.__table__.c.id > 0),
        [(MINE,)],
    ),
}


def test_scoped(clerk: ScopedSession) -> None:
    found = {name: sorted(str(tuple(row)) for row in clerk.execute(build())) for name, (build, _) in SCOPED.items()}
    assert found == {name: sorted(map(str, expected)) for name, (_, expected) in SCOPED.items()}


def _core() -> Any:
    return Case.__table__


# What cannot be scoped, and so raises instead of running.
REFUSED: dict[str, Callable[[], Any]] = {
    "core table": lambda: select(_core()),
    "core column": lambda: select(_core().c.applicant),
    "core column in a function": lambda: select(func.count(_core().c.id)),
    "core table counted": lambda: select(func.count()).select_from(_core()),
    "core join": lambda: select(_core().join(Item.__table__)),
    "core join in FROM": lambda: select(func.count()).select_from(_core().join(Item.__table__)),
    "join of entities in FROM": lambda: select(Case.applicant).select_from(
        sa.join(Case, Item, Case.item_id == Item.id)
    ),
    "orm join in FROM": lambda: select(Case.applicant).select_from(orm.join(Case, Item, Case.item_id == Item.id)),
    "core table joined": lambda: select(Department.name).join(_core(), _core().c.department_id == Department.id),
    "core alias": lambda: select(_core().alias()),
    "core alias column": lambda: select(_core().alias().c.applicant),
    "core alias counted": lambda: select(func.count()).select_from(_core().alias()),
    "core alias of an alias": lambda: select(_core().alias().alias().c.applicant),
    "core subquery column": lambda: select(select(_core()).subquery().c.applicant),
    "core subquery": lambda: select(select(_core()).subquery()),
    "core cte": lambda: select(select(_core()).cte().c.applicant),
    "core exists": lambda: select(Department.name).where(exists().where(_core().c.applicant == BUREAU)),
    "core exists alone": lambda: select(literal(1)).where(exists(select(_core()))),
    "core in": lambda: select(Department.name).where(Department.id.in_(select(_core().c.department_id))),
    "core scalar subquery": lambda: select(Department.name, select(func.max(_core().c.applicant)).scalar_subquery()),
    "core in a union": lambda: union(select(Case.applicant), select(_core().c.applicant)),
    "core below an alias": lambda: select(aliased(Case, select(_core()).subquery()).applicant),
    "core beside an entity": lambda: select(Case.applicant, _core().alias().c.applicant),
    "core in ORDER BY": lambda: select(Department.name).order_by(
        select(_core().c.applicant).limit(1).scalar_subquery()
    ),
    "table sample": lambda: select(sa.tablesample(_core(), 50)),
    "text": lambda: text('SELECT applicant FROM "case"'),
    "text column": lambda: select(text('(SELECT count(*) FROM "case")')),
    "text in WHERE": lambda: select(Department.name).where(text("1 = 1")),
    "text with columns": lambda: text('SELECT id FROM "case"').columns(Case.id),
    "text prefix": lambda: select(Department.name).prefix_with('(SELECT count(*) FROM "case"),'),
    "text suffix": lambda: select(Department.name).suffix_with('UNION SELECT applicant FROM "case"'),
    "literal column": lambda: select(sa.literal_column('(SELECT count(*) FROM "case")')),
    "literal column beside an entity": lambda: select(Department.id, sa.literal_column('(SELECT max(id) FROM "case")')),
    "light table": lambda: select(sa.column("applicant")).select_from(sa.table("case")),
    "light table with columns": lambda: select(sa.table("case", sa.column("applicant")).c.applicant),
    "same table once more": lambda: select(sa.Table("case", sa.MetaData(), sa.Column("applicant", sa.String()))),
    "from_statement": lambda: select(Case).from_statement(text('SELECT * FROM "case"')),
    "from_statement of a select": lambda: select(Case).from_statement(select(_core())),
    "cached lambda": lambda: lambda_stmt(lambda: select(Case.__table__)),
    "change inside a select": lambda: select(update(Case).values(phone="1").returning(Case.id).cte().c.id),
    "function alone": lambda: func.max(_core().c.id),
    "insert": lambda: sa.insert(Case).values(number="1"),
    "core insert": lambda: sa.insert(_core()).values(number="1"),
    "insert from select": lambda: sa.insert(Case).from_select(["number"], select(Case.number)),
    "core update": lambda: update(_core()).values(phone="1"),
    "core delete": lambda: delete(_core()),
    "update with a second table": lambda: update(Case).values(phone="1").where(Item.name.contains("鹤")),
    "update from a second table": lambda: update(Case).values(phone=Item.name).where(Item.id == Case.item_id),
    "delete with a second table": lambda: delete(Case).where(Item.name.contains("鹤")),
    "delete with a core subquery": lambda: delete(Message).where(exists(select(_core()))),
    "ddl": lambda: sa.schema.DropTable(_core()),
}


def test_refused(writer: ScopedSession) -> None:
    ran = []
    for name, build in REFUSED.items():
        try:
            writer.execute(build())
        except ScopeError:
            continue
        ran.append(name)
    assert ran == []


def test_no_scope_set_raises(database: Database) -> None:
    with ScopedSession(database.engine) as session:
        for run in (
            lambda: session.scalars(select(Case)),
            lambda: session.scalars(select(Region)),
            lambda: session.get(Case, 1),
            lambda: session.query(Case).all(),
            lambda: session.execute(update(Case).values(phone="1")),
        ):
            with pytest.raises(ScopeError):
                run()


def test_everything_reads_everything(opened: Open) -> None:
    assert sorted(opened().scalars(select(Case.applicant))) == sorted([MINE, BUREAU, DISTRICT])


def test_anonymous_sees_nothing(opened: Open) -> None:
    session, whole = opened(ANONYMOUS), opened()
    scoped = list(scoped_models())
    assert {"cases", "items", "departments", "accounts", "letters", "messages", "events"} <= {
        m.__admin__.name for m in scoped
    }
    for model in scoped:
        assert session.scalars(select(model)).all() == []
        assert session.scalar(select(func.count()).select_from(model)) == 0
    assert whole.scalar(select(func.count()).select_from(Event)) > 20  # there would have been something to see


def test_every_registry_is_hidden_from_a_scope_that_grants_nothing(opened: Open) -> None:
    nobody = Scope("nobody", actor=1, own=frozenset({4}), subtree=frozenset({4}))
    session = opened(nobody)
    for model in scoped_models():
        if model.__admin__.owner is None:
            assert session.scalars(select(model)).all() == []


def test_the_same_statement_in_two_scopes(world: World, opened: Open) -> None:
    """SQLAlchemy keeps compiled statements; the ids of the first asker must not be among them."""
    statement = select(Case.applicant)
    for username, seen in (("clerk", [MINE]), ("outsider", [BUREAU]), ("stranger", [DISTRICT]), ("clerk", [MINE])):
        assert opened(world.scope(username)).scalars(statement).all() == seen


def test_relation_conditions_are_scoped(wide: ScopedSession) -> None:
    def read(statement: Any) -> list[Any]:
        return sorted(wide.scalars(statement))

    assert read(select(Case.applicant)) == sorted([MINE, BUREAU, DISTRICT])
    assert read(select(Case.applicant).where(Case.item.has(Item.name.contains("鹤")))) == []
    assert read(select(Case.applicant).where(Case.item.has())) == [MINE]
    assert read(select(Case.applicant).where(Case.item_id == Item.id)) == [MINE]
    assert read(select(Case.applicant).join(Case.item)) == [MINE]
    found = wide.execute(select(Case.applicant, Item.name).outerjoin(Case.item)).all()
    assert sorted(map(tuple, found), key=str) == sorted(
        [(MINE, ITEMS[0][0]), (BUREAU, None), (DISTRICT, None)], key=str
    )


@pytest.mark.parametrize("load", [joinedload, selectinload, subqueryload, orm.lazyload, orm.immediateload])
def test_loading_foreign_rows_through_a_relation(wide: ScopedSession, load: Any) -> None:
    cases = {c.applicant: c for c in wide.scalars(select(Case).options(load(Case.item))).unique()}
    assert len(cases) == 3
    assert cases[MINE].item.name == ITEMS[0][0]
    assert (cases[BUREAU].item, cases[DISTRICT].item) == (None, None)


def test_contains_eager_keeps_the_scope(wide: ScopedSession) -> None:
    cases = wide.scalars(select(Case).outerjoin(Case.item).options(contains_eager(Case.item))).all()
    assert {c.applicant: c.item and c.item.name for c in cases} == {MINE: ITEMS[0][0], BUREAU: None, DISTRICT: None}


def test_loading_through_backrefs(clerk: ScopedSession) -> None:
    for load in ([], [selectinload(FabRole.user)], [joinedload(FabRole.user)]):
        roles = clerk.scalars(select(FabRole).options(*load).execution_options(populate_existing=True)).unique().all()
        assert {u.username for r in roles for u in r.user} == {"clerk", "colleague", "approver"}
        clerk.expire_all()


def test_get(clerk: ScopedSession, world: World) -> None:
    assert clerk.get(Case, world.case(MINE)).applicant == MINE
    for applicant in (BUREAU, DISTRICT):
        assert clerk.get(Case, world.case(applicant)) is None
        with pytest.raises(sa.exc.NoResultFound):
            clerk.get_one(Case, world.case(applicant))
    assert clerk.get(Account, world.account("outsider")) is None
    assert clerk.get(User, world.account("outsider")) is None
    assert clerk.get(Account, world.account("colleague")).username == "colleague"


def test_get_of_a_row_that_another_load_left_behind(clerk: ScopedSession, world: World) -> None:
    """An unscoped load of rows would leave them in the session for ``get``; only columns may be taken."""
    mine, foreign = world.case(MINE), world.case(BUREAU)
    for entity in (Case, aliased(Case)):
        with pytest.raises(ScopeError):
            clerk.scalars(select(entity), execution_options={UNSCOPED: True}).all()
    with pytest.raises(ScopeError):
        clerk.get(Case, foreign, execution_options={UNSCOPED: True})
    with pytest.raises(ScopeError):
        clerk.execute(update(Case).values(phone="1"), execution_options={UNSCOPED: True})
    seen = clerk.scalars(select(Case.id).order_by(Case.id), execution_options={UNSCOPED: True}).all()
    assert {mine, foreign} < set(seen)
    assert clerk.get(Case, foreign) is None
    assert clerk.get(Case, mine) is not None
    # Nor does a chain kept whole by an unscoped lookup bring rows along.
    record(clerk, clerk.get(Case, mine), EventKind.Done, NOW)
    assert {type(o) for o in clerk.identity_map.values()} <= {Case}


def test_relations_of_a_new_object(clerk: ScopedSession, world: World) -> None:
    item = {name: world.item(name) for name in ("公共场所卫生许可鲤", "食品经营许可鹤")}
    for name, id_ in item.items():
        loose, pending = Case(item_id=id_), Case(item_id=id_)
        clerk.enable_relationship_loading(loose)
        assert (loose.item and loose.item.name) == (name if "鲤" in name else None)
        with clerk.no_autoflush:
            clerk.add(pending)
            clerk.enable_relationship_loading(pending)
            assert (pending.item and pending.item.name) == (name if "鲤" in name else None)
            clerk.expunge(pending)


def test_refresh(wide: ScopedSession, clerk: ScopedSession, opened: Open, world: World) -> None:
    mine = clerk.get(Case, world.case(MINE))
    clerk.refresh(mine)
    assert mine.applicant == MINE
    other = opened()
    foreign = other.get(Case, world.case(BUREAU))
    other.expunge(foreign)
    clerk.add(foreign)
    with pytest.raises(sa.exc.InvalidRequestError):
        clerk.refresh(foreign)
    clerk.expire(foreign)
    with pytest.raises(orm.exc.ObjectDeletedError):
        _ = foreign.applicant


def test_deferred_columns_of_a_foreign_row(clerk: ScopedSession, opened: Open, world: World) -> None:
    """A row that wandered in from another session gives no column that it had not loaded."""
    other = opened()
    foreign = other.scalars(select(Case).where(Case.applicant == BUREAU).options(orm.load_only(Case.id))).one()
    other.expunge(foreign)
    clerk.add(foreign)
    with pytest.raises((orm.exc.ObjectDeletedError, sa.exc.InvalidRequestError)):
        _ = foreign.identifier


def test_legacy_query(clerk: ScopedSession, world: World) -> None:
    assert [c.applicant for c in clerk.query(Case)] == [MINE]
    assert (clerk.query(Case).count(), clerk.query(Case.id).count(), clerk.query(func.count(Case.id)).scalar()) == (
        1,
        1,
        1,
    )
    assert clerk.query(clerk.query(Case).filter(FOREIGN).exists()).scalar() is False
    assert clerk.query(Case).filter(FOREIGN).first() is None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert clerk.query(Case).get(world.case(BUREAU)) is None
    for refused in (
        lambda: clerk.query(_core()).all(),
        lambda: clerk.query(_core().c.applicant).all(),
        lambda: clerk.query(Case).from_statement(text('SELECT * FROM "case"')).all(),
        lambda: clerk.query(text("1")).all(),
    ):
        with pytest.raises(ScopeError):
            refused()


def _phones(database: Database) -> dict[str, str | None]:
    with database.session(everything("test")) as s:
        return dict(s.execute(select(Case.applicant, Case.phone)).all())


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.execute(update(Case).values(phone="7")),
        lambda s: s.execute(update(Case).values(phone="7").where(FOREIGN | (Case.id > 0))),
        lambda s: s.execute(update(Case).values(phone="7").execution_options(synchronize_session="fetch")),
        lambda s: s.execute(update(Case), {"phone": "7"}),
        lambda s: s.query(Case).update({"phone": "7"}),
        lambda s: s.query(Case).filter(Case.id > 0).update({Case.phone: "7"}, synchronize_session=False),
    ],
)
def test_orm_update_reaches_own_rows_only(writer: ScopedSession, database: Database, change: Any) -> None:
    change(writer)
    writer.commit()
    assert _phones(database) == {MINE: "7", BUREAU: None, DISTRICT: None}


def test_values_of_an_update_are_scoped(writer: ScopedSession, database: Database) -> None:
    writer.execute(update(Case).values(phone=select(sa.cast(func.count(Item.id), sa.String())).scalar_subquery()))
    writer.execute(update(Case).values(phone="leak").where(exists().where(Item.name.contains("鹤"))))
    writer.commit()
    assert _phones(database) == {MINE: "2", BUREAU: None, DISTRICT: None}


@pytest.mark.parametrize("how", [lambda s: s.execute(delete(Message)), lambda s: s.query(Message).delete()])
def test_orm_delete_reaches_own_rows_only(database: Database, world: World, opened: Open, how: Any) -> None:
    with database.session(everything("test"), write=True) as s:
        for username in ("clerk", "outsider"):
            _message(s, world.account(username), username)
    session = opened(world.scope("clerk"), write=True)
    assert how(session) is not None
    session.commit()
    assert opened().scalars(select(Message.key)).all() == ["outsider"]


def test_writing_by_a_list_of_keys_is_refused(writer: ScopedSession, world: World, database: Database) -> None:
    for rows in ([{"id": world.case(BUREAU), "phone": "7"}], [{"id": world.case(MINE), "phone": "7"}]):
        with pytest.raises(ScopeError):
            writer.execute(update(Case), rows)
        with pytest.raises(ScopeError):
            writer.execute(sa.insert(Case), rows)
        for bulk in (writer.bulk_update_mappings, writer.bulk_insert_mappings):
            with pytest.raises(ScopeError):
                bulk(Case, rows)
    with pytest.raises(ScopeError):
        writer.bulk_save_objects([Case(id=world.case(BUREAU), phone="7")])
    assert set(_phones(database).values()) == {None}


def test_merge_of_a_foreign_row(writer: ScopedSession, world: World, database: Database) -> None:
    merged = writer.merge(Case(id=world.case(BUREAU), phone="7"))
    assert merged.applicant is None  # it found nothing to merge with
    with pytest.raises(ScopeError):
        writer.flush()
    writer.rollback()
    assert set(_phones(database).values()) == {None}


def test_a_session_keeps_its_scope(clerk: ScopedSession, world: World, database: Database) -> None:
    mine = clerk.scalars(select(Case)).one()
    clerk.info["scope"] = world.scope("outsider")
    for run in (lambda: clerk.scalars(select(Case)), lambda: clerk.get(Case, mine.id), lambda: clerk.scope):
        with pytest.raises(ScopeError):
            run()
    with ScopedSession(database.engine) as late:
        late.info["scope"] = world.scope("clerk")
        assert late.scalars(select(Case.applicant)).all() == [MINE]
        late.info["scope"] = everything("wider")
        with pytest.raises(ScopeError):
            late.scalars(select(Case))
    with pytest.raises(dataclasses.FrozenInstanceError):
        world.scope("clerk").everything = True  # type: ignore[misc]


def test_no_row_changes_outside_the_doors(writer: ScopedSession, opened: Open) -> None:
    for session in (writer, opened(write=True)):
        row = session.scalars(select(Case).where(Case.applicant == MINE)).one()
        row.phone = "7"
        with pytest.raises(ScopeError):
            session.flush()
        session.rollback()
        session.delete(row)
        with pytest.raises(ScopeError):
            session.commit()
        session.rollback()
        session.add(Region(code="98", name="x", level="city", created_at=NOW, changed_at=NOW))
        with pytest.raises(ScopeError):
            session.flush()
        session.rollback()


def test_own_rows_are_not_lost_by_a_join_to_a_parent(database: Database, world: World, opened: Open) -> None:
    """Every required parent of an own row is within reach; every other one is joined from outside."""
    for username in ("clerk", "approver", "manager", "outsider", "auditor", "admin"):
        session = opened(world.scope(username))
        for model in (Case, Item, Letter):
            own = sorted(session.scalars(select(model.id)))
            for relation in sa.inspect(model).relationships:
                column = next(iter(relation.local_columns))
                if not column.nullable:
                    joined = select(model.id).join(getattr(model, relation.key))
                    assert sorted(session.scalars(joined)) == own, (username, relation)
    clerk = opened(world.scope("clerk"))
    # An Event of somebody out of reach (the clerk's department was made by the system, its items by an administrator).
    assert len(clerk.scalars(select(Event).outerjoin(Event.actor)).all()) == len(clerk.scalars(select(Event)).all())


# ---- reach


def _message(s: ScopedSession, recipient: int, key: str) -> Message:
    return put(
        s,
        Message(),
        recipient_id=recipient,
        text="x",
        params={},
        subject_type="cases",
        subject_id=1,
        sent_at=NOW,
        key=key,
    )


def _with(scope: Scope, registry: str, reach: Reach) -> Scope:
    return dataclasses.replace(scope, reaches={registry: {"list": reach}})


@pytest.mark.parametrize(
    ("username", "reach", "seen"),
    [
        ("clerk", Reach.own, {MINE}),
        ("clerk", Reach.subtree, {MINE}),
        ("clerk", Reach.all, {MINE, BUREAU, DISTRICT}),
        ("clerk", Reach.mine, set()),  # a case has no owner
        ("manager", Reach.own, set()),
        ("manager", Reach.subtree, {MINE, BUREAU}),
        ("manager", Reach.all, {MINE, BUREAU, DISTRICT}),
        ("stranger", Reach.subtree, {DISTRICT}),
        ("auditor", Reach.own, set()),  # works in no department
        ("auditor", Reach.subtree, set()),
    ],
)
def test_reach_of_cases(world: World, opened: Open, username: str, reach: Reach, seen: set[str]) -> None:
    assert set(opened(_with(world.scope(username), "cases", reach)).scalars(select(Case.applicant))) == seen


def test_reach_as_granted(world: World, opened: Open) -> None:
    seen = {
        "clerk": {MINE},
        "colleague": {MINE},
        "approver": {MINE},
        "outsider": {BUREAU},
        "stranger": {DISTRICT},
        "manager": {MINE, BUREAU},
        "auditor": {MINE, BUREAU, DISTRICT},
        "admin": {MINE, BUREAU, DISTRICT},
    }
    for username, applicants in seen.items():
        assert set(opened(world.scope(username)).scalars(select(Case.applicant))) == applicants


def test_reach_of_messages(database: Database, world: World, opened: Open) -> None:
    with database.session(everything("test"), write=True) as s:
        for username in ("clerk", "colleague", "manager"):
            _message(s, world.account(username), username)
    for username, seen in (("clerk", ["clerk"]), ("manager", ["manager"]), ("admin", []), ("outsider", [])):
        assert opened(world.scope(username)).scalars(select(Message.key)).all() == seen
    wider = _with(world.scope("clerk"), "messages", Reach.own)
    assert opened(wider).scalars(select(Message.key)).all() == ["clerk"]  # a message has no department
    everywhere = _with(world.scope("clerk"), "messages", Reach.all)
    assert len(opened(everywhere).scalars(select(Message.key)).all()) == 3
    message = opened().scalars(select(Message).where(Message.key == "clerk")).one()
    assert world.scope("clerk").covers("read", message)
    assert not world.scope("colleague").covers("read", message)
    with pytest.raises(Forbidden):
        world.scope("colleague").demand("read", message)
    nameless = dataclasses.replace(world.scope("clerk"), actor=None)
    assert not nameless.covers("read", message)
    assert opened(nameless).scalars(select(Message.key)).all() == []


def test_reach_of_departments(world: World, opened: Open) -> None:
    """A department belongs to itself and to its superior; the manager's branch begins at the government."""
    own = opened(_with(world.scope("manager"), "departments", Reach.own)).scalars(select(Department.short)).all()
    assert own == ["东审批"]
    below = opened(_with(world.scope("manager"), "departments", Reach.subtree)).scalars(select(Department.short)).all()
    assert sorted(below) == ["东卫健", "东审批", "东市监", "东政"]
    all_ = opened(_with(world.scope("manager"), "departments", Reach.all)).scalars(select(Department.short)).all()
    assert len(all_) == 7
    government = dataclasses.replace(
        world.scope("manager"), own=frozenset({world.id(Department, short="东政")}), subtree=frozenset()
    )
    named = opened(_with(government, "departments", Reach.own)).scalars(select(Department.short)).all()
    assert sorted(named) == ["东卫健", "东审批", "东市监", "东政"]


def test_the_branch_of_a_management_department_begins_at_its_government(world: World) -> None:
    manager, clerk = world.scope("manager"), world.scope("clerk")
    ids = {short: world.id(Department, short=short) for short in ("东政", "东审批", "东卫健", "东市监")}
    assert manager.own == {ids["东审批"]}
    assert manager.subtree == set(ids.values())
    assert (clerk.own, clerk.subtree) == ({ids["东卫健"]}, {ids["东卫健"]})


def test_covers_goes_by_the_row_and_the_verb(world: World, opened: Open) -> None:
    cases = {c.applicant: c for c in opened().scalars(select(Case))}
    clerk, manager = world.scope("clerk"), world.scope("manager")
    assert clerk.covers("accept", cases[MINE])
    assert not clerk.covers("accept", cases[BUREAU])
    assert not clerk.covers("refuse", cases[MINE])  # D11: no veto at the window
    assert manager.covers("show", cases[BUREAU])
    assert not manager.covers("show", cases[DISTRICT])
    assert not manager.covers("edit", cases[MINE])
    assert not ANONYMOUS.covers("show", cases[MINE])
    assert everything("test").covers("whatever", cases[DISTRICT])


# ---- what the listener can never see: proved by the code itself


def product_files() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith(("tests/", "benchmarks/", ".")):
            yield name, ast.parse(path.read_text(encoding="utf-8"))


BELOW_THE_SESSION = {
    "connection",
    "connect",
    "raw_connection",
    "cursor",
    "exec_driver_sql",
    "get_bind",
    "create_engine",
}
ALLOWED_BELOW = {
    # "connect": a session in a hurry, which is scoped like any other, over a connection of its own.
    "models/database.py": {"connect", "connection", "cursor", "exec_driver_sql", "create_engine"},
    "migrations/env.py": {"connect"},
    "migrations/tool.py": {"connect"},
    "jobs/setup.py": {"connect"},
    "views/pages.py": {"connect"},
    # Loads an empty database in one transaction; its sessions, all of them scoped, share one connection.
    "jobs/demo.py": {"begin"},
}


def _below(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            on_engine = isinstance(called, ast.Attribute) and getattr(called.value, "attr", "") in {"engine", "writing"}
            if name in BELOW_THE_SESSION or (name == "begin" and on_engine):
                found.add(name)
    return found


def test_nobody_reaches_below_the_session() -> None:
    """``session.connection().execute`` is a hole that no listener closes."""
    found = {name: below for name, tree in product_files() if (below := _below(tree))}
    found = {name: below for name, below in found.items() if not name.startswith("migrations/versions/")}
    assert found == ALLOWED_BELOW


def test_only_the_health_page_connects() -> None:
    tree = ast.parse((Path(ROOT) / "views/pages.py").read_text(encoding="utf-8"))
    users = [n.name for n in tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef) and "connect" in _below(n)]
    assert users == ["Health"]


def test_who_may_look_past_the_scope() -> None:
    def mentions(tree: ast.AST) -> bool:
        return any(
            (isinstance(n, ast.Name) and n.id == "UNSCOPED") or (isinstance(n, ast.Constant) and n.value == UNSCOPED)
            for n in ast.walk(tree)
        )

    assert [name for name, tree in product_files() if mentions(tree)] == [
        "models/change.py",
        "models/event.py",
        "models/scope.py",
        "views/history.py",
    ]


def test_every_registry_of_a_department_or_a_person_is_scoped() -> None:
    declared = {m for m in registries().values() if m.__admin__.departments or m.__admin__.owner}
    assert set(scoped_models()) == declared
