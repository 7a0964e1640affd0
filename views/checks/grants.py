"""Do the grants make sense: verbs there are, buttons that somebody has, rows whose references one may see?"""

from __future__ import annotations

from collections.abc import Iterator

from forms.fields import editable
from models.declare import Admin, Reach, Role
from models.role import required_references
from views.checks.base import Declared, Mistake, repeated

READING = {"list", "show"}


def verbs(d: Declared) -> Iterator[Mistake]:
    admin = d.admin
    for grant in admin.grants:
        for verb in grant.words:
            if verb not in admin.verbs:
                yield d.wrong("D010", "grants", f"{grant.role.value} is granted the unknown verb {verb!r}")
        if grant.reach is Reach.mine and admin.owner is None:
            yield d.wrong("D011", "grants", f"{grant.role.value} reaches only mine, but no owner is declared")
    for role in Role:
        granted = [verb for grant in admin.grants if grant.role is role for verb in grant.words]
        far = {g.reach for g in admin.grants if g.role is role for verb in g.words if verb in READING}
        if len(far) > 1:
            yield d.wrong(
                "D016", "grants", f"{role.value} lists and shows rows with different reach; the wider would win"
            )
        for verb in repeated(granted):
            yield d.wrong("D012", "grants", f"{role.value} is granted {verb!r} twice")
        if (wide := reach_of(admin, role, "export")) is not None and wide > (reach_of(admin, role, "list") or 0):
            yield d.wrong("D080", "grants", f"{role.value} exports rows that it may not list")
        for verb in ("edit", "delete", "reveal"):
            if verb in granted and "show" not in granted:
                yield d.wrong("D013", "grants", f"{role.value} may {verb} rows but not see them; grant show as well")


def useless(d: Declared) -> Iterator[Mistake]:
    """Verbs without anything to do, and steps without anybody to do them."""
    for verb in ("add", "edit"):
        if verb in d.granted and not editable(d.model, d.admin.field_names, new=verb == "add"):
            yield d.wrong("D014", "grants", f"{verb} is granted, but no group has a field to fill in")
    if "reveal" in d.granted and not any(spec.info.personal for spec in d.specs.values()):
        yield d.wrong("D070", "grants", "reveal is granted, but no field is personal=True: there is nothing to look at")
    if "import" in d.granted and not d.admin.natural_key and d.admin.step("import") is None:
        yield d.wrong("D081", "natural_key", "import is granted, but nothing says which row a line of a file means")
    # Where people only read, jobs alone make the moves.
    jobs_alone = d.granted <= READING
    for attribute, step in d.steps:
        by_jobs = attribute == "life.moves" and (jobs_alone or getattr(step, "jobs", False))
        if step.name not in d.granted and not by_jobs:
            yield d.wrong("D015", attribute, f"{step.name!r} is granted to nobody")


def required(d: Declared) -> Iterator[Mistake]:
    """A person who may add rows must be able to fill in what is required."""
    if "add" not in d.granted:
        return
    shown = set(d.admin.field_names)
    for name, spec in d.specs.items():
        if spec.required and spec.info.editable != "never" and name not in shown:
            yield d.wrong("D020", name, "it is required but stands in no group")


def reach(d: Declared) -> Iterator[Mistake]:
    """A required reference to a registry with narrower reading would lose rows or give a silent None."""
    admin = d.admin
    for name, spec in d.specs.items():
        target = getattr(spec.target, "__admin__", None)
        if (
            spec.kind == "reference"
            and target is not None
            and target.scoped
            and not admin.scoped
            and narrower(d, target)
        ):
            sentence = f"it leads to {target.name}, whose rows belong to departments; so must these"
            yield d.wrong("D030", name, sentence)
    for name, target in required_references(d.model):
        for role in Role:
            own, theirs = reading(admin, role), reading(target, role)
            if own is None or theirs is Reach.all:
                continue
            if theirs is None or own > theirs or admin.follows != name:
                yield d.wrong(
                    "D031",
                    name,
                    f"{role.value} reads these rows but may not see what it leads to in {target.name}; "
                    "widen that grant, or say follows= and take the department over",
                )


def narrower(d: Declared, target: Admin) -> bool:
    """Does anybody read rows here who reads fewer than all rows of *target*?"""
    return any(reading(d.admin, role) is not None and reading(target, role) is not Reach.all for role in Role)


def reach_of(admin: Admin, role: Role, *verbs: str) -> Reach | None:
    """How far any of *verbs* goes."""
    return max((g.reach for g in admin.grants if g.role is role and {*verbs} & {*g.words}), default=None)


def reading(admin: Admin, role: Role) -> Reach | None:
    return reach_of(admin, role, *READING)


CHECKS = (verbs, useless, required, reach)
