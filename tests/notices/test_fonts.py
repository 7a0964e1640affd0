"""Fonts: what the stand-ins draw, how they are converted, and when an office's own are taken."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pymupdf
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.t2CharStringPen import T2CharStringPen
from fontTools.ttLib import TTFont

from notices import NoticeError, convert, fonts, render

from .conftest import ADDRESS, CODE, NUMBERS, RARE, WHEN, letters


def small_cff(path: Path) -> Path:
    """A CFF font of one square letter, converted in no time."""
    builder = FontBuilder(1000, isTTF=False)
    builder.setupGlyphOrder([".notdef", "A"])
    builder.setupCharacterMap({65: "A"})
    pen = T2CharStringPen(500, None)
    pen.moveTo((0, 0))
    pen.lineTo((0, 500))
    pen.curveTo((200, 700), (400, 700), (500, 500))
    pen.closePath()
    shape = pen.getCharString()
    builder.setupCFF("Small", {}, {".notdef": shape, "A": shape}, {})
    builder.setupHorizontalMetrics({".notdef": (500, 0), "A": (500, 0)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Small", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return path


def office_font(source: Path, path: Path, *, may_embed: bool = True, only: str = "gb2312") -> Path:
    """*source* with nothing but the characters of a codec, as an office's own 仿宋 might be."""
    with TTFont(source, lazy=True) as font:
        for table in font["cmap"].tables:
            if hasattr(table, "cmap"):
                table.cmap = {code: name for code, name in table.cmap.items() if _in(chr(code), only)}
        font["OS/2"].fsType = 0 if may_embed else 2
        font["name"].setName("Office FangSong", 1, 3, 1, 0x409)
        font["name"].setName("OfficeFangSong", 6, 3, 1, 0x409)
        font.save(path)
    return path


def _in(char: str, codec: str) -> bool:
    try:
        return bool(char.encode(codec))
    except UnicodeEncodeError:
        return False


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch):
    """The tests do not depend on what is installed on the machine they run on."""
    monkeypatch.setattr(fonts, "SYSTEM_FOLDERS", ())
    fonts.faces.cache_clear()
    yield
    fonts.faces.cache_clear()


def test_the_stand_ins_are_converted_and_draw_rare_names(font_cache):
    goals = fonts.prepare(font_cache)
    assert set(goals) == {"body", "title", "kai", "song", "hei"}
    for role in ("song", "hei"):
        with TTFont(goals[role], lazy=True) as font:
            assert "glyf" in font
            assert "CFF " not in font
            assert all(ord(char) in font.getBestCmap() for char in RARE + "演示〔〕《》 \u00a0")
            # the licence travels with the font
            assert "SIL Open Font License" in font["name"].getDebugName(13)


def test_preparing_again_does_nothing(font_cache):
    before = {path: path.stat().st_mtime_ns for path in fonts.prepare(font_cache).values()}
    assert {path: path.stat().st_mtime_ns for path in fonts.prepare(font_cache).values()} == before


def test_the_report_says_what_is_used_and_what_is_missing(font_cache, tmp_path):
    uses = {use.role: use for use in fonts.report(font_cache)}
    assert uses["body"].missing
    assert (uses["body"].official, uses["body"].family) == (False, "Noto Serif SC")
    assert (uses["hei"].missing, uses["song"].missing) == ("", "")
    assert all(use.ready and use.licence == fonts.OFL and use.file.is_file() for use in uses.values())
    assert all(use.gb2312 > 0.999 and use.gbk > 0.99 and use.characters > 30_000 for use in uses.values())
    assert not any(use.ready for use in fonts.report(tmp_path))


def test_an_office_font_is_taken_and_filled_up_by_the_character(font_cache, tmp_path, data):
    own = office_font(fonts.prepare(font_cache)["hei"], tmp_path / "FangSong.ttf")
    use = next(use for use in fonts.report(font_cache, tmp_path) if use.role == "body")
    assert (use.file, use.official, use.missing, use.ready) == (own, True, "", True)
    assert (use.gb2312 > 0.99, use.gbk < 0.5) == (True, True)
    letter = render(
        "acceptance",
        data | {"applicant": RARE},
        number=NUMBERS["acceptance"],
        code=CODE,
        verify_url=ADDRESS,
        when=WHEN,
        fonts=font_cache,
        demo=True,
        faces=tmp_path,
    )
    page = pymupdf.open(stream=letter.pdf)[0]
    used = {font[3].split("+")[1] for font in page.get_fonts()}
    assert used == {"OfficeFangSong", "NotoSerifSC-Regular", "NotoSansSC-Regular"}
    assert RARE + "：" in letters(page.get_text())
    spans = [
        span for block in page.get_text("dict")["blocks"] for line in block.get("lines", []) for span in line["spans"]
    ]
    assert {span["font"].split("+")[-1] for span in spans if "𠅤" in span["text"]} == {"NotoSerifSC-Regular"}


@pytest.mark.parametrize("fault", ["may not be embedded", "too few characters", "damaged"])
def test_a_font_that_would_harm_the_letter_is_not_taken(font_cache, tmp_path, fault):
    path = tmp_path / "simfang.ttf"
    if fault == "damaged":
        path.write_bytes(b"\0\1\0\0" + b"x" * 100)
    else:
        office_font(
            fonts.prepare(font_cache)["song"],
            path,
            may_embed="embedded" not in fault,
            only="ascii" if "few" in fault else "gb2312",
        )
    use = next(use for use in fonts.report(font_cache, tmp_path) if use.role == "body")
    assert not use.official
    assert use.missing


def test_conversion_is_whole_repeatable_and_named_after_its_source(tmp_path):
    source = small_cff(tmp_path / "Small.otf")
    goal = convert.target(source, tmp_path / "cache")
    assert convert.fingerprint(source)[:16] in goal.name
    convert.ensure({source: goal}, tmp_path / "cache")
    first = goal.read_bytes()
    with TTFont(goal) as font:
        # PostScript outlines run against TrueType's direction and are turned round
        assert font["glyf"]["A"].numberOfContours == 1
        assert font["head"].glyphDataFormat == 0
    goal.unlink()
    convert.ensure({source: goal}, tmp_path / "cache")
    assert goal.read_bytes() == first
    assert [path.name for path in (tmp_path / "cache").iterdir() if path.suffix == ".part"] == []
    assert convert.target(goal, tmp_path / "cache") == goal  # TrueType already


def test_two_processes_at_once_do_no_harm(tmp_path):
    source = small_cff(tmp_path / "Small.otf")
    cache = tmp_path / "cache"
    goal = convert.target(source, cache)
    spawn = multiprocessing.get_context("spawn")
    both = [spawn.Process(target=convert.ensure, args=({source: goal}, cache)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    assert sorted(path.name for path in cache.iterdir()) == sorted(["lock", goal.name])


def test_a_failed_conversion_leaves_nothing_behind(tmp_path, monkeypatch):
    source = small_cff(tmp_path / "Small.otf")
    cache = tmp_path / "cache"

    def full(*_):
        raise OSError("no space left")

    monkeypatch.setattr(convert.os, "replace", full)
    with pytest.raises(OSError, match="no space"):
        convert.ensure({source: convert.target(source, cache)}, cache)
    assert [path.name for path in cache.iterdir()] == ["lock"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(NoticeError) as refused:
        fonts.prepare(tmp_path / "file" / "cache")
    assert refused.value.code == "fonts"
    assert "file" in str(refused.value)
