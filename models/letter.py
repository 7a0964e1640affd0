"""文书 (N23): official letters, each stored once with its bytes, number, template and data.

A letter may be about a row of any registry whose moves tell one; which kinds there are is said by the folders of
``notices/``.
"""

from __future__ import annotations

import base64
import secrets
from datetime import datetime

from sqlalchemy import BigInteger, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.base import Moment, Row, field, ref
from models.constraints import check_constraint
from models.declare import Admin, Grant, Group, MenuGroup, Reach, Role
from models.department import Department
from rules.lifecycle import Lifecycle, Move
from rules.words import N_, LabelEnum


class LetterState(LabelEnum):
    Reserved = "reserved", N_("Being written")
    Issued = "issued", N_("Issued")


class Letter(Row):
    """Made in two steps, so that a worker killed in between leaves one number and one letter: the number is
    reserved with the row, then the bytes are written into the same row."""

    __table_args__ = (
        UniqueConstraint("event_id", "kind"),
        UniqueConstraint("department_id", "kind", "year", "serial"),
        UniqueConstraint("code"),
        Index("ix_letter_department_id_id", "department_id", "id"),
        Index("ix_letter_subject_type_subject_id", "subject_type", "subject_id"),
        check_constraint(
            "state <> 'issued' OR (pdf IS NOT NULL AND sha256 IS NOT NULL AND issued_at IS NOT NULL)",
            "issued_has_bytes",
            N_("An issued letter has its file."),
        ),
    )

    number: Mapped[str] = field(N_("Document number"), String(60), editable="never")
    # The folder of notices/; views call it by its title. No list of them here: a new folder needs no migration.
    kind: Mapped[str] = field(N_("Kind"), String(40), editable="never")
    subject_type: Mapped[str] = field(N_("Registry"), String(40), editable="never")
    subject_id: Mapped[int] = field(N_("Row"), BigInteger(), editable="never")
    subject_label: Mapped[str] = field(N_("Subject"), String(300), editable="never")
    department_id: Mapped[int] = ref("department.id", N_("Department"), editable="never", index=False)
    event_id: Mapped[int] = ref("event.id", N_("Record"), editable="never", index=False)
    year: Mapped[int] = field(N_("Year"), editable="never")
    serial: Mapped[int] = field(N_("Serial number"), editable="never")
    code: Mapped[str] = field(N_("Verification code"), String(20), editable="never")
    state: Mapped[LetterState] = field(N_("State"), editable="never", default=LetterState.Reserved)
    issued_at: Mapped[datetime | None] = field(N_("Issued at"), Moment(), editable="never")
    pages: Mapped[int | None] = field(N_("Pages"), editable="never")
    sha256: Mapped[str | None] = field(N_("SHA-256 of the file"), String(64), editable="never")
    template_hash: Mapped[str | None] = field(N_("Template version"), String(64), editable="never")
    demo: Mapped[bool] = field(N_("Demonstration"), editable="never", default=True)

    # Not declared to people: the file is fetched, not shown, and the data repeat personal fields.
    data: Mapped[str | None] = mapped_column(Text(), deferred=True)
    pdf: Mapped[bytes | None] = mapped_column(LargeBinary(), deferred=True)

    department: Mapped[Department] = relationship()


def new_code() -> str:
    """A random code of 80 bits in four groups, as printed under the QR code."""
    text = base64.b32encode(secrets.token_bytes(10)).decode()
    return "-".join(text[i : i + 4] for i in range(0, 16, 4))


LIFE = Lifecycle(
    states=LetterState,
    initial=LetterState.Reserved,
    tones={LetterState.Reserved: "warn", LetterState.Issued: "ok"},
    # Done by the letters job alone; no role is granted it.
    moves=(Move("issue", N_("Issue"), (LetterState.Reserved,), LetterState.Issued, jobs=True),),
)

Letter.__admin__ = Admin(
    name="letters",
    title=N_("Issued letters"),
    one=N_("Letter"),
    menu=MenuGroup.Letters,
    label="number",
    cells="number/kind subject_label state issued_at",
    search="number code subject_label",
    filters="kind state department_id subject_type subject_id issued_at",
    order="-id",
    departments=("department_id",),
    life=LIFE,
    file="pdf",
    groups=(
        Group(N_("Letter"), "number kind subject_type subject_label department_id state issued_at pages demo"),
        Group(N_("Proof"), "code sha256 template_hash"),
    ),
    grants=(
        Grant(Role.Clerk, "list show export", Reach.own),
        Grant(Role.Approver, "list show export", Reach.own),
        Grant(Role.Management, "list show export", Reach.subtree),
        Grant(Role.Auditor, "list show export", Reach.all),
        Grant(Role.Administrator, "list show export", Reach.all),
    ),
    weight=10,
)
