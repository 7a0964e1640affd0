"""Browsers and systems as people call them; whatever somebody sends, a short text without markup."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.keys import derive, keyed_hash
from rules.user_agent import LONGEST, device

AGENTS = {
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36": (
        "Chrome · Windows"
    ),
    "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0": "Edge · Windows",
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0": "Firefox · Linux",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18 Safari/605.1": "Safari · macOS",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604.1": "Safari · iPhone",
    "Mozilla/5.0 (Linux; Android 14; HarmonyOS) Chrome/114.0 HuaweiBrowser/15 Mobile Safari": "华为浏览器 · HarmonyOS",
    "Mozilla/5.0 (Linux; Android 15) Chrome/130.0 Mobile MicroMessenger/8.0": "微信 · Android",
    "curl/8.5.0": "curl",
    "MyImporter/1.0 (health bureau)": "MyImporter/1.0 (health bureau)",
    "": "",
    "<script>alert(1)</script>": "scriptalert(1)/script",
}


@pytest.mark.parametrize(("agent", "words"), AGENTS.items())
def test_devices(agent: str, words: str) -> None:
    assert device(agent) == words


@given(st.text(max_size=400))
def test_any_text_has_an_answer(agent: str) -> None:
    words = device(agent)
    assert len(words) <= LONGEST
    assert not set(words) & set("<>\"'&\x00\n")


def test_a_key_for_each_purpose() -> None:
    assert derive("secret", "one") != derive("secret", "other")
    assert len(derive("secret", "one")) == 32
    hashes = {keyed_hash(s, p, t) for s in ("a", "b") for p in ("x", "y") for t in ("王磊", "wanglei", "\ud800")}
    assert len(hashes) == 12
