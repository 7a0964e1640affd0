"""The second factor of a person: a secret shared with an app on a phone, and codes for the day the phone is lost.

The secret is encrypted with a key derived from SECRET_KEY, so that a copy of the database alone makes no codes;
recovery codes are random enough to be kept as plain hashes, and work even where SECRET_KEY was changed.
"""

from __future__ import annotations

import base64
import logging
from datetime import datetime

from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import BigInteger, ForeignKey, String, UniqueConstraint, delete, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.account import Account
from models.base import Moment, Table
from models.event import EventKind, record
from models.scope import ScopedSession, door
from rules import totp
from rules.keys import derive, fingerprint

log = logging.getLogger(__name__)


class SecondFactor(Table):
    __table_args__ = (UniqueConstraint("account_id"),)

    account_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"), nullable=False)
    secret: Mapped[str] = mapped_column(String(255), nullable=False)
    # The half minute of the last code that was used: no code is good twice.
    last_step: Mapped[int] = mapped_column(BigInteger, nullable=False)
    since: Mapped[datetime] = mapped_column(Moment, nullable=False)


class RecoveryCode(Table):
    __table_args__ = (UniqueConstraint("account_id", "code_hash"),)

    account_id: Mapped[int] = mapped_column(ForeignKey("ab_user.id", ondelete="CASCADE"), nullable=False)
    code_hash: Mapped[str] = mapped_column(String(64), nullable=False)
    used_at: Mapped[datetime | None] = mapped_column(Moment)


def _box(secret_key: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(derive(secret_key, "second factor")))


def sealed(secret: str, secret_key: str) -> str:
    return _box(secret_key).encrypt(secret.encode()).decode()


def opened(token: str, secret_key: str) -> str | None:
    """The secret, or None for what was sealed with another key."""
    try:
        return _box(secret_key).decrypt(token.encode()).decode()
    except InvalidToken:
        log.warning("a second factor cannot be read: was SECRET_KEY changed?")
        return None


def find(s: Session, account_id: int) -> SecondFactor | None:
    return s.scalars(select(SecondFactor).where(SecondFactor.account_id == account_id)).one_or_none()


def codes_left(s: Session, account_id: int) -> int:
    unused = (RecoveryCode.account_id == account_id) & RecoveryCode.used_at.is_(None)
    return int(s.scalar(select(func.count()).select_from(RecoveryCode).where(unused)) or 0)


def accepts(s: Session, account_id: int, typed: str, secret_key: str, now: datetime) -> bool:
    """Is this a code of that person that has not been used? It is used from now on; of two at once one is right."""
    code = totp.plain(typed)
    factor = find(s, account_id)
    if factor is None:
        return False
    secret = opened(factor.secret, secret_key) if len(code) == totp.DIGITS else None
    step = totp.matching_step(secret, code, now, factor.last_step) if secret else None
    if step is not None:
        newer = (SecondFactor.account_id == account_id) & (SecondFactor.last_step < step)
        result = s.execute(update(SecondFactor).where(newer).values(last_step=step))
    else:
        unused = (RecoveryCode.account_id == account_id) & (RecoveryCode.code_hash == fingerprint(code))
        unused &= RecoveryCode.used_at.is_(None)
        result = s.execute(update(RecoveryCode).where(unused).values(used_at=now))
    return bool(result.rowcount == 1)  # type: ignore[attr-defined]


def switch_on(s: ScopedSession, account: Account, secret: str, step: int, secret_key: str, now: datetime) -> list[str]:
    """From now on a code is asked; returns the recovery codes, which are shown this once. An Event on the account."""
    remove(s, account.id)
    s.add(SecondFactor(account_id=account.id, secret=sealed(secret, secret_key), last_step=step, since=now))
    codes = new_codes(s, account.id)
    _told(s, account, "second_factor_on", now)
    return codes


def new_codes(s: Session, account_id: int) -> list[str]:
    """Ten recovery codes in place of the earlier ones."""
    s.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account_id))
    codes = [totp.new_recovery_code() for _ in range(totp.RECOVERY_CODES)]
    s.add_all(RecoveryCode(account_id=account_id, code_hash=fingerprint(totp.plain(code))) for code in codes)
    s.flush()
    return codes


def renew_codes(s: ScopedSession, account: Account, now: datetime) -> list[str]:
    codes = new_codes(s, account.id)
    _told(s, account, "recovery_codes", now)
    return codes


def switch_off(s: ScopedSession, account: Account, now: datetime) -> None:
    remove(s, account.id)
    _told(s, account, "second_factor_off", now)


def remove(s: Session, account_id: int) -> bool:
    """No code is asked any more; whether there was one."""
    s.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account_id))
    result = s.execute(delete(SecondFactor).where(SecondFactor.account_id == account_id))
    return bool(result.rowcount)  # type: ignore[attr-defined]


def _told(s: ScopedSession, account: Account, action: str, now: datetime) -> None:
    with door(s):
        record(s, account, EventKind.Done, now, action=action)
