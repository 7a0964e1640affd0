"""What both kinds of fuzzing share: odd values, ids worth trying, and whose the rows are that changed meanwhile."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from sqlalchemy import inspect, select

from models import registries
from models.event import Event
from models.scope import Scope
from tests.views.house import COUNTED, NOBODYS_ID, READING, House

# The same requests in every run, kept short: CI is to find what a change broke, not what luck would have it.
BOUNDED = settings(
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
ODD = (
    "", " ", "0", "-1", "1", "²", "٣", "1e9", "NaN", "null", "true", "[]", "{}", "{{7*7}}", "%(x)s", "<b>", "' OR 1=1",
    "\x00", "\u202e", "\ufeff", "\x85", "\r\n", "e\u0301", "9" * 30, "长" * 5000, "me", "../..", "9223372036854775807",
    "2026-02-30", "0001-01-01", "9999-12-31T23:59", "2026-06-17", "2026-06-17T09:00", "2026-06-17T09:00+99:99",
)  # fmt: skip


def texts() -> st.SearchStrategy[str]:
    return st.one_of(st.sampled_from(ODD), st.text(max_size=20))


def ids_of(house: House, name: str, scope: Scope) -> list[int]:
    """An own row of the registry where there is one, the owner's, and one that nobody has."""
    model = registries()[name]
    with house.database.session(scope) as s:
        own = s.scalars(select(model.id).order_by(model.id).limit(1)).first()
    return [*([own] if own is not None else []), house.rows[name][0], NOBODYS_ID]


def foreign_changes(house: House, before: dict[str, list[Any]], scope: Scope) -> list[str]:
    """What was made, changed or deleted of rows that the person of *scope* has no right to change."""
    after = house.dump()
    wrong = []
    for name in after:
        model = registries()[name]
        admin = model.__admin__
        columns = [c.name for c in inspect(model).local_table.columns if c.name not in COUNTED]
        may = scope.may(name, *(verb for verb in admin.verbs if verb not in READING))
        kept = {*map(repr, before[name])} & {*map(repr, after[name])}
        for row in (r for r in [*before[name], *after[name]] if repr(r) not in kept):
            told = dict(zip(columns, row, strict=True))
            if model is Event:  # the record of what one did
                mine = told["actor_id"] == scope.actor
            elif name == "outbox":  # what is to be told of it
                mine = True
            else:
                mine = may and (
                    (admin.owner is not None and told[admin.owner] == scope.actor)
                    or any(told[column] in scope.own for column in admin.departments)
                )
            if not mine:
                wrong.append(f"{name}: {told}")
    return wrong
