"""导入导出记录: every file that came in or went out, by whom, and what became of it.

A batch is a record of the machinery, as background work is: it makes no Events of its own, the rows that it changes do,
and carry its token. The bytes of the file and the report row by row stand in it for a time (``purge``); no list and no
answer of REST holds them. So do the values that an import replaced, in full: Events keep personal ones masked, and
nothing could be taken back from those.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Index, LargeBinary, String, Text, select, update
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.account import Account
from models.base import Moment, Table, field, ref
from models.declare import Action, Admin, Grant, Group, MenuGroup, Page, Reach, Role, Todo
from models.department import Department
from models.outbox import post
from models.scope import ScopedSession
from rules.lifecycle import Lifecycle, Move
from rules.words import N_, LabelEnum, RuleError, Told


class BatchKind(LabelEnum):
    Import = "import", N_("Import")
    Export = "export", N_("Export")


class BatchMode(LabelEnum):
    Valid = "valid", N_("Valid rows only")
    Whole = "whole", N_("All or nothing")


class BatchState(LabelEnum):
    Uploaded = "uploaded", N_("Columns to be chosen")
    Checking = "checking", N_("Being checked")
    Checked = "checked", N_("Checked, not imported yet")
    Waiting = "waiting", N_("Waiting to be imported")
    Done = "done", N_("Done")
    Refused = "refused", N_("Refused")
    Cancelled = "cancelled", N_("Cancelled")
    Failed = "failed", N_("Failed")
    Undoing = "undoing", N_("Being taken back")
    Undone = "undone", N_("Taken back")


S = BatchState
# In these states a worker has it in hand, or is about to.
BUSY = (S.Checking, S.Waiting, S.Undoing)
_OPEN = (S.Uploaded, S.Checking, S.Checked, S.Waiting)

COUNTS = ("rows", "new", "changed", "unchanged", "proposed", "refused", "warned")

LIFE = Lifecycle(
    states=BatchState,
    initial=BatchState.Uploaded,
    tones={
        S.Uploaded: "warn",
        S.Checking: "info",
        S.Checked: "info",
        S.Waiting: "info",
        S.Done: "ok",
        S.Refused: "bad",
        S.Failed: "bad",
        S.Cancelled: "",
        S.Undoing: "info",
        S.Undone: "",
    },
    moves=(
        Move("ask_check", N_("Check"), (S.Uploaded, S.Checked, S.Refused, S.Cancelled), S.Checking, jobs=True),
        Move("checked", N_("Checked"), (S.Uploaded, S.Checking), S.Checked, jobs=True),
        Move("ask_run", N_("Import now"), (S.Checked,), S.Waiting, jobs=True),
        Move("done", N_("Done"), (S.Waiting,), S.Done, jobs=True),
        Move("refuse", N_("Refuse"), _OPEN, S.Refused, jobs=True),
        Move("stop", N_("Cancel"), _OPEN, S.Cancelled, jobs=True),
        Move("fail", N_("Fail"), (*_OPEN, S.Undoing), S.Failed, jobs=True),
        Move("ask_undo", N_("Take back"), (S.Done,), S.Undoing, jobs=True),
        Move("undone", N_("Taken back"), (S.Done, S.Undoing), S.Undone, jobs=True),
        Move("kept", N_("Not taken back"), (S.Undoing,), S.Done, jobs=True),
    ),
    begun_in=(S.Done,),
)


class Batch(Table):
    __table_args__ = (Index("ix_batch_owner_id_id", "owner_id", "id"),)

    kind: Mapped[BatchKind] = field(N_("Kind"), editable="never")
    subject_type: Mapped[str] = field(N_("Registry"), String(40), editable="never", index=True)
    owner_id: Mapped[int | None] = ref("ab_user.id", N_("Who"), editable="never", index=False)
    department_id: Mapped[int | None] = ref("department.id", N_("Department"), editable="never")
    file_name: Mapped[str] = field(N_("File"), String(200), editable="never")
    at: Mapped[datetime] = field(N_("Begun at"), Moment(), editable="never", index=True)
    ended_at: Mapped[datetime | None] = field(N_("Ended at"), Moment(), editable="never")
    state: Mapped[BatchState] = field(N_("State"), editable="never", default=BatchState.Uploaded)
    mode: Mapped[BatchMode] = field(N_("How"), editable="never", default=BatchMode.Valid)
    mapping: Mapped[str | None] = field(N_("Meaning of the columns"), String(60), editable="never")
    asked: Mapped[str | None] = field(N_("What was asked for"), Text(), editable="never")
    rows: Mapped[int] = field(N_("Rows"), editable="never", default=0)
    new: Mapped[int] = field(N_("New"), editable="never", default=0)
    changed: Mapped[int] = field(N_("Changed"), editable="never", default=0)
    unchanged: Mapped[int] = field(N_("Unchanged"), editable="never", default=0)
    proposed: Mapped[int] = field(N_("To be approved"), editable="never", default=0)
    refused: Mapped[int] = field(N_("Not imported"), editable="never", default=0)
    warned: Mapped[int] = field(N_("With remarks"), editable="never", default=0)
    token: Mapped[str] = field(N_("Batch"), String(40), editable="never", index=True)

    # Not declared to people. columns: heading → field; options: take_over, clears; note: why it ended as it did.
    # causes: problems with their counts.
    columns: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    note: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    options: Mapped[dict[str, Any]] = mapped_column(JSON, nullable=False, default=dict)
    causes: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True), deferred=True)
    data: Mapped[bytes | None] = mapped_column(LargeBinary(), deferred=True)
    report: Mapped[bytes | None] = mapped_column(LargeBinary(), deferred=True)
    before: Mapped[bytes | None] = mapped_column(LargeBinary(), deferred=True)

    owner: Mapped[Account | None] = relationship(lambda: Account, foreign_keys=lambda: [Batch.owner_id])
    department: Mapped[Department | None] = relationship()

    LABELS = {"told": N_("Note")}  # noqa: RUF012

    @property
    def told(self) -> Told | None:
        """Why it ended as it did: message id and values."""
        return Told(*self.note[:2]) if self.note else None

    @property
    def why(self) -> Told | None:
        """What exactly stood in the way."""
        return Told(*self.note[2:4]) if self.note and len(self.note) > 2 else None

    @property
    def counts(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in COUNTS}


def begin(
    session: ScopedSession, kind: BatchKind, registry: str, file_name: str, now: datetime, **values: Any
) -> Batch:
    """A new batch of whoever acts, in the caller's transaction."""
    batch = Batch(
        kind=kind,
        subject_type=registry,
        owner_id=session.scope.actor,
        department_id=session.scope.department,
        file_name=file_name[:200] or "-",
        at=now,
        token=uuid.uuid4().hex,
        **{"options": {}, "mode": BatchMode.Valid, "state": BatchState.Uploaded, **values},
    )
    session.add(batch)
    session.flush()
    return batch


def advance(batch: Batch, name: str, **values: Any) -> None:
    """Carry out a move of the life cycle. Raises RuleError where its state does not allow it."""
    move = LIFE.find(name)
    assert move is not None, name
    if batch.state not in move.sources:
        message = N_("“%(action)s” is not possible while the state is “%(state)s”.")
        params = {"action": move.label, "state": batch.state.label}
        raise RuleError.one(None, "wrong_state", message, **params)
    batch.state = move.target  # type: ignore[assignment]
    for field_name, value in values.items():
        setattr(batch, field_name, value)


def ask(session: ScopedSession, batch: Batch, step: str, now: datetime) -> None:
    """Let a worker do *step* (check, run or undo) of the batch; the door hands it over once it has committed."""
    number = int(batch.options.get("asked", 0)) + 1
    batch.options = {**batch.options, "asked": number}
    row = post(session, batch, Todo(f"import.{step}", f"import.{step}:{batch.id}:{number}", now))
    session.flush()
    session.info.setdefault("posted", []).append(row.id)


def remembered(session: ScopedSession, registry: str) -> dict[str, dict[str, str]]:
    """Name → heading → field: what the columns of foreign files meant before, the newest under each name."""
    told = select(Batch.mapping, Batch.columns).where(
        Batch.subject_type == registry, Batch.mapping.is_not(None), Batch.columns.is_not(None)
    )
    found: dict[str, dict[str, str]] = {}
    for name, columns in session.execute(told.order_by(Batch.id.desc()).limit(500)):
        found.setdefault(name, columns)
    return dict(sorted(found.items()))


def purge(session: ScopedSession, now: datetime, days: int) -> int:
    """Remove the bytes of batches of more than *days* ago; that they were stays on record. Returns how many."""
    old = Batch.at < now - timedelta(days=days)
    held = Batch.data.is_not(None) | Batch.report.is_not(None) | Batch.before.is_not(None)
    gone = update(Batch).where(old, held, Batch.state.not_in(BUSY)).values(data=None, report=None, before=None)
    return int(session.execute(gone.execution_options(synchronize_session=False)).rowcount)  # type: ignore[attr-defined]


# Kinds of background work, with what they are called.
IMPORTS = {
    "import.check": N_("Dry run of an import"),
    "import.run": N_("Import"),
    "import.undo": N_("Taking back of an import"),
    **{f"batch.{state.value}": N_("Result of an import") for state in BatchState},
}


def _undo(session: ScopedSession, row: Batch, given: Mapping[str, Any], now: datetime) -> Told:
    """Ask for the import to be taken back; a worker looks whether anything stands in the way."""
    if row.kind is not BatchKind.Import:
        raise RuleError.one(None, "no_import", N_("Only an import can be taken back."))
    if session.scalar(select(Batch.before.is_(None)).where(Batch.id == row.id)):
        raise RuleError.one(None, "too_old", N_("What this import replaced is no longer kept."))
    advance(row, "ask_undo", note=None)
    ask(session, row, "undo", now)
    return Told(N_("The import is being taken back; the result comes as a message."), {})


Batch.__admin__ = Admin(
    name="batches",
    title=N_("Imports and exports"),
    one=N_("Import or export"),
    menu=MenuGroup.System,
    label="file_name",
    cells="file_name/subject_type kind state/told rows new changed refused owner_id at",
    search="file_name",
    filters="kind state subject_type owner_id at",
    order="-id",
    departments=("department_id",),
    owner="owner_id",
    life=LIFE,
    actions=(
        Action(
            "undo",
            N_("Take back"),
            _undo,
            confirm=N_(
                "Every row gets back what the import replaced, and what it made is deleted. All of it is on record."
            ),
            tone="bad",
            when=lambda row: row.kind is BatchKind.Import and row.state is BatchState.Done,
        ),
    ),
    groups=(
        Group(N_("Basics"), "kind subject_type file_name state mode mapping asked owner_id department_id at ended_at"),
        Group(N_("Outcome"), "rows new changed unchanged proposed refused warned token"),
    ),
    pages=(Page(N_("Row by row"), "Import.batch", when=lambda row: row.kind is BatchKind.Import),),
    grants=(
        Grant(Role.Administrator, "list show undo", Reach.all),
        Grant(Role.Management, "list show", Reach.subtree),
        Grant(Role.Management, "undo", Reach.mine),
        Grant(Role.Clerk, "list show undo", Reach.mine),
        Grant(Role.ReformLead, "list show undo", Reach.mine),
        Grant(Role.Approver, "list show undo", Reach.mine),
        Grant(Role.Auditor, "list show", Reach.all),
    ),
    weight=80,
)
