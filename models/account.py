"""Users: flask-appbuilder's own table, which it signs people in from, with the department they work in."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from flask_appbuilder.security.sqla.models import Permission, PermissionView, User, ViewMenu
from flask_appbuilder.security.sqla.models import Role as FabRole
from flask_appbuilder.security.sqla.models import assoc_user_role as user_role
from sqlalchemy import Boolean, ForeignKey, Integer, inspect
from sqlalchemy.orm import Mapped, mapped_column, relationship
from werkzeug.security import generate_password_hash

from models.base import Info, Moment
from models.declare import Action, Admin, Grant, Group, MenuGroup, Reach, Role
from models.department import Department
from rules.words import N_, Problem, RuleError

# flask-appbuilder's tables for roles, for whoever in this house writes or reads them (models/access.py).
__all__ = [
    "Account",
    "FabRole",
    "Permission",
    "PermissionView",
    "ViewMenu",
    "hashed",
    "new_password",
    "set_password",
    "user_role",
]


class Account(User):
    __tablename__ = "ab_user"

    department_id: Mapped[int | None] = mapped_column(
        ForeignKey("department.id"), index=True, info={"field": Info(N_("Department"))}
    )
    version: Mapped[int] = mapped_column(
        Integer, nullable=False, server_default="1", info={"field": Info(N_("Version"), editable="never")}
    )
    must_change_password: Mapped[bool] = mapped_column(
        Boolean, nullable=False, server_default="0", info={"field": Info(N_("Must change password"), editable="never")}
    )

    department: Mapped[Department | None] = relationship(lambda: Department)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's own form

    def get_full_name(self) -> str:
        """The name as it is said; flask-appbuilder would put a blank between a Chinese name's parts."""
        return f"{self.last_name}{self.first_name}"

    __repr__ = get_full_name

    @property
    def name(self) -> str:
        return self.get_full_name()

    @staticmethod
    def check(row: Any, now: datetime) -> list[Problem]:
        needs_seat = {r.name for r in row.roles} - {Role.Administrator.value, Role.Auditor.value}
        if needs_seat and row.department_id is None:
            return [Problem("department_id", "required", N_("People with these roles work in a department."))]
        return []

    @staticmethod
    def derive(session: Any, row: Any, actor: int | None, now: datetime) -> Iterable[Problem]:
        row.first_name = row.first_name or ""
        if row.password is None:
            # No sign-in until somebody gives this person a password.
            set_password(row, secrets.token_urlsafe(24), change=True)
            message = N_("Nobody can sign in with this account yet: “%(action)s” makes its first password.")
            yield Problem(None, "no_password", message, {"action": N_("Give a new password")}, warning=True)

    @staticmethod
    def settle(session: Any, row: Any, now: datetime) -> None:
        """Whoever may no longer sign in is signed out everywhere, and stays so when the account is opened again."""
        if not row.active:
            from models.session import end_all

            end_all(session, row.id, now)


def hashed(password: str) -> str:
    """Takes its time on purpose: not while a transaction holds others up."""
    return generate_password_hash(password, method="scrypt")


def set_password(account: Any, password: str, *, change: bool) -> None:
    """Store the scrypt hash; *change*: it must be replaced at the next sign-in."""
    account.password = hashed(password)
    account.must_change_password = change


def new_password() -> str:
    """12 characters of about 70 bits, without those that are easily mistaken for each other."""
    letters = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    return "".join(secrets.choice(letters) for _ in range(12))


def _reset(session: Any, row: Any, given: Mapping[str, Any], now: datetime) -> str:
    from models.session import end_all

    password = new_password()
    set_password(row, password, change=True)
    row.version = row.version  # a new hash alone must count as a new version of the row
    end_all(session, row.id, now)
    return password


def _reset_second_factor(session: Any, row: Any, given: Mapping[str, Any], now: datetime) -> None:
    """For whoever lost telephone and recovery codes: the password alone opens until a new one is set up."""
    from models.second_factor import remove

    if not remove(session, row.id):
        raise RuleError.one(None, "no_second_factor", N_("This person has no second factor."))
    row.version = row.version


_labels = {
    "username": Info(N_("User name"), editable="new"),
    "last_name": Info(N_("Full name")),
    "email": Info(N_("E-mail")),
    "active": Info(N_("May sign in")),
    "last_login": Info(N_("Last sign-in"), editable="never"),
}
# flask-appbuilder keeps this one as naive local time; ours is an aware moment, written in views/security.py.
Account.__table__.c.last_login.type = Moment()
for _name, _info in _labels.items():
    Account.__table__.c[_name].info["field"] = _info


def label_relations() -> None:
    """The roles come from flask-appbuilder's backref, which exists once the mappers are configured."""
    inspect(Account).relationships["roles"].info["field"] = Info(N_("Roles"))


Account.__admin__ = Admin(
    name="accounts",
    title=N_("Users"),
    one=N_("User"),
    menu=MenuGroup.System,
    label="name",
    cells="last_name/username department_id roles active last_login",
    search="username last_name email",
    filters="department_id active",
    order="username",
    departments=("department_id",),
    natural_key=("username",),
    groups=(Group(N_("Basics"), "username last_name email department_id roles active last_login"),),
    check=Account.check,
    derive=Account.derive,
    settle=Account.settle,
    related=("role-terms",),
    actions=(
        Action(
            "reset_password",
            N_("Give a new password"),
            _reset,
            confirm=N_("The old password stops working at once. The new one is shown only this once."),
        ),
        Action(
            "reset_second_factor",
            N_("Remove the second factor"),
            _reset_second_factor,
            confirm=N_(
                "Make sure that it is really this person who asks: until a new one is set up, the password alone opens."
            ),
            tone="bad",
        ),
    ),
    grants=(
        Grant(Role.Administrator, "list show add edit export reset_password reset_second_factor", Reach.all),
        Grant(Role.Auditor, "list show export", Reach.all),
        Grant(Role.Management, "list show export", Reach.subtree),
        Grant(Role.Clerk, "list show", Reach.own),
        Grant(Role.Approver, "list show", Reach.own),
        Grant(Role.ReformLead, "list show export", Reach.subtree),
    ),
    weight=12,
)
