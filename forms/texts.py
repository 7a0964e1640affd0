"""Uploaded documents → plain text: text files, saved web pages, Word documents. Bounded, and nothing in them is run."""

from __future__ import annotations

import io
import zipfile
import zlib
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

from forms.tables import decode
from rules.words import N_, RuleError

LARGEST = 2_000_000  # bytes of the file, and of what is packed in a Word document
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_BLOCKS = frozenset(("p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "table", "section", "article", "title"))
_UNSEEN = frozenset(("script", "style", "template", "noscript"))


def text_of(data: bytes) -> str:
    """The text of *data*, by what it is and not by its name. Raises RuleError with one Problem on ``file``."""
    if len(data) > LARGEST:
        message = N_("The file is too large: at most %(most)d MB.")
        raise RuleError.one("file", "too_large", message, most=LARGEST // 1_000_000)
    if data.startswith(b"PK"):
        return _word(data)
    if data.startswith((b"%PDF", b"\xd0\xcf\x11\xe0")):
        message = N_("PDF and old Word files cannot be read. Please paste the text, or save it as TXT, HTML or DOCX.")
        raise RuleError.one("file", "not_text", message)
    text = decode(data)
    return _page(text) if "<html" in text[:2000].lower() or "</" in text else text


class _Seen(HTMLParser):
    """What a reader of the page would see, a line for each block."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.unseen = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.unseen += tag in _UNSEEN
        if tag in _BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self.unseen = max(0, self.unseen - (tag in _UNSEEN))
        if tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self.unseen:
            self.parts.append(data.replace("\n", " "))


def _page(text: str) -> str:
    seen = _Seen()
    seen.feed(text)
    seen.close()
    lines = (line.strip() for line in "".join(seen.parts).split("\n"))
    return "\n".join(line for line in lines if line)


def _word(data: bytes) -> str:
    refused = RuleError.one("file", "not_word", N_("This is no Word document (DOCX) that can be read."))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed, packed.open("word/document.xml") as part:
            xml = part.read(LARGEST + 1)
        # A document of Word declares no entities; whatever does is not to be unfolded.
        if len(xml) > LARGEST or b"<!" in xml[:1000]:
            raise refused
        root = ET.fromstring(xml)  # noqa: S314 - no entities: looked for above
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, ET.ParseError, RuntimeError, EOFError, OSError):
        raise refused from None
    lines = ("".join(part.text or "" for part in paragraph.iter(f"{_WORD}t")) for paragraph in root.iter(f"{_WORD}p"))
    return "\n".join(lines)
