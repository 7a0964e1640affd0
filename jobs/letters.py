"""Official letters: from the Event that demands one to the stored file.

Three steps, each safe to begin again: reserve the row with its number, render outside any transaction, store the
bytes together with closing the outbox row. A worker killed anywhere leaves one row, one number, no gap.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from babel.support import Translations
from sqlalchemy import select

import notices
from config import ROOT
from jobs.means import Means
from models import registries
from models.counter import next_number
from models.declare import Admin
from models.department import Department
from models.event import Event, called, department_of
from models.letter import Letter, LetterState, new_code
from models.outbox import Outbox, OutboxState, close
from models.scope import ScopedSession, everything
from models.workflow import move
from models.write import save
from notices.catalog import kind as kind_of
from rules.deadlines import local_day
from rules.words import LabelEnum


def write_letter(means: Means, outbox_id: int, now: datetime) -> None:
    """Write, number and store the letter that one outbox row asks for."""
    with means.database.session(everything("letters"), write=True) as s:
        todo = s.get_one(Outbox, outbox_id)
        letter = reserve(s, todo, now, demo=means.config.demo)
        if letter.state is LetterState.Issued:
            close(todo, OutboxState.Done)
            return
        letter_id, number, code, kind = letter.id, letter.number, letter.code, letter.kind
        data = letter_data(s, subject_of(s, todo), decided=s.get_one(Event, todo.event_id).at)
    rendered = notices.render(
        kind,
        data,
        number=number,
        code=code,
        verify_url=f"{means.config.address}/verify/{code}",
        when=now,
        fonts=means.config.fonts,
        demo=means.config.demo,
        faces=Path(means.config.font_folder) if means.config.font_folder else None,
    )
    with means.database.session(everything("letters"), write=True) as s:
        letter = s.get_one(Letter, letter_id)
        if letter.state is LetterState.Reserved:
            letter.pdf, letter.data = rendered.pdf, rendered.data
            letter.sha256, letter.template_hash = rendered.sha256, rendered.template_hash
            letter.pages, letter.issued_at = rendered.pages, now
            problems = move(s, letter, "issue", now=now)
            if problems.errors:
                raise RuntimeError(f"letter {number}: {problems}")
        close(s.get_one(Outbox, outbox_id), OutboxState.Done)


def reserve(s: ScopedSession, todo: Outbox, now: datetime, *, demo: bool) -> Letter:
    """The letter of this Event, with its number: the one that an earlier attempt left, or a new one."""
    kind = kind_of(todo.kind.partition(".")[2])
    found = s.scalars(select(Letter).where(Letter.event_id == todo.event_id, Letter.kind == kind.name)).one_or_none()
    if found is not None:
        return found
    subject = subject_of(s, todo)
    department = issuer(s, subject)
    year = local_day(now).year
    serial = next_number(s, department.id, f"letter.{kind.name}", year)
    letter = Letter()
    values = {
        "number": f"{department.number_prefix}{kind.code}〔{year}〕{serial}号",
        "kind": kind.name,
        "subject_type": todo.subject_type,
        "subject_id": todo.subject_id,
        "subject_label": called(getattr(subject, type(subject).__admin__.label)),
        "department_id": department.id,
        "event_id": todo.event_id,
        "year": year,
        "serial": serial,
        "code": new_code(),
        "state": LetterState.Reserved,
        "demo": demo,
    }
    problems = save(s, letter, values, now=now)
    if problems.errors:
        raise RuntimeError(f"letter for {todo.key}: {problems}")
    return letter


def subject_of(s: ScopedSession, todo: Outbox) -> Any:
    """The row that the letter is about."""
    return s.get_one(registries()[todo.subject_type], todo.subject_id)


def issuer(s: ScopedSession, subject: Any) -> Department:
    """The department in whose name and series the letter goes out: the one that the row belongs to."""
    return s.get_one(Department, department_of(subject))


def letter_data(s: ScopedSession, subject: Any, decided: datetime) -> dict[str, Any]:
    """The snapshot of everything a notice may say: who issues it and when, and what the row's registry adds.

    decided: the moment of the move. Words of lists are said in Chinese, whatever language the clerk reads.
    """
    admin: Admin = type(subject).__admin__
    if admin.letter is None:
        raise LookupError(f"{admin.name} declares no letter=: nothing is known to write in one")
    department = issuer(s, subject)
    data = {
        "agency": department.name,
        "agency_short": department.number_prefix,
        "department_phone": department.phone or "",
        "address": department.address or "",
        "decided_on": local_day(decided),
        **admin.letter(s, subject, decided),
    }
    return {n: in_chinese(value.label) if isinstance(value, LabelEnum) else value for n, value in data.items()}


@cache
def in_chinese(message: str) -> str:
    """A label as a letter says it, whatever language the clerk reads. An English word there would be a defect."""
    said = Translations.load(str(ROOT / "translations"), ["zh"]).gettext(message)
    if said == message:
        raise LookupError(f"no Chinese for {message!r}; are the message catalogues compiled?")
    return str(said)
