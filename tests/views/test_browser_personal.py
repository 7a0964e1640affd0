"""Personal data in a browser: masked, looked at in full, on record; and a number that stays while others are edited."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.browser import CHROMIUM, WIDTHS, People, Running, no_sideways

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium: install the package chromium, or set CHROMIUM"),
]
APPLICANT = "张三"
BUTTON = "显示完整信息"
LOOKED = "查看了完整的个人信息"
NOTE = "本次查看已记录。"
NUMBER, PHONE = "[data-personal=identifier]", "[data-personal=phone]"


def held(running: Running) -> dict[str, Any]:
    """What is stored of that case."""
    with closing(sqlite3.connect(f"file:{running.instance / 'yizhan.db'}?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        found = database.execute("SELECT * FROM 'case' WHERE applicant LIKE ? ORDER BY id", (f"{APPLICANT}%",))
        return dict(found.fetchone())


def shown(page: Any, running: Running) -> None:
    page.goto(f"{running.address}/cases/{held(running)['id']}")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_look_in_full_is_on_record(people: People, running: Running, width: int) -> None:
    number = held(running)["identifier"]
    page = people("clerk1", width)
    shown(page, running)
    masked = page.inner_text(NUMBER)
    assert (masked[:4], masked[-4:], len(masked), "*" in masked) == (number[:4], number[-4:], 18, True)
    assert number not in page.content()
    no_sideways(page)
    page.get_by_role("button", name=BUTTON).click()
    page.wait_for_selector(f"text={NOTE}")
    assert page.inner_text(NUMBER) == number
    assert page.get_by_role("button", name=BUTTON).count() == 0
    assert page.evaluate("document.activeElement.textContent") == NOTE
    no_sideways(page)
    page.reload()
    assert page.inner_text(NUMBER) == masked
    assert LOOKED in page.inner_text(".timeline")
    page.get_by_role("navigation", name="本页内容").get_by_role("link", name="历史记录").click()
    page.wait_for_selector(f".card >> text={LOOKED}")
    no_sideways(page)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_number_stays_while_another_field_is_edited(people: People, running: Running, width: int) -> None:
    before, phone = held(running), f"0531-{width:08}"
    page = people("clerk1", width)
    shown(page, running)
    page.click("[data-edit]")
    page.wait_for_url("**/edit")
    assert "*" * 10 in page.input_value("#f-identifier")
    assert before["identifier"] not in page.content()
    page.fill("#f-phone", phone)
    page.get_by_role("button", name=f"{BUTTON} 身份证号").click()
    page.wait_for_selector(f"output:has-text('{before['identifier']}')")
    assert "*" * 10 in page.input_value("#f-identifier"), "it stands beside the input, which keeps its mask"
    assert page.input_value("#f-phone") == phone, "what was typed stays"
    assert page.evaluate("document.activeElement.id") == "f-identifier"
    no_sideways(page)
    page.focus("#f-phone")
    page.keyboard.press("Enter")  # saves, and does not look
    page.wait_for_selector("text=已保存。")
    after = held(running)
    assert (after["identifier"], after["phone"]) == (before["identifier"], phone)
    assert after["version"] == before["version"] + 1


def test_without_scripts_the_answer_is_a_page(people: People, running: Running) -> None:
    number = held(running)["identifier"]
    page = people("clerk1", java_script_enabled=False)
    shown(page, running)
    page.get_by_role("button", name=BUTTON).click()
    page.wait_for_selector(f"text={NOTE}")
    assert page.inner_text(NUMBER) == number
    shown(page, running)
    assert "*" * 10 in page.inner_text(NUMBER)
    page.click("[data-edit]")
    with page.context.expect_page() as opened:
        page.get_by_role("button", name=f"{BUTTON} 身份证号").click()
    opened.value.wait_for_load_state()
    assert opened.value.inner_text(NUMBER) == number
    assert page.url.endswith("/edit"), "the form stays as it is"


def test_a_supervisor_sees_masks_and_no_button(people: People, running: Running) -> None:
    page = people("auditor")
    shown(page, running)
    assert "*" * 10 in page.inner_text(NUMBER)
    assert page.get_by_role("button", name=BUTTON).count() == 0
    page.goto(f"{running.address}/events/?action=reveal")
    assert LOOKED in page.inner_text("tbody")
