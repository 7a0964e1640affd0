"""One word in Simplified and in Traditional characters, and the word that stands for it on the other side.

For looking things up only: what people typed is stored as they typed it.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from itertools import islice

import opencc

# What is said otherwise in Taiwan, in Simplified characters: (there, here). Each is looked for by way of the other.
# A new pair is a new line; of two where one holds the other the longer is tried.
VOCABULARY = (
    ("资讯共用", "信息共享"),
    ("网际网路", "互联网"),
    ("程式", "程序"),
    ("仲介", "中介"),
    ("到府", "上门"),
)
# More other words than these are not looked for: each costs a comparison of every row.
MOST_OTHERS = 3


@cache
def _variants() -> dict[str, str]:
    """Character → itself and the characters that it may be written as in the other script, of those that have any.

    From OpenCC's tables of characters (opencc-python-reimplemented), with the regional forms (爲 is 為 in Taiwan). Of
    one Simplified character all Traditional ones: 发 is 發 and 髮. Not from one Traditional character to another that
    happens to be simplified alike: who types 髮 means hair.
    """
    to_traditional, to_simplified = _table("STCharacters"), _table("TSCharacters")
    regional: dict[str, set[str]] = {}
    for name in ("TWVariants", "HKVariants"):
        for standard, others in _table(name).items():
            group = {standard, *others}
            for one in group:
                regional.setdefault(one, set()).update(group)
    found = {}
    for one in {*to_traditional, *to_simplified, *regional}:
        reached = {one, *to_traditional.get(one, ()), *to_simplified.get(one, ())}
        reached |= {other for known in reached - {*to_simplified.get(one, ())} for other in regional.get(known, ())}
        if len(reached) > 1:
            found[one] = one + "".join(sorted(reached - {one}))
    return found


def _table(name: str) -> dict[str, list[str]]:
    """One of OpenCC's dictionaries: a character, a tab, and what it becomes, the likeliest first."""
    text = (files(opencc) / "dictionary" / f"{name}.txt").read_text(encoding="utf-8")
    pairs = (line.split("\t") for line in text.splitlines() if "\t" in line)
    return {key: values.split() for key, values in pairs}


@cache
def _to_simplified() -> dict[int, str]:
    return {ord(one): others[0] for one, others in _table("TSCharacters").items()}


def simplified(text: str) -> str:
    """*text* in Simplified characters, character by character, so of the same length. ASCII costs nothing."""
    return text if text.isascii() else text.translate(_to_simplified())


def classes(word: str) -> list[str]:
    """For each character of *word* those that may stand in its place, itself first: 优 → 优優, A → A."""
    if word.isascii():
        return [*word]
    return [_variants().get(c, c) for c in word]


def others(word: str) -> tuple[str, ...]:
    """What else *word* is called, in Simplified characters: 資訊共用平台 → 信息共享平台, and the other way round."""
    if word.isascii():
        return ()
    plain = simplified(word)
    return tuple(islice(dict.fromkeys(_replaced(plain)), MOST_OTHERS))


def _replaced(plain: str) -> list[str]:
    """*plain* with each side of the vocabulary in turn, the longest first, replaced by the other."""
    found = []
    taken: list[str] = []
    for pair in sorted(VOCABULARY, key=lambda p: -max(map(len, p))):
        for said, meant in (pair, pair[::-1]):
            # Within a longer word that was replaced already the shorter one says nothing more.
            if said in plain and not any(said in longer for longer in taken):
                taken.append(said)
                found.append(plain.replace(said, meant))
    return [word for word in found if word != plain]
