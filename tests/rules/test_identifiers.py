"""Numbers as the standards print them, and what one slip of the finger does to them."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.identifiers import (
    KINDS,
    REASONS,
    check_basic_code,
    check_implementation_code,
    check_resident,
    check_uscc,
    mask_identifier,
)

TODAY = date(2026, 11, 21)
ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
DIGITS = "0123456789"
CITY = "11440100007482575H"
IMPLEMENTATION = CITY + "3" + "440118009000"


def resident(body: str) -> str:
    """*body* (17 digits) with its check character: ISO 7064 mod 11-2 digit by digit, not by weights."""
    value = 0
    for digit in body:
        value = (value + int(digit)) * 2 % 11
    return body + "0123456789X"[(12 - value) % 11]


def uscc(head: str, organisation: str) -> str:
    """8 + 8 characters with both check characters, by powers of 3 and letters by their code points."""
    values = [ord(c) - 48 if c.isdigit() else ord(c) - 55 for c in organisation]
    rest = 11 - sum(v * w for v, w in zip(values, (3, 7, 9, 10, 5, 8, 4, 2), strict=True)) % 11
    body = head + organisation + {10: "X", 11: "0"}.get(rest, str(rest))
    total = sum(ALPHABET.index(c) * pow(3, i, 31) for i, c in enumerate(body))
    return body + ALPHABET[-total % 31]


births = st.dates(date(1850, 1, 1), TODAY)
provinces = st.sampled_from(["11", "15", "21", "23", "31", "37", "46", "50", "54", "65", "71", "81", "83"])
places = st.text(DIGITS, min_size=4, max_size=4)
serials = st.text(DIGITS, min_size=3, max_size=3)
residents = st.builds(lambda p, r, d, n: resident(f"{p}{r}{d:%Y%m%d}{n}"), provinces, places, births, serials)
eight = st.text(ALPHABET, min_size=8, max_size=8)
usccs = st.builds(uscc, eight, eight)


@pytest.mark.parametrize(
    "text",
    [
        "11010519491231002X",  # printed in GB 11643-1999
        "440524188001010014",  # printed in GB 11643-1999
        "11010519491231002x",
        " 110105 19491231 002X ",
        "１１０１０５１９４９１２３１００２Ｘ",
        "\ufeff110105\u300019491231\u200b002X\r\n",
        resident("81000019900101001"),
        resident("82000019900101001"),
        resident("83000019900101001"),
        resident("91115619900101001"),  # permanent residence card of a foreigner
        resident("11010520261121001"),  # born today
        resident("11010518500101001"),
        resident("11010520000229001"),
    ],
)
def test_resident_numbers_that_are_right(text: str) -> None:
    verdict = check_resident(text, TODAY)
    assert (verdict.valid, verdict.reason, verdict.text) == (True, None, text)
    assert verdict.normalised is not None
    assert len(verdict.normalised) == 18
    assert check_resident(verdict.normalised, TODAY).normalised == verdict.normalised


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "blank"),
        (" \u3000\u200b", "blank"),
        ("110105491231002", "length"),  # first generation, no longer valid since 2013
        ("11010519491231002", "length"),
        ("1101051949123100200", "length"),
        ("X1010519491231002X", "characters"),
        ("1101051949123100X2", "characters"),
        ("11010519491231002Y", "characters"),
        ("11010519491231002٣", "characters"),  # a digit, but not one of ours
        ("110105-1949123102X", "characters"),
        (resident("01010519491231002"), "province"),
        (resident("16010519491231002"), "province"),
        (resident("84010519491231002"), "province"),
        (resident("11010520230229001"), "date"),
        (resident("11010519000229001"), "date"),
        (resident("11010519491301002"), "date"),
        (resident("11010500001231002"), "date"),
        (resident("11010518491231002"), "date"),
        (resident("11010520261122001"), "future_date"),
        (resident("11010520990101001"), "future_date"),
        ("110105194912310020", "checksum"),
        ("110105194912310021", "checksum"),
    ],
)
def test_resident_numbers_that_are_wrong(text: str, reason: str) -> None:
    verdict = check_resident(text, TODAY)
    assert (verdict.valid, verdict.reason, verdict.normalised) == (False, reason, None)


@given(residents)
def test_a_made_resident_number_passes(number: str) -> None:
    assert check_resident(number, TODAY).normalised == number


@given(residents)
def test_any_single_wrong_character_in_a_resident_number_is_caught(number: str) -> None:
    for place in range(18):
        for other in DIGITS + "X":
            if other != number[place]:
                assert not check_resident(number[:place] + other + number[place + 1 :], TODAY).valid


@given(residents)
def test_any_swapped_neighbours_in_a_resident_number_are_caught(number: str) -> None:
    for place in range(17):
        a, b = number[place], number[place + 1]
        if a != b:
            assert not check_resident(number[:place] + b + a + number[place + 2 :], TODAY).valid


@given(births.filter(lambda d: d > date(1850, 1, 2)))
def test_a_birth_date_is_good_from_its_own_day_on(born: date) -> None:
    number = resident(f"110105{born:%Y%m%d}001")
    assert check_resident(number, born).valid
    assert check_resident(number, born - timedelta(days=1)).reason == "future_date"


@pytest.mark.parametrize("text", [CITY, "11440100007483172Q", CITY.lower(), "1144 0100 0074 8257 5H"])
def test_credit_codes_of_real_city_offices(text: str) -> None:
    assert check_uscc(text).valid
    assert check_uscc(text, strict=False).valid


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "blank"),
        (CITY[:-1], "length"),
        ("11440100007482575I", "characters"),
        ("1144010000748257Ö5", "characters"),
        ("11440100007482575J", "checksum"),
        ("TE1234567890123456", "checksum"),
    ],
)
def test_credit_codes_that_are_wrong(text: str, reason: str) -> None:
    verdict = check_uscc(text)
    assert (verdict.valid, verdict.reason, verdict.normalised) == (False, reason, None)


def test_the_organisation_code_inside_is_checked_too() -> None:
    wrong = CITY[:16] + ("6" if CITY[16] != "6" else "7")
    total = sum(ALPHABET.index(c) * pow(3, i, 31) for i, c in enumerate(wrong))
    assert check_uscc(wrong + ALPHABET[-total % 31]).reason == "organisation_checksum"


def test_a_total_divisible_by_31_asks_for_a_zero() -> None:
    found = [n for n in (uscc(f"9133010{i % 10}", f"{i:08d}") for i in range(200)) if n.endswith("0")]
    assert found
    assert all(check_uscc(number).valid for number in found)


@pytest.mark.parametrize("text", ["TE1234567890123456", "te1234567890123456", "TSVIOZ123456789012"])
def test_a_temporary_code_is_not_valid_but_can_be_kept(text: str) -> None:
    verdict = check_uscc(text, strict=False)
    assert (verdict.valid, verdict.reason, verdict.normalised) == (False, "temporary", text.upper())


def test_lenience_is_for_temporary_codes_only() -> None:
    assert check_uscc("11440100007482575J", strict=False).reason == "checksum"
    assert check_uscc("TE12345", strict=False).reason == "length"
    assert check_uscc("TE123456789012345_", strict=False).reason == "characters"


@given(usccs)
def test_a_made_credit_code_passes(number: str) -> None:
    assert check_uscc(number).normalised == number


@given(usccs)
def test_any_single_wrong_character_in_a_credit_code_is_caught(number: str) -> None:
    for place in range(18):
        for other in ALPHABET + "IOSVZ":
            if other != number[place]:
                assert not check_uscc(number[:place] + other + number[place + 1 :]).valid


@pytest.mark.parametrize("text", ["440118009000", "440106043001", "000131001000", "４４０１１８００９０００"])
def test_basic_codes_that_are_right(text: str) -> None:
    assert check_basic_code(text).valid


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "blank"),
        ("44011800900", "length"),
        ("511A0138000000", "length"),  # a local scheme
        ("44011800900A", "characters"),
        ("990118009000", "province"),
        ("441118009000", "type"),
        ("440018009000", "type"),
    ],
)
def test_basic_codes_that_are_wrong(text: str, reason: str) -> None:
    assert check_basic_code(text).reason == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (IMPLEMENTATION, None),
        ("11440100007483172Q" + "3" + "440106043001", None),
        (IMPLEMENTATION.lower(), None),
        (CITY + "1" + "000131001000", None),
        (CITY + "6" + "440118009000", None),
        ("", "blank"),
        (IMPLEMENTATION + "01", "length"),  # with the two digits of a variant
        (IMPLEMENTATION.replace("H", "中"), "characters"),
        (IMPLEMENTATION.replace("H", "J"), "checksum"),
        (CITY + "0" + "440118009000", "level"),
        (CITY + "7" + "440118009000", "level"),
        (CITY + "3" + "990118009000", "province"),
        (CITY + "3" + "449918009000", "type"),
        ("TE1234567890123456" + "4" + "440118009000", "temporary"),
        ("TE1234567890123456" + "4" + "449918009000", "type"),
    ],
)
def test_implementation_codes(text: str, reason: str | None) -> None:
    verdict = check_implementation_code(text)
    assert (verdict.valid, verdict.reason) == (reason is None, reason)
    assert (verdict.normalised is not None) == (reason in (None, "temporary"))


def test_kinds_answer_in_one_shape() -> None:
    assert set(KINDS) == {"resident", "uscc", "basic-code", "implementation-code"}
    good = {
        "resident": "11010519491231002X",
        "uscc": CITY,
        "basic-code": "440118009000",
        "implementation-code": IMPLEMENTATION,
    }
    for kind, check in KINDS.items():
        for other, number in good.items():
            assert check(number, TODAY).valid == (kind == other)


@given(st.sampled_from(sorted(KINDS)), st.text() | st.text(ALPHABET, max_size=32))
def test_no_text_breaks_a_check_and_every_reason_has_words(kind: str, text: str) -> None:
    verdict = KINDS[kind](text, TODAY)
    assert verdict.text == text
    assert verdict.valid == (verdict.reason is None)
    assert verdict.reason is None or verdict.reason in REASONS


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("11010519491231002X", "1101**********002X"),
        (IMPLEMENTATION, "1144" + "*" * 23 + "9000"),
        ("13812345678", "138****5678"),
        ("abc", "a*c"),
        ("张三", "张*"),
        ("张", "*"),
        ("", ""),
    ],
)
def test_masking(text: str, masked: str) -> None:
    assert mask_identifier(text) == masked


@given(st.text() | st.from_regex(r"1[0-9]{10}", fullmatch=True))
def test_masking_keeps_the_length_and_hides_something(text: str) -> None:
    masked = mask_identifier(text)
    assert len(masked) == len(text)
    assert mask_identifier(masked) == masked
    assert not text or "*" in masked
