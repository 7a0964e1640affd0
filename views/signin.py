"""Signing in and out: a password, then a code where the account has a second factor; or one's agency's provider."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flask import flash, g, redirect, render_template, request, session, url_for
from flask_appbuilder import BaseView, expose

from models.access import Person
from models.scope import everything
from models.session import SignedInBy, end
from models.sign_in import Outcome
from views import entrance, oidc, security
from views.display import gettext
from views.errors import kept_fields, resend_page
from views.security import database, find_person, local_path, now

# Between password and code: so long a telephone may be looked for.
PENDING = timedelta(minutes=5)


class SignIn(BaseView):
    route_base = ""
    default_view = "login"
    base_permissions: list[str] = []  # noqa: RUF012 - read by flask-appbuilder as it stands

    @expose("/login/", methods=["GET", "POST"])
    def login(self) -> Any:
        target = local_path(request.values.get("next"))
        if g.person is not None:
            return redirect(target)
        if request.method == "GET":
            return login_page(target)
        kept, username = request.form.get("kept", ""), request.form.get("username", "")[: entrance.LONGEST_NAME]
        found = entrance.check_password(username, request.form.get("password", ""))
        if found.until is not None:
            return login_page(target, kept, username, until=found.until)
        person = find_person(found.account_id) if found.account_id is not None else None
        if person is None:
            return login_page(target, kept, username, refused=True)
        if person.has_second_factor:
            return ask_code(person, SignedInBy.Password, target, kept)
        return come_in(person.id, SignedInBy.Password, target, kept)

    @expose("/login/code", methods=["GET", "POST"])
    def code(self) -> Any:
        """The second step, for five minutes after the first."""
        target, kept = local_path(request.values.get("next")), request.form.get("kept", "")
        person = pending()
        if g.person is not None or person is None:
            if request.method == "POST" and g.person is None:
                flash(gettext("That took too long. Please sign in again."), "warn")
                return login_page(target, kept, status=401)
            return redirect(target if g.person is not None else url_for("SignIn.login", next=target))
        if request.method == "GET":
            return render_template("code.html", target=target, kept=kept)
        found = entrance.check_code(person, request.form.get("code", ""))
        if found.until is not None:
            words = too_many(found.until)
            return render_template("code.html", target=target, kept=kept, words=words), 429
        if not found.right:
            words = gettext("This code is wrong, or was used already.")
            return render_template("code.html", target=target, kept=kept, words=words), 401
        provider = session["pending"]["how"] == SignedInBy.Provider.value
        return come_in(person.id, SignedInBy.Provider if provider else SignedInBy.Factor, target, kept)

    @expose("/login/unified")
    def unified(self) -> Any:
        """To the provider of one's agency, with state, nonce and PKCE; it sends people back to ``back``."""
        return oidc.leave(local_path(request.args.get("next")))

    @expose("/login/unified/back")
    def back(self) -> Any:
        target = local_path(session.pop("unified_target", None))
        told = oidc.come_back()
        account_id = entrance.called(told.username)[0] if told.username else None
        person = find_person(account_id) if account_id is not None else None
        if person is None:
            entrance.note(Outcome.NoAccount if told.username else Outcome.Refused, None, told.username)
            words = gettext("The unified sign-in did not let you in. Please try again.")
            if told.username:
                words = gettext("There is no account for “%(name)s” here. Ask your administrator.", name=told.username)
            return login_page(target, words=words, status=403)
        if person.has_second_factor:
            return ask_code(person, SignedInBy.Provider, target, "")
        return come_in(person.id, SignedInBy.Provider, target, "")

    @expose("/logout/", methods=["POST"])
    def logout(self) -> Any:
        found = security.visit()
        if found is not None:
            with database().session(everything("sign-out", found.person.id), write=True) as s:
                end(s, found.session_id, found.person.id, now())
        security.forget_visitor()
        return redirect(url_for("SignIn.login"))


def login_page(
    target: str,
    kept: str = "",
    username: str = "",
    *,
    refused: bool = False,
    until: datetime | None = None,
    words: str = "",
    status: int = 200,
) -> Any:
    """The page of the first step. A pause is told in the same words whether or not there is such a user."""
    if refused:
        words, status = gettext("User name or password is wrong."), 401
    if until is not None:
        words, status = too_many(until), 429
    headers = entrance.retry_after(until) if until is not None else {}
    page = render_template("login.html", target=target, username=username, words=words, kept=kept, unified=oidc.name())
    return page, status, headers


def too_many(until: datetime) -> str:
    return gettext("Too many attempts. Please try again in %(wait)s.", wait=entrance.wait_words(until))


def ask_code(person: Person, how: SignedInBy, target: str, kept: str) -> Any:
    """The first step is done: who it was is kept in the signed cookie for five minutes, and opens nothing by itself."""
    locale = session.get("locale")
    session.clear()
    if locale:
        session["locale"] = locale
    until = (now() + PENDING).isoformat()
    session["pending"] = {"account": person.id, "stamp": person.stamp, "how": how.value, "until": until}
    return render_template("code.html", target=target, kept=kept)


def pending() -> Person | None:
    """Whose first step was done in this browser less than five minutes ago, with the password that is theirs still."""
    held = session.get("pending")
    if not isinstance(held, dict) or datetime.fromisoformat(held["until"]) <= now():
        session.pop("pending", None)
        return None
    person = find_person(int(held["account"]))
    return person if person is not None and person.stamp == held["stamp"] else None


def come_in(account_id: int, how: SignedInBy, target: str, kept: str) -> Any:
    """Both steps are done. A form of one's own that came too late is offered to be sent again."""
    person = entrance.let_in(account_id, how)
    if person is None:
        return redirect(url_for("SignIn.login"))
    if (fields := kept_fields(kept, account_id)) and target != "/":
        return resend_page(target, fields, person)
    return redirect("/" if kept else target)  # where a form was sent to there may be nothing to open
