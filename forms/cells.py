"""Between stored values and the cells of a file: what an export writes, an import understands in every language.

:func:`shown` gives a cell, :func:`understood` reads one. What :func:`shown` says of a row's present value is by
definition no change, however it was masked, shortened or translated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from typing import Any

from forms.convert import Spec, parse, specs
from forms.workbook import SERIAL, day_of_serial, moment_of
from models.declare import Admin
from rules.deadlines import SHANGHAI
from rules.identifiers import mask_identifier
from rules.normalise import clean
from rules.words import N_, LabelEnum
from translations.catalog import LOCALES
from translations.speech import readings, say

# Between the rows of a list in one cell.
LISTED = "；"
LISTS = re.compile(r"[;；\n]")
YES, NO = N_("Yes"), N_("No")
# The column that says why a row was refused; it means nothing when the file comes back.
REASON = N_("Why it was refused")
# Values of cells, as the writers take them.
Value = str | int | date
# (target, id) → what the row is called.
Called = Mapping[tuple[type[Any], int], str]


def shown(model: type[Any], spec: Spec, value: Any, locale: str, called: Called) -> Value:
    """*value* as an export writes it: personal values masked, moments in China's time to the minute."""
    if value is None:
        return ""
    if spec.info.personal:
        return mask_identifier(str(value))
    if spec.kind == "boolean":
        return say(locale, YES if value else NO)
    if isinstance(value, LabelEnum):
        return say(locale, value.label)
    if isinstance(value, datetime):
        return value.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")
    if spec.kind == "reference" and spec.target is not None:
        return called.get((spec.target, value), "")
    if spec.kind == "many" and spec.target is not None:
        return LISTED.join(called.get((spec.target, one), "") for one in value)
    if spec.kind == "json":
        return structure(model, value, locale)
    if spec.info.message:
        return say(locale, str(value))
    return value if isinstance(value, int | date) else str(value)


def structure(model: type[Any], value: Any, locale: str) -> str:
    """A list of words as such, names of fields by their labels; anything else as JSON."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        known = specs(model)
        return LISTED.join(say(locale, known[one].label) if one in known else one for one in value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def same(model: type[Any], spec: Spec, value: Any, text: str, called: Called) -> bool:
    """Is *text* what an export says of *value*, in whichever language?"""
    said = text.replace("\r\n", "\n").strip()
    return any(
        str(shown(model, spec, value, locale, called)).replace("\r\n", "\n").strip() == said for locale in LOCALES
    )


def understood(spec: Spec, text: str) -> Any:
    """The value that the cell *text* stands for; of references their text. Raises BadValue."""
    said = clean(text)
    if spec.choices is not None and said:
        found = members(spec.choices).get(said.casefold())
        if found is None:
            raise spec.refuse("not_in_list", N_("“%(value)s” is not in the list."), value=said[:60])
        return found
    if spec.kind == "boolean" and said:
        for value, word in ((True, YES), (False, NO)):
            if said in readings(word):
                return value
    if spec.kind in ("date", "moment") and SERIAL.fullmatch(said):
        return serial(spec, said)
    if spec.kind == "date" and len(said) > 10 and re.fullmatch(r"[ T]0?0:00(:00)?", said[10:]):
        return parse(spec, said[:10])
    if spec.kind == "integer" and re.fullmatch(r"-?\d+\.0+", said):
        return parse(spec, said.partition(".")[0])
    return parse(spec, text)


def serial(spec: Spec, text: str) -> Any:
    """The day or time that a spreadsheet keeps as a number: 46083 is 2026-03-02. Raises BadValue."""
    if day_of_serial(text) is None:
        return parse(spec, text)
    found = moment_of(float(text))
    return found.date() if spec.kind == "date" else parse(spec, found.isoformat(" "))


@cache
def members(choices: type[LabelEnum]) -> Mapping[str, LabelEnum]:
    """Value, name and label in every language → member."""
    found: dict[str, LabelEnum] = {}
    for member in choices:
        for word in (member.value, member.name, *readings(member.label)):
            found.setdefault(str(word).casefold(), member)
    return found


def listed(text: str) -> list[str]:
    """The parts of a list in one cell."""
    return [said for part in LISTS.split(text) if (said := clean(part))]


# --- columns ---------------------------------------------------------------------------------------------------------


def headings(model: type[Any], names: Sequence[str], locale: str) -> list[str]:
    """What the columns *names* are called; where two would be called alike, with their field behind."""
    labels = [say(locale, label(model, name)) for name in names]
    return [f"{said} ({n})" if labels.count(said) > 1 else said for said, n in zip(labels, names, strict=True)]


def label(model: type[Any], name: str) -> str:
    """The message id of what a field, or a property with a label, is called."""
    spec = specs(model).get(name)
    return spec.label if spec is not None else str(getattr(model, "LABELS", {}).get(name, name))


def known_columns(model: type[Any]) -> dict[str, str]:
    """Heading → field: its label in any language, its name, both together; as they are written, and folded. What
    could be several is left out, unless it is written just as one of them."""
    exact: dict[str, set[str]] = {}
    loose: dict[str, set[str]] = {}
    for name, spec in specs(model).items():
        said = readings(spec.label)
        for heading in (name, *said, *(f"{one} ({name})" for one in said)):
            exact.setdefault(heading, set()).add(name)
            loose.setdefault(folded(heading), set()).add(name)
    found = [*loose.items(), *exact.items()]  # what is written just so wins
    return {said: next(iter(names)) for said, names in found if len(names) == 1}


def folded(heading: str) -> str:
    """A heading as it is compared: without blanks, marks that it is required, and regard to letters' case."""
    return "".join(heading.split()).strip("*＊").casefold()


def matched(model: type[Any], header: Iterable[str]) -> dict[str, str]:
    """Heading → field, of those headings that are known; no field twice."""
    known = known_columns(model)
    found: dict[str, str] = {}
    for heading in header:
        name = known.get(heading) or known.get(folded(heading))
        if name is not None and name not in found.values():
            found[heading] = name
    return found


def meaningless(heading: str) -> bool:
    """Is it empty, or the column of reasons that we wrote ourselves?"""
    return not heading or heading in readings(REASON)


def importable(model: type[Any]) -> list[str]:
    """The fields that people may fill in, as the form has them, the natural key first."""
    admin: Admin = model.__admin__
    known = specs(model)
    open_ = [n for n in admin.field_names if n in known and known[n].info.editable != "never"]
    return list(dict.fromkeys([*(n for n in admin.natural_key if n in open_), *open_]))


def exported(model: type[Any], names: Iterable[str]) -> list[str]:
    """*names* with the natural key before them, so that the file finds its rows again."""
    return list(dict.fromkeys([*model.__admin__.natural_key, *names]))
