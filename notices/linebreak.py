"""Where a Chinese line may end: the rules of GB/T 15834-2011 §5 and of custom, for xhtml2pdf's paragraphs.

Stock xhtml2pdf starts lines with ，；：”》, cuts numbers in two, ignores ``<br>`` and does not justify. Here
 - no line starts with a closing mark or ends with an opening one (避头尾); —— and …… stay whole;
 - numbers and Latin words stay whole; an address (URL) may break after / ? & = . - and _;
 - a mark that would just not fit is pulled in by squeezing the line a little;
 - a justified line is spread between its characters, unless that would look like spaced-out text.

Written for xhtml2pdf 0.2.28; ``notices.typeset`` installs it and checks that it still fits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from reportlab.lib.enums import TA_JUSTIFY, TA_LEFT
from xhtml2pdf import reportlab_paragraph as rp

NO_START = frozenset("!%),.:;?]}°·’”…‰′″℃、。々〉》」』】〕〗！％），．：；？］｝～—‧・")
NO_END = frozenset("([{‘“〈《「『【〔〖（［｛￥＄$")
WHOLE = frozenset(("——", "……", "──"))
#: Besides letters and digits, what belongs to a Latin word or number.
WORDY = frozenset("-_./:@%+#&=?~*'\"\\,;$€£°<>|^")
URL_BREAK = frozenset("/?&=_.-")
#: A run longer than this and with one of "/@?=" in it is an address, which may be broken.
URL_LENGTH = 20
#: How much of a line may be squeezed to pull a closing mark back in: one em in 28.
SQUEEZE = 0.036
#: Largest gap between two characters of a justified line, in em; beyond it the line stays ragged.
STRETCH = 0.15

_BLANK, _BREAK, _TEXT = "blank", "break", "text"
#: (first unit, unit after the last, kind): a line may end between two clusters, never inside one.
Cluster = tuple[int, int, str]


def _wordy(unit: Any) -> bool:
    return (
        len(unit) == 1
        and ord(unit) < 0x2E80
        and (unit.isalnum() or unit in WORDY)
        and not hasattr(unit.frag, "cbDefn")
        and not hasattr(unit.frag, "lineBreak")
    )


def _tokens(units: Sequence[Any]) -> Iterator[Cluster]:
    """Words, blanks, breaks and single characters, before the rules about marks."""
    i, count = 0, len(units)
    while i < count:
        unit = units[i]
        if hasattr(unit.frag, "lineBreak"):
            yield i, i + 1, _BREAK
        elif unit == " " and not hasattr(unit.frag, "cbDefn"):
            yield i, i + 1, _BLANK
        elif _wordy(unit):
            end = i + 1
            while end < count and _wordy(units[end]):
                end += 1
            yield from _word(units, i, end)
            i = end
            continue
        else:
            yield i, i + 1, _TEXT
        i += 1


def _word(units: Sequence[Any], start: int, end: int) -> Iterator[Cluster]:
    """One Latin word or number, whole; an address in the pieces it may be broken into."""
    if end - start > URL_LENGTH and any(unit in "/@?=" for unit in units[start:end]):
        for i in range(start, end - 1):
            if units[i] in URL_BREAK and units[i + 1] not in URL_BREAK:
                yield start, i + 1, _TEXT
                start = i + 1
    yield start, end, _TEXT


def clusters(units: Sequence[Any]) -> list[Cluster]:
    """What must stay together on one line. units: one str-like per character, with a ``frag``."""
    found: list[Cluster] = []
    for start, end, kind in _tokens(units):
        if found and kind == _TEXT and found[-1][2] == _TEXT:
            before, after = units[found[-1][1] - 1], units[start]
            if not after or after in NO_START or (before and before in NO_END) or before + after in WHOLE:
                found[-1] = (found[-1][0], end, _TEXT)
                continue
        found.append((start, end, kind))
    return found


def _units(frags: Sequence[Any], encoding: str) -> list[Any]:
    """One measured ``cjkU`` per character; an empty one for what has no text (image, anchor, break)."""
    units: list[Any] = []
    for frag in frags:
        text = frag.text.decode(encoding) if isinstance(frag.text, bytes) else str(frag.text)  # page numbers
        # xhtml2pdf puts an empty fragment in Helvetica behind an image: it would stand in the file's fonts
        if text or hasattr(frag, "cbDefn") or hasattr(frag, "lineBreak"):
            units += [rp.cjkU(char, frag, encoding) for char in text] or [rp.cjkU("", frag, encoding)]
    return units or [rp.cjkU("", frags[0], encoding)]


class _Lines:
    """Collects lines; knows the width of the one being filled."""

    def __init__(self, units: list[Any], widths: Sequence[float], bounds: bool) -> None:
        self.units, self.widths, self.bounds = units, widths, bounds
        self.lines: list[Any] = []

    @property
    def width(self) -> float:
        return self.widths[min(len(self.lines), len(self.widths) - 1)]

    def end(self, start: int, stop: int, used: float, broken: bool = False) -> None:
        """Units [start, stop) become a line; *used* points of it, blanks at its end included."""
        last, extra = stop - (1 if broken else 0), self.width - used
        while last > start and self.units[last - 1] == " ":
            last -= 1
            extra += self.units[last].width
        shown = self.units[start:last] or [_empty_like(self.units[start])]
        line = rp.makeCJKParaLine(shown, extra, self.bounds)
        line.gaps = sum(1 for unit in shown if unit) - 1
        line.lineBreak = broken
        # What the line was made of, so that a paragraph cut by a page's end can be broken again unchanged.
        line.source = _joined(self.units[start:stop])
        self.lines.append(line)


def _empty_like(unit: Any) -> Any:
    """A unit without text in the same face, for a line that holds nothing but its break."""
    frag = unit.frag.clone()
    if hasattr(frag, "lineBreak"):
        del frag.lineBreak
    return rp.cjkU("", frag, "utf8")


def _joined(units: Sequence[Any]) -> list[Any]:
    """The fragments *units* came from, cut to these units."""
    frags: list[Any] = []
    origin = None
    for unit in units:
        if unit.frag is origin:
            frags[-1].text += str(unit)
        else:
            origin = unit.frag
            frags.append(origin.clone())  # clone(text=…) would lose an image
            frags[-1].text = str(unit)
    return frags


def split(
    frags: Sequence[Any], widths: Sequence[float], *, bounds: bool = False, encoding: str = "utf8", squeeze: bool = True
) -> Any:
    """Break *frags* into lines of *widths* points (the last width repeats); xhtml2pdf's ParaLines.

    bounds: measure ascent and descent of inline boxes. squeeze: lines may be tightened when drawn.
    """
    units = _units(frags, encoding)
    out = _Lines(units, widths, bounds)
    start, used = 0, 0.0
    for first, stop, kind in clusters(units):
        if kind == _BREAK:
            out.end(start, stop, used, broken=True)
            start, used = stop, 0.0
            continue
        width = sum(unit.width for unit in units[first:stop])
        over = used + width - out.width
        closes = kind == _TEXT and squeeze and units[stop - 1] in NO_START and over <= SQUEEZE * out.width
        if over <= rp._FUZZ or kind == _BLANK or (closes and used > 0):
            used += width
            continue
        if start < first:
            out.end(start, first, used)
            start = first
        used = width
        while used > out.width + rp._FUZZ and stop - start > 1:  # wider than a whole line: cut anywhere
            cut, room = start, 0.0
            while room + units[cut].width <= out.width + rp._FUZZ:
                room += units[cut].width
                cut += 1
            cut = max(cut, start + 1)
            out.end(start, cut, room)
            used -= sum(unit.width for unit in units[start:cut])
            start = cut
    if start < len(units) and (used > 0 or not out.lines):
        out.end(start, len(units), used)
    return rp.ParaLines(kind=1, lines=out.lines)


def break_lines(paragraph: Any, width: Any) -> Any:
    """In place of ``Paragraph.breakLinesCJK``: also paragraphs of one fragment take the road above."""
    widths = list(width) if isinstance(width, list | tuple) else [width]
    style = paragraph.style
    rp._handleBulletWidth(paragraph.bulletText, style, widths, rtl=paragraph.dir == "rtl")
    leading = getattr(paragraph, "autoLeading", getattr(style, "autoLeading", ""))
    paragraph.height = 0
    return split(
        paragraph.frags,
        widths,
        bounds=leading not in {"", "off"},
        encoding=paragraph.encoding,
        squeeze=style.alignment in {TA_LEFT, TA_JUSTIFY},
    )


def spacing(line: Any, *, justify: bool) -> float:
    """Points to put between the characters of one of our lines; negative where it is squeezed."""
    if line.gaps <= 0:
        return 0.0
    gap = float(line.extraSpace) / line.gaps
    if gap < 0:
        return gap if line.extraSpace < -1e-6 else 0.0
    return gap if justify and not line.lineBreak and gap <= STRETCH * line.fontSize else 0.0
