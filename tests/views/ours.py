"""Our application on a copy of the world, to be shared by the tests of one module: beside the stock one's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask import Flask

import config as settings
from models.database import Database
from run import create_app
from tests.conftest import DeafQueue, Templates
from tests.views.house import OneToken
from tests.world import NOW, PASSWORD, World


class Ours:
    def __init__(self, url: str, folder: Path, fonts: Path) -> None:
        self.config = settings.read({}, instance=folder, database_url=url, font_cache=str(fonts))
        self.database = Database(url)
        self.world = World(self.database)
        self.app: Flask = create_app(self.config, clock=lambda: NOW, database=self.database)
        self.app.extensions["yizhan_queue"] = DeafQueue()
        self.app.appbuilder.sm.limiter.enabled = False  # type: ignore[attr-defined]
        self.browsers: dict[str, OneToken] = {}

    def __call__(self, person: str) -> OneToken:
        """The browser in which that person has signed in."""
        if person not in self.browsers:
            browser = self.browsers[person] = OneToken(self.app.test_client())
            assert browser.post("/login/", {"username": person, "password": PASSWORD}).status_code == 302
            browser.kept = None  # signing in makes a new session
        return self.browsers[person]


@contextmanager
def opened(templates: Templates, folder: Path, fonts: Path) -> Iterator[Ours]:
    ours = Ours(templates.copy("sqlite", folder), folder, fonts)
    yield ours
    ours.database.dispose()


def why(page: str, name: str) -> str:
    """What stands beside the field *name* of a form that was refused."""
    found = re.search(rf'id="f-{name}-why"[^>]*>(.*?)</div>', page, re.DOTALL)
    return re.sub(r"<[^>]*>", "", found.group(1)).strip() if found else ""
