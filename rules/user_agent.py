"""What a browser calls itself, in words that people know: ``Chrome · Windows``. A hint for people, proof of nothing."""

from __future__ import annotations

import re

# The first that is found stands: browsers name those they descend from as well.
BROWSERS = (
    ("MicroMessenger", "微信"),
    ("DingTalk", "钉钉"),
    ("QQBrowser", "QQ浏览器"),
    ("360SE", "360安全浏览器"),
    ("QihooBrowser", "360安全浏览器"),
    ("MetaSr", "搜狗浏览器"),
    ("UCBrowser", "UC浏览器"),
    ("HuaweiBrowser", "华为浏览器"),
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("HeadlessChrome", "Chrome"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
    ("Trident", "Internet Explorer"),
    ("curl", "curl"),
    ("python-requests", "Python"),
    ("Python-urllib", "Python"),
    ("Werkzeug", "Werkzeug"),
)
SYSTEMS = (
    ("HarmonyOS", "HarmonyOS"),
    ("OpenHarmony", "HarmonyOS"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("UOS", "统信UOS"),
    ("Kylin", "银河麒麟"),
    ("Linux", "Linux"),
)
LONGEST = 60


def device(agent: str) -> str:
    """Browser and system, or what the program calls itself; empty where it says nothing."""
    found = [next((name for word, name in table if word in agent), "") for table in (BROWSERS, SYSTEMS)]
    words = " · ".join(name for name in found if name)
    return words or re.sub(r"[^\w .;()/-]", "", agent).strip()[:LONGEST]
