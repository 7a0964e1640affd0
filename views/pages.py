"""The few pages written by hand: sign-in, own account, language, verification of a letter."""

from __future__ import annotations

from typing import Any

from flask import Response, flash, g, jsonify, redirect, render_template, request, session, url_for
from flask_appbuilder import BaseView, expose
from flask_login import login_user, logout_user
from sqlalchemy import select, text
from werkzeug.security import check_password_hash

from config import LOCALES
from forms.convert import UNSTORABLE
from models import registries
from models.account import Account, set_password
from models.declare import MenuGroup
from models.event import EventKind, record
from models.letter import Letter, LetterState
from models.scope import door, everything
from views import display
from views.display import gettext
from views.errors import kept_fields, resend_page
from views.listing import with_references
from views.security import database, find_person, local_path, now

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
            return render_template("login.html", target=target, username="", refused=False, kept="")
        kept = request.form.get("kept", "")
        username = request.form.get("username", "")[:128]
        account = self.appbuilder.sm.auth_user_db(username, request.form.get("password", "")[:1000])
        person = find_person(account.id) if account is not None else None
        if person is None:
            return render_template("login.html", target=target, username=username, refused=True, kept=kept), 401
        locale = session.get("locale")
        session.clear()  # nothing that was set before the sign-in lives on
        if locale:
            session["locale"] = locale
        login_user(person)
        session["stamp"] = person.stamp
        if (fields := kept_fields(kept, person.id)) and target != "/":
            return resend_page(target, fields, person)
        return redirect("/" if kept else target)  # where a form was sent to there may be nothing to open

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
    default_view = "profile"
    base_permissions: list[str] = []  # noqa: RUF012

    @expose("/")
    def profile(self) -> Any:
        """Who I am here: department, roles, and what is mine."""
        if g.person is None:
            return redirect(url_for("SignIn.login", next=request.path))
        roles = sorted(display.role_label(name) for name in g.person.roles)
        mine = [m.__admin__ for m in registries().values() if m.__admin__.menu is MenuGroup.Mine]
        own = [admin for admin in mine if g.scope.may(admin.name, "list")]
        return render_template("account.html", roles=roles, own=own)

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


PAGES = (Language, MyAccount, Verify, Health)
