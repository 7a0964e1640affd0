"""Every kind of page, each brought to where it is worth a look: tests walk through them, pictures show them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rules import totp
from rules.deadlines import local_day
from tests.browser import ROOT, People, enter, pick
from tests.rules.notices import notice

LIST = ROOT / "tests" / "data" / "catalogue_with_oddities.csv"
FOOD = "990102-31001"
REASON = "申请人的经营场所不在本区，申请事项依法不属于本行政机关职权范围。"


@dataclass(frozen=True)
class Scene:
    """name: of its picture. who: signed in, or nobody. bring(page, people): from anywhere to where it is looked at.
    dark: a picture of it by night as well. narrow_only: there is no such thing on a wide screen."""

    name: str
    who: str | None
    bring: Callable[[Any, People], None]
    dark: bool = False
    narrow_only: bool = False


def at(path: str, *clicks: str) -> Callable[[Any, People], None]:
    """Go there, then click what these say."""

    def bring(page: Any, people: People) -> None:
        page.goto(f"{people.running.address}{path}")
        for selector in clicks:
            page.locator(selector).first.click()

    return bring


def case(page: Any, people: People) -> None:
    page.goto(f"{people.running.address}/cases/?state=accepted")
    page.locator("tbody a").first.click()
    page.wait_for_selector("text=期限计算过程")


def case_form(page: Any, people: People) -> None:
    page.goto(f"{people.running.address}/cases/new")
    pick(page, "f-item_id", FOOD, "食品经营许可")
    page.fill("#f-identifier", "92990102MA0000015P")
    page.click(".send >> text=保存")
    page.wait_for_selector("#problems")


def draft(page: Any, people: People) -> None:
    page.goto(f"{people.running.address}/cases/new")
    page.fill("#f-applicant", "泉城示例烘焙坊")
    page.wait_for_selector("[data-kept]:has-text('草稿已保存')")
    page.goto(f"{people.running.address}/cases/new")
    page.wait_for_selector("text=继续填写")


def searched(page: Any, people: People) -> None:
    page.goto(f"{people.running.address}/")
    page.fill("#everywhere", "食品")
    page.wait_for_selector("#everywhere-list a")


def item(page: Any, people: People) -> None:
    page.goto(f"{people.running.address}/items/?q={FOOD}")
    page.locator("tbody a").first.click()
    page.wait_for_selector("text=基本信息")


def item_history(page: Any, people: People) -> None:
    item(page, people)
    page.get_by_role("link", name="历史记录").click()
    page.wait_for_url("**tab=history")


def item_as_it_was(page: Any, people: People) -> None:
    item(page, people)
    page.goto(f"{page.url}?on={local_day(datetime.now(UTC)):%Y-%m-%d}")


def item_cases(page: Any, people: People) -> None:
    item(page, people)
    page.locator(".tabs").get_by_role("link", name="办件").click()
    page.wait_for_url("**tab=cases")


def item_conflict(page: Any, people: People) -> None:
    """The management department and the approver of the department correct the same item."""
    item(page, people)
    page.click("[data-edit]")
    page.wait_for_url("**/edit")
    other = people("approver1")
    other.goto(page.url)
    other.fill("#f-promise_days", "6" if other.input_value("#f-promise_days") != "6" else "4")
    other.fill("#f-address", "泉城市历山区政务路1号区政务服务中心二楼B区14号窗口")
    other.click(".send >> text=保存")
    other.wait_for_selector("text=已保存。")
    other.close()
    page.fill("#f-promise_days", "3")
    page.fill("#f-phone", "0531-00001099")
    page.click(".send >> text=保存")
    page.wait_for_selector("text=他人已修改本条内容")


def view_kept(page: Any, people: People) -> None:
    page.goto(f"{people.running.address}/cases/?state=received&sort=notice_due")
    page.click("summary:has-text('视图')")
    page.fill("#view-name", "待受理，急的在前")
    page.select_option("#view-shared", label="部门经办人员")
    page.click("button:has-text('保存视图')")
    page.wait_for_selector("text=已保存")
    page.goto(page.url)
    page.click("summary:has-text('视图')")


def tree(page: Any, people: People) -> None:
    page.goto(f"{people.running.address}/departments/?q=泉城市历山区卫生健康局")
    row = page.locator("tbody a").first.get_attribute("href").rpartition("/")[2]
    page.goto(f"{people.running.address}/departments/tree?at={row}")


def to_refuse(page: Any, people: People) -> None:
    page.goto(f"{people.running.address}/cases/?state=received&sort=notice_due")
    page.locator("tbody a").first.click()
    page.click(".head >> text=不予受理")
    page.click(".send >> text=不予受理")
    page.wait_for_selector("#problems")


def refused(page: Any, people: People) -> None:
    """Changes rows: the last scene."""
    page.goto(f"{people.running.address}/cases/?sort=number")
    page.check("thead [data-all]")
    page.click(".foot button:has-text('不予受理')")
    page.fill("#f-refusal_reason", REASON)
    page.click(".send button")
    page.wait_for_selector("text=未完成")


def token(page: Any, people: People) -> None:
    page.goto(f"{people.running.address}/tokens/new")
    page.fill("#f-name", "综合窗口对接")
    page.fill("#f-expires_at", f"{local_day(datetime.now(UTC)).year + 1}-01-31T18:00")
    page.click(".send >> text=保存")
    page.click(".head >> text=生成密钥")
    page.click(".send >> text=生成密钥")
    page.wait_for_selector(".answer")


def issued(page: Any, people: People) -> None:
    """The worker writes letters in its own time."""
    for _ in range(60):
        page.goto(f"{people.running.address}/letters/?state=issued")
        if page.locator("tbody a").count():
            break
        page.wait_for_timeout(500)
    page.locator("tbody a").first.click()
    page.wait_for_selector("a:has-text('查看文件')")


def proposed(page: Any, people: People) -> None:
    """A change request with its differences; the second time the one that is there already."""
    page.goto(f"{people.running.address}/changes/?q=护士执业注册")
    if page.locator("tbody a").count() == 0:
        page.goto(f"{people.running.address}/catalogue/?q=护士执业注册")
        page.locator("tbody a").first.click()
        page.click(".head >> text=修改")
        page.fill("#f-name", "护士执业注册（含延续、变更）")
        page.click("[name=propose]")
        page.wait_for_selector("#f-reason")
        page.goto(f"{people.running.address}/changes/?q=护士执业注册")
    page.locator("tbody a").first.click()
    page.wait_for_selector(".diff ins")


def drift(page: Any, people: People) -> None:
    """An entry asks for a material that the item that claims it does not ask for."""
    page.goto(f"{people.running.address}/catalogue/?q=建筑工程施工许可")
    page.locator("tbody a").first.click()
    page.click(".head >> text=修改")
    page.fill("#f-materials", "建设工程规划许可证\n施工合同")
    page.click(".send >> button:text-is('保存')")
    page.wait_for_selector(".flash")
    page.goto(f"{people.running.address}/catalogue-check/drift")
    page.wait_for_selector("ins")


def reconciled(page: Any, people: People) -> None:
    page.goto(f"{people.running.address}/reconcile/")
    page.fill("#system", "双屏互动系统")
    told = "事项编码,事项名称\n990102-31001,食品经营许可\nX-1,护士执业注册\nX-2,对方独有事项\n"
    page.set_input_files("#file", {"name": "对方清单.csv", "mimeType": "text/csv", "buffer": told.encode()})
    page.click("text=开始校对")
    page.wait_for_selector("text=逐项校对结果")


def imported(page: Any, people: People) -> None:
    page.goto(f"{people.running.address}/import/items")
    page.set_input_files("#file", str(LIST))
    page.locator("main form .btn.main").click()
    page.wait_for_selector(".stat")


SECRETS: dict[str, str] = {}  # user name → the secret of the second factor that a scene has set up


def code_of(username: str, steps: int = 0) -> str:
    return totp.code_of(SECRETS[username], totp.step_at(datetime.now(UTC)) + steps)


def factor_offered(page: Any, people: People) -> None:
    page.goto(f"{people.running.address}/account/second-factor/")
    assert page.evaluate("document.querySelector('.qr').naturalWidth > 0")
    page.click("summary:has-text('手动输入')")


def recovery_codes(page: Any, people: People) -> None:
    """From here on auditor is asked for a code."""
    page.goto(f"{people.running.address}/account/second-factor/")
    SECRETS["auditor"] = (page.text_content(".answer") or "").replace(" ", "")
    page.fill("#password", people.running.accounts["auditor"])
    page.fill("#code", code_of("auditor", -1))
    page.click("main form .btn.main")
    page.wait_for_selector(".codes")


def factor_kept(page: Any, people: People) -> None:
    page.goto(f"{people.running.address}/account/second-factor/")
    page.fill("#password", "wrong")
    page.click("text=重新生成恢复码")
    page.wait_for_selector(".why")


def second_step(page: Any, people: People) -> None:
    page.goto(f"{people.running.address}/login/")
    page.fill("#username", "auditor")
    page.fill("#password", people.running.accounts["auditor"])
    page.click("form button.main")
    page.wait_for_selector("#code")


def too_many(page: Any, people: People) -> None:
    page.goto(f"{people.running.address}/login/")
    for _ in range(8):
        page.fill("#username", "approver2")
        page.fill("#password", "wrong")
        page.click("form button.main")
        page.wait_for_selector(".alert")
        if "尝试次数过多" in page.inner_text(".alert"):
            return


def signed_in_twice(page: Any, people: People) -> None:
    second = people(None)
    enter(second, people.running, "approver1")
    second.close()
    page.goto(f"{people.running.address}/account/")


def password_refused(page: Any, people: People) -> None:
    page.goto(f"{people.running.address}/account/password")
    page.fill("#old", people.running.accounts["clerk1"])
    page.fill("#new", "1qaz2wsx3edc")
    page.fill("#again", "1qaz2wsx3edc")
    page.click("main form .btn.main")
    page.wait_for_selector(".why")


def role_chosen(page: Any, people: People) -> None:
    """A role put together from declared grants; refused while what it leads to cannot be seen."""
    page.goto(f"{people.running.address}/roles/")
    if page.get_by_role("link", name="咨询引导台").count() == 0:
        page.goto(f"{people.running.address}/roles/new")
        page.fill("#f-name", "咨询引导台")
        page.click(".send >> text=保存")
    else:
        page.get_by_role("link", name="咨询引导台").click()
    page.click(".tabs >> text='权限'")
    for name in ("list", "show", "accept"):
        page.select_option(f"#g-cases-{name}", "own")
    page.click(".send >> text=保存")
    page.wait_for_selector("#problems")


def why(page: Any, people: People) -> None:
    page.goto(f"{people.running.address}/cases/?state=received")
    page.locator("tbody a").first.click()
    page.click(".tabs >> text=权限说明")
    pick(page, "person", "", "approver2")
    page.click("text=查看说明")
    page.wait_for_selector("text=可否办理")


def stand_in(page: Any, people: People) -> None:
    page.goto(f"{people.running.address}/delegations/new")
    page.fill("#f-reason", "年休假")
    page.click(".send >> text=保存")
    page.wait_for_selector("#problems")


def looked_at(page: Any, people: People) -> None:
    page.goto(f"{people.running.address}/cases/?state=received")
    page.locator("tbody a").first.click()
    page.get_by_role("button", name="显示完整信息").click()
    page.wait_for_selector("text=本次查看已记录")


def old_form(page: Any, people: People) -> None:
    page.goto(f"{people.running.address}/cases/new")
    page.fill("#f-applicant", "泉城示例烘焙坊")
    page.context.clear_cookies()
    page.click(".send >> text=保存")
    page.wait_for_selector("text=登录已失效")


def previewed(page: Any, people: People) -> None:
    page.goto(f"{people.running.address}/work-days/notice")
    page.fill("#text", notice(2027))
    page.click("main form .btn.main")
    page.wait_for_selector("text=尚未写入")


SCENES = (
    Scene("sign-in", None, at("/login/")),
    Scene("public", None, at("/public/items/?q=許可"), dark=True),
    Scene("public-item", None, at("/public/items/", "tbody a")),
    Scene("verify", None, at("/verify/NOPE")),
    Scene("workbench", "clerk1", at("/"), dark=True),
    Scene("search", "clerk1", searched),
    Scene("found", "clerk1", at("/find/?q=食品")),
    Scene("cases", "clerk1", at("/cases/"), dark=True),
    Scene("filters", "clerk1", at("/cases/?state=received&notice_due=week", "summary:has-text('筛选')")),
    Scene("views", "clerk1", view_kept),
    Scene("columns", "clerk1", at("/cases/", "summary:has-text('列')")),
    Scene("empty", "clerk1", at("/cases/?q=没有这样的申请人")),
    Scene("case", "clerk2", case, dark=True),
    Scene("case-form", "clerk1", case_form),
    Scene("draft", "clerk1", draft),
    Scene("drafts", "clerk1", at("/drafts/")),
    Scene("account", "clerk1", at("/account/")),
    Scene("password", "clerk1", password_refused),
    Scene("account-sessions", "approver1", signed_in_twice),
    Scene("sessions", "admin", at("/sessions/")),
    Scene("sign-ins", "auditor", at("/sign-ins/")),
    Scene("second-factor", "auditor", factor_offered, dark=True),
    Scene("recovery-codes", "auditor", recovery_codes),
    Scene("second-factor-on", "auditor", factor_kept),
    Scene("second-step", None, second_step),
    Scene("paused", None, too_many),
    Scene("who", "clerk1", at("/", ".who summary")),
    Scene("menu", "clerk1", at("/", "[data-menu]"), narrow_only=True),
    Scene("items", "manager", at("/items/")),
    Scene("item-form", "manager", at("/items/new")),
    Scene("item-conflict", "manager", item_conflict),
    Scene("item", "manager", item),
    Scene("item-history", "manager", item_history),
    Scene("item-as-it-was", "manager", item_as_it_was),
    Scene("item-cases", "manager", item_cases),
    Scene("change", "manager", proposed),
    Scene("worklist", "manager", at("/items/?state=draft&state=in_force&gap_count__from=1")),
    Scene("drift", "manager", drift),
    Scene("cut", "manager", at("/catalogue-check/reductions")),
    Scene("reconcile", "manager", at("/reconcile/")),
    Scene("reconciled", "manager", reconciled),
    Scene("roles", "admin", at("/roles/")),
    Scene("matrix", "admin", at("/matrix/"), dark=True),
    Scene("role-grants", "admin", role_chosen),
    Scene("why", "admin", why),
    Scene("stand-in", "clerk1", stand_in),
    Scene("looked-at", "clerk1", looked_at),
    Scene("tree", "admin", tree),
    Scene("departments", "admin", at("/departments/")),
    Scene("events", "auditor", at("/events/")),
    Scene("letter", "clerk2", issued),
    Scene("import", "admin", imported),
    Scene("year", "admin", at("/work-days/year/2026"), dark=True),
    Scene("year-provisional", "clerk1", at("/work-days/year/2031")),
    Scene("notice", "admin", at("/work-days/notice")),
    Scene("notice-preview", "admin", previewed),
    Scene("token", "clerk1", token),
    Scene("not-found", "clerk1", at("/nowhere")),
    Scene("action", "approver1", to_refuse),
    Scene("results", "approver1", refused),
    Scene("signed-out", "clerk2", old_form),
)
