"""One way to write the same text: :func:`clean` before storing, :func:`fold` before searching.

Both are idempotent, take any ``str`` (lone surrogates too) and never raise.
"""

from __future__ import annotations

import unicodedata

# Marks without width that copying from web pages and office files leaves behind: zero-width space,
# non-joiner, joiner, direction marks, word joiner, byte order mark. Two texts that differ only in these
# look the same on paper and would still be two keys in the database. Overrides and isolates of the direction
# do worse: they turn round what follows, so that a name reads as another one.
_WITHOUT_WIDTH = dict.fromkeys(
    [*map(ord, "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
)


def clean(text: str) -> str:
    """*text* as a one-line field stores it.

    NFC (Unicode Standard Annex 15), without zero-width characters, trimmed, each run of white space
    (line breaks and U+3000 too) made one blank. Full-width letters and brackets stay as typed: they are
    right in Chinese text.
    """
    return " ".join(unicodedata.normalize("NFC", text.translate(_WITHOUT_WIDTH)).split())


def fold(text: str) -> str:
    """*text* as search compares it: NFKC (full width becomes half width), casefolded, without any blank.

    For comparing only, never for showing: Ａ１ （甲） becomes a1(甲).
    """
    folded = unicodedata.normalize("NFKC", text.translate(_WITHOUT_WIDTH)).casefold()
    # Folding and dropping blanks can put a letter and its accent side by side, so compose once more.
    return unicodedata.normalize("NFKC", "".join(folded.split()))
