"""The inbox: what a person must know, kept as message id and values and read in the reader's own language."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, relationship

from models.account import Account
from models.base import Moment, Row, field, ref
from models.declare import Admin, Block, Desk, Grant, Group, MenuGroup, Reach, Role
from models.scope import ScopedSession
from models.write import save
from rules.lifecycle import Lifecycle, Move
from rules.words import N_, LabelEnum, Told


class MessageState(LabelEnum):
    Unread = "unread", N_("Unread")
    Read = "read", N_("Read")


class Message(Row):
    __table_args__ = (
        UniqueConstraint("key"),
        Index("ix_message_recipient_id_state", "recipient_id", "state"),
    )

    recipient_id: Mapped[int] = ref("ab_user.id", N_("To"), editable="never", index=False)
    text: Mapped[str] = field(N_("Message"), String(300), editable="never")
    params: Mapped[dict[str, Any]] = field(N_("Values"), editable="never")
    subject_type: Mapped[str] = field(N_("Registry"), String(40), editable="never")
    subject_id: Mapped[int] = field(N_("Row"), BigInteger(), editable="never")
    state: Mapped[MessageState] = field(N_("State"), editable="never", default=MessageState.Unread)
    sent_at: Mapped[datetime] = field(N_("Sent at"), Moment(), editable="never")
    read_at: Mapped[datetime | None] = field(N_("Read at"), Moment(), editable="never")
    key: Mapped[str] = field(N_("Key"), String(200), editable="never")

    LABELS = {"told": N_("Message")}  # noqa: RUF012

    @property
    def told(self) -> Told:
        return Told(self.text, self.params)

    recipient: Mapped[Account] = relationship(lambda: Account, foreign_keys=lambda: [Message.recipient_id])


def send(s: ScopedSession, key: str, reader: int, told: Told, subject: tuple[str, int], now: datetime) -> None:
    """Put *told* into the inbox of *reader*. subject: (registry, id) of the row that it leads to.

    One for each *key*: where it stands there, an attempt killed after its commit has told it already.
    Raises RuntimeError where a rule refuses it.
    """
    values = {
        "recipient_id": reader,
        "text": told.message,
        "params": dict(told.params),
        "subject_type": subject[0],
        "subject_id": subject[1],
        "state": MessageState.Unread,
        "sent_at": now,
        "key": key,
    }
    problems = save(s, Message(), values, now=now)
    if any(p.code != "duplicate" for p in problems.errors):
        raise RuntimeError(f"message {key}: {problems}")


def _read(row: Any, given: Mapping[str, Any], now: datetime) -> Mapping[str, Any]:
    return {"read_at": now}


LIFE = Lifecycle(
    states=MessageState,
    initial=MessageState.Unread,
    tones={MessageState.Unread: "warn"},
    moves=(Move("read", N_("Mark as read"), (MessageState.Unread,), MessageState.Read, sets=_read, tone="main"),),
)

_OWN = "list show read"

Message.__admin__ = Admin(
    name="messages",
    title=N_("Messages"),
    one=N_("Message"),
    menu=MenuGroup.Today,
    label="told",
    cells="told/subject_type state sent_at",
    filters="state sent_at",
    order="-id",
    owner="recipient_id",
    life=LIFE,
    desk=Desk(blocks=(Block(N_("Reminders"), "state=unread", "-sent_at", N_("No reminders."), aside=True),)),
    badge="state=unread",
    groups=(Group(N_("Message"), "state sent_at read_at"),),
    grants=tuple(Grant(role, _OWN, Reach.mine) for role in Role),
    weight=20,
)
