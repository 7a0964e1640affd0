"""A10, A11: exactly five things are unified, and the order of materials is not one of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rules.drift import FIVE, differing, listed, removed

STANDARD = {
    "name": "公共场所卫生许可",
    "basic_code": "000123001000",
    "item_type": "01",
    "legal_basis_id": 1,
    "materials": "1.申请表\n2.平面图",
}


def test_each_of_the_five_is_seen_and_nothing_else() -> None:
    others = {
        "name": "公共场所许可",
        "basic_code": "000123001001",
        "item_type": "07",
        "legal_basis_id": 2,
        "materials": "申请表",
    }
    for name, other in others.items():
        assert differing(STANDARD, {**STANDARD, name: other}) == (name,)
        assert differing(STANDARD, {**STANDARD, name: None}) == (name,)
    assert differing(STANDARD, {**STANDARD, "phone": "1", "promise_days": 3}) == ()
    assert differing(STANDARD, {**STANDARD, **others}) == FIVE


def test_numbers_order_and_blanks_of_materials_are_no_difference() -> None:
    for same in (
        "平面图\n申请表",
        "（一）平面图\r\n（二） 申请表\n\n",
        "1、申 请 表\n2、平面图",
        "① 平面图\n申请表"[2:] + "\n平面图",
    ):
        assert differing(STANDARD, {**STANDARD, "materials": same}) == (), same
    assert listed("2019年度审计报告") == {"2019年度审计报告"}  # a year is no number of a list
    assert listed(None) == listed(" \n") == frozenset()


def test_how_many_are_fewer() -> None:
    assert removed("申请表\n平面图\n承诺书", "申请表") == 2
    assert removed("申请表", "申请表\n平面图") == -1
    assert removed(None, None) == 0


@given(st.lists(st.text("甲乙丙丁", min_size=1, max_size=3), unique=True), st.randoms())
def test_any_order_is_the_same_list(names: list[str], random: object) -> None:
    mixed = [*names]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    one = "\n".join(f"{i}.{n}" for i, n in enumerate(names, 1))
    assert listed(one) == listed("\n".join(mixed)) == set(names)
