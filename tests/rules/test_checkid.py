from __future__ import annotations

import io
import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.checkid import run
from rules.identifiers import KINDS

TODAY = date(2026, 11, 21)
GOOD = "11010519491231002X"


def check(data: bytes, kind: str = "resident") -> tuple[int, list[dict[str, Any]]]:
    out = io.BytesIO()
    code = run(kind, io.BytesIO(data), out, TODAY)
    return code, [json.loads(line) for line in out.getvalue().decode().splitlines()]


def test_one_line_of_json_for_each_line() -> None:
    code, found = check(f"{GOOD}\n\n123\n".encode())
    assert code == 1
    assert found == [
        {"text": GOOD, "valid": True, "reason": None, "normalised": GOOD},
        {"text": "", "valid": False, "reason": "blank", "normalised": None},
        {"text": "123", "valid": False, "reason": "length", "normalised": None},
    ]


@pytest.mark.parametrize(
    "data",
    ["", GOOD, f"{GOOD}\n", f"\ufeff{GOOD}\r\n{GOOD}\r\n", f"{GOOD}\r\n{GOOD}"],
)
def test_all_valid_is_zero(data: str) -> None:
    code, found = check(data.encode())
    assert code == 0
    assert all(line["text"] == GOOD for line in found)


def test_the_text_stays_as_it_was_typed() -> None:
    _, found = check(" 110105 19491231 002x \n中文\u2028\n".encode())
    assert found[0] == {"text": " 110105 19491231 002x ", "valid": True, "reason": None, "normalised": GOOD}
    assert found[1]["text"] == "中文\u2028"


def test_chinese_is_written_as_it_is() -> None:
    out = io.StringIO()
    assert run("uscc", io.StringIO("一站\n"), out, TODAY) == 1
    assert '"一站"' in out.getvalue()


def test_other_encodings_are_named_not_guessed() -> None:
    code, found = check("身份证\n".encode("gb18030") + GOOD.encode() + b"\n")
    assert code == 1
    assert [line["reason"] for line in found] == ["encoding", None]
    assert found[0]["text"].startswith("\\x")


def test_text_streams_with_smuggled_bytes() -> None:
    stream = io.TextIOWrapper(io.BytesIO(b"\xff1\n1\n"), encoding="utf-8", errors="surrogateescape")
    out = io.StringIO()
    assert run("resident", stream, out, TODAY) == 1
    assert [json.loads(line)["reason"] for line in out.getvalue().splitlines()] == ["encoding", "length"]
    out.getvalue().encode()


def test_an_unknown_kind_is_the_callers_mistake() -> None:
    with pytest.raises(KeyError):
        run("passport", io.BytesIO(b""), io.BytesIO(), TODAY)


anything = st.binary() | st.text().map(str.encode) | st.lists(st.binary()).map(b"\r\n".join)


@given(st.sampled_from(sorted(KINDS)), anything)
def test_any_bytes_give_as_many_lines_as_there_are(kind: str, data: bytes) -> None:
    code, found = check(data, kind)
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    assert len(found) == len(lines)
    assert code == (0 if all(line["valid"] for line in found) else 1)
    assert all(list(line) == ["text", "valid", "reason", "normalised"] for line in found)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\ufeff")))
def test_text_comes_back_whole(text: str) -> None:
    _, found = check(text.encode() + b"\r\n")
    assert found[0]["text"] == text


@given(st.text(st.characters(exclude_characters="\n\r\ufeff")))
def test_text_streams_never_break_the_output(text: str) -> None:
    out = io.StringIO()
    run("resident", io.StringIO(text + "\n"), out, TODAY)
    assert len(out.getvalue().encode().decode().splitlines()) == 1
