"""After the calendar changed, by a holiday notice that was loaded or by hand: the limits that run are reckoned anew,
and whoever changed it is told what moved, as is everybody who has such a row in hand.

Row by row it can be done twice without harm: a limit that is right already is left alone. The rows are done in batches,
each in one transaction with how far it came and what moved, so that a worker killed anywhere loses and repeats nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from jobs.means import Means
from jobs.reminders import Readers
from models import registries
from models.account import Account
from models.arrangement import whole_calendar
from models.limits import Moved, candidates, differing, moved, reckon, running
from models.message import send
from models.outbox import Outbox, OutboxState, close
from models.scope import ScopedSession, everything
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
ONE_LIMIT = N_("The calendar changed: “%(clock)s” of %(row)s is now %(new)s, no longer %(old)s.")
ONE_ROW = N_("The calendar changed: %(moved)d limits of %(row)s moved.")
YOURS = N_("The calendar changed: %(moved)d limits moved in %(rows)d rows that you have in hand, %(row)s among them.")
THEIRS = N_("The calendar changed: %(moved)d limits moved in %(rows)d rows of %(owner)s, %(row)s among them.")
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
    hands = {key: {**mine} for key, mine in todo.data.get("hands", {}).items()}
    data = {**todo.data, "moved": [*todo.data.get("moved", ())], "hands": hands}
    names = [name for name, model in registries().items() if running(model)]
    at = data.get("at") or [names[0] if names else "", 0]
    calendar, readers = whole_calendar(s), Readers(s, now)
    for name in names[names.index(at[0]) if at[0] in names else 0 :]:
        after = at[1] if name == at[0] else 0
        rows = candidates(s, registries()[name], date.fromisoformat(data["first"]), after, BATCH)
        if rows:
            for row in rows:
                one(s, row, calendar, data, readers, now)
            data["at"] = [name, rows[-1].id]
            todo.data = data
            s.flush()
            return True
    return False


def one(s: ScopedSession, row: Any, calendar: Calendar, data: dict[str, Any], readers: Readers, now: datetime) -> None:
    found = differing(row, calendar)
    if not found:
        return
    dates = [*moved(row, found)]
    reckon(s, row, found, now)
    data["rows"] = data.get("rows", 0) + 1
    data["limits"] = data.get("limits", 0) + len(dates)
    some = dates[: MOST_TOLD - len(data["moved"])]
    data["moved"].extend([m.registry, m.row, m.label, m.clock, m.old.isoformat(), m.new.isoformat()] for m in some)
    for owner in in_hand(row) if dates else ():
        for reader in readers.of(row, owner):
            _count(data["hands"], owner, reader, dates)


def in_hand(row: Any) -> set[int]:
    """Whom reminders of the limits of this registry go to, in whatever state the row is."""
    timed = (reminder for reminder in type(row).__admin__.reminders if reminder.at is not None)
    return {person for reminder in timed if (person := getattr(row, reminder.to)) is not None}


def _count(hands: dict[str, Any], owner: int, reader: int, dates: Sequence[Moved]) -> None:
    """One more row of *owner* to tell *reader* of; JSON knows keys of text alone."""
    first = dates[0]
    says = {"row": first.label, "clock": first.clock, "old": first.old.isoformat(), "new": first.new.isoformat()}
    begun = {"owner": owner, "reader": reader, "subject": [first.registry, first.row], "says": says}
    mine = hands.setdefault(f"{owner}:{reader}", {**begun, "rows": 0, "moved": 0})
    mine["rows"] += 1
    mine["moved"] += len(dates)


def told_of(s: ScopedSession, mine: Mapping[str, Any]) -> Told:
    """What one reader is told of the rows of one owner."""
    counts = {"row": mine["says"]["row"], "rows": mine["rows"], "moved": mine["moved"]}
    if mine["moved"] == 1:
        return Told(ONE_LIMIT, mine["says"])
    if mine["rows"] == 1:
        return Told(ONE_ROW, counts)
    if mine["owner"] == mine["reader"]:
        return Told(YOURS, counts)
    return Told(THEIRS, counts | {"owner": s.get_one(Account, mine["owner"]).name})


def tell(s: ScopedSession, todo: Outbox, now: datetime) -> None:
    """The result, in the inbox of whoever changed the calendar; none where a command did, or one day by hand that
    nothing depends on. And in the inboxes of those who have the rows in hand or stand in for them."""
    data = todo.data
    for key, mine in data.get("hands", {}).items():
        send(s, f"{todo.key}:{todo.id}:{key}", mine["reader"], told_of(s, mine), tuple(mine["subject"]), now)
    if data.get("actor") is None or (data.get("by_hand") and not data.get("rows")):
        return
    text = BY_HAND if data.get("by_hand") else SOME if data.get("rows") else NOTHING
    params = {"title": data["title"], "days": data["changed"], "moved": data.get("limits", 0)}
    told = Told(text, params | {"rows": data.get("rows", 0)})
    send(s, f"{todo.key}:{todo.id}", data["actor"], told, (todo.subject_type, todo.subject_id), now)
