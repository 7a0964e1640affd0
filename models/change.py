"""事项变更申请单 (N05), and with it the ledger of what was taken over, abolished and devolved (N06).

What a declaration puts under control (``Admin.control``) changes by four steps only: proposed, agreed to by the
approval-reform lead department of the same level, filed with the province, in effect on its day (《陕西省政务服务效能
管理暂行办法》 art. 5). The last step is a job's (jobs/changes.py), never a person's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, Index, String, Text, select
from sqlalchemy.orm import Mapped, relationship

import models
from models.account import Account
from models.base import Moment, Row, field, ref
from models.columns import snapshot
from models.constraints import check_constraint
from models.declare import Action, Admin, Desk, Figure, Grant, Group, MenuGroup, Reach, Reminder, Role
from models.department import Department
from models.event import department_of, plain
from models.scope import UNSCOPED, ScopedSession, session_of
from models.write import save
from rules.deadlines import begin_of, local_day
from rules.lifecycle import Given, Lifecycle, Move
from rules.words import N_, LabelEnum, Problem, Problems, RuleError, Told


class ChangeKind(LabelEnum):
    """变更类型, as art. 5 lists them."""

    SetUp = "set_up", N_("Setting up")
    Cancel = "cancel", N_("Abolition")
    Devolve = "devolve", N_("Devolution")
    Name = "name", N_("Change of name")
    Type = "type", N_("Change of type")
    Code = "code", N_("Change of code")
    Basics = "basics", N_("Change of other basic information")


class ChangeState(LabelEnum):
    Draft = "draft", N_("To be submitted")
    Submitted = "submitted", N_("Under review")
    Agreed = "agreed", N_("Agreed to")
    Filed = "filed", N_("On file with the province")
    InEffect = "in_effect", N_("In effect")
    Returned = "returned", N_("Returned")
    Withdrawn = "withdrawn", N_("Withdrawn")
    Blocked = "blocked", N_("Could not take effect")


S = ChangeState
# While a request is in one of these, its row has no second one.
OPEN = (S.Draft, S.Submitted, S.Agreed, S.Filed, S.Returned, S.Blocked)
EDITABLE = (S.Draft, S.Returned)
# The move of the row by which a change of that kind takes effect; the others are an edit.
MOVES: Mapping[ChangeKind, str] = {
    ChangeKind.SetUp: "publish",
    ChangeKind.Cancel: "cancel",
    ChangeKind.Devolve: "devolve",
}
# What an edit is called by the one field that it changes.
KINDS: Mapping[str, ChangeKind] = {
    "name": ChangeKind.Name,
    "item_type": ChangeKind.Type,
    "basic_code": ChangeKind.Code,
    "national_code": ChangeKind.Code,
}


class Change(Row):
    __table_args__ = (
        Index("ix_change_subject_type_subject_id", "subject_type", "subject_id"),
        Index("ix_change_department_id_state", "department_id", "state"),
        check_constraint(
            "state NOT IN ('filed', 'in_effect') OR"
            " (filing_number IS NOT NULL AND filed_on IS NOT NULL AND effective_on IS NOT NULL)",
            "filed",
            N_("A change that is on file has a filing number, a day of filing and a day on which it takes effect."),
        ),
        check_constraint(
            "effective_on IS NULL OR filed_on IS NULL OR effective_on >= filed_on",
            "effective_after_filing",
            N_("A change takes effect on the day of its filing at the earliest."),
            field="effective_on",
        ),
    )

    subject_type: Mapped[str] = field(N_("Registry"), String(40), editable="never")
    subject_id: Mapped[int] = field(N_("Row"), BigInteger(), editable="never")
    subject_label: Mapped[str] = field(N_("Subject"), String(300), editable="never")
    kind: Mapped[ChangeKind] = field(N_("Kind of change"), editable="never")
    changes: Mapped[dict[str, Any]] = field(N_("Before and after"), editable="never")
    reason: Mapped[str | None] = field(N_("Reason for the change"), Text(), lines=3)
    superior_document: Mapped[str | None] = field(
        N_("Document of the superior"), String(200), help=N_("By which it is taken over, abolished or devolved.")
    )
    successor_id: Mapped[int | None] = ref(
        "department.id",
        N_("Taken over by"),
        help=N_("Who handles the item once it is devolved, or what it is replaced by once it is abolished."),
    )
    reconciled: Mapped[str | None] = field(
        N_("Checked in other systems"), String(500), help=N_("In which systems the item was put right, and with what.")
    )
    department_id: Mapped[int | None] = ref("department.id", N_("Department"), editable="never", index=False)
    proposed_by_id: Mapped[int | None] = ref("ab_user.id", N_("Proposed by"), editable="never")
    reviewed_by_id: Mapped[int | None] = ref("ab_user.id", N_("Reviewed by"), editable="never", index=False)
    reviewed_at: Mapped[datetime | None] = field(N_("Reviewed at"), Moment(), editable="never")
    opinion: Mapped[str | None] = field(N_("Opinion"), String(1000), editable="never", lines=3)
    filing_number: Mapped[str | None] = field(N_("Filing number"), String(100), editable="never")
    filed_on: Mapped[date | None] = field(N_("Filed on"), editable="never")
    effective_on: Mapped[date | None] = field(N_("Takes effect on"), editable="never")
    in_effect_at: Mapped[datetime | None] = field(N_("Took effect at"), Moment(), editable="never")
    # [message id, values] of each sentence, read later in the reader's language.
    hindrance: Mapped[list[Any] | None] = field(N_("What stood in the way"), editable="never")
    state: Mapped[ChangeState] = field(N_("State"), editable="never", default=ChangeState.Draft)

    department: Mapped[Department | None] = relationship(foreign_keys=lambda: [Change.department_id])
    successor: Mapped[Department | None] = relationship(foreign_keys=lambda: [Change.successor_id])
    proposed_by: Mapped[Account | None] = relationship(lambda: Account, foreign_keys=lambda: [Change.proposed_by_id])
    reviewed_by: Mapped[Account | None] = relationship(lambda: Account, foreign_keys=lambda: [Change.reviewed_by_id])


# --- proposing -------------------------------------------------------------------------------------------------------


def propose(
    session: ScopedSession, row: Any, values: Mapping[str, Any], *, now: datetime, kind: ChangeKind | None = None
) -> Change:
    """A request to change *row* to *values* (of fields under control), or to make the move that *kind* stands for.

    One that is still being written takes the values in; one under way is not touched. Raises RuleError with what
    speaks against it: nothing would differ, another is under way, or a rule that the changed row would break.
    """
    admin: Admin = type(row).__admin__
    session.scope.demand("propose", row)
    model = type(row)
    session.scalars(select(model.id).where(model.id == row.id).with_for_update()).all()  # two at once would make two
    session.refresh(row)
    differing = {n: [plain(getattr(row, n)), plain(v)] for n, v in values.items() if getattr(row, n) != v}
    if kind is None and not differing:
        raise RuleError.one(None, "nothing_changed", N_("Nothing would change."))
    if kind is not None and kind in MOVES and admin.life is not None:
        step = admin.life.find(MOVES[kind])
        assert step is not None
        differing = {admin.life.field: [plain(getattr(row, admin.life.field)), plain(step.target)]}
    elif problems := _trial(session, row, values, now):
        raise RuleError(problems)
    change = _open(session, row)
    if change is not None and (change.state not in EDITABLE or (change.kind in MOVES) != (kind in MOVES)):
        raise RuleError([_under_way(change)])
    if change is not None:
        differing = {**change.changes, **differing}
    told: dict[str, Any] = {"changes": differing, "kind": kind or kind_of(differing)}
    if change is None:
        change = Change()
        told |= {
            "subject_type": admin.name,
            "subject_id": row.id,
            "subject_label": str(getattr(row, admin.label))[:300],
            "department_id": department_of(row) or session.scope.department,
            "proposed_by_id": session.scope.actor,
            "state": S.Draft,
        }
    found = save(session, change, told, now=now, expected_version=change.version, also=tuple(told), granted=True)
    if found.errors:
        raise RuleError(found)
    return change


def _answer(change: Change) -> Told:
    message = N_("The change request is made. Give its reason, then submit it for review.")
    return Told(message, {}, about=("changes", change.id))


def _proposed(session: ScopedSession, row: Any, given: Mapping[str, Any], now: datetime) -> Told:
    return _answer(propose(session, row, given, now=now))


def _proposed_as(kind: ChangeKind) -> Callable[..., Told]:
    return lambda session, row, given, now: _answer(propose(session, row, {}, now=now, kind=kind))


PROPOSE = "propose propose_set_up propose_cancel"


def proposals(asks: tuple[str, ...], in_force: LabelEnum, *, set_up: Callable[[Any], bool]) -> tuple[Action, ...]:
    """The actions by which a registry under control proposes changes; granted by the words of ``PROPOSE``, and by
    ``propose_devolve`` where it has a move of that name.

    asks: the fields under control. in_force: the state in which they are. set_up(row): only a finished change puts
    it in force.
    """

    def held(row: Any) -> bool:
        return bool(row.state is in_force)

    label, confirm = N_("Propose its abolition"), N_("It is abolished once this was agreed to, filed and took effect.")
    return (
        Action("propose", N_("Propose a change"), _proposed, asks=asks, when=held),
        Action("propose_set_up", N_("Propose to set it up"), _proposed_as(ChangeKind.SetUp), when=set_up, tone="main"),
        Action("propose_cancel", label, _proposed_as(ChangeKind.Cancel), confirm=confirm, when=held, bulk=True),
    )


DEVOLVE = Action(
    "propose_devolve",
    N_("Propose its devolution"),
    _proposed_as(ChangeKind.Devolve),
    confirm=N_("Say on the next page who takes it over."),
)


def kind_of(changes: Mapping[str, Any]) -> ChangeKind:
    kinds = {KINDS.get(name, ChangeKind.Basics) for name in changes}
    return kinds.pop() if len(kinds) == 1 else ChangeKind.Basics


def save_and_propose(
    session: ScopedSession,
    row: Any,
    values: Mapping[str, Any],
    *,
    now: datetime,
    expected_version: int | None = None,
    noticed: Iterable[Problem] = (),
) -> tuple[Problems, Change | None]:
    """What needs no approval applies at once, the rest becomes a change request (A07). With an error among the
    Problems the caller must roll back."""
    held = [n for n in type(row).__admin__.controlled(row) if n in values and values[n] != getattr(row, n)]
    rest = {n: v for n, v in values.items() if n not in held}
    found = save(session, row, rest, now=now, expected_version=expected_version, noticed=noticed)
    if found.errors or not held:
        return found, None
    try:
        return found, propose(session, row, {n: values[n] for n in held}, now=now)
    except RuleError as error:
        return Problems([*found, *error.problems]), None


def _trial(session: ScopedSession, row: Any, values: Mapping[str, Any], now: datetime) -> list[Problem]:
    """What would speak against the changed row; it stays as it is."""
    undone = session.begin_nested()
    try:
        found = save(session, row, values, now=now, expected_version=row.version, also=tuple(values), granted=True)
    finally:
        undone.rollback()
        session.refresh(row)
    return found.errors


def _open(session: ScopedSession, row: Any) -> Change | None:
    """The request about *row* that is not over yet. Only one's own department's can be seen, but there is only one."""
    about = (Change.subject_type == type(row).__admin__.name) & (Change.subject_id == row.id)
    known = session.execute(
        select(Change.id).where(about, Change.state.in_(OPEN)), execution_options={UNSCOPED: True}
    ).scalar()
    if known is None:
        return None
    found: Change | None = session.get(Change, known)
    if found is None:
        raise RuleError.one(None, "under_way", N_("Another change of this row is under way."))
    return found


def _under_way(change: Change) -> Problem:
    message = N_("Another change of this row is under way: “%(kind)s”, %(state)s.")
    told = {"kind": change.kind.label, "state": change.state.label}
    return Problem(None, "under_way", message, told, about=("changes", change.id))


# --- the way of a request --------------------------------------------------------------------------------------------


def _submit_check(row: Any, given: Given, now: datetime) -> Iterable[Problem]:
    session = session_of(row)
    if not row.reason:
        yield Problem("reason", "required", N_("A change is submitted with its reason."))
    if row.kind is ChangeKind.Devolve and row.successor_id is None:
        yield Problem("successor_id", "required", N_("Say who takes the item over."))
    subject = session.get(models.registries()[row.subject_type], row.subject_id)
    yield from outdated(row, subject)


def outdated(change: Change, subject: Any) -> Iterable[Problem]:
    """What the request found before and is no longer so."""
    if subject is None:
        yield Problem(None, "gone", N_("The row that was to be changed is not there any more."))
        return
    now_stands = snapshot(subject)
    for name, (old, _) in change.changes.items():
        if plain(now_stands.get(name)) != old:
            message = N_("It was changed meanwhile, so that this request speaks of what is no longer there.")
            yield Problem(None, "outdated", message, about=(change.subject_type, change.subject_id))
            return


def _not_ones_own(row: Any, given: Given, now: datetime) -> Iterable[Problem]:
    """Nobody reviews what they proposed themselves."""
    session = session_of(row)
    if session.scope.actor is not None and session.scope.actor == row.proposed_by_id:
        yield Problem(None, "own_proposal", N_("Whoever proposed a change does not review it."))


def _reviewed(row: Any, given: Given, now: datetime) -> Mapping[str, Any]:
    session = session_of(row)
    return {"reviewed_at": now, "reviewed_by_id": session.scope.actor}


def _file_check(row: Any, given: Given, now: datetime) -> Iterable[Problem]:
    today = local_day(now)
    filed, effective = given["filed_on"], given["effective_on"]
    if filed > today:
        yield Problem("filed_on", "future", N_("This lies in the future."))
    if row.reviewed_at is not None and filed < local_day(row.reviewed_at):
        yield Problem("filed_on", "before_review", N_("A change is filed after it was agreed to."))
    if effective < filed:
        message = N_("A change takes effect on the day of its filing at the earliest.")
        yield Problem("effective_on", "before_filing", message)


def _effect(row: Any, given: Given, now: datetime) -> Iterable[tuple[str, datetime]]:
    yield "effect", begin_of(given["effective_on"])


def _tell(name: str) -> Any:
    return lambda row, given, now: [(f"remind.{name}", now)]


LIFE = Lifecycle(
    states=ChangeState,
    initial=S.Draft,
    open_in=EDITABLE,
    steps=(S.Draft, S.Submitted, S.Agreed, S.Filed, S.InEffect),
    tones={
        S.Draft: "warn",
        S.Submitted: "info",
        S.Agreed: "info",
        S.Filed: "info",
        S.InEffect: "ok",
        S.Returned: "warn",
        S.Blocked: "bad",
    },
    moves=(
        Move("submit", N_("Submit for review"), EDITABLE, S.Submitted, check=_submit_check, tone="main"),
        Move(
            "agree",
            N_("Agree"),
            (S.Submitted,),
            S.Agreed,
            asks=("opinion",),
            check=_not_ones_own,
            sets=_reviewed,
            confirm=N_("It still has to be filed with the province before it takes effect."),
            tone="main",
        ),
        Move(
            "return_it",
            N_("Return"),
            (S.Submitted, S.Agreed, S.Blocked),
            S.Returned,
            asks=("opinion",),
            requires=("opinion",),
            check=_not_ones_own,
            sets=_reviewed,
            tone="bad",
            later=_tell("returned"),
        ),
        Move(
            "file_it",
            N_("Enter the filing"),
            (S.Agreed,),
            S.Filed,
            asks=("filing_number", "filed_on", "effective_on"),
            requires=("filing_number", "filed_on", "effective_on"),
            check=_file_check,
            confirm=N_("On its day the change takes effect by itself."),
            tone="main",
            later=_effect,
        ),
        Move(
            "take_effect",
            N_("Take effect"),
            (S.Filed,),
            S.InEffect,
            sets=lambda row, given, now: {"in_effect_at": now},
            later=_tell("done"),
            jobs=True,
        ),
        Move(
            "block",
            N_("Could not take effect"),
            (S.Filed,),
            S.Blocked,
            asks=("hindrance",),
            later=_tell("blocked"),
            jobs=True,
        ),
        Move(
            "withdraw",
            N_("Withdraw"),
            (S.Draft, S.Submitted, S.Returned, S.Blocked),
            S.Withdrawn,
            confirm=N_("A withdrawn request is kept, but leads to nothing any more."),
            tone="bad",
        ),
    ),
)


def _told(name: str, text: str, state: ChangeState) -> Reminder:
    def says(row: Any) -> Mapping[str, Any]:
        return {"kind": row.kind.label, "subject": row.subject_label, "opinion": row.opinion or "—"}

    return Reminder(name, text, at=None, says=says, to="proposed_by_id", states=(state,))


_HANDLE = "list show export edit submit withdraw"

Change.__admin__ = Admin(
    name="changes",
    title=N_("Change requests"),
    one=N_("Change request"),
    menu=MenuGroup.Items,
    label="subject_label",
    cells="subject_label/kind changes state department_id effective_on",
    search="subject_label filing_number superior_document",
    filters="state kind subject_type subject_id department_id successor_id effective_on proposed_by_id",
    order="-id",
    departments=("department_id",),
    life=LIFE,
    groups=(
        Group(N_("What is to change"), "subject_label subject_type kind changes"),
        Group(N_("Grounds"), "reason superior_document successor_id reconciled"),
        Group(N_("Review"), "state department_id proposed_by_id opinion reviewed_by_id reviewed_at"),
        Group(N_("Filing and effect"), "filing_number filed_on effective_on in_effect_at hindrance"),
    ),
    reminders=(
        _told("returned", N_("“%(kind)s” of %(subject)s was returned: %(opinion)s"), S.Returned),
        _told("done", N_("“%(kind)s” of %(subject)s has taken effect."), S.InEffect),
        _told("blocked", N_("“%(kind)s” of %(subject)s could not take effect; the request says why."), S.Blocked),
    ),
    desk=Desk(
        figures=(
            Figure(N_("Changes to be submitted"), "state=draft&state=returned", "warn"),
            Figure(N_("Changes under review"), "state=submitted"),
        )
    ),
    grants=(
        Grant(Role.Administrator, "list show export withdraw", Reach.all),
        Grant(Role.Management, f"{_HANDLE} file_it", Reach.subtree),
        Grant(Role.ReformLead, "list show export agree return_it file_it", Reach.subtree),
        Grant(Role.Approver, _HANDLE, Reach.own),
        Grant(Role.Clerk, "list show export", Reach.own),
        Grant(Role.Auditor, "list show export", Reach.all),
    ),
    weight=15,
)
