"""不予受理通知书: 行政许可法 art. 32 para. 1 item 2 and para. 2, with who is competent and the remedies.

Remedies: 行政复议法 art. 20 (sixty days), 行政诉讼法 art. 46 (six months). The wording beyond the law's own
words is ours and waits for a lawyer's check.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from notices.catalog import NoticeError
from notices.letter import application, paragraphs
from rules.words import N_

TITLE = N_("Notice of refusal to accept")
CODE = "不受"


def context(data: Mapping[str, Any]) -> dict[str, Any]:
    """The reasons as paragraphs and the bodies to turn to. Raises NoticeError: a missing key, no reason."""
    reasons = paragraphs(data["reason"])
    if not reasons:  # 行政许可法 art. 38 para. 2 and art. 72 item 5: no refusal without its reasons
        raise NoticeError("no_reason", N_("A refusal needs its reasons"), field="reason")
    title = "行政许可申请不予受理通知书" if data["is_licence"] else "政务服务事项不予受理通知书"
    return application(data, title) | {
        "reasons": reasons,
        "competent": data["competent"],
        "reconsider_body": data["reconsider_body"],
        "court": data["court"],
    }
