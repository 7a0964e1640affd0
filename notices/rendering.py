"""From data to a letter: check, fill the template, set it, and let nothing doubtful through.

One locked page (``base.html``) carries title, number, facts, signature block, QR code and page numbers after
GB/T 9704-2012; a notice fills its body. xhtml2pdf reports its defects as warnings and goes on, so any warning
refuses the letter. The same data, moment and fonts give the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import segno
from reportlab import rl_config
from reportlab.platypus.tables import CellStyle
from xhtml2pdf import pisa
from xhtml2pdf.config.resources import RenderLimitError, ResourceAccessError, ResourceAccessPolicy

from notices import catalog, sandbox, typeset
from notices.catalog import NoticeError
from rules.words import N_

#: No file, no host: the only picture is the QR code, which travels inside the document.
POLICY = ResourceAccessPolicy.server(
    None, allow_remote=False, max_render_seconds=8, max_document_bytes=1_000_000, max_depth=60
)
MAX_PAGES = 40
#: GB/T 9704-2012 7.2.5: six-angle brackets round the year, no 第, no leading zeros.
NUMBER = re.compile(r"\S{1,30}〔[12]\d{3}〕[1-9]\d{0,6}号")
CODE = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{3,63}")
ADDRESS = re.compile(r"https?://[\x21-\x7e]{1,180}")
#: Beyond this version a module of the 20 mm symbol is under 0.3 mm and old phones fail to read it.
MAX_QR_VERSION = 10

#: Points: one character of the body, the line of 28 of them, the seal's width.
EM, LINE, SEAL = 15.75, 442.2, 113.4
PAGE = re.compile(rb"/Type /Page\b")

_lock = threading.RLock()
_pages: dict[tuple[str, int], int] = {}


@dataclass(frozen=True)
class Rendered:
    """A letter and what proves what it was made of.

    pdf: the file. html: the same letter for screen readers. pages: how many. sha256: of ``pdf``.
    template_hash: SHA-256 of the base page and the kind's body. data: canonical JSON of every value printed;
    data_hash: its SHA-256.
    """

    pdf: bytes
    html: str
    pages: int
    sha256: str
    template_hash: str
    data: str
    data_hash: str


def render(
    kind: str,
    data: Mapping[str, Any],
    *,
    number: str,
    code: str,
    verify_url: str,
    when: datetime,
    fonts: Path,
    demo: bool,
    faces: Path | None = None,
) -> Rendered:
    """Write one letter.

    kind: a name from ``kinds()``. data: what its context reads. number: 泉审批受〔2026〕123号. code: the
    random code printed and checked (letters, digits, hyphens). verify_url: what the QR code says, http(s),
    ASCII. when: the aware moment stamped into the file; the date in print is data["decided_on"]. fonts: the
    folder of converted fonts, filled on the first call when set-up did not. demo: print 演示 and an empty
    place for the seal. faces: the office's own fonts.

    Raises NoticeError (``problem`` says why) and Skip (this letter is not due).
    """
    if not demo:  # 行政许可法 art. 32 para. 2 wants the seal on it: an unsigned letter must not look issued
        raise NoticeError("signing", N_("Letters cannot be signed yet: only a demonstration can be printed"))
    if when.tzinfo is None:
        raise NoticeError("when", N_("The moment of issue needs a time zone"), field="when")
    chosen = catalog.kind(kind)
    stacks = typeset.stacks(fonts, faces)
    values = sandbox.plain(chosen.values(data) | {"number": _matching("number", NUMBER, number)})
    _printable(values, stacks)
    qr = _qr(_matching("verify_url", ADDRESS, verify_url))
    base, body = sandbox.base_source(), chosen.body
    page = _page(values, stacks) | {"demo": demo, "code": _matching("code", CODE, code), "qr": qr}
    pdf, html, pages = _settle((kind, len(values.get("materials") or ())), base, body, values, page, when)
    snapshot = json.dumps(
        {
            "kind": kind,
            "code": code,
            "verify_url": verify_url,
            "when": when.isoformat(),
            "demo": demo,
            "values": values,
        },
        ensure_ascii=False,
        sort_keys=True,
        separators=(",", ":"),
    )
    return Rendered(
        pdf, html, pages, _sha256(pdf), _sha256(f"{base}\0{body}".encode()), snapshot, _sha256(snapshot.encode())
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _matching(key: str, form: re.Pattern[str], value: str) -> str:
    if not form.fullmatch(value):
        raise NoticeError(key, N_("“%(value)s” is not a proper %(key)s"), field=key, key=key, value=value[:80])
    return value


def _printable(values: Mapping[str, Any], stacks: typeset.Stacks) -> None:
    """Refuse a character no font draws, by field, before it becomes an anonymous warning."""
    for key, value in values.items():
        if lacking := stacks.lacks(json.dumps(value, ensure_ascii=False).replace("\\n", "")):
            raise NoticeError(
                "glyph",
                N_("No font draws “%(lacking)s” in “%(key)s”; add one that does"),
                field=key,
                key=key,
                lacking=lacking,
            )


def _qr(address: str) -> str:
    """*address* as a PNG in a data: URI; level M corrects 15 % of the symbol."""
    symbol = segno.make(address, error="m", micro=False, boost_error=False)
    if int(symbol.version) > MAX_QR_VERSION:
        raise NoticeError("verify_url", N_("The address is too long for the QR code"), field="verify_url")
    return str(symbol.png_data_uri(scale=4, border=2))


def _page(values: Mapping[str, Any], stacks: typeset.Stacks) -> dict[str, Any]:
    """What base.html needs besides the values: fonts, and where signature and seal go, in points.

    GB/T 9704-2012 7.3.5.1: the date stands four characters from the right, the agency centred over it, the
    seal upright over both; a long agency widens the block to the left.
    """
    longest = max(len(line) for line in values["sign_lines"])
    width = min(max(15.0, longest + 1.0) * EM, LINE)
    left = LINE - width
    return {"fonts": stacks.css, "sign_left": round(left, 2), "seal_left": round(left + (width - SEAL) / 2, 2)}


def _settle(
    key: tuple[str, int], base: str, body: str, values: Mapping[str, Any], page: dict[str, Any], when: datetime
) -> tuple[bytes, str, int]:
    """(pdf, html, pages): set with the page count a like letter had, and again only when it differs.

    The count stands in the footer, where it moves nothing, so the second pass always agrees.
    """
    pages = _pages.get(key, 1)
    for _ in range(2):
        # U+3000 is collapsed like a blank by xhtml2pdf: two of these are as wide and stay.
        html = sandbox.fill(base, body, values, page | {"pages": pages}).replace("\u3000", "\u00a0\u00a0")
        pdf = _set(html, when, page["fonts"]["plain"])
        found = len(PAGE.findall(pdf))
        if not 0 < found <= MAX_PAGES:
            raise NoticeError(
                "pages", N_("The letter has %(found)s pages; %(cap)s are allowed"), found=found, cap=MAX_PAGES
            )
        if found == pages:
            return pdf, html, pages
        pages = _pages[key] = found
    raise NoticeError("pages", N_("The letter's number of pages does not settle"))


def _set(html: str, when: datetime, face: str) -> bytes:
    """*html* as PDF, stamped *when*, with *face* in place of reportlab's own.

    Raises NoticeError for anything xhtml2pdf is not happy with.
    """
    out = io.BytesIO()
    with _lock, _stamped(when, face), _listening() as heard:
        try:
            result = pisa.CreatePDF(html, dest=out, encoding="utf-8", resource_policy=POLICY)
        except (RenderLimitError, ResourceAccessError) as error:
            raise NoticeError("limits", N_("The letter is too large to be set: %(error)s"), error=str(error)) from error
        except Exception as error:  # reportlab raises what it likes; whatever it is, there is no letter
            raise NoticeError(
                "layout", N_("The letter could not be set: %(error)s"), error=f"{type(error).__name__}: {error}"[:400]
            ) from error
    heard += [str(entry[2]) for entry in result.log]
    if heard or result.err or result.warn:
        raise NoticeError("layout", N_("The letter could not be set: %(error)s"), error="; ".join(heard)[:400])
    return out.getvalue()


@contextmanager
def _stamped(when: datetime, face: str) -> Iterator[None]:
    """Settings that reportlab keeps for the whole process, hence the lock around this.

    Its times come from SOURCE_DATE_EPOCH; its pages and table cells begin in Helvetica, which draws nothing
    but would stand in the file as a font that is not embedded.
    """
    page, cell = rl_config.canvas_basefontname, CellStyle.fontname
    before = os.environ.get("SOURCE_DATE_EPOCH")
    os.environ["SOURCE_DATE_EPOCH"] = str(int(when.timestamp()))
    rl_config.canvas_basefontname = CellStyle.fontname = face
    try:
        yield
    finally:
        rl_config.canvas_basefontname, CellStyle.fontname = page, cell
        if before is None:
            del os.environ["SOURCE_DATE_EPOCH"]
        else:
            os.environ["SOURCE_DATE_EPOCH"] = before


class _Ear(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(record.getMessage())


@contextmanager
def _listening() -> Iterator[list[str]]:
    """What xhtml2pdf warns of, also where the application has turned its logger down or off."""
    logger, ear = logging.getLogger("xhtml2pdf"), _Ear()
    level, off = logger.level, logger.manager.disable
    logger.addHandler(ear)
    logger.setLevel(min(level, logging.WARNING) or logging.WARNING)
    logging.disable(logging.NOTSET)
    try:
        yield ear.heard
    finally:
        logging.disable(off)
        logger.setLevel(level)
        logger.removeHandler(ear)
