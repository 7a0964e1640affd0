"""The codes of RFC 6238, each good for its half minute and the two beside it, once."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import totp

SECRET = base64.b32encode(b"12345678901234567890").decode()
NOW = datetime(2026, 6, 17, 2, 0, 10, tzinfo=UTC)


# RFC 6238, appendix B (SHA-1), the last six of its eight digits.
@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_codes_of_the_standard(seconds: int, code: str) -> None:
    assert totp.code_of(SECRET, seconds // 30) == code
    moment = datetime.fromtimestamp(seconds, UTC)
    assert totp.matching_step(SECRET, code, moment, last=-1) == seconds // 30


def test_a_code_is_good_for_its_step_and_the_two_beside_it() -> None:
    for away, good in ((-2, False), (-1, True), (0, True), (1, True), (2, False)):
        code = totp.code_of(SECRET, totp.step_at(NOW) + away)
        assert (totp.matching_step(SECRET, code, NOW, last=0) is not None) is good, away


def test_a_code_is_good_once() -> None:
    step = totp.step_at(NOW)
    code = totp.code_of(SECRET, step)
    assert totp.matching_step(SECRET, code, NOW, last=step - 1) == step
    assert totp.matching_step(SECRET, code, NOW, last=step) is None
    assert totp.matching_step(SECRET, totp.code_of(SECRET, step - 1), NOW, last=step) is None
    assert totp.matching_step(SECRET, totp.code_of(SECRET, step + 1), NOW, last=step) == step + 1


@given(st.text(max_size=20))
def test_nothing_else_is_a_code(text: str) -> None:
    right = {totp.code_of(SECRET, totp.step_at(NOW) + away) for away in (-1, 0, 1)}
    assert text in right or totp.matching_step(SECRET, text, NOW, last=0) is None


@pytest.mark.parametrize("wrong", ["１２３４５６", "12345", "1234567", "28708a", "-28708", "²87082"])
def test_digits_of_other_scripts_are_no_digits(wrong: str) -> None:
    assert totp.matching_step(SECRET, wrong, NOW, last=0) is None


def test_what_the_picture_says() -> None:
    said = urlsplit(totp.address(SECRET, "一站", "wang lei"))
    assert (said.scheme, said.netloc) == ("otpauth", "totp")
    assert parse_qs(said.query) == {"secret": [SECRET], "issuer": ["一站"]}
    assert " " not in said.path + said.query


def test_secrets_and_recovery_codes_are_never_the_same() -> None:
    assert len({totp.new_secret() for _ in range(100)}) == 100
    codes = {totp.new_recovery_code() for _ in range(100)}
    assert len(codes) == 100
    code = codes.pop()
    assert len(base64.b32decode(totp.plain(code))) == 10
    assert totp.plain(f" {code.lower().replace('-', ' ')} ") == totp.plain(code)
    assert timedelta(seconds=totp.SECONDS) * (2 * totp.DRIFT + 1) == timedelta(seconds=90)
