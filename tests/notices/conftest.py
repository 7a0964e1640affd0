"""Converted fonts once for every run on this machine, and the letters the tests write."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from notices import Rendered, fonts, render

WHEN = datetime(2026, 3, 3, 9, 30, tzinfo=timezone(timedelta(hours=8)))
NUMBERS = {"acceptance": "泉审批受〔2026〕123号", "refusal": "泉审批不受〔2026〕7号"}
CODE = "7K3M-92QX-LLAF-P2WD"
ADDRESS = "https://zwfw.example.gov.cn/verify/7K3M92QXLLAFP2WD"
RARE = "镕堃喆䶮㛃𠅤"


@pytest.fixture(scope="session")
def font_cache() -> Path:
    cache = Path(os.environ.get("YIZHAN_FONT_CACHE", "/tmp/yizhan-font-cache"))
    fonts.prepare(cache)
    return cache


@pytest.fixture
def data() -> dict[str, Any]:
    """An invented case of an invented city, with every key the notices may ask for."""
    return {
        "agency": "泉城市历山区行政审批服务局",
        "agency_short": "泉审批",
        "department_phone": "0531-00000000",
        "address": "泉城市历山区政务路1号政务服务中心12号窗口",
        "applicant": "示例酒店管理有限公司",
        "applicant_kind": "organisation",
        "identifier": "91370100MA00000X0X",
        "contact_phone": "138****0000",
        "item": "公共场所卫生许可（新办）",
        "item_code": "11370102004189012X4370123015000",
        "item_type": "行政许可",
        "is_licence": True,
        "received_on": date(2026, 3, 2),
        "decided_on": date(2026, 3, 3),
        "promise_days": 5,
        "statutory_days": 20,
        "promise_due": date(2026, 3, 10),
        "statutory_due": date(2026, 3, 31),
        "due_provisional": False,
        "legal_basis": ["《公共场所卫生管理条例》第四条"],
        "reason": "你单位申请的食品经营事项依法不属于本机关职权范围。",
        "competent": "泉城市历山区市场监督管理局",
        "case_number": "QS-2026-03-000123",
        "handler": "张三",
        "reconsider_body": "泉城市历山区人民政府",
        "court": "泉城市历山区人民法院",
        "materials": [
            {"name": "公共场所卫生许可证申请表", "form": "原件", "copies": 1},
            {"name": "公共场所地址方位示意图、平面图和卫生设施平面布局图", "form": "复印件（加盖公章）", "copies": 2},
        ],
    }


@pytest.fixture
def write(data: dict[str, Any], font_cache: Path) -> Callable[..., Rendered]:
    """write(kind, **changes): a letter from the case above with some of its data changed."""

    def write(kind: str = "acceptance", **changes: Any) -> Rendered:
        return render(
            kind,
            data | changes,
            number=NUMBERS[kind],
            code=CODE,
            verify_url=ADDRESS,
            when=WHEN,
            fonts=font_cache,
            demo=True,
        )

    return write


def letters(text: str) -> str:
    """*text* without blanks, as lines and justification put those where they like."""
    return re.sub(r"\s", "", text)
