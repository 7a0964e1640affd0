"""What an answer says, to be compared letter by letter with another one: status, body, headers, length."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

# Rows of the owner have ids from here on (tests/views/house.py), and this one nobody has.
FIRST_ID = 7_000_000
NOBODYS_ID = 7_999_999
# These differ from one request to the next, or are told apart below.
PASSING = {"Date", "Set-Cookie", "Content-Length"}
LENGTH = re.compile(r"\nlength \d+")
FORM_NUMBER = re.compile(rb'name="form" value="(\d+)"')


def headers_of(answer: Any) -> str:
    """Every header, one a line, with file names as people read them; and how long the body is.

    The number of a form is drawn anew each time and may be a digit longer, so it does not count.
    """
    body = answer.get_data()
    told = [f"{name}: {value}" for name, value in answer.headers if name not in PASSING]
    told = [unquote(line) if line.startswith("Content-Disposition") else line for line in told]
    length = len(body) - sum(map(len, FORM_NUMBER.findall(body)))
    if answer.headers.get("Content-Length", str(len(body))) != str(len(body)):
        told.append("Content-Length is not the length of the body")
    return "\n".join(["", *sorted(told), f"length {length}"])


def everything_said(answer: Any) -> str:
    return answer.get_data().decode("utf-8", "replace") + headers_of(answer)


def blotted(body: str, pk: int = NOBODYS_ID) -> str:
    """*body* without CSRF tokens and numbers of forms, and without the ids under comparison (small ones only where an
    address has them)."""
    body = re.sub(r'(name="csrf-token" content|name="(csrf_token|form)" value)="[^"]+"', r"\1", body)
    body = re.sub(rf"(/|%2F|%3D|[?&;]\w+=){pk}(?!\w)", r"\1#", body)
    return re.sub(rf"{FIRST_ID // 10_000}\d{{4}}|{NOBODYS_ID}", "#", body)


def differ(theirs: str, nobodys: str, pk: int) -> bool:
    """Is what was said about the row *pk* anything else than what was said about one that nobody has?"""
    said = [blotted(theirs, pk), blotted(nobodys)]
    if len(str(pk)) != len(str(NOBODYS_ID)):  # addresses say the id again, a shorter one is said in fewer letters
        said = [LENGTH.sub("", one) for one in said]
    return said[0] != said[1]


def apart(one: str, other: str) -> str:
    """Where two answers part, for whoever has to find out why."""
    lines = zip(one.replace("><", ">\n<").split("\n"), other.replace("><", ">\n<").split("\n"), strict=False)
    return next((f"{a[:200]!r}, not {b[:200]!r}" for a, b in lines if a != b), "one says more at the end")
