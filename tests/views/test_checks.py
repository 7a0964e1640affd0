"""Every mistake in a declaration has a code, and a wrong declaration is told by it; the real ones have none."""

from __future__ import annotations

import ast
import dataclasses
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import ForeignKey, Interval, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from config import ROOT
from models import registries
from models.base import Base, Info, Moment, field
from models.case import CaseState
from models.declare import Admin, Clock, Grant, Group, MenuGroup, Reach, Role
from rules.lifecycle import Lifecycle, Move
from rules.words import LabelEnum
from views.checks import Mistake, WrongDeclarations, mistakes, refuse_mistakes


class Light(LabelEnum):
    Red = "red", "Red"
    Green = "green", "Green"


ADMIN = Admin(
    name="throwaways",
    title="Throwaways",
    one="Throwaway",
    menu=MenuGroup.System,
    groups=(Group("Basics", "name count owner_id"),),
    cells="name/count",
    grants=(Grant(Role.Administrator, "list show add edit", Reach.all),),
)
LIFE = Lifecycle(Light, Light.Red, (Move("go", "Go", (Light.Red,), Light.Green),))


def declare(
    target: Admin | None = None, *, required: bool = True, relation: bool = True, interval: bool = False, **words: Any
) -> Any:
    """A model of a metadata of its own, declared rightly but for *words*; it refers to one declared by *target*."""

    class Own(DeclarativeBase):
        metadata = MetaData()
        type_annotation_map = Base.type_annotation_map

    class Target(Own):
        __tablename__ = "target"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = field("Name", String(20))
        department_id: Mapped[int | None] = field("Department")
        __admin__ = target or dataclasses.replace(ADMIN, name="targets")

    class Throwaway(Own):
        __tablename__ = "throwaway"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = field("Name", String(20))
        count: Mapped[int | None] = field("Count")
        state: Mapped[Light] = field("State", editable="never", default=Light.Red)
        due: Mapped[datetime | None] = field("Due", Moment(), editable="never")
        department_id: Mapped[int | None] = field("Department")
        owner_id: Mapped[int] = mapped_column(
            ForeignKey("target.id"), nullable=not required, info={"field": Info("Target")}
        )
        if interval:
            lasts: Mapped[timedelta | None] = mapped_column(Interval(), info={"field": Info("Lasts")})
        if relation:
            owner: Mapped[Target] = relationship(lambda: Target)
        __admin__ = dataclasses.replace(ADMIN, **words)

    return Throwaway


def told(model: Any) -> set[str]:
    return {m.code for m in mistakes([model])}


def test_the_real_declarations_have_no_mistakes() -> None:
    assert mistakes(registries().values()) == []
    refuse_mistakes(registries().values())


def test_a_right_declaration_has_none() -> None:
    assert told(declare()) == set()
    whole = {
        "search": "name",
        "filters": "count state",
        "order": "-due",
        "label": "name",
        "natural_key": ("name",),
        "life": LIFE,
        "clocks": (Clock("Due", "due", "name"),),
        "departments": ("department_id",),
        "grants": (Grant(Role.Administrator, "list show add edit delete import go", Reach.all),),
    }
    assert told(declare(**whole)) == set()


UNKNOWN_NAME: dict[str, Any] = {
    "groups": (Group("Basics", "name owner_id nonsense"),),
    "search": "nonsense",
    "filters": "name nonsense",
    "order": "-nonsense",
    "label": "nonsense",
    "cells": "name/nonsense",
    "departments": ("nonsense",),
    "owner": "nonsense",
    "follows": "nonsense",
    "natural_key": ("nonsense",),
    "file": "nonsense",
    "clocks": (Clock("Due", "nonsense", "name"),),
    "life": Lifecycle(Light, Light.Red, (Move("go", "Go", (Light.Red,), Light.Green, asks=("nonsense",)),)),
}

NARROW = dataclasses.replace(
    ADMIN,
    name="targets",
    departments=("department_id",),
    grants=(Grant(Role.Administrator, "list show", Reach.all), Grant(Role.Clerk, "list show", Reach.own)),
)
CLERK_READS_ALL = (ADMIN.grants[0], Grant(Role.Clerk, "list show", Reach.all))

# code → declarations that are wrong in just that way
WRONG: dict[str, list[dict[str, Any]]] = {
    "D001": [{"interval": True}],
    "D002": [{word: value} for word, value in UNKNOWN_NAME.items()],
    "D003": [{"related": ("nonsense",)}],
    "D006": [{"related": ("cases",)}],
    "D004": [{"relation": False}],
    "D005": [
        {"life": Lifecycle(Light, Light.Red, (Move("go", "Go", (CaseState.Received,), Light.Green),))},
        {"life": Lifecycle(Light, Light.Red, (Move("go", "Go", (Light.Red,), CaseState.Accepted),))},
    ],
    "D010": [
        {"grants": (Grant(Role.Administrator, "list show nonsense", Reach.all),)},
        {"grants": (Grant(Role.Administrator, "list go", Reach.all),)},  # a move of another registry
    ],
    "D011": [{"grants": (Grant(Role.Clerk, "list", Reach.mine),)}],
    "D020": [{"groups": (Group("Basics", "name count"),)}, {"groups": (Group("Basics", "owner_id"),)}],
    "D030": [{"target": NARROW, "required": False}],
    "D031": [
        {"target": NARROW, "departments": ("department_id",), "grants": CLERK_READS_ALL},
        # As narrow, but its rows need not be of the department of what they refer to.
        {
            "target": NARROW,
            "departments": ("department_id",),
            "grants": (*ADMIN.grants, Grant(Role.Clerk, "list", Reach.own)),
        },
        {
            "target": dataclasses.replace(NARROW, grants=NARROW.grants[:1]),
            "departments": ("department_id",),
            "grants": CLERK_READS_ALL,
        },
    ],
}


@pytest.mark.parametrize(("code", "words"), [(code, words) for code, wrong in WRONG.items() for words in wrong])
def test_a_wrong_declaration_is_told_by_its_code(code: str, words: dict[str, Any]) -> None:
    model = declare(**words)
    assert told(model) == {code}
    with pytest.raises(WrongDeclarations) as refused:
        refuse_mistakes([model])
    assert str(refused.value).startswith(f"{code} models/")
    assert "Throwaway" in str(refused.value)
    assert refused.value.code not in (0, None)  # the process ends with an error


@pytest.mark.parametrize("word", UNKNOWN_NAME)
def test_an_unknown_name_is_told_with_its_word(word: str) -> None:
    [mistake] = [m for m in mistakes([declare(**{word: UNKNOWN_NAME[word]})]) if m.code == "D002"]
    assert "'nonsense'" in mistake.sentence
    assert mistake.sentence.startswith("asks" if word == "life" else word)


def test_following_the_parent_puts_it_right() -> None:
    own = (*ADMIN.grants, Grant(Role.Clerk, "list", Reach.own))
    words: dict[str, Any] = {"target": NARROW, "departments": ("department_id",), "grants": own}
    assert told(declare(**words)) == {"D031"}
    assert told(declare(**words, follows="owner_id")) == set()
    assert told(declare(**words, required=False)) == set()  # what may be empty is joined from outside


def test_all_mistakes_are_told_at_once() -> None:
    several = declare(search="nonsense", related=("nonsense",), groups=(Group("Basics", "name"),))
    assert [m.code for m in mistakes([several, declare(order="x")])] == ["D002", "D003", "D020", "D002"]
    with pytest.raises(WrongDeclarations) as refused:
        refuse_mistakes([several])
    assert len(str(refused.value).splitlines()) == 3 == len(refused.value.found)


def test_how_a_mistake_reads() -> None:
    assert str(Mistake("D999", "models/x.py X", "is wrong")) == "D999 models/x.py X: is wrong"


def test_every_code_has_its_test() -> None:
    tree = ast.parse((ROOT / "views/checks.py").read_text(encoding="utf-8"))
    codes = {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "Mistake"
        and isinstance(node.args[0], ast.Constant)
    }
    assert codes == set(WRONG)
