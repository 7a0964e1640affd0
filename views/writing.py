"""Add, edit, delete, moves, bulk moves and drafts of every registry: all that writes goes through the two doors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import abort, flash, g, jsonify, redirect, request, url_for
from flask_appbuilder import expose
from sqlalchemy import inspect, select
from werkzeug.datastructures import MultiDict

from forms.convert import Spec, specs
from forms.fields import RowForm, defaults, editable, row_form
from forms.masks import half_masked, is_mask, mask
from models import draft
from models.base import personal_fields
from models.change import Change, save_and_propose
from models.constraints import uniques
from models.declare import Action, Reach
from models.scope import Forbidden
from models.workflow import act, move
from models.write import not_open, remove, save
from rules.lifecycle import Move, unanswered, wrong_state
from rules.words import N_, Problem, Problems, Told
from views import blocks, display
from views.display import gettext
from views.errors import opened_here
from views.history import past_of
from views.listing import with_references
from views.registry import PK, Registry, number
from views.security import commit, db, demand, now
from views.sent import digest, form_key, inputs, is_stale, seen_digests, version_asked

MOST_BULK = 200
MOST_OPTIONS = 200


@dataclass(frozen=True)
class Conflict:
    """A field that two people changed, in words: what stands now, and what was typed here. raw: that as it was sent."""

    spec: Spec
    theirs: str
    mine: str
    raw: tuple[str, ...]


@dataclass
class Outcome:
    """What became of one row of a bulk action. words: why it was refused; none when it was done. note: by what else
    people know the row."""

    label: str
    pk: int | None
    words: str = ""
    answer: str = ""
    note: str = ""


class Writing(Registry):
    # --- add and edit --------------------------------------------------------------------------------------------

    @expose("/new", methods=["GET", "POST"])
    def add(self) -> Any:
        demand(self.admin.name, "add")
        names = editable(self.model, self.admin.field_names, new=True)
        row = self.model()
        if request.method == "GET":
            if kept := self.draft_asked(0):
                return self.form_page(row_form(self.model, names)(MultiDict(kept.typed)), row, key=-kept.subject_id)
            return self.form_page(row_form(self.model, names)(data=self.first_values(names)), row)
        form = row_form(self.model, names)(request.form)
        problems = self.saved(row, form, None)
        if problems.errors:
            return self.form_page(form, row, problems)
        draft.forget(db(), self.admin.name, -form_key())
        return self.done(row, gettext("Saved."), problems)

    @expose(f"/{PK}/edit", methods=["GET", "POST"])
    def edit(self, pk: int) -> Any:
        demand(self.admin.name, "edit")
        names = editable(self.model, self.admin.field_names, new=False)
        form_class = row_form(self.model, names)
        kept = self.draft_asked(pk) if request.method == "GET" else None
        typed = MultiDict(kept.typed) if kept is not None else request.form
        written = kept is not None or request.method == "POST"
        # Only what was typed into a form of ours is shown again: of any other, nothing is said.
        if (kept is not None or (written and opened_here())) and self.row_or_none(pk) is None:
            return self.late_page(form_class(typed), None, GONE, typed, kept), 404
        row = self.row_for("edit", pk, self.admin.field_names)
        if (closed := not_open(row)) is not None:
            if written:
                return self.late_page(form_class(typed), row, closed, typed, kept), 409
            flash(gettext("In its present state this can no longer be edited."), "warn")
            return redirect(display.href(self.admin.name, pk))
        if request.method == "GET":
            form = form_class(typed) if kept else form_class(obj=row)
            return self.form_page(form, row, typed=typed if kept else None)
        form = self.filled(form_class, row)
        change = None
        if "propose" in request.form and self.admin.controlled(row):
            problems, change = self.saved_and_proposed(row, form, version_asked())
        else:
            problems = self.saved(row, form, version_asked())
        if is_stale(problems):
            db().refresh(row)
            return self.conflict_page(form, row, names)
        if problems.errors:
            return self.form_page(form, row, problems)
        draft.forget(db(), self.admin.name, pk)
        if change is not None:
            commit()
            flash(gettext("Saved what needs no approval. The rest waits in this change request."), "ok")
            return redirect(url_for("changes.edit", pk=change.id))
        return self.done(row, gettext("Saved."), problems)

    def filled(self, form_class: type[RowForm], row: Any) -> RowForm:
        """The form as it was sent: with the other's value wherever the person chose it in a conflict, and with the
        stored one wherever the mask of a personal value came back, be it of the value that stood there before."""
        sent, seen, known = MultiDict(request.form), seen_digests(), specs(self.model)
        half, stored = {}, set()
        for name in form_class()._fields:
            value, text = getattr(row, name), sent.get(name, "")
            left = name in personal_fields(self.model) and (
                is_mask(known[name], value, text) or seen.get(f"{name}*") == digest(row, name, [text])
            )
            if left or sent.get(f"take-{name}") == "theirs":
                sent.setlist(name, inputs(known[name], value))
                stored.add(name)
            elif name in personal_fields(self.model):
                half[name] = half_masked(known[name], value, text)
        form = form_class(sent)
        form.stored = stored
        for name, problem in half.items():
            form._fields[name].problem = form._fields[name].problem or problem
        return form

    def hide(self, form: RowForm, row: Any) -> None:
        """The inputs of personal fields hold the mask of what is stored, and anything else as it was typed: a guess
        does not come back as a mask because it was right."""
        for name in form.stored.intersection(personal_fields(self.model)):
            field = form._fields.get(name)
            if field is not None:
                field.raw = [mask(field.spec, getattr(row, name))]

    def late_page(self, form: RowForm, row: Any, problem: Problem, typed: Any, kept: draft.Draft | None) -> Any:
        """What was typed into a form that cannot be saved any more, so that it can be read and used elsewhere.

        Of a row that is gone and of one out of reach it says the same, and nothing but what came with the request.
        """
        events = past_of(row, size=1) if row is not None else []
        problems, shown = Problems([problem]), row or self.model()
        return self.form_page(form, shown, problems, typed=typed, late=True, kept=kept, events=events)[0]

    def conflict_page(self, form: RowForm, row: Any, names: Sequence[str]) -> Any:
        """Somebody else changed the row meanwhile: both versions side by side, for each field that both changed.

        What only the other changed is taken over into the form; what only this person changed stays as typed.
        """
        seen = seen_digests()
        conflicts = []
        for name in names:
            field, spec = form._fields[name], specs(self.model)[name]
            theirs = inputs(spec, getattr(row, name))
            if theirs == field.raw or digest(row, name, theirs) == seen.get(name):
                continue
            if digest(row, name, field.raw) == seen.get(name):
                field.process_data(getattr(row, name))
                form.stored.add(name)
                continue
            texts = [self.in_words(spec, field, row, side) for side in ("theirs", "mine")]
            conflicts.append(Conflict(spec, texts[0], texts[1], tuple(field.raw)))
        return self.form_page(form, row, Problems(), conflicts=conflicts, events=past_of(row, size=3)), 409

    def in_words(self, spec: Spec, field: Any, row: Any, side: str) -> str:
        if side == "theirs":
            return display.cell(row, spec.name).text or "—"
        if field.problem is not None or field.data is None or spec.info.personal:  # nobody masks what one just typed
            return field.text or "—"
        data = getattr(field.data, "value", field.data)
        return display.said(spec, data.isoformat() if hasattr(data, "isoformat") else data) or "—"

    def saved(self, row: Any, form: RowForm, version: int | None) -> Problems:
        # An input may hold less than its column (a moment without its seconds): what was not touched stays.
        seen = seen_digests() if version is not None else {}
        values = {n: v for n, v in form.values().items() if seen.get(n) != digest(row, n, form._fields[n].raw)}
        noticed = form.conversion_problems()
        return save(db(), row, values, now=now(), expected_version=version, noticed=noticed)

    def saved_and_proposed(self, row: Any, form: RowForm, version: int | None) -> tuple[Problems, Change | None]:
        """As :meth:`saved`; what only a change request may change becomes one (A07)."""
        if (noticed := form.conversion_problems()).errors:
            return self.saved(row, form, version), None
        seen = seen_digests()
        values = {n: v for n, v in form.values().items() if seen.get(n) != digest(row, n, form._fields[n].raw)}
        return save_and_propose(db(), row, values, now=now(), expected_version=version, noticed=noticed)

    def first_values(self, names: Sequence[str]) -> dict[str, Any]:
        """What a new form begins with: defaults, what the address carried, what stands in the row it is a copy of."""
        found = defaults(self.model, names, request.args)
        if (copied := number(request.args.get("copy", ""))) is not None:
            copy = self.copy_of(self.row(copied, names), names)
            found |= {n: v for n, v in copy.items() if not begins_now(specs(self.model)[n])}
        for name in names:
            spec = specs(self.model)[name]
            if begins_now(spec):
                found.setdefault(name, now() + (spec.info.begins or timedelta()))
            if spec.kind == "reference" and spec.target is not None and spec.required and name == "department_id":
                found.setdefault(name, g.scope.department)
            if name == self.admin.owner and g.scope.reach(self.admin.name, "add") is Reach.mine:
                found.setdefault(name, g.scope.actor)
        return found

    def copy_of(self, row: Any, names: Sequence[str]) -> dict[str, Any]:
        """The values of *row* for a new one: without what must differ, and without personal data, which are masked."""
        demand(self.admin.name, "show")
        unique = {[*c.columns][-1].name for c in uniques(self.model)}
        left_out = {*unique, *personal_fields(self.model)}
        return {n: getattr(row, n) for n in names if n not in left_out}

    @expose(f"/{PK}/delete", methods=["POST"])
    def delete(self, pk: int) -> Any:
        demand(self.admin.name, "delete")
        row = self.row_for("delete", pk)
        problems = remove(db(), row, now=now(), expected_version=version_asked())
        if problems.errors:
            self.flash_problems(problems)
            return redirect(url_for(f"{self.endpoint}.show", pk=pk))
        commit()
        flash(gettext("Deleted."), "ok")
        return self.back()

    # --- drafts --------------------------------------------------------------------------------------------------

    @expose("/draft", methods=["POST"])
    @expose(f"/{PK}/draft", methods=["POST"])
    def keep_draft(self, pk: int = 0) -> Any:
        """Keep what stands in an unsent form; a script of the page asks for it every few seconds of typing."""
        demand(self.admin.name, "edit" if pk else "add")
        label = display.label_of(self.row_for("edit", pk)) if pk else self.draft_label()
        names = {*editable(self.model, self.admin.field_names, new=not pk), "version", "seen"}
        typed = {name: request.form.getlist(name) for name in request.form if name in names}
        kept = draft.keep(db(), self.admin.name, pk or -form_key(), typed, label, now())
        if kept is None:
            return jsonify({"kept": None}), 413
        commit()
        return jsonify({"kept": gettext("Draft kept %(when)s", when=display.moment(kept.saved_at))})

    def draft_label(self) -> str:
        """What a draft of a new row is called: what is being done, and the first of what the list would show."""
        known = specs(self.model)
        names = [n for cell in self.admin.list_cells for n in cell if n in known and not known[n].info.personal]
        typed = [(known[n], request.form.getlist(n)) for n in names if known[n].kind in ("text", "reference")]
        said = [display.said_input(spec, texts) for spec, texts in typed if any(texts)]
        what = self.admin.one if self.admin.add_label == "New" else self.admin.add_label
        return " · ".join([display.tr(what), *said[:2]])

    def draft_asked(self, pk: int) -> draft.Draft | None:
        """The draft that the address asks for: of this row, or any of the new ones."""
        wanted = number(request.args.get("draft", ""))
        return next((d for d in draft.waiting(db(), self.admin.name, pk) if d.id == wanted), None)

    # --- moves and actions ---------------------------------------------------------------------------------------

    @expose(f"/{PK}/do/<action>", methods=["GET", "POST"])
    def do(self, pk: int, action: str) -> Any:
        step = self.find(action)
        demand(self.admin.name, action)
        row = self.row_for(action, pk)
        form_class = row_form(self.model, step.asks)
        if request.method == "GET":
            return self.action_page(step, [row], form_class(obj=row), impossible(step, row))
        form = self.filled(form_class, row)
        problems, answer = form.conversion_problems(), None
        if not problems.errors:
            problems, answer = self.carried_out(step, row, form, version_asked())
        if problems.errors:
            return self.action_page(step, [row], form, problems)
        if isinstance(answer, str):
            commit()
            return self.page("answer.html", row=row, step=step, answer=answer)
        if answer is not None and answer.about is not None:  # what it made is gone on with there
            commit()
            flash(display.told(answer), "ok")
            return redirect(display.href(*answer.about))
        words = gettext("“%(action)s” is done.", action=display.tr(step.label))
        return self.done(row, " ".join([words, display.told(answer)] if answer else [words]), problems)

    @expose("/do/<action>", methods=["POST"])
    def do_many(self, action: str) -> Any:
        """One move or action on the chosen rows, each by itself: some may be refused while the others go through.

        A first request leads to a page that asks for what is needed and for consent; the one it sends carries it out.
        """
        step = self.find(action)
        demand(self.admin.name, action)
        if not step.bulk:
            abort(404)
        chosen = [text.partition(":")[::2] for text in request.form.getlist("row")[:MOST_BULK]]
        ids = [known for pk, _ in chosen if (known := number(pk)) is not None]
        form = row_form(self.model, step.asks)(request.form if "sure" in request.form else None)
        if not chosen:
            flash(gettext("Choose some rows first."), "warn")
            return self.back()
        many = with_references(select(self.model).where(self.model.id.in_(ids)), self.model, display.noted(self.admin))
        rows = {row.id: row for row in db().scalars(many)}
        found = [rows[i] for i in ids if i in rows]
        if "sure" not in request.form and (step.asks or step.confirm):
            return self.action_page(step, found, form, chosen=chosen)
        problems = form.conversion_problems()
        problems.extend(unanswered(step.requires, form.values()))  # told once, not for each of many rows
        if problems.errors:
            return self.action_page(step, found, form, problems, chosen=chosen)
        outcomes = []
        for pk, version in chosen:
            row = rows.get(number(pk) or 0)
            if row is None:
                outcomes.append(Outcome(pk[:19], None, gettext("There is no such row, or you may not see it.")))
                continue
            outcome = Outcome(display.label_of(row), row.id, note=display.note_of(row))
            try:
                problems, answer = self.carried_out(step, row, form, number(version))
                outcome.words = " ".join(display.problem_text(p) for p in problems.errors)
                outcome.answer = display.told(answer)
            except Forbidden:
                outcome.words = gettext("Not permitted")
            outcomes.append(outcome)
        commit()
        done = sum(not outcome.words for outcome in outcomes)
        return self.page("results.html", step=step, outcomes=outcomes, done=done, next=self.way_back())

    @staticmethod
    def carried_out(
        step: Move | Action, row: Any, form: RowForm, version: int | None
    ) -> tuple[Problems, str | Told | None]:
        if isinstance(step, Action):
            return act(db(), row, step, now=now(), given=form.values(), expected_version=version)
        return move(db(), row, step.name, now=now(), given=form.values(), expected_version=version), None

    # --- pages ---------------------------------------------------------------------------------------------------

    def form_page(
        self,
        form: RowForm,
        row: Any,
        problems: Problems | None = None,
        *,
        typed: Any = None,
        key: int = 0,
        **context: Any,
    ) -> Any:
        """The form, with what else it carries in hidden fields:

        version: of the row it was opened on. seen: ``field=digest;…`` of each value as it stood then, from which a
        conflict tells who changed what; ``field*=digest`` of what stood in place of a personal one. take-<field>: which
        of two versions was chosen in a conflict (theirs, mine). form: a number of this very form of a new row, under
        which its draft is kept.
        """
        new = inspect(row).transient or inspect(row).pending
        groups = self.admin.groups
        fields = [(grp.title, [f for n in grp.names if (f := form._fields.get(n)) is not None]) for grp in groups]
        aside = {c.spec.name for c in context.get("conflicts", ())}
        shown = [(title, [f for f in group if f.spec.name not in aside]) for title, group in fields]
        sent = typed if typed is not None else request.form
        # A form that comes back with problems, or from a draft, is still about the version it was opened on.
        back = bool(problems) or typed is not None
        seen = sent.get("seen", "") if back else "" if new else self.seen(form, row)
        pk = None if new else row.id
        looks: Sequence[str] = ()
        if not new:
            self.hide(form, row)
            looks = [n for n in blocks.hidden(row) if n in form._fields]
        unasked = request.method == "GET" and not request.args.get("draft")
        body = self.page(
            "form.html",
            row=None if new else row,
            form=form,
            groups=[(title, group) for title, group in shown if group],
            problems=in_order(problems, form),
            version=number(sent.get("version", "")) if back else getattr(row, "version", None) if not new else None,
            seen=seen,
            picked=self.picked(form),
            looks=looks,
            controlled=[] if new else self.admin.controlled(row),
            # What the row speaks of is said above the form in which the rest is filled in.
            compared=[] if new else [f for f in blocks.facts(row, self.admin.field_names) if f[1].pairs],
            waiting=draft.waiting(db(), self.admin.name, pk or 0) if unasked else [],
            key=key or form_key(),
            draft_path=url_for(f"{self.endpoint}.keep_draft", **({"pk": pk} if pk else {})),
            **{"conflicts": [], "events": [], "late": False, "kept": None, **context},
        )
        return (body, 422) if problems else body

    def seen(self, form: RowForm, row: Any) -> str:
        """What the form that is opened now shows of each value: digests, and of personal ones also of their masks."""
        told = {name: inputs(field.spec, getattr(row, name)) for name, field in form._fields.items()}
        told |= {f"{n}*": [mask(specs(self.model)[n], getattr(row, n))] for n in blocks.personal(row) if n in told}
        return ";".join(f"{name}={digest(row, name.rstrip('*'), texts)}" for name, texts in told.items())

    def action_page(
        self,
        step: Move | Action,
        rows: Sequence[Any],
        form: RowForm,
        problems: Problems | None = None,
        *,
        chosen: Sequence[tuple[str, str]] = (),
    ) -> Any:
        """What a step asks and wants consent to. chosen: of many rows, (id, version) as they were ticked."""
        stale = problems is not None and is_stale(problems)
        # Of many rows some may be refused; of one it is known beforehand, and then there is no button.
        closed = impossible(step, rows[0]) if not chosen else Problems()
        if stale and problems is not None:
            problems = Problems([*problems, *closed])
        events = past_of(rows[0], size=1) if stale else []
        version = version_asked() if problems and not stale else getattr(rows[0], "version", None) if rows else None
        if not chosen:
            self.hide(form, rows[0])
        body = self.page(
            "action.html",
            row=None if chosen else rows[0],
            chosen=[":".join(pair) for pair in chosen],
            rows=rows,
            step=step,
            form=form,
            problems=in_order(problems, form),
            possible=not closed,
            version=version,
            events=events,
            picked=self.picked(form),
            next=self.way_back(),
        )
        return (body, 422) if problems else body

    def picked(self, form: RowForm) -> dict[str, Any]:
        """What the reference fields of *form* now hold, in words; and the few choices of a many-to-many."""
        found: dict[str, Any] = {}
        for name, field in form._fields.items():
            spec: Spec = field.spec
            if spec.kind == "reference" and spec.target is not None and isinstance(field.data, int):
                chosen = db().get(spec.target, field.data)
                found[name] = display.label_of(chosen) if chosen is not None else ""
            elif spec.kind == "many" and spec.target is not None:
                rows = [*db().scalars(select(spec.target).order_by(spec.target.id).limit(MOST_OPTIONS))]
                # What is chosen is always among them: an option that is not shown would be taken away by saving.
                chosen_ids = {n for text in field.raw if (n := number(text)) is not None} - {o.id for o in rows}
                if chosen_ids:
                    rows += db().scalars(select(spec.target).where(spec.target.id.in_(chosen_ids)))
                found[name] = [(str(o.id), display.label_of(o)) for o in rows]
        return found


GONE = Problem(None, "gone", N_("This row was deleted meanwhile, or you may no longer see it."))


def impossible(step: Move | Action, row: Any) -> Problems:
    """Why nobody can carry *step* out on *row* as it stands; nothing where it can be tried."""
    life = type(row).__admin__.life
    if isinstance(step, Move) and life is not None and getattr(row, life.field) not in step.sources:
        return Problems([wrong_state(step, getattr(row, life.field))])
    if isinstance(step, Action) and step.when is not None and not step.when(row):
        message = N_("“%(action)s” is not possible on this row as it stands now.")
        return Problems([Problem(None, "not_possible", message, {"action": step.label})])
    return Problems()


def begins_now(spec: Spec) -> bool:
    """An instant that must be there is the present one until somebody says otherwise, also in a copy."""
    return spec.kind == "moment" and spec.required


def in_order(problems: Problems | None, form: RowForm) -> Problems:
    """*problems* as the fields stand in the form, those of the whole row first."""
    place = {name: i for i, name in enumerate(form._fields)}
    return Problems(sorted(problems or (), key=lambda p: place.get(p.field or "", -1)))
