"""A life cycle as one table: from it come the buttons, the checks, the letters and the progress strip."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rules.words import N_, LabelEnum, Problem, Problems

Given = Mapping[str, Any]


@dataclass(frozen=True)
class Move:
    """One permitted change of state.

    name: the permission and the last word of its address. asks: fields the person fills in with it; requires:
    those that may not be left empty. check: further rules over (row, given, now). sets: further values the move
    writes, computed from (row, given, now). tells: notices (folders of ``notices/``) written from its Event.
    tone: ``main`` (the page's next action), ``plain`` or ``bad`` (refusals). bulk: offered for many rows at once too.
    later: what the move leaves to be done, as (kind of work, not before), computed from (row, given, now). jobs:
    programs alone make it; it is no verb, and nobody is granted it. when(row): on which rows the page offers it; what
    may not be is refused by check all the same.
    """

    name: str
    label: str
    sources: tuple[LabelEnum, ...]
    target: LabelEnum
    asks: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    confirm: str | None = None
    check: Callable[[Any, Given, datetime], Iterable[Problem]] | None = None
    sets: Callable[[Any, Given, datetime], Mapping[str, Any]] | None = None
    tells: tuple[str, ...] = ()
    tone: str = "plain"
    bulk: bool = True
    later: Callable[[Any, Given, datetime], Iterable[tuple[str, datetime]]] | None = None
    jobs: bool = False
    when: Callable[[Any], bool] | None = None


@dataclass(frozen=True)
class Lifecycle:
    """All moves of one registry over the column ``field``; ``steps`` are the stations of the progress strip.

    open_in: the states in which people may edit fields; none said: all. begun_in: further states in which programs,
    never people, make rows.
    tones: how a state is coloured (ok, warn, bad, info); colour is never alone, the label stands with it.
    """

    states: type[LabelEnum]
    initial: LabelEnum
    moves: tuple[Move, ...]
    steps: tuple[LabelEnum, ...] = ()
    tones: Mapping[LabelEnum, str] | None = None
    field: str = "state"
    open_in: tuple[LabelEnum, ...] = ()
    begun_in: tuple[LabelEnum, ...] = ()

    def is_open(self, state: LabelEnum) -> bool:
        """May fields be edited in this state?"""
        return not self.open_in or state in self.open_in

    def find(self, name: str) -> Move | None:
        return next((m for m in self.moves if m.name == name), None)

    def open_moves(self, state: LabelEnum) -> list[Move]:
        """The moves that lead out of *state*, in declared order."""
        return [m for m in self.moves if state in m.sources]

    def tone(self, state: LabelEnum) -> str:
        return (self.tones or {}).get(state, "")

    def problems(self, move: Move, row: Any, given: Given, now: datetime) -> Problems:
        """Everything that speaks against *move* on *row*: wrong state, missing answers, the move's own rules."""
        found = Problems()
        state = getattr(row, self.field)
        if state not in move.sources:
            found.append(wrong_state(move, state))
            return found
        found.extend(unanswered(move.requires, given))
        if not found and move.check is not None:
            found.extend(move.check(row, given, now))
        return found


def wrong_state(move: Move, state: LabelEnum) -> Problem:
    message = N_("“%(action)s” is not possible while the state is “%(state)s”.")
    return Problem(None, "wrong_state", message, {"action": move.label, "state": state.label})


def unanswered(requires: Iterable[str], given: Given) -> Problems:
    """Those of *requires* that *given* leaves empty."""
    message = N_("Please fill in this field.")
    return Problems(Problem(name, "required", message) for name in requires if given.get(name) in (None, "", ()))
