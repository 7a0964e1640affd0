"""Web server and worker under one roof, for ``run.py up``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from http import HTTPStatus
from types import FrameType

from config import ROOT, Config
from jobs.demo import ACCOUNTS_FILE
from jobs.setup import prepare

PARENT = "YIZHAN_PARENT"


def up(config: Config) -> int:
    """Web server and worker in the foreground; Ctrl-C stops both, and one that dies takes the other along."""
    prepare(config)
    # In sessions of their own, so that Ctrl-C reaches them once, through us, and not from the terminal as well.
    command_line = [sys.executable, str(ROOT / "run.py")]
    environment = {**os.environ, PARENT: str(os.getpid())}
    children = [
        subprocess.Popen([*command_line, name], env=environment, start_new_session=True) for name in ("serve", "worker")
    ]

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    status = 0
    try:
        greeted = False
        while all(child.poll() is None for child in children):
            if not greeted and (greeted := answers(config)):
                greet(config)
            time.sleep(0.1)
        status = 1
    except KeyboardInterrupt:
        pass
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for child in children:
        if child.poll() is None:
            child.send_signal(signal.SIGINT)
    for child in children:
        try:
            child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()
    return status


def answers(config: Config) -> bool:
    try:
        with urllib.request.urlopen(f"http://{config.host}:{config.port}/health/", timeout=1) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False


def follow_parent() -> None:
    """End together with the process that started us, even where it was killed and could not tell."""
    parent = os.environ.get(PARENT)
    if parent is None:
        return

    def watch() -> None:
        while os.getppid() == int(parent):
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=watch, daemon=True).start()


def greet(config: Config) -> None:
    accounts = config.instance / ACCOUNTS_FILE
    print(f"\n一站 Yizhan  {config.address}\n", flush=True)
    if config.demo and accounts.exists():
        print(accounts.read_text(encoding="utf-8"), flush=True)
    elif config.demo:
        print("python run.py create-admin NAME makes an administrator", flush=True)
