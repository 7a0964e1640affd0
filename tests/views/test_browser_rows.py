"""One row and what stands around it: the tree, tabs, history, the one search, tokens, paper, and no scripts at all."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest

from rules.deadlines import local_day
from tests.browser import CHROMIUM, WIDTHS, People, Running, choose_language, no_sideways, pick

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium: install the package chromium, or set CHROMIUM"),
]
LISHAN = "泉城市历山区人民政府"
STREET = "泉城市历山区人民政府泉景街道办事处"
STREET_CENTRE = "泉城市历山区泉景街道便民服务中心"


@pytest.mark.parametrize("width", WIDTHS)
def test_branches_open_by_hand_and_by_key(people: People, running: Running, width: int) -> None:
    page = people("auditor", width)
    page.goto(f"{running.address}/departments/")
    page.get_by_role("link", name="树形显示").click()
    page.wait_for_url("**/departments/tree")
    assert page.get_by_role("link", name=LISHAN, exact=True).count() == 0
    page.get_by_role("link", name="下级：示例省人民政府", exact=True).click()
    city = page.get_by_role("link", name="下级：泉城市人民政府", exact=True)
    city.wait_for()
    assert city.get_attribute("aria-expanded") == "false"
    city.focus()
    page.keyboard.press("Enter")
    page.get_by_role("link", name=LISHAN, exact=True).wait_for()
    assert city.get_attribute("aria-expanded") == "true"
    assert page.url.endswith("/departments/tree")
    page.keyboard.press("Enter")
    assert not page.get_by_role("link", name=LISHAN, exact=True).is_visible()
    page.keyboard.press("Enter")
    no_sideways(page)
    page.get_by_role("link", name=LISHAN, exact=True).click()
    page.wait_for_selector(f"h1:has-text('{LISHAN}')")


def test_a_branch_moves_but_not_below_itself(people: People, running: Running) -> None:
    page = people("admin")
    page.goto(f"{running.address}/departments/?q={STREET}")
    page.locator("tbody").get_by_role("link", name=STREET, exact=True).first.click()
    page.click(".head >> text=调整隶属")
    page.wait_for_selector("text=移至所选上级之下")
    pick(page, "f-parent_id", STREET_CENTRE, STREET_CENTRE)
    page.click(".send >> text=调整隶属")
    page.wait_for_selector("#problems")
    assert page.inner_text("#f-parent_id-why") == "上级不能是自身或者自身的下级。"
    assert page.input_value("#f-parent_id") == STREET_CENTRE
    pick(page, "f-parent_id", "泉城市明湖区人民政府", "泉城市明湖区人民政府")
    page.click(".send >> text=调整隶属")
    page.wait_for_selector("text=其下 1 条一并移动")
    page.goto(f"{running.address}/departments/tree")
    for name in ("示例省人民政府", "泉城市人民政府", "泉城市明湖区人民政府", STREET):
        page.get_by_role("link", name=f"下级：{name}", exact=True).click()
    page.get_by_role("link", name=STREET_CENTRE, exact=True).wait_for()


@pytest.mark.parametrize("width", WIDTHS)
def test_tabs_history_in_words_and_as_it_was(people: People, running: Running, width: int) -> None:
    days = str(width % 9 + 1)
    page = people("manager", width)
    page.goto(f"{running.address}/items/?q=990102-31001")
    page.locator("tbody a").first.click()
    page.click(".head >> text=修改")
    page.fill("#f-promise_days", days)
    page.click(".send >> text=保存")
    page.wait_for_selector("text=已保存。")
    page.wait_for_load_state()
    tabs = page.get_by_role("navigation", name="本页内容")
    assert tabs.get_by_role("link").all_inner_texts() == ["概况", "参与单位", "事项变更申请", "办件", "历史记录"]
    tabs.get_by_role("link", name="办件").click()
    page.wait_for_url("**tab=cases")
    assert page.locator("table[data-rows] tbody tr").count() == 3
    no_sideways(page)
    page.get_by_role("link", name="在列表中筛选").click()
    page.wait_for_url("**/cases/?item_id=*")
    assert "食品经营许可" in page.inner_text("a.chip.on")
    page.go_back()
    tabs.get_by_role("link", name="历史记录").click()
    page.wait_for_url("**tab=history")
    newest = page.locator("section.card").first
    assert "韩文静" in newest.inner_text()
    line = newest.locator("tbody tr", has_text="承诺时限（工作日）")
    assert line.locator("ins").inner_text() == days
    assert line.locator("del").inner_text().isdigit()
    no_sideways(page)

    today = local_day(datetime.now(UTC))
    page.fill("#on", f"{today:%Y-%m-%d}")
    page.click("button:has-text('查看')")
    page.wait_for_selector("text=终了时的内容，此后可能已有变更")
    assert page.locator("dt:text-is('承诺时限（工作日）') + dd").inner_text() == days
    no_sideways(page)
    page.fill("#on", f"{today - timedelta(days=30):%Y-%m-%d}")
    page.click("button:has-text('查看')")
    page.wait_for_selector("text=当日该数据尚不存在")
    page.get_by_role("link", name="当前内容").click()
    page.wait_for_selector("text=基本信息")


def test_one_search_by_keys(people: People, running: Running) -> None:
    page = people("clerk1")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "everywhere"
    page.keyboard.type("食品经营")
    panel = page.locator("#everywhere-list")
    panel.locator("a").first.wait_for()
    assert "事项" in panel.locator("b").all_inner_texts()
    no_sideways(page)
    page.keyboard.press("Escape")
    assert not panel.is_visible()
    page.keyboard.type("许可")
    panel.locator("a").first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    chosen = panel.locator("a[aria-selected=true]")
    assert page.get_attribute("#everywhere", "aria-activedescendant") == chosen.get_attribute("id")
    address = chosen.get_attribute("href")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{running.address}{address}")
    page.keyboard.press("/")
    page.keyboard.type("食品")
    page.keyboard.press("Enter")  # nothing chosen: all that is found, on a page
    page.wait_for_url("**/find/?q=*")
    assert "事项" in page.locator("main h2").all_inner_texts()
    no_sideways(page)


def test_everything_but_the_pickers_works_without_scripts(people: People, running: Running) -> None:
    people("clerk1")
    page = people("clerk1", java_script_enabled=False)
    page.goto(f"{running.address}/cases/")
    page.click("summary:has-text('筛选')")
    page.locator(".panel.wide").get_by_label("已收件").check()
    page.click(".panel.wide .send button")
    page.wait_for_selector("a.chip.on:has-text('已收件')")
    page.locator("tbody a").first.click()
    page.click(".head >> text=修改")
    page.fill("#f-applicant", "无脚本也能改")
    page.click(".send >> text=保存")
    page.wait_for_selector("text=已保存。")
    page.wait_for_selector("dd:text-is('无脚本也能改')")
    page.goto(f"{running.address}/departments/tree")
    for name in ("示例省人民政府", "泉城市人民政府"):
        page.get_by_role("link", name=f"下级：{name}", exact=True).click()
    page.get_by_role("link", name=LISHAN, exact=True).wait_for()
    choose_language(page, "en")
    assert page.get_attribute("html", "lang") == "en"
    choose_language(page, "zh")
    page.click(".who summary")
    page.click("button:has-text('退出')")
    page.wait_for_url("**/login/")
    running.kept.pop("clerk1")


def asked(running: Running, secret: str) -> tuple[int, dict[str, object]]:
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{running.address}/api/v1/cases/", headers={"Authorization": f"Bearer {secret}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_a_token_from_my_account_to_its_end(people: People, running: Running) -> None:
    page = people("clerk2")
    page.click(".who summary")
    page.get_by_role("link", name="我的账号").click()
    page.get_by_role("link", name="接口令牌").click()
    page.click("[data-new]")
    page.fill("#f-name", "综合窗口对接")
    page.fill("#f-expires_at", f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%dT%H:%M}")
    page.click(".send >> text=保存")
    page.wait_for_selector("text=已保存。")
    token = page.url
    page.click(".head >> text=生成密钥")
    page.click(".send >> text=生成密钥")
    secret = page.inner_text(".answer").strip()
    assert secret.startswith("yz_")
    page.get_by_role("link", name="完成").click()
    page.wait_for_url(token)
    assert secret not in page.content()
    status, said = asked(running, secret)
    assert status == 200
    assert len(said["rows"]) == 4  # type: ignore[arg-type]
    page.click(".head >> text=撤销")
    page.click(".send >> text=撤销")
    page.wait_for_selector(".tag.bad")
    assert asked(running, secret)[0] == 401


def test_paper_shows_the_row_and_nothing_around_it(people: People, running: Running) -> None:
    page = people("clerk1")
    page.goto(f"{running.address}/cases/")
    page.locator("tbody a").first.click()
    page.wait_for_selector("text=期限计算过程")
    page.emulate_media(media="print")
    for around in (".side", ".top", ".tabs", ".crumbs", ".head .btn"):
        shown = page.evaluate(
            "(s) => [...document.querySelectorAll(s)].map((e) => getComputedStyle(e).display)", around
        )
        assert shown, around
        assert set(shown) == {"none"}, around
    assert page.locator("h1").is_visible()
    assert page.locator("dt:text-is('申请人')").is_visible()
