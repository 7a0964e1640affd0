"""Random requests: REST from its own description, forms and lists from the declarations. Nothing breaks, nothing that
the description does not know is answered, and nothing out of reach changes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import schemathesis
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks

from forms.convert import specs
from models import registries
from tests import ledger
from tests.conftest import ENGINES, Templates
from tests.views import proofs
from tests.views.fuzzing import BOUNDED, foreign_changes, ids_of, texts
from tests.views.house import FULL, House, all_rules, opened
from tests.views.house import references_of as references

FORMS = ("add", "edit", "do", "do_many", "keep_view", "keep_draft", "delete")
HONEST = (
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
)


@pytest.fixture(scope="module", params=ENGINES)
def house(
    request: pytest.FixtureRequest, templates: Templates, tmp_path_factory: pytest.TempPathFactory, fonts: Path
) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("fuzzed")
    with opened(templates.copy(request.param, folder), folder, fonts) as found:
        yield found


@pytest.fixture(autouse=True)
def nothing_foreign_changes(house: House) -> Iterator[None]:
    before, sent, scope = house.dump(), house.sent, house.world.scope("outsider")
    yield
    assert foreign_changes(house, before, scope) == []
    ledger.note("fuzzing", requests=house.sent - sent)


def test_a_foreign_change_would_be_seen(house: House) -> None:
    """As if the owner's case, a department and an Event of hers had been made meanwhile, and a row of one's own."""
    before, scope = house.dump(), house.world.scope("outsider")
    for name in ("cases", "departments", "events"):
        before[name] = [row for row in before[name] if row[0] != house.rows[name][0]]
    found = foreign_changes(house, before, scope)
    assert sorted(text.partition(":")[0] for text in found) == ["cases", "departments", "events"]
    own = house.world.case("申请人白鹤")
    before = house.dump()
    before["cases"] = [row for row in before["cases"] if row[0] != own]
    assert foreign_changes(house, before, scope) == []


# --- REST ------------------------------------------------------------------------------------------------------------


def test_rest_is_as_it_describes_itself(house: House) -> None:
    """Every operation with values of the described types, and with others; about an own row, a foreign one and none.

    flask-appbuilder's sign-in describes itself, less exactly: there only errors of the server count.
    """
    held, scope = house.bearer("outsider", FULL), house.world.scope("outsider")
    schema = schemathesis.openapi.from_wsgi("/api/v1/_openapi", house.app, headers=held)
    names = sorted(registries(), key=len, reverse=True)
    ids = {name: itertools.cycle(ids_of(house, name, scope)) for name in registries()}
    answered: dict[str, int] = {}

    def ask(case: Any) -> None:
        name = next((n for n in names if case.path.startswith(f"/api/v1/{n}/")), "")
        if "pk" in (case.path_parameters or {}) and name:
            case.path_parameters["pk"] = next(ids[name])
        if isinstance(case.body, dict) and isinstance(case.body.get("version"), int):
            case.body["version"] = 1
        answer = case.call(headers=held)
        told = f"{case.method.upper()} {answer.status_code}"
        answered[told] = answered.get(told, 0) + 1
        case.validate_response(answer, checks=list(HONEST) if name else [not_a_server_error])
        assert not house.leaks(answer.text), case.path

    for result in schema.get_all_operations():
        operation = result.ok()
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
            try:
                strategy = operation.as_strategy(generation_mode=mode)
            except schemathesis.errors.SchemathesisError:  # nothing that this operation takes can be wrong
                continue
            settings(BOUNDED, max_examples=4)(given(strategy)(ask))()
    # Neither refused throughout nor beside the point.
    assert {"GET 200", "GET 404", "GET 422", "POST 403", "POST 422", "PUT 404", "DELETE 404"} <= {*answered}
    ledger.note("fuzzing", operations=sorted(f"{o.ok().method} {o.ok().path}" for o in schema.get_all_operations()))


# --- forms and lists -------------------------------------------------------------------------------------------------


@cache
def driven(app: Flask) -> list[tuple[str, str]]:
    """(registry, rule) of every form."""
    found = []
    for rule in all_rules(app):
        name, _, method = rule.endpoint.partition(".")
        if name in registries() and method in FORMS:
            found.append((name, rule.rule))
    return found


@st.composite
def forms(draw: st.DrawFn, house: House, ids: dict[str, list[int]]) -> tuple[str, list[tuple[str, str]]]:
    """An address of a form and what is sent to it: some fields right, some odd, some twice, some that are none."""
    name, rule = draw(st.sampled_from(driven(house.app)))
    model = registries()[name]
    steps = [s.name for s in model.__admin__.steps] or ["x"]
    pk, version = draw(st.sampled_from(ids[name])), draw(st.sampled_from(["1", "1", "2", "x", ""]))
    values = {"pk": str(pk), "action": draw(st.sampled_from([*steps, "x"]))}
    path = re.sub(r"<(?:[^:<>]+:)?(\w+)>", lambda m: values[m.group(1)], rule)
    sent: list[tuple[str, str]] = [("version", version)]
    led = references(model)
    for field, spec in specs(model).items():
        good = st.nothing()
        if spec.choices is not None:
            good = st.sampled_from([str(m.value) for m in spec.choices])
        elif field in led:
            good = st.sampled_from([str(i) for i in ids[led[field]]])
        elif spec.kind in ("date", "moment"):
            good = st.sampled_from(["2026-06-16", "2026-06-16T09:00"])
        sent += [(field, v) for v in draw(st.lists(st.one_of(good, texts()), max_size=2))]
    for field in ("seen", "form", "next", "sure", "name", "query", "cell", "shared_with", "take-name"):
        if draw(st.booleans()):
            sent.append((field, draw(texts())))
    for _ in range(draw(st.integers(0, 3))):
        sent.append(("row", draw(st.one_of(texts(), st.just(f"{pk}:{version}")))))
    if draw(st.booleans()):
        sent.append((draw(texts()), draw(texts())))
    return path, sent


def test_no_form_breaks_or_reaches_too_far(house: House) -> None:
    ids = {name: ids_of(house, name, house.world.scope("outsider")) for name in registries()}
    browser = house.browsers["outsider"]
    answered: dict[int, int] = {}

    @settings(BOUNDED, max_examples=600)
    @given(forms(house, ids))
    def run(form: tuple[str, list[tuple[str, str]]]) -> None:
        path, sent = form
        body = urlencode([("csrf_token", browser.token()), *sent], errors="surrogatepass")
        answer = browser.client.post(path, data=body, content_type="application/x-www-form-urlencoded")
        answered[answer.status_code] = answered.get(answer.status_code, 0) + 1
        assert answer.status_code in (200, 302, 403, 404, 405, 409, 413, 422), (path, sent)
        assert not proofs.told_too_much(house, "outsider", "", answer.get_data(as_text=True)), (path, sent)

    run()
    assert {200, 302, 403, 404, 422} <= {*answered}, answered


def test_no_question_breaks_a_list_or_is_told_too_much(house: House) -> None:
    browser = house.browsers["outsider"]
    bases = [f"{start}{name}/" for name in registries() for start in ("/", "/api/v1/")] + [
        "/find/",
        "/departments/tree",
    ]

    @st.composite
    def questions(draw: st.DrawFn) -> str:
        base = draw(st.sampled_from(bases))
        model = registries().get(base.strip("/").rpartition("/")[2])
        names = ["q", "sort", "page", "size", "fields", "view", "at", "part", "short"]
        names += [
            f"{n}{e}"
            for n in (model.__admin__.filter_names if model else ())
            for e in ("", "__from", "__to", "__empty", "__below")
        ]
        asked = draw(st.lists(st.tuples(st.one_of(st.sampled_from(names), texts()), texts()), max_size=5))
        return f"{base}?{urlencode(asked, errors='surrogatepass')}"

    @settings(BOUNDED, max_examples=250)
    @given(questions())
    def run(path: str) -> None:
        answer = browser.get(path)
        assert answer.status_code in (200, 403, 404, 422), path
        assert not house.leaks(answer.get_data(as_text=True)), path

    run()
