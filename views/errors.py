"""Errors as pages or problems in the reader's language; and forms that come too late, with nothing typed lost."""

from __future__ import annotations

import json
import logging
from typing import Any
from urllib.parse import urlsplit

from flask import current_app, flash, g, redirect, render_template, request, url_for
from flask_wtf.csrf import CSRFError
from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException

from forms.convert import specs
from models import registries
from models.access import Person, scope_of
from models.database import is_busy
from models.declare import Admin
from models.draft import LARGEST
from models.scope import ANONYMOUS, Forbidden, everything
from rules.words import N_
from views import display, security
from views.listing import by_id
from views.registry import number

log = logging.getLogger(__name__)

Sent = list[tuple[str, str]]


def resent() -> Any | None:
    """The answer to a form of ours that was sent after its sign-in or its token had ended: what was typed goes along,
    through the sign-in where that is needed, and can be sent again. None for any other request.

    Only for forms that a page of ours sent: a forged one finds nothing prepared.
    """
    if request.method != "POST" or not from_here():
        return None
    g.scope, g.person = ANONYMOUS, None
    if request.endpoint == "SignIn.login":  # its own page had grown old: what it carries goes on
        kept, target = request.form.get("kept", ""), security.local_path(request.form.get("next"))
        username = request.form.get("username", "")[:128]
        return render_template("login.html", target=target, username=username, refused=False, kept=kept), 400
    form = [(n, v) for n, v in request.form.items(multi=True) if n != "csrf_token"]
    if request.blueprint not in registries() or not form or sum(len(v) for _, v in form) > LARGEST:
        return None
    path, visit = request.full_path.rstrip("?"), security.visit()
    if visit is not None:
        own = of_person(form, visit.person.id)
        return (resend_page(path, own, visit.person), 400) if own else None
    flash(display.tr(N_("Your sign-in has ended. Sign in again; what you entered is kept.")), "warn")
    kept = json.dumps(form, ensure_ascii=False)
    return render_template("login.html", target=path, username="", refused=False, kept=kept), 401


def from_here() -> bool:
    """Did a page of this very address send this request?"""
    site = request.headers.get("Sec-Fetch-Site")
    if site:
        return site == "same-origin"
    origin = urlsplit(request.headers.get("Origin") or request.headers.get("Referer", ""))
    return (origin.scheme, origin.netloc) == (request.scheme, request.host)


def resend_page(target: str, fields: Sent, person: Person) -> str:
    """What is about to be sent again, in words, so that nobody sends what somebody else prepared."""
    with security.database().session(everything("scope")) as s:
        g.scope = scope_of(person, s)
    heading, shown = in_words(target, fields)
    return render_template("resend.html", target=target, fields=fields, heading=heading, shown=shown)


def in_words(target: str, fields: Sent) -> tuple[str, Sent]:
    """(what the form at *target* does to which row, what stands in it as label and text)."""
    parts = [*urlsplit(target).path.strip("/").split("/"), "", "", ""]
    model = registries().get(parts[0])
    if model is None:
        return "", []
    admin: Admin = model.__admin__
    pk = number(parts[1])
    row = security.db().scalars(by_id(model, pk)).one_or_none() if pk is not None else None
    step = admin.step(parts[parts.index("do") + 1]) if "do" in parts else None
    pages = {"new": admin.add_label, "edit": N_("Edit"), "delete": N_("Delete")}
    doing = step.label if step is not None else pages.get(parts[1] if pk is None else parts[2], admin.one)
    about = display.label_of(row) if row is not None else display.tr(admin.title)
    known, texts = specs(model), dict.fromkeys(name for name, value in fields if value)
    names = step.asks if step else admin.field_names
    shown = [
        (display.tr(known[n].label), display.said_input(known[n], [v for m, v in fields if m == n and v]))
        for n in texts
        if n in names and n in known
    ]
    return " · ".join(text for text in (about, display.tr(doing))), shown


# Whose form it is. Machines in halls are shared: what one person typed is shown to nobody else who signs in.
OWNER = "by"


def signer() -> URLSafeSerializer:
    return URLSafeSerializer(str(current_app.secret_key), salt="whose form")


def signed_owner() -> str:
    """Who is opening this form, for its hidden field ``by``."""
    return str(signer().dumps(g.person.id))


def owners(fields: Sent) -> set[int | None]:
    """Whose form *fields* stand in; None for what we did not sign."""
    try:
        return {signer().loads(value) for name, value in fields if name == OWNER}
    except BadSignature:
        return {None}


def opened_here() -> bool:
    """Was the form that was sent opened by the very person who sends it?"""
    return owners([*request.form.items(multi=True)]) == {g.person.id}


def of_person(fields: Sent, account_id: int) -> Sent:
    """*fields*, unless they stand in the form of somebody else; then none, with a sentence. Small forms, in which
    nobody types, do not say whose they are."""
    if not owners(fields) - {account_id}:
        return fields
    flash(display.tr(N_("What had been entered on the page before belongs to another user and is not kept.")), "warn")
    return []


def kept_fields(text: str, account_id: int) -> Sent:
    """The fields that a sign-in page carried along; none for what we did not write, or somebody else entered."""
    try:
        found = json.loads(text) if 0 < len(text) < 2 * LARGEST else []
        return of_person([(str(name), str(value)) for name, value in found], account_id)
    except (ValueError, TypeError):
        return []


# One table turns errors into a status, a title and a sentence.
SENTENCES = {
    400: (N_("This request could not be understood"), N_("Please go back and try again.")),
    401: (N_("Please sign in"), N_("You need to sign in for this page.")),
    403: (N_("Not permitted"), N_("Your role does not permit this. Your administrator can tell you who may do it.")),
    404: (N_("Not found"), N_("There is no such page, or you may not see it.")),
    405: (N_("Not possible here"), N_("This page cannot be used in this way.")),
    413: (N_("Too large"), N_("This upload is larger than what is permitted.")),
    429: (N_("Too many attempts"), N_("Please wait a minute and try again.")),
    500: (N_("Something went wrong"), N_("The error has been recorded. Nothing you entered before was changed.")),
    503: (N_("Busy"), N_("Somebody else is writing just now. Please try again in a moment.")),
}

TOO_OLD = (N_("This form is no longer valid"), N_("Please go back, reload the page and send it again."))
# What REST calls them.
CODES = {400: "bad_request", 401: "unauthorised", 403: "forbidden", 404: "not_found", 405: "method"}


def status_of(error: Exception) -> int:
    if isinstance(error, CSRFError):
        return 400
    if isinstance(error, Forbidden):
        return 403
    if isinstance(error, OperationalError) and is_busy(error):
        return 503
    return error.code or 500 if isinstance(error, HTTPException) else 500


def say_error(error: Exception) -> Any:
    """Every error as a page in the reader's language, or as problems for REST. None is swallowed."""
    # The page about an error must not wait for the database, or fail with the transaction that just broke.
    security.close_session()
    g.asks_nothing = True
    if isinstance(error, HTTPException) and error.response is not None:
        return error.response
    status = status_of(error)
    if (isinstance(error, CSRFError) or status == 401) and (sent := resent()):
        return sent
    if status < 400:
        return error
    if status == 500:
        log.error("unhandled error on %s %s", request.method, request.path, exc_info=error)
    title, sentence = TOO_OLD if isinstance(error, CSRFError) else SENTENCES.get(status, SENTENCES[400])
    if not hasattr(g, "scope"):
        g.scope, g.person = ANONYMOUS, None
    if request.path.startswith("/api/"):
        code = "csrf" if isinstance(error, CSRFError) else CODES.get(status, "error")
        return {"problems": [{"field": None, "code": code, "message": display.tr(sentence)}]}, status
    if status == 401:
        flash(display.tr(sentence), "warn")
        return redirect(url_for("SignIn.login", next=request.full_path.rstrip("?") if request.method == "GET" else "/"))
    return render_template("error.html", title=display.tr(title), sentence=display.tr(sentence), status=status), status
