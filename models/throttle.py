"""Failed attempts to sign in, counted in the database because several processes let people in.

An attempt is counted before it is looked at, by a statement that takes effect only where nobody counted one meanwhile:
of a hundred attempts at the same moment no more go through than one after another would. One that turns out right is
taken back. While a pause lasts nothing is counted, so waiting for it is always the end of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Integer, String, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Moment, Table
from models.database import Database
from models.scope import everything
from rules import throttle
from rules.throttle import Limit, Tally

# Whoever is overtaken so often stands among a great many at once, and may wait.
TRIES = 6
CROWDED = timedelta(seconds=1)


class Throttle(Table):
    """key: keyed hash of what is counted (a name, a device, an address): the table names nobody."""

    key: Mapped[str] = mapped_column(String(64), nullable=False, unique=True)
    serial: Mapped[int] = mapped_column(Integer, nullable=False)
    empty_at: Mapped[datetime] = mapped_column(Moment, nullable=False, index=True)
    last_at: Mapped[datetime] = mapped_column(Moment, nullable=False)


@dataclass(frozen=True)
class Counter:
    key: str
    limit: Limit


@dataclass(frozen=True)
class Pause:
    """Until when nothing is looked at, and which limits say so."""

    until: datetime
    limits: tuple[Limit, ...] = ()


def claim(database: Database, counters: Sequence[Counter], now: datetime) -> Pause | None:
    """Count one attempt on each of *counters*; or, where one of them pauses, on none: then for how long."""
    with database.session(everything("sign-in")) as s:  # who must wait anyway waits without holding anybody up
        pause = _pause(_tallies(s, counters), counters, now)
    for _ in range(TRIES):
        if pause is not None:
            return pause
        with database.session(everything("sign-in"), write=True) as s:
            found = _tallies(s, counters)
            pause = _pause(found, counters, now)
            if pause is None:
                if all(_count(s, one, found.get(one.key), now) for one in counters):
                    return None
                s.rollback()  # overtaken: look again at how it stands now
    return pause or Pause(now + CROWDED)


def _tallies(s: Session, counters: Sequence[Counter]) -> dict[str, tuple[int, Tally]]:
    keys = [one.key for one in counters]
    rows = s.execute(
        select(Throttle.key, Throttle.serial, Throttle.empty_at, Throttle.last_at).where(Throttle.key.in_(keys))
    )
    return {key: (serial, Tally(empty_at, last_at)) for key, serial, empty_at, last_at in rows}


def _pause(found: dict[str, tuple[int, Tally]], counters: Sequence[Counter], now: datetime) -> Pause | None:
    waits: dict[Limit, datetime] = {}
    for one in counters:
        if one.key in found:
            tally = found[one.key][1]
            count = throttle.failures(one.limit, tally, now)
            if (until := throttle.wait_until(one.limit, count, tally.last, now)) is not None:
                waits[one.limit] = until
    return Pause(max(waits.values()), tuple(waits)) if waits else None


def _count(s: Session, one: Counter, seen: tuple[int, Tally] | None, now: datetime) -> bool:
    """One more, unless somebody else counted since *seen*."""
    tally = throttle.one_more(one.limit, seen[1] if seen else None, now)
    if seen is not None:
        return _replace(s, one.key, seen[0], tally)
    try:
        with s.begin_nested():
            s.add(Throttle(key=one.key, serial=1, empty_at=tally.empty_at, last_at=tally.last))
            s.flush()
    except IntegrityError:
        return False
    return True


def _replace(s: Session, key: str, serial: int, tally: Tally) -> bool:
    result = s.execute(
        update(Throttle)
        .where(Throttle.key == key, Throttle.serial == serial)
        .values(serial=serial + 1, empty_at=tally.empty_at, last_at=tally.last)
        .execution_options(synchronize_session=False)
    )
    return bool(result.rowcount == 1)  # type: ignore[attr-defined]


def forget(s: Session, key: str) -> None:
    """The right person came: nothing that was counted under *key* counts any more."""
    s.execute(delete(Throttle).where(Throttle.key == key).execution_options(synchronize_session=False))


def take_back(s: Session, one: Counter) -> None:
    """This attempt was none, and says nothing about the others counted there: many people share an address."""
    for _ in range(TRIES):
        seen = _tallies(s, [one]).get(one.key)
        if seen is None or _replace(s, one.key, seen[0], throttle.one_less(one.limit, seen[1])):
            return


def purge(s: Session, now: datetime) -> int:
    """Remove what has been forgotten; returns how many."""
    return int(s.execute(delete(Throttle).where(Throttle.empty_at < now)).rowcount)  # type: ignore[attr-defined]
