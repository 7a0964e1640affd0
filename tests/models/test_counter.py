"""Numbers without gaps, moments with a zone, ids that never come back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from sqlalchemy import select

from models.base import Base, Table
from models.case import Case
from models.counter import Counter, next_number
from models.database import Database
from models.department import Department
from models.item import Item
from models.legal_basis import LegalBasis
from models.scope import ScopedSession, everything
from models.write import remove
from tests.world import NOW, World, put

Open = Callable[..., ScopedSession]


def take(database: Database, kind: str, *, department: int = 4, keep: bool = True) -> int:
    with database.session(everything("test"), write=True) as s:
        number = next_number(s, department, kind, 2026)
        if not keep:
            s.rollback()
        return number


def test_numbers_run_from_one(database: Database) -> None:
    assert [take(database, "letter") for _ in range(4)] == [1, 2, 3, 4]


def test_each_department_kind_and_year_has_its_own(database: Database) -> None:
    assert take(database, "letter") == take(database, "other") == take(database, "letter", department=5) == 1
    with database.session(everything("test"), write=True) as s:
        assert (next_number(s, 4, "letter", 2027), next_number(s, 4, "letter", 2026)) == (1, 2)


def test_a_number_of_a_transaction_rolled_back_is_given_again(database: Database) -> None:
    assert [take(database, "a", keep=False), take(database, "a", keep=False), take(database, "a")] == [1, 1, 1]
    assert [take(database, "a", keep=False), take(database, "a")] == [2, 2]


def test_several_numbers_in_one_transaction(opened: Open) -> None:
    s = opened(write=True)
    assert [next_number(s, 4, "b", 2026) for _ in range(3)] == [1, 2, 3]
    with s.begin_nested() as inner:
        assert next_number(s, 4, "b", 2026) == 4
        inner.rollback()
    assert next_number(s, 4, "b", 2026) == 4
    assert s.scalars(select(Counter.value).where(Counter.kind == "b")).all() == [4]


def test_twice_twenty_threads_leave_no_gap(database: Database) -> None:
    """Every third thread gives its number back; two kinds, so that the counters do not disturb each other."""
    together = threading.Barrier(40)
    given: dict[str, list[int]] = {"x": [], "y": []}
    errors: list[BaseException] = []

    def work(kind: str, number: int) -> None:
        try:
            together.wait(60)
            keep = number % 3 != 0
            found = take(database, kind, keep=keep)
            if keep:
                given[kind].append(found)
        except BaseException as error:  # noqa: BLE001 - shown by the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(kind, n)) for n in range(20) for kind in given]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert errors == []
    for numbers in given.values():
        assert sorted(numbers) == list(range(1, 14))  # 20 less those of 0, 3, 6, 9, 12, 15 and 18
    with database.session(everything("test")) as s:
        assert set(s.scalars(select(Counter.value).where(Counter.kind.in_(given)))) == {13}


def test_numbers_of_cases_follow_each_other(opened: Open) -> None:
    assert set(opened().scalars(select(Case.number))) == {
        f"{short} 2026-000001" for short in ("东卫健", "东市监", "西卫健")
    }


# ---- moments


def test_a_naive_moment_is_refused(opened: Open) -> None:
    s = opened(write=True)
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(sa.exc.StatementError, match="time zone"):
        s.execute(sa.update(Case).values(received_at=naive))
    with pytest.raises(sa.exc.StatementError, match="time zone"):
        s.scalars(select(Case).where(Case.received_at > naive)).all()


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=8)), timezone(timedelta(hours=-9, minutes=-30))])
def test_a_moment_comes_back_in_utc(opened: Open, world: World, zone: timezone) -> None:
    moment = datetime(2026, 3, 8, 2, 30, 1, 234567, tzinfo=zone)
    s = opened(write=True)
    s.execute(sa.update(Case).values(received_at=moment))
    s.commit()
    s.expire_all()
    for case in s.scalars(select(Case)):
        assert case.received_at == moment
        assert case.received_at.utcoffset() == timedelta(0)
    assert len(s.scalars(select(Case).where(Case.received_at == moment)).all()) == 3
    assert s.scalars(select(Case).where(Case.received_at < moment)).all() == []


# ---- ids


def test_an_id_is_never_given_twice(database: Database, world: World) -> None:
    """Events refer to ids for ever: a new row must not inherit the record of a deleted one."""
    ids = []
    for number in range(3):
        with database.session(everything("test"), write=True) as s:
            basis = put(s, LegalBasis(), title="《测试》", article=str(number))
            ids.append(basis.id)
            assert remove(s, basis, now=NOW) == []
    assert len(set(ids)) == 3


def test_every_table_of_ours_has_such_ids(database: Database) -> None:
    ours = [m.local_table for m in Base.registry.mappers if issubclass(m.class_, Table)]
    assert {Case.__table__, Item.__table__, Department.__table__, Counter.__table__} <= set(ours)
    with database.engine.connect() as connection:
        for table in ours:
            if database.is_sqlite:
                made = "SELECT sql FROM sqlite_master WHERE name = :name"
                assert "AUTOINCREMENT" in connection.scalar(sa.text(made), {"name": table.name}), table.name
            else:
                kind = (
                    "SELECT data_type FROM information_schema.columns WHERE table_name = :name AND column_name = 'id'"
                )
                assert connection.scalar(sa.text(kind), {"name": table.name}) == "bigint", table.name
