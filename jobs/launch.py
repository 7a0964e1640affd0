"""Web server and worker under one roof, for ``run.py up``: the server runs in this process, the worker beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from config import ROOT, Config
from jobs.demo import ACCOUNTS_FILE

PARENT = "YIZHAN_PARENT"
PATIENCE = 10


@contextmanager
def worker_beside() -> Iterator[Callable[[], bool]]:
    """A worker process for as long as the block lasts. Yields whether it died on its own, which ends us as well."""
    # In a session of its own, so that Ctrl-C reaches it once, through us, and not from the terminal as well.
    environment = {**os.environ, PARENT: str(os.getpid())}
    worker = subprocess.Popen([sys.executable, str(ROOT / "run.py"), "worker"], env=environment, start_new_session=True)
    stopping = threading.Event()

    def watch() -> None:
        worker.wait()
        if not stopping.is_set():
            os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield lambda: worker.poll() is not None and not stopping.is_set()
    finally:
        stopping.set()
        if worker.poll() is None:
            worker.terminate()
            try:
                worker.wait(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                worker.kill()


def stop_on_signals() -> None:
    """Ctrl-C and SIGTERM end the server alike, also where a shell started us with Ctrl-C switched off."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def follow_parent() -> None:
    """End together with the process that started us, even where it was killed and could not tell."""
    parent = os.environ.get(PARENT)
    if parent is None:
        return

    def watch() -> None:
        while os.getppid() == int(parent):
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def greet(config: Config) -> None:
    accounts = config.instance / ACCOUNTS_FILE
    print(f"\n一站 Yizhan  {config.address}\n", flush=True)
    if config.demo and accounts.exists():
        print(accounts.read_text(encoding="utf-8"), flush=True)
    elif config.demo:
        print("python run.py create-admin NAME makes an administrator", flush=True)
