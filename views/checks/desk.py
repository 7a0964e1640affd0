"""What figures, blocks and badges ask of a list, read as the list itself would read it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import parse_qsl

from forms.convert import BadValue
from models.account import Account
from views.checks.base import Declared, Mistake
from views.filters import Filter
from views.listing import sortable

# Any moment will do: a value can be read at every hour or at none.
WHENEVER = datetime(2026, 1, 1, tzinfo=UTC)


def desk(d: Declared) -> Iterator[Mistake]:
    told = d.admin.desk
    for figure in told.figures:
        yield from asked(d, "desk.figures", figure.where)
    for block in told.blocks:
        yield from asked(d, "desk.blocks", block.where)
        if block.order and block.order.removeprefix("-") != "id" and not sortable(d.model, block.order):
            yield d.wrong("D024", "desk.blocks", f"{block.order!r} is named, in whose order rows cannot be put")
    for tally in told.tallies:
        yield from asked(d, "desk.tallies", tally.where)
        if d.kind(tally.field) != "choice" or tally.field not in d.admin.filter_names:
            yield d.wrong(
                "D050", "desk.tallies", f"{tally.field!r} is no list of members that the rows are filtered by"
            )
    yield from asked(d, "badge", d.admin.badge)


def asked(d: Declared, attribute: str, text: str) -> Iterator[Mistake]:
    """What is wrong with the arguments *text* of a list's address."""
    usable = [n for n in d.admin.filter_names if d.kind(n) not in ("", "json", "many")]
    known = {
        argument: Filter(d.specs[n], d.model) for n in usable for argument in Filter(d.specs[n], d.model).arguments
    }
    given = parse_qsl(text, keep_blank_values=True)
    for argument, value in given:
        if argument == "q" and d.admin.search_columns:
            continue
        one = known.get(argument)
        if one is None:
            yield d.wrong("D050", attribute, f"{text!r} asks by {argument!r}, which is no filter of this list")
        elif not readable(one, argument.removeprefix(one.name), value):
            yield d.wrong("D051", attribute, f"{text!r} asks {argument} for {value!r}, which it cannot be asked for")
        elif argument.endswith("__below") and one.name not in dict(given):
            yield d.wrong("D051", attribute, f"{text!r} does not say below which {one.name}")


def readable(one: Filter, suffix: str, value: str) -> bool:
    """Would the filter take *value*? Only what depends on who asks is settled here, all else by the filter."""
    if suffix == "__below":
        return one.deep and value == "1"
    if suffix == "__empty":
        return one.nullable and value in ("0", "1")
    if suffix == "" and value == "me" and one.spec.target is Account:
        return True
    if value == "":
        return False
    asked_of = Filter(one.spec, one.model)
    if suffix == "":
        asked_of.values = [value]
    else:
        asked_of.low = value
    try:
        return bool([*asked_of.conditions(cast("Any", None), WHENEVER)])
    except BadValue:
        return False


CHECKS = (desk,)
