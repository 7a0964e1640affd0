"""Export: what a list shows, as a file that is written while it is sent."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

from flask import Response, flash, g, redirect, request, url_for
from flask_appbuilder import expose
from flask_babel import get_locale
from sqlalchemy import ColumnElement, func, select

from forms import exporting, sheets
from models.batch import BatchKind, BatchState, begin
from models.scope import ScopedSession
from rules.deadlines import local_day
from views import blocks, display, security
from views.listing import order, question
from views.registry import Registry
from views.security import db, demand, now

FORMATS = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv",
}
PIECE = 64 * 1024


class Exporting(Registry):
    @expose("/export")
    def export(self) -> Any:
        """The rows that the list shows with the same arguments, in its columns; ``fields=all``: with every field
        of the pages. ``format``: xlsx or csv; ``encoding`` of the latter: utf-8 or gb18030. It is on record before it
        is sent.
        """
        demand(self.admin.name, "export")
        asked, conditions = question(db(), self.model, request.args, now())
        if asked.problems:
            self.flash_problems(asked.problems)
            return redirect(f"{url_for(f'{self.endpoint}.list')}?{urlencode([*request.args.items(multi=True)])}")
        kind = request.args.get("format", "xlsx")
        encoding = request.args.get("encoding", "utf-8")
        if kind not in FORMATS or encoding not in sheets.ENCODINGS:
            flash(display.gettext("A file is XLSX, or CSV in UTF-8 or GB 18030."), "bad")
            return redirect(url_for(f"{self.endpoint}.list"))
        names = exporting.every_field(self.model) if request.args.get("fields") == "all" else self.columns_shown()
        conditions.append(as_far_as_granted(self.model))
        title = f"{display.tr(self.admin.title)}-{local_day(now()).isoformat()}.{kind}"
        session = own_session()
        try:
            count = session.scalar(select(func.count(self.model.id)).where(*conditions)) or 0
            self.note(title, count)
            locale = str(get_locale())
            statement = select(self.model.id).where(*conditions).order_by(*order(self.model, asked.sort))
            rows = exporting.rows(session, self.model, names, statement, locale)
            columns = exporting.heads(self.model, names, locale)
            if kind == "csv":
                body = sheets.csv_bytes([c.heading for c in columns], rows, encoding)
            else:
                body = self.workbook(columns, rows)
        except BaseException:
            session.close()
            raise
        charset = f"; charset={encoding}" if kind == "csv" else ""
        return sent(closing(body, session), title, FORMATS[kind] + charset, session.close)

    def columns_shown(self) -> list[str]:
        *_, layout = self.layouts()
        cells = blocks.chosen_cells(self.model, layout.chosen if layout else None)
        return exporting.columns_for(self.model, blocks.flat(cells))

    def note(self, title: str, count: int) -> None:
        """Who took how many rows out, and what was asked for: known before the first of them leaves."""
        query = urlencode([*request.args.items(multi=True)])
        with security.database().session(g.scope, write=True) as s:
            told = {"state": BatchState.Done, "rows": count, "asked": query[:4000], "ended_at": now()}
            begin(s, BatchKind.Export, self.admin.name, title, now(), **told)

    def workbook(self, columns: list[sheets.Column], rows: Iterator[Any]) -> Iterator[bytes]:
        return workbook_bytes(display.tr(self.admin.title), columns, rows)


def own_session() -> ScopedSession:
    """Under the scope of whoever asks, but for longer than the request: that is over before the last row is sent."""
    return security.database().open(g.scope)


def as_far_as_granted(model: type[Any]) -> ColumnElement[bool]:
    """Whoever may export less than they may list gets no more than that."""
    found: ColumnElement[bool] = g.scope.criteria(model, g.scope.reach(model.__admin__.name, "export"))
    return found


def workbook_bytes(
    name: str, columns: list[sheets.Column], rows: Iterator[Any], *, lists: bool = False
) -> Iterator[bytes]:
    """Written to a file that nobody else sees, then piece by piece; a workbook's end must be known first."""
    with tempfile.TemporaryFile() as file:
        sheets.workbook(file, name, columns, rows, lists=lists)
        file.seek(0)
        while piece := file.read(PIECE):
            yield piece


def closing(body: Iterator[bytes], session: Any) -> Iterator[bytes]:
    """The session is given back with the last piece, not only when the answer is thrown away."""
    try:
        yield from body
    finally:
        session.close()


def sent(body: Iterator[bytes], title: str, mimetype: str, done: Any = None) -> Response:
    answer = Response(body, content_type=mimetype)
    ending = title.rpartition(".")[2]
    # Headers are Latin-1: a Chinese name goes in the extended form (RFC 6266).
    answer.headers["Content-Disposition"] = (
        f"attachment; filename=list.{ending}; filename*=UTF-8''{quote(title, safe='')}"
    )
    if done is not None:
        answer.call_on_close(done)
    return answer
