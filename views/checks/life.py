"""Life cycles, moves and actions: states there are, names that collide with nothing, notices that exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from config import ROOT
from models.declare import STANDARD_VERBS
from rules.words import LabelEnum
from views.checks.base import PLAIN_WORD, Declared, Mistake, repeated

# Last words of addresses that every registry has; a test holds them against the routes there are.
ROUTE_WORDS = frozenset(
    {
        "new",
        "edit",
        "delete",
        "do",
        "pick",
        "views",
        "tree",
        "draft",
        "file",
        "history",
        "access",
        "reveal",
        "year",
        "export",
    }
)
STEP_TONES = ("main", "plain", "bad")
STATE_TONES = ("ok", "warn", "bad", "info", "")
FIGURE_TONES = ("bad", "warn", "")


def states(d: Declared) -> Iterator[Mistake]:
    life = d.life
    for reminder in d.admin.reminders:
        for state in reminder.states:
            if life is None or not isinstance(state, life.states):
                yield d.wrong("D005", "reminders", f"{reminder.name!r} names {state!r}, which is no state here")
    for state in d.admin.control.states if d.admin.control else ():
        if life is None or not isinstance(state, life.states):
            yield d.wrong("D005", "control", f"it names {state!r}, which is no state here")
    if life is None:
        return
    spec = d.specs.get(life.field)
    if spec is None or spec.choices is not life.states:
        what = "no field of this model" if spec is None else f"no column of {life.states.__name__}"
        yield d.wrong("D040", "life.field", f"{life.field!r} is {what}")
    named: list[tuple[str, str, tuple[LabelEnum, ...]]] = [
        ("life.initial", "it", (life.initial,)),
        ("life.steps", "it", life.steps),
        ("life.open_in", "it", life.open_in),
        ("life.begun_in", "it", life.begun_in),
        ("life.tones", "it", tuple(life.tones or ())),
        *(("life.moves", f"move {m.name!r}", (*m.sources, m.target)) for m in life.moves),
    ]
    unknown = [(at, what, s) for at, what, several in named for s in several if not isinstance(s, life.states)]
    for attribute, what, state in unknown:
        yield d.wrong("D005", attribute, f"{what} names {state!r}, which is no state of {life.states.__name__}")
    if not unknown:
        for state in unreached(d):
            yield d.wrong("D041", "life.moves", f"no chain of moves leads to {state.name}")


def unreached(d: Declared) -> list[LabelEnum]:
    assert d.life is not None
    reached, before = {d.life.initial, *d.life.begun_in}, 0
    while len(reached) > before:
        before = len(reached)
        reached |= {m.target for m in d.life.moves if reached.intersection(m.sources)}
    return [state for state in d.life.states if state not in reached]


def steps(d: Declared) -> Iterator[Mistake]:
    attributes: Mapping[str, str] = {step.name: attribute for attribute, step in d.steps}
    for name in repeated(step.name for _, step in d.steps):
        yield d.wrong("D042", attributes[name], f"two moves or actions are called {name!r}")
    for name, attribute in attributes.items():
        if name in STANDARD_VERBS or name in ROUTE_WORDS:
            yield d.wrong("D043", attribute, f"{name!r} means something else in every registry already")
        elif not PLAIN_WORD.fullmatch(name):
            yield d.wrong("D043", attribute, f"{name!r} is no plain word: lower case, digits, single underscores")
    for attribute, step in d.steps:
        for asked in step.requires:
            if asked not in step.asks:
                yield d.wrong("D044", attribute, f"{step.name!r} requires {asked!r}, for which it does not ask")
    for name in repeated(reminder.name for reminder in d.admin.reminders):
        yield d.wrong("D042", "reminders", f"two reminders are called {name!r}")


def letters(d: Declared) -> Iterator[Mistake]:
    """Notices that moves tell: they must be there, and what they may say of a row, and a department to issue them."""
    for move in d.moves:
        for notice in move.tells:
            if not PLAIN_WORD.fullmatch(notice) or not (ROOT / "notices" / notice / "body.html").is_file():
                yield d.wrong("D045", "life.moves", f"{move.name!r} tells {notice!r}; there is no notices/{notice}/")
        if move.tells and d.admin.letter is None:
            yield d.wrong("D047", "letter", f"{move.name!r} tells a notice, but nothing says what may stand in it")
        elif move.tells and not d.admin.departments:
            yield d.wrong("D047", "departments", f"{move.name!r} tells a notice, but no department would issue it")


def tones(d: Declared) -> Iterator[Mistake]:
    said: list[tuple[str, str, tuple[str, ...], Any]] = [
        *((attribute, step.tone, STEP_TONES, step.name) for attribute, step in d.steps),
        *(("life.tones", tone, STATE_TONES, s) for s, tone in ((d.life.tones if d.life else None) or {}).items()),
        *(("desk.figures", figure.tone, FIGURE_TONES, figure.label) for figure in d.admin.desk.figures),
    ]
    for attribute, tone, allowed, of in said:
        if tone not in allowed:
            words = ", ".join(word or "(none)" for word in allowed)
            yield d.wrong("D046", attribute, f"the tone {tone!r} of {str(of)!r} is none of {words}")


CHECKS = (states, steps, letters, tones)
