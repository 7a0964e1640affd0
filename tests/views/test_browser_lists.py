"""Lists as people use them: filters, kept views, columns, pages, heads, bulk actions, figures that lead to them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rules.deadlines import local_day
from tests.browser import CHROMIUM, WIDTHS, People, Running, no_sideways, pick

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium: install the package chromium, or set CHROMIUM"),
]
TODAY = local_day(datetime.now(UTC))


def rows(page: Any) -> list[str]:
    """What the rows of the list are called, in order."""
    page.wait_for_load_state()
    found = "[...document.querySelectorAll('table[data-rows] tbody tr')].map((row) => row.querySelector('a').innerText)"
    return [str(text) for text in page.evaluate(found)]


def applicants(page: Any) -> set[str]:
    page.wait_for_load_state()
    cells = page.locator("table[data-rows] tbody tr").all_inner_texts()
    return {name for name in NAMES for text in cells if name in text}


NAMES = ("示例面馆", "示例物业", "示例餐饮", "张三", "示例酒店", "示例美容店", "李四", "王五")


def chips(page: Any) -> list[str]:
    page.wait_for_load_state()
    found = page.locator("a.chip.on").all_inner_texts()
    return [text.replace("✕", "").replace("移除", "").strip() for text in found]


@pytest.mark.parametrize("width", WIDTHS)
def test_filters_are_ticked_said_kept_and_taken_away(people: People, running: Running, width: int) -> None:
    page = people("admin", width)
    page.goto(f"{running.address}/cases/")
    page.click("summary:has-text('筛选')")
    no_sideways(page)
    panel = page.locator(".panel.wide")
    panel.get_by_label("已收件").check()
    panel.get_by_label("已受理").check()
    page.fill("#filter-received_at-from", f"{TODAY - timedelta(60):%Y-%m-%d}")
    page.fill("#filter-received_at-to", f"{TODAY + timedelta(1):%Y-%m-%d}")
    pick(page, "filter-department_id", "历山区人民政府", "泉城市历山区人民政府")
    panel.locator("fieldset", has_text="含下级").last.get_by_label("含下级").check()
    page.select_option("#filter-handler_id-empty", "0")
    panel.locator(".send button").click()
    page.wait_for_selector("a.chip.on")
    assert applicants(page) == set(NAMES) - {"示例餐饮"}
    said = chips(page)
    assert [text.partition("：")[0] for text in said] == ["状态", "收件时间", "经办人", "部门"]
    assert "已收件" in said[0]
    assert "已受理" in said[0]
    assert "已填写" in said[2]
    assert "泉城市历山区人民政府" in said[3]
    assert "含下级" in said[3]
    no_sideways(page)

    # The address says it all, and nothing that was not asked: it works after a reload and for a colleague.
    assert "=&" not in page.url
    assert not page.url.endswith("=")
    page.reload()
    assert chips(page) == said
    colleague = people("auditor", width)
    colleague.goto(page.url)
    assert (chips(colleague), rows(colleague)) == (said, rows(page))

    # With words and an order; then less and less of it.
    page.fill("#q", "有限公司")
    page.press("#q", "Enter")
    page.wait_for_url("**q=*")
    assert applicants(page) == {"示例物业", "示例酒店"}
    page.goto(f"{page.url}&sort=number")
    assert rows(page) == sorted(rows(page))
    page.locator("a.chip.on", has_text="状态").click()
    page.wait_for_url(lambda address: "state=" not in address)
    assert applicants(page) == {"示例物业", "示例餐饮", "示例酒店"}
    assert "sort=number" in page.url
    page.get_by_role("link", name="清除").click()
    page.wait_for_url(f"{running.address}/cases/")
    assert applicants(page) == set(NAMES)

    page.click("summary:has-text('筛选')")
    page.select_option("#filter-handler_id-empty", "1")
    panel.locator(".send button").click()
    page.wait_for_selector("text=没有符合条件的数据")
    page.get_by_role("link", name="显示全部").click()
    page.wait_for_url(f"{running.address}/cases/")


def test_a_view_is_kept_shared_seen_by_a_colleague_and_thrown_away(people: People, running: Running) -> None:
    page, name = people("clerk1"), "急的在前"
    page.goto(f"{running.address}/cases/?state=received&sort=notice_due")
    page.click("summary:has-text('视图')")
    no_sideways(page)
    page.fill("#view-name", name)
    page.select_option("#view-shared", label="部门经办人员")
    page.click("button:has-text('保存视图')")
    page.wait_for_selector(f"text=视图“{name}”已保存")
    assert "view=" in page.url
    page.goto(f"{running.address}/cases/")
    page.click("summary:has-text('视图')")
    page.locator(".panel a", has_text=name).click()
    page.wait_for_url("**view=*")
    assert name in page.inner_text(".head small")
    assert len(rows(page)) == 3

    # A colleague of the role sees it over rows of their own, and may not throw it away; an approver does not see it.
    colleague = people("clerk2")
    colleague.goto(f"{running.address}/cases/")
    colleague.click("summary:has-text('视图')")
    line = colleague.locator("div.line-of", has_text=name)
    assert "共享给部门经办人员" in line.inner_text()
    assert line.locator("button").count() == 0
    line.locator("a").click()
    colleague.wait_for_url("**view=*")
    assert chips(colleague) == ["状态：已收件"]
    assert not set(rows(colleague)) & set(rows(page))
    other = people("approver1")
    other.goto(f"{running.address}/cases/")
    other.click("summary:has-text('视图')")
    assert other.locator("div.line-of").count() == 0

    page.click("summary:has-text('视图')")
    page.locator("div.line-of", has_text=name).locator("button").click()
    page.wait_for_selector("text=已删除。")
    page.click("summary:has-text('视图')")
    assert page.locator("div.line-of").count() == 0


def test_columns_chosen_stay_chosen(people: People, running: Running) -> None:
    page = people("clerk2")
    page.goto(f"{running.address}/cases/?state=received")
    page.click("summary:has-text('列')")
    panel = page.locator("form.panel")
    panel.get_by_label("收件时间").check()
    panel.get_by_label("经办人").uncheck()
    panel.locator("button").click()
    page.wait_for_selector("th:has-text('收件时间')")
    assert "state=received" in page.url
    running.kept.pop("clerk2")  # a new sign-in
    for again in (page, people("clerk2")):
        again.goto(f"{running.address}/cases/")
        heads = " ".join(again.locator("table[data-rows] th").all_inner_texts())
        assert "收件时间" in heads
        assert "经办人" not in heads
        assert "办件编号" in heads


def test_pages_and_how_much_stands_on_one(people: People, running: Running) -> None:
    page = people("admin")
    page.goto(f"{running.address}/work-days/")
    first = rows(page)
    assert len(first) == 25
    assert page.locator("a[rel=prev]").count() == 0
    page.click("a[rel=next]")
    page.wait_for_url("**page=2*")
    second = rows(page)
    assert len(second) == 25
    assert not set(first) & set(second)
    page.click("a[rel=prev]")
    page.wait_for_url("**page=1*")
    assert rows(page) == first
    page.locator(".foot").get_by_role("link", name="50", exact=True).click()
    page.wait_for_url("**size=50*")
    assert rows(page) == first + second
    assert page.locator(".foot [aria-current]").inner_text() == "50"
    no_sideways(page)


def test_heads_sort_up_and_down(people: People, running: Running) -> None:
    page = people("admin")
    page.goto(f"{running.address}/items/")
    page.click("th a:has-text('名称')")  # by name up is how it stands; asked for again it turns round
    page.wait_for_url("**sort=-name*")
    assert page.get_attribute("th:has-text('名称')", "aria-sort") == "descending"
    last = rows(page)[0]
    page.click("th a:has-text('名称')")
    page.wait_for_url("**sort=name*")
    assert page.get_attribute("th:has-text('名称')", "aria-sort") == "ascending"
    assert rows(page)[-1] == last


def test_the_figures_of_the_workbench_are_the_lists_they_lead_to(people: People, running: Running) -> None:
    for username in ("clerk1", "manager"):
        page = people(username)
        figures = [
            (found.locator("span").inner_text(), int(found.locator("b").inner_text()), found.get_attribute("href"))
            for found in page.locator("a.stat").all()
        ]
        assert {label for label, _, _ in figures} >= {"已超期", "今天到期", "待受理"}
        for label, count, address in figures:
            page.goto(f"{running.address}{address}")
            assert len(rows(page)) == count, label
        page.goto(f"{running.address}/")
        block = page.locator("section", has_text="待受理办件").first
        shown = block.locator("tbody tr").count()
        block.get_by_role("link", name="全部").click()
        page.wait_for_url("**/cases/?*")
        assert len(rows(page)) == shown


def test_the_keys_of_a_list(people: People, running: Running) -> None:
    page = people("clerk1")
    page.goto(f"{running.address}/cases/")
    for key, wanted in (("ArrowDown", 0), ("ArrowDown", 1), ("ArrowUp", 0)):
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.innerText") == rows(page)[wanted]
    page.focus("#q")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement === document.body")
    page.click("summary:has-text('筛选')")
    page.keyboard.press("Escape")
    assert not page.locator(".panel.wide").is_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=期限计算过程")
    page.goto(f"{running.address}/cases/?state=received")
    page.keyboard.press("n")
    page.wait_for_url("**/cases/new")
    page.goto(f"{running.address}/cases/?state=received")
    page.locator("tbody a").first.click()
    page.wait_for_selector("[data-edit]")
    page.keyboard.press("e")
    page.wait_for_url("**/edit")
    page.focus("#f-applicant")
    page.keyboard.press("End")
    page.keyboard.type("ne/")  # letters in a field are letters
    assert page.input_value("#f-applicant").endswith("ne/")
    page.reload()


def test_one_reason_refuses_many(people: People, running: Running) -> None:
    """Last of this file: afterwards no case of that department is waiting any more."""
    page = people("approver1")
    page.goto(f"{running.address}/cases/?sort=number")
    page.click("button:has-text('不予受理')")
    page.wait_for_selector("text=请先选择数据")
    page.check("thead [data-all]")
    ticks = page.locator("tbody input[name=row]")
    assert ticks.count() == 4
    assert all(tick.is_checked() for tick in ticks.all())
    page.uncheck("thead [data-all]")
    assert not any(tick.is_checked() for tick in ticks.all())
    page.check("thead [data-all]")
    ticks.last.uncheck()
    page.click(".foot button:has-text('不予受理')")
    page.wait_for_selector("h1:has-text('不予受理')")
    assert page.locator("form .line b").count() == 3
    page.click(".send button")
    page.wait_for_selector("#problems")
    assert "此项必填" in page.inner_text("#f-refusal_reason-why")
    assert page.locator("input[name=row]").count() == 3
    page.fill("#f-refusal_reason", "申请事项依法不属于本机关职权范围。")
    page.click(".send button")
    page.wait_for_selector("text=完成 2 条，未完成 1 条")
    told = page.locator("tbody tr").all_inner_texts()
    assert [("未完成" in text, "当前状态为“不予受理”" in text) for text in told] == [(True, True)] + [
        (False, False)
    ] * 2
    page.get_by_role("link", name="返回列表").click()
    page.wait_for_url("**/cases/?sort=number")
    assert page.locator(".tag.bad").count() == 3
    page.locator("tbody a").first.click()
    page.wait_for_selector("dd:has-text('申请事项依法不属于本机关职权范围。')")
