"""逐项校对 (迎政办发〔2018〕43号 二(三); A13): two systems' lists of items beside each other, by code, then by name."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rules.normalise import clean, fold


@dataclass(frozen=True)
class Listed:
    """One item of a list. key: by which the caller knows it again; codes: any of them may be the one that is meant."""

    key: int
    codes: tuple[str, ...]
    name: str


@dataclass(frozen=True)
class Pair:
    """An item of both lists; how: ``code`` or ``name``."""

    how: str
    ours: Listed
    theirs: Listed


@dataclass(frozen=True)
class Reconciled:
    """Every item of either list stands in exactly one of the three."""

    pairs: tuple[Pair, ...]
    here: tuple[Listed, ...]
    there: tuple[Listed, ...]


def reconcile(ours: Sequence[Listed], theirs: Sequence[Listed]) -> Reconciled:
    """By code first, whatever the names; what is left by name, each item once and in the order of the lists.

    Codes are compared without blanks and in capitals, names as a search does (width, case and blanks do not count).
    """
    found: list[Pair] = []
    left = [*theirs]
    rest = [*ours]
    for how, keys in (("code", _codes), ("name", _names)):
        waiting: dict[str, deque[Listed]] = {}
        for one in rest:
            for key in keys(one):
                waiting.setdefault(key, deque()).append(one)
        taken: set[int] = set()
        unmatched = []
        for other in left:
            mine = next((m for key in keys(other) if (m := _first(waiting.get(key), taken)) is not None), None)
            if mine is None:
                unmatched.append(other)
                continue
            taken.add(id(mine))
            found.append(Pair(how, mine, other))
        left, rest = unmatched, [one for one in rest if id(one) not in taken]
    return Reconciled(tuple(found), tuple(rest), tuple(left))


def _first(queue: deque[Listed] | None, taken: set[int]) -> Listed | None:
    while queue and id(queue[0]) in taken:
        queue.popleft()
    return queue[0] if queue else None


def _codes(one: Listed) -> Iterator[str]:
    yield from dict.fromkeys(code for text in one.codes if (code := "".join(clean(text).split()).upper()))


def _names(one: Listed) -> Iterator[str]:
    if name := fold(one.name):
        yield name


def columns(header: Iterable[str]) -> tuple[str, str]:
    """Which headings hold the code and the name; an empty text where none says so."""
    code = name = ""
    for heading in header:
        said = fold(heading)
        if not code and ("编码" in said or "代码" in said or said in ("code", "item_code", "编号")):
            code = heading
        elif not name and ("名称" in said or said in ("name", "事项")):
            name = heading
    return code, name
