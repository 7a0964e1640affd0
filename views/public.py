"""Pages that are open to everybody: the rows of a registry that its declaration opens (``Admin.public``).

They read in a session of their own, which loads no other row, whoever looks: somebody who has signed in sees there what
the public sees.
"""

from __future__ import annotations

from typing import Any, ClassVar

from flask import abort, redirect, request, url_for
from flask_appbuilder import BaseView, expose
from sqlalchemy import select

from models import registries
from models.declare import Admin
from models.scope import ScopedSession, outside
from views import blocks, display
from views.filters import Filter
from views.listing import by_id, listing, with_references
from views.registry import PK, Pages
from views.security import database, now

MOST_CHOICES = 500


class Public(BaseView):
    route_base = "/public"
    default_view = "index"
    base_permissions: ClassVar[list[str]] = []

    @expose("/")
    def index(self) -> Any:
        """The first of what is open."""
        every = open_ones() or abort(404)
        return redirect(url_for(f"public-{every[0].name}.list"))


def open_ones() -> list[Admin]:
    return [m.__admin__.outside for m in registries().values() if m.__admin__.public is not None]


class PublicPages(Pages):
    @expose("/")
    def list(self) -> str:
        """What is open to everybody, searched and narrowed by its open fields."""
        with database().session(outside()) as s:
            cells = self.admin.list_cells
            fields = blocks.flat(cells)
            found = listing(s, self.model, request.args, now(), fields=fields, declared=self.admin)
            return self.page(
                "public_list.html",
                found=found,
                cells=cells,
                columns=blocks.column_heads(self.model, found.sort, cells),
                problems=[display.problem_text(problem) for problem in found.problems],
                choices={f.name: choices(s, f) for f in found.filters},
                others=open_ones(),
            )

    @expose(f"/{PK}")
    def show(self, pk: int) -> str:
        with database().session(outside()) as s:
            statement = with_references(by_id(self.model, pk), self.model, self.admin.field_names)
            row = s.scalars(statement).one_or_none() or abort(404)
            parts = [(group.title, blocks.facts(row, group.names)) for group in self.admin.groups]
            said = [(title, [(spec, c) for spec, c in facts if c.text or c.lines]) for title, facts in parts]
            return self.page("public_show.html", row=row, groups=[(title, facts) for title, facts in said if facts])


def choices(s: ScopedSession, asked: Filter) -> list[tuple[str, str]]:
    """(value, label) of what can be chosen: of a reference the rows that open ones refer to."""
    target = asked.spec.target
    if asked.spec.kind != "reference" or target is None:
        return asked.choices()
    referred = select(getattr(asked.model, asked.name))
    by = getattr(target, target.__admin__.order.removeprefix("-"))
    found = s.scalars(select(target).where(target.id.in_(referred)).order_by(by).limit(MOST_CHOICES))
    return [(str(row.id), display.label_of(row)) for row in found]
