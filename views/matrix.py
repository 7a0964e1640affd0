"""Who may do what, as a table; what a role grants; why somebody may or may not do something with a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Response, abort, flash, g, redirect, render_template, request, url_for
from flask_appbuilder import BaseView, expose
from sqlalchemy import func, select

from forms.convert import specs
from forms.sheets import csv_bytes
from models import registries
from models.access import stored_pairs
from models.declare import REACHES, Admin, Reach, Role
from models.event import Event
from models.role import AccessRole, RoleState, capped, choosable, declared, everybodys
from models.write import save
from rules.words import N_, Problem, Problems
from views import blocks, display
from views.display import gettext
from views.exporting import FORMATS, sent
from views.registry import PK
from views.security import commit, db, demand, now

# What a cell of the matrix may say besides its reach.
CHANGES = {
    "new": N_("declared since the last sync"),
    "gone": N_("no longer declared since the last sync"),
    "moved": N_("reaches otherwise since the last sync"),
    "withdrawn": N_("withdrawn by hand in the tables"),
}


@dataclass(frozen=True)
class Cell:
    """What one role may do: how far, and what has changed since ``sync`` wrote it. before: how far it reached then."""

    reach: Reach | None
    change: str = ""
    before: Reach | None = None

    @property
    def words(self) -> str:
        return display.tr(REACHES[self.reach]) if self.reach is not None else ""

    @property
    def note(self) -> str:
        if not self.change:
            return ""
        said = gettext("before: %(reach)s", reach=display.tr(REACHES[self.before])) if self.before is not None else ""
        return " ".join(filter(None, [display.tr(CHANGES[self.change]), said]))


@dataclass(frozen=True)
class Line:
    """One verb of one registry, with a cell for each role shown."""

    admin: Admin
    verb: str
    cells: tuple[Cell, ...]

    @property
    def called(self) -> str:
        return display.verb_label(self.admin, self.verb)


def columns() -> tuple[list[AccessRole], list[AccessRole]]:
    """(every role: those declared, in their order, then those put together here; those that the address asks for)."""
    rows = [*db().scalars(select(AccessRole).where(AccessRole.state != RoleState.Retired).order_by(AccessRole.id))]
    order = [role.value for role in Role]
    every = sorted(rows, key=lambda r: order.index(r.name) if r.name in order else len(order))
    names = asked("role", [r.name for r in every])
    return every, [r for r in every if r.name in names]


def cells_of(row: AccessRole, held: set[tuple[str, str]]) -> dict[tuple[str, str], Cell]:
    """(registry, verb) → Cell of one role; *held*: what flask-appbuilder's tables hold of it."""
    stored = {n: {v: Reach[w] for v, w in verbs.items()} for n, verbs in (row.grants or {}).items()}
    if row.state is not RoleState.Declared:
        return {(n, v): Cell(reach) for n, verbs in capped(row.grants or {}).items() for v, reach in verbs.items()}
    today = declared(next(role for role in Role if role.value == row.name))
    found = {}
    for name, verb in {(n, v) for kept in (stored, today) for n, verbs in kept.items() for v in verbs}:
        reach, before = today.get(name, {}).get(verb), stored.get(name, {}).get(verb)
        change = "new" if before is None else "gone" if reach is None else "moved" if reach is not before else ""
        if not change and (f"can_{verb}", name) not in held:
            change, before = "withdrawn", None
        found[name, verb] = Cell(reach, change, before if change != "new" else None)
    return found


def asked(name: str, allowed: Sequence[str]) -> list[str]:
    """What the address asks for, as far as there is such a thing; all where nothing is asked."""
    wanted = [value for value in request.args.getlist(name) if value in allowed]
    return wanted or [*allowed]


def lines(roles: Sequence[AccessRole]) -> Iterator[Line]:
    """The matrix as the address narrows it: by registry, verb, reach, and what changed."""
    pairs = stored_pairs(db())
    cells = [cells_of(row, pairs.get(row.name, set())) for row in roles]
    names = asked("registry", [*registries()])
    wanted = {Reach[word] for word in request.args.getlist("reach") if word in Reach.__members__}
    verb_asked, only_changes = request.args.get("verb", ""), bool(request.args.get("changed"))
    for name in names:
        admin: Admin = registries()[name].__admin__
        known = [*admin.verbs, *sorted({v for found in cells for n, v in found if n == name} - set(admin.verbs))]
        for verb in known:
            row = tuple(found.get((name, verb), Cell(None)) for found in cells)
            if not any(c.reach is not None or c.change for c in row) or (verb_asked and verb != verb_asked):
                continue
            if (wanted and not wanted & {c.reach for c in row}) or (only_changes and not any(c.change for c in row)):
                continue
            yield Line(admin, verb, row)


class Matrix(BaseView):
    route_base = "/matrix"
    default_view = "table"
    base_permissions: list[str] = []  # noqa: RUF012 - the registry of roles is asked

    @expose("/")
    def table(self) -> str:
        demand("roles", "list")
        every, roles = columns()
        found = [*lines(roles)]
        admins = {name: model.__admin__ for name, model in registries().items()}
        verbs = {v: display.verb_label(a, v) for a in admins.values() for v in a.verbs}
        synced = db().scalar(select(func.max(Event.at)).where(Event.subject_type == "roles"))
        return render_template(
            "matrix.html",
            lines=found,
            roles=roles,
            every=every,
            admins=admins,
            verbs=sorted(verbs.items(), key=lambda pair: pair[1]),
            reaches=REACHES,
            changes=sum(bool(c.change) for line in found for c in line.cells),
            synced=synced,
            query=request.query_string.decode("ascii", "replace"),
        )

    @expose("/export")
    def export(self) -> Response:
        """The same table as a file, one line for each cell that says something."""
        demand("roles", "list")
        _, roles = columns()
        heads = (gettext("Registry"), gettext("Action"), gettext("Role"), gettext("Reach"), gettext("Change"))
        rows = [
            (display.tr(line.admin.title), line.called, display.label_of(role), str(cell.words), str(cell.note))
            for line in lines(roles)
            for role, cell in zip(roles, line.cells, strict=True)
            if cell.reach is not None or cell.change
        ]
        return sent(csv_bytes(heads, rows), "matrix.csv", f"{FORMATS['csv']}; charset=utf-8")

    @expose(f"/{PK}", methods=["GET", "POST"])
    def role(self, pk: int) -> Any:
        """What one role grants; of a role put together here, to be chosen."""
        demand("roles", "show")
        row = db().get(AccessRole, pk) or abort(404)
        open_ = row.state is RoleState.Made and g.scope.covers("edit", row)
        if request.method == "GET":
            return self.page(row, row.grants or {} if open_ else granted(row), open_)
        if not open_:
            abort(403)
        chosen, problems = merged(row.grants or {})
        if not problems.errors:
            problems = save(db(), row, {"grants": chosen}, now=now(), expected_version=row.version, also=("grants",))
        if problems.errors:
            return self.page(row, chosen, open_, problems), 422
        commit()
        flash(gettext("Saved."), "ok")
        return redirect(url_for("roles.show", pk=pk))

    @staticmethod
    def page(row: AccessRole, chosen: Mapping[str, Any], open_: bool, problems: Problems | None = None) -> str:
        return render_template(
            "grants.html",
            **blocks.frame(row),
            admin=registries()["roles"].__admin__,
            endpoint="roles",
            specs=specs(AccessRole),
            sections=[s for s in sections() if open_ or chosen.get(s[0].name)],
            chosen=chosen,
            open=open_,
            opened=[f"{n}.{v}={w}" for n, verbs in (row.grants or {}).items() for v, w in verbs.items()],
            reaches=REACHES,
            problems=problems or Problems(),
        )


def granted(row: AccessRole) -> dict[str, dict[str, str]]:
    """Registry → verb → reach that the role grants today."""
    found: dict[str, dict[str, str]] = {}
    for (name, verb), cell in cells_of(row, stored_pairs(db()).get(row.name, set())).items():
        if cell.reach is not None and cell.change != "withdrawn":
            found.setdefault(name, {})[verb] = cell.reach.name
    return found


def sections() -> Iterator[tuple[Admin, list[tuple[str, str, list[Reach]]]]]:
    """Each registry with (verb, what it is called, the reaches there are to choose among)."""
    most, everybody = choosable(), everybodys()
    for name, model in registries().items():
        admin: Admin = model.__admin__
        free = [v for v, limit in most.get(name, {}).items() if limit is not everybody.get(name, {}).get(v)]
        verbs = [v for v in admin.verbs if v in free]
        if not verbs:
            continue
        yield admin, [(v, display.verb_label(admin, v), reaches_up_to(admin, most[name][v])) for v in verbs]


def reaches_up_to(admin: Admin, most: Reach) -> list[Reach]:
    """What may be chosen where *most* is declared; rows that belong to nobody are reached all or not at all."""
    if not admin.scoped:
        return [most]
    known = {Reach.mine: bool(admin.owner), Reach.own: bool(admin.departments), Reach.subtree: bool(admin.departments)}
    return [reach for reach in Reach if reach <= most and known.get(reach, True)]


def merged(stored: Mapping[str, Mapping[str, str]]) -> tuple[dict[str, dict[str, str]], Problems]:
    """What the form says, together with what somebody else changed since it was opened (``was``: what stood then).

    Where both changed the same, it is a problem, the form's own choice stands, and is kept when it is sent again.
    """
    mine, opened = chosen_grants(), dict(pair.partition("=")[::2] for pair in request.form.getlist("was"))
    now_stored = {f"{n}.{v}": word for n, verbs in stored.items() for v, word in verbs.items()}
    found, problems = mine, Problems()
    for key in {*opened, *now_stored}:
        was, theirs = opened.get(key, ""), now_stored.get(key, "")
        name, _, verb = key.partition(".")
        ours = mine.get(name, {}).get(verb, "")
        if theirs in (was, ours):
            continue
        if ours == was:  # theirs alone
            found.setdefault(name, {})[verb] = theirs
            continue
        admin: Admin = registries()[name].__admin__
        message = N_("“%(what)s”: somebody else set this to “%(reach)s” meanwhile. Send it again to keep yours.")
        what = gettext("%(registry)s: %(verb)s", registry=display.tr(admin.title), verb=display.verb_label(admin, verb))
        params = {"what": what, "reach": display.reach_words(theirs) or "—"}
        problems.append(Problem("grants", "changed_by_both", message, params))
    return {n: {v: w for v, w in verbs.items() if w} for n, verbs in found.items()}, problems


def chosen_grants() -> dict[str, dict[str, str]]:
    """What the form of a role says: ``<registry>.<verb>`` → reach."""
    found: dict[str, dict[str, str]] = {}
    for name, word in request.form.items():
        registry, dot, verb = name.partition(".")
        if dot and word and registry in registries():
            found.setdefault(registry, {})[verb] = word
    return found
