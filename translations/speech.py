"""A message in a given language, outside of any request: files and jobs are read by people, too."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from gettext import GNUTranslations, NullTranslations
from typing import Any

from translations.catalog import LOCALES, path_of


@cache
def _catalogue(locale: str) -> NullTranslations:
    path = path_of(locale, ending="mo")
    if locale not in LOCALES or not path.exists():
        return NullTranslations()
    with path.open("rb") as stream:
        return GNUTranslations(stream)


def say(locale: str, message: str, params: Mapping[str, Any] | None = None) -> str:
    """*message* in the language *locale*, filled. Texts among the values are said as well: they may be messages."""
    text = _catalogue(locale).gettext(message) if message else ""
    if not params:
        return text
    return text % {name: say(locale, value) if isinstance(value, str) else value for name, value in params.items()}


@cache
def readings(message: str) -> tuple[str, ...]:
    """How *message* is written in every language of the pages, the message itself included."""
    return tuple(dict.fromkeys([*(say(locale, message) for locale in LOCALES), message]))
