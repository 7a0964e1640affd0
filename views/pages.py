"""The few pages written by hand: sign-in, own account, language, workbench, verification of a letter."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Response, flash, g, jsonify, redirect, render_template, request, session, url_for
from flask_appbuilder import BaseView, expose
from flask_babel import gettext
from flask_login import login_user, logout_user
from sqlalchemy import func, select, text
from werkzeug.security import check_password_hash

from config import LOCALES
from forms.convert import UNSTORABLE
from models.account import Account, set_password
from models.case import Case, CaseState
from models.event import EventKind, record
from models.item import Item
from models.letter import Letter, LetterState
from models.message import Message, MessageState
from models.scope import door, everything
from models.work_day import WorkDay
from rules.deadlines import local_day
from views import display
from views.listing import with_references
from views.security import database, db, find_person, local_path, now

SHORTEST_PASSWORD = 10


class SignIn(BaseView):
    """flask-appbuilder's check (scrypt, balanced against guessing of names) behind a page of ours."""

    route_base = ""
    default_view = "login"
    base_permissions: list[str] = []  # noqa: RUF012 - read by flask-appbuilder as it stands

    @expose("/login/", methods=["GET", "POST"])
    def login(self) -> Any:
        target = local_path(request.values.get("next"))
        if g.person is not None:
            return redirect(target)
        if request.method == "GET":
            return render_template("login.html", target=target, username="", refused=False)
        username = request.form.get("username", "")[:128]
        account = self.appbuilder.sm.auth_user_db(username, request.form.get("password", "")[:1000])
        person = find_person(account.id) if account is not None else None
        if person is None:
            return render_template("login.html", target=target, username=username, refused=True), 401
        locale = session.get("locale")
        session.clear()  # nothing that was set before the sign-in lives on
        if locale:
            session["locale"] = locale
        login_user(person)
        session["stamp"] = person.stamp
        return redirect(target)

    @expose("/logout/", methods=["POST"])
    def logout(self) -> Any:
        logout_user()
        session.clear()
        return redirect(url_for("SignIn.login"))


class Language(BaseView):
    route_base = "/language"
    base_permissions: list[str] = []  # noqa: RUF012

    @expose("/", methods=["POST"])
    def choose(self) -> Any:
        chosen = request.form.get("locale")
        if chosen in LOCALES:
            session["locale"] = chosen
        return redirect(local_path(request.form.get("next")))


class MyAccount(BaseView):
    route_base = "/account"
    base_permissions: list[str] = []  # noqa: RUF012

    @expose("/password", methods=["GET", "POST"])
    def password(self) -> Any:
        if g.person is None:
            return redirect(url_for("SignIn.login", next=request.path))
        errors: dict[str, str] = {}
        if request.method == "POST":
            errors = self._change(
                request.form.get("old", ""), request.form.get("new", ""), request.form.get("again", "")
            )
            if not errors:
                changed = find_person(g.person.id)
                session["stamp"] = changed.stamp if changed is not None else ""  # this session goes on, others end
                flash(gettext("Your password is changed."), "ok")
                return redirect(url_for("Workbench.index"))
        return render_template("password.html", errors=errors, shortest=SHORTEST_PASSWORD), 422 if errors else 200

    @staticmethod
    def _change(old: str, new: str, again: str) -> dict[str, str]:
        errors: dict[str, str] = {}
        # One's own password is no field of the registry, so it has no door; only its owner gets here.
        with database().session(everything("own password", g.person.id), write=True) as s:
            account = s.get(Account, g.person.id)
            if account is None or not check_password_hash(account.password or "", old[:1000]):
                errors["old"] = gettext("This is not your present password.")
            if len(new) < SHORTEST_PASSWORD:
                errors["new"] = gettext("At least %(length)d characters.", length=SHORTEST_PASSWORD)
            elif new in (old, g.person.username) or len(set(new)) < 5 or len(new) > 1000 or not new.isprintable():
                errors["new"] = gettext("Choose a different password.")
            if new != again:
                errors["again"] = gettext("The two entries differ.")
            if not errors and account is not None:
                with door(s):
                    set_password(account, new, change=False)
                    record(s, account, EventKind.Done, now(), action="change_password")
        return errors


class Workbench(BaseView):
    route_base = ""
    default_view = "index"
    base_permissions: list[str] = []  # noqa: RUF012

    @expose("/")
    def index(self) -> Any:
        if g.person is None:
            return redirect(url_for("SignIn.login", next=request.full_path.rstrip("?")))
        today = local_day(now())
        calendar = display.calendar()
        return render_template(
            "workbench.html",
            greeting=greeting(),
            today=today,
            workday=calendar.is_workday(today),
            next_workday=calendar.next_workday(today),
            stats=self.stats(today),
            waiting=self.waiting(),
            messages=self.messages(),
            missing_year=self.missing_year(today),
        )

    @staticmethod
    def stats(today: Any) -> list[dict[str, Any]]:
        if not g.scope.may("cases", "list"):
            return []
        open_ = Case.state == CaseState.Received
        overdue, due_today, received, gaps = (
            db()
            .execute(
                select(
                    func.count().filter(open_ & (Case.notice_due < today)),
                    func.count().filter(open_ & (Case.notice_due == today)),
                    func.count().filter(open_),
                    select(func.count()).select_from(Item).where(Item.gap_count > 0).scalar_subquery(),
                ).select_from(Case)
            )
            .one()
        )
        return [
            {"label": gettext("Overdue"), "count": overdue, "tone": "bad", "args": {"notice_due": "overdue"}},
            {"label": gettext("Due today"), "count": due_today, "tone": "warn", "args": {"notice_due": "today"}},
            {"label": gettext("To be accepted"), "count": received, "tone": "", "args": {"state": "received"}},
            {
                "label": gettext("Items with gaps"),
                "count": gaps,
                "tone": "",
                "args": {"gap_count": "some"},
                "to": "items",
            },
        ]

    @staticmethod
    def waiting() -> list[Case]:
        if not g.scope.may("cases", "list"):
            return []
        statement = select(Case).where(Case.state == CaseState.Received).order_by(Case.notice_due, Case.id).limit(12)
        return [*db().scalars(with_references(statement, Case, ("item_id", "handler_id")))]

    @staticmethod
    def messages() -> list[Message]:
        mine = (Message.recipient_id == g.person.id) & (Message.state == MessageState.Unread)
        return [*db().scalars(select(Message).where(mine).order_by(Message.id.desc()).limit(6))]

    @staticmethod
    def missing_year(today: Any) -> int | None:
        """From 1 November on, next year's arrangement should be in the calendar."""
        if today.month < 11:
            return None
        following = today.year + 1
        held = db().scalar(select(func.max(WorkDay.day)).where(WorkDay.provisional.is_(False)))
        return following if held is None or held.year < following else None


def greeting() -> str:
    hour = (now() + timedelta(hours=8)).hour
    name = g.person.name
    if hour < 12:
        return str(gettext("Good morning, %(name)s", name=name))
    if hour < 18:
        return str(gettext("Good afternoon, %(name)s", name=name))
    return str(gettext("Good evening, %(name)s", name=name))


class Verify(BaseView):
    """What the QR code of a letter leads to: open to everybody, tells nothing that the letter does not say."""

    route_base = "/verify"
    base_permissions: list[str] = []  # noqa: RUF012

    @expose("/")
    @expose("/<code>")
    def show(self, code: str = "") -> Any:
        asked = UNSTORABLE.sub("", code or request.args.get("code", "")).strip().upper()[:20]
        letter = None
        if asked:
            with database().session(everything("verification of a letter")) as s:
                statement = select(Letter).where(Letter.code == asked, Letter.state == LetterState.Issued)
                letter = s.scalars(with_references(statement, Letter, ("department_id",))).one_or_none()
        missing = bool(asked) and letter is None
        return render_template("verify.html", letter=letter, asked=asked, missing=missing), 404 if missing else 200


class Health(BaseView):
    route_base = "/health"
    base_permissions: list[str] = []  # noqa: RUF012

    @expose("/")
    def health(self) -> Response:
        with database().engine.connect() as connection:
            connection.execute(text("SELECT 1"))
        return jsonify({"status": "ok"})


PAGES = (Workbench, Language, MyAccount, Verify, Health)
