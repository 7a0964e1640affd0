"""What the browser tests share: the product up once for each of their modules, a browser, people who sign in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import People, Running, chromium, product


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, fonts: Path) -> Iterator[Running]:
    with product(tmp_path_factory.mktemp("instance"), fonts=fonts) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def people(browser: Any, running: Running) -> Iterator[People]:
    found = People(browser, running)
    yield found
    found.leave()
