"""The person behind a request → a Scope for its sessions; what every request must show and every answer carry."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, abort, current_app, g, jsonify, redirect, request, session, url_for
from flask_babel import gettext
from flask_jwt_extended import verify_jwt_in_request
from flask_jwt_extended.exceptions import JWTExtendedException
from flask_wtf.csrf import CSRFProtect
from jwt.exceptions import PyJWTError
from sqlalchemy.exc import OperationalError
from werkzeug.wrappers import Response

from config import Config
from models.access import Person, Visit, load_person, load_visit, scope_of
from models.database import Database, is_busy
from models.scope import ANONYMOUS, Scope, ScopedSession, everything
from models.session import NOTED_EVERY, SignedInBy, note_seen
from models.token import PREFIX, Token, is_to_note, living, note_use, scope_for
from rules.keys import fingerprint

log = logging.getLogger(__name__)
MUTATING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
csrf = CSRFProtect()


def find_person(account_id: int) -> Person | None:
    """The active account with that id, in a session of its own."""
    with database().session(everything("sign-in")) as s:
        return load_person(s, account_id, now())


def person_and_scope(account_id: int) -> tuple[Person, Scope] | None:
    """Who that is and how far a request of theirs would reach; None for nobody who may sign in."""
    with database().session(everything("explanation")) as s:
        person = load_person(s, account_id, now())
        return (person, scope_of(person, s)) if person is not None else None


def find_visit(secret: Any) -> Visit | None:
    """The session with that secret and who is in it, if it is good at this moment."""
    if not isinstance(secret, str):
        return None
    # Seen is noted now and then, so a session may have been in use for that long after it was.
    idle = timedelta(minutes=settings().session_minutes) + NOTED_EVERY
    with database().session(everything("sign-in")) as s:
        return load_visit(s, fingerprint(secret), now(), now() - idle)


def visit() -> Visit | None:
    """The session that this browser's cookie speaks of."""
    if "visit" not in g:
        g.visit = find_visit(session.get("sid"))
    found: Visit | None = g.visit
    return found


def settings() -> Config:
    found: Config = current_app.config["APPLICATION"]
    return found


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
        user = _by_cookie()
    elif shown.startswith(PREFIX):
        user, token = _by_token(shown)
    else:
        user = _by_jwt()
    if user is None:
        return None
    _admit(user, token)
    return _first_of_all(user)


def by_provider() -> bool:
    """Did this person come in from a provider, so that there may be no password here that they know?"""
    found = visit()
    return found is not None and found.how is SignedInBy.Provider


# What may be done before what must be done first.
ALWAYS = frozenset({"SignIn.logout", "Language.choose", "MyAccount.password"})


def _first_of_all(user: Person) -> Response | None:
    """A given password is replaced, and a second factor that is demanded set up, before anything else."""
    if user.must_change_password and not by_provider():
        target, also = "MyAccount.password", frozenset[str]()
    elif user.second_factor_required and not user.has_second_factor:
        target, also = "SecondFactor.page", frozenset({"SecondFactor.page", "SecondFactor.picture"})
    else:
        return None
    if request.endpoint in ALWAYS | also:
        return None
    if request.path.startswith("/api/"):
        abort(403)
    return redirect(url_for(target))


def _admit(user: Person, token: Token | None) -> None:
    g.person = g.user = user
    with database().session(everything("scope")) as s:
        g.scope = scope_of(user, s)
    if token is not None:
        g.scope = scope_for(token, g.scope)
        _note_use(token)


def _by_cookie() -> Person | None:
    found = visit()
    if found is None:
        forget_visitor()
        return None
    session.permanent = True
    _note_seen(found)
    return found.person


def forget_visitor() -> None:
    """The session is over, and what its cookie held; the language stays."""
    if "sid" in session:
        locale = session.get("locale")
        session.clear()
        if locale:
            session["locale"] = locale


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
    if found is not None and (behind := g.get("visit")) is not None:
        _note_seen(behind)
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
    if is_to_note(token, now()):
        _in_passing(f"the use of token {token.id}", lambda s: note_use(s, token.id, now()))


def _note_seen(found: Visit) -> None:
    if found.last_seen_at < now() - NOTED_EVERY:
        _in_passing(f"the use of session {found.session_id}", lambda s: note_seen(s, found.session_id, now()))


def _in_passing(what: str, write: Callable[[ScopedSession], None]) -> None:
    """Noted now and then: a request never waits for another writer because of it."""
    try:
        with database().hurried(everything(what)) as s:
            write(s)
    except OperationalError as error:
        if not is_busy(error):
            raise
        log.info("%s is not noted: somebody else is writing", what)


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


def install(app: Flask) -> None:
    csrf.init_app(app)
    app.before_request(enter)
    app.teardown_request(leave)
    app.after_request(harden)
