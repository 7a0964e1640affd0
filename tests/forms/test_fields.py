"""Forms made from declarations: they convert, keep what was typed, and judge nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from forms.fields import defaults, editable, row_form
from models import registries
from models.account import Account
from models.case import ApplicantKind, Case, Channel
from models.catalogue_item import ItemType
from models.item import Item

registries()
NAMES = ["name", "item_type", "promise_days", "department_id"]


def sent(model: type[Any], names: list[str], *pairs: tuple[str, str]) -> Any:
    return row_form(model, names)(MultiDict(pairs))


def test_fields_stand_in_the_order_given() -> None:
    form = row_form(Item, NAMES)()
    assert list(form._fields) == NAMES
    assert form["promise_days"].label.text == "Promised limit (working days)"


def test_typed_values() -> None:
    form = sent(Item, NAMES, ("name", " 甲 "), ("item_type", "01"), ("promise_days", "5"), ("department_id", "7"))
    assert form.values() == {"name": "甲", "item_type": ItemType.Licence, "promise_days": 5, "department_id": 7}
    assert form.conversion_problems() == []


def test_what_cannot_be_converted_is_kept_and_told() -> None:
    form = sent(Item, NAMES, ("name", " 甲 "), ("item_type", "天"), ("promise_days", " five "), ("department_id", "x"))
    assert form.values() == {"name": "甲"}
    assert [(p.field, p.code) for p in form.conversion_problems()] == [
        ("item_type", "not_in_list"),
        ("promise_days", "not_a_number"),
        ("department_id", "not_found"),
    ]
    assert [form[n].text for n in NAMES] == [" 甲 ", "天", " five ", "x"]


@given(st.text())
def test_any_text_is_shown_again_as_it_was_typed(text: str) -> None:
    form = sent(Item, NAMES, *((name, text) for name in NAMES))
    assert [form[n].text for n in NAMES] == [text] * 4
    assert set(form.values()) | {p.field for p in form.conversion_problems()} == set(NAMES)


def test_the_last_of_doubled_inputs_counts() -> None:
    """A tick box is sent after the hidden input that stands for its being empty."""
    assert sent(Item, ["name"], ("name", "甲"), ("name", "乙")).values() == {"name": "乙"}


def test_an_empty_form_is_no_problem_yet() -> None:
    form = sent(Item, NAMES)
    assert form.conversion_problems() == []
    assert [form[n].text for n in NAMES] == [""] * 4


def test_a_row_fills_the_inputs() -> None:
    row = Case(applicant="申请人", applicant_kind=ApplicantKind.Person, channel=Channel.Window, item_id=3)
    form = row_form(Case, ["applicant", "channel", "item_id", "phone"])(obj=row)
    assert [f.text for f in form] == ["申请人", "window", "3", ""]


def test_many_ids() -> None:
    form = sent(Account, ["roles"], ("roles", "2"), ("roles", "3"))
    assert form.values() == {"roles": [2, 3]}
    assert form["roles"].raw == ["2", "3"]
    wrong = sent(Account, ["roles"], ("roles", "2"), ("roles", "x"))
    assert [p.code for p in wrong.conversion_problems()] == ["not_found"]
    assert wrong["roles"].raw == ["2", "x"]


@pytest.mark.parametrize("new", [True, False])
def test_editable(new: bool) -> None:
    names = ["name", "department_id", "state", "no_such_field"]
    assert editable(Item, names, new=new) == (["name", "department_id"] if new else ["name"])


def test_defaults_and_what_the_address_carries() -> None:
    found = defaults(Case, ["channel", "applicant", "item_id", "received_at"], {"item_id": "5", "applicant": "甲"})
    assert found == {"channel": Channel.Window, "applicant": "甲", "item_id": 5}
    assert defaults(Case, ["item_id", "channel"], {"item_id": "x", "channel": "?"}) == {"channel": Channel.Window}
