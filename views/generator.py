"""Declared model → pages. One class holds what every registry does; each registry is a subclass with its model.

flask-appbuilder gives the blueprint, the permission names and the registration. Its ModelView is not used: its
bulk actions skip the row filter, its forms lose what was typed and load whole tables (docs/decisions.md).
Every route asks the scope first, reads through the scoped session, and writes through the two doors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar
from urllib.parse import quote

from flask import Response, abort, flash, g, jsonify, redirect, render_template, request, url_for
from flask_appbuilder import BaseView, expose
from flask_babel import gettext
from sqlalchemy import inspect, select
from sqlalchemy.orm import undefer

from forms.convert import LARGEST_ID, Spec, specs
from forms.fields import RowForm, defaults, editable, row_form
from models.declare import Action, Admin
from models.event import Event
from models.scope import Forbidden
from models.search import search
from models.workflow import act, move
from models.write import remove, save
from rules.lifecycle import Move
from rules.words import Problems
from views import blocks, display
from views.listing import by_id, listing, with_references
from views.security import commit, db, demand, local_path, now

PK = f"<int(max={LARGEST_ID}):pk>"
MOST_BULK = 200
MOST_CHOICES = 20


class RegistryPages(BaseView):
    """List, show, add, edit, delete, moves, bulk moves, picker and file of one registry."""

    model: ClassVar[type[Any]]
    admin: ClassVar[Admin]
    default_view = "list"

    # --- reading -------------------------------------------------------------------------------------------------

    @expose("/")
    def list(self) -> str:
        demand(self.admin.name, "list")
        found = listing(db(), self.model, request.args, now(), fields=blocks.flat(self.admin.list_cells))
        for problem in found.problems:
            flash(display.problem_text(problem), "bad")
        return self.page(
            "list.html",
            found=found,
            columns=blocks.column_heads(self.model, found),
            filters=blocks.filter_controls(self.model, found),
            bulk=[m for m in self.moves() if not m.asks and g.scope.may(self.admin.name, m.name)],
        )

    @expose(f"/{PK}")
    def show(self, pk: int) -> str:
        demand(self.admin.name, "show")
        row = self.row(pk, self.admin.field_names)
        events = blocks.events_of(row)
        names = display.names_of(db(), {e.actor_id for e in events} | {getattr(row, "changed_by_id", 0)})
        return self.page(
            "show.html",
            row=row,
            groups=[(grp.title, facts) for grp in self.admin.groups if (facts := blocks.facts(row, grp.names))],
            under=[t for n in self.admin.list_cells[0][1:] if (t := display.cell(row, n).text)],
            steps=blocks.steps(row, events, names),
            clocks=blocks.clocks(row),
            buttons=blocks.buttons(row),
            events=events,
            names=names,
            related=blocks.related(row),
            file=blocks.has_file(row),
            subject=blocks.subject_of(row),
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
        return jsonify({"choices": [self.choice(target, row) for row in found]})

    # --- writing -------------------------------------------------------------------------------------------------

    @expose("/new", methods=["GET", "POST"])
    def add(self) -> Any:
        demand(self.admin.name, "add")
        names = editable(self.model, self.admin.field_names, new=True)
        row = self.model()
        if request.method == "GET":
            form = row_form(self.model, names)(data=self.first_values(names))
            return self.form_page(form, row)
        form = row_form(self.model, names)(request.form)
        problems = self.saved(row, form, None)
        if problems.errors:
            return self.form_page(form, row, problems)
        return self.done(row, gettext("Saved."), problems)

    @expose(f"/{PK}/edit", methods=["GET", "POST"])
    def edit(self, pk: int) -> Any:
        demand(self.admin.name, "edit")
        row = self.row(pk)
        if not g.scope.covers("edit", row):
            abort(403)
        names = editable(self.model, self.admin.field_names, new=False)
        if request.method == "GET":
            return self.form_page(row_form(self.model, names)(obj=row), row)
        form = row_form(self.model, names)(request.form)
        problems = self.saved(row, form, version_asked())
        if problems.errors:
            return self.form_page(form, row, problems)
        return self.done(row, gettext("Saved."), problems)

    @expose(f"/{PK}/delete", methods=["POST"])
    def delete(self, pk: int) -> Any:
        demand(self.admin.name, "delete")
        row = self.row(pk)
        if not g.scope.covers("delete", row):
            abort(403)
        problems = remove(db(), row, now=now(), expected_version=version_asked())
        if problems.errors:
            self.flash_problems(problems)
            return redirect(url_for(f"{self.endpoint}.show", pk=pk))
        commit()
        flash(gettext("Deleted."), "ok")
        return redirect(url_for(f"{self.endpoint}.list"))

    @expose(f"/{PK}/do/<action>", methods=["GET", "POST"])
    def do(self, pk: int, action: str) -> Any:
        step = self.find(action)
        demand(self.admin.name, action)
        row = self.row(pk)
        if not g.scope.covers(action, row):
            abort(403)
        form_class = row_form(self.model, step.asks)
        if request.method == "GET":
            return self.action_page(step, row, form_class())
        form = form_class(request.form)
        problems = form.conversion_problems()
        answer = None
        if not problems.errors:
            if isinstance(step, Action):
                problems, answer = act(
                    db(), row, step, now=now(), given=form.values(), expected_version=version_asked()
                )
            else:
                problems = move(db(), row, action, now=now(), given=form.values(), expected_version=version_asked())
        if problems.errors:
            return self.action_page(step, row, form, problems)
        if answer is not None:
            commit()
            return self.page("answer.html", row=row, step=step, answer=answer)
        return self.done(row, gettext("“%(action)s” is done.", action=display.tr(step.label)), problems)

    @expose("/do/<action>", methods=["POST"])
    def do_many(self, action: str) -> Any:
        """One move on the chosen rows, each by itself: some may be refused while the others go through."""
        step = self.find(action)
        demand(self.admin.name, action)
        if isinstance(step, Action) or step.asks:
            abort(404)
        chosen = request.form.getlist("row")[:MOST_BULK]
        done, refused = 0, []
        for text in chosen:
            pk, _, version = text.partition(":")
            known = number(pk)
            row = db().scalars(by_id(self.model, known)).one_or_none() if known is not None else None
            if row is None:
                refused.append(gettext("%(row)s: not found", row=pk[:19]))
                continue
            try:
                problems = move(db(), row, action, now=now(), expected_version=number(version))
            except Forbidden:
                problems = Problems()
                refused.append(gettext("%(row)s: not permitted", row=display.label_of(row)))
                continue
            if problems.errors:
                refused.append(display.labelled(display.label_of(row), display.problem_text(problems.errors[0])))
            else:
                done += 1
        commit()
        told = gettext("%(done)d done, %(refused)d refused.", done=done, refused=len(refused))
        flash(" ".join([told, *refused[:10]]), "bad" if refused else "ok")
        back = local_path(request.form.get("next"))
        return redirect(back if back != "/" else url_for(f"{self.endpoint}.list"))

    # --- shared --------------------------------------------------------------------------------------------------

    def row(self, pk: int, fields: Sequence[str] = ()) -> Any:
        """The row, or 404: what lies out of reach cannot be told from what does not exist."""
        statement = with_references(by_id(self.model, pk), self.model, tuple(fields))
        return db().scalars(statement).one_or_none() or abort(404)

    def saved(self, row: Any, form: RowForm, version: int | None) -> Problems:
        problems = form.conversion_problems()
        if not problems.errors:
            problems = save(db(), row, form.values(), now=now(), expected_version=version)
        return problems

    def first_values(self, names: Sequence[str]) -> dict[str, Any]:
        found = defaults(self.model, names, request.args)
        for name in names:
            spec = specs(self.model)[name]
            if spec.kind == "moment" and spec.required:
                found.setdefault(name, now())
            if spec.kind == "reference" and spec.target is not None and spec.required and name == "department_id":
                found.setdefault(name, g.scope.department)
        return found

    def done(self, row: Any, words: str, problems: Problems) -> Any:
        commit()
        flash(words, "ok")
        self.flash_problems(problems)
        shown = g.scope.may(self.admin.name, "show")
        return redirect(url_for(f"{self.endpoint}.show", pk=row.id) if shown else url_for(f"{self.endpoint}.list"))

    def flash_problems(self, problems: Problems) -> None:
        known = specs(self.model)
        for problem in problems:
            text = display.problem_text(problem)
            if problem.field and problem.field in known:
                text = display.labelled(display.tr(known[problem.field].label), text)
            flash(text, "warn" if problem.warning else "bad")

    def form_page(self, form: RowForm, row: Any, problems: Problems | None = None) -> Any:
        new = inspect(row).transient or inspect(row).pending
        groups = [
            (grp.title, [f for n in grp.names if (f := form._fields.get(n)) is not None]) for grp in self.admin.groups
        ]
        body = self.page(
            "form.html",
            row=None if new else row,
            form=form,
            groups=[(title, fields) for title, fields in groups if fields],
            problems=problems or Problems(),
            version=self.version_next(row, problems),
            changed=self.changed(row, problems),
            picked=self.picked(form),
        )
        return (body, 422) if problems else body

    def action_page(self, step: Move | Action, row: Any, form: RowForm, problems: Problems | None = None) -> Any:
        body = self.page(
            "action.html",
            row=row,
            step=step,
            form=form,
            problems=problems or Problems(),
            version=self.version_next(row, problems),
            changed=self.changed(row, problems),
            picked=self.picked(form),
        )
        return (body, 422) if problems else body

    @staticmethod
    def version_next(row: Any, problems: Problems | None) -> int | None:
        """The version the next attempt carries: the present one where somebody else's change is being shown."""
        if problems and not is_stale(problems):
            return version_asked()
        return getattr(row, "version", None)

    @staticmethod
    def changed(row: Any, problems: Problems | None) -> Sequence[Event]:
        """The newest Event about the row, for whoever was overtaken by it."""
        return blocks.events_of(row)[:1] if problems and is_stale(problems) else []

    def picked(self, form: RowForm) -> dict[str, Any]:
        """What the reference fields of *form* now hold, in words; and the few choices of a many-to-many."""
        found: dict[str, Any] = {}
        for name, field in form._fields.items():
            spec: Spec = field.spec
            if spec.kind == "reference" and spec.target is not None and isinstance(field.data, int):
                chosen = db().get(spec.target, field.data)
                found[name] = display.label_of(chosen) if chosen is not None else ""
            elif spec.kind == "many" and spec.target is not None:
                rows = db().scalars(select(spec.target).order_by(spec.target.id).limit(200))
                found[name] = [(str(o.id), display.label_of(o)) for o in rows]
        return found

    def page(self, template: str, **context: Any) -> str:
        return render_template(
            template, admin=self.admin, model=self.model, specs=specs(self.model), endpoint=self.endpoint, **context
        )

    def moves(self) -> tuple[Move, ...]:
        return self.admin.life.moves if self.admin.life else ()

    def find(self, action: str) -> Move | Action:
        step = self.admin.life.find(action) if self.admin.life else None
        return step or next((a for a in self.admin.actions if a.name == action), None) or abort(404)

    @staticmethod
    def choice(target: Admin, row: Any) -> dict[str, Any]:
        extra = [n for n in target.list_cells[0] if n != target.label and n in specs(type(row))]
        note = " · ".join(t for n in extra[:2] if (t := display.cell(row, n).text))
        return {"id": row.id, "label": display.label_of(row), "note": note}


def is_stale(problems: Problems) -> bool:
    return any(p.code == "stale" for p in problems)


def version_asked() -> int | None:
    return number(request.form.get("version", ""))


def number(text: str) -> int | None:
    """An id or a version as an address or a form carries it; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def unused(admin: Admin) -> set[str]:
    """Methods whose verb nobody is granted: they get no route at all, on pages and in REST alike."""
    granted = {verb for grant in admin.grants for verb in grant.words}
    steps = {m.name for m in (admin.life.moves if admin.life else ())} | {a.name for a in admin.actions}
    gone = {method for method, verb in (("add", "add"), ("edit", "edit"), ("delete", "delete")) if verb not in granted}
    gone |= {rest for rest, verb in (("post", "add"), ("put", "edit")) if verb not in granted}
    if not steps & granted:
        gone |= {"do", "do_many"}
    return gone if admin.file else gone | {"file"}


def pages_for(model: type[Any]) -> type[RegistryPages]:
    """The page class of one registry; its endpoint is the registry's name: ``url_for("items.list")``."""
    admin: Admin = model.__admin__
    return type(
        admin.name,
        (RegistryPages,),
        {
            "model": model,
            "admin": admin,
            "exclude_route_methods": unused(admin),
            "route_base": f"/{admin.name}",
            "class_permission_name": admin.name,
            "base_permissions": [f"can_{verb}" for verb in admin.verbs],
            "__doc__": f"Pages of {model.__name__}.",
        },
    )
