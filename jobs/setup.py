"""From an empty folder to a running product: schema, roles, calendar, demonstration, web server and worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from datetime import UTC, datetime
from http import HTTPStatus
from types import FrameType

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import func, select

from config import ROOT, Config, write_private
from models import registries
from models.account import Account, new_password, set_password
from models.database import Database
from models.declare import Role
from models.scope import everything
from models.write import save

ACCOUNTS_FILE = "demo-accounts.txt"
PARENT = "YIZHAN_PARENT"


def alembic(database: Database) -> AlembicConfig:
    found = AlembicConfig()
    found.set_main_option("script_location", str(ROOT / "migrations"))
    found.set_main_option("path_separator", "os")
    found.attributes["database"] = database
    return found


def migrate(config: Config) -> None:
    """Bring the database to the newest schema; nothing is opened for writing when it is there already."""
    config.instance.mkdir(parents=True, exist_ok=True)
    database = Database(config.database)
    newest = ScriptDirectory.from_config(alembic(database)).get_current_head()
    with database.engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if current != newest:
        command.upgrade(alembic(database), "head")
    database.dispose()


def is_empty(database: Database) -> bool:
    with database.session(everything("set-up")) as s:
        return not s.scalar(select(func.count()).select_from(Account))


def create_admin(config: Config, username: str, name: str, email: str | None) -> int:
    """Make an administrator with a generated password, which must be replaced at the first sign-in."""
    from flask_appbuilder.security.sqla.models import Role as FabRole

    registries()
    database = Database(config.database)
    with database.session(everything("create-admin"), write=True) as s:
        role = s.scalars(select(FabRole).where(FabRole.name == Role.Administrator.value)).one_or_none()
        if role is None:
            print("run.py: no roles yet; run 'python run.py sync' first", file=sys.stderr)
            return 1
        account = Account()
        password = new_password()
        set_password(account, password, change=True)
        values = {"username": username, "last_name": name, "email": email or f"{username}@localhost", "active": True}
        problems = save(s, account, {**values, "roles": [role.id]}, now=datetime.now(UTC))
        if problems.errors:
            print(f"run.py: {', '.join(f'{p.field}: {p.code}' for p in problems.errors)}", file=sys.stderr)
            return 1
    print(f"{username}  {password}")
    return 0


def prepare(config: Config) -> None:
    """Messages, schema, roles, calendar; the demonstration where nothing is there yet."""
    from run import main
    from translations.catalog import compile_all

    compile_all()
    migrate(config)
    registries()
    database = Database(config.database)
    fresh = is_empty(database)
    if fresh:
        main(["sync"])
        if config.demo:
            from jobs.demo import load

            load(config)
    else:
        from views.security import sync

        with database.session(everything("sync"), write=True) as s:
            sync(s)
    database.dispose()


def up(config: Config) -> int:
    """Web server and worker in the foreground; Ctrl-C (or SIGTERM) stops both, and one that dies takes the other along."""
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


def write_accounts(config: Config, accounts: list[tuple[str, str, str]]) -> None:
    """The demonstration accounts (user name, password, who it is), readable by their owner alone."""
    width = max(len(username) for username, _, _ in accounts)
    lines = [f"{username:<{width}}  {password}  {who}" for username, password, who in accounts]
    write_private(config.instance / ACCOUNTS_FILE, "\n".join(lines) + "\n")
