"""Rows as HTML. In Python, not in a template: there, 25 rows were a thousand calls and half of the page's time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from markupsafe import Markup, escape

from forms.convert import specs
from views.display import Cell, cell, gettext, href, label_of

# The last cell that still has its place where a screen is narrow.
LAST_NARROW = 3


def cell_html(shown: Cell) -> Markup:
    """One value: a coloured label, a limit with its date below, a link, lines, or plain text; a dash for none."""
    text = escape(shown.text)
    if shown.tag:
        return Markup(f'<span class="tag {escape(shown.tone)}">{text}</span>')
    if shown.note:
        return Markup(
            f'<span class="due {escape(shown.tone)}">{text}</span><span class="sub">{escape(shown.note)}</span>'
        )
    if shown.href:
        return Markup(f'<a href="{escape(shown.href)}">{text}</a>')
    if shown.lines:
        return Markup("".join(f'<span class="line">{escape(line)}</span>' for line in shown.lines))
    return text or Markup("—")


def row_cells(
    row: Any,
    cells: Sequence[Sequence[str]],
    registry: str,
    linked: bool,
    heads: Sequence[Any] = (),
    kept: Collection[str] = (),
) -> Markup:
    """The ``<td>`` of one row. cells: names of each column, the first above, the others below it in small letters.

    linked: the first value leads to the row's page. heads: the columns' heads, which a value repeats on a narrow screen
    that says nothing by itself (a number, yes, no). kept: what somebody asked for, so that it is not left out where the
    screen is narrow.
    """
    found = []
    bare = {gettext("Yes"), gettext("No")}
    for index, names in enumerate(cells):
        first = cell(row, names[0])
        if index == 0 and linked:
            above = f'<a href="{escape(href(registry, row.id))}">{escape(first.text or row.id)}</a>'
        else:
            above = str(cell_html(first))
        below = (cell(row, name).text for name in names[1:])
        rest = "".join(f'<span class="sub">{escape(text)}</span>' for text in below if text)
        kind = ""
        if (index > LAST_NARROW and names[0] not in kept and not first.tag) or (index and not first.text):
            kind = ' class="hide"'
        elif index and first.tag:
            kind = ' class="state"'
        elif heads and (index > LAST_NARROW or first.text.isdigit() or first.text in bare or is_day(row, names[0])):
            kind = f' data-head="{escape(heads[index]["label"])}"'
        found.append(f"<td{kind}>{above}{rest}</td>")
    return Markup("".join(found))


def is_day(row: Any, name: str) -> bool:
    spec = specs(type(row)).get(name)
    return spec is not None and spec.kind == "date"


def tick(row: Any, word: str) -> Markup:
    """The box by which a row is chosen; it carries the version that was seen. word: "select", in the reader's words."""
    label = escape(f"{word} {label_of(row)}")
    value = f"{row.id}:{getattr(row, 'version', '')}"
    return Markup(f'<td class="tick"><input type="checkbox" name="row" value="{value}" aria-label="{label}"></td>')
