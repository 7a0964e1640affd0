"""The few words every room speaks: what is wrong, why it is refused, and how a value is called.

A rule never raises for bad input and never translates: it returns :class:`Problem` values whose
``message`` is an English message id. The door that shows it translates, in the reader's language.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any, Self


def N_(message: str) -> str:  # noqa: N802 - gettext's own name, which the extractor looks for
    """Mark *message* for translation without translating it (declarations live longer than a request)."""
    return message


@dataclass(frozen=True)
class Problem:
    """One thing wrong with what was given.

    field: the name of the field to blame, or ``None`` when the whole row is.
    code: stable and in lower case; REST clients and the importer's reason column rely on it.
    message: an English message id with ``%(name)s`` places, filled from ``params``.
    warning: True when the change may go ahead all the same.
    about: (registry, id) of the row that it speaks of, which whoever shows it may lead to.
    """

    field: str | None
    code: str
    message: str
    params: Mapping[str, Any] = dataclasses.field(default_factory=lambda: MappingProxyType({}))
    warning: bool = False
    about: tuple[str, int] | None = None


class Problems(list[Problem]):
    """What a door found; an empty one, or one of warnings only, means the change was made."""

    @property
    def errors(self) -> list[Problem]:
        return [p for p in self if not p.warning]

    @property
    def warnings(self) -> list[Problem]:
        return [p for p in self if p.warning]

    def for_field(self, name: str | None) -> list[Problem]:
        return [p for p in self if p.field == name]


@dataclass(frozen=True)
class Told:
    """A sentence kept as message id and values, to be read later in the reader's own language.

    about: (registry, id) of the row that it speaks of, where that is another one than the one at hand.
    """

    message: str
    params: Mapping[str, Any]
    about: tuple[str, int] | None = dataclasses.field(default=None, kw_only=True)

    def __str__(self) -> str:
        return self.message % self.params


class RuleError(Exception):
    """A change refused by rule; carries every :class:`Problem` found, not only the first."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = Problems(problems)
        super().__init__("; ".join(f"{p.field or '-'}: {p.code}" for p in self.problems))

    @classmethod
    def one(cls, field: str | None, code: str, message: str, /, **params: Any) -> Self:
        return cls([Problem(field, code, message, params)])


class LabelEnum(str, Enum):  # noqa: UP042 - StrEnum would take the label for an encoding
    """An enumeration whose members carry their label: ``Accepted = "accepted", N_("Accepted")``.

    The value is what the database and the API hold; the label is a message id.
    """

    label: str

    def __new__(cls, value: str, label: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.label = label
        return member

    def __str__(self) -> str:
        return str(self.value)

    @classmethod
    def choices(cls) -> Iterator[tuple[str, str]]:
        """(value, label) pairs in the order they are declared."""
        return ((str(m.value), m.label) for m in cls)
