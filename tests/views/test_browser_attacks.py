"""What a real browser makes of markup in every text: no script of it runs, and our own rules never have to stop one."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from playwright.sync_api import Error

from config import ROOT
from models.database import Database
from tests import ledger
from tests.browser import CHROMIUM, POLICY, People, Running
from tests.views.test_attacks_texts import MARKUP, poison

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="needs a Chromium: install the package chromium, or set CHROMIUM"
)
SHAPES = 60  # pages of one person that differ in more than their numbers


@pytest.fixture(scope="module")
def poisoned(running: Running) -> Running:
    database = Database(f"sqlite:///{running.instance / 'yizhan.db'}")
    poison(database)
    database.dispose()
    return running


def shape(address: str) -> str:
    """What an address asks for, whichever row it is about."""
    parts = urlsplit(address)
    return re.sub(r"\d+", "#", parts.path) + "?" + "&".join(sorted(re.findall(r"(?:^|&)(\w+)=", parts.query)))


@needs_chromium
@pytest.mark.parametrize("person", ["admin", "clerk1"])
def test_no_text_runs_as_a_script(poisoned: Running, people: People, person: str) -> None:
    page = people(person)
    dialogs: list[str] = []

    def note(dialog: Any) -> None:
        if dialog.type != "beforeunload":
            dialogs.append(f"{page.url}: {dialog.message}")
        dialog.accept()

    page.on("dialog", note)
    todo, seen, wrong, files = [f"{poisoned.address}/"], set[str](), [], 0
    while todo and len(seen) < SHAPES:
        address = todo.pop(0)
        if shape(address) in seen:
            continue
        seen.add(shape(address))
        try:
            answer = page.goto(address)
        except Error as error:
            if "Download is starting" not in error.message:
                raise
            files += 1  # a browser keeps it and shows nothing; the page stays the one before
            continue
        if answer is None or answer.status not in (200, 403, 404):
            wrong.append(f"{address}: {answer and answer.status}")
        if page.locator("xss").count() or page.locator("[onload], [onerror], a[href^='javascript:']").count():
            wrong.append(f"{address}: markup became part of the page")
        links = page.eval_on_selector_all("a[href]", "all => all.map(a => a.getAttribute('href'))")
        todo += [urljoin(address, link) for link in links if link.startswith(("/", "?")) and not link.endswith("/file")]
    # What scripts of ours put into the page: suggestions of the search and of a picker, a branch of a tree.
    page.goto(f"{poisoned.address}/")
    page.fill("#everywhere", "xss")
    page.wait_for_selector("#everywhere-list a")
    if person == "clerk1":
        page.goto(f"{poisoned.address}/cases/new")
        page.fill("#f-item_id", "xss")
        page.wait_for_selector("#f-item_id-list li")
        page.locator("#f-item_id-list li").first.click()
        page.fill("#f-applicant", MARKUP)
        page.click(".send >> text=保存")
        page.wait_for_selector("#problems")
    assert page.locator("xss").count() == 0
    assert not wrong, "\n".join(wrong)
    assert not dialogs
    assert not people.complaints, "\n".join(people.complaints)
    assert len(seen) - files > 40
    ledger.note("attacks", browser_pages=len(seen) - files)


@needs_chromium
def test_what_our_rules_forbid_is_told_and_cannot_be_filtered_away(people: People) -> None:
    page = people(None)
    page.goto(f"{people.running.address}/login/")
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.evaluate("""() => {
        const one = document.createElement("script");
        one.textContent = "alert('status of 4')";
        document.body.append(one);
        document.body.insertAdjacentHTML("beforeend", "<img src=x onerror=alert(1)>");
    }""")
    page.wait_for_timeout(200)
    assert not dialogs
    told = [words for words in people.complaints if POLICY in words]
    assert len(told) >= 2
    people.complaints = [words for words in people.complaints if POLICY not in words]
    people.tell(f"Failed to load resource: the server responded with a status of 404, {POLICY}")
    assert people.complaints.pop()


def test_every_page_of_every_browser_test_is_watched() -> None:
    """Pages come from tests/browser.py alone, which listens to them; and but for one file none lifts our rules."""
    files = {p.name: p.read_text(encoding="utf-8") for p in (ROOT / "tests").rglob("*.py")}
    makers = {name for name, text in files.items() if re.search(r"\.new_(?:page|context)\(", text)}
    assert makers == {"browser.py"}
    # axe must be put into the page; the same pages are opened by all other files under our rules.
    assert {name for name, text in files.items() if re.search(r"bypass_csp\s*=", text)} == {
        "test_browser_everywhere.py"
    }
