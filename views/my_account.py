"""One's own account: password, second factor, where one is signed in, and who tried to be."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import segno
from flask import Response, abort, flash, g, redirect, render_template, request, session, url_for
from flask_appbuilder import BaseView, expose
from sqlalchemy import select

from models import registries, second_factor
from models.access import stamp_of
from models.account import Account, hashed
from models.declare import MenuGroup
from models.event import EventKind, record
from models.scope import door, everything
from models.session import SessionState, SignedIn, end_all, renew
from models.sign_in import Attempt, Outcome
from rules import passwords, totp
from views import display, entrance, security
from views.display import gettext
from views.security import database, now, settings
from views.signin import too_many

ATTEMPTS_SHOWN = 5
SESSIONS_SHOWN = 10


def me() -> Any:
    """The person; strangers are sent to sign in."""
    if g.person is None:
        abort(redirect(url_for("SignIn.login", next=request.path)))
    return g.person


class MyAccount(BaseView):
    route_base = "/account"
    default_view = "profile"
    base_permissions: list[str] = []  # noqa: RUF012 - read by flask-appbuilder as it stands

    @expose("/")
    def profile(self) -> Any:
        """Who I am here: department, roles, second factor, where I am signed in, and what is mine."""
        person = me()
        mine = [m.__admin__ for m in registries().values() if m.__admin__.menu is MenuGroup.Mine]
        own = [admin for admin in mine if g.scope.may(admin.name, "list")]
        with database().session(everything("own account", person.id)) as s:
            active = (SignedIn.owner_id == person.id) & (SignedIn.state == SessionState.Active)
            active &= SignedIn.ends_at > now()
            newest = select(SignedIn).where(active).order_by(SignedIn.last_seen_at.desc(), SignedIn.id.desc())
            sessions = [*s.scalars(newest.limit(SESSIONS_SHOWN))]
            present = security.visit()
            if present is not None:  # this one first, whenever the others were seen
                sessions.sort(key=lambda one: one.id != present.session_id)
            tried = select(Attempt).where(Attempt.account_id == person.id).order_by(Attempt.last_at.desc())
            attempts = [*s.scalars(tried.limit(ATTEMPTS_SHOWN))]
            codes = second_factor.codes_left(s, person.id) if person.has_second_factor else 0
        return render_template(
            "account.html",
            own=own,
            sessions=sessions,
            present=present,
            attempts=attempts,
            good=Outcome.SignedIn,
            codes=codes,
        )

    @expose("/sign-out-elsewhere", methods=["POST"])
    def sign_out_elsewhere(self) -> Any:
        """Every session but this one."""
        person, present = me(), security.visit()
        with database().session(everything("sign-out", person.id), write=True) as s:
            count = end_all(s, person.id, now(), but=present.session_id if present is not None else None)
        flash(display.ngettext("%(num)d session is ended.", "%(num)d sessions are ended.", count), "ok")
        return redirect(url_for("MyAccount.profile"))

    @expose("/password", methods=["GET", "POST"])
    def password(self) -> Any:
        me()
        errors: dict[str, str] = {}
        if request.method == "POST":
            errors = self._change(*(request.form.get(name, "") for name in ("old", "new", "again")))
            if not errors:
                flash(gettext("Your password is changed; everywhere else you are signed out."), "ok")
                return redirect(url_for("Workbench.index"))
        return render_template("password.html", errors=errors, shortest=passwords.SHORTEST), 422 if errors else 200

    @staticmethod
    def _change(old: str, new: str, again: str) -> dict[str, str]:
        """What is wrong, by field; with nothing wrong the password is changed, and other sessions have ended."""
        person = g.person
        found = entrance.check_password(person.username, old, Outcome.WrongOld)
        if found.until is not None:
            return {"old": too_many(found.until)}
        errors = {} if found.account_id == person.id else {"old": gettext("This is not your present password.")}
        known = None if errors else old
        names = (person.name, *person.name.split())
        for problem in passwords.problems(new, old=known, username=person.username, names=names):
            errors["new"] = display.problem_text(problem)
        if new != again:
            errors["again"] = gettext("The two entries differ.")
        if errors:
            return errors
        ready, present = hashed(new), security.visit()
        # One's own password is no field of the registry, so it has no door; only its owner gets here.
        with database().session(everything("own password", person.id), write=True) as s:
            account = s.get_one(Account, person.id)
            if stamp_of(account.password) != person.stamp:  # changed by somebody else meanwhile
                return {"old": gettext("This is not your present password.")}
            with door(s):
                account.password, account.must_change_password = ready, False
                record(s, account, EventKind.Done, now(), action="change_password")
            end_all(s, person.id, now(), but=present.session_id if present is not None else None)
            if present is not None:
                renew(s, present.session_id, stamp_of(ready))
        return {}


class SecondFactor(BaseView):
    """Set up with an app on the phone, confirmed by its first code; afterwards new recovery codes, or the end of it."""

    route_base = "/account/second-factor"
    default_view = "page"
    base_permissions: list[str] = []  # noqa: RUF012

    @expose("/", methods=["GET", "POST"])
    def page(self) -> Any:
        person = me()
        if person.has_second_factor:
            return self._kept() if request.method == "POST" else self._shown()
        return self._confirmed() if request.method == "POST" else self._shown()

    @expose("/picture")
    def picture(self) -> Response:
        """The QR code of the secret on offer: for whoever is setting it up, and for five minutes."""
        person, secret = me(), offered()
        if secret is None or person.has_second_factor:
            abort(404)
        picture = io.BytesIO()
        segno.make(totp.address(secret, gettext("Yizhan"), person.username), error="m").save(picture, "png", scale=5)
        return Response(picture.getvalue(), mimetype="image/png")

    @staticmethod
    def _shown(errors: dict[str, str] | None = None, status: int = 200) -> Any:
        secret = None
        if not g.person.has_second_factor:
            secret = offered() or offer()
        left = 0
        if g.person.has_second_factor:
            with database().session(everything("own second factor", g.person.id)) as s:
                left = second_factor.codes_left(s, g.person.id)
        groups = " ".join(secret[i : i + 4] for i in range(0, len(secret), 4)) if secret else ""
        return render_template(
            "second_factor.html",
            secret=groups,
            errors=errors or {},
            left=left,
            asks_password=not security.by_provider(),
        ), status

    def _confirmed(self) -> Any:
        """The password, as for whatever must not be done on a machine that somebody left open, and the first code of
        the app: from now on one is asked. Whoever comes from a provider has no password here."""
        if not security.by_provider() and (refused := self._password_refused()):
            return refused
        secret, code = offered(), totp.plain(request.form.get("code", ""))
        step = totp.matching_step(secret, code, now(), -1) if secret else None
        if secret is None or step is None:
            words = gettext("This code is wrong. Is the clock of the phone right?")
            return self._shown({"code": words}, 422)
        with database().session(everything("own second factor", g.person.id), write=True) as s:
            account = s.get_one(Account, g.person.id)
            codes = second_factor.switch_on(s, account, secret, step, settings().secret_key, now())
        session.pop("offer", None)
        return self._codes(codes)

    def _kept(self) -> Any:
        """Password and code, for what must not be done on a machine that somebody left open."""
        person, off = g.person, request.form.get("what") == "off"
        if off and person.second_factor_required:
            return self._shown({"password": gettext("Your role requires a second factor.")}, 422)
        if not security.by_provider() and (refused := self._password_refused()):
            return refused
        found = entrance.check_code(person, request.form.get("code", ""))
        if found.until is not None:
            return self._shown({"code": too_many(found.until)}, 429)
        if not found.right:
            return self._shown({"code": gettext("This code is wrong, or was used already.")}, 422)
        with database().session(everything("own second factor", person.id), write=True) as s:
            account = s.get_one(Account, person.id)
            codes = [] if off else second_factor.renew_codes(s, account, now())
            if off:
                second_factor.switch_off(s, account, now())
        if codes:
            return self._codes(codes)
        flash(gettext("The second factor is switched off."), "ok")
        return redirect(url_for("MyAccount.profile"))

    def _password_refused(self) -> Any:
        """The page again, unless the password was right."""
        found = entrance.check_password(g.person.username, request.form.get("password", ""), Outcome.WrongOld)
        if found.until is not None:
            return self._shown({"password": too_many(found.until)}, 429)
        return None if found.right else self._shown({"password": gettext("This is not your present password.")}, 422)

    @staticmethod
    def _codes(codes: Sequence[str]) -> Any:
        return render_template("recovery.html", codes=codes)


OFFER_LASTS = timedelta(minutes=30)


def offer() -> str:
    """A secret for this browser to set up: kept in its cookie, encrypted, until a code confirms it."""
    secret = totp.new_secret()
    until = (now() + OFFER_LASTS).isoformat()
    session["offer"] = second_factor.sealed(f"{g.person.id} {until} {secret}", settings().secret_key)
    return secret


def offered() -> str | None:
    held = session.get("offer")
    told = second_factor.opened(held, settings().secret_key) if isinstance(held, str) else None
    if told is None:
        return None
    account, until, secret = told.split(" ")
    return secret if account == str(g.person.id) and until > now().isoformat() else None
