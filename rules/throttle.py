"""How long somebody must wait after failed attempts: growing pauses, bounded, and forgotten again with time.

Failures leak away one by one instead of being wiped out at once: whoever mistypes now and then never waits, and whoever
guesses without end gets no more than one attempt for each leak or pause, whichever is longer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address


@dataclass(frozen=True)
class Limit:
    """free: failures without a pause. first: the pause after the last of them; each further one doubles it, to
    ``longest``. leak: in so long one failure is forgotten."""

    free: int
    first: timedelta
    longest: timedelta
    leak: timedelta

    @property
    def most(self) -> int:
        """More failures than that are not remembered: they would make no longer pause, only be forgotten later."""
        return self.free + math.ceil(math.log2(self.longest / self.first)) + 1


@dataclass(frozen=True)
class Tally:
    """What is kept of failures. empty_at: when the last of them will have leaked away. last: when the last happened."""

    empty_at: datetime
    last: datetime


# One name from devices that nobody has signed in on, one name from a device that its owner has, one person's codes.
PERSON = Limit(free=5, first=timedelta(seconds=1), longest=timedelta(minutes=15), leak=timedelta(minutes=30))
# One address, whatever names are tried: a hall of three hundred people may stand behind it.
ADDRESS = Limit(free=60, first=timedelta(seconds=1), longest=timedelta(minutes=1), leak=timedelta(seconds=20))


def failures(limit: Limit, tally: Tally | None, now: datetime) -> int:
    """How many failures are still remembered."""
    if tally is None or tally.empty_at <= now:
        return 0
    return min(math.ceil((tally.empty_at - now) / limit.leak), limit.most)


def pause(limit: Limit, count: int) -> timedelta:
    """How long to wait after so many failures."""
    if count < limit.free:
        return timedelta(0)
    return min(limit.first * (1 << min(count - limit.free, 40)), limit.longest)


def wait_until(limit: Limit, count: int, last: datetime, now: datetime) -> datetime | None:
    """The moment before which the next attempt is not even looked at; None when it may be made now."""
    until = last + pause(limit, count)
    return until if until > now else None


def one_more(limit: Limit, tally: Tally | None, now: datetime) -> Tally:
    """The tally with one more failure."""
    start = max(tally.empty_at, now) if tally is not None else now
    return Tally(min(start, now + limit.leak * (limit.most - 1)) + limit.leak, now)


def one_less(limit: Limit, tally: Tally) -> Tally:
    """The tally without the failure that turned out to be none."""
    return Tally(tally.empty_at - limit.leak, tally.last)


def network(address: str) -> str:
    """Who counts as one address: of IPv6 the half that a provider gives to one line, else anybody had 2**64 of them."""
    try:
        found = ip_address(address)
    except ValueError:
        return address[:45]
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return f"{IPv6Address(int(found) >> 64 << 64)}/64"
