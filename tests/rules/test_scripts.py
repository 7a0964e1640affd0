from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import scripts
from rules.scripts import VOCABULARY, classes, others, simplified

HAN = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), max_size=12)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("優化", "优化"),
        ("资讯", "资讯"),
        ("資訊共用", "资讯共用"),
        ("ABC 1", "ABC 1"),
        ("（發）A髮", "（发）A发"),
        ("", ""),
    ],
)
def test_simplified(text: str, plain: str) -> None:
    assert simplified(text) == plain


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("优化", "優化"),
        ("理发", "理髮"),
        ("发展", "發展"),
        ("王后", "王后"),
        ("以后", "以後"),
        ("台湾", "臺灣"),
        ("台湾", "台灣"),
        ("台风", "颱風"),
        ("为民", "為民"),  # as Taiwan and Hong Kong write it
        ("为民", "爲民"),  # as OpenCC's standard does
        ("群众", "群眾"),
        ("群众", "群衆"),
        ("里程", "里程"),
        ("这里", "這裡"),
        ("干部", "幹部"),
        ("著作权", "著作權"),
        ("臺灣", "台灣"),
        ("為民", "爲民"),
    ],
)
def test_either_is_found_by_the_other(one: str, other: str) -> None:
    for asked, stored in ((one, other), (other, one), (one, one), (other, other)):
        places = classes(asked)
        assert len(places) == len(stored)
        assert all(c in place for c, place in zip(stored, places, strict=True)), (asked, stored, places)


@pytest.mark.parametrize(("typed", "not_meant"), [("髮", "發"), ("發", "髮"), ("後", "發"), ("化", "优")])
def test_what_only_looks_alike_in_the_other_script_is_not_found(typed: str, not_meant: str) -> None:
    assert not_meant not in classes(typed)[0]


def test_what_is_written_alike_stays_alone() -> None:
    assert classes("公告ABC-1（") == list("公告ABC-1（")


@given(HAN)
def test_each_place_begins_with_what_was_typed_and_is_small(word: str) -> None:
    places = classes(word)
    assert "".join(place[0] for place in places) == word
    assert all(len(set(place)) == len(place) <= 12 for place in places)


@given(HAN)
def test_simplified_is_among_the_variants(word: str) -> None:
    plain = simplified(word)
    assert len(plain) == len(word)
    assert all(c in place for c, place in zip(plain, classes(word), strict=True))


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        *VOCABULARY,
        ("資訊共用", "信息共享"),
        ("網際網路", "互联网"),
        ("到府辦理", "上门办理"),
        ("资讯共用平台", "信息共享平台"),
        ("房屋仲介服务", "房屋中介服务"),
    ],
)
def test_vocabulary_works_both_ways(said: str, meant: str) -> None:
    assert others(said) == (meant,)
    assert others(meant) == (simplified(said),)


@pytest.mark.parametrize("word", ["", "ABC", "优化", "公告", "资", "共用"])
def test_most_words_have_no_counterpart(word: str) -> None:
    assert others(word) == ()


def test_no_more_than_a_few_counterparts() -> None:
    assert len(others("".join(said for said, _ in VOCABULARY))) == scripts.MOST_OTHERS


def test_vocabulary_is_in_simplified_characters() -> None:
    """It is compared with what was typed, made Simplified."""
    assert all(simplified(word) == word for pair in VOCABULARY for word in pair)
    words = [word for pair in VOCABULARY for word in pair]
    assert len(words) == len({*words})
