"""A real browser over a real ``run.py up``: web server and worker as a person starts them, on a fresh demonstration."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--lang=zh-CN",  # the words of its own date and file inputs, where its language pack is installed
)
WIDTHS = (1280, 390)
PATIENCE = 30_000  # milliseconds; two cores may have other things to do
HERE = "http://127.0.0.1"
POLICY = "Content Security Policy"


@dataclass
class Running:
    """The product, up and answering."""

    address: str
    instance: Path
    process: subprocess.Popen[str]
    # Who came later: user name → password. What a browser keeps of a sign-in: user name → cookies.
    hired: dict[str, str] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def accounts(self) -> dict[str, str]:
        """User name → password, as the product wrote them for its demonstration."""
        lines = (self.instance / "demo-accounts.txt").read_text(encoding="utf-8").splitlines()
        return {parts[0]: parts[1] for line in lines if len(parts := line.split()) >= 2} | self.hired


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def product(instance: Path, *, fonts: Path, **environment: str) -> Iterator[Running]:
    """``python run.py up`` on a free port until the block ends; stopped as Ctrl-C would."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    settings = {"YIZHAN_INSTANCE": str(instance), "PORT": str(port), "FONT_CACHE": str(fonts), **environment}
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "run.py"), "up"],
        cwd=ROOT,
        env={**os.environ, **settings},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        wait_for(f"{address}/health/", process)
        yield Running(address, instance, process)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
        assert process.stdout is not None
        with process.stdout as said:
            (instance / "output.txt").write_text(said.read(), encoding="utf-8")


def wait_for(address: str, process: subprocess.Popen[str], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            assert process.stdout is not None
            raise RuntimeError(process.stdout.read())
        try:
            with urllib.request.urlopen(address, timeout=2) as answer:  # noqa: S310 - our own server
                if json.load(answer)["status"] == "ok":
                    return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(address)


def letters_written(instance: Path, seconds: float = 60) -> None:
    """Wait until the worker has written every letter that was asked for."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with closing(sqlite3.connect(f"file:{instance / 'yizhan.db'}?mode=ro", uri=True)) as database:
            waiting = "SELECT count(*) FROM outbox WHERE kind LIKE 'letter.%' AND state <> 'done'"
            if not database.execute(waiting).fetchone()[0]:
                return
        time.sleep(0.1)
    raise TimeoutError(instance)


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless Chromium, driven by Playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def enter(page: Any, running: Running, username: str) -> None:
    """Sign in on *page* as a person of the demonstration."""
    page.goto(f"{running.address}/login/")
    page.fill("#username", username)
    page.fill("#password", running.accounts[username])
    page.click("form button.main")
    page.wait_for_url(f"{running.address}/")


def pick(page: Any, name: str, text: str, wanted: str) -> None:
    """Choose in a reference field as a person does: type, wait for the suggestions, take one."""
    page.locator(f"#{name}").wait_for()
    page.wait_for_load_state()  # what is typed before the page's script runs asks for no suggestions
    page.fill(f"#{name}", text)
    page.locator(f"#{name}-list li", has_text=wanted).first.click()


def no_sideways(page: Any) -> None:
    page.wait_for_load_state()
    wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    assert not wide, page.url


class People:
    """Signed-in pages, each in a context of its own; every word in their consoles and every foreign request counts."""

    def __init__(self, browser: Any, running: Running) -> None:
        self.browser, self.running = browser, running
        self.complaints: list[str] = []
        self.contexts: list[Any] = []

    def __call__(self, username: str | None, width: int = 1280, **options: Any) -> Any:
        """A page of that person (None: of nobody), on the workbench."""
        kept = self.running.kept.get(username or "")
        context = self.browser.new_context(
            viewport={"width": width, "height": 900}, locale="zh-CN", storage_state=kept, **options
        )
        context.set_default_timeout(PATIENCE)
        self.contexts.append(context)
        page = context.new_page()
        self.watch(page)
        if username and kept:
            page.goto(f"{self.running.address}/")
        elif username:
            enter(page, self.running, username)
            self.running.kept[username] = context.storage_state()
        return page

    def watch(self, page: Any) -> None:
        """Errors, and requests to anybody else; answers in the 400s are said there too, and meant. What our own rules
        forbade (POLICY) counts however it is said."""
        page.on("console", lambda m: self.tell(m.text) if m.type in ("error", "warning") or POLICY in m.text else None)
        page.on("pageerror", lambda e: self.tell(str(e)))
        page.on("request", lambda r: self.tell(r.url) if not r.url.startswith((HERE, "data:")) else None)

    def tell(self, words: str) -> None:
        meant = words.startswith("Failed to load resource") and "status of 4" in words and POLICY not in words
        if not meant:
            self.complaints.append(words)

    def leave(self) -> None:
        """Close everything; nobody may have complained."""
        for context in self.contexts:
            context.close()
        assert not self.complaints, "\n".join(self.complaints)


def hire(people: People, username: str, name: str, department: str, role: str) -> None:
    """A new colleague: the administrator makes the account and a password, its owner replaces that at once."""
    running, admin = people.running, people("admin")
    admin.goto(f"{running.address}/accounts/new")
    admin.fill("#f-username", username)
    admin.fill("#f-last_name", name)
    admin.fill("#f-email", f"{username}@example.invalid")
    pick(admin, "f-department_id", department, department)
    admin.get_by_label(role, exact=True).check()
    admin.get_by_label("允许登录").check()
    admin.click("button:has-text('保存')")
    admin.click(".head >> text=重置密码")
    admin.click(".send >> text=重置密码")
    first = admin.inner_text(".answer").strip()
    running.hired[username] = first
    page = people(None)
    page.goto(f"{running.address}/login/")
    page.fill("#username", username)
    page.fill("#password", first)
    page.click("form button.main")
    page.wait_for_url(f"{running.address}/account/password")
    running.hired[username] = "Xin-mima-2026"
    page.fill("#old", first)
    page.fill("#new", running.hired[username])
    page.fill("#again", running.hired[username])
    page.click("main form .btn.main")
    page.wait_for_url(f"{running.address}/")
    running.kept[username] = page.context.storage_state()


def choose_language(page: Any, locale: str) -> None:
    """Through the menu behind one's own name."""
    page.click("details.who summary")
    with page.expect_navigation():
        page.click(f'details.who button[name=locale][value="{locale}"]')
