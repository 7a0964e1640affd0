"""``make pictures``: the pictures of docs/pictures, from a fresh demonstration, in Chinese."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from tests.browser import CHROMIUM, ROOT, People, chromium, product
from tests.scenes import SCENES, issued

FOLDER = ROOT / "docs" / "pictures"
SIZES = {1280: 860, 390: 844}
# Colours of the palette: the commonest of the page, and such as cover the others.
COMMON, RARE = 64, 128


def main() -> int:
    if CHROMIUM is None:
        print("needs a Chromium: install the package chromium, or set CHROMIUM", file=sys.stderr)
        return 1
    FOLDER.mkdir(parents=True, exist_ok=True)
    for stale in FOLDER.glob("*.png"):
        stale.unlink()
    fonts = Path(os.environ.get("YIZHAN_FONT_CACHE", Path(tempfile.gettempdir()) / "yizhan-font-cache"))
    with tempfile.TemporaryDirectory() as folder, product(Path(folder), fonts=fonts) as running, chromium() as browser:
        people = People(browser, running)
        letter(people, Path(folder))
        for scene in SCENES:
            take(scene, people)
        people.leave()
    size = sum(picture.stat().st_size for picture in FOLDER.glob("*.png"))
    print(f"{len([*FOLDER.glob('*.png')])} pictures, {size / 1e6:.1f} MB")
    return 0


def take(scene: Any, people: People) -> None:
    """Brought there once, looked at from both sizes."""
    page = people(scene.who)
    page.set_viewport_size({"width": 390 if scene.narrow_only else 1280, "height": SIZES[1280]})
    scene.bring(page, people)
    for width, height in SIZES.items():
        if scene.narrow_only and width > 390:
            continue
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("scrollTo(0, 0)")
        shot(page, FOLDER / f"{scene.name}-{width}.png")
        if scene.dark:
            page.emulate_media(color_scheme="dark")
            shot(page, FOLDER / f"{scene.name}-{width}-dark.png")
            page.emulate_media(color_scheme="light")
    page.close()


def shot(page: Any, path: Path) -> None:
    page.screenshot(path=str(path), animations="disabled")
    small(path)


def small(path: Path) -> None:
    """With a palette a picture of a page is a third as large, and looks the same: what it has most of stays exactly as
    it is, and what little red there is stays red."""
    with Image.open(path) as picture:
        page = picture.convert("RGB")
    most = sorted(page.getcolors(page.width * page.height) or [], reverse=True)[:COMMON]
    rest = page.quantize(RARE, Image.Quantize.MAXCOVERAGE).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for _, colour in most for part in colour] + rest[: 3 * RARE])
    page.quantize(palette=palette, dither=Image.Dither.NONE).save(path, optimize=True)


def letter(people: People, folder: Path) -> None:
    page = people("clerk2")
    issued(page, people)
    address = page.locator("a:has-text('查看文件')").get_attribute("href")
    (folder / "letter.pdf").write_bytes(page.request.get(f"{people.running.address}{address}").body())
    page.close()
    import pymupdf

    with pymupdf.open(folder / "letter.pdf") as document:
        for number, sheet in enumerate(document, start=1):
            path = FOLDER / f"letter-{number}.png"
            sheet.get_pixmap(dpi=80).save(path)
            small(path)


if __name__ == "__main__":
    sys.exit(main())
