"""The record of signing in, and of failing to. What was typed as a name is never kept, since people type passwords
there: of a name that nobody has, a keyed hash tells only that it was the same one.

Attempts of ten minutes that have name, address and outcome in common are one row with a count: a hundred thousand of
them stay readable, and the table stays small. Not an Event for each: whoever attacks would write the record.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import Index, String, UniqueConstraint, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from models.account import Account
from models.base import Moment, Table, field, ref
from models.declare import Admin, Grant, Group, MenuGroup, Reach, Role
from rules.words import N_, LabelEnum, Told

WINDOW = timedelta(minutes=10)
# Where more rows than that belong to one window, all else is counted on one row for each outcome.
MOST_IN_WINDOW = 500


class Outcome(LabelEnum):
    SignedIn = "signed_in", N_("Signed in")
    Wrong = "wrong", N_("Wrong user name or password")
    Paused = "paused", N_("Not looked at: too many attempts")
    WrongCode = "wrong_code", N_("Wrong one-time code")
    WrongOld = "wrong_old", N_("Wrong present password")
    NoAccount = "no_account", N_("Unified sign-in without an account here")
    Refused = "refused", N_("Refused by the unified sign-in")


class Attempt(Table):
    __table_args__ = (UniqueConstraint("key"), Index("ix_attempt_account_id_last_at", "account_id", "last_at"))

    account_id: Mapped[int | None] = ref("ab_user.id", N_("User"), editable="never", index=False)
    outcome: Mapped[Outcome] = field(N_("Outcome"), editable="never")
    address: Mapped[str] = field(N_("Address"), String(45), editable="never")
    device: Mapped[str] = field(N_("Device"), String(60), editable="never")
    name: Mapped[str | None] = field(
        N_("Name, made unreadable"),
        String(16),
        editable="never",
        help=N_("The same letters stand for the same name that nobody has here; the name itself is not kept."),
    )
    count: Mapped[int] = field(N_("Attempts"), editable="never")
    first_at: Mapped[datetime] = field(N_("First"), Moment(), editable="never", index=True)
    last_at: Mapped[datetime] = field(N_("Last"), Moment(), editable="never", index=True)
    key: Mapped[str] = mapped_column(String(64), nullable=False)

    account: Mapped[Account | None] = relationship(lambda: Account)

    LABELS = {"told": N_("What happened")}  # noqa: RUF012

    @property
    def told(self) -> Told:
        return Told(N_("%(outcome)s (%(address)s)"), {"outcome": self.outcome, "address": self.address})

    __admin__ = Admin(
        name="sign-ins",
        title=N_("Record of sign-ins"),
        one=N_("Sign-in"),
        menu=MenuGroup.Mine,
        label="told",
        cells="told/device account_id/name count first_at last_at",
        filters="outcome account_id last_at",
        order="-last_at",
        owner="account_id",
        groups=(Group(N_("What happened"), "outcome account_id name address device count first_at last_at"),),
        grants=(
            Grant(Role.Administrator, "list show export", Reach.all),
            Grant(Role.Auditor, "list show export", Reach.all),
            *(Grant(role, "list show", Reach.mine) for role in Role if role not in (Role.Administrator, Role.Auditor)),
        ),
        weight=98,
    )


def note(
    s: Session,
    outcome: Outcome,
    *,
    account_id: int | None,
    name_hash: str | None,
    address: str,
    device: str,
    now: datetime,
) -> None:
    """One attempt more, on the row of its window. name_hash: of the typed name, for names that nobody has."""
    name = name_hash[:16] if name_hash and account_id is None else None
    found = _Where(account_id, name, outcome, address, device)
    if _count(s, found, now):
        return
    in_window = select(func.count()).select_from(Attempt).where(Attempt.first_at >= window(now))
    if (s.scalar(in_window) or 0) >= MOST_IN_WINDOW and outcome is not Outcome.SignedIn:
        found = _Where(None, None, outcome, "*", "")
        if _count(s, found, now):
            return
    try:
        with s.begin_nested():
            s.add(
                Attempt(
                    account_id=found.account_id,
                    outcome=outcome,
                    address=found.address,
                    device=found.device,
                    name=found.name,
                    count=1,
                    first_at=now,
                    last_at=now,
                    key=found.key(now),
                )
            )
            s.flush()
    except IntegrityError:  # another process was first
        _count(s, found, now)


class _Where:
    """What attempts on one row have in common, besides the ten minutes."""

    def __init__(self, account_id: int | None, name: str | None, outcome: Outcome, address: str, device: str) -> None:
        self.account_id, self.name, self.outcome = account_id, name, outcome
        self.address, self.device = address[:45], device[:60]

    def key(self, now: datetime) -> str:
        # What the browser calls itself tells apart who came in; who did not might call itself a new name each time.
        device = self.device if self.outcome is Outcome.SignedIn else ""
        parts = (self.account_id, self.name, self.outcome.value, self.address, device, window(now).isoformat())
        return hashlib.sha256(repr(parts).encode()).hexdigest()


def window(now: datetime) -> datetime:
    """When the ten minutes began to which *now* belongs."""
    return now - timedelta(seconds=now.timestamp() % WINDOW.total_seconds())


def _count(s: Session, found: _Where, now: datetime) -> bool:
    result = s.execute(
        update(Attempt)
        .where(Attempt.key == found.key(now))
        .values(count=Attempt.count + 1, last_at=now)
        .execution_options(synchronize_session=False)
    )
    return bool(result.rowcount == 1)  # type: ignore[attr-defined]


def purge(s: Session, now: datetime, days: int) -> int:
    """Remove what is older than *days*; returns how many."""
    long_ago = now - timedelta(days=days)
    return int(s.execute(delete(Attempt).where(Attempt.last_at < long_ago)).rowcount)  # type: ignore[attr-defined]
