"""同一事项、同一标准、同一编码 (迎政办发〔2018〕43号 三(八); A10, A11): what of an item is not as its standard says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rules.normalise import fold

# 名称、编码、类型、法律依据、申报材料: exactly these five are unified.
FIVE = ("name", "basic_code", "item_type", "legal_basis_id", "materials")
# 1. 、(一) and the like before a material say nothing about it.
_NUMBERED = re.compile(r"^\s*(?:[(\uff08]?[0-9一二三四五六七八九十]+[)\uff09.\uff0e、]\s*)+")


def listed(materials: str | None) -> frozenset[str]:
    """The materials of a text with one a line, without their numbers and however they are spaced."""
    return frozenset(name for line in (materials or "").splitlines() if (name := fold(_NUMBERED.sub("", line))))


def differing(standard: Mapping[str, Any], stated: Mapping[str, Any]) -> tuple[str, ...]:
    """Which of the ``FIVE`` of *stated* are not as in *standard*; the order and numbering of materials is no
    difference."""
    found = []
    for name in FIVE:
        ours, theirs = stated.get(name), standard.get(name)
        same = listed(ours) == listed(theirs) if name == "materials" else ours == theirs
        if not same:
            found.append(name)
    return tuple(found)


def removed(before: str | None, after: str | None) -> int:
    """How many materials *after* asks for less (A18); fewer than none where it asks for more."""
    return len(listed(before)) - len(listed(after))
