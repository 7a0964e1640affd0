"""Docs that list things are asserted against the code."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

import config as settings
from config import Config, ConfigError
from run import parser

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


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"PORT": "eighty"}, "PORT"),
        ({"YIZHAN_DEMO": "perhaps"}, "YIZHAN_DEMO"),
        ({"YIZHAN_DEMO": "0"}, "SECRET_KEY must be set"),
        ({"SECRET_KEY": "short"}, "too weak"),
        ({"SECRET_KEY": "a" * 64}, "too weak"),
        ({"YIZHAN_LOCALE": "fr"}, "YIZHAN_LOCALE"),
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
