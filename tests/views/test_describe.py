"""``run.py describe``: what a declaration yields, in text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

import run
from models import registries
from models.declare import Admin
from tests.world import NOW
from views import describe
from views.describe import NoSuchRegistry, Sample


@pytest.fixture(scope="module")
def found() -> Iterator[Sample]:
    with describe.sample(NOW) as sample:
        yield sample


def lines(text: list[str]) -> str:
    return "\n".join(text)


def test_the_table_has_every_registry() -> None:
    rows = [line.split()[0] for line in describe.overview().splitlines()]
    assert rows == ["name", *registries()]
    cases = r"^cases +Case +cases +department \(department_id\) +list show add edit export reveal accept refuse$"
    assert re.search(cases, describe.overview(), re.MULTILINE)
    assert re.search(r"^saved-views .* person \(owner_id\) or role \(shared_with\) ", describe.overview(), re.MULTILINE)
    assert re.search(r"^regions .* everybody \(reference\) ", describe.overview(), re.MULTILINE)


@pytest.mark.parametrize("asked", ["cases", "Case", "case", "CASES"])
def test_found_by_name_or_class(asked: str) -> None:
    assert describe.find(asked) is registries()["cases"]


def test_a_name_that_is_none_says_which_there_are() -> None:
    with pytest.raises(NoSuchRegistry, match=r"no registry 'itemz'; there are items, accounts"):
        describe.find("itemz")


def test_columns() -> None:
    said = lines(describe.columns_of(registries()["cases"]))
    assert re.search(r"^  number +text up to 60 +yes +never +- +yes +yes +- +-$", said, re.MULTILINE)
    assert re.search(r"^  item_id +reference to items +yes +new +- +yes +- +yes +Application$", said, re.MULTILINE)
    assert re.search(r"^  identifier +text up to 18 +yes +always +yes +- +yes +- +Applicant$", said, re.MULTILINE)
    assert re.search(r"^  state +choice of 3 ", said, re.MULTILINE)


def test_life_cycle_permissions_letters_reminders_and_workbench() -> None:
    admin: Admin = registries()["cases"].__admin__
    moves, permissions = lines(describe.moves(admin)), lines(describe.permissions(admin))
    assert re.search(r"refuse +received → refused +refusal_reason\*, competent +yes +refusal +approver\n", moves)
    assert "fields may be edited while: received" in moves
    assert re.search(r"clerk +list show add edit export reveal accept +rows of the own department\n", permissions)
    assert re.search(r"notices/refusal/ +refuse +Notice of refusal to accept +…不受〔", lines(describe.letters(admin)))
    assert re.search(r"notice +handler_id +received +Case %\(number\)s", lines(describe.reminders(admin)))
    assert re.search(r"block +Waiting to be accepted +state=received by notice_due", lines(describe.workbench(admin)))
    assert "retry" in lines(describe.actions(registries()["outbox"].__admin__))
    assert "nobody (jobs alone)" in lines(describe.moves(registries()["letters"].__admin__))


@pytest.mark.parametrize("name", ["cases", "letters", "regions"])
def test_every_route_and_no_other(name: str, found: Sample) -> None:
    admin: Admin = registries()[name].__admin__
    said = {tuple(line.split()[-2:]) for line in describe.routes(found.app, admin)[1:]}
    made = {
        (rule.rule.replace(describe.PK, "<pk>"), rule.endpoint)
        for rule in found.app.url_map.iter_rules()
        if rule.endpoint.partition(".")[0] in (name, f"{name}_api")
    }
    assert said == made
    assert (f"/{name}/<pk>", f"{name}.show") in said


@pytest.mark.parametrize("name", [*registries()])
def test_the_pages_of_every_registry_are_measured(name: str, found: Sample) -> None:
    """Each page that the verbs promise answers, and costs a number of statements that does not grow."""
    *table, source = describe.costs(found, registries()[name])
    counts = {" ".join(line.split()[:-1]): line.split()[-1] for line in table[1:]}
    assert {"list", "REST list"} <= set(counts)
    assert all(count.isdigit() and 1 <= int(count) <= 15 for count in counts.values()), counts
    assert ("row" in counts) is ("without any row" not in source)


def test_a_registry_without_rows_is_given_the_plainest_one(found: Sample) -> None:
    pk, source = describe.a_row(found, registries()["saved-views"])
    assert pk is not None
    assert source in ("on one row made of the plainest values", "on the demonstration's rows")  # asked for before
    assert describe.a_row(found, registries()["letters"]) == (None, "without any row: nobody adds one by hand")


def test_a_row_that_the_rules_refuse_is_told_by_its_codes(found: Sample) -> None:
    refused = "without any row; one of the plainest values was refused (expires_at: past)"
    assert describe.a_row(found, registries()["tokens"]) == (None, refused)


def test_the_whole_text(found: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(describe, "sample", lambda now: nullcontext(found))
    said = describe.describe("Item", NOW)
    heads = [line for line in said.splitlines() if line and not line.startswith(" ")]
    assert heads[:9] == [
        "items", "Columns", "Life cycle", "Actions", "Permissions", "Letters", "Reminders", "Workbench", "Routes",
    ]  # fmt: skip
    assert not [line for line in said.splitlines() if line != line.rstrip()]
    assert "models/item.py, table item" in said


def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    monkeypatch.setenv("YIZHAN_INSTANCE", str(tmp_path))
    assert run.main(["describe"]) == 0
    assert capsys.readouterr().out.startswith("name ")
    assert run.main(["describe", "nothing"]) == 2
    assert "there is no registry 'nothing'" in capsys.readouterr().err
    asked: list[Any] = []
    monkeypatch.setattr(describe, "describe", lambda name, now: asked.append((name, now.tzinfo)) or "said")
    assert run.main(["describe", "items"]) == 0
    assert (capsys.readouterr().out, asked[0][0]) == ("said\n", "items")


def test_nothing_is_left_behind() -> None:
    """Its database is one of its own, in a folder that goes with it."""
    with describe.sample(NOW) as one:
        path = Path(str(one.database.url.database))
        assert path.is_file()
    assert not path.parent.exists()
