"""Why somebody may or may not do something with a row: the same reckoning as the scope's, told step by step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from models.access import Holding, Person, grants_of
from models.declare import REACHES, Admin, Reach, Role
from models.scope import Scope
from rules.lifecycle import Move
from rules.words import N_, Told

# What belongs to no row that is there.
OF_NO_ROW = ("list", "add", "import")


@dataclass(frozen=True)
class Verdict:
    """May *verb* be done on the row? lines: why, each a sentence."""

    verb: str
    allowed: bool
    lines: tuple[Told, ...]


def verdicts(person: Person, scope: Scope, row: Any) -> list[Verdict]:
    """One for each verb of the row's registry that anybody is granted. *scope* is that person's."""
    admin: Admin = type(row).__admin__
    granted = {verb for grant in admin.grants for verb in grant.words}
    return [_verdict(person, scope, row, verb) for verb in admin.verbs if verb in granted and verb not in OF_NO_ROW]


def _verdict(person: Person, scope: Scope, row: Any, verb: str) -> Verdict:
    admin: Admin = type(row).__admin__
    lines, within = [], False
    for holding in person.holdings:
        reach = next((r for n, v, r in grants_of(person, holding) if (n, v) == (admin.name, verb)), None)
        if reach is None:
            continue
        covered = scope.within(reach, verb, row)
        within = within or covered
        lines.append(_granted(holding, reach, covered))
    if not lines:
        lines = [*_granted_to_others(admin, verb)]
    # The scope has the last word: what is told must be what is done.
    allowed = scope.covers(verb, row)
    if within != allowed:
        lines.append(Told(N_("A permission was withdrawn by hand."), {}))
    state = _state_against(admin, row, verb) if allowed else None
    if state is not None:
        lines.append(state)
    return Verdict(verb, allowed and state is None, tuple(lines))


def _granted(holding: Holding, reach: Reach, covered: bool) -> Told:
    params = {"role": role_words(holding), "reach": REACHES[reach]}
    if covered and reach is Reach.all:
        return Told(N_("“%(role)s” may do this with all rows."), params)
    if covered:
        return Told(N_("“%(role)s” may do this (%(reach)s), and the row lies within that."), params)
    return Told(N_("“%(role)s” may do this (%(reach)s), but the row lies outside of that."), params)


def role_words(holding: Holding) -> str:
    """The message id of a declared role, or the name of one put together here."""
    return next((role.label for role in Role if role.value == holding.role), holding.role)


def _granted_to_others(admin: Admin, verb: str) -> Iterator[Told]:
    yield Told(N_("None of this person's roles may do this."), {})
    for grant in admin.grants:
        if verb in grant.words:
            yield Told(
                N_("It is granted to: %(role)s (%(reach)s)."), {"role": grant.role.label, "reach": REACHES[grant.reach]}
            )


def _state_against(admin: Admin, row: Any, verb: str) -> Told | None:
    """What the row's own state has against it."""
    if admin.life is None:
        return None
    state = getattr(row, admin.life.field)
    step = admin.step(verb)
    closed = verb == "edit" and not admin.life.is_open(state)
    moved = isinstance(step, Move) and state not in step.sources
    kept = verb == "delete" and state is not admin.life.initial
    if closed or moved or kept:
        return Told(N_("But not in its present state, “%(state)s”."), {"state": state.label})
    return None
