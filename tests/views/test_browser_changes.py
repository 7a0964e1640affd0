"""变更申请 in the browser: from the proposal over review and filing to the day on which it takes effect."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from rules.deadlines import local_day
from tests.browser import CHROMIUM, WIDTHS, People, Running, no_sideways

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium: install the package chromium, or set CHROMIUM"),
]
# (entry, what it is to be called): another one for each width
ENTRIES = {1280: ("特种设备使用登记", "特种设备使用登记（新）"), 390: ("公共场所卫生许可", "公共场所卫生许可（新）")}


@pytest.mark.parametrize("width", WIDTHS)
def test_a_name_changes_by_all_its_steps(people: People, running: Running, width: int) -> None:
    name, other = ENTRIES[width]
    manager, reform = people("manager", width), people("reform", width)
    manager.goto(f"{running.address}/catalogue/?q={name}")
    manager.locator("tbody a").first.click()
    manager.click(".head >> text=修改")
    manager.fill("#f-name", other)
    manager.click(".send >> button:text-is('保存')")
    manager.wait_for_selector("#problems")
    assert "该项属于受控的基本信息" in manager.inner_text("#f-name-why")
    assert manager.input_value("#f-name") == other
    no_sideways(manager)
    manager.click(".send >> text=保存并申请变更")
    manager.wait_for_selector("#f-reason")
    assert manager.locator(".diff del").inner_text() == name
    assert manager.locator(".diff ins").inner_text() == other
    change = manager.url.removesuffix("/edit")
    no_sideways(manager)
    # Nothing is skipped: without its reason it is not submitted, and what comes later is not offered at all.
    manager.goto(f"{change}/do/submit")
    manager.click(".send >> text=提交审核")
    manager.wait_for_selector("#problems")
    manager.goto(f"{change}/edit")
    manager.fill("#f-reason", "上级文件调整名称")
    manager.click(".send >> button:text-is('保存')")
    manager.wait_for_selector("text=已保存。")
    for step in ("agree", "take_effect"):
        assert manager.goto(f"{change}/do/{step}").status == 403, step
    manager.goto(change)
    manager.click(".head >> text=提交审核")
    manager.wait_for_selector(".tag:text-is('待审核')")
    manager.goto(f"{change}/do/file_it")
    assert manager.locator(".send button").count() == 0
    assert "不能执行" in manager.inner_text("#problems")

    reform.goto(f"{running.address}/changes/?state=submitted&q={name}")
    reform.locator("tbody a").first.click()
    no_sideways(reform)
    reform.click(".head >> text=审核同意")
    reform.fill("#f-opinion", "同意")
    reform.click(".send >> text=审核同意")
    reform.wait_for_selector(".tag:text-is('审核同意')")
    reform.click(".head >> text=登记备案")
    today = local_day(datetime.now(UTC))
    reform.fill("#f-filing_number", "省备〔2026〕1号")
    reform.fill("#f-filed_on", f"{today:%Y-%m-%d}")
    reform.fill("#f-effective_on", f"{today - timedelta(days=1):%Y-%m-%d}")
    reform.click(".send >> text=登记备案")
    reform.wait_for_selector("#problems")
    assert reform.inner_text("#f-effective_on-why") == "实施日期不得早于备案日期。"
    reform.fill("#f-effective_on", f"{today:%Y-%m-%d}")
    reform.click(".send >> text=登记备案")
    reform.wait_for_selector(".head")
    until = time.monotonic() + 30
    while reform.locator(".tag:text-is('已实施')").count() == 0 and time.monotonic() < until:
        reform.reload()
    assert reform.locator("ol.steps li.done").count() == 5
    no_sideways(reform)
    # The entry and every item that claims it are called so now.
    for registry in ("catalogue", "items"):
        manager.goto(f"{running.address}/{registry}/?q={other}")
        assert manager.locator("tbody").get_by_role("link", name=other).count() >= 1, registry
    manager.goto(f"{running.address}/messages/")
    assert "的名称变更已实施" in manager.inner_text("tbody")
