"""Roles in a browser: one put together from declared grants, one given for a time, and a colleague who stands in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rules.deadlines import local_day
from tests.browser import CHROMIUM, WIDTHS, People, Running, no_sideways, pick

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium: install the package chromium, or set CHROMIUM"),
]
REFUSE = "text=不予受理"


def received(page: Any, running: Running) -> str:
    """The address of a case of the person's own department that waits to be accepted."""
    page.goto(f"{running.address}/cases/?state=received")
    page.locator("tbody a").first.click()
    page.wait_for_load_state()
    return str(page.url)


def save(page: Any) -> None:
    with page.expect_navigation():
        page.click(".send >> text=保存")


def end(page: Any, label: str = "结束") -> None:
    """Through the page that asks for consent."""
    page.click(f".head >> text={label}")
    with page.expect_navigation():
        page.click(f".send >> text={label}")


@pytest.mark.parametrize("width", WIDTHS)
def test_a_role_is_put_together_and_given(people: People, running: Running, width: int) -> None:
    admin = people("admin", width)
    admin.goto(f"{running.address}/roles/new")
    admin.fill("#f-name", f"后台查看{width}")
    save(admin)
    admin.click(".tabs >> text='权限'")
    admin.select_option("#g-outbox-list", "all")
    save(admin)
    assert "须同时能够查看" in admin.inner_text("#problems")
    assert admin.input_value("#g-outbox-list") == "all"
    no_sideways(admin)
    admin.select_option("#g-outbox-show", "all")
    save(admin)
    assert "已保存" in admin.inner_text(".flash")
    admin.goto(f"{running.address}/matrix/?registry=outbox")
    assert f"后台查看{width}" in admin.inner_text(".matrix")
    no_sideways(admin)

    clerk = people("clerk1", width)
    assert clerk.goto(f"{running.address}/outbox/").status == 403
    admin.goto(f"{running.address}/accounts/?q=clerk1")
    admin.locator("tbody a").first.click()
    admin.click(".head >> text=修改")
    admin.get_by_label(f"后台查看{width}").check()
    save(admin)
    assert clerk.goto(f"{running.address}/outbox/").status == 200
    admin.goto(f"{running.address}/roles/")
    admin.get_by_role("link", name=f"后台查看{width}").click()
    end(admin, "停用")
    assert clerk.goto(f"{running.address}/outbox/").status == 403


@pytest.mark.parametrize("width", WIDTHS)
def test_a_role_for_a_time(people: People, running: Running, width: int) -> None:
    today = local_day(datetime.now(UTC))
    clerk, admin = people("clerk1", width), people("admin", width)
    case = received(clerk, running)
    assert clerk.locator(f".head >> {REFUSE}").count() == 0
    admin.goto(f"{running.address}/role-terms/new")
    pick(admin, "f-account_id", "clerk1", "clerk1")
    pick(admin, "f-role_id", "审批", "部门审批人员")
    admin.fill("#f-from_day", today.isoformat())
    admin.fill("#f-until_day", (today - timedelta(days=1)).isoformat())
    save(admin)
    assert "截止日期早于起始日期" in admin.inner_text("#problems")
    admin.fill("#f-until_day", (today + timedelta(days=2)).isoformat())
    save(admin)
    admin.wait_for_selector("text=已保存。")
    no_sideways(admin)
    clerk.goto(case)
    assert clerk.locator(f".head >> {REFUSE}").count() == 1
    clerk.goto(f"{running.address}/account/")
    assert "部门审批人员 · 至" in clerk.inner_text("main")
    end(admin)
    clerk.goto(case)
    assert clerk.locator(f".head >> {REFUSE}").count() == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_a_colleague_stands_in(people: People, running: Running, width: int) -> None:
    today = local_day(datetime.now(UTC)).isoformat()
    approver, clerk = people("approver1", width), people("clerk1", width)
    case = received(clerk, running)
    assert clerk.locator(f".head >> {REFUSE}").count() == 0
    approver.goto(f"{running.address}/delegations/new")
    pick(approver, "f-deputy_id", "clerk1", "clerk1")
    approver.fill("#f-from_day", today)
    approver.fill("#f-until_day", today)
    approver.fill("#f-reason", f"外出培训{width}")
    save(approver)
    approver.wait_for_selector("text=已保存。")
    no_sideways(approver)
    clerk.goto(f"{running.address}/")
    assert "您正在代" in clerk.inner_text("main")
    clerk.goto(case)
    clerk.click(f".head >> {REFUSE}")
    clerk.fill("#f-refusal_reason", "申请事项依法不属于本行政机关职权范围。")
    with clerk.expect_navigation():
        clerk.click(f".send >> {REFUSE}")
    assert "（代" in clerk.inner_text(".timeline")
    no_sideways(clerk)
    end(approver)
    other = received(clerk, running)
    assert other != case
    assert clerk.locator(f".head >> {REFUSE}").count() == 0
