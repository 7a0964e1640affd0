"""What every letter says in the same words, and what every letter about an application does: who, what, when.

The keys of *data* are the caller's promise: agency, agency_short, department_phone, address and decided_on are there
for every letter (``jobs/letters.py``), the others come from the registry's ``letter``. Each notice's ``context`` adds
what is special about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from notices.catalog import NoticeError
from rules.words import N_

#: Full-width characters on a line of 22 pt in the 156 mm of GB/T 9704-2012.
TITLE_WIDTH = 20
#: The same for the 15.75 pt of the signature, less one for the seal's sake.
SIGN_WIDTH = 27

IDENTIFIER = {"person": "证件号码", "organisation": "统一社会信用代码"}
YOU = {"person": "你", "organisation": "你单位"}


def cn_date(day: Any, key: str) -> str:
    """A legal day as GB/T 9704-2012 writes it: 2026年3月2日, without zeros.

    Raises NoticeError naming *key* for anything but a ``date``; a moment has no day without its zone.
    """
    if not isinstance(day, date) or isinstance(day, datetime):
        raise NoticeError("not_a_date", N_("“%(key)s” must be a date"), field=key, key=key)
    return f"{day.year}年{day.month}月{day.day}日"


def paragraphs(text: str) -> list[str]:
    """*text* in the paragraphs it was typed in, without empty ones."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def balanced(text: str, width: int) -> list[str]:
    """*text* on as few lines of *width* as it needs, all of like length: no title ends in a stray word."""
    count = -(-len(text) // width)
    size = -(-len(text) // count) if count else 0
    return [text[i * size : (i + 1) * size] for i in range(count)]


def limit(days: Any, due: Any, key: str) -> dict[str, Any] | None:
    """{days, due}: a period in working days and the last day of it as text, or None when there is none.

    *due* may be unknown while *days* is not, as when the clock stands still.
    """
    if days is None:
        return None
    return {"days": days, "due": cn_date(due, key) if due is not None else ""}


def rows(pairs: list[tuple[str, Any, bool]]) -> list[dict[str, str]]:
    """Table rows of one wide pair or two narrow ones; a pair without a value is left out.

    pairs: (label, value, wide). Each row: label, value, label2, value2 (the latter two empty when wide).
    """
    table: list[dict[str, str]] = []
    waiting: dict[str, str] | None = None
    for label, value, wide in pairs:
        if not value:
            continue
        if not wide and waiting is not None:
            waiting.update(label2=label, value2=value)
            waiting = None
            continue
        row = {"label": label, "value": value, "label2": "", "value2": ""}
        table.append(row)
        waiting = None if wide else row
    return table


def letter(data: Mapping[str, Any], title: str, *, addressee: str, reference: str, handler: str = "") -> dict[str, Any]:
    """The values that base.html needs for a letter about anything; ``facts`` (see :func:`rows`) is still empty.

    reference: what stands in the foot, label and number of the row in one: 办件编号：东卫健 2026-000001. handler: whom
    to ask for. Raises NoticeError for a missing key or a wrong date.
    """
    return {
        "title": title,
        "agency": data["agency"],
        "agency_lines": balanced(data["agency"], TITLE_WIDTH),
        "sign_lines": balanced(data["agency"], SIGN_WIDTH),
        "addressee": addressee,
        "decided": cn_date(data["decided_on"], "decided_on"),
        "facts": [],
        "contacts": [
            f"{label}：{value}"
            for label, value in (("联系人", handler), ("联系电话", data["department_phone"]), ("地址", data["address"]))
            if value
        ],
        "reference": reference,
    }


def application(data: Mapping[str, Any], title: str) -> dict[str, Any]:
    """The values base.html needs and those that the bodies share; see ``Case.letter`` for *data*.

    Raises NoticeError for a missing key, a wrong date or an unknown kind of applicant.
    """
    kind = data["applicant_kind"]
    if kind not in YOU:
        raise NoticeError(
            "applicant_kind",
            N_("An applicant is a person or an organisation, not “%(kind)s”"),
            field="applicant_kind",
            kind=kind,
        )
    code, label = data["item_code"], data["item_type"]
    reference = f"办件编号：{data['case_number']}"
    return letter(data, title, addressee=data["applicant"], reference=reference, handler=data["handler"]) | {
        "you": YOU[kind],
        "item": data["item"],
        "licence": bool(data["is_licence"]),
        "received": cn_date(data["received_on"], "received_on"),
        "facts": rows(
            [
                (IDENTIFIER[kind], data["identifier"], False),
                ("联系电话", data["contact_phone"], False),
                ("事项名称", data["item"], True),
                ("事项编码", f"{code}（{label}）" if code and label else code or label, True),
                ("设定依据", "；".join(data["legal_basis"]), True),
            ]
        ),
        "materials": [{"name": m["name"], "form": m["form"] or "", "copies": m["copies"]} for m in data["materials"]],
    }
