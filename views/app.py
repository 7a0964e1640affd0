"""Puts the application together: Flask, flask-appbuilder, our pages, what templates may call, errors in words."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode

from flask import Flask, current_app, g, request, session, url_for
from flask.json.provider import DefaultJSONProvider
from flask_appbuilder import AppBuilder
from flask_appbuilder.api.manager import OpenApi
from flask_babel import format_date
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import scoped_session
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from config import LOCALES, ROOT, Config, flask_settings
from forms.importing import importable
from jobs.means import Means
from models import registries
from models.database import Database
from models.declare import MenuGroup
from models.scope import Forbidden, everything
from views import checks, display, entrance, oidc, security, table
from views.api import api_for
from views.catalogue import Catalogue
from views.errors import say_error, signed_owner
from views.generator import pages_for, public_pages_for
from views.imports import Import
from views.manager import SecurityManager
from views.matrix import Matrix
from views.my_account import MyAccount, SecondFactor
from views.pages import PAGES
from views.public import Public
from views.reconcile import Reconcile
from views.signin import SignIn
from views.work_year import WorkYear
from views.workbench import Find, Workbench, badge_words, badges


class Builder(AppBuilder):
    """flask-appbuilder without the pages and packaged files that ours replace."""

    def _add_admin_views(self) -> None:
        self.sm.auth_view = self.add_view_no_menu(SignIn)
        self.sm.register_views()
        self.add_api(OpenApi)
        limited = (*PAGES, Public, MyAccount, SecondFactor)  # open to everybody, or asking for passwords
        for page in (*limited, Workbench, Find, Import, Matrix, Catalogue, Reconcile, WorkYear):
            view = self.add_view_no_menu(page)
            if page in limited:
                self.sm.limiter.limit(self.sm.auth_rate_limit)(view.blueprint)
        for model in registries().values():
            self.add_view_no_menu(pages_for(model))
            if model.__admin__.public is not None:
                public = self.add_view_no_menu(public_pages_for(model))
                self.sm.limiter.limit(self.sm.auth_rate_limit)(public.blueprint)
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
    equip(app, config, database, queue, clock)
    if config.proxies:
        # Else every visitor behind the proxy would share one address, and one allowance of attempts to sign in.
        hops = config.proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    models = registries()
    checks.refuse_mistakes(models.values())
    security.install(app)
    oidc.install(app, config)
    app.after_request(entrance.remember_device)
    app.json = Json(app)
    # flask-appbuilder's own session has nothing to do any more; every page has a scoped one (security.db).
    unused: Any = scoped_session(lambda: database.open(everything("flask-appbuilder")))  # type: ignore[arg-type]
    with app.app_context():
        Builder(app, unused, security_manager_class=SecurityManager, update_perms=False)
        app.extensions["babel"].locale_selector = choose_locale
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    locales = [(code, app.config["LANGUAGES"][code]["name"]) for code in LOCALES]
    app.jinja_env.globals.update(CALLED, locales=locales, demo=config.demo)
    # Faster than the extension's own, which asks for the locale anew with each of some hundred words of a page.
    app.jinja_env.install_gettext_callables(display.gettext, display.ngettext, newstyle=False)  # type: ignore[attr-defined]
    app.context_processor(words)
    for error in (HTTPException, Forbidden, CSRFError, OperationalError, Exception):
        app.register_error_handler(error, say_error)
    return app


def equip(app: Flask, config: Config, database: Database, queue: Any, clock: Callable[[], datetime]) -> None:
    """What *app* works with from now on: its settings, database, queue and clock."""
    app.config.update(flask_settings(config))
    app.extensions["yizhan_database"] = database
    app.extensions["yizhan_queue"], app.extensions["yizhan_clock"] = queue, clock
    # What long work needs, also where there is no worker to share it with.
    app.extensions["yizhan_means"] = getattr(queue, "worker", None) or Means(database, config, clock)
    app.extensions.pop("yizhan_calendar", None)  # kept by views/display.py


def choose_locale() -> str:
    chosen = session.get("locale")
    return str(chosen if chosen in LOCALES else current_app.config["BABEL_DEFAULT_LOCALE"])


def words() -> dict[str, Any]:
    """What every template knows about this request."""
    return {
        "person": g.get("person"),
        "here": here(),
        "locale": choose_locale(),
        "html_lang": {"zh": "zh-Hans", "zh_Hant": "zh-Hant"}.get(choose_locale(), "en"),
    }


def here() -> str:
    """The address to come back to. After a form: its own, where that can be opened, else where the form would have
    gone on to, else the list it belongs to."""
    if request.method == "GET":
        return request.full_path.rstrip("?")
    rule = request.url_rule
    if rule is None or "GET" in (rule.methods or ()):
        return request.path
    try:
        onward = security.local_path(request.form.get("next"))
    except HTTPException:  # too large, or broken off: the page about it must not fail over the same form again
        onward = "/"
    return url_for(f"{request.blueprint}.list") if onward == "/" and request.blueprint in registries() else onward


def is_open(row: Any) -> bool:
    """May the fields of this row be edited in its present state?"""
    life = row.__admin__.life
    return life is None or life.is_open(getattr(row, life.field))


def navigation() -> list[tuple[str, list[dict[str, Any]]]]:
    """The menu: what this person may list, grouped by task; a count where it means work."""
    counts = {} if g.get("asks_nothing") else badges()
    groups: dict[str, list[dict[str, Any]]] = {}
    home = {
        "label": display.gettext("Workbench"),
        "href": url_for("Workbench.index"),
        "on": request.endpoint == "Workbench.index",
    }
    for name, model in registries().items():
        admin = model.__admin__
        if admin.menu is MenuGroup.Mine or not g.scope.may(name, "list"):
            continue
        entry = {
            "label": display.tr(admin.title),
            "href": url_for(f"{name}.list"),
            "on": request.blueprint == name
            or any(page.endpoint.startswith(f"{request.blueprint}.") for page in (*admin.pages, *admin.overviews)),
            "count": counts.get(name, 0),
            "counts": badge_words(model) if counts.get(name) else "",
        }
        groups.setdefault(display.tr(admin.menu.label), []).append(entry)
    first = display.gettext("Today")
    groups = {first: [home, *groups.pop(first, [])], **groups}
    return list(groups.items())


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


def export_url(endpoint: str, **more: str) -> str:
    """The address of the export of what this list shows."""
    args = [(k, v) for k, v in request.args.items(multi=True) if v and k not in ("page", "size", *more)]
    return f"{url_for(f'{endpoint}.export')}?{urlencode([*args, *((k, v) for k, v in more.items() if v)])}"


def may(registry: str, *verbs: str) -> bool:
    return bool(g.scope.may(registry, *verbs))


def covers(verb: str, row: Any) -> bool:
    return bool(g.scope.covers(verb, row))


# What every template may call. Globals, so that parts.html is one module, made once.
CALLED: dict[str, Any] = {
    "may": may,
    "covers": covers,
    "is_open": is_open,
    "scoped_session": security.db,
    "tr": display.tr,
    "cell": display.cell,
    "cell_html": table.cell_html,
    "row_cells": table.row_cells,
    "row_tick": table.tick,
    "label_of": display.label_of,
    "note_of": display.note_of,
    "problem_text": display.problem_text,
    "labelled": display.labelled,
    "moment": display.moment,
    "day": display.day,
    "weekday_day": display.weekday_day,
    "days_from_to": display.days_from_to,
    "month_name": lambda first: format_date(first, "LLLL"),
    "week_days": display.week_days,
    "href": display.href,
    "long_day": lambda value: format_date(value, "full"),
    "told": display.told,
    "also_looked_for": display.also_looked_for,
    "differences": display.difference_lines,
    "action_label": display.action_label,
    "verb_label": display.verb_label,
    "role_label": display.role_label,
    "day_of": lambda text: display.day(date.fromisoformat(text)),
    "navigation": navigation,
    "with_args": with_args,
    "export_url": export_url,
    "without": lambda names: with_args(**dict.fromkeys(names)),
    "importable": importable,
    "cause_text": display.cause_text,
    "problem_lines": display.problem_lines,
    "signed_owner": signed_owner,
}
