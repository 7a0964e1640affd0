from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.normalise import clean, fold


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
