"""One way to write the same text: :func:`clean` before storing, :func:`fold` before comparing.

:func:`without_pinyin` takes out readings that copying protection of web pages put in. All are idempotent, take any
``str`` (lone surrogates too) and never raise.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

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


# The syllables of 《汉语拼音方案》 as GB/T 16159 writes them, by what they begin with; ü is written v here.
_SYLLABLES = """
-: a ai an ang ao e ei en eng er o ou
b: a ai an ang ao ei en eng i ian iao ie in ing o u
p: a ai an ang ao ei en eng i ian iao ie in ing o ou u
m: a ai an ang ao e ei en eng i ian iao ie in ing iu o ou u
f: a an ang ei en eng o ou u
d: a ai an ang ao e ei en eng i ia ian iao ie ing iu ong ou u uan ui un uo
t: a ai an ang ao e eng i ian iao ie ing ong ou u uan ui un uo
n: a ai an ang ao e ei en eng i ian iang iao ie in ing iu ong ou u uan un uo v ve
l: a ai an ang ao e ei eng i ia ian iang iao ie in ing iu o ong ou u uan un uo v ve
g: a ai an ang ao e ei en eng ong ou u ua uai uan uang ui un uo
k: a ai an ang ao e ei en eng ong ou u ua uai uan uang ui un uo
h: a ai an ang ao e ei en eng ong ou u ua uai uan uang ui un uo
j: i ia ian iang iao ie in ing iong iu u uan ue un
q: i ia ian iang iao ie in ing iong iu u uan ue un
x: i ia ian iang iao ie in ing iong iu u uan ue un
zh: a ai an ang ao e ei en eng i ong ou u ua uai uan uang ui un uo
ch: a ai an ang ao e en eng i ong ou u ua uai uan uang ui un uo
sh: a ai an ang ao e ei en eng i ou u ua uai uan uang ui un uo
r: an ang ao e en eng i ong ou u ua uan ui un uo
z: a ai an ang ao e ei en eng i ong ou u uan ui un uo
c: a ai an ang ao e en eng i ong ou u uan ui un uo
s: a ai an ang ao e en eng i ong ou u uan ui un uo
y: a an ang ao e i in ing o ong ou u uan ue un
w: a ai an ang ei en eng o u
"""
_HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_BRACKETED = re.compile(rf"(?<=[{_HAN}])[(（]([^()（）]{{1,40}})[)）]")
_BEFORE = re.compile(rf"[{_HAN}]+\Z")
_TONES = dict.fromkeys(map(ord, "\u0304\u0301\u030c\u0300"))
# How phonetic letters are also found in pages: the Latin alpha and the script g of the IPA, and u with its dots.
_LETTERS = str.maketrans({"\u0251": "a", "\u0261": "g", "\u00fc": "v"})


@cache
def _syllables() -> frozenset[str]:
    rows = (line.split(": ") for line in _SYLLABLES.strip().splitlines())
    return frozenset(initial.strip("-") + final for initial, finals in rows for final in finals.split())


def without_pinyin(text: str) -> tuple[str, tuple[str, ...]]:
    """(*text* without readings in brackets after the Chinese characters they read, what was taken out).

    优(yōu)化 → 优化. Some pages put such readings into what is copied from them. Taken for one are only syllables of
    pinyin, in small letters, no more than there are characters right before; a single letter without a tone is the
    letter of a list (附件(a)) and stays. Whoever stores the result should say what was taken out.
    """
    if not text.isascii():
        taken: list[str] = []

        def drop(found: re.Match[str]) -> str:
            characters = _BEFORE.search(text, max(0, found.start() - 20), found.start())
            if characters is None or not _is_reading(found[1], len(characters[0])):
                return found[0]
            taken.append(found[0])
            return ""

        # What stood behind a reading may now be right behind a character.
        while (shorter := _BRACKETED.sub(drop, text)) != text:
            text = shorter
        return text, tuple(taken)
    return text, ()


def _is_reading(inside: str, characters: int) -> bool:
    """Is *inside* the reading of at most so many characters?"""
    letters = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", inside))
    plain = unicodedata.normalize("NFC", letters.translate(_TONES)).translate(_LETTERS)
    toned = plain != unicodedata.normalize("NFC", letters).translate(_LETTERS)
    syllables = re.split(r"[ '’]+", plain.strip())
    if len(syllables) > characters or not all(one in _syllables() for one in syllables):
        return False
    return toned or len(plain) > 1
