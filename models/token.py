"""Tokens for REST: a person's own, never wider than that person, with an end, stored as a hash alone."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import String, UniqueConstraint, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from models.account import Account
from models.base import Moment, Row, field, ref
from models.declare import READING, RIGHTS, Action, Admin, Grant, Group, MenuGroup, Reach, Role
from models.scope import Scope
from rules.keys import fingerprint
from rules.lifecycle import Lifecycle, Move
from rules.words import N_, LabelEnum, Problem, RuleError

PREFIX = "yz_"
LONGEST_LIFE = timedelta(days=366)
# A use is noted at most this often: a client that reads a thousand pages writes one row once.
NOTED_EVERY = timedelta(minutes=10)
# Who signs in, and by what, is no program's business, whatever its owner may do: a token found by a stranger must not
# make another one, nor a right or an account that outlives it.
HANDS_OFF: Mapping[str, tuple[str, ...]] = {"tokens": (), "sessions": (), **dict.fromkeys(RIGHTS, READING)}


class TokenAccess(LabelEnum):
    Read = "read", N_("Read only")
    Full = "full", N_("Everything its owner may do")


class TokenState(LabelEnum):
    Active = "active", N_("Active")
    Revoked = "revoked", N_("Revoked")


def _registries() -> Iterator[tuple[str, str]]:
    """What a token may be limited to."""
    from models import registries

    return ((name, model.__admin__.title) for name, model in registries().items())


class Token(Row):
    __table_args__ = (UniqueConstraint("owner_id", "name"), UniqueConstraint("secret_hash"))

    owner_id: Mapped[int] = ref("ab_user.id", N_("Owner"), editable="never", index=False)
    name: Mapped[str] = field(N_("Name"), String(80), help=N_("What it is for: the program or the machine."))
    access: Mapped[TokenAccess] = field(N_("Access"), default=TokenAccess.Read)
    registries: Mapped[str | None] = field(
        N_("Only these registries"),
        String(400),
        help=N_("None ticked: all that you may use yourself."),
        words=_registries,
    )
    expires_at: Mapped[datetime] = field(N_("Valid until"), Moment(), begins=timedelta(days=90))
    start: Mapped[str | None] = field(N_("Begins with"), String(12), editable="never")
    secret_hash: Mapped[str | None] = mapped_column(String(64))
    last_used_at: Mapped[datetime | None] = field(N_("Last used"), Moment(), editable="never")
    state: Mapped[TokenState] = field(N_("State"), editable="never", default=TokenState.Active)

    owner: Mapped[Account] = relationship(lambda: Account, foreign_keys=lambda: [Token.owner_id])

    @staticmethod
    def check(row: Any, now: datetime) -> Iterable[Problem]:
        if row.expires_at <= now:
            yield Problem("expires_at", "past", N_("This lies in the past."))
        elif row.expires_at > now + LONGEST_LIFE:
            yield Problem("expires_at", "too_long", N_("At most one year from now."))

    @staticmethod
    def derive(session: Any, row: Any, actor: int | None, now: datetime) -> Iterable[Problem]:
        from models import registries

        row.owner_id = row.owner_id or actor
        for name in (row.registries or "").split():
            if name not in registries():
                message = N_("“%(value)s” is not in the list.")
                yield Problem("registries", "not_in_list", message, {"value": name[:60]})


def _issue(session: Any, row: Any, given: Mapping[str, Any], now: datetime) -> str:
    """Make the secret, in place of an earlier one; it is shown this once."""
    if row.state is not TokenState.Active:
        raise RuleError.one(None, "revoked", N_("This token is revoked. Please make a new one."))
    secret = PREFIX + secrets.token_urlsafe(32)
    row.start, row.secret_hash = secret[:10], fingerprint(secret)
    return secret


def living(s: Session, secret: str, now: datetime) -> Token | None:
    """The token with that secret, if it may be used at this moment; whether its owner may sign in is not asked here."""
    return s.scalars(
        select(Token).where(
            Token.secret_hash == fingerprint(secret), Token.state == TokenState.Active, Token.expires_at > now
        )
    ).one_or_none()


def scope_for(token: Token, owner: Scope) -> Scope:
    """The owner's scope as far as *token* lets a program use it."""
    return owner.narrowed(
        verbs=READING if token.access is TokenAccess.Read else None,
        registries=token.registries.split() if token.registries else None,
        only=HANDS_OFF,
    )


def is_to_note(token: Token, now: datetime) -> bool:
    return token.last_used_at is None or token.last_used_at < now - NOTED_EVERY


def note_use(s: Session, token_id: int, now: datetime) -> None:
    """When it was used last, without a new version of the row: using a token edits nothing."""
    stale = or_(Token.last_used_at.is_(None), Token.last_used_at < now - NOTED_EVERY)
    s.execute(update(Token).where(Token.id == token_id, stale).values(last_used_at=now))


Token.__admin__ = Admin(
    name="tokens",
    title=N_("REST tokens"),
    one=N_("Token"),
    menu=MenuGroup.Mine,
    cells="name/start access registries state expires_at last_used_at",
    search="name",
    filters="state access expires_at",
    order="-id",
    owner="owner_id",
    natural_key=("owner_id", "name"),
    life=Lifecycle(
        states=TokenState,
        initial=TokenState.Active,
        open_in=(TokenState.Active,),
        tones={TokenState.Active: "ok", TokenState.Revoked: "bad"},
        moves=(
            Move(
                "revoke",
                N_("Revoke"),
                (TokenState.Active,),
                TokenState.Revoked,
                sets=lambda row, given, now: {},
                confirm=N_("Programs that use it are refused from now on."),
                tone="bad",
            ),
        ),
    ),
    groups=(Group(N_("Basics"), "name access registries expires_at state start last_used_at"),),
    check=Token.check,
    derive=Token.derive,
    actions=(
        Action(
            "issue",
            N_("Make the secret"),
            _issue,
            confirm=N_("It is shown only this once; an earlier one stops working."),
            tone="main",
            when=lambda row: row.state is TokenState.Active,
        ),
    ),
    grants=tuple(Grant(role, "list show add edit revoke issue", Reach.mine) for role in Role),
    weight=96,
)
