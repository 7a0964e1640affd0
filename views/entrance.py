"""The entrance: every attempt to come in, on a page or by REST, is counted, looked at and put on record here.

An attempt is counted in a short transaction, the password is hashed in none, and what came of it is written in another
short one: nobody waits for somebody else's scrypt. A name that nobody has costs the same statements and the same hash
as a wrong password.
"""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from flask import current_app, g, request, session
from itsdangerous import BadSignature, URLSafeTimedSerializer
from sqlalchemy import func, select, update
from sqlalchemy.exc import OperationalError
from werkzeug.security import check_password_hash
from werkzeug.wrappers import Response

from forms.convert import UNSTORABLE
from models import second_factor, sign_in, throttle
from models.access import Person
from models.account import Account
from models.database import is_busy
from models.message import send
from models.scope import ScopedSession, everything
from models.session import SignedIn, SignedInBy, begin
from models.sign_in import Outcome
from models.throttle import Counter
from rules.keys import derive, keyed_hash
from rules.throttle import ADDRESS, PERSON, network
from rules.user_agent import device as device_words
from rules.words import N_, Told
from views.display import ngettext
from views.security import database, find_person, now, settings

log = logging.getLogger(__name__)
# Browsers keep no cookie longer than that (RFC 6265bis, 5.5).
DEVICE_LASTS = timedelta(days=400)
# So many people are remembered on a machine that they share; more, and the one who came first is forgotten.
MOST_ON_DEVICE = 20
LONGEST_NAME = 128
LONGEST_PASSWORD = 1000
NEW_DEVICE = N_(
    "Your account was used from a device that had not been used before: %(device)s, address %(address)s. "
    "If it was not you, end this session and change your password."
)


@dataclass(frozen=True)
class Device:
    """What the long-lived cookie says: a random number, and whose successful sign-ins this browser has seen."""

    number: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    accounts: tuple[int, ...] = ()

    def knows(self, account_id: int | None) -> bool:
        return account_id is not None and account_id in self.accounts

    def with_account(self, account_id: int) -> Device:
        others = tuple(known for known in self.accounts if known != account_id)
        return Device(self.number, (*others, account_id)[-MOST_ON_DEVICE:])


@dataclass(frozen=True)
class Attempted:
    """right: what was shown is right, and account_id says whose it is. until: nothing was looked at before then."""

    right: bool = False
    account_id: int | None = None
    until: datetime | None = None


def address() -> str:
    return (request.remote_addr or "")[:45]


def words_for_device() -> str:
    return device_words(request.headers.get("User-Agent", "")[:500])


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(derive(settings().secret_key, "device"), salt="device")


def cookie_name() -> str:
    return "__Host-device" if settings().https else "device"


def this_device() -> Device | None:
    shown = request.cookies.get(cookie_name())
    if not shown:
        return None
    try:
        number, accounts = _signer().loads(shown, max_age=int(DEVICE_LASTS.total_seconds()))
        return Device(str(number), tuple(int(one) for one in accounts))
    except (BadSignature, ValueError, TypeError):
        return None


def remember_device(response: Response) -> Response:
    """After a sign-in the answer carries the cookie by which this browser is known for the account from now on."""
    device: Device | None = g.pop("device", None)
    if device is not None:
        response.set_cookie(
            cookie_name(),
            _signer().dumps([device.number, device.accounts]),
            max_age=DEVICE_LASTS,
            secure=settings().https,
            httponly=True,
            samesite="Lax",
            path="/",
        )
    return response


# --- attempts --------------------------------------------------------------------------------------------------------


def _hash(text: str) -> str:
    return keyed_hash(settings().secret_key, "throttle", text)


def _counters(kind: str, name: str, account_id: int | None) -> list[Counter]:
    """What an attempt is counted on. A device that the account's owner has come in with before stands for itself: no
    stranger who guesses at the name and no neighbour behind the same address can make its owner wait."""
    device = this_device()
    if device is not None and device.knows(account_id):
        return [Counter(_hash(f"{kind}:device:{account_id}:{device.number}"), PERSON)]
    return [Counter(_hash(f"{kind}:{name}"), PERSON), Counter(_hash(f"address:{network(address())}"), ADDRESS)]


def attempt(kind: str, name: str, account_id: int | None, prove: Callable[[], bool], wrong: Outcome) -> Attempted:
    """Look at one attempt, unless there have been too many. prove() runs outside any transaction of ours."""
    counters = _counters(kind, name, account_id)
    pause = throttle.claim(database(), counters, now())
    if pause is not None:
        _note_paused(account_id, None if ADDRESS in pause.limits else name)
        return Attempted(until=pause.until)
    right = prove() and account_id is not None
    with database().session(everything("sign-in"), write=True) as s:
        for counter in counters if right else ():
            if counter.limit is ADDRESS:
                throttle.take_back(s, counter)
            else:
                throttle.forget(s, counter.key)
        if not right:
            _note(s, wrong, account_id, name)
            failed = func.coalesce(Account.fail_login_count, 0) + 1
            s.execute(update(Account).where(Account.id == (account_id or 0)).values(fail_login_count=failed))
    return Attempted(right, account_id if right else None)


def _note(s: ScopedSession, outcome: Outcome, account_id: int | None, name: str | None) -> None:
    hashed = keyed_hash(settings().secret_key, "typed name", name) if name else None
    sign_in.note(
        s,
        outcome,
        account_id=account_id,
        name_hash=hashed,
        address=address(),
        device=words_for_device(),
        now=now(),
    )


def _note_paused(account_id: int | None, name: str | None) -> None:
    """In passing: whoever attacks must not make others wait for the record of it."""
    try:
        with database().hurried(everything("sign-in")) as s:
            _note(s, Outcome.Paused, account_id, name)
    except OperationalError as error:
        if not is_busy(error):
            raise
        log.info("a paused attempt is not on record: somebody else is writing")


def note(outcome: Outcome, account_id: int | None, name: str | None) -> None:
    with database().session(everything("sign-in"), write=True) as s:
        _note(s, outcome, account_id, name)


def check_password(username: str, password: str, wrong: Outcome = Outcome.Wrong) -> Attempted:
    """Is this the password of the active account with that user name? An e-mail address is no user name here: two names
    of one account would be two allowances to guess at it."""
    username, password = username[:LONGEST_NAME], password[:LONGEST_PASSWORD]
    name = username.casefold()
    account_id, stored = called(username)

    def prove() -> bool:
        known = stored or current_app.config["AUTH_DB_FAKE_PASSWORD_HASH_CHECK"]
        given = "" if UNSTORABLE.search(password) else password
        # Hashed whatever was sent and whoever it is about, and only then compared: all answers take their time.
        right = check_password_hash(known, given)
        return right and bool(stored) and bool(given.strip())

    return attempt("name", name, account_id, prove, wrong)


def called(username: str) -> tuple[int | None, str | None]:
    """Id and password hash of the active account with that user name, however its case was typed."""
    if not username or UNSTORABLE.search(username):
        username = "\n"  # nobody's name, and looked for all the same
    lowered = func.lower(Account.username) == username.lower()
    with database().session(everything("sign-in")) as s:
        asked = select(Account.id, Account.username, Account.password, Account.active).where(lowered).limit(9)
        rows = [*s.execute(asked)]
    exact = [row for row in rows if row.username == username]
    for row in exact or (rows if len(rows) == 1 else ()):
        if row.active:
            return row.id, row.password or None
    return None, None


def check_code(person: Person, code: str) -> Attempted:
    """Is this a code of the person's second factor? A right one is used up."""

    def prove() -> bool:
        with database().session(everything("second factor", person.id), write=True) as s:
            return second_factor.accepts(s, person.id, code, settings().secret_key, now())

    return attempt("code", str(person.id), person.id, prove, Outcome.WrongCode)


def wait_words(until: datetime) -> str:
    """How long that is, in words: seconds, or minutes begun."""
    seconds = max(1, math.ceil((until - now()).total_seconds()))
    if seconds < 60:
        return ngettext("%(num)d second", "%(num)d seconds", seconds)
    return ngettext("%(num)d minute", "%(num)d minutes", math.ceil(seconds / 60))


def retry_after(until: datetime) -> dict[str, str]:
    return {"Retry-After": str(max(1, math.ceil((until - now()).total_seconds())))}


# --- coming in -------------------------------------------------------------------------------------------------------


def let_in(account_id: int, how: SignedInBy) -> Person | None:
    """Begin a session for this browser: a new secret, nothing of what was in the cookie but the language."""
    person = find_person(account_id)
    if person is None:
        return None
    device = this_device() or Device()
    secret = _begin(person, how, known=device.knows(account_id))
    locale = session.get("locale")
    session.clear()  # nothing that was set before the sign-in lives on
    if locale:
        session["locale"] = locale
    session["sid"] = secret
    session.permanent = True
    g.device = device.with_account(account_id)
    return person


def let_program_in(account_id: int) -> str | None:
    """Begin a session for a program that showed a password; the secret goes into its tokens."""
    person = find_person(account_id)
    return _begin(person, SignedInBy.Program, known=False) if person is not None else None


def _begin(person: Person, how: SignedInBy, *, known: bool) -> str:
    with database().session(everything("sign-in", person.id), write=True) as s:
        before = s.scalar(select(Account.login_count).where(Account.id == person.id)) or 0
        row, secret = begin(
            s,
            person.id,
            stamp=person.stamp,
            how=how,
            address=address(),
            device=words_for_device(),
            now=now(),
            hours=settings().session_hours,
        )
        _note(s, Outcome.SignedIn, person.id, None)
        # Without a new version of the account: signing in edits nothing.
        counted: dict[str, Any] = {"login_count": before + 1, "fail_login_count": 0, "last_login": now()}
        s.execute(update(Account).where(Account.id == person.id).values(counted))
        if before and not known:  # to a first sign-in nothing can be compared
            _tell_of_new_device(s, person, row)
    return secret


def _tell_of_new_device(s: ScopedSession, person: Person, row: SignedIn) -> None:
    """A message to the owner; for a program, which no cookie makes known, once a day for each address and kind."""
    which = f"{now():%Y-%m-%d}.{_hash(f'{row.address} {row.device}')[:16]}" if row.how is SignedInBy.Program else row.id
    told = Told(NEW_DEVICE, {"device": row.device or "—", "address": row.address})
    send(s, f"device.{person.id}.{which}", person.id, told, ("sessions", row.id), now())
