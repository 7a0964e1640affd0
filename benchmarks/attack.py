"""A hundred thousand attempts to sign in as one person: ``python -m benchmarks.attack [ATTEMPTS]``.

In this process, over a fresh copy of the small world of the tests on SQLite, with a clock that is moved by hand: ten
attempts a second, as a patient script would make them. Says how many were looked at, what the record of them looks
like, and whether the owner got in meanwhile, on a device known for the account.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

ATTEMPTS = 100_000
EVERY = timedelta(milliseconds=100)


@dataclass
class Found:
    looked_at: int = 0
    paused: int = 0
    rows: int = 0
    signed_in: bool = False
    seconds: float = 0.0


def attack(app: Any, database: Any, clock: Any, times: int, *, username: str, password: str) -> Found:
    """The owner signs in once, the attack runs, and half-way the owner comes again."""
    from models.scope import everything
    from models.sign_in import Attempt
    from tests.conftest import Browser

    owner, attacker = Browser(app.test_client()), Browser(app.test_client())
    owner.post("/login/", {"username": username, "password": password})
    owner.post("/logout/")
    token, found, began = attacker.token(), Found(), time.monotonic()
    for n in range(times):
        sent = {"csrf_token": token, "username": username, "password": f"guess {n}"}
        status = attacker.client.post("/login/", data=sent).status_code
        found.looked_at += status == 401
        found.paused += status == 429
        clock.moment += EVERY
        if n == times // 2:
            found.signed_in = owner.post("/login/", {"username": username, "password": password}).status_code == 302
    found.seconds = time.monotonic() - began
    with database.session(everything("attack")) as s:
        found.rows = s.scalar(select(func.count()).select_from(Attempt)) or 0
    return found


def main(times: int) -> None:
    import config as settings
    from jobs.setup import migrate
    from models import registries
    from models.database import Database
    from run import create_app
    from tests.conftest import Clock, DeafQueue
    from tests.world import NOW, PASSWORD, build

    with tempfile.TemporaryDirectory() as folder:
        config = settings.read({}, instance=Path(folder))
        migrate(config)
        registries()
        database, clock = Database(config.database), Clock(NOW)
        build(database)
        app = create_app(config, clock=clock, database=database)
        app.extensions["yizhan_queue"] = DeafQueue()
        app.appbuilder.sm.limiter.enabled = False
        found = attack(app, database, clock, times, username="clerk", password=PASSWORD)
        database.dispose()
    print(f"{times} attempts in {found.seconds:.0f} s ({found.seconds / times * 1000:.1f} ms each)")
    print(f"looked at: {found.looked_at}; refused unseen: {found.paused}")
    print(f"rows in the record of sign-ins: {found.rows}")
    print(f"the owner, on a known device, half-way: {'signed in' if found.signed_in else 'REFUSED'}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ATTEMPTS)
