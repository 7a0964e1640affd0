"""Forms that lose nothing: problems where they are, drafts, two people at one row, a sign-in that ended, keys alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser import CHROMIUM, WIDTHS, People, Running, hire, no_sideways, pick

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium: install the package chromium, or set CHROMIUM"),
]
RESIDENT = "11010519491231002X"
COMPANY = "91110105MA0000007L"
FOOD = "990102-31001"


def open_case(page: Any, running: Running, applicant: str) -> None:
    page.goto(f"{running.address}/cases/?q={applicant}")
    page.locator("tbody a").first.click()
    page.wait_for_selector("text=期限计算过程")


def edit_case(page: Any, running: Running, applicant: str) -> None:
    open_case(page, running, applicant)
    page.click("[data-edit]")
    page.wait_for_url("**/edit")


def save(page: Any) -> None:
    page.click(".send >> text=保存")
    page.wait_for_selector("text=已保存。")


def masked(phone: str) -> str:
    return f"{phone[0]}{'*' * (len(phone) - 2)}{phone[-1]}"


def fact(page: Any, label: str) -> str:
    return str(page.inner_text(f"dt:text-is('{label}') + dd"))


@pytest.mark.parametrize("width", WIDTHS)
def test_what_is_missing_is_said_at_the_top_and_beside(people: People, running: Running, width: int) -> None:
    page = people("clerk1", width)
    page.goto(f"{running.address}/cases/new")
    for name in ("item_id", "applicant", "identifier", "received_at"):
        assert page.locator(f"label[for=f-{name}] em").inner_text() == "*"
        assert page.get_attribute(f"#f-{name}", "aria-required") == "true"
    assert page.locator("label[for=f-phone] em").count() == 0
    assert "18 位" in page.inner_text("#f-identifier-help")
    pick(page, "f-item_id", FOOD, "食品经营许可")
    page.click(".send >> text=保存")
    page.wait_for_selector("#problems")
    assert page.evaluate("document.activeElement.id") == "problems"
    assert "有 2 处需要更正" in page.inner_text("#problems")
    for name in ("applicant", "identifier"):
        assert page.get_attribute(f"#f-{name}", "aria-invalid") == "true"
        assert f"f-{name}-why" in str(page.get_attribute(f"#f-{name}", "aria-describedby"))
        assert page.locator(f"#f-{name}-why").is_visible()
    no_sideways(page)
    page.locator("#problems a", has_text="申请人").first.click()
    assert page.evaluate("document.activeElement.id") == "f-applicant"
    page.keyboard.type(f"更正后的申请人{width}")
    page.fill("#f-identifier", "110105194912310021")
    page.click(".send >> text=保存")
    page.wait_for_selector("#problems:has-text('有 1 处需要更正')")
    assert page.locator("#f-identifier-why").is_visible()
    assert page.input_value("#f-applicant") == f"更正后的申请人{width}"
    page.fill("#f-identifier", RESIDENT)
    page.select_option("#f-applicant_kind", label="自然人")
    save(page)
    assert fact(page, "申请人") == f"更正后的申请人{width}"
    assert fact(page, "事项") == "食品经营许可"


def test_leaving_an_unsent_form_is_asked_about(people: People, running: Running) -> None:
    page = people("clerk1")
    asked: list[str] = []
    answer: list[Callable[[Any], None]] = [lambda dialog: dialog.dismiss()]
    page.on("dialog", lambda dialog: (asked.append(dialog.type), answer[0](dialog)))
    edit_case(page, running, "示例面馆")
    form = page.url
    page.click("#nav >> text=工作台")  # nothing typed: nothing asked
    page.wait_for_url(f"{running.address}/")
    page.goto(form)
    page.locator("#f-applicant").press_sequentially("改")
    with page.expect_event("dialog"):
        page.click("#nav >> text=工作台", no_wait_after=True)
    assert asked == ["beforeunload"]
    assert page.url == form
    assert "改" in page.input_value("#f-applicant")
    answer[0] = lambda dialog: dialog.accept()
    with page.expect_event("dialog"):
        page.click("#nav >> text=工作台")
    page.wait_for_url(f"{running.address}/")
    page.goto(form)
    asked.clear()
    page.fill("#f-phone", "0531-00009999")
    save(page)
    page.click("#nav >> text=工作台")
    page.wait_for_url(f"{running.address}/")
    assert not asked


def test_a_draft_is_kept_found_again_and_gone_when_sent(people: People, running: Running) -> None:
    page, name = people("clerk2"), "草稿申请人"
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.goto(f"{running.address}/cases/new")
    pick(page, "f-item_id", "990102-23002", "护士执业注册")
    page.fill("#f-applicant", name)
    page.wait_for_selector("[data-kept]:has-text('草稿已保存')")
    page.goto(f"{running.address}/")
    assert not asked  # what is kept needs no warning
    page.goto(f"{running.address}/drafts/")
    assert page.locator("tbody tr").count() == 1
    page.goto(f"{running.address}/cases/new")
    assert page.input_value("#f-applicant") == ""
    no_sideways(page)
    page.get_by_role("link", name="继续填写").click()
    page.wait_for_url("**draft=*")
    assert page.input_value("#f-applicant") == name
    assert page.input_value("#f-item_id") == "护士执业注册"
    page.fill("#f-identifier", RESIDENT)
    save(page)
    assert fact(page, "申请人") == name
    page.goto(f"{running.address}/cases/new")
    assert page.get_by_role("link", name="继续填写").count() == 0
    page.goto(f"{running.address}/drafts/")
    assert page.locator("tbody tr").count() == 0


def test_a_row_is_made_after_another(people: People, running: Running) -> None:
    page = people("clerk1")
    open_case(page, running, "示例物业")
    page.get_by_role("link", name="复制新建").click()
    page.wait_for_url("**copy=*")
    assert page.input_value("#f-item_id") == "特种设备使用登记"
    assert page.input_value("#f-applicant") == "泉城示例物业服务有限公司"
    assert page.input_value("#f-identifier") == "", "personal data are not copied along"
    page.fill("#f-identifier", COMPANY)
    page.fill("#f-phone", "0531-00009777")
    save(page)
    page.goto(f"{running.address}/cases/?q=示例物业")
    assert page.locator("tbody tr").count() == 2


@pytest.mark.parametrize("width", WIDTHS)
def test_two_people_at_one_case(people: People, running: Running, width: int) -> None:
    if "clerk3" not in running.hired:
        hire(people, "clerk3", "马晓东", "泉城市历山区市场监督管理局", "部门经办人员")
    mine, theirs = people("clerk1", width), people("clerk3", width)
    edit_case(mine, running, "张三")
    edit_case(theirs, running, "张三")
    theirs.fill("#f-applicant", f"张三（{width}）")
    theirs.fill("#f-phone", f"0531-0000{width:04}")
    save(theirs)

    mine.fill("#f-applicant", f"张三丰（{width}）")
    mine.fill("#f-phone", "0531-00001111")
    mine.select_option("#f-channel", label="邮寄" if width == 390 else "窗口")
    mine.click(".send >> text=保存")
    mine.wait_for_selector("text=他人已修改本条内容")
    box = mine.locator("#problems")
    assert "马晓东" in box.inner_text()
    lines = box.locator("tbody tr")
    assert lines.locator("th").all_inner_texts() == ["申请人", "联系电话"]
    sides = [[text.strip() for text in line.locator("td").all_inner_texts()] for line in lines.all()]
    assert sides == [[f"张三（{width}）", f"张三丰（{width}）"], [masked(f"0531-0000{width:04}"), "0531-00001111"]]
    no_sideways(mine)
    lines.nth(1).locator("input[value=theirs]").check()
    box.get_by_role("button", name="保存").click()
    mine.wait_for_selector("text=已保存。")
    assert fact(mine, "申请人") == f"张三丰（{width}）"
    assert fact(mine, "申请渠道") == ("邮寄" if width == 390 else "窗口")
    mine.click("[data-edit]")
    mine.wait_for_url("**/edit")
    assert mine.input_value("#f-phone") == masked(f"0531-0000{width:04}")


def test_different_fields_of_one_case_need_no_choice(people: People, running: Running) -> None:
    if "clerk3" not in running.hired:
        hire(people, "clerk3", "马晓东", "泉城市历山区市场监督管理局", "部门经办人员")
    mine, theirs = people("clerk1"), people("clerk3")
    edit_case(mine, running, "示例面馆")
    edit_case(theirs, running, "示例面馆")
    theirs.fill("#f-phone", "0531-00002222")
    save(theirs)
    mine.select_option("#f-channel", label="自助终端")
    mine.click(".send >> text=保存")
    mine.wait_for_selector("text=他人已修改本条内容")
    assert mine.locator("#problems tbody").count() == 0
    assert mine.input_value("#f-phone") == masked("0531-00002222")
    mine.locator("#problems").get_by_role("button", name="保存").click()
    mine.wait_for_selector("text=已保存。")
    assert fact(mine, "申请渠道") == "自助终端"


def test_a_sign_in_that_ended_costs_nothing(people: People, running: Running) -> None:
    page, name = people("clerk1"), "过期后提交"
    page.goto(f"{running.address}/cases/new")
    pick(page, "f-item_id", FOOD, "食品经营许可")
    page.fill("#f-applicant", name)
    page.fill("#f-identifier", RESIDENT)
    page.fill("#f-phone", "0531-00003333")
    page.context.clear_cookies()
    page.click(".send >> text=保存")
    page.wait_for_selector("text=登录已失效，请重新登录，您填写的内容已保留。")
    no_sideways(page)
    page.fill("#username", "clerk1")
    page.fill("#password", "falsch")
    page.click("form button.main")
    page.wait_for_selector("text=用户名或密码有误")
    page.fill("#password", running.accounts["clerk1"])
    page.click("form button.main")
    page.wait_for_selector("h1:has-text('您填写的内容仍在')")
    no_sideways(page)
    page.click("button:has-text('重新提交')")
    page.wait_for_selector("text=已保存。")
    assert fact(page, "申请人") == name
    page.goto(f"{running.address}/cases/?q={name}")
    assert page.locator("tbody tr").count() == 1


def tab_to(page: Any, selector: str, key: str = "Tab") -> None:
    """Press Tab until what stands at *selector* has the focus, as somebody without a mouse does."""
    for _ in range(80):
        if page.evaluate("(s) => document.activeElement.matches(s)", selector):
            return
        page.keyboard.press(key)
    raise AssertionError(f"no way to {selector} by keys")


def test_a_case_from_the_workbench_to_its_letter_by_keys_alone(people: People, running: Running) -> None:
    page = people("clerk2")
    tab_to(page, "main a[data-new]")
    page.keyboard.press("Enter")
    page.wait_for_url("**/cases/new")
    tab_to(page, "#f-item_id")
    page.keyboard.type("公共场所卫生许可")
    page.wait_for_selector(
        "#f-item_id-list li[data-label='公共场所卫生许可']:first-child"
        " + li[data-label='公共场所卫生许可证延续']:last-child"
    )
    page.keyboard.press("ArrowDown")
    assert page.get_attribute("#f-item_id", "aria-activedescendant") == "f-item_id-list-0"
    page.keyboard.press("Enter")
    assert page.input_value("#f-item_id") == "公共场所卫生许可"
    tab_to(page, "#f-applicant_kind")
    page.keyboard.press("ArrowUp")
    tab_to(page, "#f-applicant")
    page.keyboard.type("键盘申请人")
    tab_to(page, "#f-identifier")
    page.keyboard.type(RESIDENT)
    tab_to(page, ".send button")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=已保存。")
    tab_to(page, "main a[data-edit]")
    page.keyboard.press("Enter")
    page.wait_for_url("**/edit")
    tab_to(page, "#f-applicant")
    page.keyboard.press("End")
    page.keyboard.type("（更名）")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=已保存。")
    assert fact(page, "申请人") == "键盘申请人（更名）"
    tab_to(page, "main .head a.btn.main")
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('受理')")
    tab_to(page, ".send button.main")
    page.keyboard.press("Enter")
    page.wait_for_selector(".head .tag:has-text('已受理')")
