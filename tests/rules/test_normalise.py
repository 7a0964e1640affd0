from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.normalise import _syllables, clean, fold, without_pinyin


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("", ""),
        (" \u3000\t\r\n", ""),
        ("  企业\u3000\u3000设立 \n登记 ", "企业 设立 登记"),
        ("\ufeff事\u200b项\u2060", "事项"),
        ("a\xa0b", "a b"),
        ("cafe\u0301", "caf\u00e9"),
        ("（Ａ）", "（Ａ）"),  # full width is right in Chinese text and stays
    ],
)
def test_clean(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("", ""),
        ("Ａ１ （甲）", "a1(甲)"),
        ("企业\u3000设立", "企业设立"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("\u200bＷｉＦｉ\ufeff", "wifi"),
        ("e \u0301", "\u00e9"),
    ],
)
def test_fold(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(st.text())
def test_clean_is_settled_after_once(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert once == once.strip()
    assert unicodedata.is_normalized("NFC", once)
    assert not set(once) & set("\n\r\t\u3000\u200b\ufeff")
    assert "  " not in once


@given(st.text())
def test_fold_is_settled_after_once_and_blind_to_cleaning(text: str) -> None:
    once = fold(text)
    assert fold(once) == once
    assert fold(clean(text)) == once
    assert not any(char.isspace() for char in once)


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E)))
def test_full_width_is_found_by_half_width(text: str) -> None:
    assert fold("".join(chr(ord(char) + 0xFEE0) for char in text)) == fold(text)


# --- readings in brackets -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "left", "taken"),
    [
        ("優(yōu)化營(yíng)商", "優化營商", ("(yōu)", "(yíng)")),
        ("優（yōu）化", "優化", ("（yōu）",)),
        ("政務(wù)服務(wu)", "政務服務", ("(wù)", "(wu)")),
        ("绿(lǜ)女(nü)", "绿女", ("(lǜ)", "(nü)")),
        ("广(ɡuǎnɡ)告", "广告", ("(ɡuǎnɡ)",)),  # the script g of phonetic fonts
        ("亳州（bó zhōu）市", "亳州市", ("（bó zhōu）",)),
        ("行(xíng)(háng)", "行", ("(xíng)", "(háng)")),
        ("附件(ā)", "附件", ("(ā)",)),
        ("优(yo\u0304u)", "优", ("(yo\u0304u)",)),  # the tone as a mark of its own
    ],
)
def test_readings_are_taken_out(text: str, left: str, taken: tuple[str, ...]) -> None:
    assert without_pinyin(text) == (left, taken)


@pytest.mark.parametrize(
    "text",
    [
        "PM(2.5)",
        "同意（OK）",
        "X(abc)科",
        "科(abc)",
        "附件(a)",
        "标准(ISO)",
        "甲(Yi)",  # no small letters: a name
        "（yī）",  # nothing stands before it
        "优 (yōu)",
        "优(yōu",
        "优()",
        "中(zhōng guó)",  # two readings, one character
        "级(甲)",
        "优(youu)",
        "",
    ],
)
def test_other_brackets_stay(text: str) -> None:
    assert without_pinyin(text) == (text, ())


@given(st.text(st.sampled_from("优化科(（)）yōuwùa Xé'"), max_size=30))
def test_taking_readings_out_is_done_at_once(text: str) -> None:
    left, taken = without_pinyin(text)
    assert without_pinyin(left) == (left, ())
    assert len(left) + sum(map(len, taken)) == len(text)


@given(st.text())
def test_taking_readings_out_never_raises(text: str) -> None:
    left, taken = without_pinyin(text)
    assert bool(taken) == (left != text)


def test_every_syllable_is_known() -> None:
    """A few of each kind, and what is none."""
    known = _syllables()
    assert {"a", "er", "ng"} & known == {"a", "er"}
    assert {"zhuang", "chuang", "shuang", "lve", "nv", "xiong", "yuan", "weng", "rua", "quan"} <= known
    assert not {"fe", "bui", "jong", "yv", "wi", "kei2", "zhg", "ve"} & known
