"""Signing in as people do: held up by an attack, with a phone and without it, from two machines at once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from rules import totp
from tests.browser import CHROMIUM, WIDTHS, People, enter, no_sideways

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium: install the package chromium, or set CHROMIUM"),
]


def try_in(page: Any, people: People, username: str, password: str) -> str:
    """One attempt; what the page says to it, or nothing where it let the person in."""
    page.goto(f"{people.running.address}/login/")
    page.fill("#username", username)
    page.fill("#password", password)
    page.click("form button.main")
    page.wait_for_load_state()
    return str(page.inner_text(".alert")) if page.locator(".alert").count() else ""


def test_the_owner_comes_in_while_somebody_guesses(people: People) -> None:
    owner = people("clerk2")
    owner.click("details.who summary")
    owner.click("text=退出登录")
    owner.wait_for_selector("#username")
    attacker = people(None, width=390)
    for _ in range(5):
        assert try_in(attacker, people, "clerk2", "wrong") == "用户名或密码有误。"
    seen = {try_in(attacker, people, "clerk2", "wrong")[:6] for _ in range(12)}
    assert "尝试次数过多" in seen
    no_sideways(attacker)
    assert try_in(owner, people, "clerk2", people.running.accounts["clerk2"]) == ""
    owner.wait_for_selector("details.who")
    people.running.kept.pop("clerk2", None)


def test_a_phone_and_the_day_it_is_lost(people: People) -> None:
    page = people("approver1")
    page.goto(f"{people.running.address}/account/")
    with page.expect_navigation():  # until its pictures are there
        page.click("section:has-text('二次验证') >> text=设置")
    assert page.evaluate("document.querySelector('.qr').naturalWidth > 0")
    secret = (page.text_content(".answer") or "").replace(" ", "")
    page.fill("#password", people.running.accounts["approver1"])
    page.fill("#code", totp.code_of(secret, totp.step_at(datetime.now(UTC)) - 1))
    page.click("main form .btn.main")
    codes = page.locator(".codes li").all_inner_texts()
    assert len(codes) == 10
    page.click("text=已妥善保存")
    page.wait_for_selector("text=恢复码还剩 10 个")
    for width in WIDTHS:
        other = people(None, width=width)
        assert try_in(other, people, "approver1", people.running.accounts["approver1"]) == ""
        other.wait_for_selector("#code")
        no_sideways(other)
        other.fill("#code", "000000")
        other.click("form button.main")
        assert other.inner_text(".alert") == "验证码有误或已使用过。"
        other.fill("#code", codes.pop())
        other.click("form button.main")
        other.wait_for_url(f"{people.running.address}/")


def test_signed_in_in_two_places_and_then_in_one(people: People) -> None:
    here, there = people("clerk1"), people(None)
    enter(there, people.running, "clerk1")
    here.goto(f"{people.running.address}/account/")
    assert here.locator("section:has-text('登录中的设备') tbody tr").count() == 2
    here.on("dialog", lambda dialog: dialog.accept())
    here.click("text=退出其他所有登录")
    here.wait_for_selector("text=已结束 1 个登录会话")
    assert here.locator("section:has-text('登录中的设备') tbody tr").count() == 1
    there.goto(f"{people.running.address}/cases/")
    there.wait_for_selector("#username")
    here.goto(f"{people.running.address}/messages/")
    here.wait_for_selector("text=您的账号在新设备上登录")


def test_a_password_that_is_guessed_is_refused_beside_its_field(people: People) -> None:
    page = people("clerk1", width=390)
    page.goto(f"{people.running.address}/account/password")
    page.fill("#old", people.running.accounts["clerk1"])
    page.fill("#new", "woaini1314520")
    page.fill("#again", "woaini1314520")
    page.click("main form .btn.main")
    assert page.locator(".field:has(#new) .why").inner_text().startswith("该密码容易被猜中")
    no_sideways(page)
