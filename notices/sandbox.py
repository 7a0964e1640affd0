"""The templates' cage: what a template may say, and what a value may be.

Bodies are written by us today and by administrators tomorrow, so a template is treated as a stranger's: only
the node types listed here, no calls, no includes, no filters but a few, only known blocks and plain tags.
Tried against plain jinja2, each of these got through without it: a shell command by way of ``__globals__``,
``|safe``, ``autoescape false``, a method of a database row, and number, string and range bombs.

Values are plain data, capped, in Unicode NFC, and every string is escaped before the template sees it: markup
in a name prints as it was typed and fetches nothing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import DictLoader, StrictUndefined, TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import escape

from notices.catalog import HERE, NoticeError
from rules.words import N_

#: Characters in one string, unless its top-level key stands in LONG. 50,000 in one field took 20 pages.
CAP = 500
LONG = {"reasons": 4_000}
#: Rows of one list; characters in everything together; lists and mappings inside each other.
ROWS, TOTAL, DEPTH = 200, 60_000, 4

#: Invisible and without meaning in print, common in text pasted from web pages: left out silently.
INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))

ALLOWED_NODES = frozenset(
    {
        "Template",
        "Extends",
        "Block",
        "Output",
        "TemplateData",
        "Name",
        "Const",
        "Getattr",
        "Getitem",
        "If",
        "For",
        "CondExpr",
        "Compare",
        "Operand",
        "And",
        "Or",
        "Not",
        "Test",
        "Filter",
    }
)
ALLOWED_FILTERS = frozenset({"length", "join", "first", "last"})
#: The blocks of base.html a body may fill.
BLOCKS = frozenset({"body", "close", "receipt"})
#: Tags and attributes a body may use; the page, its styles and its pictures belong to base.html.
TAGS = frozenset({"p", "br", "span", "u", "table", "thead", "tbody", "tr", "th", "td"})
ATTRIBUTES = frozenset({"class", "width", "colspan", "rowspan"})


def _refuse(message: str, **params: Any) -> NoReturn:
    raise NoticeError("template", message, **params)


class _Markup(HTMLParser):
    """Reads a body's own markup (without its values) and refuses what is not listed above."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            _refuse(N_("A letter's body may not use <%(tag)s>"), tag=tag)
        for name, _ in attrs:
            if name not in ATTRIBUTES:
                _refuse(N_("A letter's body may not use the attribute %(name)s"), name=name)

    def handle_comment(self, data: str) -> None:
        _refuse(N_("A letter's body may not contain comments"))

    def handle_decl(self, decl: str) -> None:
        _refuse(N_("A letter's body may not contain declarations"))

    def handle_pi(self, data: str) -> None:
        _refuse(N_("A letter's body may not contain declarations"))

    def unknown_decl(self, data: str) -> None:
        _refuse(N_("A letter's body may not contain declarations"))


class _Environment(ImmutableSandboxedEnvironment):
    """The last wall behind ``check``: nothing is callable, whatever a template managed to name."""

    def is_safe_callable(self, obj: Any) -> bool:
        return False


def check(source: str) -> None:
    """Refuse a body template that says more than it may. Raises NoticeError with the line."""
    try:
        tree = _Environment().parse(source)
    except TemplateError as error:
        _refuse(N_("The template cannot be read: %(error)s"), error=str(error))
    for node in tree.find_all(nodes.Node):
        name = type(node).__name__
        if name not in ALLOWED_NODES:
            _refuse(N_("Line %(line)s: %(name)s is not allowed in a letter"), line=node.lineno, name=name)
        if isinstance(node, nodes.Filter) and node.name not in ALLOWED_FILTERS:
            _refuse(N_("Line %(line)s: the filter %(name)s is not allowed"), line=node.lineno, name=node.name)
        if isinstance(node, nodes.Block) and node.name not in BLOCKS:
            _refuse(N_("Line %(line)s: there is no block %(name)s to fill"), line=node.lineno, name=node.name)
        said = getattr(node, "attr", None) or getattr(node, "name", None)
        if isinstance(node, nodes.Name | nodes.Getattr) and (str(said).startswith("_") or said == "self"):
            _refuse(N_("Line %(line)s: %(name)s is not allowed in a letter"), line=node.lineno, name=said)
        # 200 rows in 200 rows are a page of one character each; a letter needs no loop in a loop
        if isinstance(node, nodes.For) and (
            node.recursive
            or any(i.find(nodes.For) for i in node.body)
            or any(isinstance(i, nodes.For) for i in node.body)
        ):
            _refuse(N_("Line %(line)s: a loop inside a loop is not allowed"), line=node.lineno)
    # A tag may not begin in one piece of text and end behind a value, so pieces are read one by one.
    for data in tree.find_all(nodes.TemplateData):
        markup = _Markup(convert_charrefs=False)
        markup.feed(data.data)
        if markup.rawdata:
            _refuse(N_("Line %(line)s: a tag is cut by a value"), line=data.lineno)
    first = tree.body[0] if tree.body else None
    if not (
        isinstance(first, nodes.Extends)
        and isinstance(first.template, nodes.Const)
        and first.template.value == "base.html"
    ):
        _refuse(N_("A letter's body begins with {%% extends “base.html” %%}"), line=1)


@lru_cache(maxsize=64)
def _template(base: str, body: str) -> Any:
    check(body)
    env = _Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=DictLoader({"base.html": base, "body.html": body}),
    )
    env.filters = {name: env.filters[name] for name in ALLOWED_FILTERS}
    env.globals.clear()
    return env.get_template("body.html")


def base_source(folder: Path = HERE) -> str:
    return (folder / "base.html").read_text(encoding="utf-8")


def fill(base: str, body: str, values: Mapping[str, Any], page: Mapping[str, Any]) -> str:
    """The letter as HTML. values: from ``plain``; page: what base.html alone uses, from this room.

    Raises NoticeError for a template that is not allowed or names a value that is not there.
    """
    try:
        return str(_template(base, body).render(page=page, **_escaped(values)))
    except TemplateError as error:
        _refuse(N_("The template cannot be filled: %(error)s"), error=str(error))


def _escaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _escaped(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_escaped(inner) for inner in value]
    return escape(value) if isinstance(value, str) else value


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """*values* checked and cleaned: str, int, bool and None in lists and mappings, nothing else.

    Raises NoticeError naming the top-level key: too long, too many rows, a character that cannot be printed.
    """
    cleaned = {key: _clean(key, inner, 1) for key, inner in values.items()}
    for key, cap in LONG.items():  # also when it comes in many paragraphs
        if (size := _size(cleaned.get(key, ""))) > cap:
            raise NoticeError(
                "too_long",
                N_("“%(key)s” has %(size)s characters; %(cap)s are allowed"),
                field=key,
                key=key,
                size=size,
                cap=cap,
            )
    if (size := _size(cleaned)) > TOTAL:
        raise NoticeError(
            "too_long", N_("The letter holds %(size)s characters; %(cap)s are allowed"), size=size, cap=TOTAL
        )
    return cleaned


def _clean(key: str, value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool) or type(value) is int:
        return value
    if isinstance(value, str):
        return text(key, value)
    if depth < DEPTH and isinstance(value, list | tuple):
        if len(value) > ROWS:
            raise NoticeError(
                "too_long",
                N_("“%(key)s” has %(size)s rows; %(cap)s are allowed"),
                field=key,
                key=key,
                size=len(value),
                cap=ROWS,
            )
        return [_clean(key, inner, depth + 1) for inner in value]
    if depth < DEPTH and isinstance(value, Mapping):
        return {str(name): _clean(key, inner, depth + 1) for name, inner in value.items()}
    raise NoticeError(
        "not_plain",
        N_("“%(key)s” is %(kind)s, which a letter cannot hold"),
        field=key,
        key=key,
        kind=type(value).__name__,
    )


def text(key: str, value: str) -> str:
    """*value* in NFC without invisible characters. Raises NoticeError: too long, or not printable."""
    # str() of a Markup would still claim to be safe: only its letters are taken.
    value = unicodedata.normalize("NFC", "".join(value)).translate(INVISIBLE)
    value = value.replace("\r\n", "\n").replace("\t", " ")
    if len(value) > LONG.get(key, CAP):
        raise NoticeError(
            "too_long",
            N_("“%(key)s” has %(size)s characters; %(cap)s are allowed"),
            field=key,
            key=key,
            size=len(value),
            cap=LONG.get(key, CAP),
        )
    for char in value:
        # Cc control, Cf format (turns the reading direction of a line around), Cs, Co private use, Cn none
        if char != "\n" and unicodedata.category(char)[0] == "C":
            raise NoticeError(
                "character",
                N_("“%(key)s” holds U+%(char)s, which cannot be printed"),
                field=key,
                key=key,
                char=f"{ord(char):04X}",
            )
    return value


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return sum(_size(inner) for inner in value.values())
    if isinstance(value, list):
        return sum(_size(inner) for inner in value)
    return len(value) if isinstance(value, str) else 1
