"""Pauses grow, are bounded, and are forgotten; whatever happened before, nobody waits longer than the longest pause."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.throttle import ADDRESS, PERSON, Limit, Tally, failures, network, one_less, one_more, pause, wait_until

NOW = datetime(2026, 6, 17, 2, 0, tzinfo=UTC)
LIMITS = st.sampled_from([PERSON, ADDRESS])
SPANS = st.timedeltas(timedelta(0), timedelta(days=400))


@pytest.mark.parametrize(
    ("count", "seconds"), [(0, 0), (4, 0), (5, 1), (6, 2), (7, 4), (10, 32), (14, 512), (15, 900), (10_000, 900)]
)
def test_pauses_of_a_person(count: int, seconds: int) -> None:
    assert pause(PERSON, count) == timedelta(seconds=seconds)


@given(LIMITS, st.integers(0, 10_000), st.integers(0, 10_000))
def test_more_failures_never_make_a_shorter_pause(limit: Limit, one: int, other: int) -> None:
    assert pause(limit, min(one, other)) <= pause(limit, max(one, other)) <= limit.longest


@given(LIMITS, st.integers(0, 10_000), SPANS)
def test_the_wait_is_bounded_and_ends(limit: Limit, count: int, since: timedelta) -> None:
    until = wait_until(limit, count, NOW - since, NOW)
    if until is None:
        assert since >= pause(limit, count)
    else:
        assert NOW < until <= NOW + limit.longest
        assert wait_until(limit, count, NOW - since, until) is None


@given(LIMITS, st.integers(0, 10_000), SPANS, SPANS)
def test_a_later_failure_never_ends_the_wait_earlier(
    limit: Limit, count: int, one: timedelta, other: timedelta
) -> None:
    earlier, later = NOW - max(one, other), NOW - min(one, other)
    first, second = (wait_until(limit, count, last, NOW) for last in (earlier, later))
    assert first is None or (second is not None and second >= first)


@given(LIMITS, st.lists(SPANS, max_size=60))
def test_however_the_attempts_come(limit: Limit, gaps: list[timedelta]) -> None:
    """One more failure is one more remembered, up to the bound; time takes them away; the wait stays bounded."""
    tally, now = None, NOW
    for gap in gaps:
        before, now = failures(limit, tally, now), now + gap
        left = failures(limit, tally, now)
        assert left <= before
        tally = one_more(limit, tally, now)
        assert failures(limit, tally, now) == min(left + 1, limit.most)
        assert tally.empty_at <= now + limit.leak * limit.most
        until = wait_until(limit, failures(limit, tally, now), tally.last, now)
        assert until is None or until <= now + limit.longest
    if tally is not None:
        assert failures(limit, tally, tally.empty_at) == 0


@given(LIMITS, st.integers(1, 20))
def test_what_was_no_failure_leaves_no_trace(limit: Limit, count: int) -> None:
    tally: Tally | None = None
    for _ in range(count):
        tally = one_more(limit, tally, NOW)
    assert tally is not None
    assert failures(limit, one_less(limit, one_more(limit, tally, NOW)), NOW) in {
        min(count, limit.most),
        limit.most - 1,
    }


@pytest.mark.parametrize("limit", [PERSON, ADDRESS])
def test_the_longest_pause_is_reached_and_no_more_is_remembered(limit: Limit) -> None:
    assert pause(limit, limit.most) == limit.longest
    assert pause(limit, limit.most - 3) < limit.longest


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("10.1.2.3", "10.1.2.3"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix", "unix"),
        ("", ""),
    ],
)
def test_what_counts_as_one_address(address: str, counted: str) -> None:
    assert network(address) == counted
