"""What the proofs have counted (routes, people, requests, attacks …), told at the end of a run so that CI shows it.

Each test's share travels with its report, so that the numbers of several workers are added up as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

MARK = "proof"
_open: dict[str, dict[str, Any]] = {}


def note(proof: str, **counted: int | Iterable[str]) -> None:
    """Add to what *proof* has counted: a number is added up, of names each counts once."""
    kept = _open.setdefault(proof, {})
    for what, value in counted.items():
        if isinstance(value, int):
            kept[what] = kept.get(what, 0) + value
        else:
            kept[what] = sorted({*kept.get(what, ()), *value})


def added(shares: Iterable[dict[str, dict[str, Any]]]) -> dict[str, dict[str, int]]:
    """proof → what → how many, over all *shares*."""
    found: dict[str, dict[str, Any]] = {}
    for share in shares:
        for proof, counted in share.items():
            kept = found.setdefault(proof, {})
            for what, value in counted.items():
                kept[what] = kept.get(what, 0) + value if isinstance(value, int) else {*kept.get(what, ()), *value}
    return {p: {w: v if isinstance(v, int) else len(v) for w, v in kept.items()} for p, kept in found.items()}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Any:
    report = yield
    if _open:
        report.user_properties.append((MARK, json.dumps(_open)))
        _open.clear()
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = {id(r): r for kept in terminalreporter.stats.values() for r in kept}.values()
    told = [text for r in reports for mark, text in getattr(r, "user_properties", ()) if mark == MARK]
    if not told:
        return
    terminalreporter.section("proofs")
    for proof, counted in sorted(added(map(json.loads, told)).items()):
        terminalreporter.write_line(f"{proof}: " + " × ".join(f"{n:,} {what}" for what, n in counted.items()))
