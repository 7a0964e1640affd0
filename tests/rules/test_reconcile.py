"""A13: match, only here, only there; by code, then by name; nothing is lost and nothing stands twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rules.reconcile import Listed, columns, reconcile


def listed(*told: tuple[str, str]) -> list[Listed]:
    return [Listed(n, (code,), name) for n, (code, name) in enumerate(told, start=1)]


def test_by_code_first_then_by_name() -> None:
    ours = listed(("A1", "食品许可"), ("A2", "卫生许可"), ("", "护士注册"), ("A9", "只在这里"))
    theirs = listed(("a 1", "另一名称"), ("B2", "卫生 许可"), ("X", "护士注册"), ("A7", "只在那里"))
    found = reconcile(ours, theirs)
    assert [(p.how, p.ours.key, p.theirs.key) for p in found.pairs] == [("code", 1, 1), ("name", 2, 2), ("name", 3, 3)]
    assert ([o.key for o in found.here], [t.key for t in found.there]) == ([4], [4])


def test_a_code_goes_before_a_name() -> None:
    """The name of the first would fit the second as well; its code fits better."""
    ours = listed(("A1", "同名"), ("A2", "同名"))
    found = reconcile(ours, listed(("A2", "同名"), ("", "同名")))
    assert [(p.how, p.ours.key, p.theirs.key) for p in found.pairs] == [("code", 2, 1), ("name", 1, 2)]


def test_any_of_several_codes() -> None:
    ours = [Listed(1, ("LOCAL-1", "000123001000"), "甲")]
    assert [p.how for p in reconcile(ours, listed(("000123001000", "乙"))).pairs] == ["code"]


def test_many_of_one_code_are_matched_one_by_one() -> None:
    many = listed(*[("A", "甲")] * 3000)
    found = reconcile(many, many[:2999])
    assert (len(found.pairs), len(found.here), len(found.there)) == (2999, 1, 0)


TOLD = st.lists(st.tuples(st.sampled_from(["", "A", "B", "C"]), st.sampled_from(["", "甲", "乙", "丙"])), max_size=8)


@given(TOLD, TOLD)
def test_every_item_stands_in_exactly_one_part(one: list[tuple[str, str]], other: list[tuple[str, str]]) -> None:
    found = reconcile(listed(*one), listed(*other))
    mine = [p.ours.key for p in found.pairs] + [o.key for o in found.here]
    theirs = [p.theirs.key for p in found.pairs] + [t.key for t in found.there]
    assert sorted(mine) == [*range(1, len(one) + 1)]
    assert sorted(theirs) == [*range(1, len(other) + 1)]
    # Where a code is left on both sides, somebody forgot to match it.
    left = {c for o in found.here for c in o.codes if c}, {c for t in found.there for c in t.codes if c}
    assert not left[0] & left[1]


def test_which_columns_are_meant() -> None:
    assert columns(["序号", "事项编码", "事项名称", "部门"]) == ("事项编码", "事项名称")
    assert columns(["item_code", "NAME"]) == ("item_code", "NAME")
    assert columns(["部门", "电话"]) == ("", "")
