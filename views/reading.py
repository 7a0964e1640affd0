"""List, tree, show, history, picker and file of every registry: all that only reads, and what is kept about lists."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from flask import Response, abort, flash, g, jsonify, redirect, request, url_for
from flask_appbuilder import expose
from sqlalchemy import exists, select
from sqlalchemy.orm import aliased, undefer

from forms.convert import UNSTORABLE, iso_day, specs
from models.account import Account
from models.declare import Admin, Role
from models.event import REVEAL
from models.letter import Letter
from models.saved_view import LAYOUT, SavedView
from models.search import search
from models.tree import is_tree
from models.why import verdicts
from models.workflow import reveal
from models.write import save
from rules.deadlines import local_day
from rules.normalise import clean
from rules.words import N_
from views import blocks, display
from views.display import gettext
from views.history import PAGE, Past, as_it_was, differences, past_of, prefetch, tells_past
from views.listing import by_id, listing, whole
from views.registry import PK, Registry, number
from views.security import commit, db, demand, now, person_and_scope

MOST_CHOICES = 20
MOST_BRANCH = 500
RECENT = 6
# Arguments of a list's address that say where one is, not what is asked.
PASSING = frozenset({"page", "view", "csrf_token"})


class Reading(Registry):
    # --- lists ---------------------------------------------------------------------------------------------------

    @expose("/")
    def list(self) -> str:
        demand(self.admin.name, "list")
        views, view, layout = self.layouts()
        cells = blocks.chosen_cells(self.model, layout.chosen if layout else None)
        found = listing(db(), self.model, request.args, now(), fields=blocks.flat(cells))
        for problem in found.problems:
            flash(display.problem_text(problem), "bad")
        columns = blocks.column_heads(self.model, found.sort, cells)
        narrowing = {f.name for f in found.filters if f.asked}
        query = urlencode([(k, v) for k, v in request.args.items(multi=True) if k not in PASSING and v])
        return self.page(
            "list.html",
            found=found,
            cells=cells,
            # Columns that somebody chose, or narrowed the list by.
            kept=blocks.flat(cells) if layout is not None and layout.chosen else narrowing,
            columns=columns,
            orders=blocks.orders(self.model, columns, request.args.get("sort", "")),
            choices=[(cell, blocks.cell_label(self.model, cell)) for cell in blocks.cell_choices(self.model)],
            chips=[(f, f.said(db())) for f in found.filters if f.asked],
            bulk=[s for s in self.admin.steps if s.bulk and g.scope.may(self.admin.name, s.name)],
            view=view,
            # Something else is asked than what is kept under the name.
            view_left=view is not None and sorted(parse_qsl(view.query or "")) != sorted(parse_qsl(query)),
            views=sorted(views, key=lambda v: v.name),
            query=query,
            roles=[r for r in Role if g.scope.roles & {r.value, Role.Administrator.value}],
            tree=is_tree(self.model),
        )

    @expose("/views", methods=["POST"])
    def keep_view(self) -> Any:
        """Keep the columns (no name given; in the view in which they were changed, where it is one's own) or the whole
        question under a name; the same name is replaced."""
        demand(self.admin.name, "list")
        name = clean(UNSTORABLE.sub("", request.form.get("name", ""))) or LAYOUT
        # It goes into an address again, and no header may hold the end of a line.
        query = "".join(filter(str.isprintable, UNSTORABLE.sub("", request.form.get("query", ""))))
        chosen = [c for c in request.form.getlist("cell") if c in blocks.cell_choices(self.model)]
        mine = (SavedView.owner_id == g.scope.actor) & (SavedView.subject_type == self.admin.name)
        view = number(request.form.get("view", "")) if name == LAYOUT else None
        which = SavedView.name == name if view is None else SavedView.id == view
        held = db().scalars(select(SavedView).where(mine, which)).one_or_none()
        onward = [*parse_qsl(query), *([("view", str(view))] if held is not None and view is not None else [])]
        back = f"{url_for(f'{self.endpoint}.list')}?{urlencode(onward)}"
        row = held or SavedView()
        values: dict[str, Any] = {"chosen": chosen or None}
        if held is None:
            values |= {"subject_type": self.admin.name, "name": name}
        if name != LAYOUT:
            shared = next((r for r in Role if r.value == request.form.get("shared_with")), None)
            values |= {"query": query[:4000], "shared_with": shared}
        problems = save(
            db(), row, values, now=now(), expected_version=row.version, also=("chosen", "subject_type", "query")
        )
        if problems.errors:
            self.flash_view_problems(problems)
            return redirect(back)
        commit()
        if name == LAYOUT:
            return redirect(back)
        words = N_("The view “%(name)s” is replaced.") if held else N_("The view “%(name)s” is kept.")
        flash(gettext(words, name=name), "ok")
        return redirect(f"{url_for(f'{self.endpoint}.list')}?{urlencode([*parse_qsl(query), ('view', row.id)])}")

    @staticmethod
    def flash_view_problems(problems: Any) -> None:
        for line, _ in display.problem_lines(problems, SavedView):
            flash(line, "bad")

    @expose("/tree")
    def tree(self) -> str:
        """The rows one below the other, opened down to ``at``; with ``part`` the branch below it alone."""
        demand(self.admin.name, "list")
        if not is_tree(self.model):
            abort(404)
        at = number(request.args.get("at", ""))
        top = self.row(at) if at is not None else None
        chain = [int(part) for part in (top.path or "").strip("/").split("/") if part] if top is not None else []
        part = bool(request.args.get("part")) and top is not None
        branches = {parent: self.branch(parent) for parent in ([chain[-1]] if part else [None, *chain])}
        return self.page(
            "branch.html" if part else "tree.html",
            branches=branches,
            top=top,
            chain=chain,
            tree=True,
            cells=self.under(),
        )

    def branch(self, parent: int | None) -> Any:
        """(row, does it have rows below) of those right below *parent*; at the top for None."""
        model, below = self.model, aliased(self.model)
        by = self.admin.label if self.admin.label in specs(model) else self.admin.order.removeprefix("-")
        more = exists().where(below.parent_id == model.id).correlate(model)
        statement = select(model, more).where(model.parent_id == parent).order_by(getattr(model, by), model.id)
        return [*db().execute(statement.limit(MOST_BRANCH))]

    def under(self) -> tuple[str, ...]:
        """What stands beside the name of a row in the tree."""
        known = specs(self.model)
        names = [n for n in blocks.flat(self.admin.list_cells) if n != self.admin.label and n in known]
        return tuple(n for n in names if known[n].kind in ("text", "choice"))[:3]

    # --- one row -------------------------------------------------------------------------------------------------

    @expose(f"/{PK}")
    def show(self, pk: int) -> str:
        demand(self.admin.name, "show")
        row = self.row(pk, self.admin.field_names)
        context = blocks.frame(row)
        if on := self.day_asked():
            return self.page("past.html", on=on, groups=self.groups_on(row, on), **context)
        if context["tab"] == "history" and context["told"]:
            page = whole(request.args, "page", 1, 10_000)
            events = past_of(row, page=page)
            prefetch(self.model, events)
            told = [(e, differences(self.model, e.changes)) for e in events]
            return self.page("history.html", events=told, page=page, more=len(events) == PAGE, **context)
        if tab := next((t for t in context["tabs"] if t.admin.name == context["tab"]), None):
            found = blocks.related(tab, row, request.args)
            heads = blocks.column_heads(tab.model, found.sort, tab.cells)
            return self.page("related.html", chosen=tab, found=found, columns=heads, **context)
        return self.overview(context)

    def overview(self, context: dict[str, Any], *, masked: bool = True) -> str:
        """The first tab. context: as of :func:`blocks.frame`. masked: personal values are not in full."""
        row = context["row"]
        events = past_of(row)
        parts = [(grp.title, blocks.facts(row, grp.names, masked=masked)) for grp in self.admin.groups]
        hidden = {*blocks.hidden(row)}
        return self.page(
            "show.html",
            groups=[(title, facts) for title, facts in parts if facts],
            # One button for the row, where the first of what it shows stands.
            look=next((title for title, facts in parts if any(s.name in hidden for s, _ in facts)), None),
            masked=masked,
            steps=blocks.steps(row, events),
            clocks=blocks.clocks(row),
            buttons=blocks.buttons(row),
            events=events[:RECENT],
            older=len(events) > RECENT,
            inline=[self.inline(t, row, events) for t in context["every"] if t.admin.name in self.admin.inline],
            **context,
        )

    @expose(f"/{PK}/reveal", methods=["GET", "POST"])
    def reveal(self, pk: int) -> Any:
        """The page of the row with its personal values in full, for this once; for a script, the values alone.

        No redirect leads here, so that a page that is loaded again is masked again. The look is on record before
        anything is shown.
        """
        demand(self.admin.name, REVEAL)
        row = self.row_for(REVEAL, pk, self.admin.field_names)
        if request.method == "GET":
            return redirect(display.href(self.admin.name, pk))
        problems = reveal(db(), row, now=now())
        if problems.errors:
            self.flash_problems(problems)
            return redirect(display.href(self.admin.name, pk))
        commit()
        if request.accept_mimetypes.best == "application/json":
            values = {name: display.cell(row, name, masked=False).text for name in blocks.personal(row)}
            return jsonify({"values": values, "note": gettext("This look is on record.")})
        return self.overview(blocks.frame(row), masked=False)

    @staticmethod
    def inline(tab: blocks.Tab, row: Any, events: Sequence[Past]) -> tuple[blocks.Tab, Sequence[Any], bool, bool]:
        rows, more = blocks.newest(tab, row)
        return tab, rows, more, tab.model is Letter and not more and blocks.letters_coming(row, events, len(rows))

    @staticmethod
    def day_asked() -> date | None:
        """The past day that the address asks for; of any other it is said that there is nothing to show."""
        if not (text := request.args.get("on")):
            return None
        with suppress(ValueError):
            if (day := iso_day(text)) <= local_day(now()):
                return day
            flash(gettext("This day is still to come. The row is shown as it is now."), "warn")
            return None
        flash(gettext("“%(day)s” is no date. The row is shown as it is now.", day=text[:40]), "warn")
        return None

    def groups_on(self, row: Any, on: date) -> Any:
        """The row's sections as they stood on that day; None when the row was not there yet."""
        if not tells_past(row):
            abort(403)
        then = as_it_was(row, on)
        if then is None:
            return None
        return [(grp.title, facts) for grp in self.admin.groups if (facts := blocks.facts(then, grp.names))]

    @expose(f"/{PK}/access")
    def access(self, pk: int) -> str:
        """Who may do what with this row, and why: for those who look after roles."""
        demand("roles", "show")
        demand(self.admin.name, "show")
        row = self.row(pk, self.admin.field_names)
        asked = number(request.args.get("person", ""))
        account = db().get(Account, asked) if asked is not None else None
        somebody = person_and_scope(account.id) if account is not None else None
        return self.page(
            "access.html",
            account=account,
            somebody=somebody[0] if somebody else None,
            verdicts=verdicts(*somebody, row) if somebody else [],
            belongs=[display.cell(row, n).text for n in (self.admin.owner, *self.admin.departments) if n and n != "id"],
            **blocks.frame(row),
        )

    @expose(f"/{PK}/file")
    def file(self, pk: int) -> Response:
        """The stored bytes of a row that holds a file (letters); shown inline because we made it ourselves."""
        demand(self.admin.name, "show")
        if self.admin.file is None:
            abort(404)
        column = getattr(self.model, self.admin.file)
        row = db().scalars(by_id(self.model, pk).options(undefer(column))).one_or_none()
        data = getattr(row, self.admin.file) if row is not None else None
        if data is None:
            abort(404)
        answer = Response(data, mimetype="application/pdf")
        # Headers are Latin-1: a Chinese name goes in the extended form (RFC 6266).
        name = quote(f"{display.label_of(row)}.pdf", safe="")
        answer.headers["Content-Disposition"] = f"inline; filename=letter.pdf; filename*=UTF-8''{name}"
        return answer

    @expose("/pick/<name>")
    def pick(self, name: str) -> Response:
        """Suggestions for a reference field of this registry, from what the person may read of its target."""
        demand(self.admin.name, "list", "show", "add", "edit")
        spec = specs(self.model).get(name)
        if spec is None or spec.target is None or not hasattr(spec.target, "__admin__"):
            abort(404)
        target: Admin = spec.target.__admin__
        if g.scope.reading(target.name) is None:
            return jsonify({"choices": []})
        statement = select(spec.target).where(search(spec.target, request.args.get("q", ""))).limit(MOST_CHOICES)
        found = db().scalars(statement.order_by(getattr(spec.target, target.order.removeprefix("-"))))
        # What is over may still be meant (in a filter), but comes last.
        chosen = sorted(found, key=lambda row: self.is_over(target, row))
        choices = [self.choice(target, row) for row in chosen]
        return jsonify({"choices": choices, **display.also_looked_for_json(request.args.get("q", ""))})

    @staticmethod
    def choice(target: Admin, row: Any) -> dict[str, Any]:
        label = display.label_of(row)
        extra = [n for n in target.list_cells[0] if n != target.label and n in specs(type(row))]
        state = [target.life.field] if target.life is not None else []
        texts = [t for n in (*extra[:2], *state) if (t := display.cell(row, n).text) and t != label]
        return {"id": row.id, "label": label, "note": " · ".join(texts)}

    @staticmethod
    def is_over(target: Admin, row: Any) -> bool:
        """No move leads on from its state, as for what was abolished."""
        state = getattr(row, target.life.field) if target.life is not None else None
        return target.life is not None and state is not None and not target.life.open_moves(state)
