"""The one door for edits: page, REST, importer, bulk action and job all save through here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm.attributes import flag_modified
from sqlalchemy.orm.exc import StaleDataError

from models.base import Info, Row
from models.columns import column_problems, columns, differences, fill_defaults, hold_all, is_new, many, snapshot
from models.constraints import STALE, constraint_problem, duplicate, uniques
from models.declare import Admin, Reach, Todo
from models.event import EventKind, record
from models.outbox import Outbox, OutboxState, post, reminder_key
from models.scope import Forbidden, ScopedSession, door
from rules.words import N_, Problem, Problems, RuleError

# further(row, its values before) → what speaks against it.
Further = Callable[[Any, Mapping[str, Any]], Iterable[Problem]]


def save(
    session: ScopedSession,
    row: Any,
    values: Mapping[str, Any],
    *,
    now: datetime,
    expected_version: int | None = None,
    also: Collection[str] = (),
    noticed: Iterable[Problem] = (),
    further: Further | None = None,
    granted: bool = False,
) -> Problems:
    """Write *values* (column or relation name → typed value) into *row*, with every rule, an Event and its todos.

    Returns what was found. With an error among it nothing is written and *row* is as it was; with warnings only
    the change stands in the caller's transaction. A row that would not differ is left alone: no Event, no new
    version. also: fields not open for people, or under control, that this caller (an import that takes over, a change
    that takes effect) may set. noticed: what cannot even be read of what was typed, *values* being the rest: told
    together with what the rules say of that. further: a rule of this caller's own, over the row as all other rules
    leave it. granted: the right was asked for elsewhere, by another word than add or edit (a change request is made by
    who may propose one).
    Raises Forbidden when the scope does not reach the row as it stands.
    """
    admin: Admin = type(row).__admin__
    new = is_new(row)
    unread = Problems(noticed)
    if closed := shut(session, row, expected_version, granted=granted):
        return unread or closed if closed[0].code == "stale" else Problems([*unread, *closed])

    def change() -> Problems:
        found, before = judge(
            session, row, values, now=now, also=also, noticed=unread, further=further, granted=granted
        )
        # Rules set what they derive each time; only a value that differs from the stored one makes a change.
        if not new and not session.is_modified(row):
            return found
        mark(session, row, now)
        session.flush()
        if admin.settle is not None:
            admin.settle(session, row, now)
        changes = differences(before, snapshot(row), new=new)
        if changes or new:
            told = record(session, row, EventKind.Created if new else EventKind.Edited, now, changes=changes)
            session.flush()
            if new:
                remind(session, row, told.id, now)
            if admin.after is not None:
                admin.after(session, row, changes, now)
        return found

    return attempt(session, row, change)


def shut(session: ScopedSession, row: Any, expected_version: int | None, *, granted: bool = False) -> Problems:
    """What keeps *row* from being edited at all, whatever is written. Raises Forbidden where the scope does.

    granted: as for :func:`save`.
    """
    admin: Admin = type(row).__admin__
    if is_new(row):
        if not granted and not session.scope.may(admin.name, "add"):
            raise Forbidden("add", admin.name)
        return Problems()
    if not granted:
        session.scope.demand("edit", row)
    if stale := _stale(row, expected_version, everything=session.scope.everything):
        return stale
    closed = None if session.scope.everything else not_open(row)
    return Problems([closed] if closed else [])


def judge(
    session: ScopedSession,
    row: Any,
    values: Mapping[str, Any],
    *,
    now: datetime,
    also: Collection[str] = (),
    noticed: Problems | None = None,
    further: Further | None = None,
    granted: bool = False,
) -> tuple[Problems, dict[str, Any]]:
    """Write *values* into *row* and let every rule look at it; nothing is sent to the database yet.

    Returns what was found, warnings only, and the row's values before. Raises RuleError with everything that is
    wrong; *row* then holds what was refused, and the caller undoes it.
    """
    admin: Admin = type(row).__admin__
    new = is_new(row)
    verb = "add" if new else "edit"
    if new:
        hold_all(row)
    found = Problems([*(noticed or ()), *_not_writable(session, row, values, new, also)])
    held = () if new else [n for n in admin.controlled(row) if n not in also]  # as it stands before
    before = snapshot(row)
    assign(session, row, {n: v for n, v in values.items() if not found.for_field(n)}, found)
    if new:
        fill_defaults(row)
    if admin.derive is not None:
        found.extend(admin.derive(session, row, session.scope.actor, now) or ())
    found.extend(column_problems(session, row, before, noticed))
    found.extend(_under_control(row, held, before, found))
    with session.no_autoflush:  # what breaks a rule is not to be sent to the database in passing
        found.extend(_checked(admin, row, now, found))
        if further is not None:
            found.extend(further(row, before))
        if found.errors:
            raise RuleError([*found, *_twins(session, row, before, found)])
    if granted:
        return found, before
    if not session.scope.covers(verb, row):
        mine = session.scope.reach(admin.name, verb) is Reach.mine
        blamed = admin.owner if mine else admin.follows or next(iter(admin.departments), admin.owner)
        raise RuleError([out_of_reach(admin, blamed, mine=mine)])
    stays_in_reach(session, row, verb, before)
    return found, before


def mark(session: ScopedSession, row: Any, now: datetime) -> None:
    """Who and when, and into the session: what is left before the row is sent to the database."""
    if isinstance(row, Row):
        stamp(session, row, now)
    elif not is_new(row):
        flag_modified(row, next(iter(columns(type(row)))))  # a change of relations alone is a new version too
    session.add(row)


def remind(session: ScopedSession, row: Any, event_id: int, now: datetime) -> None:
    """Put the reminders that a new row asks for into the outbox."""
    admin: Admin = type(row).__admin__
    for reminder in admin.reminders:
        if reminder.at is not None and (moment := reminder.at(session, row, now)) is not None:
            key = reminder_key(admin.name, reminder.name, row.id)
            post(session, row, Todo(f"remind.{reminder.name}", key, moment), event_id)


def move_reminders(session: ScopedSession, row: Any, now: datetime) -> None:
    """Those that are not sent yet go with what their moment depends on."""
    admin: Admin = type(row).__admin__
    for reminder in admin.reminders:
        key = reminder_key(admin.name, reminder.name, row.id)
        waiting = select(Outbox).where(Outbox.key == key, Outbox.state == OutboxState.Waiting, Outbox.attempts == 0)
        todo = session.scalars(waiting).one_or_none()
        if todo is None:
            continue  # it is sent, or just being sent
        if reminder.at is not None and (moment := reminder.at(session, row, now)) is not None:
            todo.due_at = moment
    session.flush()


def not_open(row: Any) -> Problem | None:
    """Why the fields of *row* cannot be edited in its present state; None where they can."""
    life = type(row).__admin__.life
    if life is None or life.is_open(getattr(row, life.field)):
        return None
    message = N_("In the state “%(state)s” nothing can be edited any more.")
    return Problem(None, "not_open", message, {"state": getattr(row, life.field).label})


def _checked(admin: Admin, row: Any, now: datetime, found: Problems) -> list[Problem]:
    """What the registry's own rule says of *row*.

    Where something is wrong already, what it says besides of single fields that people fill in, so that they learn of
    everything at once. It is written for whole rows: where it stumbles over what is missing, what it said before holds.
    """
    if admin.check is None:
        return []
    if not found.errors:
        return [*admin.check(row, now)]
    told = {p.field for p in found.errors}
    open_ = {n for n, (_, info) in columns(type(row)).items() if info.editable != "never"}
    said = []
    with suppress(TypeError, AttributeError):
        for problem in admin.check(row, now):
            if problem.field in open_ - told:
                said.append(problem)  # noqa: PERF401 - what was said before it stumbled is to be kept
    return said


def _twins(session: ScopedSession, row: Any, before: Mapping[str, Any], found: Problems) -> Iterator[Problem]:
    """Duplicates that the constraints would tell of only once nothing else is wrong, as far as one may see them."""
    model = type(row)
    told, known = {p.field for p in found.errors}, columns(model)
    for constraint in uniques(model):
        names = [c.name for c in constraint.columns]
        values = {n: getattr(row, n) for n in names if n in known}
        typed = any(known[n][1].editable != "never" for n in values)
        changed = is_new(row) or any(before[n] != v for n, v in values.items())
        if len(values) < len(names) or None in values.values() or told & {*names} or not (typed and changed):
            continue
        others = select(model.id).where(*(getattr(model, n) == v for n, v in values.items()))
        if session.scalar(others.where(model.id != row.id) if row.id else others) is not None:
            yield duplicate(names)


def stays_in_reach(session: ScopedSession, row: Any, verb: str, before: Mapping[str, Any]) -> None:
    """A row belongs to any of its departments; still none of them may be changed to one out of reach."""
    admin: Admin = type(row).__admin__
    reach = session.scope.reach(admin.name, verb)
    if reach not in (Reach.own, Reach.subtree):
        return
    for name in admin.departments:
        value = getattr(row, name)
        if name in before and value != before[name] and value not in session.scope.departments(reach):
            raise RuleError([out_of_reach(admin, name)])


def out_of_reach(admin: Admin, name: str | None, *, mine: bool = False) -> Problem:
    """The row would belong where this person may not work: said beside the field, with what was typed kept."""
    message = N_("This lies outside your department and those below it.")
    if mine:
        message = N_("You may do this for yourself only.")
    return Problem(None if name == "id" else name, "out_of_reach", message)


def remove(
    session: ScopedSession, row: Any, *, now: datetime, expected_version: int | None = None, undone: bool = False
) -> Problems:
    """Delete a row that nobody refers to and that has not left its first state; its Events stay.

    undone: an import is taken back, by whose right it was made; the state in which it made the row was its first.
    """
    admin: Admin = type(row).__admin__
    session.scope.demand("import" if undone else "delete", row)
    if stale := _stale(row, expected_version, everything=session.scope.everything):
        return stale

    def change() -> Problems:
        if admin.life and not undone and getattr(row, admin.life.field) is not admin.life.initial:
            raise RuleError.one(None, "not_draft", N_("Only a row in its first state may be deleted."))
        gone = {k: (v, None) for k, v in snapshot(row).items()}
        if hasattr(type(row), "version"):  # a draft is no record
            record(session, row, EventKind.Deleted, now, changes=gone)
        session.delete(row)
        session.flush()
        if admin.after is not None:
            admin.after(session, row, gone, now)
        return Problems()

    found = attempt(session, row, change)
    return Problems(_referring(session, row) if p.code == "in_use" else p for p in found)


def _referring(session: ScopedSession, row: Any) -> Problem:
    """Which registry keeps *row* from being deleted, as far as one may see its rows."""
    table = type(row).__table__
    for mapper in type(row).registry.mappers:
        model: Any = mapper.class_
        if not hasattr(model, "__admin__"):
            continue
        for name, (column, _) in columns(model).items():
            leads_here = any(key.column.table is table for key in column.foreign_keys)
            if (
                leads_here
                and session.scalar(select(model.id).where(getattr(model, name) == row.id).limit(1)) is not None
            ):
                message = N_("Rows of “%(registry)s” refer to this one, so it stays.")
                return Problem(None, "in_use", message, {"registry": model.__admin__.title})
    return Problem(None, "in_use", N_("Other rows refer to this one, so it stays."))


def attempt(session: ScopedSession, row: Any, change: Callable[[], Problems]) -> Problems:
    """Run *change* in a savepoint inside the door; refused rules and broken constraints come back as Problems."""
    try:
        with door(session, row), session.begin_nested():
            return change()
    except RuleError as error:
        return error.problems
    except IntegrityError as error:
        return Problems([constraint_problem(row, error)])
    except StaleDataError:
        return Problems([STALE])


def _stale(row: Any, expected: int | None, *, everything: bool) -> Problems:
    """A form must carry the version it was made from; ``version_id_col`` alone would overwrite silently."""
    if not hasattr(type(row), "version") or (expected is None and everything):
        return Problems()
    return Problems() if expected == row.version else Problems([STALE])


def stamp(session: ScopedSession, row: Row, now: datetime) -> None:
    if is_new(row):
        row.created_at, row.created_by_id = now, session.scope.actor
    row.changed_at, row.changed_by_id = now, session.scope.actor


def _not_writable(
    session: ScopedSession, row: Any, values: Mapping[str, Any], new: bool, also: Collection[str]
) -> Problems:
    """Only what is declared and open for people may be given; jobs and commands may set the rest as well."""
    found, everything = Problems(), session.scope.everything
    known, relations = columns(type(row)), many(type(row))
    for name, value in values.items():
        if name not in known and name not in relations:
            found.append(Problem(name, "unknown_field", N_("There is no such field.")))
            continue
        info: Info = known[name][1] if name in known else relations[name].info["field"]
        if everything or name in also or info.editable == "always" or (info.editable == "new" and new):
            continue
        if new or getattr(row, name) != value:
            found.append(Problem(name, "read_only", N_("This field cannot be changed.")))
    return found


CONTROLLED = "controlled"


def only_controlled(problems: Problems) -> bool:
    """Was a change refused for no other reason than that somebody must approve it first?"""
    return bool(problems.errors) and all(p.code == CONTROLLED for p in problems.errors)


def parted(problems: Problems, values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(those of *values* that were refused, the rest)."""
    names = {problem.field for problem in problems.errors}
    held = {n: v for n, v in values.items() if n in names}
    return held, {n: v for n, v in values.items() if n not in names}


def _under_control(row: Any, names: Collection[str], before: Mapping[str, Any], found: Problems) -> Iterator[Problem]:
    """What only a finished change request may change; commands and jobs are held to it as well. What would be wrong
    anyhow need not be proposed."""
    for name in names:
        if getattr(row, name) != before[name] and not found.for_field(name):
            message = N_("This changes only by a change request that was agreed to, filed and has taken effect.")
            yield Problem(name, CONTROLLED, message)


def assign(session: ScopedSession, row: Any, values: Mapping[str, Any], found: Problems) -> None:
    relations, new = many(type(row)), is_new(row)
    for name, given in values.items():
        value = None if given == "" else given  # before any rule asks whether something is there
        if name not in relations:
            if new or getattr(row, name) != value:
                setattr(row, name, value)
            continue
        target = relations[name].mapper.class_
        rows = list(session.scalars(select(target).where(target.id.in_(value)))) if value else []
        if len(rows) != len(set(value or ())):
            found.append(Problem(name, "not_found", N_("There is no such row, or you may not see it.")))
        if {o.id for o in getattr(row, name)} != {o.id for o in rows}:
            setattr(row, name, rows)
