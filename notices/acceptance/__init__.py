"""受理通知书: 行政许可法 art. 32 para. 1 item 5 and para. 2; other services after their published guide.

The wording beyond the law's own words is ours and waits for a lawyer's check.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from notices.letter import application, limit
from rules.words import N_

TITLE = N_("Notice of acceptance")
CODE = "受"


def context(data: Mapping[str, Any]) -> dict[str, Any]:
    """Both clocks with their last days. Raises NoticeError for a missing key."""
    title = "行政许可申请受理通知书" if data["is_licence"] else "政务服务事项受理通知书"
    return application(data, title) | {
        "promise": limit(data["promise_days"], data["promise_due"], "promise_due"),
        "statute": limit(data["statutory_days"], data["statutory_due"], "statutory_due"),
        "provisional": bool(data["due_provisional"]),
    }
