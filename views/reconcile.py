"""Another system's list against ours: uploaded, matched by code and then by name, kept with its result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Response, abort, current_app, g, redirect, render_template, request, url_for
from flask_appbuilder import BaseView, expose
from sqlalchemy import select
from sqlalchemy.orm import undefer

from config import Config
from forms.sheets import csv_bytes
from forms.tables import read_rows
from models.item import Item, ItemState
from models.reconciliation import Reconciliation
from models.write import save
from rules.normalise import clean
from rules.reconcile import Listed, columns, reconcile
from rules.words import N_, LabelEnum, Problem, Problems, RuleError
from views.display import gettext, tr
from views.exporting import FORMATS, sent
from views.listing import by_id, whole
from views.registry import PK
from views.security import commit, db, demand, now

PAGE = 100


class Part(LabelEnum):
    ByCode = "code", N_("In both, by code")
    ByName = "name", N_("In both, by name")
    Here = "here", N_("Only here")
    There = "there", N_("Only there")


class Reconcile(BaseView):
    route_base = "/reconcile"
    default_view = "upload"
    base_permissions: list[str] = []  # noqa: RUF012 - the registries of items and of reconciliations are asked

    @expose("/", methods=["GET", "POST"])
    def upload(self) -> Any:
        """Whoever may look at reconciliations may make one: of the items that they may read themselves."""
        demand("reconciliations", "list")
        demand("items", "list")
        if request.method == "GET":
            return self._page(Problems())
        sent, system = request.files.get("file"), clean(request.form.get("system", ""))
        data = sent.read() if sent is not None else b""
        problems = Problems()
        if not system or len(system) > 100:
            problems.append(Problem("system", "required", N_("Say in at most 100 characters which system it is.")))
        if not data:
            problems.append(Problem("file", "required", N_("Please choose a file.")))
        if problems:
            return self._page(problems)
        try:
            row = self._made(system, clean(sent.filename or "")[:200] if sent is not None else "", data)
        except RuleError as error:
            return self._page(error.problems)
        commit()
        return redirect(url_for("Reconcile.result", pk=row.id))

    def _made(self, system: str, file_name: str, data: bytes) -> Reconciliation:
        config: Config = current_app.config["APPLICATION"]
        header, rows = read_rows(data, config.import_rows)
        asked = [request.form.get(name, "") for name in ("code", "name")]
        code, name = (said if said in header else found for said, found in zip(asked, columns(header), strict=True))
        if not code and not name:
            message = N_("No column is called code or name: %(columns)s. Say below which they are.")
            raise RuleError.one("file", "no_columns", message, columns=", ".join(header)[:200])
        theirs = [Listed(line, (cells.get(code) or "",), cells.get(name) or "") for line, cells in rows]
        found = reconcile([*ours()], theirs)
        lines: list[list[Any]] = [
            [
                pair.how,
                pair.ours.key,
                said(pair.ours),
                pair.ours.name,
                pair.theirs.key,
                said(pair.theirs),
                pair.theirs.name,
            ]
            for pair in found.pairs
        ]
        lines += [["here", one.key, said(one), one.name, None, "", ""] for one in found.here]
        lines += [["there", None, "", "", one.key, said(one), one.name] for one in found.there]
        row = Reconciliation(lines=lines)
        values = {
            "system": system,
            "file_name": file_name or "—",
            "by_code": sum(pair.how == "code" for pair in found.pairs),
            "by_name": sum(pair.how == "name" for pair in found.pairs),
            "only_here": len(found.here),
            "only_there": len(found.there),
            "department_id": g.scope.department,
            "owner_id": g.scope.actor,
        }
        problems = save(db(), row, values, now=now(), also=tuple(values), granted=True)
        if problems.errors:
            raise RuleError(problems)
        return row

    @staticmethod
    def _page(problems: Problems) -> Any:
        body = render_template("reconcile.html", problems=problems, sent=request.form)
        return (body, 422) if problems else body

    @expose(f"/{PK}")
    def result(self, pk: int) -> str:
        demand("reconciliations", "show")
        row = self._row(pk)
        part = next((p for p in Part if p.value == request.args.get("part")), None)
        lines = [line for line in row.lines if part is None or line[0] == part.value]
        page = whole(request.args, "page", 1, 10_000)
        counts = {
            Part.ByCode: row.by_code,
            Part.ByName: row.by_name,
            Part.Here: row.only_here,
            Part.There: row.only_there,
        }
        return render_template(
            "reconciled.html",
            row=row,
            part=part,
            counts=counts,
            total=len(lines),
            lines=lines[(page - 1) * PAGE : page * PAGE],
            labels={p.value: tr(p.label) for p in Part},
            page=page,
            more=len(lines) > page * PAGE,
        )

    @expose(f"/{PK}/file")
    def file(self, pk: int) -> Response:
        """All of it as CSV, for whoever puts the other system right."""
        demand("reconciliations", "show")
        row = self._row(pk)
        head = [gettext("Outcome"), *(gettext(w) for w in HEADINGS)]
        labels = {p.value: tr(p.label) for p in Part}
        rows = ((labels[line[0]], *(str(v if v is not None else "") for v in line[2:])) for line in row.lines)
        return sent(csv_bytes(head, rows), "reconciliation.csv", f"{FORMATS['csv']}; charset=utf-8")

    @staticmethod
    def _row(pk: int) -> Reconciliation:
        asked = by_id(Reconciliation, pk).options(undefer(Reconciliation.lines))
        row: Reconciliation | None = db().scalars(asked).one_or_none()
        if row is None:
            abort(404)
        return row


HEADINGS = (N_("Code here"), N_("Name here"), N_("Line of the file"), N_("Code there"), N_("Name there"))


def ours() -> Iterator[Listed]:
    """The items in force that this person may read."""
    names = (Item.local_code, Item.national_code, Item.basic_code)
    asked = select(Item.id, Item.name, *names).where(Item.state == ItemState.InForce).order_by(Item.name, Item.id)
    for row in db().execute(asked):
        yield Listed(row.id, tuple(code for code in row[2:] if code), row.name)


def said(one: Listed) -> str:
    return one.codes[0] if one.codes else ""
