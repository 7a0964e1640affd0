"""Docs that list things are asserted against the code."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import MISSING, fields
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

import config as settings
from config import Config, ConfigError
from models import base, declare
from rules import lifecycle
from run import parser
from views.checks import CODES

ROOT = Path(__file__).resolve().parent.parent
RUN = (ROOT / "docs/run.md").read_text(encoding="utf-8")


def test_settings_table() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.+?) \| (.+?) \|$", RUN, re.MULTILINE)
    assert [(name, text) for name, _, text in rows] == [(f.metadata["env"], f.metadata["help"]) for f in fields(Config)]


def test_every_command_is_described() -> None:
    commands = parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
    for name in commands or ():
        assert f"`python run.py {name}" in RUN, name


def test_make_help_names_what_readme_promises() -> None:
    targets = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"run", "test", "check", "migration", "messages", "bench", "pictures", "help"} <= targets


def test_links_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"


STRONG = "kx7Qp2vZm-4tRb9wLc6Yd3Nf8Hs5Jg1Ae"


def test_every_promise_of_security_is_tried() -> None:
    page = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page)
    assert len(named) > 40
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), test
    rows = [line for line in page.splitlines() if line.startswith("| ") and "`tests/" in line]
    assert len(rows) == len(named)


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"PORT": "eighty"}, "PORT"),
        ({"YIZHAN_DEMO": "perhaps"}, "YIZHAN_DEMO"),
        ({"YIZHAN_DEMO": "0"}, "SECRET_KEY must be set"),
        ({"SECRET_KEY": "short"}, "too weak"),
        ({"SECRET_KEY": "a" * 64}, "too weak"),
        ({"YIZHAN_LOCALE": "fr"}, "YIZHAN_LOCALE"),
        ({"YIZHAN_DEMO": "0", "SECRET_KEY": STRONG}, "YIZHAN_HTTPS"),
        ({"YIZHAN_DEMO": "0", "SECRET_KEY": STRONG, "YIZHAN_HTTPS": "1"}, "BASE_URL"),
        ({"YIZHAN_DEMO": "0", "SECRET_KEY": STRONG, "YIZHAN_HTTPS": "1", "BASE_URL": "http://x"}, "BASE_URL"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_a_sentence(
    environ: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        settings.read(environ, instance=tmp_path)


def test_the_secret_is_made_once_and_private(tmp_path: Path) -> None:
    first = settings.read({}, instance=tmp_path / "new").secret_key
    assert settings.read({}, instance=tmp_path / "new").secret_key == first
    assert (tmp_path / "new" / "secret_key").stat().st_mode & 0o777 == 0o600
    assert len(first) >= 32


# --- docs/declaration.md -------------------------------------------------------------------------------------------

DECLARATION = (ROOT / "docs/declaration.md").read_text(encoding="utf-8")
DATACLASSES: tuple[Any, ...] = (
    *(declare.Admin, declare.Group, declare.Grant, declare.Action, declare.Reminder, declare.Todo),
    *(declare.Clock, declare.Desk, declare.Figure, declare.Tally, declare.Block, declare.Page, declare.Control),
    *(declare.Remark, declare.Public, lifecycle.Lifecycle, lifecycle.Move),
)
ENUMS: tuple[type[Enum], ...] = (declare.Reach, declare.Role, declare.MenuGroup)
FUNCTIONS: tuple[Callable[..., Any], ...] = (base.field, base.ref)


def table(title: str) -> list[list[str]]:
    """The rows of the first table under that heading, without its head."""
    [section] = re.findall(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", DECLARATION, re.MULTILINE | re.DOTALL)
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def default_of(one: Any) -> str:
    value = one.default if one.default is not MISSING else one.default_factory
    if value is MISSING:
        return "required"
    if one.default is MISSING:
        value = value()
    if isinstance(value, Enum):
        return f"`{type(value).__name__}.{value.name}`"
    if isinstance(value, str):
        return f'`"{value}"`'
    return "`Desk()`" if isinstance(value, declare.Desk) else f"`{value!r}`"


@pytest.mark.parametrize("cls", DATACLASSES, ids=lambda cls: cls.__name__)
def test_every_word_of_the_declaration_is_described(cls: Any) -> None:
    rows = table(f"`{cls.__name__}`")
    assert [row[:3] for row in rows] == [[f"`{f.name}`", f"`{f.type}`", default_of(f)] for f in fields(cls)]
    assert all(row[3].endswith(".") for row in rows)


def test_no_part_of_the_declaration_is_left_out() -> None:
    parts = {*DATACLASSES, *ENUMS}
    for module in (declare, lifecycle):
        here = {c for c in vars(module).values() if inspect.isclass(c) and c.__module__ == module.__name__}
        assert here <= parts


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_every_word_of_a_column_is_described(function: Callable[..., Any]) -> None:
    expected = []
    for name, one in inspect.signature(function).parameters.items():
        shown = {one.VAR_POSITIONAL: f"*{name}", one.VAR_KEYWORD: f"**{name}"}.get(one.kind, name)
        stars = shown != name
        default = "none" if stars else "required" if one.default is one.empty else f"`{one.default!r}`"
        expected.append([f"`{shown}`", f"`{one.annotation}`", default.replace("'", '"')])
    assert [row[:3] for row in table(f"`{function.__name__}`")] == expected


@pytest.mark.parametrize("enum", ENUMS, ids=lambda enum: enum.__name__)
def test_every_member_is_described(enum: type[Enum]) -> None:
    rows = table(f"`{enum.__name__}`")
    assert [row[:2] for row in rows] == [[f"`{m.name}`", f"`{m.value}`"] for m in enum]
    assert all(row[2].endswith(".") for row in rows)


def test_examples_are_taken_from_the_product() -> None:
    said = " ".join(" ".join(p.read_text(encoding="utf-8").split()) for p in sorted((ROOT / "models").glob("*.py")))
    for part in (*DATACLASSES, *FUNCTIONS):
        for row in table(f"`{part.__name__}`"):
            assert row[4] == "—" or row[4].strip("`") in said, f"{part.__name__}.{row[0]}: {row[4]}"


def test_the_grammar_of_filters_names_every_suffix() -> None:
    asked = " ".join(row[0] for row in table("The grammar of filters"))
    source = (ROOT / "views/filters.py").read_text(encoding="utf-8")
    for suffix in set(re.findall(r"__[a-z]+(?=[\"}])", source)) | {"overdue", "me"}:
        assert suffix in asked, suffix


def test_every_code_is_described() -> None:
    assert dict(table("Codes")) == {f"`{code}`": meaning for code, meaning in CODES.items()}
    assert len(table("Codes")) == len(CODES)
    assert {*re.findall(r"\bD\d{3}\b", DECLARATION)} == {*CODES}
