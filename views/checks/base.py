"""What every check of a declaration works on: the model with its words, and how a mistake is told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from inspect import getattr_static
from typing import Any

from forms.convert import Spec, UnknownType, kind_of, specs
from models.columns import columns
from models.declare import Action, Admin
from rules.lifecycle import Lifecycle, Move

PLAIN_WORD = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


@dataclass(frozen=True)
class Mistake:
    """where: file, class and attribute, ``models/case.py Case.filters``."""

    code: str
    where: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.code} {self.where}: {self.sentence}"


def place(cls: type[Any]) -> str:
    return f"{cls.__module__.replace('.', '/')}.py {cls.__name__}"


def known_specs(model: type[Any]) -> Mapping[str, Spec]:
    """The specs of *model*; none where one of its columns cannot be understood, which is told by itself."""
    try:
        return specs(model)
    except UnknownType:
        return {}


@dataclass(frozen=True)
class Declared:
    """A model as the checks see it."""

    model: type[Any]

    @property
    def admin(self) -> Admin:
        admin: Admin = self.model.__admin__
        return admin

    @cached_property
    def specs(self) -> Mapping[str, Spec]:
        return known_specs(self.model)

    @property
    def life(self) -> Lifecycle | None:
        return self.admin.life

    @property
    def moves(self) -> tuple[Move, ...]:
        return self.life.moves if self.life else ()

    @property
    def steps(self) -> list[tuple[str, Move | Action]]:
        """(attribute it stands in, step) of every move and action."""
        moves: list[tuple[str, Move | Action]] = [("life.moves", move) for move in self.moves]
        return [*moves, *(("actions", action) for action in self.admin.actions)]

    @property
    def granted(self) -> set[str]:
        return {verb for grant in self.admin.grants for verb in grant.words}

    def kind(self, name: str) -> str:
        """The kind of a declared field; empty for a name that is none."""
        return self.specs[name].kind if name in self.specs else ""

    def is_property(self, name: str) -> bool:
        return isinstance(getattr_static(self.model, name, None), property)

    def wrong(self, code: str, attribute: str, sentence: str) -> Mistake:
        return Mistake(code, f"{place(self.model)}.{attribute}", sentence)


def repeated(names: Iterable[str]) -> list[str]:
    """Those of *names* that stand there more than once, each once."""
    seen: dict[str, int] = {}
    for name in names:
        seen[name] = seen.get(name, 0) + 1
    return [name for name, count in seen.items() if count > 1]


def unreadable(d: Declared) -> Iterator[Mistake]:
    """What keeps everything else from being looked at: columns of no known type, a text in place of a tuple."""
    for name, (column, info) in columns(d.model).items():
        try:
            kind_of(d.model, name, column, info)
        except UnknownType as error:
            yield d.wrong("D001", name, str(error).partition(": ")[2])
        for word in _texts_for_tuples(info):
            sentence = f"{word}= takes several words; a comma is missing: ({getattr(info, word)!r},)"
            yield d.wrong("D019", name, sentence)
    for attribute, part in _parts(d.admin):
        for word in _texts_for_tuples(part):
            sentence = f"{word}= takes several words; a comma is missing: ({getattr(part, word)!r},)"
            yield d.wrong("D019", attribute or word, sentence)


def _parts(admin: Any) -> Iterator[tuple[str, Any]]:
    """(attribute it stands in, part) of the declaration and of everything in it that takes several words."""
    yield "", admin
    several = [("actions", admin.actions), ("reminders", admin.reminders)]
    if admin.life:
        yield "life", admin.life
        several.append(("life.moves", admin.life.moves))
    for attribute, parts in several:
        yield from ((attribute, part) for part in parts if not isinstance(parts, str))


def _texts_for_tuples(part: Any) -> Iterator[str]:
    for one in fields(part):
        if str(one.type).startswith("tuple") and isinstance(getattr(part, one.name), str):
            yield one.name
