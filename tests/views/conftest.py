"""What tests of pages share: the product up once for each module of browser tests, a browser, people who sign in; and
our application beside a stock one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser import People, Running, chromium, letters_written, product
from tests.conftest import Templates
from tests.views.ours import Ours, opened
from tests.views.stock_client import Stock
from tests.views.stock_client import running as stock_running


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, fonts: Path) -> Path:
    """An instance with the demonstration and its letters, made once; each module works on a copy."""
    folder = tmp_path_factory.mktemp("prepared")
    with product(folder, fonts=fonts):
        letters_written(folder)
    return folder


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, prepared: Path, fonts: Path) -> Iterator[Running]:
    instance = tmp_path_factory.mktemp("copies") / "instance"
    shutil.copytree(prepared, instance)
    with product(instance, fonts=fonts) as found:
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


@pytest.fixture(scope="module")
def stock() -> Stock:
    """The stock application, which starts meanwhile."""
    return stock_running()


@pytest.fixture(scope="module")
def ours(stock: Stock, templates: Templates, tmp_path_factory: pytest.TempPathFactory, fonts: Path) -> Iterator[Ours]:
    """Our application beside it."""
    with opened(templates, tmp_path_factory.mktemp("ours"), fonts) as found:
        yield found
