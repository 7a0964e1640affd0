"""A clerk's way through the product in a real browser: find an item, receive a case, accept it, open the letter."""

from __future__ import annotations

import io
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from tests.browser import CHROMIUM, WIDTHS, People, Running, choose_language, enter, no_sideways, product

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium: install the package chromium, or set CHROMIUM"),
]
RESIDENT = "11010519491231002X"


@pytest.fixture(params=WIDTHS)
def page(request: pytest.FixtureRequest, people: People) -> Any:
    return people(None, request.param)


def test_from_the_item_to_the_letter(page: Any, running: Running, people: People) -> None:
    enter(page, running, "clerk2")
    page.goto(f"{running.address}/items/?q=公共场所")
    page.locator("table a", has_text="公共场所卫生许可").first.click()
    page.wait_for_selector("h1:has-text('公共场所卫生许可')")
    no_sideways(page)
    page.locator(".tabs").get_by_role("link", name="办件").click()
    page.locator("section").get_by_role("link", name="收件").click()
    assert "公共场所卫生许可" in page.input_value("#f-item_id")

    page.fill("#f-applicant", "测试申请人")
    page.fill("#f-identifier", "110105194912310021")
    page.click("button:has-text('保存')")
    page.wait_for_selector("#problems")
    assert page.locator("#f-identifier-why").is_visible()
    assert page.input_value("#f-applicant") == "测试申请人"
    assert "公共场所卫生许可" in page.input_value("#f-item_id")
    no_sideways(page)

    page.fill("#f-identifier", RESIDENT)
    page.click("button:has-text('保存')")
    page.wait_for_selector("text=期限计算过程")
    assert page.locator(".tag", has_text="已收件").first.is_visible()
    assert "1101**********002X" in page.content()
    assert RESIDENT not in page.content()
    no_sideways(page)
    case = page.url

    page.click(".head >> text=受理")
    page.click(".send >> text=受理")
    page.wait_for_url(case)
    letter = page.locator("section", has_text="已出具文书").locator("table a").first
    for _ in range(60):  # the worker writes it; the first one waits for fonts where they were never converted
        page.goto(case)
        if letter.count():
            letter.click()
            if page.locator("a:has-text('查看文件')").count():
                break
        page.wait_for_timeout(500)
    address = page.locator("a:has-text('查看文件')").get_attribute("href")
    answer = page.request.get(f"{running.address}{address}")
    assert answer.headers["content-type"] == "application/pdf"
    words = "".join(p.extract_text() for p in PdfReader(io.BytesIO(answer.body())).pages).replace("\n", "")
    for word in ("受理通知书", "测试申请人", "公共场所卫生许可", "演示", "〔"):
        assert word in words, word
    no_sideways(page)

    # Another department's clerk gets nothing of it.
    stranger = people(None)
    enter(stranger, running, "clerk1")
    assert stranger.goto(case).status == 404
    assert stranger.request.get(f"{running.address}{address}").status == 404
    stranger.goto(f"{running.address}/cases/?q=测试申请人")
    assert "没有符合条件的" in stranger.content()
    stranger.context.close()


def test_the_window_has_no_veto_and_the_approver_must_say_why(page: Any, running: Running) -> None:
    enter(page, running, "clerk1")
    page.goto(f"{running.address}/cases/?state=received")
    page.locator("tbody a").first.click()
    page.wait_for_selector("text=期限计算过程")
    case = page.url
    assert page.locator(".head >> text=不予受理").count() == 0
    page.context.clear_cookies()
    enter(page, running, "approver1")
    page.goto(case)
    page.click(".head >> text=不予受理")
    page.click(".send >> text=不予受理")
    page.wait_for_selector("#f-refusal_reason-why")
    page.fill("#f-refusal_reason", "申请事项依法不属于本机关职权范围。")
    page.click(".send >> text=不予受理")
    page.wait_for_url(case)
    assert page.locator(".tag.bad", has_text="不予受理").first.is_visible()


def test_every_page_of_every_registry_fits_both_screens(people: People, running: Running) -> None:
    """Besides the kinds of pages in tests/scenes.py: whatever the columns of a registry may hold."""
    page = people(None)
    enter(page, running, "admin")
    paths = ["/", "/account/password", "/import/items", "/nowhere"]
    for name in (
        "items",
        "cases",
        "catalogue",
        "legal-bases",
        "letters",
        "events",
        "regions",
        "departments",
        "accounts",
    ):
        paths += [f"/{name}/", f"/{name}/1"]
    paths += [
        "/items/new",
        "/items/1/edit",
        "/departments/new",
        "/accounts/new",
        "/work-days/",
        "/outbox/",
        "/profiles/1",
    ]
    for path in paths:
        page.goto(f"{running.address}{path}")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            no_sideways(page)


def test_menu_and_language(page: Any, running: Running) -> None:
    enter(page, running, "manager")
    choose_language(page, "zh_Hant")
    page.wait_for_selector("html[lang=zh-Hant]")
    choose_language(page, "en")
    page.wait_for_selector("html[lang=en]")
    menu = page.locator("[data-menu]")
    if menu.is_visible():
        menu.click()
    page.locator('nav a:text-is("Items")').click()
    page.wait_for_url(f"{running.address}/items/")
    choose_language(page, "zh")
    page.wait_for_selector("html[lang=zh-Hans]")


def test_ctrl_c_stops_both_cleanly(tmp_path: Path, prepared: Path, fonts: Path) -> None:
    """Web server and worker end, with status 0 and no traceback; a second start changes nothing in the data."""
    from sqlalchemy import func, select

    from models.database import Database
    from models.event import Event
    from models.scope import everything

    instance, counts = tmp_path / "instance", []
    shutil.copytree(prepared, instance)
    for _ in range(2):
        with product(instance, fonts=fonts) as first:
            first.process.send_signal(signal.SIGINT)
            assert first.process.wait(timeout=20) == 0
        assert "Traceback" not in (instance / "output.txt").read_text(encoding="utf-8")
        database = Database(f"sqlite:///{instance / 'yizhan.db'}")
        with database.session(everything("test")) as s:
            counts.append(
                s.scalar(
                    select(func.count()).select_from(Event).where(Event.subject_type.not_in(("letters", "messages")))
                )
            )
        database.dispose()
    assert counts[0] == counts[1]
