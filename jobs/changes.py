"""Changes take effect: on their day, once, or not at all and then with what stood in the way."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from forms.convert import from_json, specs
from jobs.means import Means
from models import registries
from models.change import MOVES, Change, ChangeState, outdated
from models.declare import Admin
from models.outbox import Outbox, OutboxState, close
from models.scope import ScopedSession, everything
from models.workflow import move
from models.write import save
from rules.words import Problem, Problems


def effect(means: Means, outbox_id: int, now: datetime) -> None:
    """What a filed change says is so from now on. All of it and its own step stand in one transaction with the closing
    of the outbox row, so that it happens once; a change that was returned or withdrawn meanwhile is left alone."""
    with means.database.session(everything("changes"), write=True) as s:
        row = s.get_one(Outbox, outbox_id)
        change = s.get(Change, row.subject_id)
        if change is None or change.state is not ChangeState.Filed:
            close(row, OutboxState.Dropped)
            return
        attempt = s.begin_nested()
        problems = carried_out(s, change, now)
        if problems:
            attempt.rollback()
            s.refresh(change)
            told = [[p.message, dict(p.params)] for p in problems]
            problems = move(s, change, "block", now=now, given={"hindrance": told})
        else:
            attempt.commit()
            problems = move(s, change, "take_effect", now=now)
        if problems.errors:
            raise RuntimeError(f"change {change.id}: {problems}")
        close(row, OutboxState.Done)
        posted = s.info.get("posted", ())
    means.follow(posted)


def carried_out(s: ScopedSession, change: Change, now: datetime) -> Problems:
    """Do to the row what *change* says; what speaks against it comes back, and then the caller undoes the rest."""
    model = registries()[change.subject_type]
    admin: Admin = model.__admin__
    subject = s.get(model, change.subject_id)
    if found := Problems(outdated(change, subject)):
        return found
    found = moved(s, subject, change, now) if change.kind in MOVES else edited(s, subject, change, now)
    kind = change.kind.value if change.kind in MOVES else "edit"
    extra = admin.control.effects.get(kind) if admin.control is not None else None
    if not found.errors and extra is not None:
        found.extend(extra(s, subject, change, now) or ())
    return Problems(found.errors)


def moved(s: ScopedSession, subject: Any, change: Change, now: datetime) -> Problems:
    return move(s, subject, MOVES[change.kind], now=now)


def edited(s: ScopedSession, subject: Any, change: Change, now: datetime) -> Problems:
    known = specs(type(subject))
    values = {name: from_json(known[name], new) for name, (_, new) in change.changes.items()}
    missing = [Problem(None, "unknown_field", name) for name in change.changes if name not in known]
    return Problems(missing) or save(s, subject, values, now=now, also=tuple(values))
