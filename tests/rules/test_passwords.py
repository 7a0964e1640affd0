"""Which passwords a person may choose, and the one sentence that says why not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.account import new_password
from rules.passwords import easily_guessed, problems


def code(new: str, old: str | None = None) -> str:
    found = [*problems(new, old=old, username="wanglei", names=["王磊", "Lei Wang"])]
    assert len(found) <= 1
    assert all(p.field == "new" for p in found)
    return found[0].code if found else ""


@pytest.mark.parametrize(
    ("new", "why"),
    [
        ("", "too_short"),
        ("kx7!Qp2vZ", "too_short"),
        ("kx7!Qp2vZ" * 30, "too_long"),
        ("kx7!Qp2v\x00Zab", "characters"),
        ("kx7!Qp2v\nZab", "characters"),
        ("Old-good-words-7", "same"),
        ("xWangLei-7Qp2v!", "own_name"),
        ("办事大厅王磊的口令七号", "own_name"),
        ("qwertyuiop", "guessable"),
        ("1qaz2wsx3edc", "guessable"),
        ("Password123!", "guessable"),
        ("aaaaaaaaaaaaaaaa", "guessable"),
        ("abcabcabcabc", "guessable"),
        ("19900617abc", "guessable"),
        ("woaini1314520", "guessable"),
        ("zhengwu2026", "guessable"),
        ("ein-gutes-Passwort-7", ""),
        ("四个字的口令不够长吗", ""),
        ("kx7!Qp2vZm", ""),
    ],
)
def test_passwords(new: str, why: str) -> None:
    assert code(new, "Old-good-words-7") == why


def test_what_we_make_ourselves_would_be_accepted() -> None:
    assert [password for _ in range(200) if easily_guessed(password := new_password())] == []


@given(st.text(max_size=300))
def test_any_text_has_an_answer(new: str) -> None:
    assert code(new) in {"", "too_short", "too_long", "characters", "own_name", "guessable"}
