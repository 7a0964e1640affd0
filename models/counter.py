"""Numbers without gaps: one row for each department, kind and year, raised in the transaction that uses the number."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String, UniqueConstraint, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Table


class Counter(Table):
    __table_args__ = (UniqueConstraint("department_id", "kind", "year"),)

    department_id: Mapped[int] = mapped_column(ForeignKey("department.id"))
    kind: Mapped[str] = mapped_column(String(40))
    year: Mapped[int]
    value: Mapped[int]


def next_number(session: Session, department_id: int, kind: str, year: int) -> int:
    """The next number, from 1. Given back when the transaction rolls back, so none is ever missing.

    The UPDATE locks the row on PostgreSQL until the transaction ends; on SQLite there is one writer at a time.
    """
    mine = (Counter.department_id == department_id) & (Counter.kind == kind) & (Counter.year == year)
    raised = update(Counter).where(mine).values(value=Counter.value + 1).execution_options(synchronize_session=False)
    if session.execute(raised).rowcount == 0:  # type: ignore[attr-defined]
        try:
            with session.begin_nested():
                session.add(Counter(department_id=department_id, kind=kind, year=year, value=1))
                session.flush()
            return 1
        except IntegrityError:
            # Somebody else made the row between our two statements; now it is there to be raised.
            session.execute(raised)
    # Read by column: an instance in the identity map would still hold the value before the UPDATE.
    return session.execute(select(Counter.value).where(mine)).scalar_one()
