"""The pages of an import: the file, what its columns mean, the dry run row by row, then the same for good.

What a page works on is the batch (models/batch.py), so that a large file can be handed to the worker in between, and
nobody has to hold a page open.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import abort, current_app, flash, g, redirect, render_template, request, url_for
from flask_appbuilder import BaseView, expose
from flask_babel import get_locale
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import undefer

from forms import cells, exporting
from forms.cells import importable as open_fields
from forms.convert import UNSTORABLE, specs
from forms.importing import choose_mapping, importable
from forms.outcomes import OutcomeKind
from forms.tables import Source, mappings, open_table
from jobs import batches
from jobs.means import Means
from models import registries
from models.batch import BUSY, Batch, BatchKind, BatchMode, BatchState, advance, ask, begin, remembered
from models.database import is_busy
from models.outbox import Outbox, OutboxState
from models.scope import everything
from rules.normalise import clean
from rules.words import N_, Problem, Problems, RuleError
from views import display, security
from views.display import gettext
from views.exporting import FORMATS, sent, workbook_bytes
from views.listing import whole
from views.refusals import refused_rows
from views.registry import PK
from views.reports import Shown, shown_rows
from views.security import close_session, commit, db, demand, now, settings

MOST_SAMPLES = 3
IGNORED = ""


class Import(BaseView):
    route_base = "/import"
    default_view = "upload"
    base_permissions: list[str] = []  # noqa: RUF012 - each registry's own "import" is asked

    # --- the file ------------------------------------------------------------------------------------------------

    @expose("/<registry>", methods=["GET", "POST"])
    def upload(self, registry: str) -> Any:
        self._demand(registry)
        if request.method == "GET":
            return self._page(registry)
        sent_file = request.files.get("file")
        data = sent_file.read() if sent_file is not None else b""
        named = request.form.get("mapping", "")
        known = {m.name for m in mappings(registry)}
        own = remembered(db(), registry)
        if named and named not in known | {f"own:{name}" for name in own}:
            abort(400)
        if not data:
            return self._page(registry, Problems([Problem("file", "required", N_("Please choose a file."))]))
        try:
            source = open_table(data, settings().import_rows)
            values = self._meaning(registry, source, named, own)
            count = source.count
        except RuleError as error:
            return self._page(registry, error.problems)
        options = values.pop("options") | {
            "take_over": bool(request.form.get("take_over")),
            "clears": bool(request.form.get("clears")),
        }
        mode = BatchMode.Whole if request.form.get("mode") == BatchMode.Whole.value else BatchMode.Valid
        name = clean(UNSTORABLE.sub("", sent_file.filename or "")) if sent_file is not None else ""
        batch = begin(
            db(), BatchKind.Import, registry, name, now(), data=data, rows=count, mode=mode, options=options, **values
        )
        if batch.columns is None and "mapping" not in options:
            commit()
            return redirect(url_for("Import.batch", pk=batch.id))
        return self._check(batch)

    @staticmethod
    def _meaning(registry: str, source: Source, named: str, own: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
        """What is known of the columns already: by a mapping that was named or fits, else by the headings. Where
        something is left to be said, ``columns`` stays out."""
        model, header = registries()[registry], source.header
        if named.startswith("own:"):
            held = own[named.removeprefix("own:")]
            return {"options": {}, "columns": {h: n for h, n in held.items() if h in header}, "mapping": named[4:]}
        chosen = choose_mapping(registry, header, named or None)
        if chosen is not None:
            return {"options": {"mapping": chosen.name}, "mapping": chosen.name}
        found = cells.matched(model, header)
        if all(h in found or cells.meaningless(h) for h in header):
            return {"options": {}, "columns": found}
        for name, held in own.items():
            if set(held) <= set(header):
                return {"options": {}, "columns": dict(held), "mapping": name}
        return {"options": {}}

    def _check(self, batch: Batch) -> Any:
        """The dry run: here where it is small, else by the worker."""
        pk = batch.id
        if batch.rows > settings().rows_at_once:
            advance(batch, "ask_check", note=None)
            ask(db(), batch, "check", now())
            commit()
        else:
            if batch.state is not BatchState.Uploaded:
                advance(batch, "ask_check", note=None)
            commit()
            close_session()  # the run has a session of its own
            batches.check(means(), g.scope, pk, now())
        return redirect(url_for("Import.batch", pk=pk))

    @expose("/<registry>/template")
    def template(self, registry: str) -> Any:
        """A workbook to be filled in: the headings, drop-down lists of what one may choose, and help."""
        self._demand(registry)
        model, locale = registries()[registry], str(get_locale())
        title = display.tr(model.__admin__.title)
        columns = exporting.template_columns(db(), model, open_fields(model), locale)
        body = workbook_bytes(title, columns, iter(()), lists=True)
        return sent(body, f"{title}.xlsx", FORMATS["xlsx"])

    # --- the batch -----------------------------------------------------------------------------------------------

    @expose(f"/batch/{PK}")
    def batch(self, pk: int) -> Any:
        """What stands in the file and what would become of it, or became."""
        demand("batches", "show")
        batch = self._batch(pk, Batch.causes, Batch.report)
        return self._batch_page(batch)

    @expose(f"/batch/{PK}/part")
    def part(self, pk: int) -> Any:
        """How far it is; a script of the page asks again until it is over."""
        demand("batches", "show")
        batch = self._batch(pk)
        return render_template("batch_part.html", batch=batch, busy=batch.state in BUSY, done=means().board.done(pk))

    @expose(f"/batch/{PK}/columns", methods=["POST"])
    def columns(self, pk: int) -> Any:
        """Say what the columns mean, keep it under a name, and check anew."""
        demand("batches", "show")
        batch = self._own(pk, Batch.data)
        if batch.data is None or batch.state in BUSY:
            return self._back(pk, N_("This is not possible now."))
        model = registries()[batch.subject_type]
        known = specs(model)
        header = open_table(batch.data, settings().import_rows).header
        chosen = {h: request.form.get(f"column-{i}", IGNORED) for i, h in enumerate(header) if h}
        columns = {heading: name for heading, name in chosen.items() if name in known}
        doubled = sorted({n for n in columns.values() if [*columns.values()].count(n) > 1})
        if not columns or doubled:
            words = (
                N_("Say of one column at least what it means.") if not columns else N_("“%(name)s” is chosen twice.")
            )
            message = gettext(words, name=display.tr(known[doubled[0]].label) if doubled else "")
            return self._batch_page(batch, message, {**dict.fromkeys(header, ""), **columns}), 422
        batch.columns = columns
        batch.mapping = clean(UNSTORABLE.sub("", request.form.get("name", "")))[:60] or None
        batch.options = {n: v for n, v in batch.options.items() if n != "mapping"}
        return self._check(batch)

    @expose(f"/batch/{PK}/run", methods=["POST"])
    def carry_out(self, pk: int) -> Any:
        demand("batches", "show")
        batch = self._own(pk)
        try:
            advance(batch, "ask_run", note=None)
        except RuleError as error:
            return self._back(pk, display.problem_text(error.problems[0]))
        if batch.rows > settings().rows_at_once:
            ask(db(), batch, "run", now())
            commit()
            return redirect(url_for("Import.batch", pk=pk))
        commit()
        close_session()
        batches.carry_out(means(), g.scope, pk, now())
        return redirect(url_for("Import.batch", pk=pk))

    @expose(f"/batch/{PK}/cancel", methods=["POST"])
    def cancel(self, pk: int) -> Any:
        """Ask the worker to stop. While it works nobody else can write into SQLite, so this waits for nothing."""
        demand("batches", "show")
        with security.database().session(g.scope) as s:
            batch = s.get(Batch, pk) or abort(404)
            if batch.owner_id != g.person.id:
                abort(403)
            state = batch.state
        if state not in (*BUSY, BatchState.Uploaded, BatchState.Checked):
            return self._back(pk, N_("This is not possible now."))
        means().board.stop(pk)
        try:
            with security.database().hurried(everything("cancel an import", g.person.id)) as s:
                _stop_unbegun(s, pk)
        except OperationalError as error:
            if not is_busy(error):
                raise
        flash(gettext("The import is being cancelled."), "ok")
        return redirect(url_for("Import.batch", pk=pk))

    @expose(f"/batch/{PK}/refused")
    def refused(self, pk: int) -> Any:
        """The rows that were refused, as they came, each with its reasons, to be mended and sent again."""
        demand("batches", "show")
        batch = self._own(pk, Batch.data, Batch.report)
        if batch.data is None or batch.report is None:
            abort(404)
        columns, rows = refused_rows(batch, settings().import_rows, gettext(cells.REASON))
        title = gettext("Refused rows of %(file)s", file=batch.file_name.rpartition(".")[0] or batch.file_name)
        return sent(workbook_bytes(gettext("Refused rows"), columns, rows), f"{title}.xlsx", FORMATS["xlsx"])

    # --- parts ---------------------------------------------------------------------------------------------------

    @staticmethod
    def _demand(registry: str) -> None:
        if registry not in importable():
            abort(404)
        demand(registry, "import")

    @staticmethod
    def _batch(pk: int, *columns: Any) -> Batch:
        """An import within reach, of a registry that one may read as far."""
        wanted = select(Batch).where(Batch.id == pk).options(*(undefer(column) for column in columns))
        found = db().scalars(wanted).one_or_none()
        if found is None or found.kind is not BatchKind.Import:
            abort(404)
        reach = g.scope.reach(found.subject_type, "list")
        if found.owner_id != g.person.id and (reach is None or reach < g.scope.reach("batches", "show")):
            abort(403)
        return found

    def _own(self, pk: int, *columns: Any) -> Batch:
        """One's own, which one may still go on with."""
        found = self._batch(pk, *columns)
        if found.owner_id != g.person.id:
            abort(403)
        demand(found.subject_type, "import")
        return found

    @staticmethod
    def _back(pk: int, message: str) -> Any:
        flash(display.tr(message), "bad")
        return redirect(url_for("Import.batch", pk=pk))

    @staticmethod
    def _page(registry: str, problems: Problems | None = None) -> Any:
        model = registries()[registry]
        body = render_template(
            "import.html",
            registry=registry,
            admin=model.__admin__,
            model=model,
            problems=problems or Problems(),
            mappings=mappings(registry),
            remembered=[*remembered(db(), registry)],
            intake=model.__admin__.intake is not None,
            most=settings().import_rows,
            megabytes=settings().upload_megabytes,
        )
        return (body, 422) if problems else body

    def _batch_page(self, batch: Batch, problem: str = "", chosen: Mapping[str, str] | None = None) -> str:
        model = registries()[batch.subject_type]
        asked = request.args.get("kind", "")
        report: Shown = shown_rows(batch, asked, whole(request.args, "page", 1, 100_000))
        own = batch.owner_id == g.person.id and g.scope.may(batch.subject_type, "import")
        choosing = own and batch.state not in BUSY and bool(request.args.get("columns") or problem)
        choosing = choosing or (own and batch.state is BatchState.Uploaded)
        return render_template(
            "batch.html",
            batch=batch,
            admin=model.__admin__,
            model=model,
            own=own,
            busy=batch.state in BUSY,
            done=means().board.done(batch.id),
            report=report,
            kinds=[kind for kind in OutcomeKind if kind is not OutcomeKind.Proposed or batch.proposed],
            asked=asked,
            columns=self._columns(batch, chosen) if choosing else [],
            fields=[(n, display.tr(specs(model)[n].label)) for n in fields_to_choose(model)] if choosing else [],
            problem=problem,
            differences=display.difference_lines,
        )

    @staticmethod
    def _columns(batch: Batch, chosen: Mapping[str, str] | None) -> list[dict[str, Any]]:
        """Each column of the file with its first values, and what it is taken for."""
        data = db().scalar(select(Batch.data).where(Batch.id == batch.id))
        if data is None:
            return []
        source = open_table(data, settings().import_rows)
        first = [row for _, (_, row) in zip(range(MOST_SAMPLES), source.rows(), strict=False)]
        meant = chosen or batch.columns or cells.matched(registries()[batch.subject_type], source.header)
        return [
            {"number": i, "heading": h, "samples": [row.get(h, "")[:40] for row in first], "field": meant.get(h, "")}
            for i, h in enumerate(source.header)
            if h
        ]


def _stop_unbegun(s: Any, pk: int) -> None:
    """What no worker has begun yet is over at once."""
    unbegun = (Outbox.subject_type == "batches", Outbox.subject_id == pk, Outbox.state == OutboxState.Waiting)
    dropped = update(Outbox).where(*unbegun, Outbox.kind.startswith("import.")).values(state=OutboxState.Dropped)
    count = s.execute(dropped.execution_options(synchronize_session=False)).rowcount
    batch = s.get_one(Batch, pk)
    if batch.state in (BatchState.Uploaded, BatchState.Checked) or (count and batch.state is not BatchState.Undoing):
        advance(batch, "stop", ended_at=now())
        means().board.forget(pk)


def fields_to_choose(model: type[Any]) -> list[str]:
    """What a column may mean: all that an export of this registry holds."""
    return exporting.every_field(model)


def means() -> Means:
    found: Means = current_app.extensions["yizhan_means"]
    return found
