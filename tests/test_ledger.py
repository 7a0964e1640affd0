"""The numbers that CI shows are those that were counted."""

from __future__ import annotations

from tests.ledger import added


def test_numbers_are_added_and_names_counted_once() -> None:
    shares = [
        {"scope": {"routes": ["/a", "/b"], "requests": 3}},
        {"scope": {"routes": ["/b", "/c"], "requests": 4}, "fuzz": {"requests": 1}},
    ]
    assert added(shares) == {"scope": {"routes": 3, "requests": 7}, "fuzz": {"requests": 1}}
