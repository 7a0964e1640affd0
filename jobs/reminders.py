"""Reminders: a message in the inbox of whoever has a row in hand, exactly one for each cause."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import or_, select

from jobs.means import Means
from models import registries
from models.access import person_scope
from models.declare import RIGHTS, Admin, MenuGroup
from models.delegation import deputies
from models.message import Message, MessageState, send
from models.outbox import Outbox, OutboxState, close, reminder_key
from models.scope import Scope, ScopedSession, everything
from models.workflow import move
from rules.words import LabelEnum, Told


def remind(means: Means, outbox_id: int, now: datetime) -> None:
    """Tell the reminder that one outbox row asks for (``remind.notice``: its registry's ``Reminder`` of that name).

    Nothing is told where the row is gone, has left the states the reminder is for, or is in nobody's hands.
    """
    with means.database.session(everything("reminders"), write=True) as s:
        row = s.get_one(Outbox, outbox_id)
        model = registries()[row.subject_type]
        admin: Admin = model.__admin__
        reminder = {r.name: r for r in admin.reminders}[row.kind.partition(".")[2]]
        subject = s.get(model, row.subject_id)
        to = getattr(subject, reminder.to) if subject is not None else None
        state = getattr(subject, admin.life.field) if admin.life is not None and subject is not None else None
        if to is None or (reminder.states and state not in reminder.states):
            close(row, OutboxState.Dropped)
            return
        told = Told(reminder.text, {name: plain(value) for name, value in reminder.says(subject).items()})
        for person in Readers(s, now).of(subject, to):
            key = row.key if person == to else f"{row.key}:{person}"
            send(s, key, person, told, (row.subject_type, row.subject_id), now)
        close(row, OutboxState.Done)


class Readers:
    """Who is told of a row that is in somebody's hands: that person and, because a limit does not wait, whoever stands
    in; each only what they may see."""

    def __init__(self, s: ScopedSession, now: datetime) -> None:
        self.s, self.now = s, now
        self._standing_in: dict[int, list[int]] = {}
        self._scopes: dict[int, Scope | None] = {}

    def of(self, row: Any, person: int) -> list[int]:
        admin: Admin = type(row).__admin__
        if admin.name in RIGHTS or admin.menu is MenuGroup.Mine:
            return [person]  # what says who may do what is told to whom it concerns, and not lent
        if person not in self._standing_in:
            self._standing_in[person] = deputies(self.s, person, self.now)
        return [one for one in (person, *self._standing_in[person]) if self._sees(one, row)]

    def _sees(self, person: int, row: Any) -> bool:
        if person not in self._scopes:
            try:
                self._scopes[person] = person_scope(self.s, person, self.now)
            except LookupError:
                self._scopes[person] = None
        scope = self._scopes[person]
        return scope is not None and scope.covers("show", row)


def settle(means: Means, outbox_id: int, now: datetime) -> None:
    """What a reminder asked for is done (``settle.notice``): whoever has not read it need not any more."""
    with means.database.session(everything("reminders"), write=True) as s:
        row = s.get_one(Outbox, outbox_id)
        key = reminder_key(row.subject_type, row.kind.partition(".")[2], row.subject_id)
        told = or_(Message.key == key, Message.key.startswith(f"{key}:", autoescape=True))
        for message in s.scalars(select(Message).where(told, Message.state == MessageState.Unread)):
            if problems := move(s, message, "read", now=now):
                raise RuntimeError(f"reminder {key}: {problems}")
        close(row, OutboxState.Done)


def plain(value: Any) -> Any:
    """A value of a message as JSON holds it: days in ISO form, members of lists by their message id."""
    if isinstance(value, LabelEnum):
        return value.label
    return value.isoformat() if isinstance(value, date) else value
