"""Which fonts the letters are set in, where they lie, and what is missing.

GB/T 9704-2012 asks for 仿宋 (body) and 小标宋 (title); custom adds 楷体. Offices own licensed copies, so
those faces are taken from the office's folder or from the machine when they are there. What everybody has
are Noto Serif SC and Noto Sans SC from the PyPI package ``pylopdf-fonts-zh-cn`` (SIL OFL 1.1): they stand in
for the missing faces and, character by character, for what an official face lacks.

reportlab embeds TrueType outlines only and these are CFF, so ``prepare(cache)`` converts them once, at
set-up; that takes about 30 s on two processors. A letter that finds them missing prepares them itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache as remember
from functools import lru_cache
from pathlib import Path

from fontTools.ttLib import TTFont, TTLibError
from pylopdf_fonts_zh_cn import sans_path, serif_path

from notices.catalog import NoticeError
from notices.convert import ensure, target
from rules.words import N_

OFL = "SIL Open Font License 1.1"
OWNED = N_("Proprietary: the office must hold its own licence")
#: Faces known by their file's name, in order of preference: (role, name in lower case, licence).
OFFICIAL = (
    ("body", "fangsong_gb2312", OWNED),
    ("body", "simfang", OWNED),
    ("body", "fangsong", OWNED),
    ("body", "fandolfang-regular", N_("GPL with font exception")),
    ("title", "fzxiaobiaosong-b05s", OWNED),
    ("title", "fzxbsjw", OWNED),
    ("title", "fzxbsk", OWNED),
    ("title", "方正小标宋简体", OWNED),
    ("title", "方正小标宋_gbk", OWNED),
    ("title", "fzxiaobiaosong", OWNED),
    ("kai", "kaiti_gb2312", OWNED),
    ("kai", "simkai", OWNED),
    ("kai", "kaiti", OWNED),
    ("kai", "lxgwwenkai-regular", OFL),
)
#: What each role is called, and the plain face that stands in for it.
ROLES = {
    "body": (N_("Body text (仿宋)"), "song"),
    "title": (N_("Title (小标宋)"), "song"),
    "kai": (N_("Document number (楷体)"), "song"),
    "song": (N_("Stand-in, serif (宋)"), "song"),
    "hei": (N_("Emphasis and table heads (黑)"), "hei"),
}
SYSTEM_FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.local/share/fonts",
    "~/.fonts",
    "/Library/Fonts",
    "C:/Windows/Fonts",
)


@dataclass(frozen=True)
class Face:
    """One font file in one role. ``source`` is what is on the machine; a CFF one is set from the cache."""

    role: str
    source: Path
    licence: str
    official: bool


@dataclass(frozen=True)
class FontUse:
    """What ``run.py fonts`` says about one role.

    characters: how many characters the file draws; gb2312, gbk: the share of those sets, 0 to 1.
    ready: False while the file still waits for ``prepare``. missing: message id, empty when all is well.
    """

    role: str
    label: str
    file: Path
    family: str
    official: bool
    characters: int
    gb2312: float
    gbk: float
    licence: str
    ready: bool
    missing: str = ""


@remember
def _charset(codec: str) -> frozenset[str]:
    """The two-byte characters of *codec*, "gb2312" or "gbk", as Python itself knows them."""
    pairs = (bytes((a, b)).decode(codec, "ignore") for a in range(0x81, 0xFF) for b in range(0x40, 0xFF))
    return frozenset(char for char in pairs if len(char) == 1)


@lru_cache(maxsize=32)
def _facts(path: Path) -> tuple[frozenset[str], str, bool]:
    """(characters, family name, may be embedded as a subset). Raises TTLibError for a damaged file."""
    # Opened by us: fontTools leaves a damaged file open.
    with path.open("rb") as stream, TTFont(stream, lazy=True) as font:
        chars = frozenset(map(chr, font.getBestCmap() or ()))
        # OpenType OS/2 fsType: bit 1 forbids embedding, bit 8 subsetting, bit 9 anything but bitmaps.
        may = font["OS/2"].fsType != 2 and not font["OS/2"].fsType & 0x300
        return chars, str(font["name"].getBestFamilyName() or path.stem), may


def _found(folder: Path) -> dict[str, Path]:
    """Font files under *folder* by name in lower case."""
    if not folder.is_dir():
        return {}
    files = sorted(folder.rglob("*"))
    return {path.stem.lower(): path for path in files if path.suffix.lower() in {".ttf", ".otf"}}


@lru_cache(maxsize=8)
def faces(extra: Path | None = None) -> tuple[Face, ...]:
    """The face for each role, the office's own folder *extra* before the machine's before the plain ones."""
    places = [_found(extra)] if extra else []
    places += [_found(Path(place).expanduser()) for place in SYSTEM_FOLDERS]
    plain = {"song": serif_path(), "hei": sans_path()}
    chosen = []
    for role, (_, stand_in) in ROLES.items():
        known = [(name, licence) for owner, name, licence in OFFICIAL if owner == role]
        hits = ((place[name], licence) for place in places for name, licence in known if name in place)
        path, licence = next(((p, text) for p, text in hits if _usable(p)), (None, OFL))
        chosen.append(Face(role, path or plain[stand_in], licence, official=path is not None))
    return tuple(chosen)


def _usable(path: Path) -> bool:
    """A face that may be embedded and has nearly all of GB 2312; others would leave holes in names."""
    try:
        chars, _, may = _facts(path)
    except (TTLibError, OSError, KeyError):
        return False
    return may and len(chars & _charset("gb2312")) > 0.9 * len(_charset("gb2312"))


def prepare(cache: Path, extra: Path | None = None) -> dict[str, Path]:
    """Convert what is not converted yet; the file to embed by role.

    cache: a folder this process may write to, made when it is not there.
    extra: the office's own fonts. Raises NoticeError when the folder cannot be written.
    """
    goals = {face.role: target(face.source, cache) for face in faces(extra)}
    try:
        ensure({face.source: goals[face.role] for face in faces(extra)}, cache)
    except OSError as error:
        raise NoticeError(
            "fonts", N_("The font folder %(folder)s cannot be written: %(error)s"), folder=str(cache), error=str(error)
        ) from error
    return goals


def report(cache: Path, extra: Path | None = None) -> list[FontUse]:
    """What is used for each role, how much of the national character sets it draws, and what is missing."""
    uses = []
    for face in faces(extra):
        chars, family, _ = _facts(face.source)
        label, stand_in = ROLES[face.role]
        missing = (
            ""
            if face.official or face.role == stand_in
            else N_("The official face was not found: put it into the office's font folder; a stand-in is used")
        )
        gb2312, gbk = (len(chars & _charset(c)) / len(_charset(c)) for c in ("gb2312", "gbk"))
        uses.append(
            FontUse(
                face.role,
                label,
                face.source,
                family,
                face.official,
                len(chars),
                gb2312,
                gbk,
                face.licence,
                target(face.source, cache).is_file(),
                missing,
            )
        )
    return uses
