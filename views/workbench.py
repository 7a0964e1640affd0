"""The workbench and the counts of the menu, from what models declare (``Desk``, ``badge``), and the one search."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

from flask import g, jsonify, redirect, render_template, request, url_for
from flask_appbuilder import BaseView, expose
from sqlalchemy import ColumnElement, func, select
from werkzeug.datastructures import MultiDict

from forms.convert import specs
from models import registries
from models.declare import Admin, Block, Remark, Tally
from models.event import REVEAL, Event
from models.search import search
from rules.deadlines import local_day
from rules.words import Problems
from views import display
from views.blocks import flat
from views.display import gettext
from views.filters import filters, where
from views.listing import COUNTED, listing, with_references
from views.security import db, now

ROWS_IN_BLOCK = 8
DONE_LAST = 8
FOUND_EACH = 5
SHORTEST_SEARCH = 2


def arguments(text: str) -> MultiDict[str, str]:
    """The arguments that a declaration says as they stand in an address."""
    return MultiDict(parse_qsl(text))


def conditions(model: type[Any], text: str) -> list[ColumnElement[bool]]:
    return where(filters(model, arguments(text), db(), model.__admin__), db(), now(), Problems())


def count_all(wanted: Iterable[tuple[type[Any], str]]) -> list[int]:
    """How many rows of each model answer to its arguments, within the scope, in one statement; counted like a list's,
    one above ``COUNTED`` stands for all that are more."""
    counts = [
        select(func.count())
        .select_from(select(model.id).where(*conditions(model, text)).limit(COUNTED + 1).subquery())
        .scalar_subquery()
        for model, text in wanted
    ]
    return [*db().execute(select(*counts)).one()] if counts else []


def badges() -> dict[str, int]:
    """Registry → what its menu entry counts, of those this person may list."""
    counted = [(n, m) for n, m in registries().items() if m.__admin__.badge and g.scope.may(n, "list")]
    return dict(zip((n for n, _ in counted), count_all((m, m.__admin__.badge) for _, m in counted), strict=True))


def badge_words(model: type[Any]) -> str:
    """What the count beside a menu entry counts, as the chips of that list would say it."""
    asked = filters(model, arguments(model.__admin__.badge), db(), model.__admin__)
    return str(gettext(", ").join(one.said(db()) for one in asked if one.asked))


class Workbench(BaseView):
    route_base = ""
    default_view = "index"
    base_permissions: list[str] = []  # noqa: RUF012 - read by flask-appbuilder as it stands

    @expose("/")
    def index(self) -> Any:
        if g.person is None:
            return redirect(url_for("SignIn.login", next=request.full_path.rstrip("?")))
        today = local_day(now())
        calendar = display.calendar()
        desks = [(m, m.__admin__.desk) for n, m in registries().items() if g.scope.may(n, "list")]
        blocks = [self.block(model, block) for model, desk in desks for block in desk.blocks]
        return render_template(
            "workbench.html",
            greeting=greeting(),
            today=today,
            workday=calendar.is_workday(today),
            next_workday=calendar.next_workday(today),
            figures=self.figures([(m, f) for m, desk in desks for f in desk.figures]),
            blocks=[b for b in blocks if not b["aside"]],
            beside=[b for b in blocks if b["aside"] and (b["rows"] or b["empty"])],
            tallies=[t for m, desk in desks for tally in desk.tallies if (t := self.tally(m, tally))["rows"]],
            remarks=[(t, seen_to(m, t)) for m, d in desks if d.remarks is not None for t in d.remarks(db(), now())],
            done=self.done_last(),
            adding=[m.__admin__ for m, desk in desks if desk.blocks and g.scope.may(m.__admin__.name, "add")],
        )

    @staticmethod
    def figures(wanted: list[tuple[type[Any], Any]]) -> list[dict[str, Any]]:
        counts = count_all((model, figure.where) for model, figure in wanted)
        return [
            {
                "label": display.tr(figure.label),
                "count": count if count <= COUNTED else f"{COUNTED:,}+",
                "tone": figure.tone if count else "",
                "href": f"{url_for(f'{model.__admin__.name}.list')}?{figure.where}",
            }
            for (model, figure), count in zip(wanted, counts, strict=True)
        ]

    @staticmethod
    def block(model: type[Any], block: Block) -> dict[str, Any]:
        admin: Admin = model.__admin__
        args = arguments(block.where)
        if block.order:
            args["sort"] = block.order
        cells = admin.list_cells
        found = listing(db(), model, args, now(), fields=flat(cells), most=ROWS_IN_BLOCK)
        sort = f"&sort={block.order}" if block.order else ""
        return {
            "title": block.title,
            "empty": block.empty,
            "aside": block.aside,
            "admin": admin,
            "rows": found.rows,
            "cells": cells,
            "total": found.total if found.exact else f"{found.total:,}+",
            "href": f"{url_for(f'{admin.name}.list')}?{block.where}{sort}",
        }

    @staticmethod
    def tally(model: type[Any], tally: Tally) -> dict[str, Any]:
        """How many rows of each member there are, in the order of the list; members without any are left out."""
        column = getattr(model, tally.field)
        counted = select(column, func.count()).where(column.is_not(None), *conditions(model, tally.where))
        counts = {member: number for member, number in db().execute(counted.group_by(column))}  # noqa: C416 - a Row
        address = f"{url_for(f'{model.__admin__.name}.list')}?{tally.where}&{tally.field}="
        members = specs(model)[tally.field].choices or ()
        rows = [(display.tr(m.label), counts[m], address + str(m.value)) for m in members if m in counts]
        return {"title": tally.title, "rows": rows}

    @staticmethod
    def done_last() -> list[dict[str, Any]]:
        """What this person did last, once for each row, with where it lives now."""
        if g.scope.reading("events") is None:
            return []
        mine = (Event.actor_id == g.scope.actor) & (Event.at > now() - timedelta(days=30))
        mine &= Event.action.is_(None) | (Event.action != REVEAL)  # looking at a number is no work done
        found: dict[tuple[str, int], dict[str, Any]] = {}
        for event in db().scalars(select(Event).where(mine).order_by(Event.id.desc()).limit(DONE_LAST * 4)):
            model = registries().get(event.subject_type)
            if model is None or not model.__admin__.departments or not g.scope.may(event.subject_type, "show"):
                continue  # one's own views, tokens and messages are no work
            label = (
                display.action_label(event.subject_type, event.action) if event.action else display.tr(event.kind.label)
            )
            told = {
                "label": event.subject_label,
                "what": label,
                "at": event.at,
                "href": display.href(event.subject_type, event.subject_id),
            }
            found.setdefault((event.subject_type, event.subject_id), told)
        return [*found.values()][:DONE_LAST]


def seen_to(model: type[Any], remark: Any) -> str | None:
    """Where that is done what the remark is about, for whoever may."""
    page = remark.page if isinstance(remark, Remark) else None
    return url_for(page.endpoint) if page is not None and g.scope.may(model.__admin__.name, page.verb) else None


class Find(BaseView):
    """One search over all registries that a person may list."""

    route_base = "/find"
    base_permissions: list[str] = []  # noqa: RUF012

    @expose("/")
    def page(self) -> Any:
        if g.person is None:
            return redirect(url_for("SignIn.login", next=request.full_path.rstrip("?")))
        text = request.args.get("q", "").strip()[:200]
        # One Chinese character is a name; one letter is half of everything.
        short = len(text) < SHORTEST_SEARCH and text.isascii()
        groups = [] if short else self.found(text)
        if request.args.get("short"):
            return jsonify({"groups": groups, **display.also_looked_for_json(text)})
        return render_template("find.html", text=text, groups=groups, short=short)

    @staticmethod
    def found(text: str) -> list[dict[str, Any]]:
        groups = []
        for name, model in registries().items():
            admin: Admin = model.__admin__
            if model is Event:
                continue  # what happened to a row is found by the row; five records of one would hide others
            if not admin.search_columns or not g.scope.may(name, "list") or not g.scope.may(name, "show"):
                continue
            statement = select(model).where(search(model, text)).order_by(model.id.desc()).limit(FOUND_EACH + 1)
            rows = [*db().scalars(with_references(statement, model, admin.list_cells[0]))]
            if not rows:
                continue
            groups.append(
                {
                    "title": display.tr(admin.title),
                    "all": url_for(f"{name}.list", q=text),
                    "more": len(rows) > FOUND_EACH,
                    "rows": [
                        {
                            "label": display.label_of(row),
                            "note": " · ".join(t for n in admin.list_cells[0][1:] if (t := display.cell(row, n).text)),
                            "href": display.href(name, row.id),
                        }
                        for row in rows[:FOUND_EACH]
                    ],
                }
            )
        return groups


def greeting() -> str:
    hour = (now() + timedelta(hours=8)).hour
    name = g.person.name
    if hour < 12:
        return str(gettext("Good morning, %(name)s", name=name))
    if hour < 18:
        return str(gettext("Good afternoon, %(name)s", name=name))
    return str(gettext("Good evening, %(name)s", name=name))
