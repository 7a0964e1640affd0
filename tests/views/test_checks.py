"""Every mistake in a declaration has a code, and a wrong declaration is told by it; the real ones have none."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import ForeignKey, Index, Interval, LargeBinary, MetaData, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from config import ROOT
from models import registries
from models.account import Account
from models.base import Base, Info, Moment, field
from models.case import CaseState
from models.constraints import check_constraint
from models.declare import (
    Action,
    Admin,
    Block,
    Clock,
    Desk,
    Figure,
    Grant,
    Group,
    MenuGroup,
    Public,
    Reach,
    Reminder,
    Role,
)
from models.department import Department
from rules.lifecycle import Lifecycle, Move
from rules.words import LabelEnum
from translations import catalog
from views.checks import CODES, Mistake, WrongDeclarations, mistakes, refuse_mistakes, untranslated
from views.checks import fields as check_fields
from views.checks import life as check_life
from views.checks.base import Declared
from views.generator import RegistryPages
from views.imports import Import
from views.my_account import MyAccount, SecondFactor
from views.pages import PAGES
from views.signin import SignIn
from views.workbench import Find, Workbench


# Every label here is one that the product says too, so that all of it is translated.
class Light(LabelEnum):
    Red = "red", "Draft"
    Green = "green", "In force"


class Sign(LabelEnum):
    Only = "only", "Draft"


HERE = "tests/views/test_checks.py"
SEES = Grant(Role.Administrator, "list show add edit", Reach.all)
ADMIN = Admin(
    name="throwaways",
    title="Items",
    one="Item",
    menu=MenuGroup.System,
    groups=(Group("Basics", "name count owner_id"),),
    cells="name/count",
    grants=(SEES,),
)
GO = Move("go", "Accept", (Light.Red,), Light.Green)
LIFE = Lifecycle(Light, Light.Red, (GO,))
ACT = Action("act", "Try again", lambda session, row, given, now: None)
GOES = (dataclasses.replace(SEES, can="list show add edit go"),)
ACTS = (dataclasses.replace(SEES, can="list show add edit act"),)

Column = tuple[Any, Callable[[], Any]]


def col(annotation: Any, *args: Any, label: str = "Name", **kw: Any) -> Column:
    """A column that each model makes anew."""
    return Mapped[annotation], lambda: field(label, *args, **kw)


def leading(target: Any, *, nullable: bool = True, index: bool = True) -> Column:
    info = {"field": Info("Department")}
    return Mapped[int | None], lambda: mapped_column(
        ForeignKey(target.__table__.c.id), nullable=nullable, index=index, info=info
    )


def related_to(target: Any) -> Column:
    return Mapped[target], lambda: relationship(lambda: target)


SEAT = {"department_id": leading(Department), "department": related_to(Department)}
UNINDEXED = {**SEAT, "department_id": leading(Department, index=False)}
PERSON = {"person_id": leading(Account), "person": related_to(Account)}
# Both belong to departments, so whatever leads to them does as well.
OF_PEOPLE: dict[str, Any] = {"departments": ("department_id",), "columns": {**SEAT, **PERSON}}


def declare(
    target: Admin | None = None,
    *,
    required: bool = True,
    relation: bool = True,
    columns: dict[str, Column] | None = None,
    args: Callable[[], tuple[Any, ...]] = lambda: (),
    labels: dict[str, str] | None = None,
    **words: Any,
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
        __admin__ = target or dataclasses.replace(ADMIN, name="targets", search="name")

    held: dict[str, Column] = {
        "id": (Mapped[int], lambda: mapped_column(primary_key=True)),
        "name": col(str, String(20)),
        "count": col(int | None, label="Gaps"),
        "state": col(Light, label="State", editable="never", default=Light.Red),
        "due": col(datetime | None, Moment(), label="Valid until", editable="never"),
        "lines": col(list[Any] | None, label="Note", editable="never"),
        "owner_id": (
            Mapped[int],
            lambda: mapped_column(ForeignKey("target.id"), nullable=not required, info={"field": Info("Item")}),
        ),
        **({"owner": related_to(Target)} if relation else {}),
        **(columns or {}),
    }
    body: dict[str, Any] = {name: make() for name, (_, make) in held.items()}
    body["__annotations__"] = {name: annotation for name, (annotation, _) in held.items()}
    body |= {"__tablename__": "throwaway", "__table_args__": args(), "__module__": __name__}
    body |= {"__admin__": dataclasses.replace(ADMIN, **words), "LABELS": labels or {}}
    body |= {"called": property(lambda self: self.name), "method": lambda self: self.name}
    return type("Throwaway", (Own,), body)


def opened(groups: str = "name", **words: Any) -> Public:
    """What is open of a registry: its name, where nothing else is said."""
    words = {"cells": "name", "order": "name", **words}
    return Public(
        when=lambda model: model.count.is_not(None), title="Items", groups=(Group("Basics", groups),), **words
    )


def told(model: Any) -> set[str]:
    return {m.code for m in mistakes([model])}


def real_mistakes() -> list[Mistake]:
    return [m for m in mistakes(registries().values()) if m.code != "D060"]


def test_the_real_declarations_have_no_mistakes() -> None:
    assert real_mistakes() == []


def test_a_right_declaration_has_none() -> None:
    assert told(declare()) == set()
    whole: dict[str, Any] = {
        "search": "name",
        "filters": "count state department_id limit person_id",
        "order": "-due",
        "label": "called",
        "cells": "called/count state",
        "labels": {"called": "Name"},
        "natural_key": ("name", "count"),
        "args": lambda: (UniqueConstraint("count", "name"),),
        "life": dataclasses.replace(
            LIFE,
            steps=tuple(Light),
            open_in=(Light.Red,),
            tones={Light.Red: "info"},
            moves=(dataclasses.replace(GO, asks=("count", "name"), requires=("count",), tells=("refusal",)),),
        ),
        "letter": lambda session, row, decided: {},
        "reminders": (
            Reminder("soon", "Overdue", lambda s, r, n: None, lambda row: {}, to="person_id", states=(Light.Red,)),
        ),
        "clocks": (Clock("Due today", "due", "lines"),),
        "departments": ("department_id",),
        "owner": "person_id",
        "audience": "role",
        "follows": "person_id",
        "file": "paper",
        "actions": (ACT,),
        "badge": "limit=overdue",
        "desk": Desk(
            figures=(
                Figure("Overdue", "limit=overdue&state=red&state=green", "bad"),
                Figure("Gaps", "count__from=1&count__to=3&person_id=me&q=x", "warn"),
                Figure("Gaps", "limit__from=2026-01-01&limit__empty=0&count__empty=1"),
                Figure("Gaps", "department_id=5&department_id__below=1"),
            ),
            blocks=(Block("Waiting", "state=red", "-due"),),
        ),
        "public": opened(
            groups="name count department_id", filters="count department_id", search="name", order="-count"
        ),
        "columns": {
            **SEAT,
            **PERSON,
            "role": col(Role | None),
            "phone": col(str | None, String(20), personal=True),
            "limit": col(date | None, due=("red",)),
            "paper": (Mapped[bytes | None], lambda: mapped_column(LargeBinary(), deferred=True)),
        },
        "grants": (
            Grant(Role.Administrator, "list show add edit delete import reveal go act", Reach.all),
            Grant(Role.Clerk, "list show", Reach.mine),
            Grant(Role.Clerk, "add edit go", Reach.own),
        ),
    }
    assert [str(m) for m in mistakes([declare(**whole)])] == []
    assert untranslated([declare(**whole)]) == []


def test_jobs_alone_make_the_moves_of_a_registry_that_people_only_read() -> None:
    read = (Grant(Role.Administrator, "list show", Reach.all),)
    assert told(declare(life=LIFE, grants=read)) == set()
    assert told(declare(actions=(ACT,), grants=read)) == {"D015"}


NARROW = dataclasses.replace(
    ADMIN,
    name="targets",
    search="name",
    departments=("department_id",),
    grants=(Grant(Role.Administrator, "list show", Reach.all), Grant(Role.Clerk, "list show", Reach.own)),
)
OF_SEAT: dict[str, Any] = {"target": NARROW, "departments": ("department_id",), "columns": SEAT}
CLERK_READS_ALL = (SEES, Grant(Role.Clerk, "list show", Reach.all))
OF_OWNER = {**OF_PEOPLE, "owner": "person_id"}


def life(**words: Any) -> dict[str, Any]:
    return {"life": dataclasses.replace(LIFE, **words), "grants": GOES}


def going(**words: Any) -> dict[str, Any]:
    return life(moves=(dataclasses.replace(GO, **words),))


def acting(**words: Any) -> dict[str, Any]:
    return {"actions": (dataclasses.replace(ACT, **words),), "grants": ACTS}


def reminding(**words: Any) -> dict[str, Any]:
    reminder = Reminder("soon", "Overdue", lambda s, r, n: None, lambda row: {}, **{"to": "person_id", **words})
    return {**OF_PEOPLE, "reminders": (reminder,)}


def counting(where: str, **words: Any) -> dict[str, Any]:
    """A figure over a registry that can be asked for its state, count, moment, date and department."""
    return {
        "filters": "state count due limit department_id owner_id",
        "desk": Desk(figures=(Figure("Gaps", where),)),
        "departments": ("department_id",),
        "columns": {**SEAT, "limit": col(date, editable="never", due=("red",))},
        "args": lambda: (Index("ix_owner", "owner_id"),),
        **life(),
        **words,
    }


def blocked(order: str) -> dict[str, Any]:
    return {"desk": Desk(blocks=(Block("Waiting", "", order),))}


PERSONAL: dict[str, Any] = {"columns": {"phone": col(str | None, String(20), personal=True)}}


def granted(*grants: Grant) -> dict[str, Any]:
    return {"grants": grants}


# code → (words that are wrong in just that way, the attribute to blame)
WRONG: dict[str, list[tuple[dict[str, Any], str]]] = {
    "D001": [
        ({"columns": {"lasts": (Mapped[timedelta], lambda: field("Name", Interval()))}}, "lasts"),
        # Where it is shown or pointed at makes no difference.
        ({"cells": "lasts", "columns": {"lasts": (Mapped[timedelta], lambda: field("Name", Interval()))}}, "lasts"),
    ],
    "D002": [
        ({"groups": (Group("Basics", "name owner_id nonsense"),)}, "groups"),
        ({"search": "nonsense"}, "search"),
        ({"filters": "count nonsense"}, "filters"),
        ({"order": "-nonsense"}, "order"),
        ({"label": "nonsense"}, "label"),
        ({"label": "method"}, "label"),
        ({"cells": "name/nonsense"}, "cells"),
        ({"cells": "name/method"}, "cells"),
        ({"departments": ("nonsense",)}, "departments"),
        ({"owner": "nonsense"}, "owner"),
        ({"audience": "nonsense"}, "audience"),
        ({"follows": "nonsense"}, "follows"),
        ({"natural_key": ("nonsense",)}, "natural_key"),
        ({"file": "nonsense"}, "file"),
        ({"clocks": (Clock("Overdue", "nonsense", "lines"),)}, "clocks"),
        ({"clocks": (Clock("Overdue", "due", "nonsense"),)}, "clocks"),
        (going(asks=("nonsense",)), "life.moves"),
        (acting(asks=("nonsense",), requires=("nonsense",)), "actions"),
        (reminding(to="nonsense"), "reminders"),
        ({**OF_PEOPLE, "public": opened("name nonsense")}, "public.groups"),
    ],
    "D003": [({"related": ("nonsense",)}, "related")],
    "D004": [
        ({"relation": False}, "owner_id"),
        ({"relation": False, "cells": "name/owner_id", "groups": (Group("Basics", "name"),), **granted()}, "owner_id"),
    ],
    "D005": [
        (going(sources=(Light.Red, CaseState.Received)), "life.moves"),
        (going(target=CaseState.Accepted), "life.moves"),
        (life(initial=CaseState.Received), "life.initial"),
        (life(steps=(Light.Red, CaseState.Received)), "life.steps"),
        (life(open_in=("red",)), "life.open_in"),
        (life(tones={CaseState.Received: "ok"}), "life.tones"),
        ({**reminding(states=(CaseState.Received,)), **life()}, "reminders"),
        (reminding(states=(Light.Red,)), "reminders"),
    ],
    "D006": [({"related": ("cases",)}, "related")],
    "D007": [({"inline": ("letters",)}, "inline")],
    "D008": [
        ({"name": name}, "name")
        for name in (
            "Items",
            "work_days",
            "my items",
            "-x",
            "x--y",
            "案件",
            "",
            "1st",
            "login",
            "api",
            "static",
            "find",
        )
    ],
    "D009": [
        ({"groups": (Group("Basics", "name owner_id"), Group("Limits", "name"))}, "groups"),
        ({"groups": (Group("Basics", "name owner_id name"),)}, "groups"),
        ({"cells": "name/count count"}, "cells"),
        ({**OF_PEOPLE, "public": opened("name name")}, "public.groups"),
        ({**OF_PEOPLE, "public": opened(cells="name/name")}, "public.cells"),
        ({"search": "name name"}, "search"),
        ({"filters": "count state count"}, "filters"),
        ({**OF_SEAT, "target": None, "departments": ("department_id", "department_id")}, "departments"),
        (going(asks=("count", "count")), "life.moves"),
    ],
    "D010": [
        (granted(Grant(Role.Administrator, "list show nonsense", Reach.all)), "grants"),
        (granted(Grant(Role.Administrator, "list go", Reach.all)), "grants"),  # a move of another registry
    ],
    "D011": [(granted(Grant(Role.Clerk, "list", Reach.mine)), "grants")],
    "D012": [
        (granted(Grant(Role.Clerk, "list show list", Reach.all)), "grants"),
        (granted(SEES, Grant(Role.Administrator, "show", Reach.all)), "grants"),
    ],
    "D013": [
        (granted(Grant(Role.Clerk, "list edit", Reach.all)), "grants"),
        (granted(SEES, Grant(Role.Clerk, "list delete", Reach.all)), "grants"),
        ({**PERSONAL, **granted(SEES, Grant(Role.Clerk, "list reveal", Reach.all))}, "grants"),
    ],
    "D014": [
        (
            {
                "groups": (Group("Basics", "name state"),),
                "columns": {"name": col(str, String(20), editable="new")},
                **granted(Grant(Role.Clerk, "list show edit", Reach.all)),
            },
            "grants",
        ),
        (
            {
                "groups": (Group("Basics", "state"),),
                "columns": {"name": col(str, String(20), editable="never")},
                "required": False,
                **granted(Grant(Role.Clerk, "list show add", Reach.all)),
            },
            "grants",
        ),
    ],
    "D015": [
        ({"life": LIFE}, "life.moves"),
        ({"actions": (ACT,)}, "actions"),
    ],
    "D019": [
        ({"departments": "department_id"}, "departments"),
        ({"natural_key": "name"}, "natural_key"),
        ({"related": "cases"}, "related"),
        ({"grants": "list"}, "grants"),
        (going(tells="refusal"), "life.moves"),
        (acting(asks="count"), "actions"),
        (life(moves="go"), "life"),
        ({"columns": {"limit": col(date | None, due="red")}}, "limit"),
    ],
    "D080": [(granted(Grant(Role.Clerk, "list show", Reach.own), Grant(Role.Clerk, "export", Reach.all)), "grants")],
    "D081": [({**granted(SEES, Grant(Role.Clerk, "list show import", Reach.all)), "natural_key": ()}, "natural_key")],
    "D070": [(granted(SEES, Grant(Role.Clerk, "list show reveal", Reach.all)), "grants")],
    "D071": [
        ({"columns": {"born": col(date | None, personal=True)}}, "born"),
        ({"columns": {"count": col(int | None, personal=True)}}, "count"),
    ],
    "D020": [
        ({"groups": (Group("Basics", "name count"),)}, "owner_id"),
        ({"groups": (Group("Basics", "owner_id"),)}, "name"),
    ],
    "D021": [({"groups": (*ADMIN.groups, Group("Limits", " "))}, "groups")],
    "D022": [
        ({"natural_key": ("name",)}, "natural_key"),
        ({"natural_key": ("name",), "args": lambda: (UniqueConstraint("name", "count"),)}, "natural_key"),
        ({"natural_key": ("name", "count"), "args": lambda: (UniqueConstraint("name"),)}, "natural_key"),
        ({"natural_key": ("name",), "args": lambda: (Index("ix_name", "name"),)}, "natural_key"),
    ],
    "D023": [({"filters": "count lines"}, "filters")],
    "D024": [
        ({"order": "lines"}, "order"),
        ({"order": "-text", "columns": {"text": col(str | None, lines=4)}}, "order"),
        ({**OF_PEOPLE, "public": opened("name lines", order="lines")}, "public.order"),
        (blocked("nonsense"), "desk.blocks"),
        (blocked("-lines"), "desk.blocks"),
        (blocked("called"), "desk.blocks"),
    ],
    "D016": [(granted(Grant(Role.Clerk, "list", Reach.all), Grant(Role.Clerk, "show", Reach.own)), "grants")],
    "D017": [
        ({"filters": "size", "columns": {"size": col(int | None)}}, "size"),
        ({"groups": (*ADMIN.groups, Group("Details", "seen")), "columns": {"seen": col(int | None)}}, "seen"),
    ],
    "D018": [({"target": dataclasses.replace(ADMIN, name="targets")}, "owner_id")],
    "D025": [
        ({"filters": "count phone", "columns": {"phone": col(str | None, String(20), personal=True)}}, "filters"),
        ({"order": "-phone", "columns": {"phone": col(str | None, String(20), personal=True)}}, "order"),
        ({"label": "phone", "columns": {"phone": col(str | None, String(20), personal=True)}}, "label"),
    ],
    "D026": [
        ({**life(), "columns": {"limit": col(date | None, due=("red", "blue"))}}, "limit"),
        ({**life(), "columns": {"limit": col(datetime | None, Moment(), due=("red",))}}, "limit"),
        ({"columns": {"limit": col(date | None, due=("red",))}}, "limit"),  # without a life there are no states
    ],
    "D027": [
        ({"columns": {"name": col(str, String(20), minimum=1)}}, "name"),
        ({"columns": {"limit": col(date | None, maximum=0)}}, "limit"),
        ({"columns": {"count": col(int | None, minimum=3, maximum=2)}}, "count"),
    ],
    "D028": [
        ({"filters": "owner_id"}, "owner_id"),
        ({"filters": "owner_id", "args": lambda: (Index("ix_both", "count", "owner_id"),)}, "owner_id"),
        (
            {**OF_SEAT, "target": None, "columns": {**SEAT, "department_id": leading(Department, index=False)}},
            "department_id",
        ),
    ],
    "D029": [
        ({"groups": (*ADMIN.groups, Group("Limits", "extra")), "columns": {"extra": col(list[Any] | None)}}, "extra"),
        (acting(asks=("lines",)), "lines"),
    ],
    "D030": [({"target": NARROW, "required": False, "grants": CLERK_READS_ALL}, "owner_id")],
    "D031": [
        ({**OF_SEAT, "grants": CLERK_READS_ALL}, "owner_id"),
        # As narrow, but its rows need not be of the department of what they refer to.
        ({**OF_SEAT, "grants": (*ADMIN.grants, Grant(Role.Clerk, "list", Reach.own))}, "owner_id"),
        (
            {**OF_SEAT, "target": dataclasses.replace(NARROW, grants=NARROW.grants[:1]), "grants": CLERK_READS_ALL},
            "owner_id",
        ),
    ],
    "D032": [
        ({"departments": ("count",)}, "departments"),
        ({"departments": ("id",)}, "departments"),
        ({**OF_PEOPLE, "departments": ("department_id", "person_id")}, "departments"),
    ],
    "D033": [
        ({**OF_PEOPLE, "owner": "count"}, "owner"),
        ({**OF_PEOPLE, "owner": "department_id"}, "owner"),
        (reminding(to="department_id"), "reminders"),
    ],
    "D034": [({"audience": "state"}, "audience"), ({"audience": "name"}, "audience")],
    "D035": [({"follows": "count"}, "follows"), ({"follows": "owner_id"}, "follows")],
    "D036": [
        ({"file": "name"}, "file"),
        ({"file": "paper", "columns": {"paper": (Mapped[bytes], lambda: mapped_column(LargeBinary()))}}, "file"),
    ],
    "D037": [
        ({"search": "name count"}, "search"),
        ({"search": "state"}, "search"),
        ({"label": "count"}, "label"),
        ({"label": "owner_id"}, "label"),
    ],
    "D038": [({"columns": {"count": col(int | None, editable="nver")}}, "count")],
    "D039": [
        ({"clocks": (Clock("Overdue", "name", "lines"),)}, "clocks"),
        ({"clocks": (Clock("Overdue", "due", "name"),)}, "clocks"),
        ({"clocks": (Clock("Overdue", "due", "lines", "name"),)}, "clocks"),
    ],
    "D040": [
        (life(field="status"), "life.field"),
        (life(field="name"), "life.field"),
        (life(states=Sign, initial=Sign.Only, moves=(Move("go", "Accept", (Sign.Only,), Sign.Only),)), "life.field"),
    ],
    "D041": [
        (life(moves=(dataclasses.replace(GO, target=Light.Red),)), "life.moves"),
        (life(moves=(dataclasses.replace(GO, sources=(Light.Green,)),)), "life.moves"),
    ],
    "D042": [
        (life(moves=(GO, dataclasses.replace(GO, label="Waiting"))), "life.moves"),
        ({**life(), "actions": (dataclasses.replace(ACT, name="go"),)}, "actions"),
        ({**OF_PEOPLE, "reminders": reminding()["reminders"] * 2}, "reminders"),
    ],
    "D043": [
        ({**going(name=name), "grants": (dataclasses.replace(SEES, can=f"list show {name}"),)}, "life.moves")
        for name in ("delete", "import", "new", "history", "file", "views", "Go", "go-on", "go_", "去")
    ]
    + [({**acting(name="tree"), "grants": (dataclasses.replace(SEES, can="list show tree"),)}, "actions")],
    "D044": [
        (going(asks=("count",), requires=("name",)), "life.moves"),
        (acting(asks=(), requires=("count",)), "actions"),
    ],
    "D045": [
        ({**going(tells=(name,)), "letter": dict, "departments": ("department_id",), "columns": SEAT}, "life.moves")
        for name in ("nonsense", "__pycache__", "../notices/refusal", "base.html", "")
    ],
    "D046": [
        (going(tone="red"), "life.moves"),
        (acting(tone=""), "actions"),
        (life(tones={Light.Red: "good"}), "life.tones"),
        ({"desk": Desk(figures=(Figure("Gaps", "", "ok"),))}, "desk.figures"),
    ],
    "D047": [
        ({**going(tells=("refusal",)), "departments": ("department_id",), "columns": SEAT}, "letter"),
        ({**going(tells=("refusal",)), "letter": dict}, "departments"),
    ],
    "D050": [
        (counting("nonsense=1"), "desk.figures"),
        (counting("name=x"), "desk.figures"),  # a field, but none of the filters
        (counting("state=red&count__form=1"), "desk.figures"),
        (counting("q=x"), "desk.figures"),  # there is nothing to search
        (counting("state=red&sort=count"), "desk.figures"),
        ({"filters": "count", "badge": "state=red"}, "badge"),
        ({"filters": "count", "desk": Desk(blocks=(Block("Waiting", "state=red"),))}, "desk.blocks"),
    ],
    "D051": [
        (counting(where), "desk.figures")
        for where in (
            "state=nonsense",
            "state=red&state=",
            "count=many",
            "count__from=x",
            "count__to=",
            "count__below=1",
            "count__empty=yes",
            "state__empty=1",  # it is never empty
            "state__from=red",
            "due=overdue",  # a moment, for which no limit runs
            "due=2026-02-30",
            "due__to=tomorrow",
            "limit=late",
            "limit__to=overdue",
            "limit__empty=1",
            "department_id=health",
            "department_id=me",
            "department_id__below=1",
            "department_id=5&department_id__below=yes",
            "owner_id=5&owner_id__below=1",  # no tree
        )
    ]
    + [
        ({"filters": "state", "badge": "state=nonsense"}, "badge"),
        ({"filters": "state", "desk": Desk(blocks=(Block("Waiting", "state=x"),))}, "desk.blocks"),
    ],
    "D061": [({"cells": "called/count"}, "cells")],
    "D090": [
        (
            {**OF_PEOPLE, "columns": {**OF_PEOPLE["columns"], **PERSONAL["columns"]}, "public": opened("name phone")},
            "public.groups",
        )
    ],
    "D091": [
        ({**OF_PEOPLE, "public": opened(cells="name/count")}, "public.cells"),
        ({**OF_PEOPLE, "public": opened(order="-count")}, "public.order"),
        ({**OF_PEOPLE, "filters": "count", "public": opened(filters="count")}, "public.filters"),
        (
            {**OF_PEOPLE, "search": "name", "public": opened("count", cells="count", order="id", search="name")},
            "public.search",
        ),
    ],
    "D092": [({"public": opened()}, "public")],
    "D093": [
        ({**OF_PEOPLE, "public": opened("name count", filters="count")}, "public.filters"),
        ({**OF_PEOPLE, "public": opened("name", search="name")}, "public.search"),
    ],
}
CASES = [(code, i) for code, wrong in WRONG.items() for i in range(len(wrong))]


@pytest.mark.parametrize(("code", "which"), CASES)
def test_a_wrong_declaration_is_told_by_its_code_and_place(code: str, which: int) -> None:
    words, attribute = WRONG[code][which]
    found = mistakes([declare(**words)])
    assert {m.code for m in found} == {code}, "\n".join(map(str, found))
    assert {m.where for m in found} == {f"{HERE} Throwaway.{attribute}"}
    assert all(m.sentence for m in found)


@pytest.mark.parametrize("code", WRONG)
def test_a_wrong_declaration_does_not_start(code: str) -> None:
    with pytest.raises(WrongDeclarations) as refused:
        refuse_mistakes([declare(**WRONG[code][0][0])])
    assert str(refused.value).startswith(f"{code} {HERE} Throwaway.")
    assert isinstance(refused.value, SystemExit)
    assert refused.value.code not in (0, None)  # the process ends with an error


@pytest.mark.parametrize("which", range(len(WRONG["D002"])))
def test_an_unknown_name_is_told_with_its_word(which: int) -> None:
    [mistake] = mistakes([declare(**WRONG["D002"][which][0])])
    assert "'nonsense'" in mistake.sentence or "'method'" in mistake.sentence


def test_following_the_parent_puts_it_right() -> None:
    words = {**OF_SEAT, "grants": (*ADMIN.grants, Grant(Role.Clerk, "list", Reach.own))}
    assert told(declare(**words)) == {"D031"}
    assert told(declare(**words, follows="owner_id")) == set()
    assert told(declare(**words, required=False)) == set()  # what may be empty is joined from outside


def test_rows_about_any_registry_are_found_by_what_they_are_about() -> None:
    """Letters lead nowhere by a reference; they say which registry and which row they are about."""
    assert told(declare(related=("letters",), inline=("letters",))) == set()
    [mistake] = mistakes([declare(related=("events",))])
    assert (mistake.code, "subject_id" in mistake.sentence) == ("D006", True)


@pytest.mark.parametrize(
    "index",
    [
        lambda: (Index("ix_first", "owner_id", "count"),),
        lambda: (UniqueConstraint("owner_id", "name"),),
    ],
)
def test_a_reference_first_in_an_index_is_indexed(index: Callable[[], tuple[Any, ...]]) -> None:
    assert told(declare(filters="owner_id", args=index)) == set()


@pytest.mark.parametrize("unique", [{"unique": True}, {"unique": True, "index": True}])
def test_a_unique_column_is_a_natural_key(unique: dict[str, Any]) -> None:
    assert told(declare(natural_key=("name",), columns={"name": col(str, String(20), **unique)})) == set()


def test_all_mistakes_are_told_at_once() -> None:
    several = declare(search="nonsense", related=("nonsense",), groups=(Group("Basics", "name"),))
    other = declare(order="x", **{k: v for k, v in WRONG["D051"][0][0].items() if k != "order"})
    unreadable = declare(columns={n: (Mapped[timedelta], lambda: field("Name", Interval())) for n in ("long", "short")})
    assert [m.code for m in mistakes([several, other, unreadable])] == [
        *("D002", "D003", "D020"),
        *("D002", "D051"),
        *("D001", "D001"),
    ]
    with pytest.raises(SystemExit) as refused:
        refuse_mistakes([several, other, unreadable])
    lines = str(refused.value).splitlines()
    assert len(lines) == 7
    assert [line.split()[0] for line in lines] == ["D002", "D003", "D020", "D002", "D051", "D001", "D001"]
    assert all(f" {HERE} Throwaway." in line for line in lines)


def test_declarations_made_here_are_no_registries() -> None:
    declare()
    assert "throwaways" not in registries()
    assert not [m for m in Base.registry.mappers if m.class_.__name__ == "Throwaway"]


# --- words ---------------------------------------------------------------------------------------------------------


NEW = "Nobody ever said this"
UNTRANSLATED: list[tuple[dict[str, Any], str]] = [
    ({"title": NEW}, "Throwaway.title"),
    ({"one": NEW}, "Throwaway.one"),
    ({"add_label": NEW}, "Throwaway.add_label"),
    ({"groups": (Group(NEW, "name owner_id"),)}, "Throwaway.groups"),
    ({"clocks": (Clock(NEW, "due", "lines"),)}, "Throwaway.clocks"),
    ({"desk": Desk(figures=(Figure(NEW, ""),))}, "Throwaway.desk.figures"),
    ({"desk": Desk(blocks=(Block(NEW, ""),))}, "Throwaway.desk.blocks"),
    ({"desk": Desk(blocks=(Block("Waiting", "", empty=NEW),))}, "Throwaway.desk.blocks"),
    (going(label=NEW), "Throwaway.life.moves"),
    (going(confirm=NEW), "Throwaway.life.moves"),
    (acting(label=NEW), "Throwaway.actions"),
    (acting(confirm=NEW), "Throwaway.actions"),
    ({"reminders": (Reminder("soon", NEW, lambda s, r, n: None, dict),)}, "Throwaway.reminders"),
    ({"labels": {"called": NEW}}, "Throwaway.LABELS"),
    ({"columns": {"count": col(int | None, label=NEW)}}, "Throwaway.count"),
    ({"columns": {"count": col(int | None, help=NEW)}}, "Throwaway.count"),
    ({"args": lambda: (check_constraint("count > 0", "some", NEW),)}, "Throwaway.__table_args__"),
]


@pytest.mark.parametrize("which", range(len(UNTRANSLATED)))
def test_what_people_read_must_be_translated(which: int) -> None:
    words, where = UNTRANSLATED[which]
    [mistake] = untranslated([declare(**words)])
    assert (mistake.code, mistake.where) == ("D060", f"{HERE} {where}")
    assert NEW in mistake.sentence
    assert "zh, zh_Hant" in mistake.sentence


def test_labels_of_lists_must_be_translated_and_are_told_once() -> None:
    class Strange(LabelEnum):
        One = "one", NEW

    models = [declare(columns={"strange": col(Strange | None)}) for _ in range(2)]
    [mistake] = untranslated(models)
    assert mistake.where == f"{HERE} Strange.One"
    empty = Lifecycle(Strange, Strange.One, ())
    assert [m.where for m in untranslated([declare(life=empty)])] == [f"{HERE} Strange.One"]


def test_a_word_that_one_language_lacks_is_told_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    held = {"zh": catalog.translated("zh"), "zh_Hant": catalog.translated("zh_Hant") - {"Gaps"}}
    monkeypatch.setattr("views.checks.words.translated", held.__getitem__)
    [mistake] = untranslated([declare()])
    assert mistake.where == f"{HERE} Throwaway.count"
    assert "(zh_Hant)" in mistake.sentence


def test_catalogues_are_read_from_the_po_alone_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = catalog.path_of("zh", tmp_path)
    assert catalog.translated("zh", tmp_path) == frozenset()
    path.parent.mkdir(parents=True)
    path.write_text('msgid "a"\nmsgstr "甲"\n\nmsgid "b"\nmsgstr ""\n\n#, fuzzy\nmsgid "c"\nmsgstr "丙"\n', "utf-8")
    assert catalog.translated("zh", tmp_path) == {"a"}
    with monkeypatch.context() as patched:
        patched.setattr(catalog, "read", lambda *_: pytest.fail("it was read already"))
        assert catalog.translated("zh", tmp_path) == {"a"}
    path.write_text('msgid "a"\nmsgstr "甲"\n\nmsgid "b"\nmsgstr "乙"\n', "utf-8")
    assert catalog.translated("zh", tmp_path) == {"a", "b"}


# --- the checks themselves -----------------------------------------------------------------------------------------


def test_how_a_mistake_reads() -> None:
    assert Declared(registries()["cases"]).wrong("D999", "filters", "").where == "models/case.py Case.filters"
    assert str(Mistake("D999", "models/x.py X.y", "is wrong")) == "D999 models/x.py X.y: is wrong"


def test_every_code_has_its_meaning_and_its_test() -> None:
    codes = set()
    for path in (ROOT / "views" / "checks").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in ("wrong", "Mistake") and node.args and isinstance(node.args[0], ast.Constant):
                codes.add(node.args[0].value)
    assert codes == set(CODES) == {*WRONG, "D060"}
    assert [*CODES] == sorted(CODES)
    assert all(meaning.endswith(".") for meaning in CODES.values())


def test_words_of_addresses_are_those_of_the_routes() -> None:
    methods = [getattr(RegistryPages, name) for name in dir(RegistryPages)]
    paths = [path for method in methods for path, _ in getattr(method, "_urls", ())]
    words = {part for path in paths for part in path.split("/") if part and "<" not in part and ":" not in part}
    assert {"new", "do", "history"} <= words | {"history"} <= check_life.ROUTE_WORDS


def test_addresses_of_other_pages_are_taken() -> None:
    firsts = set()
    for page in (*PAGES, SignIn, MyAccount, SecondFactor, Workbench, Find, Import):
        for name in dir(page):
            for path, _ in getattr(getattr(page, name), "_urls", ()):
                firsts.add(f"{page.route_base}{path}".strip("/").partition("/")[0])
    assert firsts - {""} <= check_fields.TAKEN
    assert not {*registries()} & check_fields.TAKEN


def test_any_hour_reads_the_same() -> None:
    """What depends on now is for the rows to say; it can be asked for all the same."""
    assert told(declare(**counting("limit=week&due=2026-03-02"))) == set()
