"""Which row an ``Idempotency-Key`` of REST made: a request that is sent again makes no second one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, String, UniqueConstraint, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Moment, Table

KEPT = timedelta(days=7)
# No row has this id: the key is claimed and its row is not made yet, which only the claiming transaction can see.
NO_ROW = 0


class Replay(Table):
    """Written in the transaction that makes the row, so that it is there exactly when the row is."""

    __table_args__ = (UniqueConstraint("account_id", "key"),)

    account_id: Mapped[int] = mapped_column(BigInteger, nullable=False)
    key: Mapped[str] = mapped_column(String(200), nullable=False)
    subject_type: Mapped[str] = mapped_column(String(40), nullable=False)
    fingerprint: Mapped[str] = mapped_column(String(64), nullable=False)
    subject_id: Mapped[int] = mapped_column(BigInteger, nullable=False)
    at: Mapped[datetime] = mapped_column(Moment, nullable=False, index=True)


def fingerprint(given: Mapping[str, Any]) -> str:
    """The same for what means the same: neither the order of names nor blanks between them count."""
    text = json.dumps(given, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def claim(
    session: Session, account_id: int, key: str, subject_type: str, given: Mapping[str, Any], now: datetime
) -> Replay:
    """The Replay of *key*: an earlier one, or a new one, whose ``subject_id`` the caller sets before it commits.

    Claimed before anything else is written: of two requests at the same moment the second waits here until the first
    has ended, and then finds what that one made, or takes its place.
    """
    if earlier := _find(session, account_id, key):
        return earlier
    claimed = Replay(
        account_id=account_id,
        key=key,
        subject_type=subject_type,
        fingerprint=fingerprint(given),
        subject_id=NO_ROW,
        at=now,
    )
    try:
        with session.begin_nested():
            session.add(claimed)
            session.flush()
    except IntegrityError:
        if earlier := _find(session, account_id, key):
            return earlier
        raise
    return claimed


def _find(session: Session, account_id: int, key: str) -> Replay | None:
    return session.scalars(select(Replay).where(Replay.account_id == account_id, Replay.key == key)).one_or_none()


def purge(session: Session, now: datetime) -> int:
    """Forget keys older than a week; returns how many. The caller commits."""
    result = session.execute(delete(Replay).where(Replay.at < now - KEPT))
    return int(result.rowcount)  # type: ignore[attr-defined]
