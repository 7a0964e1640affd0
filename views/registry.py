"""What the pages of every registry share: which model they are of, its rows within reach, how a page is rendered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from flask import abort, flash, g, redirect, render_template, request, url_for
from flask_appbuilder import BaseView
from sqlalchemy import select

from forms.convert import LARGEST_ID, specs
from models.declare import Action, Admin
from models.saved_view import SavedView
from rules.lifecycle import Move
from rules.words import Problems
from views import display
from views.listing import by_id, with_references
from views.security import commit, db, local_path

PK = f"<int(max={LARGEST_ID}):pk>"


class Pages(BaseView):
    """Of one registry, whoever reads them."""

    model: ClassVar[type[Any]]
    admin: ClassVar[Admin]
    default_view = "list"

    def page(self, template: str, **context: Any) -> str:
        return render_template(
            template, admin=self.admin, model=self.model, specs=specs(self.model), endpoint=self.endpoint, **context
        )


class Registry(Pages):
    def row(self, pk: int, fields: Sequence[str] = ()) -> Any:
        """The row, or 404: what lies out of reach cannot be told from what does not exist."""
        return self.row_or_none(pk, fields) or abort(404)

    def row_or_none(self, pk: int, fields: Sequence[str] = ()) -> Any | None:
        statement = with_references(by_id(self.model, pk), self.model, tuple(fields))
        return db().scalars(statement).one_or_none()

    def row_for(self, verb: str, pk: int, fields: Sequence[str] = ()) -> Any:
        """The row, if *verb* may be done on it; 403 where it may only be seen."""
        row = self.row(pk, fields)
        if not g.scope.covers(verb, row):
            abort(403)
        return row

    def layouts(self) -> tuple[list[SavedView], SavedView | None, SavedView | None]:
        """(views that may be chosen here, the one that the address names, the one that says which columns)."""
        views = [*db().scalars(select(SavedView).where(SavedView.subject_type == self.admin.name))]
        mine = next((v for v in views if v.is_layout and v.owner_id == g.scope.actor), None)
        views = [v for v in views if not v.is_layout]
        view = next((v for v in views if v.id == number(request.args.get("view", ""))), None)
        return views, view, view or mine

    def find(self, action: str) -> Move | Action:
        """The declared move or action of that name, or 404."""
        return self.admin.step(action) or abort(404)

    def done(self, row: Any, words: str, problems: Problems) -> Any:
        commit()
        flash(words, "ok")
        self.flash_problems(problems)
        shown = g.scope.may(self.admin.name, "show")
        return redirect(url_for(f"{self.endpoint}.show", pk=row.id) if shown else url_for(f"{self.endpoint}.list"))

    def back(self) -> Any:
        """To where the form came from, else to the list."""
        return redirect(self.way_back() or url_for(f"{self.endpoint}.list"))

    @staticmethod
    def way_back() -> str:
        """The path of ours that the form names to go on to; none for any other."""
        path = local_path(request.form.get("next"))
        return path if path != "/" else ""

    def flash_problems(self, problems: Problems) -> None:
        known = specs(self.model)
        for problem in problems:
            text = display.problem_text(problem)
            if problem.field and problem.field in known:
                text = display.labelled(display.tr(known[problem.field].label), text)
            flash(text, "warn" if problem.warning else "bad")


def number(text: str) -> int | None:
    """An id or a version as an address or a form carries it; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
