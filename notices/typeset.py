"""Makes xhtml2pdf set Chinese properly: installs line breaking and registers fonts, once per process.

xhtml2pdf 0.2.28 has no hook for any of this, so module functions are replaced. Each replacement names the
parameters it was written for; an xhtml2pdf that differs in one of them is refused at install, because a
letter with lines cut in the wrong place leaves no trace in any log.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, wraps
from importlib.metadata import version
from pathlib import Path
from typing import Any

from reportlab.lib.fonts import addMapping
from reportlab.pdfbase import pdfmetrics, ttfonts
from reportlab.pdfbase.ttfonts import TTFError, TTFont
from xhtml2pdf import default
from xhtml2pdf import reportlab_paragraph as rp

from notices import convert, fonts, linebreak
from notices.catalog import NoticeError
from rules.words import N_

#: The release whose source the replacements were written against.
WRITTEN_FOR = "0.2.28"
#: Width of the outline that makes a title bold, in em: about the weight of 小标宋.
THICKER = 0.025

_lock = threading.RLock()
_installed = False


@dataclass(frozen=True)
class Patch:
    """One function of xhtml2pdf to replace: where it is, its parameters as we know them, our own."""

    owner: Any
    name: str
    parameters: str
    make: Callable[[Callable[..., Any]], Callable[..., Any]]

    def misfit(self) -> str:
        """What is not as it was in WRITTEN_FOR; empty when the replacement fits."""
        there = getattr(self.owner, self.name, None)
        if there is None:
            return f"{self.name} is gone"
        found = ", ".join(inspect.signature(there).parameters)
        return "" if found == self.parameters else f"{self.name}({found})"


def _breaking(_stock: Callable[..., Any]) -> Callable[..., Any]:
    def breakLinesCJK(self: Any, width: Any) -> Any:  # noqa: N802 - xhtml2pdf's name
        if not self.frags:
            return _stock(self, width)
        return linebreak.break_lines(self, width)

    return breakLinesCJK


def _drawing(stock: Callable[..., Any], *, justify: bool) -> Callable[..., Any]:
    """Draw one of our lines with its spacing between characters; leave other lines to xhtml2pdf."""

    def draw(tx: Any, offset: float, line: Any, last: int = 0) -> None:
        if not hasattr(line, "source"):
            stock(tx, offset, line, last)
            return
        gap = linebreak.spacing(line, justify=justify and not last)
        rp.setXPos(tx, offset)
        if gap:
            tx.setCharSpace(gap)
        rp._putFragLine(offset, tx, line)
        if gap:
            tx.setCharSpace(0)
        rp.setXPos(tx, -offset)

    return draw


def _thickening(stock: Callable[..., Any]) -> Callable[..., Any]:
    def draw(tx: Any, offset: float, line: Any, last: int = 0) -> None:
        """A centred line in bold of a face that has one weight only: its outlines are drawn as well."""
        thick = hasattr(line, "source") and any(getattr(word, "bold", 0) for word in line.words)
        if thick:
            tx._code.append(f"{THICKER * line.fontSize:.3f} w")
            tx.setTextRenderMode(2)  # fill, then stroke; the width goes with the paragraph's saved state
        stock(tx, offset, line, last)
        if thick:
            tx.setTextRenderMode(0)

    return draw


def _splitting(stock: Callable[..., Any]) -> Callable[..., Any]:
    def split(paragraph_lines: Any, start: int, stop: int) -> list[Any]:
        """A paragraph over two pages: stock puts a blank between lines, which Chinese does not have."""
        lines = paragraph_lines.lines[start:stop]
        if not all(hasattr(line, "source") for line in lines):
            return list(stock(paragraph_lines, start, stop))
        return [frag for line in lines for frag in line.source]

    return split


def _mapping(_stock: Callable[..., Any]) -> Callable[..., Any]:
    def to_unicode(fontname: str, subset: list[int]) -> str:
        """The map by which a reader copies and searches text (ISO 32000-1 9.10.3).

        Stock reportlab writes 𠅤 (U+20164) as five hexadecimal digits, which readers take for another
        character; the standard asks for UTF-16 and for at most a hundred entries to a block.
        """
        name = fontname.replace("+", "-")
        words = [chr(code).encode("utf-16-be").hex().upper() for code in subset]
        entries = [f"<{i:02X}> <{word}>" for i, word in enumerate(words)]
        blocks = [entries[i : i + 100] for i in range(0, len(entries), 100)]
        return "\n".join(
            [
                "/CIDInit /ProcSet findresource begin",
                "12 dict begin",
                "begincmap",
                f"/CIDSystemInfo << /Registry ({name}) /Ordering ({name}) /Supplement 0 >> def",
                f"/CMapName /{name} def",
                "/CMapType 2 def",
                "1 begincodespacerange",
                f"<00> <{len(subset) - 1:02X}>",
                "endcodespacerange",
                *(line for block in blocks for line in (f"{len(block)} beginbfchar", *block, "endbfchar")),
                "endcmap",
                "CMapName currentdict /CMap defineresource pop",
                "end",
                "end",
            ]
        )

    return to_unicode


#: All written for xhtml2pdf 0.2.28, the last one for reportlab 5.1.
PATCHES = (
    Patch(rp.Paragraph, "breakLinesCJK", "self, width", _breaking),
    Patch(rp, "_leftDrawParaLineX", "tx, offset, line, _last", lambda f: _drawing(f, justify=False)),
    Patch(rp, "_centerDrawParaLineX", "tx, offset, line, _last", _thickening),
    Patch(rp, "_justifyDrawParaLineX", "tx, offset, line, last", lambda f: _drawing(f, justify=True)),
    Patch(rp, "_split_blParaHard", "blPara, start, stop", _splitting),
    Patch(ttfonts, "makeToUnicodeCMap", "fontname, subset", _mapping),
)
#: Called, not replaced: (owner, name, parameters).
RELIED_ON = (
    (rp, "makeCJKParaLine", "U, extraSpace, calcBounds"),
    (rp, "_putFragLine", "cur_x, tx, line"),
    (rp, "setXPos", "tx, dx"),
    (rp, "_handleBulletWidth", "bulletText, style, maxWidths, rtl"),
)


def misfits() -> list[str]:
    """What of the installed xhtml2pdf is not as the replacements need it; empty when all is well."""
    relied = [Patch(owner, name, parameters, lambda f: f) for owner, name, parameters in RELIED_ON]
    return [words for patch in (*PATCHES, *relied) if (words := patch.misfit())]


def install() -> None:
    """Replace the functions above, once per process. Raises NoticeError when they are not as they were."""
    global _installed  # noqa: PLW0603 - a process is patched once
    with _lock:
        if _installed:
            return
        if wrong := misfits():
            raise NoticeError(
                "xhtml2pdf",
                N_("xhtml2pdf %(found)s is not what line breaking was written for (%(wanted)s): %(differences)s"),
                found=version("xhtml2pdf"),
                wanted=WRITTEN_FOR,
                differences="; ".join(wrong),
            )
        for patch in PATCHES:
            stock = getattr(patch.owner, patch.name)
            setattr(patch.owner, patch.name, wraps(stock)(patch.make(stock)))
        _installed = True


@dataclass(frozen=True)
class Stacks:
    """Font families for the style sheet and what they draw between them.

    css: font-family by role, first choice first; title_weight is "bold" when a stand-in, lighter than 小标宋,
    has to be thickened; plain is the name of one face that is always there. characters: code points.
    """

    css: Mapping[str, str]
    characters: frozenset[int]

    def lacks(self, text: Iterable[str]) -> str:
        """The characters of *text* that no font draws, each once, in order."""
        return "".join(dict.fromkeys(c for c in text if not c.isspace() and ord(c) not in self.characters))


def _registered(file: Path) -> tuple[str, frozenset[int]]:
    """Make *file* known to reportlab and xhtml2pdf under a name of its own; (family, code points)."""
    # The name is the file's fingerprint: roles that share a file embed it once, and another file never
    # draws under a name already taken.
    name = f"yizhan-{convert.fingerprint(file)[:12]}"
    if name not in pdfmetrics.getRegisteredFontNames():
        try:
            pdfmetrics.registerFont(TTFont(name, str(file)))
        except TTFError as error:
            raise NoticeError(
                "fonts", N_("The font %(file)s cannot be used: %(error)s"), file=str(file), error=str(error)
            ) from error
        for bold in (0, 1):
            for italic in (0, 1):
                addMapping(name, bold, italic, name)
        default.DEFAULT_FONT[name] = name  # every render starts from a copy of this table
    return name, frozenset(pdfmetrics.getFont(name).face.charToGlyph)


@lru_cache(maxsize=8)
def stacks(cache: Path, extra: Path | None = None) -> Stacks:
    """Fonts ready to be named in a style sheet; prepares them in *cache* first when that was not done.

    A missing character falls to the next family of its stack, so 镕 in a 仿宋 that has only GB 2312 is
    drawn in 宋 and not as a box.
    """
    with _lock:
        install()
        known = {role: _registered(file) for role, file in fonts.prepare(cache, extra).items()}
    plain = [known["song"][0], known["hei"][0]]
    listed = {role: ", ".join(dict.fromkeys([family, *plain])) for role, (family, _) in known.items()}
    # Counted on the stand-ins: what only an official title face has would still be missing in the body.
    weight = "bold" if known["title"] == known["song"] else "normal"
    return Stacks(listed | {"title_weight": weight, "plain": known["song"][0]}, known["song"][1] | known["hei"][1])
