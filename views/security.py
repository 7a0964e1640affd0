"""The person behind a request → a Scope for its sessions; what every request must show and every answer carry."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, abort, current_app, g, jsonify, redirect, request, session, url_for
from flask_appbuilder.security.sqla.manager import SecurityManager as FabSecurityManager
from flask_babel import gettext
from flask_jwt_extended import JWTManager, verify_jwt_in_request
from flask_jwt_extended.exceptions import JWTExtendedException
from flask_login import current_user, logout_user
from flask_wtf.csrf import CSRFProtect
from jwt.exceptions import PyJWTError
from sqlalchemy import func, update
from sqlalchemy.exc import OperationalError
from werkzeug.wrappers import Response

from forms.convert import UNSTORABLE
from models.access import Person, load_person, scope_of
from models.account import Account
from models.database import Database, is_busy
from models.scope import ANONYMOUS, Scope, ScopedSession, everything
from models.token import PREFIX, Token, is_to_note, living, note_use, scope_for

log = logging.getLogger(__name__)
MUTATING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
csrf = CSRFProtect()


class SecurityManager(FabSecurityManager):
    """flask-appbuilder's, with our user table, our sign-in page and permissions read once per request."""

    user_model = Account

    def register_views(self) -> None:
        """Tokens for REST; our sign-in page is there already. Both are limited: they take passwords."""
        api = self.appbuilder.add_api(self.security_api)
        for view in (self.auth_view, api):
            self.limiter.limit(self.auth_rate_limit, methods=["POST"])(view.blueprint)

    def load_user(self, pk: Any) -> Person | None:
        return find_person(int(pk))

    def create_jwt_manager(self, app: Flask) -> JWTManager:
        manager = super().create_jwt_manager(app)
        manager.additional_claims_loader(_stamped)
        return manager

    def load_user_jwt(self, _header: Any, data: dict[str, Any]) -> Person | None:
        """Nobody, once the password it was got for has changed: then it has ended, as sessions have."""
        whose = str(data["sub"])
        person = find_person(int(whose)) if re.fullmatch(r"[0-9]{1,18}", whose) else None
        return person if person is not None and data.get("stamp") == person.stamp else None

    def has_access(self, permission_name: str, view_name: str) -> bool:
        person: Person | None = g.get("person")
        return person is not None and any(
            (p, v) == (permission_name, view_name) for r, p, v in person.permissions if r in person.roles
        )

    def is_item_public(self, permission_name: str, view_name: str) -> bool:
        return False

    def auth_user_db(self, username: str, password: str) -> Any:
        """What no database could hold or hash is nobody's name or password."""
        return None if UNSTORABLE.search(username + password) else super().auth_user_db(username, password)

    def update_user_auth_stat(self, user: Any, success: bool = True) -> None:
        """Count the attempt, in UTC and without a new version of the row: signing in edits nothing."""
        logins, failures = (func.coalesce(getattr(Account, n), 0) for n in ("login_count", "fail_login_count"))
        counted: dict[str, Any] = {"login_count": logins, "fail_login_count": failures + 1}
        if success:
            counted = {"login_count": logins + 1, "fail_login_count": 0, "last_login": now()}
        # In flask-appbuilder's own session: it holds the write lock already, so another would wait for it for ever.
        self.session.execute(update(Account).where(Account.id == user.id).values(counted))
        self.session.commit()

    @staticmethod
    def before_request() -> None:
        """Ours runs in :func:`enter`, in an order of its own."""


def find_person(account_id: int) -> Person | None:
    """The active account with that id, in a session of its own."""
    with database().session(everything("sign-in")) as s:
        return load_person(s, account_id, now())


def person_and_scope(account_id: int) -> tuple[Person, Scope] | None:
    """Who that is and how far a request of theirs would reach; None for nobody who may sign in."""
    with database().session(everything("explanation")) as s:
        person = load_person(s, account_id, now())
        return (person, scope_of(person, s)) if person is not None else None


def _stamped(identity: str) -> dict[str, str]:
    """What a token of flask-appbuilder's sign-in carries besides whose it is."""
    person = find_person(int(identity))
    return {"stamp": person.stamp} if person is not None else {}


def database() -> Database:
    found: Database = current_app.extensions["yizhan_database"]
    return found


def db() -> ScopedSession:
    """This request's session, under the scope of whoever asks; a writing one for mutating methods."""
    if "db" not in g:
        g.db = database().open(g.scope, write=request.method in MUTATING)
    opened: ScopedSession = g.db
    return opened


def commit() -> None:
    """Commit this request's work, then hand what it posted to the queue (which may also find it by itself)."""
    s = db()
    posted: Iterable[int] = s.info.pop("posted", ())
    s.commit()
    current_app.extensions["yizhan_queue"].hand_over(posted)


def now() -> datetime:
    """The clock is read here, at the door, once for each request."""
    if "now" not in g:
        g.now = current_app.extensions["yizhan_clock"]()
    moment: datetime = g.now
    return moment


def read_clock() -> datetime:
    return datetime.now(UTC)


def enter() -> Response | None:
    """Before every request: who is it, by which right, from which page; then its scope."""
    g.scope, g.person = ANONYMOUS, None
    if request.endpoint in (None, "static"):
        return None
    if (request.content_length or 0) > current_app.config["MAX_CONTENT_LENGTH"]:
        abort(413)  # before anybody reads it: flask-appbuilder's sign-in would call it an error of its own
    shown, token = _bearer(), None
    if shown is not None and request.path.startswith("/api/v1/security/"):
        return None  # flask-appbuilder looks at it itself
    if request.method in MUTATING and shown is None and request.path != "/api/v1/security/login":
        csrf.protect()
    if shown is None:
        user = current_user._get_current_object()
    elif shown.startswith(PREFIX):
        user, token = _by_token(shown)
    else:
        user = _by_jwt()
    if not isinstance(user, Person):
        return None
    if shown is None and session.get("stamp") != user.stamp:
        logout_user()
        session.clear()
        return None
    _admit(user, token)
    if shown is None:
        session.permanent = True
    if user.must_change_password and request.endpoint not in ("MyAccount.password", "SignIn.logout", "Language.choose"):
        if request.path.startswith("/api/"):
            abort(403)
        return redirect(url_for("MyAccount.password"))
    return None


def _admit(user: Person, token: Token | None) -> None:
    g.person = g.user = user
    with database().session(everything("scope")) as s:
        g.scope = scope_of(user, s)
    if token is not None:
        g.scope = scope_for(token, g.scope)
        _note_use(token)


def _bearer() -> str | None:
    """What the request shows instead of a cookie."""
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    return shown.strip() if scheme.lower() == "bearer" else None


def _by_jwt() -> Person | None:
    try:
        verify_jwt_in_request()
    except (JWTExtendedException, PyJWTError):
        abort(_unauthorised())
    found: Person | None = g.get("_jwt_extended_jwt_user", {}).get("loaded_user")  # OPTIONS is let through unseen
    return found


def _by_token(secret: str) -> tuple[Person, Token]:
    """Owner and token of that secret. Tokens are for REST: on pages they are as good as none."""
    with database().session(everything("token")) as s:
        token = living(s, secret, now()) if request.path.startswith("/api/") else None
        owner = load_person(s, token.owner_id, now()) if token is not None else None
    if token is None or owner is None:
        abort(_unauthorised())
    return owner, token


def _note_use(token: Token) -> None:
    """When it was used last, now and then and in passing: a request never waits for another writer because of it."""
    if not is_to_note(token, now()):
        return
    try:
        with database().hurried(everything("use of a token")) as s:
            note_use(s, token.id, now())
    except OperationalError as error:
        if not is_busy(error):
            raise
        log.info("the use of token %d is not noted: somebody else is writing", token.id)


def _unauthorised() -> Response:
    message = gettext("You need to sign in for this page.")
    answer = jsonify({"problems": [{"field": None, "code": "unauthorised", "message": message}]})
    answer.status_code = 401
    return answer


def demand(registry: str, *verbs: str) -> None:
    """Whoever asks must hold one of *verbs* on *registry*; strangers are sent to sign in, others told no."""
    if g.scope.may(registry, *verbs):
        return
    if g.person is None:
        abort(401)
    abort(403)


def local_path(target: str | None) -> str:
    """*target* when it is a path of ours, else the start page: no redirect leaves the house."""
    plain = target is not None and target.isprintable() and "\\" not in target
    if target and plain and target.startswith("/") and not target.startswith("//") and not urlsplit(target).netloc:
        return target
    return "/"


def close_session() -> None:
    """Give back this request's session, undoing what was not committed."""
    opened = g.pop("db", None)
    if opened is not None:
        opened.close()


def leave(error: BaseException | None = None) -> None:
    close_session()
    current_app.appbuilder.session.remove()  # type: ignore[attr-defined]


def harden(response: Response) -> Response:
    """Headers for every answer: nothing foreign, nothing inline, nothing framed, nothing kept by proxies."""
    headers = response.headers
    if response.status_code == 308 and response.location:
        # Werkzeug's, to the same path with its slash; it names the host that the request claimed, whichever it was.
        parts = urlsplit(response.location)
        headers["Location"] = "/" + parts._replace(scheme="", netloc="").geturl().lstrip("/")
        response.set_data(b"")
    headers.setdefault(
        "Content-Security-Policy",
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
        "frame-ancestors 'none'; form-action 'self'",
    )
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("X-Frame-Options", "DENY")
    headers.setdefault("Referrer-Policy", "same-origin")
    if request.endpoint != "static":
        headers.setdefault("Cache-Control", "no-store")
    return response


def install(app: Flask, database_: Database) -> None:
    app.extensions["yizhan_database"] = database_
    app.extensions.setdefault("yizhan_clock", read_clock)
    csrf.init_app(app)
    app.before_request(enter)
    app.teardown_request(leave)
    app.after_request(harden)
