"""Do the words of a declaration name what the model has, and are those columns what the words take them for?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sqlalchemy import LargeBinary, inspect

from models import registries
from models.account import Account
from models.constraints import uniques
from models.declare import Admin, Role
from models.department import Department
from models.tree import is_tree
from views.blocks import flat, pointing_to
from views.checks.base import Declared, Mistake, known_specs, repeated

ADDRESS_WORD = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
# First words of addresses that other pages have; a test holds them against the routes there are.
TAKEN = frozenset(
    {
        "login",
        "logout",
        "language",
        "account",
        "matrix",
        "catalogue-check",
        "reconcile",
        "verify",
        "health",
        "find",
        "import",
        "public",
        "static",
        "api",
        "security",
    }
)
EDITABLE = ("always", "new", "never")
TEXTS = ("text", "long")

# What forms (views/writing.py) and lists (views/reading.py) send for themselves.
FORM_WORDS = frozenset({"csrf_token", "by", "version", "seen", "form", "next", "sure", "row"})
LIST_WORDS = frozenset({"q", "sort", "page", "size", "view", "tab", "on", "fields", "copy", "draft"})
TREE_WORDS = frozenset({"at", "part"})


def registry_name(d: Declared) -> Iterator[Mistake]:
    name = d.admin.name
    if not ADDRESS_WORD.fullmatch(name):
        yield d.wrong("D008", "name", f"{name!r} is no plain word of an address: lower case, digits, single hyphens")
    elif name in TAKEN:
        yield d.wrong("D008", "name", f"/{name}/ is another page's address")


def names(d: Declared) -> Iterator[Mistake]:
    """Names of fields that the model does not have."""
    admin, known = d.admin, set(d.specs)
    shown = known | {n for cls in d.model.__mro__ for n, value in vars(cls).items() if isinstance(value, property)}
    mapped = {prop.key for prop in inspect(d.model).column_attrs}
    parts: list[tuple[str, Iterable[str], set[str]]] = [
        ("groups", admin.field_names, known),
        ("cells", flat(admin.list_cells), shown),
        ("label", [admin.label], shown),
        ("search", admin.search_columns, known),
        ("filters", admin.filter_names, known),
        ("order", [admin.order.removeprefix("-")], known | {"id"}),
        ("departments", admin.departments, known | {"id"}),
        ("owner", [admin.owner] if admin.owner else [], known),
        ("audience", [admin.audience] if admin.audience else [], known),
        ("follows", [admin.follows] if admin.follows else [], known),
        ("natural_key", admin.natural_key, known),
        ("reminders", [reminder.to for reminder in admin.reminders], known),
        ("clocks", [n for c in admin.clocks for n in (c.due, c.lines, c.provisional) if n], known),
        ("control", admin.control.names if admin.control else (), known),
        ("file", [admin.file] if admin.file else [], mapped),
    ]
    parts += [(attribute, (*step.asks, *step.requires), known) for attribute, step in d.steps]
    for attribute, named, allowed in parts:
        for name in dict.fromkeys(named):
            if name not in allowed:
                yield d.wrong("D002", attribute, f"{name!r} is named, which the model does not declare")


def twice(d: Declared) -> Iterator[Mistake]:
    admin = d.admin
    parts: list[tuple[str, Iterable[str]]] = [
        ("groups", admin.field_names),
        ("cells", flat(admin.list_cells)),
        ("search", admin.search_columns),
        ("filters", admin.filter_names),
        ("departments", admin.departments),
        ("natural_key", admin.natural_key),
        ("related", admin.related),
        ("inline", admin.inline),
    ]
    parts += [(attribute, step.asks) for attribute, step in d.steps]
    for attribute, named in parts:
        for name in repeated(named):
            yield d.wrong("D009", attribute, f"{name!r} stands there twice")
    for group in admin.groups:
        if not group.names:
            yield d.wrong("D021", "groups", f"the group {group.title!r} has no fields")


def related(d: Declared) -> Iterator[Mistake]:
    for name in dict.fromkeys(d.admin.related):
        if name not in registries():
            yield d.wrong("D003", "related", f"{name!r} is named, which is no registry")
            continue
        other = registries()[name]
        leading = pointing_to(known_specs(other), d.model)
        lacking = [column for column in leading if column not in other.__admin__.filter_names]
        if lacking or not leading:
            what = " and ".join(lacking) or "this one"
            yield d.wrong("D006", "related", f"{name!r} is named, which has no filter for {what}")
    for name in d.admin.inline:
        if name not in d.admin.related:
            yield d.wrong("D007", "inline", f"{name!r} is named, which is not among related")


def relations(d: Declared) -> Iterator[Mistake]:
    admin = d.admin
    asked = [name for _, step in d.steps for name in step.asks]
    shown = {*admin.field_names, *admin.filter_names, *flat(admin.list_cells), *asked}
    for name, spec in d.specs.items():
        if spec.kind == "reference" and spec.target is None and name in shown:
            relation = name.removesuffix("_id")
            yield d.wrong("D004", name, f"it is shown, but there is no relation {relation!r} to call it by")


def natural_key(d: Declared) -> Iterator[Mistake]:
    key = d.admin.natural_key
    mapper = inspect(d.model)
    if not key or not all(d.kind(name) not in ("", "many") for name in key):
        return
    wanted = {mapper.columns[name].name for name in key}
    if wanted not in [{c.name for c in one.columns} for one in uniques(d.model)]:
        yield d.wrong("D022", "natural_key", f"no unique constraint stands over just {', '.join(key)}")


def filtered(d: Declared) -> Iterator[Mistake]:
    """Filters and order: what they cannot do, and what they would cost."""
    admin = d.admin
    for name in dict.fromkeys(admin.filter_names):
        if d.kind(name) in ("json", "many"):
            yield d.wrong("D023", "filters", f"{name!r} is named, for whose values nobody can ask")
    if d.kind(admin.order.removeprefix("-")) in ("json", "many", "long"):
        yield d.wrong("D024", "order", f"{admin.order!r} is named, in whose order rows cannot be put")
    indexed = first_in_index(d)
    narrowing = dict.fromkeys((*admin.filter_names, *admin.departments, *([admin.owner] if admin.owner else [])))
    for name in narrowing:
        if d.kind(name) == "reference" and name not in indexed:
            yield d.wrong("D028", name, "lists are narrowed by it, but no index begins with it")


def first_in_index(d: Declared) -> set[str]:
    """The columns by themselves or first in an index, a unique constraint or the primary key."""
    table = d.model.__table__
    keys = {prop.columns[0].name: prop.key for prop in inspect(d.model).column_attrs}
    over = [table.primary_key, *table.indexes, *uniques(d.model)]
    firsts = [next(iter(one.columns), None) for one in over]
    return {keys[column.name] for column in firsts if column is not None and column.name in keys}


def personal(d: Declared) -> Iterator[Mistake]:
    for name, spec in d.specs.items():
        if spec.info.personal and spec.kind not in TEXTS:
            yield d.wrong("D071", name, f"it is personal, but a {spec.kind} cannot be shown masked; use a text")
    parts = (
        ("filters", d.admin.filter_names),
        ("order", [d.admin.order.removeprefix("-")]),
        ("label", [d.admin.label]),
    )
    for attribute, named in parts:
        for name in dict.fromkeys(named):
            if name in d.specs and d.specs[name].info.personal:
                yield d.wrong("D025", attribute, f"{name!r} is personal and is shown masked; here it could be read")


def keywords(d: Declared) -> Iterator[Mistake]:
    """What ``field()`` says of a column must make sense for it."""
    states = {state.value for state in d.life.states} if d.life else set()
    in_forms = {*d.admin.field_names}
    asked = {n for _, step in d.steps if not getattr(step, "jobs", False) for n in step.asks}
    for name, spec in d.specs.items():
        info = spec.info
        if info.editable not in EDITABLE:
            yield d.wrong("D038", name, f"editable={info.editable!r} is none of {', '.join(EDITABLE)}")
        if info.due and spec.kind != "date":
            yield d.wrong("D026", name, f"due= stands on a {spec.kind}, and is for dates")
        for state in info.due:
            if state not in states:
                yield d.wrong("D026", name, f"due= names {state!r}, which is no state of this registry")
        bounds = [b for b in (info.minimum, info.maximum) if b is not None]
        if bounds and spec.kind != "integer":
            yield d.wrong("D027", name, f"minimum= and maximum= stand on a {spec.kind}, and are for whole numbers")
        elif bounds != sorted(bounds):
            yield d.wrong("D027", name, f"nothing is at least {info.minimum} and at most {info.maximum}")
        if spec.kind == "json" and (name in asked or (name in in_forms and info.editable in ("always", "new"))):
            yield d.wrong("D029", name, 'it holds a structure, which no form can take; say editable="never"')


def reserved(d: Declared) -> Iterator[Mistake]:
    """Fields that forms would mix up with what they carry themselves, filters that lists would."""
    for name in dict.fromkeys((*d.admin.field_names, *(n for _, step in d.steps for n in step.asks))):
        if name in FORM_WORDS or name.startswith("take-"):
            yield d.wrong("D017", name, f"a form sends a {name!r} of its own")
    for name in dict.fromkeys(d.admin.filter_names):
        if name in LIST_WORDS or "__" in name or (name in TREE_WORDS and is_tree(d.model)):
            yield d.wrong("D017", name, f"a list's address has a {name!r} of its own")


def picked(d: Declared) -> Iterator[Mistake]:
    asked = (n for _, step in d.steps for n in step.asks)
    for name in dict.fromkeys((*d.admin.field_names, *d.admin.filter_names, *asked)):
        spec = d.specs.get(name)
        target: Admin | None = getattr(spec.target, "__admin__", None) if spec is not None else None
        open_ = spec is not None and (spec.info.editable != "never" or name in d.admin.filter_names)
        if spec is not None and open_ and spec.kind == "reference" and target is not None and not target.search_columns:
            yield d.wrong("D018", name, f"it is picked from {target.name}, which has no search")


def references(d: Declared) -> Iterator[Mistake]:
    """Columns that lead elsewhere than a word takes them to. Unknown names were told before."""
    admin, known = d.admin, d.specs
    for name in admin.departments:
        leads_to = known[name].target if name in known else Department if name != "id" else d.model
        if leads_to is not Department:
            yield d.wrong("D032", "departments", f"{name!r} is named, which leads to no department")
    people = [("owner", admin.owner), *(("reminders", reminder.to) for reminder in admin.reminders)]
    for attribute, person in people:
        if person in known and known[str(person)].target is not Account:
            yield d.wrong("D033", attribute, f"{person!r} is named, which leads to no account")
    if admin.audience in known and known[str(admin.audience)].choices is not Role:
        yield d.wrong("D034", "audience", f"{admin.audience!r} is named, which holds no role")
    if admin.follows in known:
        target = getattr(known[str(admin.follows)].target, "__admin__", None)
        if target is None or not target.departments:
            yield d.wrong("D035", "follows", f"{admin.follows!r} is named, which leads to nothing of a department")


def contents(d: Declared) -> Iterator[Mistake]:
    """Columns that hold something else than a word takes them to hold."""
    admin = d.admin
    if (prop := inspect(d.model).column_attrs.get(admin.file or "")) is not None:
        if not isinstance(prop.columns[0].type, LargeBinary):
            yield d.wrong("D036", "file", f"{admin.file!r} is named, which holds no bytes")
        elif not prop.deferred:
            yield d.wrong("D036", "file", f"{admin.file!r} is loaded with every row of a list; say deferred=True")
    for attribute, named in (("search", admin.search_columns), ("label", (admin.label,))):
        for name in named:
            if d.kind(name) not in ("", *TEXTS):
                yield d.wrong("D037", attribute, f"{name!r} is named, which holds no text")
    for clock in admin.clocks:
        if d.kind(clock.due) not in ("", "date", "moment"):
            yield d.wrong("D039", "clocks", f"{clock.due!r} is named as a limit, which holds no date")
        if d.kind(clock.lines) not in ("", "json"):
            yield d.wrong("D039", "clocks", f"{clock.lines!r} is named to explain it, which holds no list of lines")
        if d.kind(clock.provisional or "") not in ("", "boolean"):
            yield d.wrong(
                "D039", "clocks", f"{clock.provisional!r} is named to say that it may move, which is no yes or no"
            )


CHECKS = (
    registry_name,
    names,
    twice,
    related,
    relations,
    natural_key,
    filtered,
    personal,
    keywords,
    reserved,
    picked,
    references,
    contents,
)
