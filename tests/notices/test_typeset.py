"""Line breaking by itself, and that it refuses an xhtml2pdf it was not written for."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reportlab.lib.styles import ParagraphStyle
from xhtml2pdf import reportlab_paragraph as rp
from xhtml2pdf.context import getParaFrag

from notices import NoticeError, linebreak, typeset

EM = 10.0


@pytest.fixture(scope="module")
def frag(font_cache):
    """frag(text): a fragment in the serif stand-in at 10 pt, where a Chinese character is 10 pt wide."""
    face = typeset.stacks(font_cache).css["plain"]

    def make(text: str, **more):
        made = getParaFrag(ParagraphStyle("x", fontName="Times-Roman", fontSize=EM))
        made.fontName, made.fontSize, made.text = face, EM, text
        for name, value in more.items():
            setattr(made, name, value)
        return made

    return make


def broken(frags, width: float, **more):
    return linebreak.split(frags, [width], **more).lines


def texts(lines) -> list[str]:
    return ["".join(word.text for word in line.words) for line in lines]


def test_marks_do_not_begin_or_end_a_line(frag):
    assert texts(broken([frag("甲乙丙丁，戊己")], 4 * EM)) == ["甲乙丙", "丁，戊己"]
    assert texts(broken([frag("甲乙丙“丁”戊")], 4 * EM)) == ["甲乙丙", "“丁”戊"]
    assert texts(broken([frag("甲乙丙——丁")], 4 * EM)) == ["甲乙", "丙——丁"]
    assert texts(broken([frag("甲乙丙……丁")], 4 * EM)) == ["甲乙", "丙……丁"]
    assert texts(broken([frag("一二三四（五）》。六")], 5 * EM)) == ["一二三四", "（五）》。", "六"]


def test_a_mark_is_pulled_in_where_that_is_hardly_seen(frag):
    text = "字" * 28 + "。后"
    tight, loose = (texts(broken([frag(text)], 28.2 * EM, squeeze=squeeze)) for squeeze in (True, False))
    assert tight == ["字" * 28 + "。", "后"]
    assert loose == ["字" * 27, "字。后"]


def test_numbers_and_words_stay_whole(frag):
    for width in range(9, 15):
        found = texts(broken([frag("根据GB/T9704-2012的规定，建筑面积为12,345.67平方米")], width * EM))
        assert any("12,345.67" in line for line in found)
        assert any("GB/T9704-2012" in line for line in found)


def test_an_address_may_break_after_its_marks(frag):
    found = texts(broken([frag("https://zwfw.example.gov.cn/guide/11370102004189012X?from=notice")], 12 * EM))
    assert len(found) > 2
    assert all(line[-1] in linebreak.URL_BREAK for line in found[:-1])
    # what is wider than a line and has no such mark is cut where the line ends
    assert len(broken([frag("9" * 60)], 12 * EM)) > 2


def test_a_break_ends_the_line(frag):
    found = broken([frag("甲"), frag("", lineBreak=1), frag("", lineBreak=1), frag("乙")], 9 * EM)
    assert texts(found) == ["甲", "", "乙"]
    assert [line.lineBreak for line in found] == [True, True, False]


def test_a_line_is_spread_or_squeezed_only_so_far(frag):
    first = broken([frag("甲乙丙丁戊己庚辛")], 4.3 * EM)[0]
    ragged = broken([frag("甲乙9999999999")], 6 * EM)[0]
    assert linebreak.spacing(first, justify=True) == pytest.approx(0.1 * EM)
    assert linebreak.spacing(first, justify=False) == 0
    assert linebreak.spacing(ragged, justify=True) == 0  # 3 em over one gap would look like spaced-out text
    squeezed = broken([frag("字" * 28 + "。后")], 28.2 * EM)[0]
    assert linebreak.spacing(squeezed, justify=False) < 0


def test_an_image_is_kept_when_a_paragraph_is_cut(frag):
    image = type("Image", (), {"width": EM, "height": EM, "kind": "img", "valign": "bottom"})()
    line = broken([frag("甲"), frag("", cbDefn=image), frag("乙")], 9 * EM)[0]
    assert [getattr(part, "cbDefn", None) for part in line.source] == [None, image, None]


SIGNS = "一二三四五，。；：！？、“”‘’《》（）〔〕……——abc019.,%-/ "
ANY = st.text(st.sampled_from(SIGNS), min_size=1, max_size=120)


@settings(max_examples=300, deadline=None, database=None)
@given(text=ANY, width=st.integers(4, 30))
def test_no_text_is_lost_and_no_rule_is_broken(frag, text, width):
    lines = broken([frag(text)], width * EM)
    assert "".join(part.text for line in lines for part in line.source) == text
    shown = texts(lines)
    assert re.sub(" +", "", "".join(shown)) == re.sub(" +", "", text)
    for line in lines:
        # extraSpace counts what is left; a squeezed line may owe a little
        assert line.extraSpace >= -linebreak.SQUEEZE * width * EM - 1e-6 or line.gaps <= 0
    # broken again, as the first half of a paragraph over two pages is, the lines are the same
    again = broken([part for line in lines for part in line.source], width * EM)
    assert texts(again) == shown


@settings(max_examples=300, deadline=None, database=None)
@given(text=st.text(st.sampled_from("一二三四五六七八，。；：”》）“《（"), min_size=1, max_size=120))
def test_lines_begin_and_end_properly(frag, text):
    # marks in rows longer than a line have no right place; the law does not write them
    if re.search("[，。；：”》）“《（]{4}", text):
        return
    shown = texts(broken([frag(text)], 12 * EM))
    assert not [line for line in shown[1:] if line[0] in linebreak.NO_START]
    assert not [line for line in shown[:-1] if line[-1] in linebreak.NO_END]


def test_installing_twice_changes_nothing(font_cache):
    typeset.stacks(font_cache)
    before = [getattr(patch.owner, patch.name) for patch in typeset.PATCHES]
    typeset.install()
    assert [getattr(patch.owner, patch.name) for patch in typeset.PATCHES] == before
    assert typeset.misfits() == []


@pytest.mark.parametrize("change", ["parameter", "gone", "relied on"])
def test_another_xhtml2pdf_is_refused(monkeypatch, change):
    monkeypatch.setattr(typeset, "_installed", False)
    if change == "parameter":
        monkeypatch.setattr(rp, "_split_blParaHard", lambda lines, start, stop: [])
    elif change == "gone":
        monkeypatch.delattr(rp.Paragraph, "breakLinesCJK")
    else:
        monkeypatch.setattr(rp, "makeCJKParaLine", lambda units: None)
    with pytest.raises(NoticeError) as refused:
        typeset.install()
    assert refused.value.code == "xhtml2pdf"
    assert typeset.WRITTEN_FOR in str(refused.value)


def test_rare_characters_are_mapped_in_utf16():
    """ISO 32000-1 9.10.3: five hexadecimal digits would be read as another character."""
    mapping = typeset._mapping(lambda: None)("AAAAAA+Serif", [0x4E00, 0x20164] + [0x41] * 150)
    assert "<00> <4E00>" in mapping
    assert "<01> <D840DD64>" in mapping
    assert re.findall(r"(\d+) beginbfchar", mapping) == ["100", "52"]


def test_one_face_is_registered_once(font_cache):
    stacks = typeset.stacks(font_cache)
    assert typeset.stacks(font_cache) is stacks
    assert stacks.lacks("镕堃喆䶮㛃𠅤 演示") == ""
    assert stacks.lacks("甲\U0001f600乙\U0001f600") == "\U0001f600"
