"""The upload page: a dry run first, row by row, then the same file for good."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

from flask import abort, current_app, flash, g, redirect, render_template, request, url_for
from flask_appbuilder import BaseView, expose
from itsdangerous import BadSignature, URLSafeTimedSerializer

from config import Config
from forms.importing import OutcomeKind, Report, run
from forms.tables import mappings
from models import registries
from rules.words import N_, Problem, Problems, RuleError
from views import display
from views.display import gettext
from views.security import commit, db, demand, now

# A dry run is good for so long; then the file is thrown away and must be uploaded again.
KEPT_SECONDS = 3600
SHOWN = 200
URGENT = (OutcomeKind.Refused, OutcomeKind.Changed, OutcomeKind.New, OutcomeKind.Unchanged)
IMPORTABLE = ("items",)


class Import(BaseView):
    route_base = "/import"
    default_view = "upload"
    base_permissions: list[str] = []  # noqa: RUF012 - each registry's own "import" is asked

    @expose("/<registry>", methods=["GET", "POST"])
    def upload(self, registry: str) -> Any:
        self._demand(registry)
        if request.method == "GET":
            return self._page(registry)
        sent = request.files.get("file")
        data = sent.read() if sent is not None else b""
        if not data:
            return self._page(registry, Problems([Problem("file", "required", N_("Please choose a file."))]))
        options = {"mapping": request.form.get("mapping", ""), "take_over": bool(request.form.get("take_over"))}
        report = self._run(registry, data, options, dry_run=True)
        if isinstance(report, Problems):
            return self._page(registry, report)
        db().rollback()
        keep(data)
        ticket = {"sha": hashlib.sha256(data).hexdigest(), "registry": registry, "user": g.person.id, **options}
        return self._page(registry, report=report, ticket=serializer().dumps(ticket), options=options)

    @expose("/<registry>/run", methods=["POST"])
    def carry_out(self, registry: str) -> Any:
        self._demand(registry)
        try:
            ticket = serializer().loads(request.form.get("ticket", ""), max_age=KEPT_SECONDS)
            data = (folder() / f"{ticket['sha']}.csv").read_bytes()
        except (BadSignature, OSError):
            gone = Problem("file", "gone", N_("This dry run is too old. Please upload the file again."))
            return self._page(registry, Problems([gone]))
        if ticket["registry"] != registry or ticket["user"] != g.person.id:
            abort(403)
        report = self._run(registry, data, ticket, dry_run=False)
        if isinstance(report, Problems):
            return self._page(registry, report)
        commit()
        counts = report.counts
        told = gettext(
            "Imported: %(new)d new, %(changed)d changed, %(unchanged)d unchanged, %(refused)d refused.", **counts
        )
        flash(told, "bad" if counts["refused"] else "ok")
        if counts["refused"]:
            return self._page(registry, report=report)
        return redirect(url_for(f"{registry}.list"))

    @staticmethod
    def _run(registry: str, data: bytes, options: dict[str, Any], *, dry_run: bool) -> Report | Problems:
        config: Config = current_app.config["APPLICATION"]
        named = options["mapping"]
        if named and named not in {m.name for m in mappings(registry)}:
            abort(400)
        try:
            return run(
                db(),
                data,
                registry=registry,
                mapping=named or None,
                take_over=options["take_over"],
                dry_run=dry_run,
                most=config.import_rows,
                now=now(),
            )
        except RuleError as error:
            db().rollback()
            return error.problems

    @staticmethod
    def _demand(registry: str) -> None:
        if registry not in IMPORTABLE:
            abort(404)
        demand(registry, "import")

    @staticmethod
    def _page(registry: str, problems: Problems | None = None, **context: Any) -> Any:
        report: Report | None = context.get("report")
        # What needs a person's eye comes first, however long the list.
        rows = sorted(report.outcomes, key=lambda o: URGENT.index(o.kind))[:SHOWN] if report else []
        body = render_template(
            "import.html",
            registry=registry,
            admin=registries()[registry].__admin__,
            model=registries()[registry],
            problems=problems or Problems(),
            mappings=mappings(registry),
            kinds=OutcomeKind,
            rows=rows,
            most_shown=SHOWN,
            differences=display.difference_lines,
            **{"report": None, "ticket": None, "options": {}, **context},
        )
        return (body, 422) if problems else body


def folder() -> Path:
    config: Config = current_app.config["APPLICATION"]
    found = config.instance / "imports"
    found.mkdir(parents=True, exist_ok=True, mode=0o700)
    return found


def keep(data: bytes) -> None:
    """Keep the file for the run that may follow; sweep out what is too old."""
    for old in folder().glob("*.csv"):
        if old.stat().st_mtime < time.time() - KEPT_SECONDS:
            old.unlink(missing_ok=True)
    (folder() / f"{hashlib.sha256(data).hexdigest()}.csv").write_bytes(data)


def serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.secret_key or "", salt="import")
