"""Mistakes in declarations, each with a code, all told at once at start: a wrong word never reaches a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from views.checks import desk, fields, grants, life, public, words
from views.checks.base import Declared, Mistake, unreadable
from views.checks.words import untranslated

__all__ = ["CODES", "Mistake", "WrongDeclarations", "mistakes", "refuse_mistakes", "untranslated"]

CODES: dict[str, str] = {
    # Names
    "D001": "A column has a type for which no field exists.",
    "D002": "A word of the declaration names a field that the model does not declare.",
    "D003": "`related` names a registry that does not exist.",
    "D004": "A reference is shown, but the model has no relation by which the row it leads to could be called.",
    "D005": "A life cycle names a state that its enumeration does not have.",
    "D006": "`related` names a registry whose list cannot be narrowed to the rows that lead here.",
    "D007": "`inline` names a registry that is not among `related`.",
    "D008": "The registry's name is no plain word of an address, or belongs to another page.",
    "D009": "A name stands twice in one word of the declaration.",
    # Grants
    "D010": "A grant names a verb that the registry does not have.",
    "D011": "A grant reaches only rows that are one's own, but no owner is declared.",
    "D012": "A role is granted the same verb twice.",
    "D013": "A role may change, delete or reveal rows that it may not look at.",
    "D014": "Adding or editing is granted, but no group has a field that people could fill in.",
    "D015": "A move or an action is granted to nobody: a button that can never appear.",
    "D016": "A role is granted list and show with different reach: rows are loaded by the wider one.",
    "D017": "A field is called like a word that addresses or forms use themselves.",
    "D018": "A reference is picked from a registry that has no `search`: only its first rows could be found.",
    "D019": "A single text stands where several words are expected: a comma is missing.",
    # Fields
    "D020": "A required field stands in no group, so nobody could add a row.",
    "D021": "A group has no fields.",
    "D022": "No unique constraint stands over exactly the columns of `natural_key`.",
    "D023": "A filter names a field that cannot be asked for (a list of choices, a structure).",
    "D024": "Rows cannot be put in that order: it names a list, a structure or a long text.",
    "D025": "A personal field could be read piece by piece, as a filter, an order or a label.",
    "D026": "`due` stands on something other than a date, or names a state that is none.",
    "D027": "`minimum` or `maximum` stands on something other than a number, or they contradict each other.",
    "D028": "A reference by which lists are narrowed has no index: every list would read the whole table.",
    "D029": "A structure stands in a form, where nobody could type it.",
    # Reach, and what certain columns must be
    "D030": "Rows that everybody may read lead to rows that belong to departments and that not all may read.",
    "D031": "Somebody reads rows here without reading what they must lead to.",
    "D032": "`departments` names something other than a reference to a department, or the id of one.",
    "D033": "`owner`, or the `to` of a reminder, names something other than a reference to an account.",
    "D034": "`audience` names something other than a column of roles.",
    "D035": "`follows` names something other than a reference to rows that belong to departments.",
    "D036": "`file` names something other than a deferred column of bytes.",
    "D037": "`search` or `label` names something that is no text.",
    "D038": "`editable` is neither always, new nor never.",
    "D039": "A clock names something other than a date, the list of lines that explain it, and a yes or no.",
    # Life cycles and steps
    "D040": "The life cycle's field is no column of its enumeration of states.",
    "D041": "No chain of moves leads from the first state, or one that rows begin in, to this one.",
    "D042": "Two moves or actions, or two reminders, have one name.",
    "D043": "The name of a move or an action is no plain word, or is a verb or an address that every registry has.",
    "D044": "A step requires an answer that it does not ask for.",
    "D045": "A move tells a notice that has no folder in `notices/`.",
    "D046": "A tone is none of those there are.",
    "D047": "A move tells a notice, but `letter` does not say what may stand in it, or no department would issue it.",
    # The workbench
    "D050": "A figure, a block, a tally or the badge asks by a word that the list does not know.",
    "D051": "A figure, a block, a tally or the badge asks for a value that the filter cannot read.",
    # Words
    "D060": "Something people read is not translated.",
    "D061": "An attribute that is no field is shown without a label in `LABELS`.",
    # Personal data
    "D070": "`reveal` is granted, but no field is personal.",
    "D071": "A personal field is no text, so it could not be shown masked.",
    # Files
    "D080": "A role is granted the export of rows that it may not list.",
    "D081": "`import` is granted, but there is no `natural_key` by which a line of a file would find its row.",
    # Pages that are open to everybody
    "D090": "A personal field would be open to everybody.",
    "D091": "An open list names a field that no open page shows; by asking for it, it could be found out.",
    "D092": "A registry is open in part whose rows belong to no department, so that nothing keeps the others back.",
    "D093": "An open list is searched or narrowed by a field by which the list of the registry is not.",
}


class WrongDeclarations(SystemExit):
    def __init__(self, found: list[Mistake]) -> None:
        self.found = found
        super().__init__("\n".join(map(str, found)))


def refuse_mistakes(models: Iterable[type[Any]]) -> None:
    if found := mistakes(models):
        raise WrongDeclarations(found)


def mistakes(models: Iterable[type[Any]]) -> list[Mistake]:
    """Everything wrong in the declarations of *models*."""
    asked = [*models]
    return [
        *(mistake for model in asked for mistake in _mistakes(Declared(model))),
        *untranslated(asked),
    ]


def _mistakes(d: Declared) -> Iterator[Mistake]:
    if found := [*unreadable(d)]:
        yield from found
        return
    for check in (*fields.CHECKS, *grants.CHECKS, *life.CHECKS, *desk.CHECKS, *public.CHECKS):
        yield from check(d)
    yield from words.unlabelled(d)
