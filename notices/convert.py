"""CFF fonts into TrueType ones, once: reportlab embeds no other outlines.

About 20 s for a face of 31,000 glyphs, so the result is kept in a cache folder under a name that carries the
source's fingerprint. Files appear whole or not at all, and of two processes one waits for the other.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache as remember
from pathlib import Path

from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont, newTable

try:
    import fcntl
except ImportError:  # Windows: two conversions at once cost time, os.replace still keeps the file whole
    fcntl = None  # type: ignore[assignment]

#: Raised when the conversion changes, so that old files in a cache are not taken for new ones.
CONVERTER = 1
#: How far, in font units (1/1000 em), a converted curve may stray: a hundredth of a millimetre at 22 pt.
MAX_ERROR = 1.0
#: Layout features the letters do not use; without them the files are smaller and quicker to read.
DROPPED = ("CFF ", "VORG", "GSUB", "GPOS", "GDEF", "BASE", "vhea", "vmtx", "DSIG")


@remember
def _fingerprint(path: Path, _size: int, _changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def fingerprint(path: Path) -> str:
    """SHA-256 of a font file, worked out once per process and version of the file."""
    stat = path.stat()
    return _fingerprint(path, stat.st_size, stat.st_mtime_ns)


def _is_cff(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"OTTO"


def target(source: Path, cache: Path) -> Path:
    """The file to embed for *source*: itself when TrueType, else its converted copy in *cache*."""
    if not _is_cff(source):
        return source
    return cache / f"{source.stem}-{fingerprint(source)[:16]}-v{CONVERTER}.ttf"


def convert(source: Path, goal: Path) -> None:
    """Write *source*, a CFF font, to *goal* with TrueType outlines; *goal* appears whole or not at all."""
    # The time in the file is kept, so that the same font always becomes the same bytes.
    font = TTFont(source, recalcTimestamp=False)
    order, glyphs = font.getGlyphOrder(), font.getGlyphSet()
    glyf = newTable("glyf")
    glyf.glyphOrder, glyf.glyphs = order, {}
    for name in order:
        pen = TTGlyphPen(glyphs)
        # PostScript contours run counter-clockwise, TrueType's clockwise.
        glyphs[name].draw(Cu2QuPen(pen, MAX_ERROR, reverse_direction=True))
        glyf.glyphs[name] = pen.glyph()
    font["glyf"], font["loca"] = glyf, newTable("loca")
    font["head"].glyphDataFormat = 0
    maxp = font["maxp"]
    maxp.tableVersion, maxp.maxZones = 0x00010000, 1
    for limit in (
        "maxTwilightPoints",
        "maxStorage",
        "maxFunctionDefs",
        "maxInstructionDefs",
        "maxStackElements",
        "maxSizeOfInstructions",
        "maxComponentElements",
    ):
        setattr(maxp, limit, 0)
    font["post"].formatType = 3.0  # no glyph names
    for tag in DROPPED:
        if tag in font:
            del font[tag]
    font.sfntVersion = "\x00\x01\x00\x00"
    handle, draft = tempfile.mkstemp(dir=goal.parent, prefix=goal.stem, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            font.save(file)
        os.chmod(draft, 0o644)  # mkstemp's 0600 would hide the font from a worker under another user
        os.replace(draft, goal)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


@contextmanager
def _locked(cache: Path) -> Iterator[None]:
    """Only one process converts into *cache*; another waits and then finds the work done."""
    with (cache / "lock").open("w") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def ensure(wanted: Mapping[Path, Path], cache: Path) -> None:
    """Make every missing file of *wanted*, {source: target in *cache*}. Raises OSError: no room, no right."""
    if all(goal.is_file() for goal in wanted.values()):
        return
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache):  # asked again inside: another process may have done it meanwhile
        _convert_all({source: goal for source, goal in wanted.items() if not goal.is_file()})


def _convert_all(todo: Mapping[Path, Path]) -> None:
    """Convert side by side where that is possible: pure Python, so processes and not threads."""
    if len(todo) > 1 and not multiprocessing.current_process().daemon:
        try:
            # spawn: a web worker has threads, and a fork of those may hang
            with ProcessPoolExecutor(len(todo), multiprocessing.get_context("spawn")) as pool:
                list(pool.map(convert, todo.keys(), todo.values()))
            return
        except BrokenProcessPool:
            pass  # a main module that cannot be imported again; one after the other, then
    for source, goal in todo.items():
        if not goal.is_file():
            convert(source, goal)
