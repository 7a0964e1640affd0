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
from models.case import ApplicantKind, Case
from models.catalogue_item import ItemType
from models.counter import next_number
from models.event import Event
from models.item import Item
from models.letter import Letter, LetterKind, LetterState, new_code
from models.outbox import Outbox, OutboxState, close
from models.profile import lookup
from models.scope import ScopedSession, everything
from models.workflow import move
from models.write import save
from rules.deadlines import local_day
from rules.identifiers import mask_identifier


def write_letter(means: Means, outbox_id: int, now: datetime) -> None:
    """Write, number and store the letter that one outbox row asks for."""
    with means.database.session(everything("letters"), write=True) as s:
        todo = s.get_one(Outbox, outbox_id)
        letter = reserve(s, todo, now, demo=means.config.demo)
        if letter.state is LetterState.Issued:
            close(todo, OutboxState.Done)
            return
        letter_id, number, code, kind = letter.id, letter.number, letter.code, letter.kind.value
        data = letter_data(s, s.get_one(Case, todo.subject_id), decided=s.get_one(Event, todo.event_id).at)
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
    kind = LetterKind(todo.kind.partition(".")[2])  # type: ignore[call-arg]
    found = s.scalars(select(Letter).where(Letter.event_id == todo.event_id, Letter.kind == kind)).one_or_none()
    if found is not None:
        return found
    case = s.get_one(Case, todo.subject_id)
    year = local_day(now).year
    serial = next_number(s, case.department_id, f"letter.{kind.value}", year)
    letter = Letter()
    values = {
        "number": f"{case.department.number_prefix}{notices.kinds()[kind.value].code}〔{year}〕{serial}号",
        "kind": kind,
        "case_id": case.id,
        "department_id": case.department_id,
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


def letter_data(s: ScopedSession, case: Case, decided: datetime) -> dict[str, Any]:
    """The snapshot of everything a notice says, as ``notices`` asks for it."""
    item: Item = case.item
    department = case.department
    basis = item.legal_basis
    return {
        "agency": department.name,
        "agency_short": department.number_prefix,
        "department_phone": item.phone or department.phone or "",
        "address": item.address or department.address or "",
        "applicant": case.applicant,
        "applicant_kind": case.applicant_kind.value,
        # An organisation's code is public; of a person's number the letter needs no more than recognition.
        "identifier": case.identifier
        if case.applicant_kind is ApplicantKind.Organisation
        else mask_identifier(case.identifier),
        "contact_phone": case.phone or "",
        "item": item.name,
        "item_code": item.national_code or item.local_code,
        "item_type": in_chinese(item.item_type.label),
        "is_licence": item.item_type is ItemType.Licence,
        "received_on": local_day(case.received_at),
        "decided_on": local_day(decided),
        "promise_days": item.promise_days,
        "statutory_days": item.statutory_days,
        "promise_due": case.promise_due,
        "statutory_due": case.statutory_due,
        "due_provisional": case.decision_provisional,
        "legal_basis": [basis.name] if basis is not None else [],
        "reason": case.refusal_reason or "",
        "competent": case.competent,
        "case_number": case.number,
        "handler": case.handler.name if case.handler is not None else "",
        "reconsider_body": lookup(s, item.region, "reconsideration")[0],
        "court": lookup(s, item.region, "court")[0],
        "materials": [],
    }


@cache
def in_chinese(message: str) -> str:
    """A label as a letter says it, whatever language the clerk reads. An English word there would be a defect."""
    said = Translations.load(str(ROOT / "translations"), ["zh"]).gettext(message)
    if said == message:
        raise LookupError(f"no Chinese for {message!r}; are the message catalogues compiled?")
    return str(said)
