"""``make pictures``: the pictures of docs/pictures, from a fresh demonstration, in Chinese."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.browser import CHROMIUM, ROOT, Running, chromium, enter, product

FOLDER = ROOT / "docs" / "pictures"
LIST = ROOT / "tests" / "data" / "catalogue_with_oddities.csv"
SIZES = {1280: 860, 390: 844}


def main() -> int:
    if CHROMIUM is None:
        print("needs a Chromium: install the package chromium, or set CHROMIUM", file=sys.stderr)
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    fonts = Path(os.environ.get("YIZHAN_FONT_CACHE", Path(tempfile.gettempdir()) / "yizhan-font-cache"))
    with tempfile.TemporaryDirectory() as folder, product(Path(folder), fonts=fonts) as running, chromium() as browser:
        for width, height in SIZES.items():
            page = browser.new_context(viewport={"width": width, "height": height}, locale="zh-CN").new_page()
            take(page, running, width)
            page.context.close()
        letter(browser, running, Path(folder))
    return 0


def take(page: Any, running: Running, width: int) -> None:
    def shot(name: str) -> None:
        page.screenshot(path=str(FOLDER / f"{name}-{width}.png"))

    page.goto(f"{running.address}/login/")
    shot("sign-in")
    enter(page, running, "clerk2")
    shot("workbench")
    page.goto(f"{running.address}/cases/")
    shot("cases")
    page.locator("tbody tr", has_text="已受理").locator("a").first.click()
    page.wait_for_selector("text=期限计算过程")
    shot("case")
    page.context.clear_cookies()
    enter(page, running, "manager")
    page.goto(f"{running.address}/items/")
    shot("items")
    page.goto(f"{running.address}/items/new")
    page.fill("#f-name", "公共场所卫生许可（变更）")
    page.fill("#f-promise_days", "五")
    page.fill("#f-local_code", "990102-23-0099")
    page.click("button:has-text('保存')")
    page.wait_for_selector("#problems")
    shot("item-form")
    page.context.clear_cookies()
    enter(page, running, "admin")
    page.goto(f"{running.address}/import/items")
    page.set_input_files("#file", str(LIST))
    page.locator("main form .btn.main").click()
    page.wait_for_selector(".stat")
    shot("import")


def letter(browser: Any, running: Running, folder: Path) -> None:
    page = browser.new_context(locale="zh-CN").new_page()
    enter(page, running, "clerk2")
    page.goto(f"{running.address}/letters/?state=issued")
    page.locator("tbody a").first.click()
    page.wait_for_selector("a:has-text('查看文件')")
    address = page.locator("a:has-text('查看文件')").get_attribute("href")
    (folder / "letter.pdf").write_bytes(page.request.get(f"{running.address}{address}").body())
    import pymupdf

    with pymupdf.open(folder / "letter.pdf") as document:
        for number, sheet in enumerate(document, start=1):
            sheet.get_pixmap(dpi=80).save(FOLDER / f"letter-{number}.png")


if __name__ == "__main__":
    sys.exit(main())
