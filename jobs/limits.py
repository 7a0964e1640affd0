"""After the calendar changed, by a holiday notice that was loaded or by hand: the limits that run are reckoned anew,
and whoever changed it is told what moved, as is everybody who has such a row in hand.

Row by row it can be done twice without harm: a limit that is right already is left alone. The rows are done in batches,
each in one transaction with how far it came and what moved, so that a worker killed anywhere loses and repeats nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from jobs.means import Means
from models import registries
from models.arrangement import whole_calendar
from models.delegation import deputies
from models.limits import Moved, candidates, differing, moved, reckon, running
from models.message import Message, MessageState
from models.outbox import Outbox, OutboxState, close
from models.scope import ScopedSession, everything
from models.write import save
from rules.calendar import Calendar
from rules.words import N_, Told

BATCH = 100
# So many batches are done in one go; then the work is put back, so that no claim outlives its lease.
BATCHES = 10
# So many moved limits are kept with their dates; beyond, they are counted alone. Each stands in its row's history.
MOST_TOLD = 1000

NOTHING = N_("“%(title)s” was loaded: %(days)d days of the calendar changed, no running limit moved.")
SOME = N_(
    "“%(title)s” was loaded: %(days)d days of the calendar changed, %(moved)d running limits moved, in %(rows)d rows "
    "limits were reckoned anew."
)
OURS_ONE = N_("The calendar changed: “%(clock)s” of %(row)s is now %(new)s, no longer %(old)s.")
OURS = N_(
    "The calendar changed: in %(rows)d rows that you have in hand %(moved)d limits moved, those of %(row)s among them."
)
BY_HAND = N_(
    "%(days)d days of the calendar were changed by hand: %(moved)d running limits moved, in %(rows)d rows limits were "
    "reckoned anew."
)


def reckon_limits(means: Means, outbox_id: int, now: datetime) -> None:
    """Reckon the limits that one outbox row asks for (kind ``limits``)."""
    with means.database.session(everything("limits")) as s:
        actor = s.get_one(Outbox, outbox_id).data.get("actor")
    for _ in range(BATCHES):
        # The Events name whoever loaded the notice.
        with means.database.session(everything("limits", actor), write=True) as s:
            todo = s.get_one(Outbox, outbox_id, with_for_update=True)
            if todo.state is not OutboxState.Claimed or todo.claimed_at != now:
                return  # the lease ran out, and somebody else took over
            if not batch(s, todo, now):
                tell(s, todo, now)
                close(todo, OutboxState.Done)
                return
    with means.database.session(everything("limits"), write=True) as s:
        todo = s.get_one(Outbox, outbox_id, with_for_update=True)
        if todo.state is OutboxState.Claimed and todo.claimed_at == now:
            todo.state, todo.attempts, todo.due_at = OutboxState.Waiting, 0, now


def batch(s: ScopedSession, todo: Outbox, now: datetime) -> bool:
    """Reckon the next rows; False when there are no more."""
    # Changed in place it would not be stored.
    hands = {person: {**told} for person, told in todo.data.get("hands", {}).items()}
    data = {**todo.data, "moved": [*todo.data.get("moved", ())], "hands": hands}
    names = [name for name, model in registries().items() if running(model)]
    at = data.get("at") or [names[0] if names else "", 0]
    calendar = whole_calendar(s)
    for name in names[names.index(at[0]) if at[0] in names else 0 :]:
        after = at[1] if name == at[0] else 0
        rows = candidates(s, registries()[name], date.fromisoformat(data["first"]), after, BATCH)
        if rows:
            for row in rows:
                one(s, row, calendar, data, now)
            data["at"] = [name, rows[-1].id]
            todo.data = data
            s.flush()
            return True
    return False


def one(s: ScopedSession, row: Any, calendar: Calendar, data: dict[str, Any], now: datetime) -> None:
    found = differing(row, calendar)
    if not found:
        return
    dates = [*moved(row, found)]
    reckon(s, row, found, now)
    data["rows"] = data.get("rows", 0) + 1
    data["limits"] = data.get("limits", 0) + len(dates)
    some = dates[: MOST_TOLD - len(data["moved"])]
    data["moved"].extend([m.registry, m.row, m.label, m.clock, m.old.isoformat(), m.new.isoformat()] for m in some)
    if dates:
        for person in in_hand(row):
            _hand_over(data["hands"], person, dates)


def in_hand(row: Any) -> set[int]:
    """Who is reminded of the limits of *row*, and so must know that they moved."""
    told = {getattr(row, reminder.to) for reminder in type(row).__admin__.reminders}
    return {person for person in told if person is not None}


def _hand_over(hands: dict[str, Any], person: int, dates: Sequence[Moved]) -> None:
    """Count the row for that person; JSON knows keys of text alone."""
    first = dates[0]
    says = {"row": first.label, "clock": first.clock, "old": first.old.isoformat(), "new": first.new.isoformat()}
    begun = {"subject": [first.registry, first.row], "says": says, "rows": 0, "moved": 0}
    mine = hands.setdefault(str(person), begun)
    mine["rows"] += 1
    mine["moved"] += len(dates)


def tell(s: ScopedSession, todo: Outbox, now: datetime) -> None:
    """The result, in the inbox of whoever changed the calendar; none where a command did, or one day by hand that
    nothing depends on. And in the inboxes of those who have the rows in hand, and of who stands in for them."""
    data = todo.data
    for person, mine in data.get("hands", {}).items():
        says = mine["says"]
        several = Told(OURS, {"row": says["row"], "rows": mine["rows"], "moved": mine["moved"]})
        told = Told(OURS_ONE, says) if mine["moved"] == 1 else several
        for reader in (int(person), *deputies(s, int(person), now)):
            send(s, f"{todo.key}:{todo.id}:{person}:{reader}", reader, told, mine["subject"], now)
    if data.get("actor") is None or (data.get("by_hand") and not data.get("rows")):
        return
    text = BY_HAND if data.get("by_hand") else SOME if data.get("rows") else NOTHING
    params = {"title": data["title"], "days": data["changed"], "moved": data.get("limits", 0)}
    told = Told(text, params | {"rows": data.get("rows", 0)})
    send(s, f"{todo.key}:{todo.id}", data["actor"], told, (todo.subject_type, todo.subject_id), now)


def send(s: ScopedSession, key: str, reader: int, told: Told, subject: Sequence[Any], now: datetime) -> None:
    """subject: (registry, id) of the row that the message leads to."""
    message = {
        "recipient_id": reader,
        "text": told.message,
        "params": dict(told.params),
        "subject_type": subject[0],
        "subject_id": subject[1],
        "state": MessageState.Unread,
        "sent_at": now,
        "key": key,
    }
    problems = save(s, Message(), message, now=now)
    if any(p.code != "duplicate" for p in problems.errors):
        raise RuntimeError(f"message {key}: {problems}")
