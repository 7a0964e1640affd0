"""What tests read from a page: its texts, what its inputs hold, the links and rows it shows."""

from __future__ import annotations

import html
import re
from typing import Any

from tests.conftest import Browser


def words(page: str) -> str:
    """The page as it is read: without tags, blanks drawn together."""
    text = re.sub(r"<(script|style|head)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))).strip()


def main(page: str) -> str:
    """The words of the page without its navigation."""
    return words(page[page.index("<main") :])


def chips(page: str) -> list[str]:
    """What is asked of the list, chip by chip."""
    links = re.findall(r'<a class="chip on".*?</a>', page, re.DOTALL)
    return [words(link).partition(" ✕")[0] for link in links]


def first_cells(page: str) -> list[str]:
    """What the link in the first column of each row of the list says."""
    table = page[page.index("<tbody>") : page.index("</tbody>")] if "<tbody>" in page else ""
    return [words(m) for m in re.findall(r"<tr>.*?<a href=[^>]*>(.*?)</a>", table, re.DOTALL)]


def fields(page: str) -> dict[str, list[str]]:
    """Name → values that the form of the page would send as it stands (inputs, ticked boxes, chosen options)."""
    forms = re.findall(r"<form\b.*?</form>", page, re.DOTALL)
    form = next(f for f in forms if "data-form" in f.partition(">")[0])
    found: dict[str, list[str]] = {}
    for tag in re.findall(r"<input\b[^>]*>", form):
        name = attribute(tag, "name")
        if not name or (attribute(tag, "type") in ("checkbox", "radio") and " checked" not in tag):
            continue
        found.setdefault(name, []).append(attribute(tag, "value"))
    for name, inner in re.findall(r'<select\b[^>]*\bname="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected', inner)
        found[name] = [html.unescape(chosen.group(1)) if chosen else ""]
    for name, inner in re.findall(r'<textarea\b[^>]*\bname="([^"]+)"[^>]*>(.*?)</textarea>', form, re.DOTALL):
        found[name] = [html.unescape(inner)]
    found.pop("csrf_token", None)
    return found


def attribute(tag: str, name: str) -> str:
    found = re.search(rf'\b{name}="([^"]*)"', tag)
    return html.unescape(found.group(1)) if found else ""


def opened(browser: Browser, path: str, **changes: Any) -> dict[str, Any]:
    """The form at *path* as it would be sent, with *changes*."""
    return {**fields(browser.text(path)), **changes}
