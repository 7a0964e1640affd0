"""What has had its time: drafts nobody came back to, keys of REST requests that will not be sent again, terms and
sessions that are over, counters of failures that are forgotten, the record of sign-ins and the bytes of
imports after their time."""

from __future__ import annotations

from jobs.batches import fail_abandoned
from jobs.means import Means
from models import batch, draft, replay, session, sign_in, throttle
from models.delegation import Delegation
from models.role_term import RoleTerm
from models.scope import everything
from models.term import end_past


def tidy(means: Means) -> dict[str, int]:
    """Remove what has had its time; returns how many of each. Run twice, or late, it does no harm."""
    now = means.clock()
    with means.database.session(everything("tidy"), write=True) as s:
        return {
            "drafts": draft.purge(s, now),
            "replays": replay.purge(s, now),
            "ended": sum(end_past(s, term, now) for term in (RoleTerm, Delegation)),
            "sessions": session.purge(s, now),
            "throttles": throttle.purge(s, now),
            "sign-ins": sign_in.purge(s, now, means.config.sign_in_days),
            "abandoned": fail_abandoned(s, now),
            "batches": batch.purge(s, now, means.config.batch_days),
        }
