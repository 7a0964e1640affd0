"""Every page of every registry opens for the administrator, in each language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from models import registries


@pytest.mark.parametrize("locale", ["zh", "zh_Hant", "en"])
def test_every_page_opens(sign_in: Callable[[str], Any], locale: str) -> None:
    browser = sign_in("admin")
    browser.post("/language/", {"locale": locale, "next": "/"})
    assert browser.get("/").status_code == 200
    for name, model in registries().items():
        answer = browser.get(f"/{name}/")
        assert answer.status_code == 200, (name, answer.status_code)
        if any("add" in g.words and g.role.value == "administrator" for g in model.__admin__.grants):
            assert browser.get(f"/{name}/new").status_code == 200, name
