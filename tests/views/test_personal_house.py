"""Over the whole house: no page, JSON, Event or line of a log says a number in full, but the answer to a look."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect, select

from models import registries
from models.base import personal_fields
from models.case import Case
from models.database import Database
from models.event import Event
from models.scope import everything
from run import create_app
from tests import conftest
from tests.conftest import ENGINES, Clock, Templates
from tests.views.house import NEED, PHONE, RESIDENT, House, Knock, all_rules, furnish, knocks, reach_of, send
from tests.world import NOW


@pytest.fixture(scope="module", params=ENGINES)
def house(
    request: pytest.FixtureRequest, templates: Templates, tmp_path_factory: pytest.TempPathFactory, fonts: Path
) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    url = templates.copy(request.param, folder)
    config = conftest.settings.read({}, instance=folder, database_url=url, font_cache=str(fonts))
    database, clock = Database(url), Clock(NOW)
    app = create_app(config, clock=clock, database=database)
    yield furnish(app, database, conftest.Worker(database, config, clock), clock)
    database.dispose()


def told(text: str) -> list[str]:
    return [number for number in (RESIDENT, PHONE) if number in text]


def requests(house: House) -> Iterator[Knock]:
    """Every route about the owner's rows, without what may change them; then each case, letter and Event by itself."""
    for rule in all_rules(house.app):
        name, _, method = rule.endpoint.partition(".")
        name = name.removesuffix("_api")
        if name in registries() and method != "file":  # a letter stays as it was issued
            yield from knocks(house, rule, house.rows[name][0], honest=False)
    for path in ("/", "/account/", "/find/?q=锦鲤", "/find/?q=锦鲤&short=1", "/api/v1/_openapi"):
        yield Knock("GET", path)
    with house.database.session(everything("test")) as s:
        for pk in s.scalars(select(Event.id).where(Event.subject_type == "cases")):
            yield from (Knock("GET", f"{base}events/{pk}") for base in ("/", "/api/v1/"))
        for pk in s.scalars(select(Case.id)):
            pages = (f"/cases/{pk}", f"/cases/{pk}?tab=history", f"/cases/{pk}?on=2026-06-18", f"/cases/new?copy={pk}")
            rest = (f"/api/v1/cases/{pk}", f"/api/v1/cases/{pk}/history")
            yield from (Knock("GET", path) for path in (*pages, *rest))


# Who sees the owner's case: who does not is driven over every route by tests/views/test_outsider.py.
LOOKING = [*(("sqlite", person) for person in ("clerk", "approver", "manager", "auditor")), ("postgresql", "clerk")]


@pytest.mark.parametrize(("house", "person"), LOOKING, indirect=["house"], scope="module")
def test_only_the_answer_to_a_look_says_a_number(house: House, person: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    wrong, looks = [], 0
    for knock in requests(house):
        if knock.about == "drafts":
            continue  # what one typed oneself comes back as it was typed, be it what is stored or not
        status, said = send(house, person, knock)
        if knock.path.endswith("/reveal") and status == 200:
            looks += told(said) == [RESIDENT, PHONE]
            continue
        if found := told(said):
            wrong.append(f"{person} {knock.method} {knock.path}: {status} tells {found}")
    assert not wrong, "\n" + "\n".join(wrong)
    reach = reach_of(person, Case.__admin__, "reveal")
    assert looks == (2 if reach is not None and reach >= NEED[person] else 0)  # on the page and in REST
    lines = [line for line in (r.getMessage() + str(r.exc_text or "") for r in caplog.records) if told(line)]
    assert not lines, lines[:5]


def test_no_event_and_nothing_beside_the_rows_holds_one(house: House) -> None:
    """Everything stored but the cases themselves, what letters say and what somebody typed into a form."""
    assert personal_fields(Case) == ("identifier", "phone")
    kept = {("cases", "identifier"), ("cases", "phone"), ("letters", "data"), ("drafts", "typed")}
    held = set()
    with house.database.engine.connect() as connection:
        for name, model in registries().items():
            table = inspect(model).local_table
            for column in table.columns:
                for value in connection.execute(select(column)).scalars():
                    if not isinstance(value, bytes) and told(json.dumps(value, ensure_ascii=False, default=str)):
                        held.add((name, column.name))
    assert held <= kept
    assert ("cases", "identifier") in held
