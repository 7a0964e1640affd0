"""Is everything that a declaration lets people read translated, and does everything shown have a label?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any

from sqlalchemy import CheckConstraint

from translations.catalog import translated
from views.blocks import flat
from views.checks.base import Declared, Mistake, place, unreadable

LANGUAGES = ("zh", "zh_Hant")


def unlabelled(d: Declared) -> Iterator[Mistake]:
    labels = getattr(d.model, "LABELS", {})
    for name in dict.fromkeys(flat(d.admin.list_cells)):
        if name not in d.specs and d.is_property(name) and not labels.get(name):
            yield d.wrong("D061", "cells", f"{name!r} is no field, and LABELS does not say what its column is called")


def untranslated(models: Iterable[type[Any]]) -> list[Mistake]:
    """Every message id that the declarations of *models* show and that some language lacks, each place once."""
    held = {language: translated(language) for language in LANGUAGES}
    readable = [d for d in map(Declared, models) if not any(unreadable(d))]
    said = dict.fromkeys(pair for d in readable for pair in messages(d))
    found = []
    for where, message in said:
        if lacking := [language for language in LANGUAGES if message not in held[language]]:
            sentence = f"{message!r} is not translated ({', '.join(lacking)}); run make messages and fill it in"
            found.append(Mistake("D060", where, sentence))
    return found


def messages(d: Declared) -> Iterator[tuple[str, str]]:
    """(where, message id) of everything that the declaration lets people read."""
    at = place(d.model)
    yield from ((f"{at}.{attribute}", message) for attribute, message in _said(d) if message)
    enums: list[type[Enum]] = [spec.choices for spec in d.specs.values() if spec.choices is not None]
    enums += [d.life.states] if d.life else []
    for enum in enums:
        yield from ((f"{place(enum)}.{member.name}", str(getattr(member, "label", ""))) for member in enum)
    for shown in (d.admin.menu, *(grant.role for grant in d.admin.grants)):
        yield f"{place(type(shown))}.{shown.name}", shown.label


def _said(d: Declared) -> Iterator[tuple[str, str | None]]:
    admin = d.admin
    yield from (("title", admin.title), ("one", admin.one), ("add_label", admin.add_label))
    yield from (("groups", group.title) for group in admin.groups)
    yield from (("clocks", clock.title) for clock in admin.clocks)
    yield from (("pages", page.label) for page in admin.pages)
    if admin.public is not None:
        yield "public.title", admin.public.title
        yield from (("public.groups", group.title) for group in admin.public.groups)
    yield from (("overviews", page.label) for page in admin.overviews)
    yield from (("reminders", reminder.text) for reminder in admin.reminders)
    yield from (("desk.figures", figure.label) for figure in admin.desk.figures)
    yield from (("desk.tallies", tally.title) for tally in admin.desk.tallies)
    for block in admin.desk.blocks:
        yield from (("desk.blocks", block.title), ("desk.blocks", block.empty))
    for attribute, step in d.steps:
        yield from ((attribute, step.label), (attribute, step.confirm))
    for name, spec in d.specs.items():
        yield from ((name, spec.info.label), (name, spec.info.help))
    yield from (("LABELS", label) for label in getattr(d.model, "LABELS", {}).values())
    for constraint in d.model.__table__.constraints:
        if isinstance(constraint, CheckConstraint):
            yield "__table_args__", (constraint.info or {}).get("message")
