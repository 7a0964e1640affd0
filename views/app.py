"""Puts the application together: Flask, flask-appbuilder, our pages, what templates may call, errors in words."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from flask import Flask, current_app, flash, g, redirect, render_template, request, session, url_for
from flask.json.provider import DefaultJSONProvider
from flask_appbuilder import AppBuilder
from flask_appbuilder.api.manager import OpenApi
from flask_babel import format_date, gettext
from flask_wtf.csrf import CSRFError
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import scoped_session
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from config import LOCALES, ROOT, Config, flask_settings
from models import registries
from models.database import Database, is_busy
from models.message import Message, MessageState
from models.scope import ANONYMOUS, Forbidden, everything
from rules.words import N_
from views import checks, display, security
from views.api import api_for
from views.generator import pages_for
from views.imports import IMPORTABLE, Import
from views.pages import PAGES, MyAccount, SignIn

log = logging.getLogger(__name__)


class Builder(AppBuilder):
    """flask-appbuilder without the pages and packaged files that ours replace."""

    def _add_admin_views(self) -> None:
        self.sm.auth_view = self.add_view_no_menu(SignIn)
        self.sm.register_views()
        self.add_api(OpenApi)
        for page in (*PAGES, Import):
            view = self.add_view_no_menu(page)
            if page is MyAccount:  # it takes the old password, which must not be tried out either
                self.sm.limiter.limit(self.sm.auth_rate_limit, methods=["POST"])(view.blueprint)
        for model in registries().values():
            self.add_view_no_menu(pages_for(model))
            self.add_api(api_for(model))

    def _add_global_static(self) -> None:
        """Its Bootstrap, jQuery and select2 are not served: no page of ours uses them."""


class Json(DefaultJSONProvider):
    """Nesting that nobody can follow and halves of a pair (RFC 8259, 8.2) are no JSON: bad requests, not errors."""

    def loads(self, s: str | bytes, **kw: Any) -> Any:
        try:
            found = super().loads(s, **kw)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        if r"\ud" in (s if isinstance(s, str) else s.decode("utf-8", "replace")).lower():
            json.dumps(found, ensure_ascii=False).encode()
        return found


def build(config: Config, database: Database, queue: Any, clock: Callable[[], datetime]) -> Flask:
    app = Flask("yizhan", root_path=str(ROOT), template_folder="templates", static_folder="static")
    app.config.update(flask_settings(config))
    if config.proxies:
        # Else every visitor behind the proxy would share one address, and one allowance of attempts to sign in.
        hops = config.proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    app.extensions["yizhan_queue"], app.extensions["yizhan_clock"] = queue, clock
    models = registries()
    checks.refuse_mistakes(models.values())
    security.install(app, database)
    app.json = Json(app)
    # flask-appbuilder's own session signs people in and nothing else; every page has a scoped one (security.db).
    sign_in: Any = scoped_session(lambda: database.open(everything("sign-in"), write=True))  # type: ignore[arg-type]
    with app.app_context():
        Builder(app, sign_in, security_manager_class=security.SecurityManager, update_perms=False)
        app.extensions["babel"].locale_selector = choose_locale
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.context_processor(words)
    for error in (HTTPException, Forbidden, CSRFError, OperationalError, Exception):
        app.register_error_handler(error, say_error)
    return app


def choose_locale() -> str:
    chosen = session.get("locale")
    return str(chosen if chosen in LOCALES else current_app.config["BABEL_DEFAULT_LOCALE"])


def words() -> dict[str, Any]:
    """What every template may use."""
    return {
        "person": g.get("person"),
        "may": g.scope.may,
        "covers": g.scope.covers,
        "is_open": is_open,
        "tr": display.tr,
        "cell": display.cell,
        "label_of": display.label_of,
        "problem_text": display.problem_text,
        "labelled": display.labelled,
        "moment": display.moment,
        "day": display.day,
        "long_day": lambda value: format_date(value, "full"),
        "differences": display.difference_lines,
        "action_label": display.action_label,
        "actor_name": lambda event: display.names_of(security.db(), {event.actor_id}).get(event.actor_id, ""),
        "navigation": navigation,
        "here": request.full_path.rstrip("?") if request.method == "GET" else request.path,
        "with_args": with_args,
        "without": lambda name: with_args(**{name: None}),
        "locales": [(code, current_app.config["LANGUAGES"][code]["name"]) for code in LOCALES],
        "locale": choose_locale(),
        "html_lang": {"zh": "zh-Hans", "zh_Hant": "zh-Hant"}.get(choose_locale(), "en"),
        "demo": current_app.config["APPLICATION"].demo,
        "importable": IMPORTABLE,
        "cause_text": display.cause_text,
        "problem_lines": display.problem_lines,
    }


def is_open(row: Any) -> bool:
    """May the fields of this row be edited in its present state?"""
    life = row.__admin__.life
    return life is None or life.is_open(getattr(row, life.field))


def navigation() -> list[tuple[str, list[dict[str, Any]]]]:
    """The menu: what this person may list, grouped by task; a count where it means work."""
    groups: dict[str, list[dict[str, Any]]] = {}
    home = {
        "label": gettext("Workbench"),
        "href": url_for("Workbench.index"),
        "on": request.endpoint == "Workbench.index",
    }
    for name, model in registries().items():
        if not g.scope.may(name, "list"):
            continue
        admin = model.__admin__
        entry = {
            "label": display.tr(admin.title),
            "href": url_for(f"{name}.list"),
            "on": request.blueprint == name,
            "count": unread() if name == "messages" and not g.get("asks_nothing") else 0,
        }
        groups.setdefault(display.tr(admin.menu.label), []).append(entry)
    first = gettext("Today")
    groups = {first: [home, *groups.pop(first, [])], **groups}
    return list(groups.items())


def unread() -> int:
    mine = (Message.recipient_id == g.person.id) & (Message.state == MessageState.Unread)
    return security.db().scalar(select(func.count()).select_from(Message).where(mine)) or 0


def with_args(**changes: Any) -> str:
    """This address with some arguments changed (None: removed); a new filter starts at the first page."""
    args: dict[str, Any] = request.args.to_dict(flat=False)
    if "page" not in changes:
        args.pop("page", None)
    for name, value in changes.items():
        args.pop(name, None)
        if value is not None:
            args[name] = str(value)
    # Not through url_for, which would take arguments called endpoint or _external for its own.
    return f"{request.path}?{urlencode(args, doseq=True)}"


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


def say_error(error: Exception) -> Any:
    """Every error as a page in the reader's language, or as problems for REST. None is swallowed."""
    # The page about an error must not wait for the database, or fail with the transaction that just broke.
    security.close_session()
    g.asks_nothing = True
    status = 500
    if isinstance(error, HTTPException) and getattr(error, "response", None) is not None:
        return error.response
    if isinstance(error, CSRFError):
        status = 400
        title, sentence = N_("This form is no longer valid"), N_("Please go back, reload the page and send it again.")
    else:
        if isinstance(error, Forbidden):
            status = 403
        elif isinstance(error, OperationalError) and is_busy(error):
            status = 503
        elif isinstance(error, HTTPException) and error.code is not None:
            if error.code < 400:
                return error
            status = error.code
        if status == 500:
            log.error("unhandled error on %s %s", request.method, request.path, exc_info=error)
        title, sentence = SENTENCES.get(status, SENTENCES[400])
    if status == 401 and not request.path.startswith("/api/"):
        flash(display.tr(sentence), "warn")
        return redirect(url_for("SignIn.login", next=request.full_path.rstrip("?") if request.method == "GET" else "/"))
    if not hasattr(g, "scope"):
        g.scope, g.person = ANONYMOUS, None
    if request.path.startswith("/api/"):
        code = {400: "bad_request", 401: "unauthorised", 403: "forbidden", 404: "not_found", 405: "method"}.get(
            status, "error"
        )
        if isinstance(error, CSRFError):
            code = "csrf"
        return {"problems": [{"field": None, "code": code, "message": display.tr(sentence)}]}, status
    return render_template("error.html", title=display.tr(title), sentence=display.tr(sentence), status=status), status
