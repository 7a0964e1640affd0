"""A real browser over a real ``run.py up``: web server and worker as a person starts them, on a fresh demonstration."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
)


@dataclass
class Running:
    """The product, up and answering."""

    address: str
    instance: Path
    process: subprocess.Popen[str]

    @property
    def accounts(self) -> dict[str, str]:
        """User name → password, as the product wrote them for its demonstration."""
        lines = (self.instance / "demo-accounts.txt").read_text(encoding="utf-8").splitlines()
        return {parts[0]: parts[1] for line in lines if len(parts := line.split()) >= 2}


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
