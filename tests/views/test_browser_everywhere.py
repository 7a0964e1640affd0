"""Every kind of page (tests/scenes.py), wide and narrow, by day and by night: it fits, is silent, serves anybody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import axe_core_python
import pytest

from tests.browser import CHROMIUM, WIDTHS, People, Running, no_sideways
from tests.scenes import SCENES, Scene

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium: install the package chromium, or set CHROMIUM"),
]
AXE = Path(axe_core_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# At night only colours are different.
COLOURS = ["color-contrast"]
SERIOUS = ("serious", "critical")
# WCAG 2.2, 2.5.8, which this axe does not know yet: 24 by 24 pixels, or a circle of 24 that meets no other target;
# links in a sentence are excepted, and what lies behind an open panel or below the window is no target now.
SMALL = """() => {
  const shown = (e) => {
    const b = e.getBoundingClientRect(), top = document.elementFromPoint(b.x + b.width / 2, b.y + b.height / 2);
    return b.width && top && e.contains(top) && !e.closest(".hidden, .skip");
  };
  const targets = "a[href], button, summary, select, input:not([type=hidden])";
  const all = [...document.querySelectorAll(targets)].filter(shown);
  const boxes = all.map((e) => (e.closest("label.option, label.line-of") ?? e).getBoundingClientRect());
  const small = (b) => b.width < 24 || b.height < 24;
  const met = (a, b) => {  // a circle of 24 pixels around the middle of a, and the box b
    const [x, y] = [a.x + a.width / 2, a.y + a.height / 2];
    return Math.hypot(x - Math.min(Math.max(x, b.left), b.right), y - Math.min(Math.max(y, b.top), b.bottom)) < 12;
  };
  return all.filter((e, i) => small(boxes[i]) && !e.matches("p a, .crumbs a")
    && boxes.some((b, j) => j !== i && !all[j].contains(e) && !e.contains(all[j]) && met(boxes[i], b)))
    .map((e) => e.outerHTML.slice(0, 120));
}"""


@pytest.fixture(scope="module")
def everybody(browser: Any, running: Running) -> Iterator[People]:
    found = People(browser, running)
    yield found
    found.leave()


@pytest.fixture(scope="module")
def pages(everybody: People) -> Callable[[str | None], Any]:
    """One page for each person. Our own rules forbid scripts in the page, axe's too: here alone they are lifted."""

    @cache
    def page(who: str | None) -> Any:
        found = everybody(who, bypass_csp=True)
        found.on("dialog", lambda dialog: dialog.accept())  # forms are left behind as they are
        return found

    return page


def complaints(page: Any, **options: Any) -> list[str]:
    """What axe has to say that is serious, with where."""
    found = page.evaluate("(options) => axe.run(document, options)", {"resultTypes": ["violations"], **options})
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary']}"
        for one in found["violations"]
        if one["impact"] in SERIOUS
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_a_page_fits_is_silent_and_can_be_used_by_anybody(everybody: People, pages: Any, scene: Scene) -> None:
    widths = WIDTHS[1:] if scene.narrow_only else WIDTHS
    page = pages(scene.who)
    page.set_viewport_size({"width": widths[0], "height": 900})
    scene.bring(page, everybody)
    page.evaluate("scrollTo(0, 0)")
    page.evaluate(AXE)
    found = []
    for width in widths:
        page.set_viewport_size({"width": width, "height": 900})
        no_sideways(page)
        found += [f"{width}: {words}" for words in complaints(page, runOnly={"type": "tag", "values": TAGS})]
        found += [f"{width}: too small: {html}" for html in page.evaluate(SMALL)]
        page.emulate_media(color_scheme="dark")
        found += [f"{width}, at night: {words}" for words in complaints(page, runOnly=COLOURS)]
        page.emulate_media(color_scheme="light")
    assert not found, "\n".join(found)
    assert not everybody.complaints, "\n".join(everybody.complaints)
