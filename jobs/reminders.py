"""Reminders: a message in the handler's inbox, exactly one for each cause."""

from __future__ import annotations

from datetime import datetime

from jobs.means import Means
from models.case import Case, CaseState
from models.message import Message, MessageState
from models.outbox import Outbox, OutboxState, close
from models.scope import everything
from models.write import save
from rules.words import N_

NOTICE_DUE = N_("Case %(number)s (%(item)s) is to be accepted or refused by %(due)s.")


def remind_notice(means: Means, outbox_id: int, now: datetime) -> None:
    """Warn the handler before the limit for accepting or refusing; nothing when that has happened already."""
    with means.database.session(everything("reminders"), write=True) as s:
        row = s.get_one(Outbox, outbox_id)
        case = s.get(Case, row.subject_id)
        if case is None or case.state is not CaseState.Received or case.handler_id is None:
            close(row, OutboxState.Dropped)
            return
        message = {
            "recipient_id": case.handler_id,
            "text": NOTICE_DUE,
            "params": {"number": case.number, "item": case.item.name, "due": case.notice_due.isoformat()},
            "subject_type": "cases",
            "subject_id": case.id,
            "state": MessageState.Unread,
            "sent_at": now,
            "key": row.key,
        }
        problems = save(s, Message(), message, now=now)
        # The key is unique: "duplicate" says that an attempt killed after its commit had told it already.
        if any(p.code != "duplicate" for p in problems.errors):
            raise RuntimeError(f"reminder {row.key}: {problems}")
        close(row, OutboxState.Done)
