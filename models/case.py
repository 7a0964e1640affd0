"""办件 (N22), as far as accepting it or refusing to: 《中华人民共和国行政许可法》第三十二条."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from typing import Any

from sqlalchemy import Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, relationship

from models.account import Account
from models.base import Moment, Row, field, ref
from models.catalogue_item import ItemType
from models.constraints import check_constraint
from models.counter import next_number
from models.declare import Admin, Block, Clock, Desk, Figure, Grant, Group, MenuGroup, Reach, Reminder, Role
from models.department import Department
from models.item import Item, ItemState
from models.profile import lookup
from models.scope import session_of
from models.work_day import load_calendar
from rules.deadlines import SHANGHAI, due, local_day, plain_lines, warn_day
from rules.identifiers import REASONS, check_resident, check_uscc, mask_identifier
from rules.lifecycle import Lifecycle, Move
from rules.words import N_, LabelEnum, Problem

OPENING = time(8, 30)


class ApplicantKind(LabelEnum):
    Person = "person", N_("Person")
    Organisation = "organisation", N_("Organisation")


class Channel(LabelEnum):
    Window = "window", N_("Window")
    Online = "online", N_("Online")
    Mobile = "mobile", N_("Mobile")
    Kiosk = "kiosk", N_("Self-service kiosk")
    Post = "post", N_("Post")


class CaseState(LabelEnum):
    Received = "received", N_("Received")
    Accepted = "accepted", N_("Accepted")
    Refused = "refused", N_("Not accepted")


class Case(Row):
    __table_args__ = (
        UniqueConstraint("number"),
        Index("ix_case_department_id_received_at", "department_id", "received_at"),
        Index("ix_case_department_id_notice_due", "department_id", "notice_due"),
        check_constraint(
            "state <> 'refused' OR refusal_reason IS NOT NULL",
            "refused_has_reason",
            N_("A refusal states its reason."),
            "refusal_reason",
        ),
        check_constraint(
            "state = 'received' OR decided_at IS NOT NULL",
            "told_has_moment",
            N_("The moment of the decision is missing."),
        ),
    )

    number: Mapped[str] = field(N_("Case number"), String(60), editable="never")
    item_id: Mapped[int] = ref("item.id", N_("Item"), editable="new")
    department_id: Mapped[int] = ref("department.id", N_("Department"), editable="never", index=False)
    applicant_kind: Mapped[ApplicantKind] = field(N_("Kind of applicant"), default=ApplicantKind.Person)
    applicant: Mapped[str] = field(
        N_("Applicant"), String(100), help=N_("Name as on the identity document or licence.")
    )
    identifier: Mapped[str] = field(
        N_("Identity number or credit code"),
        String(18),
        personal=True,
        help=N_("18 characters; the check digit is verified."),
    )
    phone: Mapped[str | None] = field(N_("Telephone"), String(40), personal=True)
    channel: Mapped[Channel] = field(N_("Channel"), default=Channel.Window)
    received_at: Mapped[datetime] = field(
        N_("Received at"), Moment(), editable="new", help=N_("The limit counts from the next working day.")
    )
    state: Mapped[CaseState] = field(N_("State"), editable="never", default=CaseState.Received)
    handler_id: Mapped[int | None] = ref("ab_user.id", N_("Handler"), editable="never")
    notice_due: Mapped[date] = field(N_("Accept or refuse by"), editable="never", due=("received",))
    notice_lines: Mapped[list[Any]] = field(N_("How this date came about"), editable="never")
    notice_provisional: Mapped[bool] = field(N_("Date is provisional"), editable="never", default=False)
    decided_at: Mapped[datetime | None] = field(N_("Accepted or refused at"), Moment(), editable="never")
    refusal_reason: Mapped[str | None] = field(N_("Reason for not accepting"), Text(), editable="never", lines=4)
    competent: Mapped[str | None] = field(
        N_("Competent authority"),
        String(100),
        editable="never",
        help=N_("Where the applicant should turn, if not to us."),
    )
    promise_due: Mapped[date | None] = field(N_("Promised decision by"), editable="never", due=("accepted",))
    promise_lines: Mapped[list[Any] | None] = field(N_("How this date came about"), editable="never")
    statutory_due: Mapped[date | None] = field(N_("Statutory decision by"), editable="never", due=("accepted",))
    statutory_lines: Mapped[list[Any] | None] = field(N_("How this date came about"), editable="never")
    decision_provisional: Mapped[bool] = field(N_("Decision date is provisional"), editable="never", default=False)

    item: Mapped[Item] = relationship()
    department: Mapped[Department] = relationship()
    handler: Mapped[Account | None] = relationship(lambda: Account, foreign_keys=lambda: [Case.handler_id])

    @staticmethod
    def check(row: Any, now: datetime) -> Iterable[Problem]:
        if row.identifier is not None and row.applicant_kind is not None:
            person = row.applicant_kind is ApplicantKind.Person
            verdict = check_resident(row.identifier, local_day(now)) if person else check_uscc(row.identifier)
            if not verdict.valid:
                yield Problem("identifier", f"identifier_{verdict.reason}", REASONS[str(verdict.reason)])
        if row.received_at is not None and row.received_at > now:
            yield Problem("received_at", "future", N_("This lies in the future."))
        if row.id is None and row.item is not None and row.item.state is not ItemState.InForce:
            yield _not_in_force(row, "item_id")

    @staticmethod
    def derive(session: Any, row: Any, actor: int | None, now: datetime) -> Iterable[Problem]:
        row.identifier = (row.identifier or "").strip().upper() or None
        if row.id is not None:
            return
        item = session.get(Item, row.item_id) if row.item_id is not None else None
        if item is None or row.received_at is None:
            return  # what is missing is told by the columns; nothing can be derived from it
        row.item = item
        row.state, row.handler_id, row.department_id = CaseState.Received, actor, item.department_id
        start = local_day(row.received_at)
        days, _where = lookup(session, item.region, "notice_days")
        limit = due(start, days, load_calendar(session, start))
        row.notice_due, row.notice_provisional = limit.due, limit.provisional
        row.notice_lines = plain_lines(limit.lines)
        serial = next_number(session, item.department_id, "case", start.year)
        row.number = f"{item.department.number_prefix} {start.year}-{serial:06d}"
        yield from ()

    @staticmethod
    def letter(session: Any, row: Any, decided: datetime) -> dict[str, Any]:
        """What the notices of acceptance and of refusal say of a case."""
        item: Item = row.item
        basis = item.legal_basis
        person = row.applicant_kind is ApplicantKind.Person
        return {
            **({"department_phone": item.phone} if item.phone else {}),
            **({"address": item.address} if item.address else {}),
            "applicant": row.applicant,
            "applicant_kind": row.applicant_kind.value,
            # An organisation's code is public; of a person's number the letter needs no more than recognition.
            "identifier": mask_identifier(row.identifier) if person else row.identifier,
            "contact_phone": row.phone or "",
            "item": item.name,
            "item_code": item.national_code or item.local_code,
            "item_type": item.item_type,
            "is_licence": item.item_type is ItemType.Licence,
            "received_on": local_day(row.received_at),
            "promise_days": item.promise_days,
            "statutory_days": item.statutory_days,
            "promise_due": row.promise_due,
            "statutory_due": row.statutory_due,
            "due_provisional": row.decision_provisional,
            "legal_basis": [basis.name] if basis is not None else [],
            "reason": row.refusal_reason or "",
            "competent": row.competent,
            "case_number": row.number,
            "handler": row.handler.name if row.handler is not None else "",
            "reconsider_body": lookup(session, item.region, "reconsideration")[0],
            "court": lookup(session, item.region, "court")[0],
            "materials": [],
        }


def _warning(session: Any, row: Any, now: datetime) -> datetime:
    """As long before the limit as the profile says; at once where that day has passed."""
    days, _where = lookup(session, row.item.region, "warn_days")
    day = warn_day(row.notice_due, days, load_calendar(session, local_day(now)))
    return datetime.combine(day, OPENING, SHANGHAI)


def _not_in_force(row: Any, field_name: str | None) -> Problem:
    """不得变相实施未列入目录内的政务服务事项 (《济南市政务服务标准化管理办法》; A04)."""
    message = N_("Cases can be handled only on items in force; this one is “%(state)s”.")
    return Problem(field_name, "item_not_in_force", message, {"state": row.item.state.label})


def _accept_check(row: Any, given: Mapping[str, Any], now: datetime) -> Iterable[Problem]:
    if row.item.state is not ItemState.InForce:
        yield _not_in_force(row, None)


def _accepted(row: Any, given: Mapping[str, Any], now: datetime) -> Mapping[str, Any]:
    """From acceptance both clocks run: the promise and the statutory limit (行政许可法第四十二条)."""
    values: dict[str, Any] = {"decided_at": now}
    start = local_day(now)
    calendar = load_calendar(session_of(row), start)
    for clock in ("promise", "statutory"):
        days = getattr(row.item, f"{clock}_days")
        if days is not None:
            limit = due(start, days, calendar)
            values |= {f"{clock}_due": limit.due, f"{clock}_lines": plain_lines(limit.lines)}
            values["decision_provisional"] = values.get("decision_provisional", False) or limit.provisional
    return values


LIFE = Lifecycle(
    states=CaseState,
    initial=CaseState.Received,
    # Afterwards a letter has been issued on what the fields say.
    open_in=(CaseState.Received,),
    steps=(CaseState.Received, CaseState.Accepted),
    tones={CaseState.Received: "warn", CaseState.Accepted: "ok", CaseState.Refused: "bad"},
    moves=(
        Move(
            "accept",
            N_("Accept"),
            (CaseState.Received,),
            CaseState.Accepted,
            check=_accept_check,
            sets=_accepted,
            tells=("acceptance",),
            confirm=N_("The acceptance notice is written and numbered at once."),
            tone="main",
        ),
        # The window has no veto (济南“在泉城·全办成”实施意见): refusing is a decision of the department.
        Move(
            "refuse",
            N_("Refuse to accept"),
            (CaseState.Received,),
            CaseState.Refused,
            asks=("refusal_reason", "competent"),
            requires=("refusal_reason",),
            sets=lambda row, given, now: {"decided_at": now},
            tells=("refusal",),
            confirm=N_("The notice of refusal is written and numbered at once."),
            tone="bad",
        ),
    ),
)

Case.__admin__ = Admin(
    name="cases",
    title=N_("Cases"),
    one=N_("Case"),
    menu=MenuGroup.Cases,
    label="number",
    cells="number/item_id applicant/channel state notice_due handler_id",
    search="number applicant identifier",
    filters="state item_id channel received_at notice_due handler_id department_id",
    order="-received_at",
    departments=("department_id",),
    follows="item_id",
    life=LIFE,
    groups=(
        Group(N_("Application"), "item_id received_at channel"),
        Group(N_("Applicant"), "applicant_kind applicant identifier phone"),
        Group(N_("Handling"), "state department_id handler_id decided_at refusal_reason competent"),
    ),
    clocks=(
        Clock(N_("Accept or refuse by"), "notice_due", "notice_lines", "notice_provisional"),
        Clock(N_("Promised limit"), "promise_due", "promise_lines", "decision_provisional"),
        Clock(N_("Statutory limit"), "statutory_due", "statutory_lines", "decision_provisional"),
    ),
    related=("letters",),
    inline=("letters",),
    desk=Desk(
        figures=(
            Figure(N_("Overdue"), "notice_due=overdue", "bad"),
            Figure(N_("Due today"), "notice_due=today", "warn"),
            Figure(N_("To be accepted"), "state=received"),
        ),
        blocks=(Block(N_("Waiting to be accepted"), "state=received", "notice_due"),),
    ),
    badge="notice_due=overdue",
    check=Case.check,
    derive=Case.derive,
    letter=Case.letter,
    reminders=(
        Reminder(
            "notice",
            N_("Case %(number)s (%(item)s) is to be accepted or refused by %(due)s."),
            at=_warning,
            says=lambda row: {"number": row.number, "item": row.item.name, "due": row.notice_due},
            states=(CaseState.Received,),
        ),
    ),
    add_label=N_("Receive a case"),
    grants=(
        # Who handles a case needs its numbers; who supervises, no more than recognition (个人信息保护法第六条).
        Grant(Role.Clerk, "list show add edit export reveal accept", Reach.own),
        Grant(Role.Approver, "list show export reveal accept refuse", Reach.own),
        Grant(Role.Management, "list show export", Reach.subtree),
        Grant(Role.Auditor, "list show export", Reach.all),
        Grant(Role.Administrator, "list show export", Reach.all),
    ),
    weight=10,
)
