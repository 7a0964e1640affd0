"""Who is signed in where. A browser's cookie carries a random number alone; it is good for as long as its row lives.

Made and ended by the named functions here and by the move ``end``. That somebody signed in is told by the registry
``sign-ins``, so the making of a row is no Event of its own; its end is.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Index, String, UniqueConstraint, delete, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from models.account import Account
from models.base import Moment, Row, field, ref
from models.declare import Admin, Grant, Group, MenuGroup, Reach, Role
from models.event import EventKind, record
from models.scope import ScopedSession, door
from models.write import stamp as stamp_row
from rules.keys import fingerprint
from rules.lifecycle import Lifecycle, Move
from rules.words import N_, LabelEnum

# When it was last seen is noted at most this often: a morning of clicking writes some rows, not thousands.
NOTED_EVERY = timedelta(minutes=5)
# Ended ones are still shown for so long.
SHOWN = timedelta(days=7)


class SessionState(LabelEnum):
    Active = "active", N_("Signed in")
    Ended = "ended", N_("Ended")


class SignedInBy(LabelEnum):
    Password = "password", N_("Password")
    Factor = "factor", N_("Password and one-time code")
    Provider = "provider", N_("Unified sign-in")
    Program = "program", N_("Password, by a program")


class SignedIn(Row):
    __tablename__ = "signed_in"
    __table_args__ = (
        UniqueConstraint("secret_hash"),
        Index("ix_signed_in_owner_id_state", "owner_id", "state"),
    )

    owner_id: Mapped[int] = ref("ab_user.id", N_("User"), editable="never", index=False)
    device: Mapped[str] = field(N_("Device"), String(60), editable="never")
    address: Mapped[str] = field(N_("Address"), String(45), editable="never")
    how: Mapped[SignedInBy] = field(N_("How signed in"), editable="never", default=SignedInBy.Password)
    signed_in_at: Mapped[datetime] = field(N_("Signed in at"), Moment(), editable="never")
    last_seen_at: Mapped[datetime] = field(N_("Last seen"), Moment(), editable="never")
    ends_at: Mapped[datetime] = field(N_("Ends at"), Moment(), editable="never", index=True)
    state: Mapped[SessionState] = field(N_("State"), editable="never", default=SessionState.Active)
    secret_hash: Mapped[str] = mapped_column(String(64), nullable=False)
    # Of the password it was made with (Person.stamp): with another one it is over, whoever changed it and how.
    stamp: Mapped[str] = mapped_column(String(16), nullable=False)

    owner: Mapped[Account] = relationship(lambda: Account, foreign_keys=lambda: [SignedIn.owner_id])


def living(secret_hash: Any, now: Any, idle_since: Any) -> ColumnElement[bool]:
    """The condition for the session with that hash to be good: not ended, neither too old nor too long unseen."""
    found: ColumnElement[bool] = (
        (SignedIn.secret_hash == secret_hash)
        & (SignedIn.state == SessionState.Active)
        & (SignedIn.ends_at > now)
        & (SignedIn.last_seen_at > idle_since)
    )
    return found


def begin(
    s: ScopedSession,
    account_id: int,
    *,
    stamp: str,
    how: SignedInBy,
    address: str,
    device: str,
    now: datetime,
    hours: int,
) -> tuple[SignedIn, str]:
    """A new session and the secret that the cookie will carry; never an earlier one taken over."""
    secret = secrets.token_urlsafe(32)
    row = SignedIn(
        owner_id=account_id,
        device=device,
        address=address,
        how=how,
        signed_in_at=now,
        last_seen_at=now,
        ends_at=now + timedelta(hours=hours),
        state=SessionState.Active,
        secret_hash=fingerprint(secret),
        stamp=stamp,
    )
    stamp_row(s, row, now)
    with door(s, row):
        s.add(row)
        s.flush()
    return row, secret


def end_all(s: ScopedSession, account_id: int, now: datetime, *, but: int | None = None) -> int:
    """End every session of the account, but for one of them; returns how many. Each is an Event."""
    mine = select(SignedIn).where(SignedIn.owner_id == account_id, SignedIn.state == SessionState.Active)
    rows = [*s.scalars(mine if but is None else mine.where(SignedIn.id != but))]
    for row in rows:
        with door(s, row):
            row.state = SessionState.Ended
            stamp_row(s, row, now)
            s.flush()
            changes = {"state": (SessionState.Active, SessionState.Ended)}
            record(s, row, EventKind.Moved, now, action="end", changes=changes)
    return len(rows)


def end(s: ScopedSession, session_id: int, account_id: int, now: datetime) -> None:
    """Sign out."""
    row = s.get(SignedIn, session_id)
    if row is not None and row.owner_id == account_id and row.state is SessionState.Active:
        with door(s, row):
            row.state = SessionState.Ended
            stamp_row(s, row, now)


def renew(s: Session, session_id: int, stamp: str) -> None:
    """This one goes on with a new password."""
    s.execute(update(SignedIn).where(SignedIn.id == session_id).values(stamp=stamp))


def note_seen(s: Session, session_id: int, now: datetime) -> None:
    """When it was last seen, without a new version of the row: looking at pages edits nothing."""
    stale = SignedIn.last_seen_at < now - NOTED_EVERY
    s.execute(update(SignedIn).where(SignedIn.id == session_id, stale).values(last_seen_at=now))


def purge(s: Session, now: datetime) -> int:
    """Remove sessions that have been over for a week; returns how many."""
    long_ago = now - SHOWN
    over = or_(SignedIn.ends_at < long_ago, (SignedIn.state == SessionState.Ended) & (SignedIn.changed_at < long_ago))
    return int(s.execute(delete(SignedIn).where(over)).rowcount)  # type: ignore[attr-defined]


SignedIn.__admin__ = Admin(
    name="sessions",
    title=N_("Sessions"),
    one=N_("Session"),
    menu=MenuGroup.Mine,
    label="device",
    cells="device/address owner_id signed_in_at/how last_seen_at ends_at state",
    filters="state signed_in_at",
    order="-id",
    owner="owner_id",
    life=Lifecycle(
        states=SessionState,
        initial=SessionState.Active,
        tones={SessionState.Active: "ok"},
        moves=(
            Move(
                "end",
                N_("End"),
                (SessionState.Active,),
                SessionState.Ended,
                confirm=N_("Whoever works there must sign in again; what was not saved there is lost."),
                tone="bad",
            ),
        ),
    ),
    groups=(Group(N_("Basics"), "owner_id device address how signed_in_at last_seen_at ends_at state"),),
    grants=(
        Grant(Role.Administrator, "list show end", Reach.all),
        *(Grant(role, "list show end", Reach.mine) for role in Role if role is not Role.Administrator),
    ),
    weight=97,
)
